/* SPDX-License-Identifier: Apache-2.0 */
/*
 * facts: what a request and a response say that matters to a cache.
 *
 * Whoever has a message hands in its fields one by one, in their order, and then asks the rules (freshness.h,
 * admit.h, validate.h, range.h). Texts are borrowed, as long as the struct is used.
 */
#ifndef CACHE_FACTS_H
#define CACHE_FACTS_H

#include "control.h"

#define CACHE_TARGETS_MOST 4
#define CACHE_TARGET_TEXT 1024		/* bytes of a targeted field, all lines together */

struct cache_text {
	const char *at;			/* NULL: not there */
	size_t length;
};

struct cache_request {
	struct cache_control control;
	bool pragma_no_cache;
	bool authorization;
	bool preconditions;		/* If-Match or If-Unmodified-Since: for the origin alone (RFC 9111, 4.3.2) */
	struct cache_text if_none_match, if_modified_since, if_range, range;
	bool many_if_none_match;	/* in several lines: left to the origin, as are several ranges */
	bool many_ranges;
};

/* A targeted field as its lines come in. */
struct cache_target {
	char text[CACHE_TARGET_TEXT];
	uint16_t length;
	bool present, too_long;
};

struct cache_response {
	int status;
	struct cache_control control;
	/* Seconds since the epoch; -1: not there, or no date. */
	int64_t date, expires, modified;
	bool has_expires;		/* also one that is no date, and so in the past (RFC 9111, 5.3) */
	int64_t age;			/* seconds; -1 */
	struct cache_text etag;		/* as it stands, if it is one */
	bool set_cookie, content_range;
	bool vary_any;			/* Vary: *, or one that is malformed or names too much */
	struct cache_names vary;
	unsigned vary_count;
	struct cache_target targets[CACHE_TARGETS_MOST];	/* by the number of the name in the rules */
};

struct cache_rules;			/* rules.h */

void cache_request_init(struct cache_request *);
void cache_request_field(struct cache_request *, const char *name, const char *value);

void cache_response_init(struct cache_response *, int status);
void cache_response_field(struct cache_response *, const struct cache_rules *, const char *name,
	size_t name_length, const char *value, size_t value_length, int64_t now);

/* After the last field: choose the control that counts (RFC 9213, 2.2). */
void cache_response_end(struct cache_response *, const struct cache_rules *);

#endif
