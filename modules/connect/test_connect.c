/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenes of the module connect on the contract without a server: targets, addresses, credentials, counts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <fake_exchange.h>

extern const struct weir_module connect_LTX_weir_module;

enum { TUNNELS, OPEN, REQUESTS, REFUSED, UNAUTHORISED, LIMITED };

static struct weir_exchange *x;

static int
begin(void **state)
{
	(void)state;
	x = fake_new(&connect_LTX_weir_module);
	return fake_check(x) != NULL;
}

static int
end(void **state)
{
	(void)state;
	fake_run(x, WEIR_PHASE_LOG);
	fake_free(&x);
	return 0;
}

static void
set(const char *name, const char *value)
{
	const char *why = fake_option(x, name, value);

	if (why != NULL)
		fail_msg("%s = %s: %s", name, value, why);
}

static void
assert_no_option(const char *name, const char *value, const char *cause)
{
	assert_string_equal(fake_option(x, name, value), cause);
}

/* Ask for this target by CONNECT, after what was asked before has ended. */
static enum weir_verdict
ask(const char *authority)
{
	fake_run(x, WEIR_PHASE_LOG);
	fake_next_request(x);
	x->method = "CONNECT";
	x->tunnels = x->direct = false;
	fake_target(x, authority, "", NULL);
	return fake_run(x, WEIR_PHASE_ACCESS);
}

static void
assert_allowed(const char *authority)
{
	assert_int_equal(ask(authority), WEIR_NEXT);
	assert_true(x->tunnels && x->direct);
}

static void
assert_refused(const char *authority)
{
	assert_int_equal(ask(authority), WEIR_FAIL);
	assert_int_equal(x->failure_status, 403);
	assert_false(x->tunnels || x->direct);
}

/* --- targets -------------------------------------------------------------------------------------------------------- */

static void
without_a_target_nothing_is_asked(void **state)
{
	(void)state;
	x->method = "CONNECT";
	assert_int_equal(fake_run(x, WEIR_PHASE_ACCESS), WEIR_NEXT);
	assert_false(x->tunnels || x->direct);	/* and the core answers 501 */
}

static void
names_are_allowed_one_by_one(void **state)
{
	(void)state;
	set("allow", "a.example b.example:8443");
	set("allow", "*.Below.example");
	assert_allowed("a.example:443");
	assert_allowed("a.example.:443");
	assert_refused("a.example:444");
	assert_refused("x.a.example:443");
	assert_refused("xa.example:443");
	assert_allowed("b.example:8443");
	assert_refused("b.example:443");
	assert_allowed("x.below.example:443");
	assert_allowed("y.x.below.example:443");
	assert_refused("below.example:443");
	assert_refused(".below.example:443");
	assert_refused("xbelow.example:443");
	assert_refused("a.example:0");
	assert_int_equal(x->metrics[TUNNELS], 5);
	assert_int_equal(x->metrics[REFUSED], 8);
}

static void
addresses_have_one_spelling(void **state)
{
	(void)state;
	set("allow", "192.0.2.1 [2001:DB8:0::1]:8443");
	set("networks", "all");
	assert_allowed("192.0.2.1:443");
	assert_refused("192.0.2.01:443");
	assert_refused("192.0.2.2:443");
	assert_allowed("[2001:db8::1]:8443");
	assert_allowed("[2001:db8:0:0:0:0:0:1]:8443");
	assert_refused("[2001:db8::1]:443");
	assert_refused("[::ffff:192.0.2.1]:443");
}

static void
a_star_allows_every_name_at_the_ports(void **state)
{
	(void)state;
	set("allow", "*");
	set("ports", "8443 8444");
	assert_allowed("any.example:443");
	assert_allowed("any.example:8444");
	assert_refused("[::1]:8443");	/* that one is not public */
	assert_refused("127.0.0.1.:8443");	/* with a dot it is one, too */
	assert_refused("a..:8443");
	assert_allowed("1.1.1.1:8443");
	assert_allowed("1.1.1.1.:8443");
	assert_int_equal(fake_run(x, WEIR_PHASE_PEER), WEIR_NEXT);
	assert_int_equal(x->peer_asked.address.length, sizeof(struct sockaddr_in));
	assert_refused("any.example:80");
}

