/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fetch: what is asked of the origin for the cache, and what becomes of its answer.
 *
 * The origin is asked for the whole, whatever the client wants of it, on condition that it has changed where a stale object is
 * at hand. An answer that may be stored leaves the exchange: it fills an object as fast as the origin sends, and
 * whoever asked first reads that like all others. All other answers go to the client as they would without a cache.
 */
#include "admit.h"
#include "date.h"
#include "hooks.h"
#include "validate.h"
#include "vary.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* --- the request ------------------------------------------------------------------------------------------------- */

/* What the origin is asked for its validity (RFC 9110, 13.1). */
static void
ask_if_changed(struct weir_exchange *x, struct cache_state *s)
{
	size_t length;
	const char *modified = cache_object_field(s->object, "Last-Modified", &length);

	if (s->object->etag != NULL)
		weir_set_field(x, WEIR_UPSTREAM_REQUEST, "If-None-Match", s->object->etag);
	if (modified != NULL && s->object->modified >= 0)
		weir_set_field(x, WEIR_UPSTREAM_REQUEST, "If-Modified-Since", weir_copy(x, modified, length));
	s->conditional = s->object->etag != NULL || (modified != NULL && s->object->modified >= 0);
}

static void
ask_for_coding(struct weir_exchange *x, const struct cache_settings *set)
{
	const char *accept = weir_field(x, WEIR_UPSTREAM_REQUEST, "Accept-Encoding"), *coding;
	size_t length;

	if (set->codings == NULL || accept == NULL)
		return;
	length = cache_vary_coding(accept, set->codings, &coding);
	weir_set_field(x, WEIR_UPSTREAM_REQUEST, "Accept-Encoding", weir_copy(x, coding, length));
}

enum weir_verdict
cache_ask(struct weir_exchange *x, const void *settings, void *state)
{
	static const char *const ours[] = {
		"If-None-Match", "If-Modified-Since", "If-Match", "If-Unmodified-Since", "If-Range", "Range"
	};
	struct cache_state *s = cache_state_of(x, state);

	if (!s->fetches)
		return WEIR_NEXT;
	for (size_t i = 0; i < sizeof(ours) / sizeof(*ours); i++)
		weir_remove_field(x, WEIR_UPSTREAM_REQUEST, ours[i]);
	s->conditional = false;
	if (s->object != NULL && !s->outright)
		ask_if_changed(x, s);
	ask_for_coding(x, settings);
	if (weir_is_errand(x))
		s->request = cache_read_request(x, WEIR_REQUEST);
	s->epoch = cache_store_epoch(cache_store_of(x));
	s->asked = weir_time();
	return s->request != NULL ? WEIR_NEXT : WEIR_FAIL;
}

/* --- the response's head ----------------------------------------------------------------------------------------- */

static void
read_response(struct weir_exchange *x, const struct cache_settings *set, struct cache_response *response)
{
	const char *name, *value;
	unsigned position = 0;

	cache_response_init(response, weir_status(x));
	while (weir_field_next(x, WEIR_RESPONSE, &position, &name, &value))
		cache_response_field(response, &set->rules, name, strlen(name), value, strlen(value), weir_time());
	cache_response_end(response, &set->rules);
}

static bool
is_framing(const char *name)
{
	static const char *const framing[] = { "Content-Length", "Transfer-Encoding", "Connection", "Keep-Alive", "Upgrade" };

	for (size_t i = 0; i < sizeof(framing) / sizeof(*framing); i++)
		if (strcasecmp(name, framing[i]) == 0)
			return true;
	return false;
}

/* The fields that are stored, as lines, with a Date. SIZE_MAX: there is no room. */
static size_t
write_lines(struct weir_exchange *x, const struct cache_settings *set, const struct cache_response *response, char *to,
	size_t room)
{
	const char *name, *value;
	unsigned position = 0;
	size_t at = 0;
	bool dated = false;

	while (weir_field_next(x, WEIR_RESPONSE, &position, &name, &value)) {
		size_t name_length = strlen(name), length = strlen(value);

		if (is_framing(name) || !cache_keeps_field(response, &set->rules, name, name_length))
			continue;
		if (name_length + length + 4 > room - at)
			return SIZE_MAX;
		memcpy(to + at, name, name_length);
		memcpy(to + at + name_length, ": ", 2);
		memcpy(to + at + name_length + 2, value, length);
		memcpy(to + at + name_length + 2 + length, "\r\n", 2);
		at += name_length + length + 4;
		dated = dated || strcasecmp(name, "Date") == 0;
	}
	if (dated)
		return at;
	if (room - at < sizeof("Date: \r\n") + CACHE_DATE_LENGTH)
		return SIZE_MAX;
	memcpy(to + at, "Date: ", 6);
	cache_date_write(to + at + 6, weir_time());
	memcpy(to + at + 6 + CACHE_DATE_LENGTH, "\r\n", 2);
	return at + 8 + CACHE_DATE_LENGTH;
}

