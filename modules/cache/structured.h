/* SPDX-License-Identifier: Apache-2.0 */
/*
 * structured: dictionaries of structured fields (RFC 9651, 3.2), as targeted cache control uses them (RFC
 * 9213).
 *
 * What cannot be parsed in whole is no dictionary at all: so the reader walks over all of it first, and only
 * then is a member worth something. Parameters and inner lists are read and left out.
 */
#ifndef CACHE_STRUCTURED_H
#define CACHE_STRUCTURED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum structured_type { STRUCTURED_TRUE, STRUCTURED_FALSE, STRUCTURED_INTEGER, STRUCTURED_STRING, STRUCTURED_OTHER };

struct structured_member {
	const char *key;
	size_t key_length;
	enum structured_type type;
	int64_t integer;
	const char *string;		/* between its quotes, escapes as they stand */
	size_t string_length;
};

/* Call `each` with every member in order; a key may come more than once, and the last counts. False, and
 * nothing is called, when it is malformed; *count says how many members there were. `each` may be NULL. */
bool cache_structured_dictionary(const char *text, size_t length,
	void (*each)(void *argument, const struct structured_member *), void *argument, size_t *count);

#endif
