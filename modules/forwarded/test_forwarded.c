/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenes for forwarded: who is believed, what the origin is told, and what hostile fields come to.
 */
#include <fake_exchange.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

extern const struct weir_module forwarded_LTX_weir_module;

static int
set_up(void **state)
{
	*state = fake_new(&forwarded_LTX_weir_module);
	return 0;
}

/* The sender is a proxy that is trusted, as is its network; so is one more. */
static int
set_up_behind_proxies(void **state)
{
	struct weir_exchange *x = fake_new(&forwarded_LTX_weir_module);

	*state = x;
	assert_null(fake_option(x, "trust", "10.0.0.0/8"));
	assert_null(fake_option(x, "trust", "2001:db8:a::/48"));
	fake_peer(x, "10.0.0.1");
	return 0;
}

static int
tear_down(void **state)
{
	fake_free((struct weir_exchange **)state);
	return 0;
}

static void
option(struct weir_exchange *x, const char *name, const char *value)
{
	assert_null(fake_option(x, name, value));
}

/* The request arrives; then what is left of it is the request to the origin. */
static void
pass(struct weir_exchange *x)
{
	assert_null(fake_check(x));
	assert_int_equal(fake_run(x, WEIR_PHASE_REQUEST), WEIR_NEXT);
	x->count[WEIR_UPSTREAM_REQUEST] = x->count[WEIR_REQUEST];
	memcpy(x->fields[WEIR_UPSTREAM_REQUEST], x->fields[WEIR_REQUEST], sizeof(x->fields[WEIR_REQUEST]));
	assert_int_equal(fake_run(x, WEIR_PHASE_UPSTREAM_REQUEST), WEIR_NEXT);
	assert_false(x->refused);
}

static void
client_is(struct weir_exchange *x, const char *expected)
{
	char text[64];

	assert_string_equal(weir_address_text(weir_client_address(x), text), expected);
}

static void
origin_sees(struct weir_exchange *x, const char *name, const char *expected)
{
	const char *seen = fake_fields(x, WEIR_UPSTREAM_REQUEST, name);

	if (seen == NULL && expected != NULL)
		fail_msg("%s is missing", name);
	if (seen != NULL && expected == NULL)
		fail_msg("%s is there: %s", name, seen);
	if (expected != NULL)
		assert_string_equal(seen, expected);
}

/* The client that one value of a field, sent by a trusted proxy, makes of us. */
static void
value_makes_client(struct weir_exchange *x, const char *name, const char *value, const char *expected)
{
	char text[64];

	fake_next_request(x);
	weir_add_field(x, WEIR_REQUEST, name, value);
	pass(x);
	if (strcmp(weir_address_text(weir_client_address(x), text), expected) != 0)
		fail_msg("%s: %s makes the client %s, not %s", name, value, text, expected);
}

static void
the_origin_is_told_who_asked(void **state)
{
	struct weir_exchange *x = *state;

	fake_target(x, "example.com:8080", "/", NULL);
	pass(x);
	client_is(x, "192.0.2.1");
	origin_sees(x, "X-Forwarded-For", "192.0.2.1");
	origin_sees(x, "X-Forwarded-Proto", "http");
	origin_sees(x, "X-Forwarded-Host", "example.com:8080");
	origin_sees(x, "X-Forwarded-Port", NULL);
	origin_sees(x, "Forwarded", NULL);
	origin_sees(x, "Via", "1.1 weir");
}

static void
nobody_can_forge_a_client(void **state)
{
	static const char *const names[] = { "X-Forwarded-For", "x-forwarded-proto", "X-FORWARDED-HOST",
		"X-Forwarded-Port", "X-Forwarded-Prefix", "X-Forwarded-Anything", "forwarded", "X-Real-Ip",
		"X_Forwarded_For", "x-real_ip" };
	struct weir_exchange *x = *state;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		weir_add_field(x, WEIR_REQUEST, names[i], "10.9.9.9");
	weir_add_field(x, WEIR_REQUEST, "X-Forwarded-For", "10.9.9.8");
	weir_add_field(x, WEIR_REQUEST, "X-Other", "stays");
	pass(x);
	client_is(x, "192.0.2.1");
	origin_sees(x, "X-Forwarded-For", "192.0.2.1");
	origin_sees(x, "X-Forwarded-Proto", "http");
	origin_sees(x, "X-Forwarded-Host", "example.com");
	for (size_t i = 3; i < sizeof(names) / sizeof(names[0]); i++)
		origin_sees(x, names[i], NULL);
	origin_sees(x, "X-Other", "stays");
}

