/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenes of the PROXY header's parser: bytes in a block of their own size, so that a sanitizer sees what is read past them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>

#include "parse.h"

static struct proxy_header header;
static const char *why;

static enum proxy_result
parse(const void *bytes, size_t length)
{
	char *copy = malloc(length);
	enum proxy_result result;

	assert_true(copy != NULL || length == 0);
	if (length > 0)
		memcpy(copy, bytes, length);
	why = NULL;
	result = proxy_protocol_parse(&header, copy, length, &why);
	free(copy);
	return result;
}

static enum proxy_result
parse_text(const char *text)
{
	return parse(text, strlen(text));
}

static const char *
text_of(const union proxy_address *a)
{
	static char text[INET6_ADDRSTRLEN + 8];
	const void *bytes = a->any.sa_family == AF_INET ? (const void *)&a->in.sin_addr : (const void *)&a->in6.sin6_addr;
	in_port_t port = a->any.sa_family == AF_INET ? a->in.sin_port : a->in6.sin6_port;
	char number[INET6_ADDRSTRLEN];

	inet_ntop(a->any.sa_family, bytes, number, sizeof(number));
	snprintf(text, sizeof(text), "%s %u", number, ntohs(port));
	return text;
}

static void
assert_bad(const char *text, const char *cause)
{
	assert_int_equal(parse_text(text), PROXY_BAD);
	assert_string_equal(why, cause);
}

/* --- version 1 ----------------------------------------------------------------------------------------------------- */

static void
a_line_tells_both_ends(void **state)
{
	(void)state;
	assert_int_equal(parse_text("PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\nGET / HTTP/1.1\r\n"), PROXY_WHOLE);
	assert_true(header.told);
	assert_int_equal(header.length, 45);
	assert_string_equal(text_of(&header.source), "192.0.2.1 56324");
	assert_string_equal(text_of(&header.destination), "198.51.100.2 443");
	assert_int_equal(parse_text("PROXY TCP6 2001:db8::1 ::1 0 65535\r\n"), PROXY_WHOLE);
	assert_string_equal(text_of(&header.source), "2001:db8::1 0");
	assert_string_equal(text_of(&header.destination), "::1 65535");
}

static void
unknown_tells_nothing_whatever_follows(void **state)
{
	(void)state;
	assert_int_equal(parse_text("PROXY UNKNOWN\r\n"), PROXY_WHOLE);
	assert_false(header.told);
	assert_int_equal(header.length, 15);
	assert_int_equal(parse_text("PROXY UNKNOWN ffff:: what ever 1 2 3\r\nx"), PROXY_WHOLE);
	assert_int_equal(header.length, 38);
	assert_bad("PROXY UNKNOWNS 1 2\r\n", "the protocol is none of TCP4, TCP6 and UNKNOWN");
}

static void
every_beginning_of_a_line_needs_more(void **state)
{
	static const char line[] = "PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n";

	(void)state;
	for (size_t length = 0; length < sizeof(line) - 1; length++)
		assert_int_equal(parse(line, length), PROXY_MORE);
	assert_int_equal(parse(line, sizeof(line) - 1), PROXY_WHOLE);
}

static void
a_line_that_is_not_exact_is_bad(void **state)
{
	(void)state;
	assert_bad("PROXY \r\n", "the protocol is none of TCP4, TCP6 and UNKNOWN");
	assert_bad("PROXY  TCP4 1.1.1.1 2.2.2.2 1 2\r\n", "the protocol is none of TCP4, TCP6 and UNKNOWN");
	assert_bad("PROXY tcp4 1.1.1.1 2.2.2.2 1 2\r\n", "the protocol is none of TCP4, TCP6 and UNKNOWN");
	assert_bad("PROXY UDP4 1.1.1.1 2.2.2.2 1 2\r\n", "the protocol is none of TCP4, TCP6 and UNKNOWN");
	assert_bad("PROXY TCP4 1.1.1.1 2.2.2.2 1\r\n", "a port is no number from 0 to 65535");
	assert_bad("PROXY TCP4 1.1.1.1 ::1 1 2\r\n", "an address is not one of its protocol");
	assert_bad("PROXY TCP6 1.1.1.1 ::1 1 2\r\n", "an address is not one of its protocol");
	assert_bad("PROXY TCP4 01.1.1.1 2.2.2.2 1 2\r\n", "an address is not one of its protocol");
	assert_bad("PROXY TCP4 1.1.1 2.2.2.2 1 2\r\n", "an address is not one of its protocol");
	assert_bad("PROXY TCP4  1.1.1.1 2.2.2.2 1 2\r\n", "an address is not one of its protocol");
	assert_bad("PROXY TCP4 1.1.1.1 2.2.2.2 01 2\r\n", "a port is no number from 0 to 65535");
	assert_bad("PROXY TCP4 1.1.1.1 2.2.2.2 1 65536\r\n", "a port is no number from 0 to 65535");
	assert_bad("PROXY TCP4 1.1.1.1 2.2.2.2 +1 2\r\n", "a port is no number from 0 to 65535");
	assert_bad("PROXY TCP4 1.1.1.1 2.2.2.2 1 2 \r\n", "more stands behind the ports");
	assert_bad("PROXY TCP4 1.1.1.1 2.2.2.2 1 2 3\r\n", "more stands behind the ports");
	assert_bad("PROXY TCP4 1.1.1.1 2.2.2.2 1 2\rGET", "its line does not end in CRLF");
	assert_int_equal(parse("PROXY TCP4 1.1.1.1\0 2.2.2.2 1 2\r\n", 34), PROXY_BAD);
}

