/* SPDX-License-Identifier: Apache-2.0 */
/*
 * courtesy: the main thread lets the others run while it works through a large configuration. See courtesy.c.
 *
 * For the main thread alone: in a loop over as many turns as there are routes, one courtesy_step() a turn.
 */
#ifndef WEIR_SERVER_COURTESY_H
#define WEIR_SERVER_COURTESY_H

/* So many steps, of a microsecond or less each, pass between two looks at the clock. */
enum { COURTESY_STEPS = 16 };

extern unsigned courtesy_steps;		/* since the last look */

/* After a piece of work that takes many microseconds: lets the others run if it is time to. */
void courtesy_look(void);

/* After a piece of work that takes about a microsecond. */
static inline void
courtesy_step(void)
{
	if (++courtesy_steps >= COURTESY_STEPS)
		courtesy_look();
}

#endif