static void
any_number_of_forged_fields_goes(void **state)
{
	struct weir_exchange *x = *state;

	for (unsigned i = 0; i < 100; i++)
		weir_add_field(x, WEIR_REQUEST, weir_printf(x, "X-Forwarded-%u", i), "1");
	pass(x);
	assert_int_equal(x->count[WEIR_REQUEST], 0);
}

static void
a_trusted_proxy_is_believed(void **state)
{
	struct weir_exchange *x = *state;

	fake_target(x, "internal", "/", NULL);
	weir_add_field(x, WEIR_REQUEST, "X-Forwarded-For", "203.0.113.7");
	weir_add_field(x, WEIR_REQUEST, "X-Forwarded-Proto", "HTTPS");
	weir_add_field(x, WEIR_REQUEST, "X-Forwarded-Host", "www.example.com:8443");
	weir_add_field(x, WEIR_REQUEST, "X-Forwarded-Prefix", "/shop");
	weir_add_field(x, WEIR_REQUEST, "X_Forwarded_For", "10.9.9.9");
	pass(x);
	client_is(x, "203.0.113.7");
	assert_string_equal(weir_scheme(x), "https");
	assert_string_equal(weir_host(x), "www.example.com");
	origin_sees(x, "X_Forwarded_For", NULL);
	origin_sees(x, "X-Forwarded-For", "203.0.113.7, 10.0.0.1");
	origin_sees(x, "X-Forwarded-Proto", "https");
	origin_sees(x, "X-Forwarded-Host", "www.example.com:8443");
	origin_sees(x, "X-Forwarded-Prefix", "/shop");
}

static void
the_client_is_the_nearest_address_that_is_not_trusted(void **state)
{
	struct weir_exchange *x = *state;

	weir_add_field(x, WEIR_REQUEST, "X-Forwarded-For", "198.51.100.66, 203.0.113.7");
	weir_add_field(x, WEIR_REQUEST, "X-Forwarded-For", "2001:db8:a::2,, 10.0.0.2 ");
	pass(x);
	client_is(x, "203.0.113.7");
	origin_sees(x, "X-Forwarded-For", "203.0.113.7, 2001:db8:a::2, 10.0.0.2, 10.0.0.1");
}

static void
where_all_are_trusted_the_farthest_is_the_client(void **state)
{
	value_makes_client(*state, "X-Forwarded-For", "10.0.0.9, 10.0.0.8", "10.0.0.9");
	origin_sees(*state, "X-Forwarded-For", "10.0.0.9, 10.0.0.8, 10.0.0.1");
}

static void
a_proxy_that_tells_nothing_is_the_client(void **state)
{
	struct weir_exchange *x = *state;

	weir_add_field(x, WEIR_REQUEST, "X-Forwarded-Proto", "https");
	pass(x);
	client_is(x, "10.0.0.1");
	assert_string_equal(weir_scheme(x), "https");
	origin_sees(x, "X-Forwarded-For", "10.0.0.1");
	origin_sees(x, "X-Forwarded-Host", "example.com");
}

static void
addresses_have_many_spellings(void **state)
{
	struct weir_exchange *x = *state;

	value_makes_client(x, "X-Forwarded-For", "203.0.113.7:4711", "203.0.113.7");
	value_makes_client(x, "X-Forwarded-For", "2001:db8::7", "2001:db8::7");
	value_makes_client(x, "X-Forwarded-For", "[2001:DB8::7]", "2001:db8::7");
	value_makes_client(x, "X-Forwarded-For", "[2001:db8::7]:4711", "2001:db8::7");
	value_makes_client(x, "X-Forwarded-For", "::ffff:203.0.113.7", "203.0.113.7");
}

