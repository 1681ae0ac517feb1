/* SPDX-License-Identifier: Apache-2.0 */
/*
 * validate: entity tags, conditional requests answered from the cache, and stored heads brought up to date by
 * a 304 (RFC 9110, 8.8 and 13; RFC 9111, 4.3).
 */
#ifndef CACHE_VALIDATE_H
#define CACHE_VALIDATE_H

#include "facts.h"

/* RFC 9110, 8.8.3. */
bool cache_etag_is_valid(const char *etag, size_t length);

/* Weak comparison: the same but for W/. Strong: the same, and neither is weak (8.8.3.2). */
bool cache_etag_is_like(const char *a, size_t a_length, const char *b, size_t b_length);
bool cache_etag_is_same(const char *a, size_t a_length, const char *b, size_t b_length);

/* What a stored response has to compare with. */
struct cache_validators {
	const char *etag;		/* NULL: none; ends in NUL */
	int64_t modified, date;		/* Last-Modified and Date; -1: none */
};

/* Is a GET or HEAD with these fields to be answered 304? (RFC 9110, 13.2.2; RFC 9111, 4.3.2) */
bool cache_is_not_modified(const struct cache_request *, const struct cache_validators *, int64_t now);

/* Does If-Range allow a part of this representation? Also true where there is no If-Range (RFC 9110,
 * 13.1.5). */
bool cache_if_range_holds(const struct cache_request *, const struct cache_validators *, int64_t now);

/* May a 304 with these validators update the stored response? (RFC 9111, 4.3.3) */
bool cache_is_selected(const struct cache_validators *stored, const struct cache_response *fresh);

/* Write the stored lines as a 304 changes them (RFC 9111, 3.2): its fields in place of those of the same
 * name, but those that describe the body as it is stored. Returns the length; SIZE_MAX: there was no room. */
size_t cache_merge_lines(char *to, size_t room, const char *stored, size_t stored_length, const char *fresh,
	size_t fresh_length);

#endif
