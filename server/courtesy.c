/* SPDX-License-Identifier: Apache-2.0 */
/*
 * courtesy: the main thread lets the others run while it works through a large configuration.
 *
 * Where cores are few, a thread that computes for a fifth of a second keeps its core for a whole slice of time while an event
 * thread that has just woken there waits: some milliseconds, which clients see. So a long loop gives the core up every few
 * dozen microseconds, which costs next to nothing when nobody wants it. Whoever gives up the core while others are busy for
 * long would come back to it for one such moment a slice and never be done: after it had to wait, the thread works for as
 * long as it waited before it gives way again. Priorities would do without calls in loops, but a process that this one
 * starts to take its place would inherit them, and may not take them back.
 */
#include "courtesy.h"

#include <sched.h>
#include <stdint.h>
#include <time.h>

#define TURN INT64_C(50000)		/* nanoseconds of work between two yields */

unsigned courtesy_steps;

static int64_t due;			/* when to yield */

static int64_t
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void
courtesy_look(void)
{
	int64_t time = now(), back;

	courtesy_steps = 0;
	if (time < due)
		return;
	sched_yield();
	back = now();
	due = back + (back - time > TURN ? back - time : TURN);
}
