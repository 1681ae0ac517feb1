/* SPDX-License-Identifier: Apache-2.0 */
/*
 * text: the alphabet of HTTP.
 *
 * The table names each group of bytes once, with all the sets that the group belongs to. Names and values are looked through
 * 16 bytes at a time where SSE2 is there. WEIR_NO_SIMD builds the plain loops, which the tests run as well.
 */
#include "text.h"

#include <string.h>
#if defined(__SSE2__) && !defined(WEIR_NO_SIMD)
#include <emmintrin.h>
#define SSE2 1
#endif

#define VISIBLE (TEXT_FIELD | TEXT_TARGET | TEXT_PATH)
#define SUB_DELIM (VISIBLE | TEXT_HOST)
#define ALPHA (SUB_DELIM | TEXT_TOKEN | TEXT_UNRESERVED)
#define HEX (ALPHA | TEXT_HEX)

const uint8_t text_class[256] = {
	['\t'] = TEXT_FIELD, [' '] = TEXT_FIELD, [0x80 ... 0xff] = TEXT_FIELD,
	['0' ... '9'] = HEX, ['A' ... 'F'] = HEX, ['a' ... 'f'] = HEX,
	['G' ... 'Z'] = ALPHA, ['g' ... 'z'] = ALPHA,
	['-'] = ALPHA, ['.'] = ALPHA, ['_'] = ALPHA, ['~'] = ALPHA,
	['!'] = SUB_DELIM | TEXT_TOKEN, ['$'] = SUB_DELIM | TEXT_TOKEN, ['&'] = SUB_DELIM | TEXT_TOKEN,
	['\''] = SUB_DELIM | TEXT_TOKEN, ['*'] = SUB_DELIM | TEXT_TOKEN, ['+'] = SUB_DELIM | TEXT_TOKEN,
	['('] = SUB_DELIM, [')'] = SUB_DELIM, [';'] = SUB_DELIM, ['='] = SUB_DELIM,
	['^'] = VISIBLE | TEXT_TOKEN, ['`'] = VISIBLE | TEXT_TOKEN, ['|'] = VISIBLE | TEXT_TOKEN,
	['"'] = VISIBLE, [','] = VISIBLE, ['/'] = VISIBLE, [':'] = VISIBLE, ['<'] = VISIBLE, ['>'] = VISIBLE,
	['@'] = VISIBLE, ['['] = VISIBLE, [']'] = VISIBLE, ['{'] = VISIBLE, ['}'] = VISIBLE,
	['#'] = TEXT_FIELD | TEXT_TOKEN,
	['%'] = TEXT_FIELD | TEXT_TARGET | TEXT_TOKEN,
	['?'] = TEXT_FIELD | TEXT_TARGET, ['\\'] = TEXT_FIELD | TEXT_TARGET,
};

bool
text_same(const char *a, const char *b, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (a[i] != b[i] && text_lower((unsigned char)a[i]) != text_lower((unsigned char)b[i]))
			return false;
	return true;
}

bool
text_same_lower(const char *a, const char *b, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (text_lower((unsigned char)a[i]) != (unsigned char)b[i])
			return false;
	return true;
}

bool
text_is_one_of(const char *const *list, size_t count, const char *name, size_t length)
{
	for (size_t i = 0; i < count; i++) {
		size_t known = strlen(list[i]);
		bool prefix = list[i][known - 1] == '-';

		if ((prefix ? length >= known : length == known) && text_same_lower(name, list[i], known))
			return true;
	}
	return false;
}

#ifdef SSE2
/* Control characters but for HTAB, which no field's value has: a bit for each of the sixteen. */
static inline unsigned
controls(__m128i bytes)
{
	const __m128i last_control = _mm_set1_epi8(0x1f), delete = _mm_set1_epi8(0x7f), tab = _mm_set1_epi8('\t');
	__m128i control = _mm_cmpeq_epi8(_mm_min_epu8(bytes, last_control), bytes);

	return (unsigned)_mm_movemask_epi8(_mm_or_si128(_mm_andnot_si128(_mm_cmpeq_epi8(bytes, tab), control),
		_mm_cmpeq_epi8(bytes, delete)));
}

