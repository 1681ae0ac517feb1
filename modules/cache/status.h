/* SPDX-License-Identifier: Apache-2.0 */
/*
 * status: what the cache did with a request, as Cache-Status tells it (RFC 9211).
 */
#ifndef CACHE_STATUS_H
#define CACHE_STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CACHE_STATUS_MOST 512

/* Why a request went forward (RFC 9211, 2.2). */
enum cache_forward {
	CACHE_FORWARD_NONE,		/* a hit */
	CACHE_FORWARD_BYPASS,		/* the cache was told not to look */
	CACHE_FORWARD_METHOD,
	CACHE_FORWARD_URI_MISS,
	CACHE_FORWARD_VARY_MISS,
	CACHE_FORWARD_REQUEST,		/* the request's directives */
	CACHE_FORWARD_STALE,
	CACHE_FORWARD_PARTIAL
};

struct cache_outcome {
	enum cache_forward forward;
	int forward_status; /* of the origin's answer, where it is not the one that is sent; 0: not known, or the same */
	bool has_ttl;
	int64_t ttl;			/* seconds that it stays fresh; negative when it is stale */
	bool stored, collapsed;
	const char *detail;		/* a token; NULL: none */
	const char *key;		/* shown to whom the operator allows; NULL: not */
	size_t key_length;
};

/* Write the member of this cache, with a NUL, after what caches before it have said (NULL: none). Returns
 * the length; what has no room is left out, from the end. */
size_t cache_status_write(char *to, size_t room, const char *before, const char *cache, const struct cache_outcome *);

#endif