static void
what_is_no_address_ends_the_chain(void **state)
{
	static const char *const bad[] = { "", "unknown", "_hidden", "203.0.113", "203.0.113.256",
		"203.0.113.7:", "203.0.113.7 x", "[203.0.113.7]", "[2001:db8::7", "2001:db8::7]",
		"[2001:db8::7]x", "[]", "[", ":", "::%eth0", "203.0.113.7;203.0.113.8", "\"203.0.113.7\"",
		"\"", "203.0.113.7/24", "0x7f.1", "2130706433",
		"1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc:dddd" };
	struct weir_exchange *x = *state;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		value_makes_client(x, "X-Forwarded-For", bad[i], "10.0.0.1");
		value_makes_client(x, "X-Forwarded-For", weir_printf(x, "192.0.2.9, %s, 10.0.0.2", bad[i]),
			*bad[i] == '\0' ? "192.0.2.9" : "10.0.0.2");
	}
}

static void
a_chain_has_a_bound(void **state)
{
	struct weir_exchange *x = *state;
	const char *all = "203.0.113.7";

	for (unsigned i = 0; i < 40; i++)
		all = weir_printf(x, "%s, 10.0.1.%u", all, i);
	value_makes_client(x, "X-Forwarded-For", all, "10.0.1.24");
	fake_next_request(x);
	for (unsigned i = 0; i < 40; i++)
		weir_add_field(x, WEIR_REQUEST, "X-Forwarded-For", weir_printf(x, "10.0.2.%u", i));
	pass(x);
	client_is(x, "10.0.2.24");
}

static void
lists_of_schemes_and_hosts_are_read_beside_the_chain(void **state)
{
	struct weir_exchange *x = *state;

	weir_add_field(x, WEIR_REQUEST, "X-Forwarded-For", "1.1.1.1, 203.0.113.7, 10.0.0.2");
	weir_add_field(x, WEIR_REQUEST, "X-Forwarded-Proto", "http, https, http");
	weir_add_field(x, WEIR_REQUEST, "X-Forwarded-Host", "forged, www.example.com, internal");
	weir_add_field(x, WEIR_REQUEST, "X-Forwarded-Port", "1, 8443, 80");
	option(x, "x_forwarded_port", "yes");
	pass(x);
	assert_string_equal(weir_scheme(x), "https");
	assert_string_equal(weir_host(x), "www.example.com");
	origin_sees(x, "X-Forwarded-Port", "8443");
}

static void
a_client_cannot_slip_its_scheme_past_a_proxy_that_appends(void **state)
{
	struct weir_exchange *x = *state;

	weir_add_field(x, WEIR_REQUEST, "X-Forwarded-For", "203.0.113.7");
	weir_add_field(x, WEIR_REQUEST, "X-Forwarded-Proto", "https, http");
	pass(x);
	assert_string_equal(weir_scheme(x), "http");
}

static void
odd_schemes_hosts_and_ports_are_ignored(void **state)
{
	static const char *const hosts[] = { "a b", "a/b", "a@b", "user:pw@a", "a:", "a:0", "a:65536",
		"a:123456", "a:8x", "[::1", "[::1]x", "[a]", "::1", "\"a\"", "a\\", "", ":80", "a;b",
		"ex\xc3\xa4mple" };
	struct weir_exchange *x = *state;

	option(x, "x_forwarded_port", "yes");
	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		fake_next_request(x);
		weir_add_field(x, WEIR_REQUEST, "X-Forwarded-Proto", "ftp");
		weir_add_field(x, WEIR_REQUEST, "X-Forwarded-Port", "70000");
		weir_add_field(x, WEIR_REQUEST, "X-Forwarded-Host", hosts[i]);
		pass(x);
		assert_string_equal(weir_scheme(x), "http");
		origin_sees(x, "X-Forwarded-Host", "example.com");
		origin_sees(x, "X-Forwarded-Port", "80");
	}
	fake_next_request(x);
	weir_add_field(x, WEIR_REQUEST, "X-Forwarded-Host", weir_printf(x, "%0256d", 0));
	pass(x);
	assert_string_equal(weir_host(x), "example.com");
}

