/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http1_end: where a head ends.
 *
 * Every head is looked through once for this, so that it can be moved to where it will stay before it is parsed. With SSE2,
 * sixteen places at a time: a place is of interest where a line feed stands and another one two bytes on.
 */
#include "http1.h"

#include <string.h>

#if defined(__SSE2__) && !defined(WEIR_NO_SIMD)
#include <emmintrin.h>

/* The first place at or after `at` where LF . LF begins, or where too few bytes are left to look at sixteen at once. */
static const char *
skip(const char *at, const char *end)
{
	const __m128i lf = _mm_set1_epi8('\n');

	for (; end - at >= 18; at += 16) {
		__m128i first = _mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)(const void *)at), lf);
		__m128i third = _mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)(const void *)(at + 2)), lf);
		int both = _mm_movemask_epi8(_mm_and_si128(first, third));

		if (both != 0)
			return at + __builtin_ctz((unsigned)both);
	}
	return at;
}
#else
static const char *
skip(const char *at, const char *end)
{
	const char *lf = memchr(at, '\n', (size_t)(end - at));

	return lf == NULL ? end : lf;
}
#endif

size_t
http1_head_length(const char *head, size_t length, size_t seen)
{
	const char *end = head + length, *at = head + (seen > 3 ? seen - 2 : 1);

	while (end - at >= 3) {
		at = skip(at, end);
		if (end - at >= 3 && at[-1] == '\r' && at[0] == '\n' && at[1] == '\r' && at[2] == '\n')
			return (size_t)(at - head) + 3;
		at++;
	}
	return 0;
}
