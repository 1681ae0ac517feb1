/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reload: another generation from the files takes the place of the one that serves.
 *
 * Building happens on the main thread while traffic goes on; then one message to each thread makes the swap.
 * What cannot be built leaves everything as it is. Requests for a reload while one is under way become one
 * more after it. Changes of routes (hot.h) wait for their turn in the same place: one generation is published at a
 * time.
 */
#ifndef WEIR_SERVER_RELOAD_H
#define WEIR_SERVER_RELOAD_H

#include <stdbool.h>
#include <stdint.h>

struct difference;
struct generation;
struct process;
struct report;

struct reload_outcome {
	const struct generation *generation;	/* that serves now */
	const struct report *report;		/* errors and warnings; NULL: it was not begun */
	const struct difference *difference;	/* NULL: not done, or no memory for it */
	bool done;
	int64_t microseconds;			/* from the beginning until every thread had taken it */
};

struct reload_waiter {
	struct reload_waiter *next;
	void (*told)(struct reload_waiter *, const struct reload_outcome *);	/* it is the caller's again */
};

bool reload_init(struct process *);
void reload_free(struct process *);

/* Reload soon; `waiter` may be NULL. */
void reload_ask(struct process *, struct reload_waiter *);
void reload_forget(struct process *, struct reload_waiter *);

/* Is one put off, as there is an upgrade under way? It begins with reload_resume. */
bool reload_is_asked(const struct process *);
void reload_resume(struct process *);

/* Every thread has taken over the generation published last (threads.h). */
void reload_taken(struct process *);

/* Microseconds of a clock that never goes back. */
int64_t reload_clock(void);

#endif
