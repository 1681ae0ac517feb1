/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenes for accesslog's lines: what a value looks like in text and in JSON, and that none breaks out of its place.
 */
#include "line.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static char page[4096 + LINE_RESERVE];

static struct line
fresh(size_t room)
{
	memset(page, 0, sizeof(page));
	return (struct line){ page, page + room };
}

static const char *
escaped(const char *value, enum line_escape escape)
{
	struct line line = fresh(4096);

	accesslog_value(&line, value, 4096, escape);
	*line.at = '\0';
	return page;
}

static void
plain_values_stay_as_they_are(void **state)
{
	static const char text[] = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0 !#$%&'~[]^_`{|}";

	(void)state;
	for (size_t from = 0; from < sizeof(text); from++) {
		assert_string_equal(escaped(text + from, LINE_TEXT), text + from);
		assert_string_equal(escaped(text + from, LINE_JSON), text + from);
	}
}

static void
odd_bytes_are_escaped_wherever_they_stand(void **state)
{
	(void)state;
	for (int c = 1; c < 256; c++) {
		for (size_t at = 0; at < 20; at++) {
			char value[24] = "abcdefghijklmnopqrst", expected[64];
			int odd = c < ' ' || c > '~' || c == '"' || c == '\\';

			value[at] = (char)c;
			snprintf(expected, sizeof(expected), "%.*s%s%.*X%s", (int)at, value, odd ? "\\x" : "", odd ? 2 : 0,
				odd ? (unsigned)c : 0, value + at + odd);
			if (!odd)
				strcpy(expected, value);
			assert_string_equal(escaped(value, LINE_TEXT), expected);
		}
	}
}

static void
json_keeps_utf8_and_escapes_what_is_none(void **state)
{
	static const struct { const char *value, *expected; } samples[] = {
		{ "say \"hi\"\\", "say \\\"hi\\\"\\\\" },
		{ "a\nb\rc\td\x01\x1f\x7f", "a\\u000Ab\\u000Dc\\u0009d\\u0001\\u001F\\u007F" },
		{ "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x8c\x8a!", "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x8c\x8a!" },
		{ "\xff\xfe", "\\u00FF\\u00FE" },
		{ "\x80 \xc3", "\\u0080 \\u00C3" },
		{ "\xc3(\xe2\x82(", "\\u00C3(\\u00E2\\u0082(" },
		{ "\xc0\xaf \xc1\xbf", "\\u00C0\\u00AF \\u00C1\\u00BF" },			/* overlong */
		{ "\xe0\x9f\xbf \xf0\x8f\xbf\xbf", "\\u00E0\\u009F\\u00BF \\u00F0\\u008F\\u00BF\\u00BF" },
		{ "\xed\xa0\x80", "\\u00ED\\u00A0\\u0080" },				/* a surrogate */
		{ "\xed\x9f\xbf\xee\x80\x80", "\xed\x9f\xbf\xee\x80\x80" },		/* its neighbours */
		{ "\xf4\x8f\xbf\xbf \xf4\x90\x80\x80", "\xf4\x8f\xbf\xbf \\u00F4\\u0090\\u0080\\u0080" },
		{ "\xf5\x80\x80\x80", "\\u00F5\\u0080\\u0080\\u0080" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(samples) / sizeof(*samples); i++)
		assert_string_equal(escaped(samples[i].value, LINE_JSON), samples[i].expected);
}

static void
a_value_is_cut_where_its_room_or_measure_ends(void **state)
{
	char *value = malloc(3000);
	struct line line;

	(void)state;
	memset(value, '"', 2999);
	value[2999] = '\0';
	for (size_t room = 0; room < 200; room++) {
		line = fresh(room);
		accesslog_value(&line, value, 3000, room % 2 == 0 ? LINE_TEXT : LINE_JSON);
		assert_true(line.at <= line.end && line.at + 8 > line.end - 1);
		line = fresh(room);
		accesslog_text(&line, value, 2999);
		assert_ptr_equal(line.at, line.end);
	}
	line = fresh(4096);
	accesslog_value(&line, value, 100, LINE_TEXT);
	assert_int_equal(line.at - page, 400);
	line = fresh(4096);
	accesslog_value(&line, "\xe2\x82\xac", 2, LINE_JSON);	/* cut within a character */
	assert_string_equal(page, "\\u00E2\\u0082");
	line.at = line.end + 100;				/* the format has used of its reserve */
	accesslog_value(&line, value, 100, LINE_TEXT);
	accesslog_text(&line, value, 100);
	assert_ptr_equal(line.at, line.end + 100);
	free(value);
}

static void
numbers_and_addresses(void **state)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0xc0000200 | 255) };
	struct sockaddr other = { .sa_family = AF_INET6 };
	struct line line = fresh(4096);

	(void)state;
	accesslog_number(&line, 0);
	LINE_ADD(&line, " ");
	accesslog_number(&line, UINT64_MAX);
	LINE_ADD(&line, " ");
	accesslog_milliseconds(&line, 12345678);
	LINE_ADD(&line, " ");
	accesslog_milliseconds(&line, 999);
	LINE_ADD(&line, " ");
	assert_true(accesslog_ipv4(&line, (const struct sockaddr *)&address));
	assert_false(accesslog_ipv4(&line, &other));
	assert_string_equal(page, "0 18446744073709551615 12.345 0.000 192.0.2.255");
}

int
main(void)
{
	const struct CMUnitTest scenes[] = {
		cmocka_unit_test(plain_values_stay_as_they_are),
		cmocka_unit_test(odd_bytes_are_escaped_wherever_they_stand),
		cmocka_unit_test(json_keeps_utf8_and_escapes_what_is_none),
		cmocka_unit_test(a_value_is_cut_where_its_room_or_measure_ends),
		cmocka_unit_test(numbers_and_addresses),
	};

	return cmocka_run_group_tests(scenes, NULL, NULL);
}
