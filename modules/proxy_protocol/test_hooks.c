/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenes of the module proxy_protocol on the contract without a server.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <fake_exchange.h>

extern const struct weir_module proxy_protocol_LTX_weir_module;

enum { TOLD, REFUSED };

static struct weir_exchange *x;

static int
begin(void **state)
{
	(void)state;
	x = fake_new(&proxy_protocol_LTX_weir_module);
	fake_peer(x, "10.0.0.1");
	return fake_option(x, "accept", "10.0.0.0/8") != NULL;
}

static int
end(void **state)
{
	(void)state;
	fake_free(&x);
	return 0;
}

static enum weir_verdict
receive(const char *bytes)
{
	x->received = bytes;
	x->received_length = strlen(bytes);
	return fake_run(x, WEIR_PHASE_ACCEPT);
}

static const char *
client(void)
{
	static char text[64];

	return weir_address_text(weir_client_address(x), text);
}

static const char *
sender(void)
{
	return proxy_protocol_LTX_weir_module.variables[0].value(x, x->settings, x->state);
}

static void
assert_told(const char *version, const char *client_address, const char *local, const char *bytes, size_t length)
{
	struct sockaddr_in6 to = { .sin6_family = AF_INET6, .sin6_port = htons(443) };

	assert_null(fake_option(x, "send", version));
	fake_peer(x, client_address);
	fake_next_request(x);
	if (inet_pton(AF_INET6, local, &to.sin6_addr) == 1) {
		memcpy(&x->local, &to, sizeof(to));
	} else {
		memset(&x->local, 0, sizeof(x->local));
		x->local.ss_family = AF_INET;
		((struct sockaddr_in *)&x->local)->sin_port = htons(443);
		assert_int_equal(inet_pton(AF_INET, local, &((struct sockaddr_in *)&x->local)->sin_addr), 1);
	}
	assert_int_equal(fake_run(x, WEIR_PHASE_PEER), WEIR_NEXT);
	assert_int_equal(x->peer_asked.preface_length, length);
	assert_memory_equal(x->peer_asked.preface, bytes, length);
}

static void
an_origin_is_told(void **state)
{
	static const char start[] = "\r\n\r\n\0\r\nQUIT\n\x21";
	char block[52];

	(void)state;
	assert_int_equal(fake_run(x, WEIR_PHASE_PEER), WEIR_NEXT);
	assert_null(x->peer_asked.preface);
	assert_told("v1", "192.0.2.7", "198.51.100.2", "PROXY TCP4 192.0.2.7 198.51.100.2 0 443\r\n", 41);
	assert_told("v1", "2001:db8::7", "::1", "PROXY TCP6 2001:db8::7 ::1 0 443\r\n", 34);
	assert_told("v1", "192.0.2.7", "::1", "PROXY TCP6 ::ffff:192.0.2.7 ::1 0 443\r\n", 39);
	assert_told("v1", "192.0.2.7", "::ffff:198.51.100.2", "PROXY TCP4 192.0.2.7 198.51.100.2 0 443\r\n", 41);
	assert_told("v1", "unix:", "::1", "PROXY UNKNOWN\r\n", 15);
	memset(block, 0, sizeof(block));
	memcpy(block, start, 13);
	assert_told("v2", "unix:", "::1", block, 16);
	memcpy(block + 13, "\x11\0\x0c\xc0\0\2\7\xc6\x33\x64\2\0\0\1\xbb", 15);
	assert_told("v2", "192.0.2.7", "198.51.100.2", block, 28);
	memset(block + 13, 0, 39);
	memcpy(block + 13, "\x21\0\x24\x20\1\x0d\xb8", 7);
	block[31] = 7;
	block[47] = 1;
	memcpy(block + 50, "\1\xbb", 2);
	assert_told("v2", "2001:db8::7", "::1", block, 52);
}

#define LINE "PROXY TCP4 192.0.2.7 198.51.100.2 56324 443\r\n"