static void
bad_targets_are_no_option(void **state)
{
	static const char form[] = "a target is HOST or HOST:PORT, like *.example.com:443 or [2001:db8::1]";
	static const char host[] = "a target's host is a name, *.NAME, * or an IP address";

	(void)state;
	assert_no_option("allow", "", "write targets, like *.example.com:443");
	assert_no_option("allow", "a:0", form);
	assert_no_option("allow", "a:70000", form);
	assert_no_option("allow", "a:", form);
	assert_no_option("allow", "[::1", form);
	assert_no_option("allow", "[::1]x", form);
	assert_no_option("allow", ":443", form);
	assert_no_option("allow", "2001:db8::1", form);
	assert_no_option("allow", "a.*.example", host);
	assert_no_option("allow", "*.", host);
	assert_no_option("allow", "*x", host);
	assert_no_option("allow", "a.", host);
	assert_no_option("allow", "10.0.0.0/8", host);
	assert_no_option("allow", "[a]", "in brackets stands an IPv6 address");
	assert_no_option("ports", "0", "a port is a number from 1 to 65535");
	assert_no_option("ports", " ", "write ports, like 443");
	assert_no_option("networks", "unix", "write public, all, or a range of IP addresses");
	assert_non_null(fake_option(x, "networks", "private"));
}

static void
absolute_targets_are_asked_for_by_http(void **state)
{
	(void)state;
	set("allow", "a.example");
	fake_target(x, "a.example", "/", NULL);
	x->target_scheme = "http";
	assert_int_equal(fake_run(x, WEIR_PHASE_ACCESS), WEIR_NEXT);
	assert_true(x->direct);
	assert_false(x->tunnels);
	assert_int_equal(x->metrics[REQUESTS], 1);
	assert_int_equal(fake_run(x, WEIR_PHASE_PEER), WEIR_NEXT);
	assert_string_equal(x->peer_asked.address.host, "a.example");
	assert_int_equal(x->peer_asked.address.port, 80);
	fake_target(x, "a.example:443", "/", NULL);
	assert_int_equal(fake_run(x, WEIR_PHASE_ACCESS), WEIR_FAIL);
	x->target_scheme = "https";
	assert_int_equal(fake_run(x, WEIR_PHASE_ACCESS), WEIR_FAIL);
	assert_int_equal(x->failure_status, 501);
	x->target_scheme = NULL;
}

static void
other_requests_are_not_ours(void **state)
{
	(void)state;
	set("allow", "*");
	assert_int_equal(fake_run(x, WEIR_PHASE_ACCESS), WEIR_NEXT);
	assert_false(x->direct);
	assert_int_equal(fake_run(x, WEIR_PHASE_PEER), WEIR_NEXT);
	assert_null(x->peer_asked.address.host);
	assert_null(x->peer_asked.permit);
}

/* --- addresses ------------------------------------------------------------------------------------------------------ */

static bool
reaches(const char *text)
{
	union { struct sockaddr any; struct sockaddr_in in; struct sockaddr_in6 in6; } a;

	memset(&a, 0, sizeof(a));
	if (inet_pton(AF_INET, text, &a.in.sin_addr) == 1)
		a.any.sa_family = AF_INET;
	else if (inet_pton(AF_INET6, text, &a.in6.sin6_addr) == 1)
		a.any.sa_family = AF_INET6;
	else
		a.any.sa_family = AF_UNIX;
	return x->peer_asked.permit(x->peer_asked.permit_argument, &a.any);
}

static void
aim(void)
{
	set("allow", "*");
	assert_allowed("a.example:443");
	assert_int_equal(fake_run(x, WEIR_PHASE_PEER), WEIR_NEXT);
	assert_non_null(x->peer_asked.permit);
}

static void
only_the_internet_is_public(void **state)
{
	static const char *const inside[] = { "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.127.255.255",
		"127.0.0.1", "127.255.0.1", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.2.1",
		"192.88.99.1", "192.168.0.1", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1",
		"240.0.0.1", "255.255.255.255", "::", "::1", "::127.0.0.1", "::ffff:10.0.0.1", "::ffff:127.0.0.1",
		"64:ff9b::7f00:1",
		"100::1", "fc00::1", "fd12::1", "fe80::1", "fec0::1", "ff02::1", "2001::1", "2001:db8::1", "2002:7f00:1::",
		"3fff::1",
		"unix" };
	static const char *const outside[] = { "1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0",
		"128.0.0.1",
		"169.253.0.1", "172.15.0.1", "172.32.0.1", "192.0.1.1", "192.167.0.1", "198.17.0.1", "198.20.0.1", "203.0.112.1",
		"223.255.255.255", "::ffff:1.1.1.1", "2606:4700::1111", "2001:4860::8888", "2a00::1", "2003::1" };

	(void)state;
	aim();
	for (size_t i = 0; i < sizeof(inside) / sizeof(*inside); i++)
		if (reaches(inside[i]))
			fail_msg("%s is public", inside[i]);
	for (size_t i = 0; i < sizeof(outside) / sizeof(*outside); i++)
		if (!reaches(outside[i]))
			fail_msg("%s is not public", outside[i]);
}