/* Surrogate keys of both names. */
static const char *
tags_of(struct weir_exchange *x)
{
	static const char *const names[] = { "Cache-Tag", "Surrogate-Key" };
	const char *tags = NULL, *value;

	for (int i = 0; i < 2; i++)
		for (unsigned position = 0; (value = weir_field_next_named(x, WEIR_RESPONSE, names[i], &position)) != NULL; )
			tags = tags == NULL ? value : weir_printf(x, "%s %s", tags, value);
	return tags;
}

static struct cache_draft
draft_of(struct weir_exchange *x, struct cache_state *s, const struct cache_response *response,
	const struct cache_freshness *fresh)
{
	return (struct cache_draft){
		.name = s->name,
		.kind = CACHE_RESPONSE,
		.status = response->status,
		.fresh = *fresh,
		.date = response->date >= 0 ? response->date : weir_time(),
		.modified = response->modified,
		.etag = response->etag.at == NULL ? NULL : weir_copy(x, response->etag.at, response->etag.length),
		.tags = tags_of(x),
		.epoch = s->epoch,
		.length = -1,
	};
}

/* Here there is no other to look for. */
static enum weir_verdict
serve(struct weir_exchange *x, const struct cache_settings *set, struct cache_state *s, struct cache_object *object)
{
	enum weir_verdict verdict = cache_serve(x, set, s, object);

	return verdict == WEIR_AGAIN ? WEIR_FAIL : verdict;
}

/* --- a 304 ------------------------------------------------------------------------------------------------------- */

static size_t
merge(struct weir_exchange *x, const struct cache_settings *set, const struct cache_response *response,
	const struct cache_object *old, char *to, size_t room)
{
	char *fresh = weir_alloc(x, CACHE_HEAD_MOST);
	size_t length = fresh == NULL ? SIZE_MAX : write_lines(x, set, response, fresh, CACHE_HEAD_MOST);

	return length == SIZE_MAX ? SIZE_MAX : cache_merge_lines(to, room, old->lines, old->lines_length, fresh, length);
}

/* What the merged head says: it alone decides how long the stored response is good for (RFC 9111, 4.3.4). */
static void
read_lines(const char *lines, size_t length, const struct cache_settings *set, struct cache_response *response)
{
	const char *end = lines + length;

	while (lines < end) {
		const char *stop = memchr(lines, '\r', (size_t)(end - lines)), *colon = memchr(lines, ':', (size_t)(end - lines));

		cache_response_field(response, &set->rules, lines, (size_t)(colon - lines), colon + 2, (size_t)(stop - colon - 2),
			weir_time());
		lines = stop + 2;
	}
	cache_response_end(response, &set->rules);
}

/* The stored response, brought up to date: a new object with the old one's body. NULL without memory. */
static struct cache_object *
renew(struct weir_exchange *x, const struct cache_settings *set, struct cache_state *s, const struct cache_response *response)
{
	struct cache_response *merged = weir_alloc(x, sizeof(*merged));
	char *lines = weir_alloc(x, CACHE_HEAD_MOST);
	size_t length = lines == NULL ? SIZE_MAX : merge(x, set, response, s->object, lines, CACHE_HEAD_MOST);
	struct cache_freshness fresh;
	struct cache_draft draft;

	if (merged == NULL || length == SIZE_MAX)
		return NULL;
	cache_response_init(merged, s->object->status);
	read_lines(lines, length, set, merged);
	merged->age = response->age;
	cache_freshness_of(&fresh, merged, &set->rules, s->asked, weir_time());
	draft = draft_of(x, s, merged, &fresh);
	if (draft.etag == NULL)
		draft.etag = s->object->etag;
	draft.vary = s->object->vary;
	draft.lines = lines;
	draft.lines_length = length;
	draft.body_of = s->object;
	return cache_object_new(cache_store_of(x), &draft);
}

static enum weir_verdict
confirmed(struct weir_exchange *x, const struct cache_settings *set, struct cache_state *s, const struct cache_response *response)
{
	const struct cache_validators stored = { s->object->etag, s->object->modified, s->object->date };
	struct cache_store *store = cache_store_of(x);
	struct cache_object *object = NULL;

	if (cache_is_selected(&stored, response) && cache_body_state(s->object->body) < CACHE_ABORTED)
		object = renew(x, set, s, response);
	if (object == NULL) {	/* it confirms something else: ask for the whole */
		cache_store_remove(store, s->object);
		s->outright = true;
		if (weir_may_retry(x))
			return WEIR_RETRY;
		weir_fail(x, 502, "the origin confirms a response that is not stored");
		return WEIR_FAIL;
	}
	cache_store_add(store, object);
	cache_give_back(store, s, CACHE_LANDED);
	weir_count(x, CACHE_REVALIDATED, 1);
	s->outcome.forward_status = 304;
	s->fetches = false;
	return serve(x, set, s, object);
}

