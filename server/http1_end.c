/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http1_end: where a head ends.
 *
 * Every head is looked through once for this, so that it can be moved to where it will stay before it is parsed. By blocks, 64
 * places at a time: one bit for each line feed, and a place is of interest where another one stands two bytes on.
 */
#include "http1.h"
#include "text_block.h"

#include <stdint.h>
#include <string.h>

#ifdef TEXT_BLOCKS
enum { STRIDE = 4 * TEXT_BLOCK };

static inline uint64_t
line_feeds(const char *at)
{
	uint64_t found = 0;

	for (unsigned i = 0; i < STRIDE; i += TEXT_BLOCK)
		found |= (uint64_t)text_line_feeds(text_block(at + i)) << i;
	return found;
}

/* The first place at or after `at` where LF . LF begins, or where it may. `begin` is where bytes may be looked at from. */
static const char *
skip(const char *at, const char *begin, const char *end)
{
	for (; end - at >= STRIDE; at += STRIDE - 2) {
		uint64_t feeds = line_feeds(at), both = feeds & feeds >> 2;

		if (both != 0)
			return at + __builtin_ctzll(both);
	}
	for (; end - at >= TEXT_BLOCK; at += TEXT_BLOCK - 2) {
		unsigned feeds = text_line_feeds(text_block(at)), both = feeds & feeds >> 2;

		if (both != 0)
			return at + __builtin_ctz(both);
	}
	if (end - begin >= TEXT_BLOCK) {	/* the last block, of which what lies before `at` is not asked for */
		unsigned feeds = text_line_feeds(text_block(end - TEXT_BLOCK)) & ~0u << (TEXT_BLOCK - (end - at));

		return (feeds & feeds >> 2) != 0 ? end - TEXT_BLOCK + __builtin_ctz(feeds & feeds >> 2) : end;
	}
	return at;
}
#else
static const char *
skip(const char *at, const char *begin, const char *end)
{
	const char *lf = memchr(at, '\n', (size_t)(end - at));

	(void)begin;
	return lf == NULL ? end : lf;
}
#endif

size_t
http1_head_length(const char *head, size_t length, size_t seen)
{
	const char *end = head + length, *at = head + (seen > 3 ? seen - 2 : 1);

	while (end - at >= 3) {
		at = skip(at, head, end);
		if (end - at >= 3 && at[-1] == '\r' && at[0] == '\n' && at[1] == '\r' && at[2] == '\n')
			return (size_t)(at - head) + 3;
		at++;
	}
	return 0;
}
