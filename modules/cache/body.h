/* SPDX-License-Identifier: Apache-2.0 */
/*
 * body: a stored body, which one writer fills and any number of threads read meanwhile.
 *
 * It is a chain of segments. The writer copies bytes behind the last, links a further segment if need be, and
 * only then publishes the new length; a reader goes no further than a length that it has seen, so it takes
 * no lock. A reader that has come to the end of what there is leaves a waiter, and is told once when there is
 * more, or the end has come, or the fill was given up. What is whole is so for ever; what was given up is
 * never whole.
 */
#ifndef CACHE_BODY_H
#define CACHE_BODY_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cache_store;
struct cache_object;

/* The most that is in one piece. */
#define CACHE_BODY_SEGMENT ((size_t)128 * 1024)

enum cache_body_state { CACHE_FILLING, CACHE_WHOLE, CACHE_ABORTED };

struct cache_segment {
	struct cache_segment *next;	/* readable once the length says that there is something in it */
	uint32_t size;			/* room in it; what may be read, the body's length says */
	char data[];
};

/* Somebody who waits; his memory, until he was woken or has called cache_body_unwait. */
struct cache_waiter {
	struct cache_waiter *next, **link;	/* link is NULL while he does not wait */
	uint64_t position;
	void (*wake)(void *argument);
	void *argument;
};

struct cache_body {
	_Atomic uint64_t length;	/* so much can be read */
	_Atomic int state;		/* enum cache_body_state; read it before the length */
	_Atomic uint32_t references;	/* of objects */
	int64_t announced;		/* the length that it must come to; -1: unknown */
	const char *trailers;		/* once whole: lines as those of a head; NULL: none */
	uint32_t trailers_length;
	pthread_mutex_t lock;		/* of the waiters */
	struct cache_waiter *waiters;
	struct cache_segment *last;	/* the writer's, and how full it is */
	size_t filled;
	struct cache_segment first;	/* in this block; may have size 0 */
};

/* Where a reader stands. Starts at the beginning as { 0 }. */
struct cache_cursor {
	const struct cache_segment *segment;
	uint64_t position;		/* in the body */
	size_t offset;			/* in the segment */
};

/* --- the writer: one thread at a time ------------------------------------------------------------------- */

/* Copy bytes to the end, and wake who waits for them. False: no memory, longer than announced, or than an
 * object may be; the caller then gives up (cache_body_abort). */
bool cache_body_append(struct cache_store *, struct cache_object *, const char *data, size_t length);

/* It is whole, with these trailers (lines; length 0: none). False when it is not as long as announced, or
 * there is no memory for the trailers: it is then aborted. */
bool cache_body_end(struct cache_store *, struct cache_object *, const char *trailers, size_t length);

/* It will never be whole: wake all, and let nobody find the object any more. */
void cache_body_abort(struct cache_store *, struct cache_object *);

/* --- readers: who holds the object, from any thread ----------------------------------------------------- */

/* What stands at the cursor, in one piece, and move behind it: at most `most` bytes. False: nothing there
 * (yet). The bytes live as long as the object is held. */
bool cache_body_read(
	const struct cache_body *, struct cache_cursor *, size_t most, const char **data, size_t *length);

/* Move the cursor to a position that is readable, or to the end. */
void cache_body_seek(const struct cache_body *, struct cache_cursor *, uint64_t position);

/* Be told, once, when there is more than `position`, or the state has changed. False when that is so
 * already: do not wait. `wake` is called on any thread and must be quick and not call back here
 * (weir_resume is right). */
bool cache_body_wait(struct cache_body *, struct cache_waiter *, uint64_t position);

/* Wait no more: when this returns, wake is not running and will not be called. False: it was called. */
bool cache_body_unwait(struct cache_body *, struct cache_waiter *);

static inline enum cache_body_state
cache_body_state(const struct cache_body *body)
{
	return (enum cache_body_state)atomic_load_explicit(&body->state, memory_order_acquire);
}

static inline uint64_t
cache_body_length(const struct cache_body *body)
{
	return atomic_load_explicit(&body->length, memory_order_acquire);
}

#endif