static void
a_network_may_be_added(void **state)
{
	(void)state;
	set("networks", "10.1.0.0/16");
	aim();
	assert_true(reaches("10.1.2.3"));
	assert_true(reaches("::ffff:10.1.2.3"));
	assert_true(reaches("1.1.1.1"));
	assert_false(reaches("10.2.0.1"));
	set("networks", "all");
	assert_true(reaches("127.0.0.1"));
	assert_true(reaches("::1"));
	assert_false(reaches("unix"));
}

static void
an_address_is_dialled_as_it_is(void **state)
{
	(void)state;
	set("allow", "*");
	set("networks", "all");
	assert_allowed("[::1]:443");
	fake_run(x, WEIR_PHASE_PEER);
	assert_int_equal(x->peer_asked.address.socket.in6.sin6_port, htons(443));
	assert_int_equal(x->peer_asked.address.length, sizeof(struct sockaddr_in6));
	assert_allowed("192.0.2.1:443");
	fake_run(x, WEIR_PHASE_PEER);
	assert_int_equal(x->peer_asked.address.socket.in.sin_port, htons(443));
	assert_allowed("127.1:443");	/* no address, but perhaps a name */
	fake_run(x, WEIR_PHASE_PEER);
	assert_int_equal(x->peer_asked.address.length, 0);
}

/* --- users ---------------------------------------------------------------------------------------------------------- */

static enum weir_verdict
ask_with(const char *authorization)
{
	fake_run(x, WEIR_PHASE_LOG);
	fake_next_request(x);
	x->method = "CONNECT";
	fake_target(x, "a.example:443", "", NULL);
	if (authorization != NULL)
		weir_add_field(x, WEIR_REQUEST, "Proxy-Authorization", authorization);
	return fake_run(x, WEIR_PHASE_ACCESS);
}

static const char *
user(void)
{
	return connect_LTX_weir_module.variables[0].value(x, x->settings, x->state);
}

static void
users_must_log_in(void **state)
{
	(void)state;
	set("allow", "*");
	set("user", "ann:secret");
	set("user", "bob:b:c");
	assert_int_equal(ask_with(NULL), WEIR_RESPOND);
	assert_int_equal(x->status, 407);
	assert_string_equal(fake_fields(x, WEIR_RESPONSE, "Proxy-Authenticate"), "Basic realm=\"Weir\", charset=\"UTF-8\"");
	assert_int_equal(ask_with("Basic YW5uOnNlY3JldA=="), WEIR_NEXT);
	assert_string_equal(user(), "ann");
	assert_int_equal(ask_with("basic  YW5uOnNlY3JldA"), WEIR_NEXT);
	assert_int_equal(ask_with("Basic Ym9iOmI6Yw=="), WEIR_NEXT);
	assert_string_equal(user(), "bob");
	assert_int_equal(x->metrics[UNAUTHORISED], 1);
}

static void
nobody_else_gets_in(void **state)
{
	static const char *const wrong[] = { "Basic", "Basic ", "Basic YW5uOnNlY3JlVA==", "Basic YW5uOnNlY3JldDE=",
		"Basic YW5uOnNlY3Jl",
		"Basic YW5u", "Basic OnNlY3JldA==", "Basic Og==", "Bearer YW5uOnNlY3JldA==", "Basic YW5u*nNlY3JldA==",
		"Basic YW5uOnNlY3JldA==x", "Basic YW5uOnNlY3JldA===", "Basic YW5uOnNlY3JldAA=", "Basic Y", "YW5uOnNlY3JldA==" };
	char much[600] = "Basic ";

	(void)state;
	set("allow", "*");
	set("user", "ann:secret");
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		if (ask_with(wrong[i]) != WEIR_RESPOND)
			fail_msg("%s gets in", wrong[i]);
	memset(much + 6, 'O', 500);
	assert_int_equal(ask_with(much), WEIR_RESPOND);
	assert_null(user());
}

static void
a_file_has_users_too(void **state)
{
	char path[] = "/tmp/weir-users-XXXXXX";
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0 && write(fd, "# ours\n\nann:secret\nbob:x", 24) == 24);
	set("allow", "*");
	set("users", path);
	assert_null(fake_check(x));
	assert_null(x->warning);
	assert_int_equal(ask_with("Basic YW5uOnNlY3JldA=="), WEIR_NEXT);
	assert_int_equal(ask_with("Basic Ym9iOng="), WEIR_NEXT);
	assert_int_equal(ask_with("Basic Ym9iOnk="), WEIR_RESPOND);
	assert_int_equal(fchmod(fd, 0644), 0);
	assert_null(fake_check(x));
	assert_non_null(strstr(x->warning, "has passwords, and everybody may read it: chmod o-r"));
	assert_int_equal(pwrite(fd, "broken!", 7, 0), 7);
	assert_non_null(strstr(fake_check(x), ":1: write NAME:PASSWORD"));
	for (int i = 0; i < 30; i++)
		assert_int_equal(pwrite(fd, "#123456789", 10, 10 * i), 10);
	assert_non_null(strstr(fake_check(x), ":1: the line is longer than 255 bytes"));
	close(fd);
	unlink(path);
	assert_non_null(strstr(fake_check(x), "No such file"));
	set("users", "/tmp");
	assert_non_null(fake_check(x));
}