static void
hosts_may_be_numbers_with_ports(void **state)
{
	static const char *const hosts[] = { "192.0.2.1:80", "[2001:db8::1]", "[2001:db8::1]:65535",
		"a_b.example", "x" };
	struct weir_exchange *x = *state;

	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		fake_next_request(x);
		weir_add_field(x, WEIR_REQUEST, "X-Forwarded-Host", hosts[i]);
		pass(x);
		assert_string_equal(weir_authority(x), hosts[i]);
	}
}

static void
the_host_need_not_be_believed(void **state)
{
	struct weir_exchange *x = *state;

	option(x, "believe_host", "no");
	weir_add_field(x, WEIR_REQUEST, "X-Forwarded-For", "203.0.113.7");
	weir_add_field(x, WEIR_REQUEST, "X-Forwarded-Host", "forged");
	pass(x);
	client_is(x, "203.0.113.7");
	origin_sees(x, "X-Forwarded-Host", "example.com");
}

static void
what_is_not_believed_is_removed(void **state)
{
	struct weir_exchange *x = *state;

	weir_add_field(x, WEIR_REQUEST, "Forwarded", "for=1.1.1.1");
	weir_add_field(x, WEIR_REQUEST, "X-Forwarded-For", "203.0.113.7");
	pass(x);
	client_is(x, "203.0.113.7");
	origin_sees(x, "Forwarded", NULL);

	option(x, "believe", "forwarded");
	fake_next_request(x);
	weir_add_field(x, WEIR_REQUEST, "Forwarded", "for=203.0.113.8");
	weir_add_field(x, WEIR_REQUEST, "X-Forwarded-For", "1.1.1.1");
	weir_add_field(x, WEIR_REQUEST, "X-Forwarded-Host", "forged");
	pass(x);
	client_is(x, "203.0.113.8");
	origin_sees(x, "X-Forwarded-For", "203.0.113.8, 10.0.0.1");
	origin_sees(x, "X-Forwarded-Host", "example.com");
}

static void
forwarded_is_believed_as_rfc_7239_writes_it(void **state)
{
	struct weir_exchange *x = *state;

	option(x, "believe", "forwarded");
	weir_add_field(x, WEIR_REQUEST, "Forwarded", "for=1.1.1.1;proto=ftp, "
		"For=\"[2001:db8:cafe::17]:4711\" ; PROTO=https;by=_x;host=\"www.example.com:8443\"");
	weir_add_field(x, WEIR_REQUEST, "Forwarded", "for=10.0.0.2;proto=http;ext=\"a, b; c\"");
	pass(x);
	client_is(x, "10.0.0.2");	/* a blank before ';' is not allowed: the search ends there */

	fake_next_request(x);
	weir_add_field(x, WEIR_REQUEST, "Forwarded", "for=1.1.1.1;proto=ftp, "
		"For=\"[2001:db8:cafe::17]:4711\"; PROTO=https;by=_x;host=\"www.example.com:8443\"");
	weir_add_field(x, WEIR_REQUEST, "Forwarded", "for=10.0.0.2;proto=http;ext=\"a, b; c\"");
	pass(x);
	client_is(x, "2001:db8:cafe::17");
	assert_string_equal(weir_scheme(x), "https");
	assert_string_equal(weir_authority(x), "www.example.com:8443");
	origin_sees(x, "X-Forwarded-For", "2001:db8:cafe::17, 10.0.0.2, 10.0.0.1");
}

static void
a_hidden_client_leaves_the_proxy_but_its_scheme_counts(void **state)
{
	struct weir_exchange *x = *state;

	option(x, "believe", "forwarded");
	weir_add_field(x, WEIR_REQUEST, "Forwarded", "for=_hidden;proto=https, for=10.0.0.2");
	pass(x);
	client_is(x, "10.0.0.2");
	assert_string_equal(weir_scheme(x), "https");
}

