/* SPDX-License-Identifier: Apache-2.0 */
/*
 * range: parts of a stored whole.
 */
#include "range.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Digits; false when there are none, or the number is too large, which is then UINT64_MAX. */
static bool
read_number(const char **at, const char *end, uint64_t *number)
{
	const char *start = *at;

	for (*number = 0; *at < end && **at >= '0' && **at <= '9'; ++*at) {
		unsigned digit = (unsigned)(**at - '0');

		*number = *number > (UINT64_MAX - digit) / 10 ? UINT64_MAX : *number * 10 + digit;
	}
	return *at > start;
}

/* One of "0-9", "10-", "-5" (RFC 9110, 14.1.2). False: malformed. *in: something of it is in the body. */
static bool
read_range(const char **at, const char *end, uint64_t body, struct cache_range *range, bool *in)
{
	uint64_t first, last;
	bool has_first = read_number(at, end, &first), has_last;

	if (*at == end || *(*at)++ != '-')
		return false;
	has_last = read_number(at, end, &last);
	if (!has_first && !has_last)
		return false;
	if (has_first && has_last && last < first)
		return false;
	if (!has_first) {		/* the last so many bytes */
		*in = last > 0 && body > 0;
		range->first = last < body ? body - last : 0;
		range->last = body - 1;
		return true;
	}
	*in = first < body;
	range->first = first;
	range->last = has_last && last < body ? last : body - 1;
	return true;
}

static bool
touches(const struct cache_range *a, const struct cache_range *b)
{
	return a->first <= b->last + 1 && b->first <= a->last + 1;
}

/* Add a range, in place of those that it touches. */
static void
add(struct cache_ranges *ranges, struct cache_range range)
{
	for (unsigned i = 0; i < ranges->count; ) {
		struct cache_range *other = &ranges->list[i];

		if (!touches(other, &range)) {
			i++;
			continue;
		}
		range.first = other->first < range.first ? other->first : range.first;
		range.last = other->last > range.last ? other->last : range.last;
		memmove(other, other + 1, (--ranges->count - i) * sizeof(*other));
		i = 0;
	}
	ranges->list[ranges->count++] = range;
}

enum cache_range_result
cache_ranges_parse(struct cache_ranges *ranges, const char *value, size_t length, uint64_t body)
{
	const char *at = value, *end = value + length;
	unsigned asked = 0;
	struct cache_range range;
	bool in;

	ranges->count = 0;
	if (length < 6 || strncasecmp(value, "bytes=", 6) != 0)
		return CACHE_WHOLE_BODY;
	for (at += 6; at < end; ) {
		if (*at == ' ' || *at == '\t' || *at == ',') {
			at++;
			continue;
		}
		if (++asked > CACHE_RANGES_MOST || !read_range(&at, end, body, &range, &in))
			return CACHE_WHOLE_BODY;
		while (at < end && (*at == ' ' || *at == '\t'))
			at++;
		if (at < end && *at != ',')
			return CACHE_WHOLE_BODY;
		if (in)
			add(ranges, range);
	}
	if (asked == 0)
		return CACHE_WHOLE_BODY;
	return ranges->count > 0 ? CACHE_PARTS : CACHE_NO_PART;
}

size_t
cache_content_range(char to[80], const struct cache_range *range, uint64_t body)
{
	if (range == NULL)
		return (size_t)snprintf(to, 80, "bytes */%" PRIu64, body);
	return (size_t)snprintf(to, 80, "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, range->first, range->last, body);
}

void
cache_boundary(char to[CACHE_BOUNDARY_LENGTH + 1], uint64_t random, uint64_t more)
{
	static const char letters[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz__";

	for (unsigned i = 0; i < CACHE_BOUNDARY_LENGTH; i++) {
		uint64_t *bits = i % 2 == 0 ? &random : &more;

		to[i] = letters[*bits & 63];
		*bits >>= 5;
	}
	to[CACHE_BOUNDARY_LENGTH] = '\0';
}

size_t
cache_part_head(char *to, size_t room, const char *boundary, const char *type, size_t type_length,
	const struct cache_range *range, uint64_t body, bool first)
{
	char content_range[80];
	int length;

	if (range == NULL) {
		length = snprintf(to, room, "\r\n--%s--\r\n", boundary);
	} else {
		cache_content_range(content_range, range, body);
		length = snprintf(to, room, "%s--%s\r\n%s%.*s%sContent-Range: %s\r\n\r\n",
			first ? "" : "\r\n", boundary, type != NULL ? "Content-Type: " : "",
			type != NULL ? (int)type_length : 0, type != NULL ? type : "",
			type != NULL ? "\r\n" : "", content_range);
	}
	return length > 0 && (size_t)length < room ? (size_t)length : 0;
}

uint64_t
cache_parts_length(const struct cache_ranges *ranges, const char *boundary, const char *type,
	size_t type_length, uint64_t body)
{
	char head[CACHE_PART_MOST];
	uint64_t length = 0;

	for (unsigned i = 0; i < ranges->count; i++) {
		const struct cache_range *range = &ranges->list[i];

		length += cache_part_head(head, sizeof(head), boundary, type, type_length, range, body, i == 0);
		length += range->last - range->first + 1;
	}
	return length + cache_part_head(head, sizeof(head), boundary, NULL, 0, NULL, body, false);
}