static void
an_empty_file_lets_nobody_in(void **state)
{
	(void)state;
	set("allow", "*");
	set("users", "/dev/null");
	assert_string_equal(fake_check(x), "/dev/null is no file");
	assert_int_equal(ask_with("Basic Og=="), WEIR_RESPOND);
	assert_int_equal(ask_with("Basic YTo="), WEIR_RESPOND);
}

static void
a_realm_has_no_quotes(void **state)
{
	(void)state;
	set("realm", "a\"b");
	assert_string_equal(fake_check(x), "the realm has no quotes and no backslashes");
}

/* --- bounds --------------------------------------------------------------------------------------------------------- */

static void
tunnels_are_counted(void **state)
{
	struct weir_exchange *first;

	(void)state;
	set("allow", "*");
	set("tunnels_per_client", "1");
	assert_allowed("a.example:443");
	assert_int_equal(fake_run(x, WEIR_PHASE_ACCESS), WEIR_NEXT);	/* again, after a rewrite */
	assert_int_equal(x->metrics[OPEN], 1);
	first = x;
	begin(NULL);
	set("allow", "*");
	set("tunnels_per_client", "1");
	assert_int_equal(ask("a.example:443"), WEIR_FAIL);
	assert_int_equal(x->failure_status, 503);
	assert_int_equal(x->metrics[LIMITED], 1);
	assert_int_equal(x->metrics[OPEN], 0);
	fake_peer(x, "192.0.2.2");
	assert_allowed("a.example:443");	/* another client may */
	set("tunnels", "1");
	assert_int_equal(ask("a.example:443"), WEIR_FAIL);	/* but not if there are enough in all */
	fake_run(first, WEIR_PHASE_LOG);
	assert_int_equal(first->metrics[OPEN], 0);
	fake_free(&first);
	assert_allowed("a.example:443");
}

/* Who has many addresses shall not find one that is counted with another's: these two were in one place, with any process. */
static void
nobody_can_tell_who_is_counted_together(void **state)
{
	struct weir_exchange *first = x;

	(void)state;
	set("allow", "*");
	assert_allowed("a.example:443");
	begin(NULL);
	set("allow", "*");
	set("tunnels_per_client", "1");
	fake_peer(x, "203.107.5.155");
	assert_allowed("a.example:443");
	fake_run(first, WEIR_PHASE_LOG);
	fake_free(&first);
}

static void
a_tunnel_has_its_bounds(void **state)
{
	(void)state;
	set("allow", "*");
	set("networks", "all");
	set("bytes", "1M");
	set("idle", "7s");
	set("total", "1h");
	assert_allowed("a.example:443");
	assert_int_equal(x->tunnel.bytes, 1 << 20);
	assert_int_equal(x->tunnel.idle, 7000);
	assert_int_equal(x->tunnel.total, 3600000);
	assert_null(x->tunnel.sni);
	set("sni", "match");
	assert_allowed("a.example.:443");
	assert_string_equal(x->tunnel.sni, "a.example");
	assert_allowed("192.0.2.1:443");
	assert_string_equal(x->tunnel.sni, "");
}

#define SCENE(name) cmocka_unit_test_setup_teardown(name, begin, end)

int
main(void)
{
	const struct CMUnitTest scenes[] = {
		SCENE(without_a_target_nothing_is_asked),
		SCENE(names_are_allowed_one_by_one),
		SCENE(addresses_have_one_spelling),
		SCENE(a_star_allows_every_name_at_the_ports),
		SCENE(bad_targets_are_no_option),
		SCENE(absolute_targets_are_asked_for_by_http),
		SCENE(other_requests_are_not_ours),
		SCENE(only_the_internet_is_public),
		SCENE(a_network_may_be_added),
		SCENE(an_address_is_dialled_as_it_is),
		SCENE(users_must_log_in),
		SCENE(nobody_else_gets_in),
		SCENE(a_file_has_users_too),
		SCENE(an_empty_file_lets_nobody_in),
		SCENE(a_realm_has_no_quotes),
		SCENE(tunnels_are_counted),
		SCENE(nobody_can_tell_who_is_counted_together),
		SCENE(a_tunnel_has_its_bounds),
	};

	return cmocka_run_group_tests(scenes, NULL, NULL);
}
