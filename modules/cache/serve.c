/* SPDX-License-Identifier: Apache-2.0 */
/*
 * serve: answers from an object: all of it, parts, or that it has not changed; while it is still being filled, too.
 *
 * The head's lines and the body's pieces go from the object to the socket by reference. The reader holds the object until
 * the exchange needs nothing of it any more.
 */
#include "hooks.h"
#include "range.h"
#include "validate.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum {
	LINES_MOST = 2048		/* longer heads are not copied */
};

/* A part of a body that is to be sent, with what stands before it. */
struct part {
	const char *head;
	size_t head_length;
	uint64_t first, end;		/* end is UINT64_MAX for that of the body */
};

/* Who reads an object for a client; in the exchange's memory. */
struct reader {
	struct cache_store *store;
	struct cache_object *object;
	struct cache_cursor cursor;
	struct cache_waiter waiter;
	struct cache_seated seated;
	struct weir_token token;
	const struct part *parts;
	unsigned count, at;
	bool head_sent;			/* of this part */
	struct part whole;
};

/* --- the source -------------------------------------------------------------------------------------------------- */

static void
wake(void *argument)
{
	struct reader *reader = argument;

	weir_resume(reader->token, WEIR_NEXT);
}

static void
cancelled(void *argument)
{
	struct reader *reader = argument;

	cache_body_unwait(reader->object->body, &reader->waiter);
}

/* There is nothing at the cursor: wait until there is, or the end has come. */
static enum weir_verdict
wait_for(struct weir_exchange *x, struct reader *reader, uint64_t position)
{
	reader->token = weir_wait(x, CACHE_WAIT_MOST, WEIR_FAIL, cancelled, reader);
	if (reader->token.generation == 0)
		return WEIR_FAIL;
	reader->waiter.wake = wake;
	reader->waiter.argument = reader;
	if (!cache_body_wait(reader->object->body, &reader->waiter, position))
		weir_resume(reader->token, WEIR_NEXT);
	/* It may have begun to since we looked: the writer waits for us. */
	else if (cache_body_passes(reader->object->body))
		cache_body_let_pass(reader->object->body, &reader->seated, position);
	return WEIR_WAIT;
}

static void
add_trailers(struct weir_exchange *x, const struct cache_body *body)
{
	const char *at = body->trailers, *end = at != NULL ? at + body->trailers_length : NULL;

	while (at != end) {
		const char *stop = memchr(at, '\r', (size_t)(end - at)), *colon = memchr(at, ':', (size_t)(end - at));

		weir_add_field(x, WEIR_TRAILERS, weir_copy(x, at, (size_t)(colon - at)),
			weir_copy(x, colon + 2, (size_t)(stop - colon - 2)));
		at = stop + 2;
	}
}

/* The next bytes of the part. WEIR_DONE at its end. */
static enum weir_verdict
read_part(struct weir_exchange *x, struct reader *reader, const struct part *part, struct weir_chunk *chunk)
{
	struct cache_body *body = reader->object->body;
	enum cache_body_state state = cache_body_state(body);	/* before the length */
	uint64_t length = cache_body_length(body);

	if (reader->cursor.position >= part->end)
		return WEIR_DONE;
	if (cache_body_passes(body)) {
		if (reader->count > 1)	/* which may go back to what is gone */
			return WEIR_FAIL;
		cache_body_let_pass(body, &reader->seated, reader->cursor.position > part->first ? reader->cursor.position
			: part->first);
	}
	if (reader->cursor.position < part->first && length > part->first)
		cache_body_seek(body, &reader->cursor, part->first);
	if (reader->cursor.position >= part->first
			&& cache_body_read(body, &reader->cursor, part->end == UINT64_MAX ? SIZE_MAX
			: part->end - reader->cursor.position,
				&chunk->data, &chunk->length)) {
		chunk->last = cache_body_has_ended(state) && reader->cursor.position == length && part->end >= length
			&& reader->count == 1;
		return WEIR_NEXT;
	}
	if (cache_body_has_ended(state))
		return WEIR_DONE;
	if (state == CACHE_ABORTED)
		return WEIR_FAIL;
	return wait_for(x, reader, reader->cursor.position < part->first ? part->first : reader->cursor.position);
}

