/* SPDX-License-Identifier: Apache-2.0 */
/*
 * line: write one line of a log straight into its buffer, with values that cannot break out of their place.
 *
 * A line knows where it must end: values are cut there, and what a format itself writes (keys, quotes, numbers,
 * the newline) has a reserve behind it. So a line always ends as its format says, however long its values are.
 */
#ifndef ACCESSLOG_LINE_H
#define ACCESSLOG_LINE_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

struct line {
	char *at;
	char *end;		/* of values; LINE_RESERVE bytes follow */
};

/* What a format itself may write in one line, once values have used up the room. */
#define LINE_RESERVE 1024

enum line_escape {
	LINE_TEXT,		/* as Apache and nginx do: \xHH for quotes, backslashes, controls and beyond ASCII */
	LINE_JSON		/* within a JSON string; what is no UTF-8 is taken for Latin-1 */
};

/* What the format writes: not cut, not escaped. */
static inline void
line_add(struct line *line, const char *text, size_t length)
{
	assert(line->at + length <= line->end + LINE_RESERVE);
	memcpy(line->at, text, length);
	line->at += length;
}

#define LINE_ADD(line, literal) line_add(line, literal, sizeof(literal) - 1)

/* The first `most` bytes of a value, escaped, as far as there is room. */
void accesslog_value(struct line *, const char *value, size_t most, enum line_escape);

/* Text of the operator's: cut, not escaped. */
void accesslog_text(struct line *, const char *text, size_t length);

void accesslog_number(struct line *, uint64_t);
void accesslog_milliseconds(struct line *, uint64_t nanoseconds);	/* 12.345 */

/* An address of IPv4, faster than the general way; false: it is another one. */
bool accesslog_ipv4(struct line *, const struct sockaddr *);

#endif