/* An open quote of the client's must not swallow what the proxy appended to it. */
static void
what_stands_left_cannot_change_how_the_right_is_read(void **state)
{
	static const char *const left[] = { "for=\"", "\"", "for=1.1.1.1;x=\"", "for=\"\\\"", "\\", ";;;",
		"=", "for", "for=\"a\"b", "for=1.1.1.1;for=1.1.1.1", ",", "\",\"",
		"for=\"1.1.1.1, for=\"" };
	struct weir_exchange *x = *state;

	option(x, "believe", "forwarded");
	for (size_t i = 0; i < sizeof(left) / sizeof(left[0]); i++) {
		value_makes_client(x, "Forwarded", weir_printf(x, "%s, for=203.0.113.7", left[i]),
			"203.0.113.7");
		value_makes_client(x, "Forwarded", weir_printf(x, "%s,for=203.0.113.7, for=10.0.0.2",
			left[i]), "203.0.113.7");
		fake_next_request(x);
		weir_add_field(x, WEIR_REQUEST, "Forwarded", left[i]);
		weir_add_field(x, WEIR_REQUEST, "Forwarded", "for=\"203.0.113.7:80\";host=a");
		pass(x);
		client_is(x, "203.0.113.7");
	}
}

static void
what_is_no_element_ends_the_chain(void **state)
{
	static const char *const bad[] = { "", "for", "for=", "=1.1.1.1", "for=1.1.1.1;proto",
		"for=\"1.1.1.1", "for=1.1.1.1\"", "for=\"1.1.1.1\"x", "for=\"1.1.1\\.1\"",
		"for=1.1.1.1;for=2.2.2.2", "for=1.1.1.1;proto=http;Proto=http", "host=a;for=1.1.1.1;HOST=b",
		"1.1.1.1", "for 1.1.1.1", "for=unknown", "for=1.1.1.1;ext=\"a\\b\"" };
	struct weir_exchange *x = *state;

	option(x, "believe", "forwarded");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		value_makes_client(x, "Forwarded", bad[i], "10.0.0.1");
		value_makes_client(x, "Forwarded", weir_printf(x, "%s, for=10.0.0.2", bad[i]), "10.0.0.2");
	}
}

/* Whatever bytes a trusted proxy passes on: nothing crashes, and nothing but an address comes out. */
static void
hostile_bytes_come_to_nothing(void **state)
{
	static const char alphabet[] = "for=host\";,:[] \t\\.10aF_-";
	struct weir_exchange *x = *state;
	char text[48];
	uint32_t seed = 11;

	for (unsigned round = 0; round < 4000; round++) {
		for (size_t i = 0; i < sizeof(text); i++) {
			seed = seed * 1664525 + 1013904223;
			text[i] = alphabet[(seed >> 16) % (sizeof(alphabet) - 1)];
		}
		text[(seed >> 8) % sizeof(text)] = '\0';
		text[sizeof(text) - 1] = '\0';
		fake_next_request(x);
		option(x, "believe", round % 2 == 0 ? "forwarded" : "x_forwarded");
		weir_add_field(x, WEIR_REQUEST, "Forwarded", text);
		weir_add_field(x, WEIR_REQUEST, "X-Forwarded-For", text);
		weir_add_field(x, WEIR_REQUEST, "X-Forwarded-Host", text);
		weir_add_field(x, WEIR_REQUEST, "X-Forwarded-Port", text);
		pass(x);
	}
}

static void
forwarded_is_sent_when_asked_for(void **state)
{
	struct weir_exchange *x = *state;

	option(x, "forwarded", "yes");
	option(x, "x_forwarded", "no");
	pass(x);
	origin_sees(x, "Forwarded", "for=192.0.2.1;proto=http;host=example.com");
	origin_sees(x, "X-Forwarded-For", NULL);
	origin_sees(x, "X-Forwarded-Proto", NULL);
	origin_sees(x, "X-Forwarded-Host", NULL);

	fake_peer(x, "2001:db8::1");
	fake_next_request(x);
	fake_target(x, "[2001:db8::2]:8080", "/", NULL);
	pass(x);
	origin_sees(x, "Forwarded", "for=\"[2001:db8::1]\";proto=http;host=\"[2001:db8::2]:8080\"");
}

static void
forwarded_tells_each_hop(void **state)
{
	struct weir_exchange *x = *state;

	option(x, "forwarded", "yes");
	fake_target(x, "internal:81", "/", NULL);
	weir_add_field(x, WEIR_REQUEST, "X-Forwarded-For", "2001:db8::7, 10.0.0.2");
	weir_add_field(x, WEIR_REQUEST, "X-Forwarded-Proto", "https");
	weir_add_field(x, WEIR_REQUEST, "X-Forwarded-Host", "www.example.com");
	pass(x);
	origin_sees(x, "Forwarded", "for=\"[2001:db8::7]\";proto=https;host=www.example.com, for=10.0.0.2, "
		"for=10.0.0.1;proto=http;host=\"internal:81\"");
}

