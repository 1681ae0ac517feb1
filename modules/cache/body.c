/* SPDX-License-Identifier: Apache-2.0 */
/*
 * body: a stored body, which one writer fills and any number of threads read meanwhile.
 */
#include "body.h"
#include "store.h"

#include <assert.h>
#include <string.h>

#define SEGMENT_LEAST ((size_t)4096)	/* of a body that does not say how long it will be; doubled from there */
#define SEGMENT_MOST ((size_t)64 * 1024)
#define WAKE_MOST 64			/* at a time, so that the lock is soon free */

/* How large the next segment should be. */
static size_t
next_size(const struct cache_body *body, uint64_t length, size_t coming)
{
	size_t size;

	if (body->announced >= 0) {
		uint64_t rest = (uint64_t)body->announced - length;

		return rest < CACHE_BODY_SEGMENT ? (size_t)rest : CACHE_BODY_SEGMENT;
	}
	size = length < SEGMENT_MOST ? (size_t)length : SEGMENT_MOST;
	if (size < coming)
		size = coming;
	if (size < SEGMENT_LEAST)
		return SEGMENT_LEAST;
	return size < SEGMENT_MOST ? size : SEGMENT_MOST;
}

static bool
add_segment(struct cache_store *store, struct cache_object *object, uint64_t length, size_t coming)
{
	struct cache_body *body = object->body;
	size_t size = next_size(body, length, coming), got;
	size_t least = size < SEGMENT_LEAST ? size : SEGMENT_LEAST;
	struct cache_segment *segment;

	segment = cache_store_take(store, object, sizeof(*segment) + size, sizeof(*segment) + least, &got);
	if (segment == NULL)
		return false;
	segment->next = NULL;
	segment->size = (uint32_t)(got - sizeof(*segment));
	body->last->next = segment;
	body->last = segment;
	body->filled = 0;
	return true;
}

void
cache_body_wake(struct cache_body *body, uint64_t length)
{
	struct cache_waiter *waiter, *next;
	unsigned woken;

	do {
		woken = 0;
		pthread_mutex_lock(&body->lock);
		for (waiter = body->waiters; waiter != NULL && woken < WAKE_MOST; waiter = next) {
			next = waiter->next;
			if (waiter->position >= length)
				continue;
			*waiter->link = next;
			if (next != NULL)
				next->link = waiter->link;
			waiter->link = NULL;
			waiter->wake(waiter->argument);
			woken++;
		}
		pthread_mutex_unlock(&body->lock);
	} while (woken == WAKE_MOST);
}

static bool
is_too_long(const struct cache_store *store, const struct cache_body *body, uint64_t length, size_t more)
{
	uint64_t most = cache_store_object_most(store);

	if (body->announced >= 0 && (uint64_t)body->announced < most)
		most = (uint64_t)body->announced;
	return length > most || more > most - length;
}

bool
cache_body_append(struct cache_store *store, struct cache_object *object, const char *data, size_t length)
{
	struct cache_body *body = object->body;
	uint64_t end = atomic_load_explicit(&body->length, memory_order_relaxed);

	assert(atomic_load_explicit(&body->state, memory_order_relaxed) == CACHE_FILLING);
	if (length == 0)
		return true;
	if (is_too_long(store, body, end, length))
		return false;
	while (length > 0) {
		size_t part = body->last->size - body->filled;

		if (part == 0) {
			if (!add_segment(store, object, end, length))
				return false;
			continue;
		}
		part = part < length ? part : length;
		memcpy(body->last->data + body->filled, data, part);
		body->filled += part;
		data += part;
		length -= part;
		end += part;
		atomic_store_explicit(&body->length, end, memory_order_release);
	}
	cache_body_wake(body, end);
	return true;
}

/* Give back what the last segment has too much. */
static void
trim(struct cache_store *store, struct cache_object *object)
{
	struct cache_body *body = object->body;
	struct cache_segment *last = body->last;

	if (last->size == body->filled)
		return;
	if (last == &body->first)
		cache_store_trim(store, object, body, sizeof(*body) + body->filled);
	else
		cache_store_trim(store, object, last, sizeof(*last) + body->filled);
}

static bool
keep_trailers(struct cache_store *store, struct cache_object *object, const char *trailers, size_t length)
{
	char *copy;

	if (length == 0)
		return true;
	if (length > CACHE_HEAD_MOST)
		return false;
	copy = cache_store_take(store, object, length, length, NULL);
	if (copy == NULL)
		return false;
	memcpy(copy, trailers, length);
	object->body->trailers = copy;
	object->body->trailers_length = (uint32_t)length;
	return true;
}