static enum weir_verdict
next_piece(struct weir_exchange *x, void *argument, struct weir_chunk *chunk)
{
	struct reader *reader = argument;

	for (; reader->at < reader->count; reader->at++, reader->head_sent = false) {
		const struct part *part = &reader->parts[reader->at];
		enum weir_verdict verdict;

		if (!reader->head_sent && part->head_length > 0) {
			reader->head_sent = true;
			chunk->data = part->head;
			chunk->length = part->head_length;
			chunk->last = part->first == part->end && reader->at + 1 == reader->count;
			return WEIR_NEXT;
		}
		verdict = read_part(x, reader, part, chunk);
		if (verdict == WEIR_DONE)
			continue;
		if (verdict == WEIR_NEXT && chunk->last)
			add_trailers(x, reader->object->body);
		return verdict;
	}
	add_trailers(x, reader->object->body);
	chunk->last = true;
	return WEIR_NEXT;
}

static void
release(void *argument)
{
	struct reader *reader = argument;

	cache_body_unwait(reader->object->body, &reader->waiter);
	cache_body_leave(reader->object->body, &reader->seated);
	cache_object_release(reader->store, &reader->object);
}

/* --- the response ------------------------------------------------------------------------------------------------ */

/* Digits, from the end of a text towards its front; where they begin. */
static char *
write_number(char *end, uint64_t number)
{
	do
		*--end = (char)('0' + number % 10);
	while ((number /= 10) > 0);
	return end;
}

static void
add_age(struct weir_exchange *x, const struct cache_object *object, const struct cache_state *s)
{
	int64_t age = cache_age(&object->fresh, weir_time());
	char text[24] = "";

	if (age > 0 || !s->outcome.stored)
		weir_add_field(x, WEIR_RESPONSE, "Age", write_number(text + sizeof(text) - 1, (uint64_t)age));
}

static void
tell(struct weir_exchange *x, const struct cache_settings *set, struct cache_state *s, const char *before)
{
	char text[CACHE_STATUS_MOST];

	if (set->status_name[0] == '-' && set->status_name[1] == '\0')
		return;
	cache_status_write(text, sizeof(text), before, set->status_name, &s->outcome);
	if (before == NULL)
		weir_add_field(x, WEIR_RESPONSE, "Cache-Status", text);
	else
		weir_set_field(x, WEIR_RESPONSE, "Cache-Status", text);
}

enum weir_verdict
cache_tell(struct weir_exchange *x, const void *settings, void *state)
{
	struct cache_state *s = state;

	if (s->tells)
		tell(x, settings, s, weir_response_field(x, "Cache-Status"));
	return WEIR_NEXT;
}

static void
tell_hit(struct weir_exchange *x, const struct cache_settings *set, struct cache_state *s, const struct cache_object *object)
{
	char before[CACHE_STATUS_MOST];
	size_t length;
	const char *value = cache_object_field(object, "Cache-Status", &length);

	s->outcome.has_ttl = true;
	s->outcome.ttl = object->fresh.lifetime - cache_age(&object->fresh, weir_time());
	if (value != NULL && length < sizeof(before))
		snprintf(before, sizeof(before), "%.*s", (int)length, value);
	tell(x, set, s, value != NULL && length < sizeof(before) ? before : NULL);
}

/* That it has not changed: with the fields that a cache of the client needs (RFC 9110, 15.4.5). */
static void
answer_not_modified(struct weir_exchange *x, const struct cache_object *object)
{
	static const char *const names[] = {
		"Cache-Control", "Content-Location", "Date", "ETag", "Expires", "Vary", "Last-Modified"
	};

	/* Which is never asked: a 304 has no body, nor its length. */
	weir_respond_source(x, 304, -1, next_piece, NULL, NULL);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		size_t length;
		const char *value = cache_object_field(object, names[i], &length);

		if (value != NULL)
			weir_add_field(x, WEIR_RESPONSE, names[i], weir_copy(x, value, length));
	}
}