static void
a_request_without_host_tells_none(void **state)
{
	struct weir_exchange *x = *state;

	option(x, "forwarded", "yes");
	x->version = 10;
	fake_target(x, "", "/", NULL);
	pass(x);
	origin_sees(x, "Forwarded", "for=192.0.2.1;proto=http");
	origin_sees(x, "X-Forwarded-Host", NULL);
	origin_sees(x, "Via", "1.0 weir");
}

static void
a_unix_socket_has_no_address(void **state)
{
	struct weir_exchange *x = *state;

	option(x, "forwarded", "yes");
	fake_peer(x, "unix:");
	fake_next_request(x);
	weir_add_field(x, WEIR_REQUEST, "X-Forwarded-For", "203.0.113.7");
	pass(x);
	client_is(x, "unix:");
	origin_sees(x, "X-Forwarded-For", NULL);
	origin_sees(x, "Forwarded", "for=unknown;proto=http;host=example.com");

	option(x, "trust", "unix");
	fake_next_request(x);
	weir_add_field(x, WEIR_REQUEST, "X-Forwarded-For", "203.0.113.7");
	pass(x);
	client_is(x, "203.0.113.7");
	origin_sees(x, "X-Forwarded-For", "203.0.113.7");
	origin_sees(x, "Forwarded", "for=203.0.113.7;proto=http;host=example.com, "
		"for=unknown;proto=http;host=example.com");
}

static void
the_port_is_the_one_that_the_client_used(void **state)
{
	struct weir_exchange *x = *state;

	option(x, "x_forwarded_port", "yes");
	pass(x);
	origin_sees(x, "X-Forwarded-Port", "80");
	fake_next_request(x);
	fake_target(x, "[::1]:8080", "/", NULL);
	pass(x);
	origin_sees(x, "X-Forwarded-Port", "8080");
	fake_next_request(x);
	fake_target(x, "[::1]", "/", NULL);
	x->scheme = "https";
	pass(x);
	origin_sees(x, "X-Forwarded-Port", "443");
}

/* Another module may rewrite the request after it was heard. */
static void
the_origin_is_told_what_the_client_asked_for(void **state)
{
	struct weir_exchange *x = *state;

	assert_int_equal(fake_run(x, WEIR_PHASE_REQUEST), WEIR_NEXT);
	weir_set_authority(x, "rewritten");
	assert_int_equal(fake_run(x, WEIR_PHASE_UPSTREAM_REQUEST), WEIR_NEXT);
	origin_sees(x, "X-Forwarded-Host", "example.com");
}

/* Another module may end the phase request before us. */
static void
who_was_not_heard_is_told_as_it_stands(void **state)
{
	struct weir_exchange *x = *state;

	option(x, "forwarded", "yes");
	option(x, "x_forwarded_port", "yes");
	assert_int_equal(fake_run(x, WEIR_PHASE_UPSTREAM_REQUEST), WEIR_NEXT);
	origin_sees(x, "X-Forwarded-For", "192.0.2.1");
	origin_sees(x, "X-Forwarded-Port", "80");
	origin_sees(x, "Forwarded", "for=192.0.2.1;proto=http;host=example.com");
}

static void
via_goes_beside_that_of_others(void **state)
{
	struct weir_exchange *x = *state;

	option(x, "pseudonym", "edge");
	option(x, "response_via", "yes");
	weir_add_field(x, WEIR_REQUEST, "Via", "1.0 fred");
	weir_add_field(x, WEIR_RESPONSE, "Via", "1.1 inner");
	x->version = 20;
	x->response_version = 10;
	pass(x);
	origin_sees(x, "Via", "1.0 fred | 2.0 edge");
	x->version = 11;
	x->count[WEIR_UPSTREAM_REQUEST] = 0;
	assert_int_equal(fake_run(x, WEIR_PHASE_UPSTREAM_REQUEST), WEIR_NEXT);
	origin_sees(x, "Via", "1.1 edge");
	assert_int_equal(fake_run(x, WEIR_PHASE_UPSTREAM_RESPONSE), WEIR_NEXT);
	assert_string_equal(fake_fields(x, WEIR_RESPONSE, "Via"), "1.1 inner | 1.0 edge");
}

