/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenes for respond: what is answered, where redirects lead, and which settings make no sense.
 */
#include <fake_exchange.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

extern const struct weir_module respond_LTX_weir_module;

static int
set_up(void **state)
{
	*state = fake_new(&respond_LTX_weir_module);
	return 0;
}

static int
tear_down(void **state)
{
	fake_free((struct weir_exchange **)state);
	return 0;
}

/* Set these options, NAME and VALUE by turns, and check them. NULL, or what is wrong. */
static const char *
configure(struct weir_exchange *x, const char *const *options)
{
	for (; *options != NULL; options += 2)
		assert_null(fake_option(x, options[0], options[1]));
	return fake_check(x);
}

#define CONFIGURE(x, ...) configure(x, (const char *const[]){ __VA_ARGS__, NULL })

static void
answers(struct weir_exchange *x, int status, const char *body)
{
	assert_int_equal(fake_run(x, WEIR_PHASE_CACHE), WEIR_RESPOND);
	assert_int_equal(x->status, status);
	assert_int_equal(x->body_length, strlen(body));
	assert_memory_equal(x->body, body, strlen(body));
}

static void
a_route_that_sets_nothing_has_no_hook(void **state)
{
	struct weir_exchange *x = *state;

	assert_null(CONFIGURE(x, "type", "text/html"));
	assert_int_equal(fake_run(x, WEIR_PHASE_CACHE), WEIR_NEXT);
}

static void
a_body_is_answered_with_200(void **state)
{
	struct weir_exchange *x = *state;

	assert_null(CONFIGURE(x, "body", "hello ${host}"));
	answers(x, 200, "hello example.com");
	assert_string_equal(x->type, "text/plain; charset=utf-8");
}

static void
a_status_may_stand_alone(void **state)
{
	struct weir_exchange *x = *state;

	assert_null(CONFIGURE(x, "status", "204"));
	answers(x, 204, "");
	assert_null(x->type);
}

static void
an_empty_body_is_a_body(void **state)
{
	struct weir_exchange *x = *state;

	assert_null(CONFIGURE(x, "body", ""));
	answers(x, 200, "");
}

static void
status_type_and_body_go_together(void **state)
{
	struct weir_exchange *x = *state;

	assert_null(CONFIGURE(x, "status", "503", "type", "text/html", "body", "<p>Back soon.</p>"));
	answers(x, 503, "<p>Back soon.</p>");
	assert_string_equal(x->type, "text/html");
}

/* Write a file of `length` bytes, all 'x' but for a NUL in front, and set it as body_file. */
static const char *
with_file(struct weir_exchange *x, size_t length)
{
	char path[] = "/tmp/test_respond.XXXXXX", *content = calloc(1, length + 1);
	int file = mkstemp(path);
	const char *why;

	assert_true(file >= 0);
	assert_non_null(content);
	memset(content + 1, 'x', length);
	assert_int_equal(write(file, content, length), length);
	close(file);
	free(content);
	why = CONFIGURE(x, "body_file", path);
	unlink(path);
	return why;
}

static void
a_file_is_read_when_settings_are_checked(void **state)
{
	struct weir_exchange *x = *state;

	assert_null(with_file(x, 3));
	assert_int_equal(fake_run(x, WEIR_PHASE_CACHE), WEIR_RESPOND);
	assert_int_equal(x->status, 200);
	assert_int_equal(x->body_length, 3);
	assert_memory_equal(x->body, "\0xx", 3);
}

static void
a_file_has_at_most_a_mebibyte(void **state)
{
	struct weir_exchange *x = *state;

	assert_null(with_file(x, 1 << 20));
	assert_int_equal(fake_run(x, WEIR_PHASE_CACHE), WEIR_RESPOND);
	assert_int_equal(x->body_length, 1 << 20);
	assert_non_null(strstr(with_file(x, (1 << 20) + 1), "larger than 1 MiB"));
}

static void
what_is_no_file_is_reported(void **state)
{
	struct weir_exchange *x = *state;
	char fifo[] = "/tmp/test_respond.XXXXXX";

	assert_non_null(strstr(CONFIGURE(x, "body_file", "/nonexistent/file"), "/nonexistent/file"));
	assert_non_null(strstr(CONFIGURE(x, "body_file", "/tmp"), "not a regular file"));
	assert_non_null(mkdtemp(fifo));
	rmdir(fifo);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	assert_non_null(strstr(CONFIGURE(x, "body_file", fifo), "not a regular file"));
	unlink(fifo);
}