static char *
put(char *to, const char *text, size_t length)
{
	memcpy(to, text, length);
	return to + length;
}

/* The usual case, written out: what most hits are answered with is one run of lines. False where there is more to say. */
static bool
respond_with_lines(struct weir_exchange *x, const struct cache_settings *set, const struct cache_state *s,
	const struct cache_object *object)
{
	int64_t age = cache_age(&object->fresh, weir_time()), ttl = object->fresh.lifetime - age;
	size_t name = strlen(set->status_name), length = object->lines_length + name + 96, ignored;
	char number[24], *end = number + sizeof(number), *digits, *at, *lines;

	if (s->outcome.forward != CACHE_FORWARD_NONE || s->outcome.collapsed || s->outcome.detail != NULL || ttl < 0
		|| length > LINES_MOST
			|| set->status_name[0] == '-' || cache_object_field(object, "Cache-Status", &ignored) != NULL)
		return false;
	lines = weir_alloc(x, length);
	if (lines == NULL)
		return false;
	at = put(lines, object->lines, object->lines_length);
	at = put(at, "Age: ", 5);
	digits = write_number(end, (uint64_t)age);
	at = put(at, digits, (size_t)(end - digits));
	at = put(at, "\r\nCache-Status: ", 16);
	at = put(at, set->status_name, name);
	at = put(at, "; hit; ttl=", 11);
	digits = write_number(end, (uint64_t)ttl);
	at = put(at, digits, (size_t)(end - digits));
	at = put(at, "\r\n", 2);
	weir_respond_lines(x, lines, (size_t)(at - lines));
	return true;
}

static struct reader *
new_reader(struct weir_exchange *x, struct cache_object *object)
{
	struct reader *reader = weir_alloc(x, sizeof(*reader));

	if (reader == NULL)
		return NULL;
	memset(reader, 0, sizeof(*reader));
	reader->store = cache_store_of(x);
	reader->object = object;
	reader->whole.end = UINT64_MAX;
	reader->parts = &reader->whole;
	reader->count = 1;
	return reader;
}

/* The length of the body as far as it is known: -1. */
static int64_t
length_of(const struct cache_object *object)
{
	if (cache_body_state(object->body) == CACHE_WHOLE)
		return (int64_t)cache_body_length(object->body);
	return object->body->announced;
}

/* Several parts of the body, with their heads (RFC 9110, 14.6). False without memory. */
static bool
answer_parts(struct weir_exchange *x, struct reader *reader, const struct cache_ranges *ranges, uint64_t length)
{
	size_t type_length = 0;
	const char *type = cache_object_field(reader->object, "Content-Type", &type_length);
	struct part *parts = weir_alloc(x, (ranges->count + 1) * sizeof(*parts));
	char boundary[CACHE_BOUNDARY_LENGTH + 1];

	cache_boundary(boundary, weir_random(), weir_random());
	for (unsigned i = 0; parts != NULL && i <= ranges->count; i++) {
		const struct cache_range *range = i < ranges->count ? &ranges->list[i] : NULL;
		char *head = weir_alloc(x, CACHE_PART_MOST);

		if (head == NULL)
			return false;
		parts[i].head = head;
		parts[i].head_length = cache_part_head(head, CACHE_PART_MOST, boundary, type, type_length, range, length, i == 0);
		parts[i].first = range != NULL ? range->first : 0;
		parts[i].end = range != NULL ? range->last + 1 : 0;
		if (parts[i].head_length == 0)
			return false;
	}
	if (parts == NULL)
		return false;
	reader->parts = parts;
	reader->count = ranges->count + 1;
	weir_respond_source(x, 206, (int64_t)cache_parts_length(ranges, boundary, type, type_length, length), next_piece,
		release, reader);
	weir_respond_lines(x, reader->object->lines, reader->object->lines_length);
	weir_set_field(x, WEIR_RESPONSE, "Content-Type", weir_printf(x, "multipart/byteranges; boundary=%s", boundary));
	return true;
}

