/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lookup: from a request to an object, to a place among those who wait, or to the origin.
 *
 * The hook of the phase cache runs anew each time that a wait ends, and looks at the store as if for the first time: who
 * resumed it need not say why. So nothing that was found out before a wait is relied on after it.
 */
#include "hooks.h"
#include "vary.h"

#include <stdlib.h>
#include <string.h>

/* A refresh in the background: an errand, and what a request would have of it. */
struct refresh {
	struct cache_state state;
	struct cache_store *store;
	char texts[];
};

/* --- the request ------------------------------------------------------------------------------------------------- */

struct cache_request *
cache_read_request(struct weir_exchange *x, enum weir_message which)
{
	struct cache_request *request = weir_alloc(x, sizeof(*request));
	const char *name, *value;
	unsigned position = 0;

	if (request == NULL)
		return NULL;
	cache_request_init(request);
	while (weir_field_next(x, which, &position, &name, &value))
		switch (name[0] | 0x20) {	/* what others begin with, none does that matters */
		case 'a': case 'c': case 'i': case 'p': case 'r':
			cache_request_field(request, name, value);
		}
	return request;
}

/* Does a template say that the cache is to be left out? */
static bool
is_bypassed(struct weir_exchange *x, const struct cache_settings *set)
{
	const struct weir_template *const *templates = set->bypass.items;

	for (size_t i = 0; i < set->bypass.count; i++) {
		const char *text = weir_expand(x, templates[i]);

		if (text != NULL && *text != '\0' && strcmp(text, "-") != 0 && strcmp(text, "0") != 0)
			return true;
	}
	return false;
}

/* Only a GET is fetched for the cache, and only a HEAD answered as well; neither with a body. */
static bool
is_for_the_cache(struct weir_exchange *x, const struct cache_settings *set, struct cache_state *s)
{
	const char *method = weir_method(x);

	s->outcome.forward = CACHE_FORWARD_METHOD;
	if ((strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) || weir_has_body(x))
		return false;
	s->outcome.forward = CACHE_FORWARD_BYPASS;
	if (is_bypassed(x, set))
		return false;
	s->request = cache_read_request(x, WEIR_REQUEST);
	s->outcome.forward = CACHE_FORWARD_REQUEST;
	return s->request != NULL && !s->request->preconditions && !s->request->control.no_store;
}

/* Routes may tell requests of one URL apart by more than that, and send them to different upstreams. */
static uint32_t
space_of(const struct weir_upstream *upstream)
{
	uint32_t hash = 2166136261u;

	for (const char *at = upstream == NULL ? "" : weir_upstream_name(upstream); *at != '\0'; at++)
		hash = (hash ^ (unsigned char)*at) * 16777619u;
	return hash;
}

bool
cache_name_it(struct weir_exchange *x, const struct cache_settings *set, struct cache_name *name)
{
	const struct cache_generation *generation = weir_generation_state(x);
	char room[CACHE_KEY_MOST];
	size_t length;

	name->variant = "";
	name->variant_length = 0;
	name->space = space_of(weir_upstream(x));
	if (set->key != NULL) {
		name->key = weir_expand(x, set->key);
		length = name->key == NULL ? 0 : strlen(name->key);
	} else {
		length = cache_key_write(room, sizeof(room), weir_scheme(x), weir_authority(x), weir_path(x), weir_query(x));
		name->key = length < sizeof(room) ? weir_copy(x, room, length) : NULL;
	}
	if (name->key == NULL || length == 0 || length >= CACHE_KEY_MOST)
		return false;
	name->key_length = (uint32_t)length;
	name->hash = cache_key_hash(&generation->secret, name->key, length);
	return true;
}

static const char *
next_request_field(void *argument, const char *name, unsigned *position)
{
	return weir_field_next_named(argument, WEIR_REQUEST, name, position);
}

bool
cache_choose_variant(struct weir_exchange *x, const struct cache_settings *set, struct cache_name *name, const char *vary)
{
	char room[CACHE_VARIANT_MOST];
	size_t length = cache_vary_variant(room, sizeof(room), vary, next_request_field, x, set->codings);

	if (length == 0 || (name->variant = weir_copy(x, room, length)) == NULL)
		return false;
	name->variant_length = (uint32_t)length;
	return true;
}

/* --- the object -------------------------------------------------------------------------------------------------- */

/* What is broken off, or passes by, can be shared by a response that was confirmed meanwhile: then that is none, either. */
static struct cache_object *
find_whole(struct cache_store *store, const struct cache_name *name)
{
	struct cache_object *object = cache_store_find(store, name);

	if (object != NULL && object->kind == CACHE_RESPONSE && cache_body_state(object->body) >= CACHE_ABORTED) {
		cache_store_remove(store, object);
		cache_object_release(store, &object);
	}
	return object;
}