static void
a_line_has_its_bound(void **state)
{
	char line[200] = "PROXY UNKNOWN ";

	(void)state;
	memset(line + 14, 'x', sizeof(line) - 14);
	memcpy(line + 105, "\r\n", 2);
	assert_int_equal(parse(line, sizeof(line)), PROXY_WHOLE);
	assert_int_equal(header.length, PROXY_V1_MOST);
	memcpy(line + 105, "x\r\n", 3);
	assert_int_equal(parse(line, sizeof(line)), PROXY_BAD);
	assert_int_equal(parse(line, 106), PROXY_MORE);
	assert_int_equal(parse(line, 107), PROXY_BAD);
	memset(line + 105, 'x', 3);
	assert_int_equal(parse(line, sizeof(line)), PROXY_BAD);
	assert_string_equal(why, "its line is longer than 107 bytes");
}

static void
other_bytes_are_no_header(void **state)
{
	(void)state;
	assert_int_equal(parse_text("GET / HTTP/1.1\r\n"), PROXY_NONE);
	assert_int_equal(parse_text("POST /"), PROXY_NONE);
	assert_int_equal(parse_text("PROXY/1"), PROXY_NONE);
	assert_int_equal(parse_text("\x16\x03\x01"), PROXY_NONE);
	assert_int_equal(parse_text("\r\n\r\nGET"), PROXY_NONE);
	assert_int_equal(parse_text(""), PROXY_MORE);
}

/* --- version 2 ----------------------------------------------------------------------------------------------------- */

static const char start[] = "\r\n\r\n\0\r\nQUIT\n";
static char block[8192];

/* A block with this command, family and rest. */
static size_t
build(int command, int family, const void *rest, size_t length)
{
	memcpy(block, start, 12);
	block[12] = (char)command;
	block[13] = (char)family;
	block[14] = (char)(length >> 8);
	block[15] = (char)length;
	memcpy(block + 16, rest, length);
	return 16 + length;
}

static const char ipv4[] = "\xc0\x00\x02\x01\xc6\x33\x64\x02\xdc\x04\x01\xbb";

static void
a_block_tells_both_ends(void **state)
{
	char ipv6[36] = { 0x20, 0x01, 0x0d, (char)0xb8 };
	size_t length = build(0x21, 0x11, ipv4, 12);

	(void)state;
	block[length] = 'G';
	assert_int_equal(parse(block, length + 1), PROXY_WHOLE);
	assert_true(header.told);
	assert_int_equal(header.length, 28);
	assert_string_equal(text_of(&header.source), "192.0.2.1 56324");
	assert_string_equal(text_of(&header.destination), "198.51.100.2 443");
	ipv6[15] = 1, ipv6[31] = 2, ipv6[33] = 3, ipv6[35] = 4;
	assert_int_equal(parse(block, build(0x21, 0x21, ipv6, 36)), PROXY_WHOLE);
	assert_string_equal(text_of(&header.source), "2001:db8::1 3");
	assert_string_equal(text_of(&header.destination), "::2 4");
	for (size_t i = 0; i < 52; i++)
		assert_int_equal(parse(block, i), PROXY_MORE);
}

static void
local_unix_and_unspecified_leave_the_connection_its_own(void **state)
{
	char paths[216] = "/run/a";

	(void)state;
	assert_int_equal(parse(block, build(0x20, 0x00, "", 0)), PROXY_WHOLE);
	assert_false(header.told);
	assert_int_equal(parse(block, build(0x20, 0x11, ipv4, 12)), PROXY_WHOLE);
	assert_false(header.told);
	assert_int_equal(parse(block, build(0x20, 0xff, "junk", 4)), PROXY_WHOLE);
	assert_int_equal(header.length, 20);
	assert_int_equal(parse(block, build(0x21, 0x31, paths, 216)), PROXY_WHOLE);
	assert_false(header.told);
	assert_int_equal(parse(block, build(0x21, 0x00, "", 0)), PROXY_WHOLE);
	assert_false(header.told);
	assert_int_equal(parse(block, build(0x21, 0x10, ipv4, 12)), PROXY_WHOLE);
	assert_false(header.told);
}