/* --- errors ------------------------------------------------------------------------------------------------------ */

/* The origin failed: take what is stale, if that may be, and let all others do the same for a while. */
static enum weir_verdict
save(struct weir_exchange *x, const struct cache_settings *set, struct cache_state *s, int status)
{
	struct cache_object *object = s->object;

	if (!s->fetches || object == NULL || s->request == NULL
			|| !cache_use_on_error(&object->fresh, s->request, &set->rules, weir_time())
			|| cache_body_state(object->body) >= CACHE_ABORTED)
		return WEIR_NEXT;
	s->object = NULL;
	s->fetches = false;
	cache_flight_leave(&s->seat, CACHE_COOLED);
	s->outcome.forward_status = status;
	weir_count(x, CACHE_STALE_HITS, 1);
	return serve(x, set, s, object);
}

/* The phase error. */
enum weir_verdict
cache_save(struct weir_exchange *x, const void *settings, void *state)
{
	struct cache_state *s = state;
	enum weir_verdict verdict = save(x, settings, s, 0);

	if (verdict == WEIR_NEXT)
		cache_give_back(cache_store_of(x), s, CACHE_CRASHED);
	return verdict == WEIR_RESPOND ? WEIR_RESPOND : WEIR_NEXT;
}

/* --- other methods ----------------------------------------------------------------------------------------------- */

/* A response to an unsafe request: what is stored for its target is stored no more (RFC 9111, 4.4). */
static void
invalidate(struct weir_exchange *x, const struct cache_settings *set)
{
	const struct cache_generation *generation = weir_generation_state(x);
	static const char *const others[] = { "Location", "Content-Location" };
	char key[CACHE_KEY_MOST], own[CACHE_KEY_MOST];
	struct cache_name name = { .key = key, .variant = "" };
	struct cache_name target;
	size_t length, origin;

	if (cache_name_it(x, set, &target))
		cache_store_purge(generation->store, &target, false);
	origin = cache_key_write(own, sizeof(own), weir_scheme(x), weir_authority(x), "/", NULL);
	for (int i = 0; i < 2; i++) {
		const char *value = weir_response_field(x, others[i]);

		if (value == NULL)
			continue;
		length = *value == '/' ? cache_key_write(key, sizeof(key), weir_scheme(x), weir_authority(x), value, NULL)
			: cache_key_from_url(key, sizeof(key), value);
		if (length < origin || length >= sizeof(key) || memcmp(key, own, origin) != 0)
			continue;	/* not of the same origin */
		name.key_length = (uint32_t)length;
		name.hash = cache_key_hash(&generation->secret, key, length);
		cache_store_purge(generation->store, &name, false);
	}
}

enum weir_verdict
cache_hear(struct weir_exchange *x, const void *settings, void *state)
{
	const struct cache_settings *set = settings;
	struct cache_state *s = cache_state_of(x, state);
	struct cache_response *response;
	int status = weir_status(x);

	if (!weir_method_is_safe(x) && cache_invalidates(weir_method(x), status))
		invalidate(x, set);
	if (!s->fetches)
		return WEIR_NEXT;
	if (status == 500 || status == 502 || status == 503 || status == 504)
		return save(x, set, s, status);
	if (status == 101) {	/* store will not be */
		cache_give_back(cache_store_of(x), s, CACHE_CRASHED);
		return WEIR_NEXT;
	}
	if (status != 304)
		return WEIR_NEXT;
	if (!s->conditional || s->object == NULL) {
		weir_fail(x, 502, "the origin answers 304 to a request without conditions");
		return WEIR_FAIL;
	}
	response = weir_alloc(x, sizeof(*response));
	if (response == NULL)
		return WEIR_FAIL;
	read_response(x, set, response);
	return confirmed(x, set, s, response);
}

/* --- the store --------------------------------------------------------------------------------------------------- */

/* The name of what varies, and the mark that says by what. */
static bool
vary(struct weir_exchange *x, const struct cache_settings *set, struct cache_state *s, const struct cache_response *response,
	char *names)
{
	if (response->vary_count == 0 || (set->rules.ignore & CACHE_IGNORE_VARY) != 0) {
		s->name.variant = "";
		s->name.variant_length = 0;
		names[0] = '\0';
		return true;
	}
	cache_vary_write(&response->vary, names);
	return cache_choose_variant(x, set, &s->name, names);
}

