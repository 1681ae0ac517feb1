/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenes for addresses: what an operator may write as an endpoint or a range, what is refused and why, and
 * which client lies in which range.
 */
#include "server/address.h"
#include "server/arena.h"

#include <weir/module.h>

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct arena arena;

static int
begin(void **state)
{
	(void)state;
	arena_init(&arena, NULL, 0);
	return 0;
}

static int
end(void **state)
{
	(void)state;
	arena_free(&arena);
	return 0;
}

static struct weir_address
parsed(const char *text, int default_port)
{
	struct weir_address address;
	const char *why = NULL;

	if (!address_parse(&arena, text, default_port, &address, &why))
		fail_msg("%s: %s", text, why);
	assert_null(why);
	return address;
}

static void
assert_refused(const char *text, const char *expected)
{
	struct weir_address address;
	const char *why = NULL;

	assert_false(address_parse(&arena, text, -1, &address, &why));
	assert_string_equal(why, expected);
}

static void
numbers_need_no_look_up(void **state)
{
	struct weir_address address = parsed("192.0.2.1:8080", -1);
	char text[64];

	(void)state;
	assert_string_equal(address.host, "192.0.2.1");
	assert_int_equal(address.port, 8080);
	assert_int_equal(address.length, sizeof(struct sockaddr_in));
	assert_int_equal(address.socket.in.sin_port, htons(8080));
	assert_string_equal(weir_address_text(&address.socket.any, text), "192.0.2.1");

	address = parsed("[2001:db8::1]:443", -1);
	assert_string_equal(address.host, "2001:db8::1");
	assert_int_equal(address.length, sizeof(struct sockaddr_in6));
	assert_int_equal(address.socket.in6.sin6_port, htons(443));
	assert_string_equal(weir_address_text(&address.socket.any, text), "2001:db8::1");
}

static void
ipv4_is_written_as_inet_ntop_does(void **state)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	char text[64], expected[INET_ADDRSTRLEN];

	(void)state;
	for (uint32_t byte = 0; byte < 256; byte++) {
		in.sin_addr.s_addr = htonl(byte << 24 | (255 - byte) << 16 | (byte * 7 % 256) << 8 | byte);
		inet_ntop(AF_INET, &in.sin_addr, expected, sizeof(expected));
		assert_string_equal(weir_address_text((struct sockaddr *)&in, text), expected);
	}
}

static void
names_are_for_later(void **state)
{
	struct weir_address address = parsed("api_1.internal-net.example.:65535", -1);

	(void)state;
	assert_string_equal(address.host, "api_1.internal-net.example.");
	assert_int_equal(address.port, 65535);
	assert_int_equal(address.length, 0);
}

static void
a_port_may_have_a_default(void **state)
{
	(void)state;
	assert_int_equal(parsed("192.0.2.1", 53).socket.in.sin_port, htons(53));
	assert_int_equal(parsed("[::1]", 53).port, 53);
	assert_int_equal(parsed("host", 0).port, 0);
	assert_int_equal(parsed("host:99", 53).port, 99);
	assert_refused("192.0.2.1", "the port is missing, write host:port");
	assert_refused("[::1]", "the port is missing, write host:port");
}

static void
unix_sockets_are_absolute_and_fit(void **state)
{
	struct weir_address address = parsed("unix:/run/weir/x.sock", -1);
	char text[200];

	(void)state;
	assert_null(address.host);
	assert_int_equal(address.socket.un.sun_family, AF_UNIX);
	assert_string_equal(address.socket.un.sun_path, "/run/weir/x.sock");
	assert_string_equal(weir_address_text(&address.socket.any, text), "unix:");

	snprintf(text, sizeof(text), "unix:/%0106d", 1);
	assert_int_equal(strlen(parsed(text, -1).socket.un.sun_path), 107);
	snprintf(text, sizeof(text), "unix:/%0107d", 1);
	assert_refused(text, "the path of a Unix socket has at most 107 bytes");
	assert_refused("unix:run", "a Unix socket is unix: and an absolute path");
	assert_refused("unix:", "a Unix socket is unix: and an absolute path");
}

static void
slips_are_refused(void **state)
{
	char text[300];

	(void)state;
	assert_refused("10.0.0.256:80", "the host is not an IPv4 address");
	assert_refused("10.0.0:80", "the host is not an IPv4 address");
	assert_refused("010.0.0.1:80", "the host is not an IPv4 address");
	assert_refused("80:80", "the host is not an IPv4 address");
	assert_refused("::1:80", "an IPv6 address stands in brackets, like [::1]:80");
	assert_refused("[::1:80", "`]` is missing");
	assert_refused("[::1]80", "after `]` stands `:` and a port");
	assert_refused("[1.2.3.4]:80", "what stands in brackets is not an IPv6 address");
	assert_refused("[fe80::1%eth0]:80", "what stands in brackets is not an IPv6 address");
	assert_refused("host:", "the port is not a number up to 65535");
	assert_refused("host:65536", "the port is not a number up to 65535");
	assert_refused("host:+80", "the port is not a number up to 65535");
	assert_refused("host: 80", "the port is not a number up to 65535");
	assert_refused(":80", "the host is neither a name nor an address");
	assert_refused("*:80", "the host is neither a name nor an address");
	assert_refused("a..b:80", "the host is neither a name nor an address");
	assert_refused(".a:80", "the host is neither a name nor an address");
	assert_refused("a b:80", "the host is neither a name nor an address");
	assert_refused("http://a:80", "write host:port, without a scheme and a path");
	assert_refused("https://a", "write host:port, without a scheme and a path");
	memset(text, 'a', sizeof(text));
	strcpy(text + 64, ":80");
	assert_refused(text, "the host is neither a name nor an address");
	for (int i = 0; i < 255; i++)
		text[i] = i % 2 == 0 ? 'a' : '.';
	strcpy(text + 255, ":80");
	assert_refused(text, "the host is neither a name nor an address");
}

