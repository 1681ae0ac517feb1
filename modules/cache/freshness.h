/* SPDX-License-Identifier: Apache-2.0 */
/*
 * freshness: how old a stored response is, for how long it may be used, and by whom (RFC 9111, 4.2; RFC
 * 5861).
 *
 * Times are seconds since the epoch, ages and lifetimes seconds.
 */
#ifndef CACHE_FRESHNESS_H
#define CACHE_FRESHNESS_H

#include "facts.h"
#include "rules.h"

/* What a stored response says of its own use. */
struct cache_freshness {
	int64_t born;			/* when it was new: at `now` its age is now - born */
	int64_t lifetime; /* fresh while its age is below; 0: never; -1: the operator has it not stored */
	int64_t while_revalidate; /* and for so long after that it may be used while it is asked for again (RFC 5861, 3) */
	int64_t if_error;		/* or when asking again failed (RFC 5861, 4) */
	bool no_cache;			/* never without validation (RFC 9111, 5.2.2.4) */
	bool must_revalidate;		/* never when stale (5.2.2.2, 5.2.2.8, 5.2.2.10) */
	bool immutable;			/* a reload needs no validation while it is fresh (RFC 8246) */
	bool heuristic;			/* the lifetime is an estimate (4.2.2) */
};

/* Is this status cacheable where a response says nothing of it (RFC 9110, 15.1)? */
bool cache_status_is_heuristic(int status);

/* What a response, that was asked for and came at these times, allows. */
void cache_freshness_of(struct cache_freshness *, const struct cache_response *, const struct cache_rules *,
	int64_t asked, int64_t came);

static inline int64_t
cache_age(const struct cache_freshness *fresh, int64_t now)
{
	return now > fresh->born ? now - fresh->born : 0;
}

enum cache_use {
	CACHE_USE,			/* answer with it */
	CACHE_USE_STALE,		/* answer with it: the request takes it stale */
	CACHE_USE_AND_REFRESH,		/* answer with it, and have it asked for again by one */
	CACHE_VALIDATE			/* ask the origin first */
};

/* How a stored response may answer this request now. `stale`: it was purged softly. */
enum cache_use cache_use_of(const struct cache_freshness *, bool stale, const struct cache_request *,
	const struct cache_rules *, int64_t now);

/* The origin failed, or answered 500, 502, 503 or 504: may a stale one answer (RFC 5861, 4; RFC 9111,
 * 4.2.4)? */
bool cache_use_on_error(const struct cache_freshness *, const struct cache_request *,
	const struct cache_rules *, int64_t now);

/* Until when it can be of any use: fresh, or stale in one of the ways above; with a validator, for longer.
 * For eviction and dumps. */
int64_t cache_useful_until(const struct cache_freshness *);

#endif