/* The response for this request, held; or the mark that there are none to be had; NULL. A mark of Vary completes the name. */
static struct cache_object *
find(struct weir_exchange *x, const struct cache_settings *set, struct cache_name *name)
{
	struct cache_store *store = cache_store_of(x);
	struct cache_object *object, *mark;

	name->variant = "";
	name->variant_length = 0;
	object = find_whole(store, name);
	if (object == NULL || object->kind != CACHE_VARY)
		return object;
	mark = object;
	object = cache_choose_variant(x, set, name, mark->vary) ? find_whole(store, name) : NULL;
	cache_object_release(store, &mark);
	return object;
}

static bool
is_mark_in_force(const struct cache_object *object)
{
	return object->kind == CACHE_PASS && cache_age(&object->fresh, weir_time()) < object->fresh.lifetime;
}

/* --- a refresh --------------------------------------------------------------------------------------------------- */

static void
end_refresh(struct weir_exchange *x, void *argument)
{
	struct refresh *refresh = argument;

	(void)x;
	cache_give_back(refresh->store, &refresh->state, CACHE_COOLED);
	free(refresh);
}

/* Have it asked for again, by one errand, if nobody does already. */
static void
refresh_it(struct weir_exchange *x, const struct cache_settings *set, const struct cache_state *s, struct cache_object *object)
{
	const struct cache_name *name = &s->name;
	struct refresh *refresh = calloc(1, sizeof(*refresh) + name->key_length + name->variant_length);
	struct weir_errand errand = { .method = "GET", .limit = set->fetch_time,
		.sink = { .end = end_refresh, .argument = refresh } };

	if (refresh == NULL)
		return;
	memcpy(refresh->texts, name->key, name->key_length);
	memcpy(refresh->texts + name->key_length, name->variant, name->variant_length);
	refresh->state.name = *name;
	refresh->state.name.key = refresh->texts;
	refresh->state.name.variant = refresh->texts + name->key_length;
	refresh->store = cache_store_of(x);	/* the errand's generation holds it */
	if (cache_flight_join(refresh->store, &refresh->state.name, &refresh->state.seat, NULL, INT64_MAX / 2, 0)
			!= CACHE_LEADS) {
		end_refresh(NULL, refresh);
		return;
	}
	refresh->state.fetches = true;
	refresh->state.object = cache_object_hold(object);
	weir_count(x, CACHE_REFRESHES, 1);
	if (!weir_send_errand(weir_exchange_thread(x), x, &errand))
		end_refresh(NULL, refresh);
}

struct cache_state *
cache_state_of(struct weir_exchange *x, void *state)
{
	struct refresh *refresh = weir_errand_argument(x);

	return refresh != NULL ? &refresh->state : state;
}

/* --- the hook ---------------------------------------------------------------------------------------------------- */

static enum weir_verdict
pass(struct weir_exchange *x, struct cache_state *s, enum cache_forward why)
{
	if (why != CACHE_FORWARD_NONE)
		s->outcome.forward = why;
	s->tells = true;
	weir_count(x, CACHE_PASSES, 1);
	return WEIR_NEXT;
}

/* What an authorised request brings is mostly for nobody else: none waits for it, and it for none. */
static enum cache_join
join(struct weir_exchange *x, const struct cache_settings *set, struct cache_state *s, int64_t most)
{
	if (s->request->authorization && !(set->rules.ignore & CACHE_IGNORE_AUTHORIZATION) && !s->seat.joined)
		return CACHE_FULL;
	return cache_flight_join(cache_store_of(x), &s->name, &s->seat, x, set->lock_timeout, most);
}

/* Nothing that is here may answer: fetch it, wait for who does, or take what is stale where the origin has just failed. */
static enum weir_verdict
fetch(struct weir_exchange *x, const struct cache_settings *set, struct cache_state *s, struct cache_object *object)
{
	struct cache_store *store = cache_store_of(x);
	int64_t now = weir_now(), left;
	bool usable = object != NULL && cache_use_on_error(&object->fresh, s->request, &set->rules, weir_time());

	if (s->waited_since == 0)
		s->waited_since = now;
	left = s->waited_since + set->lock_age - now;
	if (left <= 0 && !s->seat.leads) {
		cache_object_release(store, &object);
		weir_fail(x, 504, "nobody has brought the response within lock_age");
		return WEIR_FAIL;
	}
	switch (join(x, set, s, left)) {
	case CACHE_WAITS:
		cache_object_release(store, &object);
		s->outcome.collapsed = true;
		return WEIR_WAIT;
	case CACHE_COOLS:
		if (usable)
			return cache_serve(x, set, s, object);
		break;
	case CACHE_LEADS:
		weir_keep_going(x);
		break;
	case CACHE_FULL:
		break;
	}
	cache_object_release(store, &s->object);
	s->object = object;
	s->fetches = s->tells = true;
	weir_count(x, CACHE_MISSES, 1);
	return WEIR_NEXT;
}

