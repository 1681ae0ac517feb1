/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rules: what an operator may decide about caching, where RFC 9111 leaves it open, or against it.
 */
#ifndef CACHE_RULES_H
#define CACHE_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CACHE_VARY_MOST 8		/* fields that a response may vary by, unless the operator says otherwise */

/* What is to be ignored, in a response or a request. */
enum {
	CACHE_IGNORE_CONTROL = 1 << 0, /* Cache-Control of responses */
	CACHE_IGNORE_EXPIRES = 1 << 1,
	CACHE_IGNORE_SET_COOKIE = 1 << 2, /* store all the same, without it */
	CACHE_IGNORE_VARY = 1 << 3,
	CACHE_IGNORE_TARGETED = 1 << 4,
	CACHE_IGNORE_REQUEST = 1 << 5, /* Cache-Control and Pragma of requests, but for only-if-cached */
	CACHE_IGNORE_AUTHORIZATION = 1
		<< 6 /* requests that carry it are as others; the key must tell users apart */
};

/* How long responses of some statuses are fresh, whatever they say; 0: they are not stored. */
struct cache_ttl {
	int first, last;		/* statuses, both included */
	int64_t seconds;
	bool only_silent;		/* only where the response itself says nothing */
};

struct cache_rules {
	unsigned ignore;
	const struct cache_ttl *ttls;	/* the first that fits counts */
	size_t ttl_count;
	int64_t heuristic_percent;	/* of the time since Last-Modified (RFC 9111, 4.2.2); 0: no estimates */
	int64_t heuristic_most;		/* seconds */
	int64_t lifetime_most;		/* seconds, for all that are stored; 0: no bound */
	int64_t while_revalidate;	/* seconds, where a response does not say; 0: none */
	int64_t if_error;
	unsigned vary_most;
	const char *const *targets;	/* names of targeted fields, the first that is there counts */
	size_t target_count;		/* CACHE_TARGETS_MOST at most */
};

/* As RFC 9111 has it: a tenth, a day at most, CDN-Cache-Control. */
extern const struct cache_rules cache_rules_default;

#endif
