/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wait: suspended exchanges and the one-shot tokens that resume them.
 *
 * A slot is taken when a hook waits; its token names thread, slot and generation. Whoever resumes first wins the slot by one
 * compare-and-swap, from any thread, and posts the slot's own message to the thread: no memory is needed. The owner
 * gives a slot up the same way when the client goes or the deadline passes, so a late resume finds another
 * generation and does nothing. Slots live in blocks that are never freed while threads run.
 */
#ifndef WEIR_SERVER_WAIT_H
#define WEIR_SERVER_WAIT_H

#include <stdatomic.h>
#include <stdint.h>
#include <weir/thread.h>

#include "inbox.h"
#include "wheel.h"

struct thread;
struct weir_exchange;
struct wait_table;

struct wait {
	struct message message;		/* when resumed */
	struct deadline deadline;
	_Atomic uint64_t generation;	/* odd: waiting; even: free or claimed */
	struct thread *thread;
	struct weir_exchange *exchange;	/* NULL: it is gone, though the slot was claimed */
	enum weir_verdict verdict, late;
	void (*cancel)(void *argument);
	void *argument;
	uint32_t slot, next_free;
};

struct wait_table *wait_table_new(struct thread *);
void wait_table_free(struct wait_table **);

/* End the wait of this exchange without a resume: calls its cancel. On the owning thread. */
void wait_cancel(struct wait *);

/* How often weir_resume came too late on threads that are no event threads, in this process. */
uint64_t wait_late_elsewhere(void);

#endif