/* What was found may answer, or may not. */
static enum weir_verdict
use(struct weir_exchange *x, const struct cache_settings *set, struct cache_state *s, struct cache_object *object)
{
	switch (cache_use_of(&object->fresh, atomic_load_explicit(&object->stale, memory_order_relaxed), s->request, &set->rules,
		weir_time())) {
	case CACHE_USE_AND_REFRESH:
		refresh_it(x, set, s, object);
		/* FALLTHROUGH */
	case CACHE_USE_STALE:
		weir_count(x, CACHE_STALE_HITS, 1);
		return cache_serve(x, set, s, object);
	case CACHE_USE:
		weir_count(x, CACHE_HITS, 1);
		return cache_serve(x, set, s, object);
	case CACHE_VALIDATE:
		break;
	}
	s->outcome.forward = CACHE_FORWARD_STALE;
	if (strcmp(weir_method(x), "HEAD") != 0)
		return fetch(x, set, s, object);
	cache_object_release(cache_store_of(x), &object);
	return pass(x, s, CACHE_FORWARD_NONE);
}

static void
count_wait(struct weir_exchange *x, struct cache_state *s)
{
	if (!s->outcome.collapsed)
		return;
	weir_count(x, CACHE_COALESCED, 1);
	weir_count(x, CACHE_WAITED, weir_now() - s->waited_since);
}

static enum weir_verdict
look(struct weir_exchange *x, const struct cache_settings *set, struct cache_state *s)
{
	struct cache_store *store = cache_store_of(x);
	struct cache_object *object = find(x, set, &s->name);

	s->outcome.forward = s->name.variant_length > 0 ? CACHE_FORWARD_VARY_MISS : CACHE_FORWARD_URI_MISS;
	if (object != NULL && object->kind != CACHE_RESPONSE) {
		bool in_force = is_mark_in_force(object);

		cache_object_release(store, &object);
		if (in_force)
			return pass(x, s, CACHE_FORWARD_NONE);
	}
	if (object != NULL)
		return use(x, set, s, object);
	if (s->request->control.only_if_cached) {
		weir_fail(x, 504, "only-if-cached, and it is not");
		return WEIR_FAIL;
	}
	return strcmp(weir_method(x), "HEAD") != 0 ? fetch(x, set, s, NULL) : pass(x, s, CACHE_FORWARD_NONE);
}

/* Between the look and the flight it may have been stored: then this fetch would be one too many. */
static enum weir_verdict
look_again(struct weir_exchange *x, const struct cache_settings *set, struct cache_state *s)
{
	struct cache_store *store = cache_store_of(x);
	struct cache_object *object = find(x, set, &s->name);

	if (object == NULL || object == s->object || object->kind != CACHE_RESPONSE) {
		cache_object_release(store, &object);
		return WEIR_NEXT;
	}
	cache_give_back(store, s, CACHE_LANDED);
	s->fetches = s->tells = false;
	return use(x, set, s, object);
}

enum weir_verdict
cache_look_up(struct weir_exchange *x, const void *settings, void *state)
{
	const struct cache_settings *set = settings;
	struct cache_state *s = state;
	enum weir_verdict verdict;
	bool waited = s->outcome.collapsed;

	if (s->request == NULL && (!is_for_the_cache(x, set, s) || !cache_name_it(x, set, &s->name)))
		return pass(x, s, CACHE_FORWARD_NONE);
	do {
		verdict = look(x, set, s);
		if (verdict == WEIR_NEXT && s->seat.leads)
			verdict = look_again(x, set, s);
	} while (verdict == WEIR_AGAIN);
	if (verdict == WEIR_WAIT)
		return verdict;
	if (s->seat.joined && !s->fetches)	/* it was told to lead, and there was no need any more */
		cache_flight_leave(&s->seat, CACHE_LANDED);
	if (waited)
		count_wait(x, s);
	return verdict;
}

void
cache_give_back(struct cache_store *store, struct cache_state *s, enum cache_landing landing)
{
	cache_flight_leave(&s->seat, landing);
	if (s->object != NULL)
		cache_object_release(store, &s->object);
}

enum weir_verdict
cache_finish(struct weir_exchange *x, const void *settings, void *state)
{
	(void)settings;
	cache_give_back(cache_store_of(x), state, CACHE_CRASHED);
	return WEIR_NEXT;
}
