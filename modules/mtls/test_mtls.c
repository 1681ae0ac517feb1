/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenes for mtls: which identity a peer gets, what clients are asked, and what is told of them.
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

/* --- clients -------------------------------------------------------------------------------------------- */

static void
asks(struct weir_exchange *x, const char *client)
{
	assert_null(fake_option(x, "client", client));
	assert_null(fake_option(x, "ca", "/clients.pem"));
	assert_null(fake_check(x));
}

static enum weir_verdict
greet(struct weir_exchange *x, enum weir_tls_stage stage)
{
	x->tls.stage = stage;
	x->tls.ask = WEIR_ASK_NOTHING;
	return fake_run(x, WEIR_PHASE_HANDSHAKE);
}

static void
clients_are_asked_what_the_section_says(void **state)
{
	struct weir_exchange *x = *state;

	assert_int_equal(greet(x, WEIR_TLS_HELLO), WEIR_NEXT);
	assert_int_equal(x->tls.ask, WEIR_ASK_NOTHING);
	assert_null(fake_option(x, "crl", "/clients.crl"));
	assert_null(fake_option(x, "depth", "3"));
	asks(x, "request");
	assert_int_equal(greet(x, WEIR_TLS_HELLO), WEIR_NEXT);
	assert_int_equal(x->tls.ask, WEIR_ASK_OPTIONAL);
	assert_string_equal(x->tls.trust->authorities, "/clients.pem");
	assert_string_equal(x->tls.trust->revocations, "/clients.crl");
	assert_int_equal(x->tls.depth, 3);
	asks(x, "require");
	assert_int_equal(greet(x, WEIR_TLS_HELLO), WEIR_NEXT);
	assert_int_equal(x->tls.ask, WEIR_ASK_REQUIRED);
}

static void
a_name_s_own_demand_holds_in_the_place_of_the_listener_s(void **state)
{
	struct weir_exchange *x = *state, *section = fake_new(&mtls_LTX_weir_module);

	x->tls.settings = section->settings;
	asks(x, "require");
	assert_int_equal(greet(x, WEIR_TLS_HELLO), WEIR_NEXT);
	assert_int_equal(x->tls.ask, WEIR_ASK_REQUIRED);
	assert_null(fake_option(section, "client", "no"));
	assert_int_equal(greet(x, WEIR_TLS_HELLO), WEIR_NEXT);
	assert_int_equal(x->tls.ask, WEIR_ASK_NOTHING);
	fake_free(&section);
}

/* The core refuses them already; nothing here relies on that. */
static void
who_must_prove_something_and_has_not_is_refused(void **state)
{
	struct weir_exchange *x = *state;

	asks(x, "require");
	assert_int_equal(greet(x, WEIR_TLS_WHOLE), WEIR_FAIL);
	assert_int_equal(greet(x, WEIR_TLS_NONE), WEIR_FAIL);
	assert_int_equal(x->metrics[1], 2);
	x->tls.verified = true;
	assert_int_equal(greet(x, WEIR_TLS_WHOLE), WEIR_NEXT);
	assert_int_equal(x->metrics[0], 1);
	x->tls.verified = false;
	asks(x, "request");
	assert_int_equal(greet(x, WEIR_TLS_WHOLE), WEIR_NEXT);
	assert_int_equal(greet(x, WEIR_TLS_NONE), WEIR_NEXT);
}

/* Each request is looked at by what holds for its listener, the name in TLS and its host: here the three sections. */
static void
a_connection_proves_nothing_to_a_section_that_demands_more(void **state)
{
	struct weir_exchange *x = *state, *section = fake_new(&mtls_LTX_weir_module);

	assert_int_equal(fake_run(x, WEIR_PHASE_ACCESS), WEIR_NEXT);
	asks(section, "require");
	for (int place = 0; place < 3; place++) {
		x->tls = (struct fake_tls){ .stage = WEIR_TLS_WHOLE };
		*(place == 0 ? &x->tls.listen : place == 1 ? &x->tls.settings : &x->tls.host) = section->settings;
		assert_int_equal(fake_run(x, WEIR_PHASE_ACCESS), WEIR_FAIL);
		assert_int_equal(x->failure_status, 421);
		assert_int_equal(x->metrics[1], place + 1);
		x->tls.verified = true;
		assert_int_equal(fake_run(x, WEIR_PHASE_ACCESS), WEIR_NEXT);
	}
	fake_free(&section);
}

