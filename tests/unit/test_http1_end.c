/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a head ends: the fast search, the plain one, and a naive one agree about any bytes, however they arrive.
 */
#define http1_head_length plain_head_length
#define WEIR_NO_SIMD
#include "server/http1_end.c"
#undef http1_head_length
#undef WEIR_NO_SIMD

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

size_t http1_head_length(const char *head, size_t length, size_t seen);

static size_t
naive(const char *head, size_t length)
{
	for (size_t i = 0; i + 4 <= length; i++)
		if (memcmp(head + i, "\r\n\r\n", 4) == 0)
			return i + 4;
	return 0;
}

/* All of it at once; and in two parts, cut at each place. */
static void
agree(const char *head, size_t length)
{
	size_t expected = naive(head, length);

	assert_int_equal(http1_head_length(head, length, 0), expected);
	assert_int_equal(plain_head_length(head, length, 0), expected);
	for (size_t seen = 0; seen < length; seen++) {
		if (naive(head, seen) != 0)
			break;
		assert_int_equal(http1_head_length(head, length, seen), expected);
		assert_int_equal(plain_head_length(head, length, seen), expected);
	}
}

static void
heads_end_at_the_empty_line(void **state)
{
	static const char *const heads[] = {
		"", "\r", "\r\n", "\r\n\r", "\r\n\r\n", "\n\n", "\n\r\n", "\r\n\n", "\r\r\n\r\n", "\r\n\r\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\n\r\n",
		"GET / HTTP/1.1\nHost: a\n\n", "x\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\r\n\r\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(heads) / sizeof(*heads); i++) {
		char *exact = malloc(strlen(heads[i]) + 1);	/* so that a look past the end shows */

		assert_non_null(exact);
		memcpy(exact, heads[i], strlen(heads[i]));
		agree(exact, strlen(heads[i]));
		free(exact);
	}
}

static void
any_bytes_are_read_alike(void **state)
{
	uint64_t random = 42;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		size_t length = round % 60;
		char *bytes = malloc(length + 1);

		assert_non_null(bytes);
		for (size_t i = 0; i < length; i++) {
			random = random * 6364136223846793005u + 1442695040888963407u;
			bytes[i] = "\r\n\r\nx"[(random >> 33) % 5];
		}
		agree(bytes, length);
		free(bytes);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(heads_end_at_the_empty_line),
		cmocka_unit_test(any_bytes_are_read_alike),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
