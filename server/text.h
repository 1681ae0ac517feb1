/* SPDX-License-Identifier: Apache-2.0 */
/*
 * text: the alphabet of HTTP (RFC 9110, 5.5 and 5.6; RFC 3986).
 *
 * One table says to which sets a byte belongs; the parsers walk it. Everything here is ASCII and knows
 * no locale.
 */
#ifndef WEIR_SERVER_TEXT_H
#define WEIR_SERVER_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum text_class {
	TEXT_TOKEN = 1,			/* of a token: names of methods and fields */
	TEXT_FIELD = 2,			/* within a field value: tab, space, visible, obs-text */
	TEXT_TARGET = 4,		/* within a request target: visible, no '#' */
	TEXT_PATH = 8,			/* the same in a path that needs no second look: no '?', '%' or '\' */
	TEXT_UNRESERVED = 16,		/* RFC 3986, 2.3 */
	TEXT_HOST = 32,			/* of a reg-name: unreserved and sub-delims, no ',' and no '%' */
	TEXT_HEX = 64
};

extern const uint8_t text_class[256];

static inline bool
text_is(unsigned char c, enum text_class class)
{
	return (text_class[c] & class) != 0;
}

static inline bool
text_is_digit(unsigned char c)
{
	return (unsigned)c - '0' < 10;
}

static inline unsigned char
text_lower(unsigned char c)
{
	return (unsigned char)(c + (((unsigned)c - 'A' < 26) << 5));
}

/* The value of a hexadecimal digit; c must be one. */
static inline unsigned
text_hex(unsigned char c)
{
	return c <= '9' ? (unsigned)c - '0' : (c | 0x20u) - 'a' + 10;
}

/* Equal but for case? b must be of lower case already in text_same_lower. */
bool text_same(const char *a, const char *b, size_t length);
bool text_same_lower(const char *a, const char *b, size_t length);

/*
 * Is the name (any case) one of these, of lower case? One that ends in '-' stands for all that begin so.
 */
bool text_is_one_of(const char *const *list, size_t count, const char *name, size_t length);

/* The first byte at or after `at` that no field value may hold (RFC 9110, 5.5); `end` when there is none. */
const char *text_skip_field(const char *at, const char *end);

/* The first byte at or after `at` that is not of a token (RFC 9110, 5.6.2); `end` when there is none. */
const char *text_skip_token(const char *at, const char *end);

/* A token (RFC 9110, 5.6.2); a field value (5.5) of visible characters, spaces and tabs, none at the ends. */
bool text_is_token(const char *, size_t);
bool text_is_field_value(const char *, size_t);

/*
 * The members of a comma-separated list (RFC 9110, 5.6.1), for lists without quoted strings: the next one
 * between *at and end, without white space around it, empty ones left out. False at the end. Moves *at behind
 * the member.
 */
bool text_next_member(const char **at, const char *end, const char **member, size_t *length);

/* Is this token (any case) a member of such a list? */
bool text_list_has(const char *list, size_t length, const char *token);
bool text_has_token(const char *list, const char *token);

#endif
