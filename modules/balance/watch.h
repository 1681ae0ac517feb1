/* SPDX-License-Identifier: Apache-2.0 */
/*
 * watch: what the first event thread does about servers once a second.
 *
 * It begins the checks that are due. It tells the log which servers are out and which are in again: from what is, not from
 * each change, so that servers that come and go, or requests to an upstream of which all servers fail, do not flood it.
 */
#ifndef BALANCE_WATCH_H
#define BALANCE_WATCH_H

#include <stdbool.h>
#include <stdint.h>

struct balance_table;
struct weir_thread;

/* What the log was told of a server. */
struct balance_report {
	bool told_out;
	int64_t told;			/* when; 0: nothing yet */
};

/* The first thread's. */
struct balance_watch {
	uint64_t newest;		/* number of the newest table seen: the ones before only end their requests */
};

void balance_watch_tick(struct weir_thread *, struct balance_watch *, struct balance_table *);

#endif
