/* SPDX-License-Identifier: Apache-2.0 */
/*
 * text: the alphabet of HTTP.
 *
 * The table names each group of bytes once, with all the sets that the group belongs to.
 */
#include "text.h"

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

static bool
all_of(const char *text, size_t length, enum text_class class)
{
	for (size_t i = 0; i < length; i++)
		if (!text_is((unsigned char)text[i], class))
			return false;
	return true;
}

bool
text_is_token(const char *text, size_t length)
{
	return length > 0 && all_of(text, length, TEXT_TOKEN);
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
	return all_of(text, length, TEXT_FIELD);
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
