/* SPDX-License-Identifier: Apache-2.0 */
/*
 * passing: a body that does not stay, on its way to those who read it already. See body.h.
 *
 * Until the slowest reader has come to where it ceased to be stored nothing more is taken. From there on its largest segment
 * is a ring, and what lies in it stays until the last has let it pass. All that readers and the writer have to say to each
 * other is said under the body's lock; what is in the ring is published by the length, as anything in a body is.
 */
#include "body.h"
#include "store.h"

#include <assert.h>
#include <string.h>

static const struct cache_segment *
largest(const struct cache_body *body)
{
	const struct cache_segment *best = &body->first;

	for (const struct cache_segment *segment = body->first.next; segment != NULL; segment = segment->next)
		if (segment->size > best->size)
			best = segment;
	return best;
}

/* Up to where all have let it pass; UINT64_MAX: nobody is there. Under the lock. */
static uint64_t
lowest(const struct cache_body *body)
{
	uint64_t lowest = UINT64_MAX;

	for (const struct cache_seated *reader = body->readers; reader != NULL; reader = reader->next)
		lowest = reader->floor < lowest ? reader->floor : lowest;
	return lowest;
}

/* How much the ring can take; SIZE_MAX: nobody is there for whom. Under the lock. */
static size_t
room(const struct cache_body *body)
{
	uint64_t end = cache_body_length(body), from = atomic_load_explicit(&body->passing_from, memory_order_relaxed);
	uint64_t floor = lowest(body);

	if (floor == UINT64_MAX)
		return SIZE_MAX;
	if (floor >= end)
		return body->ring->size;
	return from == UINT64_MAX ? 0 : body->ring->size - (size_t)(end - floor);
}

void
cache_body_pass_by(struct cache_store *store, struct cache_object *object)
{
	struct cache_body *body = object->body;

	assert(cache_body_state(body) == CACHE_FILLING);
	cache_store_remove(store, object);
	pthread_mutex_lock(&body->lock);
	body->ring = largest(body);
	assert(body->ring->size > 0);		/* only of what is announced as empty it is, and that outgrows nothing */
	atomic_store_explicit(&body->state, CACHE_PASSING, memory_order_release);
	pthread_mutex_unlock(&body->lock);
	cache_body_wake(body, UINT64_MAX);	/* let them say how far they are */
}

bool
cache_body_pass(struct cache_object *object, const char *data, size_t length, size_t *taken)
{
	struct cache_body *body = object->body;
	uint64_t end = cache_body_length(body), from;
	size_t most, done = 0;

	pthread_mutex_lock(&body->lock);
	most = room(body);
	if (most != SIZE_MAX && most > 0 && atomic_load_explicit(&body->passing_from, memory_order_relaxed) == UINT64_MAX)
		atomic_store_explicit(&body->passing_from, end, memory_order_release);
	from = atomic_load_explicit(&body->passing_from, memory_order_relaxed);
	pthread_mutex_unlock(&body->lock);
	*taken = 0;
	if (most == SIZE_MAX)
		return false;
	most = most < length ? most : length;
	while (done < most) {
		size_t at = (size_t)((end + done - from) % body->ring->size), part = body->ring->size - at;

		part = part < most - done ? part : most - done;
		memcpy((char *)(uintptr_t)body->ring->data + at, data + done, part);
		done += part;
	}
	if (done > 0) {
		atomic_store_explicit(&body->length, end + done, memory_order_release);
		cache_body_wake(body, end + done);
	}
	*taken = done;
	return true;
}

/* Tell the writer if there is something for it to do. Under the lock. */
static void
tell_writer(struct cache_body *body)
{
	struct cache_waiter *writer = body->writer;

	if (writer == NULL || room(body) == 0)
		return;
	body->writer = NULL;
	writer->wake(writer->argument);
}

bool
cache_body_wait_room(struct cache_body *body, struct cache_waiter *waiter)
{
	bool none;

	pthread_mutex_lock(&body->lock);
	none = room(body) == 0;
	if (none)
		body->writer = waiter;
	pthread_mutex_unlock(&body->lock);
	return none;
}

void
cache_body_unwait_room(struct cache_body *body, struct cache_waiter *waiter)
{
	pthread_mutex_lock(&body->lock);
	if (body->writer == waiter)
		body->writer = NULL;
	pthread_mutex_unlock(&body->lock);
}

/* Is all of it there for one who begins now? Where the ring holds the beginning, another holds that. Under the lock. */
static bool
has_beginning(const struct cache_body *body)
{
	uint64_t from = atomic_load_explicit(&body->passing_from, memory_order_relaxed);

	return from == UINT64_MAX || (from == 0 && lowest(body) == 0);
}

bool
cache_body_join(struct cache_body *body, struct cache_seated *reader)
{
	bool joins;

	if (cache_body_state(body) == CACHE_WHOLE)
		return true;
	pthread_mutex_lock(&body->lock);
	joins = has_beginning(body);
	if (joins) {
		reader->joined = true;
		reader->floor = 0;
		reader->next = body->readers;
		reader->link = &body->readers;
		if (reader->next != NULL)
			reader->next->link = &reader->next;
		body->readers = reader;
	}
	pthread_mutex_unlock(&body->lock);
	return joins;
}

void
cache_body_leave(struct cache_body *body, struct cache_seated *reader)
{
	if (!reader->joined)
		return;
	reader->joined = false;
	pthread_mutex_lock(&body->lock);
	*reader->link = reader->next;
	if (reader->next != NULL)
		reader->next->link = reader->link;
	tell_writer(body);
	pthread_mutex_unlock(&body->lock);
}

void
cache_body_let_pass(struct cache_body *body, struct cache_seated *reader, uint64_t position)
{
	pthread_mutex_lock(&body->lock);
	reader->floor = position;
	tell_writer(body);
	pthread_mutex_unlock(&body->lock);
}