bool
cache_body_end(struct cache_store *store, struct cache_object *object, const char *trailers, size_t length)
{
	struct cache_body *body = object->body;
	uint64_t end = atomic_load_explicit(&body->length, memory_order_relaxed);
	bool passes = cache_body_passes(body);

	if ((body->announced >= 0 && (uint64_t)body->announced != end) ||
		(!keep_trailers(store, object, trailers, length) && !passes)) {
		cache_body_abort(store, object);
		return false;
	}
	if (!passes)
		trim(store, object);
	atomic_store_explicit(&body->state, passes ? CACHE_PASSED : CACHE_WHOLE, memory_order_release);
	cache_body_wake(body, UINT64_MAX);
	return true;
}

void
cache_body_abort(struct cache_store *store, struct cache_object *object)
{
	struct cache_body *body = object->body;

	cache_store_remove(store, object);
	atomic_store_explicit(&body->state, CACHE_ABORTED, memory_order_release);
	cache_body_wake(body, UINT64_MAX);
}

/* What lies in the ring, up to where it turns. */
static bool
read_ring(const struct cache_body *body, struct cache_cursor *cursor, uint64_t from, size_t most, const char **data,
	size_t *length)
{
	const struct cache_segment *ring = body->ring;
	size_t at = (size_t)((cursor->position - from) % ring->size), part = ring->size - at;
	uint64_t left = cache_body_length(body) - cursor->position;

	part = part < left ? part : (size_t)left;
	part = part < most ? part : most;
	*data = ring->data + at;
	*length = part;
	cursor->position += part;
	return true;
}

bool
cache_body_read(const struct cache_body *body, struct cache_cursor *cursor, size_t most, const char **data,
	size_t *length)
{
	uint64_t end = cache_body_length(body), from = atomic_load_explicit(&body->passing_from, memory_order_acquire);
	size_t part;

	if (cursor->position >= end || most == 0)
		return false;
	if (cursor->position >= from)
		return read_ring(body, cursor, from, most, data, length);
	end = end < from ? end : from;
	if (cursor->segment == NULL)
		cursor->segment = &body->first;
	while (cursor->offset == cursor->segment->size) {
		cursor->segment = cursor->segment->next;
		cursor->offset = 0;
	}
	part = cursor->segment->size - cursor->offset;
	if (part > end - cursor->position)
		part = (size_t)(end - cursor->position);
	part = part < most ? part : most;
	*data = cursor->segment->data + cursor->offset;
	*length = part;
	cursor->offset += part;
	cursor->position += part;
	return true;
}

void
cache_body_seek(const struct cache_body *body, struct cache_cursor *cursor, uint64_t position)
{
	const char *data;
	size_t length;

	if (position >= atomic_load_explicit(&body->passing_from, memory_order_acquire)) {
		cursor->position = position;
		return;
	}
	if (position < cursor->position)
		*cursor = (struct cache_cursor){ 0 };
	while (cursor->position < position) {
		uint64_t rest = position - cursor->position;

		if (!cache_body_read(body, cursor, rest < SIZE_MAX ? (size_t)rest : SIZE_MAX, &data, &length))
			return;
	}
}

bool
cache_body_wait(struct cache_body *body, struct cache_waiter *waiter, uint64_t position)
{
	bool nothing_yet;

	assert(waiter->link == NULL);
	pthread_mutex_lock(&body->lock);
	nothing_yet = (cache_body_state(body) == CACHE_FILLING || cache_body_state(body) == CACHE_PASSING)
		&& cache_body_length(body) <= position;
	if (nothing_yet) {
		waiter->position = position;
		waiter->next = body->waiters;
		waiter->link = &body->waiters;
		if (waiter->next != NULL)
			waiter->next->link = &waiter->next;
		body->waiters = waiter;
	}
	pthread_mutex_unlock(&body->lock);
	return nothing_yet;
}

bool
cache_body_unwait(struct cache_body *body, struct cache_waiter *waiter)
{
	bool waited;

	pthread_mutex_lock(&body->lock);
	waited = waiter->link != NULL;
	if (waited) {
		*waiter->link = waiter->next;
		if (waiter->next != NULL)
			waiter->next->link = waiter->link;
		waiter->link = NULL;
	}
	pthread_mutex_unlock(&body->lock);
	return waited;
}
