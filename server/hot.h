/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hot: a change of routes and upstreams in the running process, one after another.
 *
 * A change is an edit of the overlay (overlay.h). It is tried as a whole generation, built from the files as they
 * were read last and checked as `weir -t` checks; kept in the state file; published; and answered when every
 * thread uses it. Whatever goes wrong before that leaves all as it was. Main thread.
 */
#ifndef WEIR_SERVER_HOT_H
#define WEIR_SERVER_HOT_H

#include <stdbool.h>
#include <stdint.h>

struct generation;
struct overlay;
struct process;
struct report;

enum hot_result {
	HOT_DONE,		/* every thread uses it; a dry run: it could be done */
	HOT_CONFLICT,		/* the revision is another one by now, or what shall be new is there already */
	HOT_MISSING,		/* there is nothing of this name; the report says what */
	HOT_REFUSED,		/* it is wrong; the report says how */
	HOT_HOMELESS,		/* no state_dir, and it shall be durable */
	HOT_UNWRITTEN,		/* the state file cannot be written: the report says why */
	HOT_STOPPING,		/* the process ends */
	HOT_READING		/* not over yet: certificates or keys that it names are being read (nobody is told this) */
};

struct hot_outcome {
	enum hot_result result;
	const struct generation *generation;	/* that serves now */
	const struct report *report;		/* errors and warnings */
	uint64_t revision;			/* that holds now */
	bool durable;
	int64_t microseconds;			/* from its turn until every thread had taken it */
	int64_t publication;			/* and of these, from publishing it */
};

struct hot_change {
	struct hot_change *next;

	/* Put steps into the overlay. Anything but HOT_DONE: it cannot be, as the report says. */
	enum hot_result (*edit)(struct hot_change *, struct process *, struct report *);
	void (*told)(struct hot_change *, const struct hot_outcome *);	/* it is the caller's again */

	bool dry_run;			/* only try it */
	bool closes;			/* cut what is under way on routes that it takes away */
	int64_t close_after;		/* milliseconds later */
	char route[256];		/* only on this one; "": on any */
	bool fleeting;			/* without a state_dir, let a restart forget it */
	bool has_revision;		/* only if the revision is this one */
	uint64_t revision;
};

/* Read what was kept. False, with the report saying why, when it is damaged. */
bool hot_open(struct process *, const char *state_dir, struct report *);
void hot_close(struct process *);

/* Do it when its turn comes; told in any case, but never from within this call. */
void hot_ask(struct process *, struct hot_change *);

/* Whoever asked is gone: told nothing. The change is the caller's when this returns, and is done all the same if its
 * turn has come. */
void hot_forget(struct process *, struct hot_change *);

/* For reload.c: a reload has changed routes or upstreams, which is a revision too. */
void hot_count_reload(struct process *, struct report *);

/* For reload.c: the next change, if any waits; whether one is being published now. */
bool hot_begin(struct process *);

/* Every thread has taken over what hot_begin published. */
void hot_taken(struct process *);

#endif
