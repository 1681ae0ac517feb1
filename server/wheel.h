/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wheel: the deadlines of one thread, lazily.
 *
 * A deadline that is moved later or called off costs two stores: its place in the wheel stays, and when that
 * place comes round the deadline is put where it now belongs, or dropped. So a request re-arms no timer. The
 * wheel ticks only while it holds something, and wakes for the next place in use. Deadlines fire up to
 * WHEEL_TICK late, never early.
 */
#ifndef WEIR_SERVER_WHEEL_H
#define WEIR_SERVER_WHEEL_H

#include <stdbool.h>
#include <stdint.h>

struct event;
struct event_base;

/* Milliseconds; 64 seconds a turn, longer ones go round again. */
enum { WHEEL_TICK = 64, WHEEL_SLOTS = 1024 };

struct deadline {
	struct deadline *next, **link;	/* in a slot; link NULL: in none */
	int64_t at;			/* milliseconds of the wheel's clock; INT64_MAX: called off */
	int64_t place;			/* when its slot comes round */
	void (*passed)(struct deadline *);
};

struct wheel {
	struct deadline *slots[WHEEL_SLOTS];
	uint64_t used[WHEEL_SLOTS / 64];	/* a bit for each slot that may hold something */
	struct event *timer;
	int64_t now;		/* read once a turn of the event loop by whoever needs it: wheel_now */
	int64_t turned;		/* slots up to this time have been run */
	int64_t wake;		/* when the timer is set to fire; INT64_MAX: it is not */
};

bool wheel_init(struct wheel *, struct event_base *);
void wheel_free(struct wheel *);

/* The coarse monotonic clock in milliseconds (a few nanoseconds to read). */
int64_t wheel_clock(void);

/* A deadline in no wheel; `passed` is called on the wheel's thread, with the deadline already out of the
 * wheel. */
void deadline_init(struct deadline *, void (*passed)(struct deadline *));

/* Fire `after` milliseconds from now, instead of what was set before. */
void deadline_set(struct deadline *, struct wheel *, int64_t after);

/* Call it off; its memory stays in use by the wheel. */
static inline void
deadline_clear(struct deadline *d)
{
	d->at = INT64_MAX;
}

/* Take it out of the wheel: before its memory goes. */
void deadline_remove(struct deadline *);

#endif