/* Where the redirect leads for a request of this target. */
static const char *
location(struct weir_exchange *x, const char *path, const char *query)
{
	fake_next_request(x);
	fake_target(x, "example.com", path, query);
	assert_int_equal(fake_run(x, WEIR_PHASE_CACHE), WEIR_RESPOND);
	assert_false(x->refused);
	return fake_fields(x, WEIR_RESPONSE, "Location");
}

static void
a_redirect_is_302_unless_told(void **state)
{
	struct weir_exchange *x = *state;

	assert_null(CONFIGURE(x, "redirect", "https://${host}${target}"));
	assert_string_equal(location(x, "/a", "b=c"), "https://example.com/a?b=c");
	assert_int_equal(x->status, 302);
	assert_null(CONFIGURE(x, "status", "308"));
	assert_string_equal(location(x, "/", NULL), "https://example.com/");
	assert_int_equal(x->status, 308);
}

static void
a_redirect_cannot_be_broken_out_of(void **state)
{
	struct weir_exchange *x = *state;

	assert_null(CONFIGURE(x, "redirect", "https://example.com/?q=${query}"));
	assert_string_equal(location(x, "/", "a\r\nSet-Cookie: b=c"),
		"https://example.com/?q=a%0D%0ASet-Cookie:%20b=c");
	assert_string_equal(location(x, "/", "\"<>\\^`{|}\x7f"),
		"https://example.com/?q=%22%3C%3E%5C%5E%60%7B%7C%7D%7F");
	assert_string_equal(location(x, "/", "\xc3\xa9%C3%A9"), "https://example.com/?q=%C3%A9%C3%A9");
}

static void
a_path_cannot_become_a_host(void **state)
{
	struct weir_exchange *x = *state;

	assert_null(CONFIGURE(x, "redirect", "${path}index.html"));
	assert_string_equal(location(x, "//evil.example/", NULL), "/evil.example/index.html");
	assert_string_equal(location(x, "///evil.example/", NULL), "/evil.example/index.html");
	assert_string_equal(location(x, "/\\evil.example/", NULL), "/%5Cevil.example/index.html");
}

static void
a_host_that_the_operator_wrote_stays(void **state)
{
	struct weir_exchange *x = *state;

	assert_null(CONFIGURE(x, "redirect", "//cdn.example${path}"));
	assert_string_equal(location(x, "/a", NULL), "//cdn.example/a");
}

static void
settings_that_contradict_are_errors(void **state)
{
	static const char *const bad[][5] = {
		{ "status", "301" },
		{ "status", "200", "redirect", "/" },
		{ "status", "304", "body", "x" },
		{ "status", "204", "body", "x" },
		{ "status", "205", "body", "" },
	};
	struct weir_exchange *x;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		x = fake_new(&respond_LTX_weir_module);
		assert_non_null(configure(x, bad[i]));
		fake_free(&x);
	}
}

static void
a_status_is_of_a_final_response(void **state)
{
	assert_non_null(fake_option(*state, "status", "101"));
	assert_non_null(fake_option(*state, "status", "600"));
	assert_non_null(fake_option(*state, "redirect", ""));
}

/* Settings of a route begin as a copy of the defaults, which were checked before. */
static void
settings_may_be_checked_again(void **state)
{
	struct weir_exchange *x = *state;

	assert_null(CONFIGURE(x, "body", "moved"));
	assert_null(CONFIGURE(x, "redirect", "/there"));
	answers(x, 302, "moved");
}

#define SCENE(NAME) cmocka_unit_test_setup_teardown(NAME, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest scenes[] = {
		SCENE(a_route_that_sets_nothing_has_no_hook),
		SCENE(a_body_is_answered_with_200),
		SCENE(a_status_may_stand_alone),
		SCENE(an_empty_body_is_a_body),
		SCENE(status_type_and_body_go_together),
		SCENE(a_file_is_read_when_settings_are_checked),
		SCENE(a_file_has_at_most_a_mebibyte),
		SCENE(what_is_no_file_is_reported),
		SCENE(a_redirect_is_302_unless_told),
		SCENE(a_redirect_cannot_be_broken_out_of),
		SCENE(a_path_cannot_become_a_host),
		SCENE(a_host_that_the_operator_wrote_stays),
		SCENE(settings_that_contradict_are_errors),
		SCENE(a_status_is_of_a_final_response),
		SCENE(settings_may_be_checked_again),
	};

	return cmocka_run_group_tests_name("respond", scenes, NULL, NULL);
}
