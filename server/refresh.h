/* SPDX-License-Identifier: Apache-2.0 */
/*
 * refresh: files of certificates and keys are read on the helper pool while the main thread and traffic go on.
 *
 * One refresh is one row of credentials that a helper goes through: those of a generation that is to be published, or
 * all that are there, to see whether their files have changed. What it read comes back as a message to the main thread,
 * which alone changes credentials. A refresh ends by its callback, or is called off; then what it still reads is
 * thrown away when it comes.
 */
#ifndef WEIR_SERVER_REFRESH_H
#define WEIR_SERVER_REFRESH_H

#include <stdbool.h>
#include <stdint.h>

struct event_base;
struct generation;
struct inbox;
struct refresh;
struct report;

/* It is over; `argument` is what refresh_begin was given. Afterwards the refresh is freed. Main thread. */
typedef void refresh_told(struct refresh *, void *argument);

enum refresh_scope {
	REFRESH_ALL,	/* read what the generation uses and has changed, or is not there */
	REFRESH_NEW,	/* read only what is not there */
	REFRESH_CHANGED	/* of all that the process has, what has changed since; no generation */
};

/* Is there something to read at all? Where not, there is no need to wait. */
bool refresh_is_needed(const struct generation *, enum refresh_scope);

/* NULL where no helper or no memory can be had, or too many helpers still hang on files that nobody waits for. The
 * callback never comes from within this call. A refresh that lasts
 * longer than `patience` milliseconds (0: for ever) is over, too: what was not read by then is an error. */
struct refresh *refresh_begin(struct event_base *, struct inbox *main, const struct generation *, enum refresh_scope,
	int64_t patience, refresh_told *, void *argument);

/* In the callback: take over what was read. For a generation what is wrong is reported; false when there are errors.
 * Else changes and faults are logged. */
bool refresh_take(struct refresh *, struct report *);

/* Call it off: there will be no callback. NULLs the pointer. */
void refresh_cancel(struct refresh **);

#endif
