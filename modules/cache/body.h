/* SPDX-License-Identifier: Apache-2.0 */
/*
 * body: a stored body, which one writer fills and any number of threads read meanwhile.
 *
 * It is a chain of segments. The writer copies bytes behind the last, links a further segment if need be, and
 * only then publishes the new length; a reader goes no further than a length that it has seen, so it takes
 * no lock. A reader that has come to the end of what there is leaves a waiter, and is told once when there is
 * more, or the end has come, or the fill was given up. What is whole is so for ever; what was given up is
 * never whole.
 *
 * A body that outgrows what may be stored, or the memory there is, passes by instead: the object is found no more, and what
 * still comes goes through a ring to those who read already, as fast as the slowest of them takes it. The ring is the largest
 * segment, once all have read what came before. So nobody is cut off, and nothing grows.
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

enum cache_body_state {
	CACHE_FILLING, CACHE_WHOLE,
	CACHE_ABORTED,			/* this and what follows is of no use to who does not read it yet */
	CACHE_PASSING, CACHE_PASSED	/* it does not stay; and its end has come */
};

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

/* Somebody who reads what is being filled; his memory, until he has called cache_body_leave. All zero before he joins. */
struct cache_seated {
	struct cache_seated *next, **link;
	uint64_t floor;			/* what is before it he needs no more: known while it passes by */
	bool joined;			/* his own; all else is under the body's lock */
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
	struct cache_seated *readers;
	struct cache_waiter *writer;	/* who waits for room in the ring */
	_Atomic uint64_t passing_from;	/* the ring begins at this position; UINT64_MAX: there is none */
	const struct cache_segment *ring;
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

/* Wake those who wait below this position, some at a time. For body.c and passing.c. */
void cache_body_wake(struct cache_body *, uint64_t length);

/* It does not stay, but goes on to who reads it now. */
void cache_body_pass_by(struct cache_store *, struct cache_object *);

/* Copy what there is room for to the ring, *taken bytes, and wake who waits for them. False: nobody reads it any more. */
bool cache_body_pass(struct cache_object *, const char *data, size_t length, size_t *taken);

/* Be told, once, when there is room, or nobody reads it any more. False: so it is already. cache_body_unwait_room as below. */
bool cache_body_wait_room(struct cache_body *, struct cache_waiter *);
void cache_body_unwait_room(struct cache_body *, struct cache_waiter *);

/* It is whole, with these trailers (lines; length 0: none). False when it is not as long as announced, or
 * there is no memory for the trailers: it is then aborted. */
bool cache_body_end(struct cache_store *, struct cache_object *, const char *trailers, size_t length);

/* It will never be whole: wake all, and let nobody find the object any more. */
void cache_body_abort(struct cache_store *, struct cache_object *);

/* --- readers: who holds the object, from any thread ----------------------------------------------------- */

/* Join those who must get all of it, whatever becomes of it. False when it passes by already, and the beginning is gone. */
bool cache_body_join(struct cache_body *, struct cache_seated *);

/* Leave; a second time does nothing. */
void cache_body_leave(struct cache_body *, struct cache_seated *);

/* Nothing before this position is needed any more, the last piece that was read included. For who reads what passes by. */
void cache_body_let_pass(struct cache_body *, struct cache_seated *, uint64_t position);

/* What stands at the cursor, in one piece, and move behind it: at most `most` bytes. False: nothing there
 * (yet). The bytes live as long as the object is held; of what passes by, until the reader lets them pass. */
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

static inline bool
cache_body_passes(const struct cache_body *body)
{
	return cache_body_state(body) > CACHE_ABORTED;
}

/* Its end has come, and all of it is there to be read. */
static inline bool
cache_body_has_ended(enum cache_body_state state)
{
	return state == CACHE_WHOLE || state == CACHE_PASSED;
}

static inline uint64_t
cache_body_length(const struct cache_body *body)
{
	return atomic_load_explicit(&body->length, memory_order_acquire);
}

#endif
