/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenes for mtls: which identity a peer gets.
 */
#include <fake_exchange.h>

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

extern const struct weir_module mtls_LTX_weir_module;

static int
set_up(void **state)
{
	*state = fake_new(&mtls_LTX_weir_module);
	return 0;
}

static int
tear_down(void **state)
{
	fake_free((struct weir_exchange **)state);
	return 0;
}

#define SCENE(NAME) cmocka_unit_test_setup_teardown(NAME, set_up, tear_down)

/* The identity that a peer gets by the route's settings, with these of the upstream. */
static const struct weir_identity *
shown(struct weir_exchange *x)
{
	weir_peer(x)->tls.identity = NULL;
	assert_int_equal(fake_run(x, WEIR_PHASE_PEER), WEIR_NEXT);
	return weir_peer(x)->tls.identity;
}

static void
nothing_is_shown_unless_it_is_asked_for(void **state)
{
	assert_null(fake_check(*state));
	assert_null(shown(*state));
}

static void
a_route_shows_its_certificate(void **state)
{
	struct weir_exchange *x = *state;

	assert_null(fake_option(x, "certificate", "/proxy.pem"));
	assert_null(fake_option(x, "key", "/proxy.key"));
	assert_null(fake_check(x));
	assert_string_equal(shown(x)->certificate, "/proxy.pem");
	assert_string_equal(shown(x)->key, "/proxy.key");
	assert_null(shown(x)->staple);
}

/* A second set of settings that stands for the upstream's. */
static void
a_route_goes_before_its_upstream(void **state)
{
	struct weir_exchange *x = *state, *upstream = fake_new(&mtls_LTX_weir_module);

	assert_null(fake_option(upstream, "certificate", "/upstream.pem"));
	assert_null(fake_check(upstream));
	x->upstream_settings = upstream->settings;
	assert_null(fake_check(x));
	assert_string_equal(shown(x)->certificate, "/upstream.pem");
	assert_null(fake_option(x, "certificate", "/route.pem"));
	assert_null(fake_check(x));
	assert_string_equal(shown(x)->certificate, "/route.pem");
	assert_null(fake_option(x, "certificate", ""));
	assert_null(fake_check(x));
	assert_null(shown(x));
	fake_free(&upstream);
}

static void
an_empty_certificate_is_none(void **state)
{
	struct weir_exchange *x = *state;

	assert_null(fake_option(x, "certificate", ""));
	assert_null(fake_check(x));
	assert_null(shown(x));
}

static void
a_key_alone_is_an_error(void **state)
{
	struct weir_exchange *x = *state;

	assert_null(fake_option(x, "key", "/proxy.key"));
	assert_string_equal(fake_check(x), "`mtls.key` needs `mtls.certificate` beside it");
}

int
main(void)
{
	const struct CMUnitTest scenes[] = {
		SCENE(nothing_is_shown_unless_it_is_asked_for),
		SCENE(a_route_shows_its_certificate),
		SCENE(a_route_goes_before_its_upstream),
		SCENE(an_empty_certificate_is_none),
		SCENE(a_key_alone_is_an_error),
	};

	return cmocka_run_group_tests_name("mtls", scenes, NULL, NULL);
}