static void
a_block_that_is_not_exact_is_bad(void **state)
{
	(void)state;
	assert_int_equal(parse(block, build(0x11, 0x11, ipv4, 12)), PROXY_BAD);
	assert_string_equal(why, "an unknown version");
	assert_int_equal(parse(block, build(0x22, 0x11, ipv4, 12)), PROXY_BAD);
	assert_string_equal(why, "an unknown command");
	assert_int_equal(parse(block, build(0x21, 0x41, ipv4, 12)), PROXY_BAD);
	assert_string_equal(why, "an unknown address family or transport");
	assert_int_equal(parse(block, build(0x21, 0x13, ipv4, 12)), PROXY_BAD);
	assert_int_equal(parse(block, build(0x21, 0x12, ipv4, 12)), PROXY_BAD);
	assert_string_equal(why, "it tells of datagrams");
	assert_int_equal(parse(block, build(0x21, 0x11, ipv4, 11)), PROXY_BAD);
	assert_string_equal(why, "it is shorter than its addresses");
	assert_int_equal(parse(block, build(0x21, 0x21, ipv4, 12)), PROXY_BAD);
}

static void
a_block_has_its_bound(void **state)
{
	static char much[PROXY_V2_MOST];
	size_t rest = PROXY_V2_MOST - 16;

	(void)state;
	much[12] = 0x04;	/* one TLV of padding to the end */
	much[13] = (char)((rest - 15) >> 8);
	much[14] = (char)(rest - 15);
	assert_int_equal(parse(block, build(0x21, 0x11, much, rest)), PROXY_WHOLE);
	assert_int_equal(header.length, PROXY_V2_MOST);
	build(0x21, 0x11, much, rest);
	block[15]++;
	assert_int_equal(parse(block, 16), PROXY_BAD);
	assert_string_equal(why, "it is longer than 4096 bytes");
}

static void
tlvs_must_fill_the_block(void **state)
{
	char with[40];

	(void)state;
	memcpy(with, ipv4, 12);
	memcpy(with + 12, "\x02\x00\x03" "a.b" "\x04\x00\x00", 9);
	assert_int_equal(parse(block, build(0x21, 0x11, with, 21)), PROXY_WHOLE);
	assert_true(header.told);
	assert_int_equal(parse(block, build(0x21, 0x11, with, 20)), PROXY_BAD);
	assert_string_equal(why, "a TLV reaches over its end");
	assert_int_equal(parse(block, build(0x21, 0x11, with, 17)), PROXY_BAD);
	assert_int_equal(parse(block, build(0x21, 0x11, with, 13)), PROXY_BAD);
}

static void
a_checksum_must_hold(void **state)
{
	char with[64];
	uint32_t sum;
	size_t length;

	(void)state;
	memcpy(with, ipv4, 12);
	memcpy(with + 12, "\x03\x00\x04\x00\x00\x00\x00\x04\x00\x01z", 11);
	length = build(0x21, 0x11, with, 23);
	sum = htonl(proxy_protocol_crc(0, block, length));
	memcpy(block + 16 + 15, &sum, 4);
	assert_int_equal(parse(block, length), PROXY_WHOLE);
	block[20] ^= 1;
	assert_int_equal(parse(block, length), PROXY_BAD);
	assert_string_equal(why, "its checksum is wrong");
	memcpy(with + 12, "\x03\x00\x03\x00\x00\x00", 6);
	assert_int_equal(parse(block, build(0x21, 0x11, with, 18)), PROXY_BAD);
	assert_string_equal(why, "its checksum is malformed");
}

static void
the_checksum_is_castagnolis(void **state)
{
	(void)state;
	assert_int_equal(proxy_protocol_crc(0, "123456789", 9), 0xe3069283u);
	assert_int_equal(proxy_protocol_crc(proxy_protocol_crc(0, "1234", 4), "56789", 5), 0xe3069283u);
}

int
main(void)
{
	const struct CMUnitTest scenes[] = {
		cmocka_unit_test(a_line_tells_both_ends),
		cmocka_unit_test(unknown_tells_nothing_whatever_follows),
		cmocka_unit_test(every_beginning_of_a_line_needs_more),
		cmocka_unit_test(a_line_that_is_not_exact_is_bad),
		cmocka_unit_test(a_line_has_its_bound),
		cmocka_unit_test(other_bytes_are_no_header),
		cmocka_unit_test(a_block_tells_both_ends),
		cmocka_unit_test(local_unix_and_unspecified_leave_the_connection_its_own),
		cmocka_unit_test(a_block_that_is_not_exact_is_bad),
		cmocka_unit_test(a_block_has_its_bound),
		cmocka_unit_test(tlvs_must_fill_the_block),
		cmocka_unit_test(a_checksum_must_hold),
		cmocka_unit_test(the_checksum_is_castagnolis),
	};

	return cmocka_run_group_tests(scenes, NULL, NULL);
}