static void
without_memory_it_says_so(void **state)
{
	struct weir_address address;
	const char *why;

	(void)state;
	arena_free(&arena);
	arena_init(&arena, NULL, 4);
	assert_false(address_parse(&arena, "192.0.2.1:80", -1, &address, &why));
	assert_string_equal(why, "no memory");
}

static bool
lies_in(const char *client, const char *range)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
	struct sockaddr local = { .sa_family = AF_UNIX };
	struct weir_network network;
	const char *why = NULL;

	if (!weir_parse_network(range, &network, &why))
		fail_msg("%s: %s", range, why);
	if (strcmp(client, "unix") == 0)
		return weir_network_contains(&network, &local);
	if (inet_pton(AF_INET, client, &in.sin_addr) == 1)
		return weir_network_contains(&network, (struct sockaddr *)&in);
	assert_int_equal(inet_pton(AF_INET6, client, &in6.sin6_addr), 1);
	return weir_network_contains(&network, (struct sockaddr *)&in6);
}

static void
clients_lie_in_ranges(void **state)
{
	(void)state;
	assert_true(lies_in("10.1.2.3", "10.0.0.0/8"));
	assert_false(lies_in("11.1.2.3", "10.0.0.0/8"));
	assert_true(lies_in("192.0.2.127", "192.0.2.0/25"));
	assert_false(lies_in("192.0.2.128", "192.0.2.0/25"));
	assert_true(lies_in("192.0.2.1", "192.0.2.1"));
	assert_false(lies_in("192.0.2.2", "192.0.2.1"));
	assert_true(lies_in("203.0.113.9", "0.0.0.0/0"));
	assert_true(lies_in("2001:db8::1", "2001:db8::/32"));
	assert_false(lies_in("2001:db9::1", "2001:db8::/32"));
	assert_true(lies_in("::1", "::/0"));
	assert_true(lies_in("unix", "unix"));
}

static void
families_do_not_mix_but_in_all(void **state)
{
	(void)state;
	assert_false(lies_in("10.0.0.1", "::/0"));
	assert_false(lies_in("::1", "0.0.0.0/0"));
	assert_false(lies_in("unix", "0.0.0.0/0"));
	assert_false(lies_in("10.0.0.1", "unix"));
	assert_true(lies_in("10.0.0.1", "all"));
	assert_true(lies_in("::1", "all"));
	assert_true(lies_in("unix", "all"));
}

static void
a_mapped_address_is_an_ipv4_address(void **state)
{
	struct sockaddr_in6 mapped = { .sin6_family = AF_INET6 };
	char text[64];

	(void)state;
	assert_true(lies_in("::ffff:10.1.2.3", "10.0.0.0/8"));
	assert_false(lies_in("::ffff:11.1.2.3", "10.0.0.0/8"));
	assert_false(lies_in("::ffff:10.1.2.3", "::/0"));
	assert_true(lies_in("10.1.2.3", "::ffff:10.0.0.0/104"));
	assert_true(lies_in("::ffff:10.1.2.3", "::ffff:10.1.2.3"));
	inet_pton(AF_INET6, "::ffff:10.1.2.3", &mapped.sin6_addr);
	assert_string_equal(weir_address_text((struct sockaddr *)&mapped, text), "10.1.2.3");
}

static void
bad_ranges_are_refused(void **state)
{
	static const struct {
		const char *text, *why;
	} bad[] = {
		{ "10.0.0.1/8", "it has bits beyond its prefix" },
		{ "2001:db8::1/64", "it has bits beyond its prefix" },
		{ "10.0.0.0/33", "the prefix is not a number of bits" },
		{ "::/129", "the prefix is not a number of bits" },
		{ "10.0.0.0/", "the prefix is not a number of bits" },
		{ "10.0.0.0/-1", "the prefix is not a number of bits" },
		{ "10.0.0.0/255.0.0.0", "the prefix is not a number of bits" },
		{ "10.0.0/8", "it is not an address or a range" },
		{ "localhost", "it is not an address or a range" },
		{ "", "it is not an address or a range" },
		{ "/8", "it is not an address or a range" },
		{ "1111:2222:3333:4444:5555:6666:7777:8888:9999:0000:1111",
			"it is not an address or a range" },
	};
	struct weir_network network;
	const char *why;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_false(weir_parse_network(bad[i].text, &network, &why));
		assert_string_equal(why, bad[i].why);
	}
}

#define SCENE(name) cmocka_unit_test_setup_teardown(name, begin, end)

int
main(void)
{
	const struct CMUnitTest scenes[] = {
		SCENE(numbers_need_no_look_up),
		SCENE(ipv4_is_written_as_inet_ntop_does),
		SCENE(names_are_for_later),
		SCENE(a_port_may_have_a_default),
		SCENE(unix_sockets_are_absolute_and_fit),
		SCENE(slips_are_refused),
		SCENE(without_memory_it_says_so),
		SCENE(clients_lie_in_ranges),
		SCENE(families_do_not_mix_but_in_all),
		SCENE(a_mapped_address_is_an_ipv4_address),
		SCENE(bad_ranges_are_refused),
	};

	return cmocka_run_group_tests(scenes, NULL, NULL);
}