static int64_t
announced(struct weir_exchange *x)
{
	const char *length = weir_response_field(x, "Content-Length");

	return length == NULL ? -1 : (int64_t)strtoll(length, NULL, 10);
}

/* The object for this response, filling; NULL when it cannot be. */
static struct cache_object *
make(struct weir_exchange *x, const struct cache_settings *set, struct cache_state *s, const struct cache_response *response,
	const struct cache_freshness *fresh, const char *names)
{
	char *lines = weir_alloc(x, CACHE_HEAD_MOST);
	size_t length = lines == NULL ? SIZE_MAX : write_lines(x, set, response, lines, CACHE_HEAD_MOST);
	struct cache_draft draft;

	if (length == SIZE_MAX)
		return NULL;
	draft = draft_of(x, s, response, fresh);
	draft.vary = names[0] != '\0' ? names : NULL;
	draft.lines = lines;
	draft.lines_length = length;
	draft.length = announced(x);
	return cache_object_new(cache_store_of(x), &draft);
}

/* The object for this response, on its way in, and the client among its readers. NULL: it cannot be stored. */
static struct cache_object *
admit(struct weir_exchange *x, const struct cache_settings *set, struct cache_state *s, const struct cache_response *response,
	const struct cache_freshness *fresh, struct cache_seated *first)
{
	struct cache_store *store = cache_store_of(x);
	char names[CACHE_NAMES_MOST];
	struct cache_object *object = vary(x, set, s, response, names) ? make(x, set, s, response, fresh, names) : NULL;

	if (object == NULL)
		return NULL;
	cache_body_join(object->body, first);
	if (!cache_fill(x, set, object)) {
		cache_body_leave(object->body, first);
		cache_body_abort(store, object);
		cache_object_release(store, &object);
	} else if (cache_body_state(object->body) < CACHE_ABORTED) {	/* else what came with the head was too much, or broken */
		if (names[0] != '\0')
			cache_put_mark(store, &s->name, s->epoch, CACHE_VARY, names, INT64_MAX / 4);
		cache_store_add(store, object);
	}
	return object;
}

static void
count_evicted(struct weir_exchange *x)
{
	static _Atomic uint64_t told;
	struct cache_stats stats;
	uint64_t before;

	cache_store_stats(cache_store_of(x), &stats);
	before = atomic_exchange_explicit(&told, stats.evicted, memory_order_relaxed);
	if (stats.evicted > before)
		weir_count(x, CACHE_EVICTED, (int64_t)(stats.evicted - before));
}

/* What the response is to the cache. CACHE_STORE: *object is filled with it. */
static enum cache_admission
keep(struct weir_exchange *x, const struct cache_settings *set, struct cache_state *s, struct cache_seated *first,
	struct cache_object **object)
{
	struct cache_response *response = weir_alloc(x, sizeof(*response));
	struct cache_freshness fresh;
	enum cache_admission admission;

	*object = NULL;
	if (response == NULL)
		return CACHE_NOT_THIS;
	read_response(x, set, response);
	cache_freshness_of(&fresh, response, &set->rules, s->asked, weir_time());
	admission = cache_admit(s->request, response, &set->rules, &fresh, &s->outcome.detail);
	if (admission == CACHE_NOT_SUCH)
		cache_put_mark(cache_store_of(x), &s->name, s->epoch, CACHE_PASS, NULL, set->pass_time / 1000);
	if (admission == CACHE_STORE)
		*object = admit(x, set, s, response, &fresh, first);
	return admission;
}

enum weir_verdict
cache_keep(struct weir_exchange *x, const void *settings, void *state)
{
	const struct cache_settings *set = settings;
	struct cache_state *s = cache_state_of(x, state);
	struct cache_seated first = { .joined = false };
	struct cache_object *object, *held;
	enum cache_admission admission;
	enum weir_verdict verdict;

	if (!s->fetches)
		return WEIR_NEXT;
	admission = keep(x, set, s, &first, &object);
	s->fetches = false;
	if (object == NULL) {
		cache_give_back(cache_store_of(x), s, admission == CACHE_NOT_SUCH ? CACHE_LANDED : CACHE_CRASHED);
		return WEIR_NEXT;
	}
	cache_give_back(cache_store_of(x), s, CACHE_LANDED);
	s->outcome.stored = true;
	s->outcome.detail = NULL;
	weir_count(x, CACHE_STORED, 1);
	count_evicted(x);
	held = cache_object_hold(object);
	verdict = serve(x, set, s, object);
	cache_body_leave(held->body, &first);
	cache_object_release(cache_store_of(x), &held);
	return verdict;
}
