/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenes for header: what becomes of fields, and which edits are refused when the configuration is read.
 */
#include <fake_exchange.h>

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

extern const struct weir_module header_LTX_weir_module;

static int
set_up(void **state)
{
	*state = fake_new(&header_LTX_weir_module);
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

static void
without_options_there_is_no_hook(void **state)
{
	struct weir_exchange *x = *state;

	assert_false(header_LTX_weir_module.needed(x->settings, WEIR_PHASE_UPSTREAM_REQUEST));
	assert_false(header_LTX_weir_module.needed(x->settings, WEIR_PHASE_RESPONSE));
	option(x, "response_remove", "Server");
	assert_false(header_LTX_weir_module.needed(x->settings, WEIR_PHASE_UPSTREAM_REQUEST));
	assert_true(header_LTX_weir_module.needed(x->settings, WEIR_PHASE_RESPONSE));
}

static void
the_request_to_the_origin_is_edited(void **state)
{
	struct weir_exchange *x = *state;

	option(x, "request_remove", "Cookie");
	option(x, "request_set", "X-Tier: gold");
	option(x, "request_add", "Accept-Language: fr");
	weir_add_field(x, WEIR_REQUEST, "Cookie", "a=b");
	weir_add_field(x, WEIR_UPSTREAM_REQUEST, "cookie", "a=b");
	weir_add_field(x, WEIR_UPSTREAM_REQUEST, "x-tier", "forged");
	weir_add_field(x, WEIR_UPSTREAM_REQUEST, "X-TIER", "twice");
	weir_add_field(x, WEIR_UPSTREAM_REQUEST, "Accept-Language", "en");
	assert_int_equal(fake_run(x, WEIR_PHASE_UPSTREAM_REQUEST), WEIR_NEXT);
	assert_null(fake_fields(x, WEIR_UPSTREAM_REQUEST, "Cookie"));
	assert_string_equal(fake_fields(x, WEIR_UPSTREAM_REQUEST, "X-Tier"), "gold");
	assert_string_equal(fake_fields(x, WEIR_UPSTREAM_REQUEST, "Accept-Language"), "en | fr");
	assert_string_equal(fake_fields(x, WEIR_REQUEST, "Cookie"), "a=b");
}

static void
the_response_is_edited(void **state)
{
	struct weir_exchange *x = *state;

	option(x, "response_remove", "Server");
	option(x, "response_set", "Strict-Transport-Security: max-age=63072000; includeSubDomains");
	option(x, "response_add", "Vary: Origin");
	weir_add_field(x, WEIR_RESPONSE, "Server", "origin/1");
	weir_add_field(x, WEIR_RESPONSE, "Vary", "Accept");
	fake_run(x, WEIR_PHASE_RESPONSE);
	assert_null(fake_fields(x, WEIR_RESPONSE, "Server"));
	assert_string_equal(fake_fields(x, WEIR_RESPONSE, "Vary"), "Accept | Origin");
	assert_string_equal(fake_fields(x, WEIR_RESPONSE, "Strict-Transport-Security"),
		"max-age=63072000; includeSubDomains");
}

static void
removals_come_first_and_additions_last(void **state)
{
	struct weir_exchange *x = *state;

	option(x, "response_add", "X-A: 3");
	option(x, "response_set", "X-A: 2");
	option(x, "response_remove", "X-A");
	weir_add_field(x, WEIR_RESPONSE, "X-A", "1");
	fake_run(x, WEIR_PHASE_RESPONSE);
	assert_string_equal(fake_fields(x, WEIR_RESPONSE, "X-A"), "2 | 3");
}

static void
values_hold_variables(void **state)
{
	struct weir_exchange *x = *state;

	option(x, "request_set", "X-Url:${scheme}://${host}${path}");
	option(x, "response_set", "X-Echo:  [${request.x-id}]");
	weir_add_field(x, WEIR_REQUEST, "X-Id", "42");
	fake_target(x, "example.com:8080", "/a", NULL);
	fake_run(x, WEIR_PHASE_UPSTREAM_REQUEST);
	fake_run(x, WEIR_PHASE_RESPONSE);
	assert_string_equal(fake_fields(x, WEIR_UPSTREAM_REQUEST, "X-Url"), "http://example.com/a");
	assert_string_equal(fake_fields(x, WEIR_RESPONSE, "X-Echo"), "[42]");
}

static void
a_value_may_be_empty_or_hold_colons(void **state)
{
	struct weir_exchange *x = *state;

	option(x, "response_set", "X-Empty:");
	option(x, "response_set", "Link: <https://example.com/>; rel=\"next\"");
	fake_run(x, WEIR_PHASE_RESPONSE);
	assert_string_equal(fake_fields(x, WEIR_RESPONSE, "X-Empty"), "");
	assert_string_equal(fake_fields(x, WEIR_RESPONSE, "Link"), "<https://example.com/>; rel=\"next\"");
}

static void
framing_fields_are_refused(void **state)
{
	static const char *const names[] = { "Connection", "content-length", "KEEP-ALIVE", "Proxy-Connection",
		"TE", "Trailer", "Transfer-Encoding", "upgrade", "Host" };
	static const char *const keys[] = { "request_set", "request_add", "response_set", "response_add" };
	struct weir_exchange *x = *state;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_non_null(fake_option(x, "request_remove", names[i]));
		assert_non_null(fake_option(x, "response_remove", names[i]));
		for (size_t k = 0; k < sizeof(keys) / sizeof(keys[0]); k++)
			assert_non_null(fake_option(x, keys[k], weir_printf(x, "%s: 1", names[i])));
	}
	assert_non_null(strstr(fake_option(x, "request_set", "Host: a"), "[upstream]"));
	option(x, "request_set", "T: like TE, only shorter");
}

static void
what_is_no_field_is_refused(void **state)
{
	static const char *const bad[] = { "", "X-A", "X-A = b", ": b", "X A: b", "X-A : b", "X\"A: b",
		"X-\xc3\x9f: b", "X-A: ${nonsense}" };
	struct weir_exchange *x = *state;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		x->error = NULL;
		if (fake_option(x, "request_set", bad[i]) == NULL && x->error == NULL)
			fail_msg("`%s` was taken for a field", bad[i]);
	}
	assert_non_null(fake_option(x, "request_remove", "X-A: b"));
	assert_non_null(fake_option(x, "request_remove", ""));
}

/* The core fails a request with a control character in a value; the module hands it what it was given. */
static void
a_control_character_from_a_variable_reaches_no_message(void **state)
{
	struct weir_exchange *x = *state;

	option(x, "response_set", "X-Query: ${query}");
	fake_target(x, "example.com", "/", "a\r\nSet-Cookie: b=c");
	fake_run(x, WEIR_PHASE_RESPONSE);
	assert_true(x->refused);
	assert_null(fake_fields(x, WEIR_RESPONSE, "X-Query"));
}

#define SCENE(NAME) cmocka_unit_test_setup_teardown(NAME, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest scenes[] = {
		SCENE(without_options_there_is_no_hook),
		SCENE(the_request_to_the_origin_is_edited),
		SCENE(the_response_is_edited),
		SCENE(removals_come_first_and_additions_last),
		SCENE(values_hold_variables),
		SCENE(a_value_may_be_empty_or_hold_colons),
		SCENE(framing_fields_are_refused),
		SCENE(what_is_no_field_is_refused),
		SCENE(a_control_character_from_a_variable_reaches_no_message),
	};

	return cmocka_run_group_tests_name("header", scenes, NULL, NULL);
}
