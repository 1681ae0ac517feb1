/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenes for access: which address gets in, and that the trie decides as a walk over the rules would.
 */
#include <fake_exchange.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

extern const struct weir_module access_LTX_weir_module;

static int
set_up(void **state)
{
	*state = fake_new(&access_LTX_weir_module);
	return 0;
}

static int
tear_down(void **state)
{
	fake_free((struct weir_exchange **)state);
	return 0;
}

/* Is this client let through to the origin? */
static bool
admits(struct weir_exchange *x, const char *client)
{
	fake_peer(x, client);
	return fake_run(x, WEIR_PHASE_ACCESS) == WEIR_NEXT;
}

static bool
connects(struct weir_exchange *x, const char *peer)
{
	fake_peer(x, peer);
	return fake_run(x, WEIR_PHASE_ACCEPT) == WEIR_NEXT;
}

static void
rules(struct weir_exchange *x, const char *key, const char *const *list)
{
	for (; *list != NULL; list++)
		assert_null(fake_option(x, key, *list));
	assert_null(fake_check(x));
}

static void
without_rules_there_is_no_guard(void **state)
{
	struct weir_exchange *x = *state;

	assert_null(fake_check(x));
	assert_false(access_LTX_weir_module.needed(x->settings, WEIR_PHASE_ACCESS));
	assert_false(access_LTX_weir_module.needed(x->settings, WEIR_PHASE_ACCEPT));
}

static void
the_first_rule_that_holds_the_address_decides(void **state)
{
	struct weir_exchange *x = *state;

	rules(x, "rule", (const char *const[]){ "deny 10.1.2.3", "allow 10.1.0.0/16", "deny  10.0.0.0/8",
		"allow 2001:db8::/32", "deny all", "allow 192.0.2.1", NULL });
	assert_false(admits(x, "10.1.2.3"));
	assert_true(admits(x, "10.1.2.4"));
	assert_false(admits(x, "10.2.0.1"));
	assert_true(admits(x, "2001:db8:ffff::1"));
	assert_false(admits(x, "2001:db9::1"));
	assert_false(admits(x, "192.0.2.1"));
	assert_false(admits(x, "unix:"));
}

static void
the_default_holds_for_the_rest(void **state)
{
	struct weir_exchange *x = *state;

	assert_null(fake_option(x, "default", "deny"));
	rules(x, "rule", (const char *const[]){ "allow 10.0.0.0/8", "allow unix", NULL });
	assert_true(admits(x, "10.255.255.255"));
	assert_true(admits(x, "unix:"));
	assert_false(admits(x, "11.0.0.0"));
	assert_false(admits(x, "::1"));
}

static void
a_refusal_is_403_names_the_rule_and_is_counted(void **state)
{
	struct weir_exchange *x = *state;

	rules(x, "rule", (const char *const[]){ "deny 192.0.2.0/24", NULL });
	assert_false(admits(x, "192.0.2.77"));
	assert_int_equal(x->failure_status, 403);
	assert_string_equal(x->failure, "192.0.2.77 is denied access by `deny 192.0.2.0/24`");
	assert_int_equal(x->metrics[0], 1);
	assert_true(admits(x, "192.0.3.1"));
	assert_int_equal(x->metrics[0], 1);
}

static void
a_mapped_address_counts_as_ipv4(void **state)
{
	struct weir_exchange *x = *state;

	rules(x, "rule", (const char *const[]){ "allow ::/0", "deny 192.0.2.0/24", NULL });
	assert_false(admits(x, "::ffff:192.0.2.1"));
	assert_true(admits(x, "::ffff:192.0.3.1"));
	assert_true(admits(x, "::192.0.2.1"));
}

static void
the_client_counts_unless_the_peer_is_asked_for(void **state)
{
	struct weir_exchange *x = *state;
	struct sockaddr_in client = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0xc6336401) };

	rules(x, "rule", (const char *const[]){ "deny 198.51.100.1", NULL });
	fake_peer(x, "10.0.0.1");
	weir_set_client_address(x, (struct sockaddr *)&client);
	assert_int_equal(fake_run(x, WEIR_PHASE_ACCESS), WEIR_FAIL);
	assert_null(fake_option(x, "source", "peer"));
	assert_int_equal(fake_run(x, WEIR_PHASE_ACCESS), WEIR_NEXT);
}