static void
answer_part(struct weir_exchange *x, struct reader *reader, const struct cache_range *range, uint64_t length)
{
	char text[80];

	reader->whole.first = range->first;
	reader->whole.end = range->last + 1;
	cache_content_range(text, range, length);
	weir_respond_source(x, 206, (int64_t)(range->last + 1 - range->first), next_piece, release, reader);
	weir_respond_lines(x, reader->object->lines, reader->object->lines_length);
	weir_add_field(x, WEIR_RESPONSE, "Content-Range", text);
}

/* A part, if one is asked for and can be given. False: answer with the whole. */
static bool
answer_range(struct weir_exchange *x, struct cache_state *s, struct reader *reader)
{
	const struct cache_request *request = s->request;
	const struct cache_object *object = reader->object;
	const struct cache_validators validators = { object->etag, object->modified, object->date };
	int64_t length = length_of(object);
	struct cache_ranges ranges;
	char text[80];

	if (request->range.at == NULL || request->many_ranges || object->status != 200 || length < 0
		|| strcmp(weir_method(x), "GET") != 0
			|| !cache_if_range_holds(request, &validators, weir_time()))
		return false;
	switch (cache_ranges_parse(&ranges, request->range.at, request->range.length, (uint64_t)length)) {
	case CACHE_WHOLE_BODY:
		return false;
	case CACHE_NO_PART:
		cache_content_range(text, NULL, (uint64_t)length);
		weir_respond_source(x, 416, 0, next_piece, release, reader);
		weir_add_field(x, WEIR_RESPONSE, "Content-Range", text);
		return true;
	case CACHE_PARTS:
		break;
	}
	if (ranges.count > 1)
		return answer_parts(x, reader, &ranges, (uint64_t)length);
	answer_part(x, reader, &ranges.list[0], (uint64_t)length);
	return true;
}

static bool
is_not_modified(const struct cache_request *request, const struct cache_object *object)
{
	const struct cache_validators validators = { object->etag, object->modified, object->date };

	return (request->if_none_match.at != NULL || request->if_modified_since.at != NULL) && object->status == 200
		&& cache_is_not_modified(request, &validators, weir_time());
}

enum weir_verdict
cache_serve(struct weir_exchange *x, const struct cache_settings *set, struct cache_state *s, struct cache_object *object)
{
	struct cache_store *store = cache_store_of(x);
	struct reader *reader;

	s->tells = false;
	if (!s->outcome.stored && s->outcome.forward_status == 0)
		s->outcome.forward = CACHE_FORWARD_NONE;
	if (weir_is_errand(x)) {	/* it is for others */
		cache_object_release(store, &object);
		return WEIR_RESPOND;
	}
	if (is_not_modified(s->request, object)) {
		answer_not_modified(x, object);
		add_age(x, object, s);
		tell_hit(x, set, s, object);
		cache_object_release(store, &object);
		return WEIR_RESPOND;
	}
	reader = new_reader(x, object);
	if (reader == NULL || !cache_body_join(object->body, &reader->seated)) {
		cache_object_release(store, &object);
		return reader == NULL ? WEIR_FAIL : WEIR_AGAIN;
	}
	weir_count(x, CACHE_BYTES, length_of(object) > 0 ? length_of(object) : 0);
	if (s->request->range.at == NULL || !answer_range(x, s, reader)) {
		weir_respond_source(x, object->status, length_of(object), next_piece, release, reader);
		if (respond_with_lines(x, set, s, object))
			return WEIR_RESPOND;
		weir_respond_lines(x, object->lines, object->lines_length);
	}
	add_age(x, object, s);
	tell_hit(x, set, s, object);
	return WEIR_RESPOND;
}
