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
	_Atomic int64_t out_until;	/* 0: the server is in */
};

/* A server that failed `fails` times within `time` is out for that long. fails 0: never. */
struct balance_limit {
	unsigned fails;
	int64_t time;
};

#define BALANCE_FAILS_MOST UINT16_MAX

/* Is it out? It stays out, with its time over, until a probe has brought it in. */
bool balance_health_is_out(const struct balance_health *);

/* May a request go to it now? When its time is over one may, the probe: whoever claims it first. If that one never
 * comes back, the next may when the time is over again. */
bool balance_health_admits(const struct balance_health *, int64_t now);
bool balance_health_claim(struct balance_health *, const struct balance_limit *, int64_t now);

/* A request failed; true if this took the server out. */
bool balance_health_fail(struct balance_health *, const struct balance_limit *, int64_t now);

/* A request that went to it while it was out succeeded: it is in again. */
void balance_health_recover(struct balance_health *);

unsigned balance_health_failures(const struct balance_health *);

#endif
