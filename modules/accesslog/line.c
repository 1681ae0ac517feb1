/* SPDX-License-Identifier: Apache-2.0 */
/*
 * line: write one line of a log straight into its buffer, with values that cannot break out of their place.
 *
 * Most values need no escape, so eight bytes at a time are looked at and copied; the first odd byte goes
 * the slow way.
 */
#include "line.h"

#include <netinet/in.h>

#define ALL(byte) (UINT64_C(0x0101010101010101) * (byte))
#define ESCAPE_MOST 6			/* bytes that one byte may become: \u00XX */

static const char digits[] = "0123456789ABCDEF";

/* The high bit of some byte is set if any is 0 (and is not if none is). */
static uint64_t
zeros(uint64_t word)
{
	return (word - ALL(1)) & ~word & ALL(0x80);
}

/* Does any byte need an escape: below space, a quote, a backslash, or above '~'? */
static bool
is_odd(uint64_t word)
{
	uint64_t below = (word - ALL(' ')) & ~word & ALL(0x80);

	return ((word & ALL(0x80)) | below | zeros(word ^ ALL('"')) | zeros(word ^ ALL('\\')) |
		zeros(word ^ ALL(0x7f))) != 0;
}

static bool
is_plain(unsigned char c)
{
	return c >= ' ' && c < 0x7f && c != '"' && c != '\\';
}

static bool
is_tail(const char *text, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (((unsigned char)text[i] & 0xc0) != 0x80)
			return false;
	return true;
}

/* How long the character of UTF-8 at `text` is (RFC 3629); 0: it is none. A byte after the first is looked at. */
static size_t
utf8_length(const char *text, size_t length)
{
	unsigned char first = (unsigned char)text[0], second = length > 1 ? (unsigned char)text[1] : 0;
	size_t count = first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;

	if (count == 0 || count > length || !is_tail(text + 1, count - 1))
		return 0;
	if ((first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f))
		return 0;	/* too long for what it says; a surrogate */
	if ((first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f))
		return 0;	/* too long; beyond Unicode */
	return count;
}

/* Escape one byte, or copy one character; how many bytes of the value it took. */
static size_t
put_odd(struct line *line, const char *text, size_t length, enum line_escape escape)
{
	unsigned char c = (unsigned char)*text;
	size_t took = escape == LINE_JSON && c >= 0x80 ? utf8_length(text, length) : 0;

	if (is_plain(c) || took > 0) {
		took += took == 0;
		memcpy(line->at, text, took);
		line->at += took;
		return took;
	}
	*line->at++ = '\\';
	if (escape == LINE_JSON && (c == '"' || c == '\\')) {
		*line->at++ = (char)c;
		return 1;
	}
	*line->at++ = escape == LINE_JSON ? 'u' : 'x';
	if (escape == LINE_JSON) {
		*line->at++ = '0';
		*line->at++ = '0';
	}
	*line->at++ = digits[c >> 4];
	*line->at++ = digits[c & 15];
	return 1;
}

void
accesslog_value(struct line *line, const char *value, size_t most, enum line_escape escape)
{
	size_t left = strnlen(value, most), took;
	uint64_t word;

	for (; left > 0 && line->end - line->at >= ESCAPE_MOST + 2; value += took, left -= took) {
		if (left >= sizeof(word)) {
			memcpy(&word, value, sizeof(word));
			took = sizeof(word);
		} else {
			word = ALL(' ');
			memcpy(&word, value, left);
			took = left;
		}
		if (is_odd(word)) {
			took = put_odd(line, value, left, escape);
			continue;
		}
		memcpy(line->at, &word, sizeof(word));	/* the room is there */
		line->at += took;
	}
}

void
accesslog_text(struct line *line, const char *text, size_t length)
{
	size_t room = line->at < line->end ? (size_t)(line->end - line->at) : 0;

	line_add(line, text, length < room ? length : room);
}

void
accesslog_number(struct line *line, uint64_t number)
{
	char text[20];
	size_t from = sizeof(text);

	while (number >= 10) {
		text[--from] = (char)('0' + number % 10);
		number /= 10;
	}
	text[--from] = (char)('0' + number);
	line_add(line, text + from, sizeof(text) - from);
}

void
accesslog_milliseconds(struct line *line, uint64_t nanoseconds)
{
	uint64_t micro = nanoseconds / 1000;
	char fraction[] = { '.', '0', '0', '0' };

	fraction[1] = (char)(fraction[1] + micro / 100 % 10);
	fraction[2] = (char)(fraction[2] + micro / 10 % 10);
	fraction[3] = (char)(fraction[3] + micro % 10);
	accesslog_number(line, micro / 1000);
	line_add(line, fraction, sizeof(fraction));
}

bool
accesslog_ipv4(struct line *line, const struct sockaddr *address)
{
	const unsigned char *bytes;

	if (address->sa_family != AF_INET)
		return false;
	bytes = (const unsigned char *)&((const struct sockaddr_in *)(const void *)address)->sin_addr;
	for (int i = 0; i < 4; i++) {
		accesslog_number(line, bytes[i]);
		if (i < 3)
			LINE_ADD(line, ".");
	}
	return true;
}
