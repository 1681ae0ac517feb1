/* SPDX-License-Identifier: Apache-2.0 */
/*
 * health: what requests have shown of a server. Shared by all threads; a moment's disorder between them does
 * no harm, so relaxed atomics are enough. Times are milliseconds of weir_now.
 */
#ifndef BALANCE_HEALTH_H
#define BALANCE_HEALTH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct balance_health {
	_Atomic uint64_t failures;	/* when the first of them was, and how many since: 48 and 16 bits */
	_Atomic int64_t out_until;	/* 0: no request has put it out */
	_Atomic int64_t since;		/* when it came in, as long as it starts slowly; 0: that is long ago */
	_Atomic bool down;		/* the checks say so */
	_Atomic bool drained;		/* the operator does */
};

/* A server that failed `fails` times within `time` is out for that long. fails 0: never. */
struct balance_limit {
	unsigned fails;
	int64_t time;
};

#define BALANCE_FAILS_MOST UINT16_MAX

/* Have requests or checks put it out? Requests: it stays out, with its time over, until a probe has brought it in. */
bool balance_health_is_out(const struct balance_health *);
bool balance_health_is_in(const struct balance_health *);

/* May a request go to it now? When its time is over one may, the probe: whoever claims it first. If that one never
 * comes back, the next may when the time is over again. */
bool balance_health_admits(const struct balance_health *, int64_t now);
bool balance_health_claim(struct balance_health *, const struct balance_limit *, int64_t now);

/* A request failed; true if this took the server out. */
bool balance_health_fail(struct balance_health *, const struct balance_limit *, int64_t now);

/* A request that went to it while it was out succeeded: it is in again. */
void balance_health_recover(struct balance_health *, int64_t now);

/* It is new, or in again: from now on it starts slowly. What it may get meanwhile, in percent of its weight: from 10 to 100. */
void balance_health_enter(struct balance_health *, int64_t now);
unsigned balance_health_share(struct balance_health *, int64_t slow_start, int64_t now);

unsigned balance_health_failures(const struct balance_health *);

#endif
