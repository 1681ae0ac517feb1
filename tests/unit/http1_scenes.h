/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http1_scenes: what the tests of the HTTP/1.1 parsers share.
 *
 * Every head is parsed in a block of memory of exactly its size, so that a read past the end shows under
 * AddressSanitizer, and at every point where the network could have cut it.
 */
#ifndef WEIR_TESTS_HTTP1_SCENES_H
#define WEIR_TESTS_HTTP1_SCENES_H

#include "server/arena.h"
#include "server/http1.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const struct http1_limits usual_limits = {
	.head_size = 8192,
	.fields = 100,
	.target_length = 4096,
};

/* A head as a literal; may hold NULs. */
#define TEXT(literal) literal, sizeof(literal) - 1

struct text {
	const char *bytes;
	size_t length;
};

/* A block of exactly this size. */
static inline char *
exact_copy(const char *bytes, size_t length)
{
	char *copy = malloc(length > 0 ? length : 1);

	assert_non_null(copy);
	memcpy(copy, bytes, length);
	return copy;
}

/* All fields in one line, "name: value" divided by '|'. */
static inline void
show_fields(char *to, size_t room, const struct fields *fields)
{
	size_t length = strlen(to);

	for (unsigned i = 0; i < fields->count; i++) {
		assert_int_equal(strlen(fields->list[i].name), fields->list[i].name_length);
		assert_int_equal(strlen(fields->list[i].value), fields->list[i].value_length);
		assert_int_equal(fields->list[i].id, field_identify(fields->list[i].name,
			fields->list[i].name_length));
		length += (size_t)snprintf(to + length, room - length, "|%s: %s", fields->list[i].name,
			fields->list[i].value);
		assert_true(length < room);
	}
}

#endif
