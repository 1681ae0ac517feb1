/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wheel: the deadlines of one thread, lazily.
 *
 * Time is cut into places WHEEL_TICK apart; a deadline stands in the first place that is not before its time,
 * and at most one turn ahead: a longer one goes round again. Only the places between `turned` and one turn
 * later are in use, so a slot never mixes turns. When a place comes round, each deadline in it is fired, put
 * where it now belongs, or dropped. One libevent timer stands for all, set to the next place in use; a bitmap
 * finds that.
 *
 * A slot's list is moved to a head of its own before it is run and taken from there one by one: a `passed`
 * may thus set, clear or remove any deadline, those of its own slot too, and what it sets stands in a later
 * place.
 */
#include "wheel.h"

#include <assert.h>
#include <event2/event.h>
#include <limits.h>
#include <stddef.h>
#include <time.h>

static const int64_t turn = (int64_t)WHEEL_TICK * WHEEL_SLOTS;
static const int64_t farthest = INT64_MAX / 4;		/* no deadline needs more; sums stay in range */

static_assert((WHEEL_SLOTS & (WHEEL_SLOTS - 1)) == 0 && WHEEL_SLOTS % 64 == 0, "slots are found by masks");

int64_t
wheel_clock(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static unsigned
slot_of(int64_t place)
{
	return (unsigned)(place / WHEEL_TICK) & (WHEEL_SLOTS - 1);
}

/* The first place after `turned` that may hold something; INT64_MAX: none. */
static int64_t
next_place(const struct wheel *w)
{
	const unsigned words = WHEEL_SLOTS / 64, start = slot_of(w->turned + WHEEL_TICK);
	uint64_t bits = w->used[start / 64] & (UINT64_MAX << start % 64);

	for (unsigned i = 0, word = start / 64; i <= words; i++) {
		if (bits != 0) {
			unsigned slot = word * 64 + (unsigned)__builtin_ctzll(bits);
			unsigned ahead = (slot - start) & (WHEEL_SLOTS - 1);

			return w->turned + (int64_t)(ahead + 1) * WHEEL_TICK;
		}
		word = (word + 1) % words;
		bits = w->used[word];
	}
	return INT64_MAX;
}

/* Have the timer fire at this place. */
static void
arm(struct wheel *w, int64_t place)
{
	int64_t left = place > w->now ? place - w->now : 0;
	struct timeval after = { .tv_sec = left / 1000, .tv_usec = left % 1000 * 1000 };

	/* Without memory for it, the next deadline that is set tries again. */
	w->wake = event_add(w->timer, &after) == 0 ? place : INT64_MAX;
}

static void
unlink_deadline(struct deadline *d)
{
	*d->link = d->next;
	if (d->next != NULL)
		d->next->link = d->link;
	d->link = NULL;
}

/* The place for this time: the first not before it that is yet to come, within a turn. */
static int64_t
place_for(const struct wheel *w, int64_t at)
{
	int64_t place = (at + WHEEL_TICK - 1) / WHEEL_TICK * WHEEL_TICK;

	if (place <= w->turned)
		return w->turned + WHEEL_TICK;
	if (place >= w->turned + turn)
		return w->turned + turn - WHEEL_TICK;
	return place;
}

static void
put(struct wheel *w, struct deadline *d)
{
	int64_t place = place_for(w, d->at);
	unsigned slot = slot_of(place);

	d->place = place;
	d->link = &w->slots[slot];
	if ((d->next = *d->link) != NULL)
		d->next->link = &d->next;
	*d->link = d;
	w->used[slot / 64] |= UINT64_C(1) << slot % 64;
	if (place < w->wake)
		arm(w, place);
}

static void
run_place(struct wheel *w, int64_t place)
{
	unsigned slot = slot_of(place);
	struct deadline *due = w->slots[slot], *d;

	w->slots[slot] = NULL;
	w->used[slot / 64] &= ~(UINT64_C(1) << slot % 64);
	w->turned = place;
	if (due != NULL)
		due->link = &due;
	while ((d = due) != NULL) {
		assert(d->place == place);
		unlink_deadline(d);
		if (d->at == INT64_MAX)
			continue;
		if (d->at > place)
			put(w, d);
		else
			d->passed(d);
	}
}

/* The timer may come early (libevent measures from the start of its turn): then no place is due, and it is
 * set again. */
static void
turn_wheel(evutil_socket_t fd, short what, void *argument)
{
	struct wheel *w = argument;
	int64_t place, now = wheel_clock();

	(void)fd;
	(void)what;
	w->now = now;
	w->wake = INT64_MIN;		/* nothing that is put meanwhile arms the timer */
	while ((place = next_place(w)) <= now)
		run_place(w, place);
	if (now - w->turned >= WHEEL_TICK)
		w->turned = now / WHEEL_TICK * WHEEL_TICK;
	w->wake = INT64_MAX;
	if (place != INT64_MAX)
		arm(w, place);
}

bool
wheel_init(struct wheel *w, struct event_base *base)
{
	*w = (struct wheel){ .wake = INT64_MAX, .now = wheel_clock() };
	w->turned = w->now / WHEEL_TICK * WHEEL_TICK;
	return (w->timer = event_new(base, -1, 0, turn_wheel, w)) != NULL;
}

void
wheel_free(struct wheel *w)
{
	for (unsigned i = 0; i < WHEEL_SLOTS; i++)
		while (w->slots[i] != NULL)
			unlink_deadline(w->slots[i]);
	if (w->timer != NULL)
		event_free(w->timer);
	w->timer = NULL;
}

void
deadline_init(struct deadline *d, void (*passed)(struct deadline *))
{
	*d = (struct deadline){ .at = INT64_MAX, .passed = passed };
}

void
deadline_set(struct deadline *d, struct wheel *w, int64_t after)
{
	assert(after >= 0 && d->passed != NULL);
	w->now = wheel_clock();
	d->at = w->now + (after < farthest ? after : farthest);
	if (d->link != NULL) {
		if (d->place <= place_for(w, d->at))
			return;
		unlink_deadline(d);
	}
	if (w->wake == INT64_MAX && next_place(w) == INT64_MAX)	/* it stood still */
		w->turned = w->now / WHEEL_TICK * WHEEL_TICK;
	put(w, d);
}

void
deadline_remove(struct deadline *d)
{
	if (d->link != NULL)
		unlink_deadline(d);
	d->at = INT64_MAX;
}
