/* SPDX-License-Identifier: Apache-2.0 */
/*
 * freshness: how old a stored response is, and for how long it may be used (RFC 9111, 4.2).
 */
#ifndef CACHE_FRESHNESS_H
#define CACHE_FRESHNESS_H

#include <stdbool.h>
#include <stdint.h>

/* What a stored response says of its own use. Times are seconds since the epoch, lifetimes seconds. */
struct cache_freshness {
	int64_t born;			/* when it was new: at `now` its age is now - born */
	int64_t lifetime;		/* fresh while its age is below; 0: never */
	int64_t while_revalidate;	/* and for so long after that it may be used while it is asked for again (RFC 5861, 3) */
	int64_t if_error;		/* or when asking again failed (RFC 5861, 4); -1: as the operator says */
	bool no_cache;			/* never without validation (RFC 9111, 5.2.2.4) */
	bool must_revalidate;		/* never when stale (5.2.2.2, 5.2.2.8, 5.2.2.10) */
	bool immutable;			/* a reload needs no validation while it is fresh (RFC 8246) */
	bool heuristic;			/* the lifetime is an estimate (4.2.2) */
};

#endif