static void
hooks_that_would_do_nothing_are_not_needed(void **state)
{
	struct weir_exchange *x = *state;

	assert_false(forwarded_LTX_weir_module.needed(x->settings, WEIR_PHASE_UPSTREAM_RESPONSE));
	option(x, "x_forwarded", "no");
	option(x, "via", "no");
	assert_false(forwarded_LTX_weir_module.needed(x->settings, WEIR_PHASE_UPSTREAM_REQUEST));
	assert_true(forwarded_LTX_weir_module.needed(x->settings, WEIR_PHASE_REQUEST));
}

static void
a_loop_ends(void **state)
{
	struct weir_exchange *x = *state;

	option(x, "loop_limit", "3");
	weir_add_field(x, WEIR_REQUEST, "Via", "1.1 weir, 1.1 weird, HTTP/1.1 weir.example, "
		"1.1 Weir (a comment)");
	pass(x);
	weir_add_field(x, WEIR_REQUEST, "Via", "2.0 weir");
	assert_int_equal(fake_run(x, WEIR_PHASE_REQUEST), WEIR_FAIL);
	assert_int_equal(x->failure_status, 508);
	assert_int_equal(x->metrics[0], 1);
	option(x, "loop_limit", "0");
	pass(x);
}

#define SCENE(NAME) cmocka_unit_test_setup_teardown(NAME, set_up, tear_down)
#define BEHIND_PROXIES(NAME) cmocka_unit_test_setup_teardown(NAME, set_up_behind_proxies, tear_down)

int
main(void)
{
	const struct CMUnitTest scenes[] = {
		SCENE(the_origin_is_told_who_asked),
		SCENE(nobody_can_forge_a_client),
		SCENE(any_number_of_forged_fields_goes),
		BEHIND_PROXIES(a_trusted_proxy_is_believed),
		BEHIND_PROXIES(the_client_is_the_nearest_address_that_is_not_trusted),
		BEHIND_PROXIES(where_all_are_trusted_the_farthest_is_the_client),
		BEHIND_PROXIES(a_proxy_that_tells_nothing_is_the_client),
		BEHIND_PROXIES(addresses_have_many_spellings),
		BEHIND_PROXIES(what_is_no_address_ends_the_chain),
		BEHIND_PROXIES(a_chain_has_a_bound),
		BEHIND_PROXIES(lists_of_schemes_and_hosts_are_read_beside_the_chain),
		BEHIND_PROXIES(a_client_cannot_slip_its_scheme_past_a_proxy_that_appends),
		BEHIND_PROXIES(odd_schemes_hosts_and_ports_are_ignored),
		BEHIND_PROXIES(hosts_may_be_numbers_with_ports),
		BEHIND_PROXIES(the_host_need_not_be_believed),
		BEHIND_PROXIES(what_is_not_believed_is_removed),
		BEHIND_PROXIES(forwarded_is_believed_as_rfc_7239_writes_it),
		BEHIND_PROXIES(a_hidden_client_leaves_the_proxy_but_its_scheme_counts),
		BEHIND_PROXIES(what_stands_left_cannot_change_how_the_right_is_read),
		BEHIND_PROXIES(what_is_no_element_ends_the_chain),
		BEHIND_PROXIES(hostile_bytes_come_to_nothing),
		SCENE(forwarded_is_sent_when_asked_for),
		BEHIND_PROXIES(forwarded_tells_each_hop),
		SCENE(a_request_without_host_tells_none),
		SCENE(a_unix_socket_has_no_address),
		SCENE(the_port_is_the_one_that_the_client_used),
		SCENE(the_origin_is_told_what_the_client_asked_for),
		SCENE(who_was_not_heard_is_told_as_it_stands),
		SCENE(via_goes_beside_that_of_others),
		SCENE(hooks_that_would_do_nothing_are_not_needed),
		SCENE(a_loop_ends),
	};

	return cmocka_run_group_tests_name("forwarded", scenes, NULL, NULL);
}