static void
a_certificate_counts_by_the_terms_that_hold_now(void **state)
{
	struct weir_exchange *x = *state;

	for (int i = 0; i < 2; i++) {
		asks(x, i == 0 ? "require" : "request");
		x->tls = (struct fake_tls){ .stage = WEIR_TLS_WHOLE, .verified = true, .shown_trust = "/clients.pem" };
		assert_int_equal(fake_run(x, WEIR_PHASE_ACCESS), WEIR_NEXT);
		x->tls.shown_depth = 2;
		assert_int_equal(fake_run(x, WEIR_PHASE_ACCESS), WEIR_FAIL);
		x->tls.shown_depth = 0;
		x->tls.shown_trust = "/others.pem";
		assert_int_equal(fake_run(x, WEIR_PHASE_ACCESS), WEIR_FAIL);
		x->tls.verified = false;
		assert_int_equal(fake_run(x, WEIR_PHASE_ACCESS), i == 0 ? WEIR_FAIL : WEIR_NEXT);
	}
}

static void
who_asks_must_know_whose_certificates_are_good(void **state)
{
	struct weir_exchange *x = *state;

	assert_null(fake_option(x, "client", "require"));
	assert_non_null(strstr(fake_check(x), "must say whose are good"));
	assert_non_null(fake_option(x, "client", "maybe"));
}

/* --- what is told --------------------------------------------------------------------------------------- */

static void
forge(struct weir_exchange *x)
{
	weir_add_field(x, WEIR_UPSTREAM_REQUEST, "client-cert", ":AAAA:");
	weir_add_field(x, WEIR_UPSTREAM_REQUEST, "Client-Cert", ":AAAA:");
	weir_add_field(x, WEIR_UPSTREAM_REQUEST, "Client-Cert-Chain", ":AAAA:");
	assert_int_equal(fake_run(x, WEIR_PHASE_UPSTREAM_REQUEST), WEIR_NEXT);
}

static void
nobody_but_us_says_who_the_client_is(void **state)
{
	struct weir_exchange *x = *state;

	forge(x);
	assert_null(fake_fields(x, WEIR_UPSTREAM_REQUEST, "Client-Cert"));
	assert_null(fake_fields(x, WEIR_UPSTREAM_REQUEST, "Client-Cert-Chain"));
}

/* RFC 4648, 10: all ways in which base64 ends. */
static void
certificates_are_told_as_byte_sequences(void **state)
{
	static const struct {
		const char *der, *field;
	} ends[] = { { "f", ":Zg==:" }, { "fo", ":Zm8=:" }, { "foo", ":Zm9v:" }, { "foobar", ":Zm9vYmFy:" } };
	struct weir_exchange *x = *state;

	x->tls.verified = true;
	assert_null(fake_option(x, "send", "certificate"));
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		x->tls.der[0] = ends[i].der;
		x->tls.der_length[0] = strlen(ends[i].der);
		forge(x);
		assert_string_equal(fake_fields(x, WEIR_UPSTREAM_REQUEST, "Client-Cert"), ends[i].field);
		assert_null(fake_fields(x, WEIR_UPSTREAM_REQUEST, "Client-Cert-Chain"));
	}
	assert_null(fake_option(x, "send", "chain"));
	forge(x);
	assert_null(fake_fields(x, WEIR_UPSTREAM_REQUEST, "Client-Cert-Chain"));
	x->tls.der[1] = x->tls.der[2] = "foo";
	x->tls.der_length[1] = 2;
	x->tls.der_length[2] = 3;
	forge(x);
	assert_string_equal(fake_fields(x, WEIR_UPSTREAM_REQUEST, "Client-Cert-Chain"), ":Zm8=:, :Zm9v:");
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
		SCENE(clients_are_asked_what_the_section_says),
		SCENE(a_name_s_own_demand_holds_in_the_place_of_the_listener_s),
		SCENE(who_must_prove_something_and_has_not_is_refused),
		SCENE(a_connection_proves_nothing_to_a_section_that_demands_more),
		SCENE(a_certificate_counts_by_the_terms_that_hold_now),
		SCENE(who_asks_must_know_whose_certificates_are_good),
		SCENE(nobody_but_us_says_who_the_client_is),
		SCENE(certificates_are_told_as_byte_sequences),
	};

	return cmocka_run_group_tests_name("mtls", scenes, NULL, NULL);
}
