/* SPDX-License-Identifier: Apache-2.0 */
/*
 * range: parts of a stored whole (RFC 9110, 14).
 *
 * A Range that is malformed, or asks for more parts than are worth it, is as if it were not there: a server
 * may always answer with the whole (14.2).
 */
#ifndef CACHE_RANGE_H
#define CACHE_RANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CACHE_RANGES_MOST 16
#define CACHE_BOUNDARY_LENGTH 24
#define CACHE_PART_MOST 512		/* bytes of the head of a part */

struct cache_range {
	uint64_t first, last;		/* positions, both included */
};

struct cache_ranges {
	struct cache_range list[CACHE_RANGES_MOST];
	unsigned count;
};

enum cache_range_result {
	CACHE_WHOLE_BODY,		/* 200: answer as if there were no Range */
	CACHE_PARTS,			/* 206: those in the list, in the order in which they were asked for */
	CACHE_NO_PART			/* 416: none of them is in the body */
};

/* Read a Range field for a body of this length. Parts that touch or overlap become one. */
enum cache_range_result cache_ranges_parse(struct cache_ranges *, const char *value, size_t length, uint64_t body);

/* "bytes 0-9/100", or "bytes * /100" (without the blank) with range NULL. `to` holds 80 bytes. Returns the
 * length. */
size_t cache_content_range(char to[80], const struct cache_range *, uint64_t body);

/* A boundary from random bits. */
void cache_boundary(char to[CACHE_BOUNDARY_LENGTH + 1], uint64_t random, uint64_t more);

/* The head of a part of multipart/byteranges (14.6), its blank line included; with range NULL the end
 * behind the last part. `type` is the whole's Content-Type, NULL: it has none. Returns the length; 0: no
 * room. */
size_t cache_part_head(char *to, size_t room, const char *boundary, const char *type, size_t type_length,
	const struct cache_range *, uint64_t body, bool first);

/* The length of such a body: all parts, their heads, and the end. */
uint64_t cache_parts_length(const struct cache_ranges *, const char *boundary, const char *type,
	size_t type_length, uint64_t body);

#endif
