/* SPDX-License-Identifier: Apache-2.0 */
/*
 * text: the alphabet of HTTP.
 *
 * The table names each group of bytes once, with all the sets that the group belongs to. Names and values are looked through
 * 16 bytes at a time where SSE2 is there. WEIR_NO_SIMD builds the plain loops, which the tests run as well.
 */
#include "text.h"
#include "text_block.h"

#include <string.h>

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

/* The eight letters of a word in lower case: bytes from 'A' to 'Z' get the bit that tells them apart from 'a' to 'z'. */
static inline uint64_t
lower_word(uint64_t word)
{
	const uint64_t ones = 0x0101010101010101u, ascii = ~word & ones << 7, low = word & ones * 0x7f;
	uint64_t at_least_a = low + ones * (0x80 - 'A'), over_z = low + ones * (0x80 - 'Z' - 1);

	return word | ((at_least_a & ~over_z & ascii) >> 2);
}

static inline uint64_t
load(const char *at)
{
	uint64_t word;

	memcpy(&word, at, sizeof(word));
	return word;
}

/* A text of four to seven: its first and its last four. */
static inline uint64_t
load_few(const char *at, size_t length)
{
	uint32_t first, last;

	memcpy(&first, at, sizeof(first));
	memcpy(&last, at + length - sizeof(last), sizeof(last));
	return (uint64_t)first << 32 | last;
}

static inline bool
is_same_word(uint64_t a, uint64_t b)
{
	return a == b || lower_word(a) == lower_word(b);
}

bool
text_same(const char *a, const char *b, size_t length)
{
	if (length >= 8) {
		for (size_t i = 0; i < length - 8; i += 8)
			if (!is_same_word(load(a + i), load(b + i)))
				return false;
		return is_same_word(load(a + length - 8), load(b + length - 8));
	}
	if (length >= 4)
		return is_same_word(load_few(a, length), load_few(b, length));
	for (size_t i = 0; i < length; i++)
		if (text_lower((unsigned char)a[i]) != text_lower((unsigned char)b[i]))
			return false;
	return true;
}

bool
text_same_lower(const char *a, const char *b, size_t length)
{
	if (length >= 8) {
		for (size_t i = 0; i < length - 8; i += 8)
			if (lower_word(load(a + i)) != load(b + i))
				return false;
		return lower_word(load(a + length - 8)) == load(b + length - 8);
	}
	if (length >= 4)
		return lower_word(load_few(a, length)) == load_few(b, length);
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

#ifdef TEXT_BLOCKS
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
#ifdef TEXT_BLOCKS
	for (; end - at >= TEXT_BLOCK; at += TEXT_BLOCK) {
		unsigned stop = text_controls(text_block(at));

		if (stop != 0)
			return at + __builtin_ctz(stop);
	}
	if (end - at >= 4 && text_controls(load_short(at, (size_t)(end - at))) == 0)
		return end;
#endif
	while (at < end && text_is((unsigned char)*at, TEXT_FIELD))
		at++;
	return at;
}

const char *
text_skip_token(const char *at, const char *end)
{
#ifdef TEXT_BLOCKS
	unsigned stop = 0;

	for (; stop == 0 && end - at >= TEXT_BLOCK; at += stop == 0 ? TEXT_BLOCK : __builtin_ctz(stop))
		stop = text_uncommon(text_block(at));
	if (stop == 0 && end - at >= 4 && text_uncommon(load_short(at, (size_t)(end - at))) == 0)
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
