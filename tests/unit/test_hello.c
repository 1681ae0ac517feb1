/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenes of the ClientHello's parser: messages built byte by byte, whole and in pieces.
 */
#include "server/hello.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint8_t message[40000], extensions[30000], wire[80000];
static size_t message_length, extensions_length, wire_length;
static struct hello hello;
static const char *why;

static void
put16(uint8_t *at, size_t number)
{
	at[0] = (uint8_t)(number >> 8);
	at[1] = (uint8_t)number;
}

static void
extend(unsigned type, const void *bytes, size_t length)
{
	put16(extensions + extensions_length, type);
	put16(extensions + extensions_length + 2, length);
	if (length > 0)
		memcpy(extensions + extensions_length + 4, bytes, length);
	extensions_length += 4 + length;
}

static void
extend_name(const char *name)
{
	uint8_t bytes[400];
	size_t length = strlen(name);

	put16(bytes, length + 3);
	bytes[2] = 0;
	put16(bytes + 3, length);
	memcpy(bytes + 5, name, length + 1);
	extend(0, bytes, length + 5);
}

/* The message with the extensions that are there. */
static void
build(void)
{
	size_t body = 2 + 32 + 1 + 2 + 4 + 2 + 2 + extensions_length;
	uint8_t *at = message;

	memset(message, 0, 64);
	*at++ = 1;
	*at++ = (uint8_t)(body >> 16);
	put16(at, body);
	at += 2;
	*at++ = 3, *at++ = 3;
	at += 32;
	*at++ = 0;
	memcpy(at, "\0\4\x13\1\x13\2\1\0", 8);
	at += 8;
	put16(at, extensions_length);
	memcpy(at + 2, extensions, extensions_length);
	message_length = 4 + body;
}

/* The message in records of at most `step` bytes. */
static void
pack(size_t step)
{
	wire_length = 0;
	for (size_t at = 0; at < message_length; at += step) {
		size_t part = step < message_length - at ? step : message_length - at;

		memcpy(wire + wire_length, "\x16\3\1", 3);
		put16(wire + wire_length + 3, part);
		memcpy(wire + wire_length + 5, message + at, part);
		wire_length += 5 + part;
	}
}

static enum hello_result
parse(size_t length)
{
	char *copy = malloc(length > 0 ? length : 1);
	enum hello_result result;

	assert_non_null(copy);
	memcpy(copy, wire, length);
	result = hello_parse(&hello, copy, length, &why);
	free(copy);
	return result;
}

static enum hello_result
parse_built(void)
{
	build();
	pack(16384);
	return parse(wire_length);
}

static void
assert_bad(const char *cause)
{
	assert_int_equal(parse_built(), HELLO_BAD);
	assert_string_equal(why, cause);
	extensions_length = 0;
}

static int
begin(void **state)
{
	(void)state;
	extensions_length = 0;
	return 0;
}

static void
it_tells_name_and_protocols(void **state)
{
	(void)state;
	extend(0x0a0a, "", 0);
	extend_name("Www.Example.COM");
	extend(16, "\0\x0c\2h2\x08http/1.1", 14);
	assert_int_equal(parse_built(), HELLO_WHOLE);
	assert_string_equal(hello.name, "www.example.com");
	assert_true(hello_offers(&hello, "h2"));
	assert_true(hello_offers(&hello, "http/1.1"));
	assert_false(hello_offers(&hello, "h"));
	assert_false(hello_offers(&hello, "acme-tls/1"));
}

static void
it_may_tell_nothing(void **state)
{
	(void)state;
	assert_int_equal(parse_built(), HELLO_WHOLE);
	assert_string_equal(hello.name, "");
	assert_false(hello_offers(&hello, ""));
	build();	/* without extensions at all, as TLS 1.2 may */
	message_length -= 2;
	message[3] -= 2;
	pack(16384);
	assert_int_equal(parse(wire_length), HELLO_WHOLE);
}

static void
every_beginning_needs_more(void **state)
{
	(void)state;
	extend_name("a.example");
	assert_int_equal(parse_built(), HELLO_WHOLE);
	for (size_t length = 0; length < wire_length; length++)
		assert_int_equal(parse(length), HELLO_MORE);
}

static void
records_may_cut_it_anywhere(void **state)
{
	(void)state;
	extend_name("a.example");
	build();
	for (size_t step = 1; step <= message_length; step++) {
		pack(step);
		assert_int_equal(parse(wire_length), HELLO_WHOLE);
		assert_string_equal(hello.name, "a.example");
		assert_int_equal(parse(wire_length - 1), HELLO_MORE);
	}
}

static void
what_follows_in_other_records_is_left_alone(void **state)
{
	(void)state;
	extend_name("a.example");
	build();
	pack(16384);
	memcpy(wire + wire_length, "\x17\3\3\0\1x", 6);	/* early data, say */
	assert_int_equal(parse(wire_length + 6), HELLO_WHOLE);
	memcpy(message + message_length, "zz", 2);
	message_length += 2;
	pack(16384);
	assert_int_equal(parse(wire_length), HELLO_BAD);
	assert_string_equal(why, "more stands behind it in its record");
}

