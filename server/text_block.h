/* SPDX-License-Identifier: Apache-2.0 */
/*
 * text_block: sixteen bytes of a text at once, where SSE2 is there.
 *
 * TEXT_BLOCKS says that it is. WEIR_NO_SIMD builds without: whoever uses blocks has a plain loop as well, which the tests run.
 */
#ifndef WEIR_SERVER_TEXT_BLOCK_H
#define WEIR_SERVER_TEXT_BLOCK_H

#if defined(__SSE2__) && !defined(WEIR_NO_SIMD)
#include <emmintrin.h>

#define TEXT_BLOCKS 1

enum { TEXT_BLOCK = 16 };

/* Any sixteen bytes, which must be there. */
static inline __m128i
text_block(const char *at)
{
	return _mm_loadu_si128((const __m128i *)(const void *)at);
}

/* Control characters but for HTAB, which no field's value has: a bit for each of the sixteen. */
static inline unsigned
text_controls(__m128i bytes)
{
	const __m128i last_control = _mm_set1_epi8(0x1f), delete = _mm_set1_epi8(0x7f), tab = _mm_set1_epi8('\t');
	__m128i control = _mm_cmpeq_epi8(_mm_min_epu8(bytes, last_control), bytes);

	return (unsigned)_mm_movemask_epi8(_mm_or_si128(_mm_andnot_si128(_mm_cmpeq_epi8(bytes, tab), control),
		_mm_cmpeq_epi8(bytes, delete)));
}

/* The same with HTAB: one stop more, and less to do. */
static inline unsigned
text_breaks(__m128i bytes)
{
	const __m128i last_control = _mm_set1_epi8(0x1f), delete = _mm_set1_epi8(0x7f);

	return (unsigned)_mm_movemask_epi8(_mm_or_si128(_mm_cmpeq_epi8(_mm_min_epu8(bytes, last_control), bytes),
		_mm_cmpeq_epi8(bytes, delete)));
}

/* All but letters, digits and '-', of which nearly all names are made. */
static inline unsigned
text_uncommon(__m128i bytes)
{
	const __m128i bit = _mm_set1_epi8(0x20), a = _mm_set1_epi8('a'), z = _mm_set1_epi8('z' - 'a');
	const __m128i zero = _mm_set1_epi8('0'), nine = _mm_set1_epi8(9), dash = _mm_set1_epi8('-');
	__m128i letter = _mm_sub_epi8(_mm_or_si128(bytes, bit), a), digit = _mm_sub_epi8(bytes, zero);
	__m128i common = _mm_or_si128(_mm_cmpeq_epi8(bytes, dash), _mm_or_si128(
		_mm_cmpeq_epi8(_mm_min_epu8(letter, z), letter), _mm_cmpeq_epi8(_mm_min_epu8(digit, nine), digit)));

	return (unsigned)_mm_movemask_epi8(common) ^ 0xffffu;
}

/* Line feeds. */
static inline unsigned
text_line_feeds(__m128i bytes)
{
	return (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('\n')));
}
#endif

#endif