static void
a_trusted_sender_is_believed(void **state)
{
	char text[64];

	(void)state;
	assert_int_equal(receive(LINE "GET /"), WEIR_NEXT);
	assert_string_equal(client(), "192.0.2.7");
	assert_string_equal(weir_address_text(weir_connection_local((void *)x), text), "198.51.100.2");
	assert_string_equal(sender(), "10.0.0.1");
	assert_int_equal(x->skipped, strlen(LINE));
	assert_int_equal(x->metrics[TOLD], 1);
}

static void
a_header_in_pieces_is_waited_for(void **state)
{
	(void)state;
	assert_int_equal(receive(""), WEIR_WAIT);
	assert_int_equal(receive("PROXY TCP4 192.0.2.7 198"), WEIR_WAIT);
	assert_int_equal(x->skipped, 0);
	assert_int_equal(receive(LINE), WEIR_NEXT);
	assert_string_equal(client(), "192.0.2.7");
}

static void
nobody_else_is_asked(void **state)
{
	(void)state;
	fake_peer(x, "192.0.2.66");
	assert_int_equal(receive(LINE), WEIR_NEXT);
	assert_string_equal(client(), "192.0.2.66");
	assert_int_equal(x->skipped, 0);
	assert_null(sender());
}

static void
without_the_header_a_trusted_sender_is_closed(void **state)
{
	(void)state;
	assert_int_equal(receive("GET / HTTP/1.1\r\n"), WEIR_FAIL);
	assert_int_equal(x->metrics[REFUSED], 1);
	assert_string_equal(fake_logged,
		"[listen fake] closes a connection of 10.0.0.1: its PROXY header is refused: there is none");
}

static void
where_it_is_optional_the_connection_may_speak_for_itself(void **state)
{
	(void)state;
	assert_null(fake_option(x, "header", "optional"));
	assert_int_equal(receive(""), WEIR_WAIT);
	assert_int_equal(receive("GET / HTTP/1.1\r\n"), WEIR_NEXT);
	assert_string_equal(client(), "10.0.0.1");
	assert_int_equal(x->skipped, 0);
	assert_int_equal(receive(LINE), WEIR_NEXT);
	assert_string_equal(client(), "192.0.2.7");
}

static void
a_bad_header_closes_in_any_case(void **state)
{
	(void)state;
	assert_null(fake_option(x, "header", "optional"));
	assert_int_equal(receive("PROXY TCP5 1.1.1.1 2.2.2.2 1 2\r\n"), WEIR_FAIL);
	assert_int_equal(x->metrics[REFUSED], 1);
	assert_string_equal(client(), "10.0.0.1");
}

static void
one_that_tells_nothing_leaves_the_sender(void **state)
{
	(void)state;
	assert_int_equal(receive("PROXY UNKNOWN\r\nGET"), WEIR_NEXT);
	assert_string_equal(client(), "10.0.0.1");
	assert_string_equal(sender(), "10.0.0.1");
	assert_int_equal(x->skipped, 15);
}

static void
a_client_with_too_many_connections_is_closed(void **state)
{
	(void)state;
	x->crowded = true;
	assert_int_equal(receive(LINE), WEIR_FAIL);
}

int
main(void)
{
	const struct CMUnitTest scenes[] = {
		cmocka_unit_test_setup_teardown(an_origin_is_told, begin, end),
		cmocka_unit_test_setup_teardown(a_trusted_sender_is_believed, begin, end),
		cmocka_unit_test_setup_teardown(a_header_in_pieces_is_waited_for, begin, end),
		cmocka_unit_test_setup_teardown(nobody_else_is_asked, begin, end),
		cmocka_unit_test_setup_teardown(without_the_header_a_trusted_sender_is_closed, begin, end),
		cmocka_unit_test_setup_teardown(where_it_is_optional_the_connection_may_speak_for_itself, begin, end),
		cmocka_unit_test_setup_teardown(a_bad_header_closes_in_any_case, begin, end),
		cmocka_unit_test_setup_teardown(one_that_tells_nothing_leaves_the_sender, begin, end),
		cmocka_unit_test_setup_teardown(a_client_with_too_many_connections_is_closed, begin, end),
	};

	return cmocka_run_group_tests(scenes, NULL, NULL);
}