static void
it_has_its_bounds(void **state)
{
	static uint8_t padding[20000];

	(void)state;
	extend(21, padding, 12000);
	extend_name("a.example");
	assert_int_equal(parse_built(), HELLO_WHOLE);
	pack(2);	/* five bytes of head for two of message */
	assert_int_equal(parse(HELLO_RECORDS_MOST - 1), HELLO_MORE);
	assert_int_equal(parse(HELLO_RECORDS_MOST), HELLO_BAD);
	assert_string_equal(why, "it comes in too many pieces");
	extensions_length = 0;
	extend(21, padding, 16384);
	build();
	pack(16384);
	assert_int_equal(parse(9), HELLO_BAD);
	assert_string_equal(why, "it is too long");
}

static void
bad_records_are_refused_at_once(void **state)
{
	(void)state;
	memcpy(wire, "GET /", 5);
	assert_int_equal(parse(1), HELLO_BAD);
	memcpy(wire, "\x15\3\1\0\2", 5);
	assert_int_equal(parse(1), HELLO_BAD);
	memcpy(wire, "\x16\2\1\0\2", 5);
	assert_int_equal(parse(1), HELLO_MORE);
	assert_int_equal(parse(2), HELLO_BAD);
	assert_string_equal(why, "it is no record of a TLS handshake");
	memcpy(wire, "\x16\3\5\0\2", 5);
	assert_int_equal(parse(3), HELLO_BAD);
	memcpy(wire, "\x16\3\1\0\0", 5);
	assert_int_equal(parse(5), HELLO_BAD);
	assert_string_equal(why, "a record's length is out of range");
	memcpy(wire, "\x16\3\1\x40\1", 5);
	assert_int_equal(parse(5), HELLO_BAD);
	memcpy(wire, "\x16\3\1\0\4\2", 6);
	assert_int_equal(parse(6), HELLO_BAD);
	assert_string_equal(why, "the handshake begins with another message");
}

static void
bad_names_are_refused(void **state)
{
	char name[300];

	(void)state;
	memset(name, 'a', sizeof(name));
	name[255] = '\0';
	extend_name(name);
	assert_int_equal(parse_built(), HELLO_WHOLE);
	extensions_length = 0;
	name[255] = 'a', name[256] = '\0';
	extend_name(name);
	assert_bad("its server_name is malformed");
	extend_name("");
	assert_bad("its server_name is malformed");
	extend_name("a b");
	assert_bad("its server_name has a character that no host has");
	extend_name("a.example.");
	assert_bad("its server_name begins or ends with a dot");
	extend_name(".example");
	assert_bad("its server_name begins or ends with a dot");
	extend(0, "\0\5\0\0\2a\0", 7);
	assert_bad("its server_name has a character that no host has");
	extend(0, "\0\4\0\0\1ab", 7);
	assert_bad("its server_name is malformed");
	extend(0, "\0\6\0\0\1a\0\0", 8);
	assert_bad("it has several server names");
	extend(0, "\0\4\1\0\1a", 6);
	assert_bad("its server_name is no host name");
	extend(0, "\0\0", 2);
	assert_bad("its server_name is malformed");
	extend(0, "", 0);
	assert_bad("its server_name is malformed");
	extend_name("a");
	extend_name("b");
	assert_bad("an extension stands twice");
}

static void
bad_protocols_are_refused(void **state)
{
	uint8_t many[300] = { 1, 42 };

	(void)state;
	extend(16, "\0\0", 2);
	assert_bad("its list of protocols is malformed");
	extend(16, "\0\1\0", 3);
	assert_bad("its list of protocols is malformed");
	extend(16, "\0\2\2h", 4);
	assert_bad("its list of protocols is malformed");
	extend(16, "\0\3\1h", 4);
	assert_bad("its list of protocols is malformed");
	extend(16, many, 300);
	assert_bad("its list of protocols is too long");
}

static void
a_malformed_message_is_refused(void **state)
{
	static const size_t lengths[] = { 38, 39, 40, 45, 47, 48 };	/* of session, suites, compressions and extensions */

	(void)state;
	extend_name("a.example");
	build();
	for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		message[lengths[i]] ^= 0x41;
		pack(16384);
		assert_int_equal(parse(wire_length), HELLO_BAD);
		message[lengths[i]] ^= 0x41;
	}
	message[4] = 2;
	pack(16384);
	assert_int_equal(parse(wire_length), HELLO_BAD);
	assert_string_equal(why, "its version is none of TLS");
	message[4] = 3;
	for (size_t length = 4; length < message_length; length++) {	/* its own length says that it ends there */
		size_t all = message_length;

		if (length == 4 + 43)
			continue;	/* without extensions it is whole */
		put16(message + 2, length - 4);
		message_length = length;
		pack(16384);
		assert_int_equal(parse(wire_length), HELLO_BAD);
		message_length = all;
	}
}

#define SCENE(name) cmocka_unit_test_setup(name, begin)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE(it_tells_name_and_protocols),
		SCENE(it_may_tell_nothing),
		SCENE(every_beginning_needs_more),
		SCENE(records_may_cut_it_anywhere),
		SCENE(what_follows_in_other_records_is_left_alone),
		SCENE(it_has_its_bounds),
		SCENE(bad_records_are_refused_at_once),
		SCENE(bad_names_are_refused),
		SCENE(bad_protocols_are_refused),
		SCENE(a_malformed_message_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
