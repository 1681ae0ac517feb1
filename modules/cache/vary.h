/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vary: which of the responses to one key suits a request (RFC 9111, 4.1).
 *
 * A response nominates request fields; the variant is what the request said in them, normalised as far as the
 * meaning stays the same: lines joined, white space and case of list members and their order taken away where
 * order means nothing. The operator may let Accept-Encoding be reduced to the one coding that will be chosen.
 */
#ifndef CACHE_VARY_H
#define CACHE_VARY_H

#include "control.h"

#define CACHE_VARIANT_MOST ((size_t)4096)

/* Add the names of one Vary line, each once, and count them. False: it is *, malformed, or too much. */
bool cache_vary_add(struct cache_names *, unsigned *count, const char *value, size_t length);

/* Write the names in order, separated by commas, with a NUL: the same for the same set. `to` holds
 * CACHE_NAMES_MOST. */
void cache_vary_write(const struct cache_names *, char *to);

/* The coding of these that a request is to be answered with, by its Accept-Encoding (lines joined; NULL:
 * it has none); "identity" where it is none of them. The origin must then be asked with that alone: what
 * it chooses is what others of the variant get. */
size_t cache_vary_coding(const char *accept_encoding, const char *codings, const char **coding);

/* Give the value of the request's next field of that name, NULL after the last; *position begins at 0. */
typedef const char *cache_field_reader(void *argument, const char *name, unsigned *position);

/* Write the variant of a request, for names as cache_vary_write gives them; returns its length, 0 when
 * there is no room (the request is then not for the cache). `codings`: the content codings that may be
 * chosen, the best first, separated by spaces; NULL: do not reduce Accept-Encoding. */
size_t cache_vary_variant(
	char *to, size_t room, const char *names, cache_field_reader *, void *argument, const char *codings);

#endif
