/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check: what checks have shown of a server, and what they expect of it. Pure; watch.c makes the requests.
 */
#ifndef BALANCE_CHECK_H
#define BALANCE_CHECK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct balance_health;
struct weir_build;

enum { BALANCE_BODY_MOST = 256 };	/* bytes of the text that a body must hold */

/* How the last check ended; from 100 on: with this status, which was not expected. */
enum balance_outcome { NOT_CHECKED, CHECK_GOOD, CHECK_FAILED, CHECK_BODY };

/* A record's; the first thread's, but for the outcome. */
struct balance_check {
	int64_t due;			/* when the next one begins; 0: to be planned */
	unsigned streak;		/* results in a row that speak against the server's state */
	bool running;
	_Atomic int outcome;
	size_t seen;			/* bytes of `tail` */
	bool found;			/* the text that the body must hold */
	char tail[BALANCE_BODY_MOST];	/* of the body, for a text that two chunks share */
};

/* Statuses from 100 to 599. */
struct balance_statuses {
	uint8_t bits[63];
};

bool balance_statuses_have(const struct balance_statuses *, int status);

/* An option's parse function: "200-399 401". */
const char *balance_statuses_parse(struct weir_build *, const char *text, void *statuses);

/* Is it time? The first time is spread over the interval, but no longer than a second; later ones differ by up to a tenth. */
bool balance_check_is_due(struct balance_check *, int64_t interval, int64_t now, uint64_t random);

/* A check begins; its body comes, in which this text is looked for. */
void balance_check_begin(struct balance_check *);
void balance_check_look(struct balance_check *, const char *text, const char *data, size_t length);

/*
 * A check has ended. So many good ones in a row bring the server in, so many bad ones put it out; the very first
 * decides alone. True when the server's state has changed.
 */
bool balance_check_end(struct balance_check *, struct balance_health *, int outcome, unsigned rise, unsigned fall, int64_t now);

/* Checks are over: what they have shown is forgotten. */
void balance_check_forget(struct balance_check *, struct balance_health *);

#endif
