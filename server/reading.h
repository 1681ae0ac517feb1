/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reading: a generation that is built but for its certificates and keys, until these are read.
 *
 * That is what lets a reload take seconds where a file system does, while the main thread answers and traffic goes on.
 * One at a time, as there is one reload or change at a time. And the watch: files that change are noticed from time to
 * time, and what they hold now takes the former content's place without another generation. Main thread.
 */
#ifndef WEIR_SERVER_READING_H
#define WEIR_SERVER_READING_H

#include <stdbool.h>

#include "refresh.h"

struct event;
struct process;

/* The generation is the callee's; `good`: nothing is wrong with its files, as the report says. */
typedef void reading_told(struct process *, struct generation *, bool good);

struct reading {
	struct refresh *refresh, *watch;	/* under way; NULL: none */
	struct generation *generation;
	struct report *report;
	reading_told *told;
	struct event *timer;			/* of the watch */
};

enum reading_result {
	READING_WAITS,		/* `told` will be called, not from within this call */
	READING_DONE,		/* there is nothing to wait for */
	READING_FAILED		/* the report says why */
};

enum { READING_PATIENCE = 60000 };	/* milliseconds until a reload is given up */

enum reading_result reading_begin(struct process *, struct generation *, enum refresh_scope, struct report *, reading_told *);

/* Look at the files every `watch` of [weir] from now on: when serving begins, and when that setting may have changed. */
void reading_watch(struct process *);

/* Call all off; frees a generation that waits. */
void reading_free(struct process *);

#endif