static void
rules_for_connections_are_rules_of_their_own(void **state)
{
	struct weir_exchange *x = *state;

	assert_null(fake_option(x, "default", "deny"));
	rules(x, "connect", (const char *const[]){ "deny 203.0.113.0/24", NULL });
	assert_false(connects(x, "203.0.113.9"));
	assert_int_equal(x->metrics[1], 1);
	assert_true(connects(x, "192.0.2.1"));
	assert_false(admits(x, "192.0.2.1"));
	assert_int_equal(x->metrics[1], 1);
}

static void
rules_that_deny_nobody_are_an_error(void **state)
{
	struct weir_exchange *x = *state;

	assert_null(fake_option(x, "rule", "allow 10.0.0.0/8"));
	assert_non_null(strstr(fake_check(x), "deny nobody"));
	assert_null(fake_option(x, "rule", "allow all"));
	assert_null(fake_check(x));
	assert_null(fake_option(x, "connect", "allow 10.0.0.0/8"));
	assert_non_null(strstr(fake_check(x), "deny nobody"));
}

static void
a_rule_is_a_word_and_a_network(void **state)
{
	static const char *const bad[] = { "", "allow", "deny ", "10.0.0.0/8", "Allow all", "allowall",
		"permit all", "allow 10.0.0.0/33", "allow 10.0.0", "deny 10.0.0.1 10.0.0.2" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (fake_option(*state, "rule", bad[i]) == NULL)
			fail_msg("`%s` was taken for a rule", bad[i]);
}

static void
show(struct weir_exchange *x, const char *name, const char *fingerprint, const char *issuer)
{
	x->tls.verified = true;
	x->tls.names[0].kind = WEIR_NAME_DNS;
	x->tls.names[0].value = name;
	x->tls.fingerprint = fingerprint;
	x->tls.issuer = issuer;
}

#define ALLOW_PRINT "allow fingerprint:01:23:45:67:89:AB:cdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define PRINT "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void
a_certificate_lets_in_whom_its_rule_names(void **state)
{
	struct weir_exchange *x = *state;

	rules(x, "rule", (const char *const[]){ "allow san:Friend.example", ALLOW_PRINT,
		"allow issuer:CN=Clients,O=Example", "deny all", NULL });
	assert_false(admits(x, "10.0.0.1"));
	show(x, "friend.EXAMPLE", "ff", "CN=Others");
	assert_true(admits(x, "10.0.0.1"));
	show(x, "sub.friend.example", "ff", "CN=Clients");
	assert_false(admits(x, "10.0.0.1"));
	show(x, "stranger.example", PRINT, "CN=Others");
	assert_true(admits(x, "10.0.0.1"));
	show(x, "stranger.example", "ff", "CN=Clients,O=Example");
	assert_true(admits(x, "10.0.0.1"));
	x->tls.verified = false;
	assert_false(admits(x, "10.0.0.1"));
}

static void
certificates_and_addresses_keep_the_order_of_the_rules(void **state)
{
	struct weir_exchange *x = *state;

	rules(x, "rule", (const char *const[]){ "deny san:thief.example", "allow 10.0.0.0/8", "allow certificate",
		"deny all", NULL });
	assert_true(admits(x, "10.0.0.1"));
	assert_false(admits(x, "192.0.2.1"));
	show(x, "someone.example", "ff", "CN=Others");
	assert_true(admits(x, "192.0.2.1"));
	show(x, "thief.example", "ff", "CN=Others");
	assert_false(admits(x, "10.0.0.1"));
	assert_string_equal(x->failure, "10.0.0.1 is denied access by `deny san:thief.example`");
}

static void
what_is_no_certificate_s_mark_is_refused(void **state)
{
	static const char *const bad[] = { "allow san:", "allow issuer:", "allow fingerprint:", "allow fingerprint:01",
		"allow certificates", "allow subject:CN=a" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (fake_option(*state, "rule", bad[i]) == NULL)
			fail_msg("`%s` was taken for a rule", bad[i]);
	assert_non_null(fake_option(*state, "rule", "allow fingerprint:" PRINT "0"));
	assert_non_null(fake_option(*state, "rule", "allow fingerprint:g" PRINT));
	assert_non_null(fake_option(*state, "connect", "deny san:thief.example"));
}

/* Checked again, as a section's copy of the defaults is, the index is that of the new rules alone. */
static void
settings_may_be_checked_again(void **state)
{
	struct weir_exchange *x = *state;
	struct weir_list *list = x->settings;

	rules(x, "rule", (const char *const[]){ "deny 10.0.0.1", NULL });
	assert_false(admits(x, "10.0.0.1"));
	list->count = 0;
	rules(x, "rule", (const char *const[]){ "deny 10.0.0.2", NULL });
	assert_true(admits(x, "10.0.0.1"));
	assert_false(admits(x, "10.0.0.2"));
}

#define MANY 3000

static uint32_t
next(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

/* Addresses share their upper bits, so that networks nest. */
static void
address(uint32_t *seed, char *to, size_t room)
{
	if (next(seed) % 2 == 0)
		snprintf(to, room, "10.%u.%u.%u", next(seed) % 4, next(seed) % 4, next(seed) % 256);
	else
		snprintf(to, room, "2001:db8:%x:%x::%x", next(seed) % 4, next(seed) % 4, next(seed) % 4);
}

static void
many_rules_decide_as_a_walk_over_them_would(void **state)
{
	static struct weir_network networks[MANY];
	static bool allow[MANY];
	struct weir_exchange *x = *state;
	char host[64], rule[80];
	const char *why;
	uint32_t seed = 7;
	size_t first;

	for (size_t i = 0; i < MANY; i++) {
		address(&seed, host, sizeof(host));
		allow[i] = next(&seed) % 2 == 0;
		snprintf(rule, sizeof(rule), "%s %s/%u", allow[i] ? "allow" : "deny", host,
			strchr(host, ':') == NULL ? 12 + next(&seed) % 21 : 30 + next(&seed) % 99);
		assert_null(fake_option(x, "rule", rule));
		assert_true(weir_parse_network(strchr(rule, ' ') + 1, &networks[i], &why));
	}
	assert_null(fake_check(x));
	for (size_t i = 0; i < MANY; i++) {
		address(&seed, host, sizeof(host));
		fake_peer(x, host);
		first = 0;
		while (first < MANY && !weir_network_contains(&networks[first], weir_client_address(x)))
			first++;
		if (admits(x, host) != (first == MANY || allow[first]))
			fail_msg("%s: rule %zu decides", host, first);
	}
}

#define SCENE(NAME) cmocka_unit_test_setup_teardown(NAME, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest scenes[] = {
		SCENE(without_rules_there_is_no_guard),
		SCENE(the_first_rule_that_holds_the_address_decides),
		SCENE(the_default_holds_for_the_rest),
		SCENE(a_refusal_is_403_names_the_rule_and_is_counted),
		SCENE(a_mapped_address_counts_as_ipv4),
		SCENE(the_client_counts_unless_the_peer_is_asked_for),
		SCENE(rules_for_connections_are_rules_of_their_own),
		SCENE(rules_that_deny_nobody_are_an_error),
		SCENE(a_rule_is_a_word_and_a_network),
		SCENE(a_certificate_lets_in_whom_its_rule_names),
		SCENE(certificates_and_addresses_keep_the_order_of_the_rules),
		SCENE(what_is_no_certificate_s_mark_is_refused),
		SCENE(settings_may_be_checked_again),
		SCENE(many_rules_decide_as_a_walk_over_them_would),
	};

	return cmocka_run_group_tests_name("access", scenes, NULL, NULL);
}