/* All but letters, digits and '-', of which nearly all names are made. */
static inline unsigned
uncommon(__m128i bytes)
{
	const __m128i bit = _mm_set1_epi8(0x20), a = _mm_set1_epi8('a'), z = _mm_set1_epi8('z' - 'a');
	const __m128i zero = _mm_set1_epi8('0'), nine = _mm_set1_epi8(9), dash = _mm_set1_epi8('-');
	__m128i letter = _mm_sub_epi8(_mm_or_si128(bytes, bit), a), digit = _mm_sub_epi8(bytes, zero);
	__m128i common = _mm_or_si128(_mm_cmpeq_epi8(bytes, dash), _mm_or_si128(
		_mm_cmpeq_epi8(_mm_min_epu8(letter, z), letter), _mm_cmpeq_epi8(_mm_min_epu8(digit, nine), digit)));

	return (unsigned)_mm_movemask_epi8(common) ^ 0xffffu;
}

/* Each byte of a text of 4 to 15, in no order: its first and its last ones, of which some are in both. */
static inline __m128i
load_short(const char *text, size_t length)
{
	uint64_t first = 0, last = 0;
	uint32_t early, late;

	if (length >= 8) {
		memcpy(&first, text, 8);
		memcpy(&last, text + length - 8, 8);
	} else {
		memcpy(&early, text, 4);
		memcpy(&late, text + length - 4, 4);
		first = last = (uint64_t)early << 32 | late;
	}
	return _mm_set_epi64x((int64_t)first, (int64_t)last);
}
#endif

const char *
text_skip_field(const char *at, const char *end)
{
#ifdef SSE2
	for (; end - at >= 16; at += 16) {
		unsigned stop = controls(_mm_loadu_si128((const __m128i *)(const void *)at));

		if (stop != 0)
			return at + __builtin_ctz(stop);
	}
	if (end - at >= 4 && controls(load_short(at, (size_t)(end - at))) == 0)
		return end;
#endif
	while (at < end && text_is((unsigned char)*at, TEXT_FIELD))
		at++;
	return at;
}

const char *
text_skip_token(const char *at, const char *end)
{
#ifdef SSE2
	unsigned stop = 0;

	for (; stop == 0 && end - at >= 16; at += stop == 0 ? 16 : __builtin_ctz(stop))
		stop = uncommon(_mm_loadu_si128((const __m128i *)(const void *)at));
	if (stop == 0 && end - at >= 4 && uncommon(load_short(at, (size_t)(end - at))) == 0)
		return end;
#endif
	while (at < end && text_is((unsigned char)*at, TEXT_TOKEN))
		at++;
	return at;
}

bool
text_is_token(const char *text, size_t length)
{
	return length > 0 && text_skip_token(text, text + length) == text + length;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

bool
text_is_field_value(const char *text, size_t length)
{
	if (length > 0 && (is_blank(text[0]) || is_blank(text[length - 1])))
		return false;
	return text_skip_field(text, text + length) == text + length;
}

bool
text_next_member(const char **at, const char *end, const char **member, size_t *length)
{
	const char *first = *at, *last;

	while (first < end && (*first == ',' || is_blank(*first)))
		first++;
	if (first == end) {
		*at = end;
		return false;
	}
	last = memchr(first, ',', (size_t)(end - first));
	if (last == NULL)
		last = end;
	*at = last;
	while (is_blank(last[-1]))
		last--;
	*member = first;
	*length = (size_t)(last - first);
	return true;
}

bool
text_list_has(const char *list, size_t length, const char *token)
{
	const char *at = list, *member;
	size_t token_length = strlen(token), member_length;

	while (text_next_member(&at, list + length, &member, &member_length))
		if (member_length == token_length && text_same(member, token, token_length))
			return true;
	return false;
}

bool
text_has_token(const char *list, const char *token)
{
	return text_list_has(list, strlen(list), token);
}
