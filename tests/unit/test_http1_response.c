/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenes for the response parser: how a body ends, whether the connection lives on, and what is 502.
 */
#include "http1_scenes.h"

static struct arena arena;
static struct response response;
static const char *why;

static int
end(void **state)
{
	(void)state;
	arena_free(&arena);
	return 0;
}

static int
parse(enum method method, char *bytes, size_t length, size_t seen)
{
	arena_free(&arena);
	arena_init(&arena, NULL, 0);
	why = NULL;
	return http1_parse_response(&response, method, bytes, length, seen, &usual_limits, &arena, &why);
}

/* The response in one line: "200 OK 1.1 keep length=1|Field: value" */
static const char *
shown(void)
{
	static const char *const framings[] = { "none", "length", "chunked", "until-close" };
	static char text[8192];

	snprintf(text, sizeof(text), "%d %s 1.%d %s %s", response.status, response.reason, response.minor,
		response.keep_alive ? "keep" : "close", framings[response.framing]);
	if (response.has_length)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "=%ju", (uintmax_t)response.length);
	show_fields(text, sizeof(text), &response.fields);
	return text;
}

static void
expect_good(enum method method, const char *bytes, size_t length, const char *expected)
{
	char *whole = exact_copy(bytes, length), *cut;

	assert_int_equal(parse(method, whole, length, 0), length);
	assert_string_equal(shown(), expected);
	for (size_t at = 0; at < length; at++) {
		memcpy(whole, bytes, length);
		cut = exact_copy(bytes, at);
		assert_int_equal(parse(method, cut, at, 0), 0);
		free(cut);
		assert_int_equal(parse(method, whole, length, at), length);
		assert_string_equal(shown(), expected);
	}
	memcpy(whole, bytes, length);
	for (size_t at = 1; at < length; at++)
		assert_int_equal(parse(method, whole, at, at - 1), 0);
	assert_int_equal(parse(method, whole, length, length - 1), length);
	assert_string_equal(shown(), expected);
	free(whole);
}

static void
expect_bad(const char *bytes, size_t length)
{
	char *whole = exact_copy(bytes, length);
	int result = parse(METHOD_GET, whole, length, 0);

	if (result != -502)
		fail_msg("%d instead of -502 for:\n%s", result, bytes);
	assert_non_null(why);
	assert_memory_equal(whole, bytes, length);
	assert_string_equal(response.reason, "");
	for (size_t at = 0; at < length; at++) {
		result = parse(METHOD_GET, whole, at, 0);
		if (result == 0)
			result = parse(METHOD_GET, whole, length, at);
		assert_int_equal(result, -502);
	}
	free(whole);
}

static void
status_lines_are_read(void **state)
{
	(void)state;
	expect_good(METHOD_GET, TEXT("HTTP/1.1 200 OK\r\n\r\n"), "200 OK 1.1 close until-close");
	expect_good(METHOD_GET, TEXT("HTTP/1.1 200 \r\n\r\n"), "200  1.1 close until-close");
	expect_good(METHOD_GET, TEXT("HTTP/1.1 200\r\n\r\n"), "200  1.1 close until-close");
	expect_good(METHOD_GET, TEXT("HTTP/1.9 599 a\tb \xc3\xa9 \r\n\r\n"), "599 a\tb \xc3\xa9  1.1 close until-close");
	expect_good(METHOD_GET, TEXT("HTTP/1.0 404 Not Found\r\nServer: x\r\n\r\n"),
		"404 Not Found 1.0 close until-close|Server: x");
}

static void
bodies_end_as_the_fields_say(void **state)
{
	(void)state;
	expect_good(METHOD_GET, TEXT("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"),
		"200 OK 1.1 keep length=5|Content-Length: 5");
	expect_good(METHOD_GET, TEXT("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
		"200 OK 1.1 close length=0|Content-Length: 0|Connection: close");
	expect_good(METHOD_GET, TEXT("HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n"),
		"200 OK 1.1 keep chunked|Transfer-Encoding: Chunked");
	expect_good(METHOD_GET, TEXT("HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n"),
		"200 OK 1.0 close length=5|Content-Length: 5");
	expect_good(METHOD_GET, TEXT("HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: Keep-Alive\r\n\r\n"),
		"200 OK 1.0 keep length=5|Content-Length: 5|Connection: Keep-Alive");
	expect_good(METHOD_GET, TEXT("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n"),
		"200 OK 1.0 close until-close|Connection: keep-alive");
}

static void
some_heads_have_no_body_whatever_they_say(void **state)
{
	(void)state;
	expect_good(METHOD_HEAD, TEXT("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"),
		"200 OK 1.1 keep none=5|Content-Length: 5");
	expect_good(METHOD_HEAD, TEXT("HTTP/1.1 200 OK\r\n\r\n"), "200 OK 1.1 keep none");
	expect_good(METHOD_HEAD, TEXT("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
		"200 OK 1.1 keep none|Transfer-Encoding: chunked");
	expect_good(METHOD_GET, TEXT("HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n"),
		"304 Not Modified 1.1 keep none=7|Content-Length: 7");
	expect_good(METHOD_GET, TEXT("HTTP/1.1 204 No Content\r\n\r\n"), "204 No Content 1.1 keep none");
	expect_good(METHOD_GET, TEXT("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"),
		"204 No Content 1.1 keep none=0|Content-Length: 0");
	expect_good(METHOD_GET, TEXT("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"), "103 Early Hints 1.1 keep none|Link: x");
	expect_good(METHOD_GET, TEXT("HTTP/1.1 100 Continue\r\n\r\n"), "100 Continue 1.1 keep none");
}

static void
a_204_that_announces_a_body_ends_its_connection(void **state)
{
	(void)state;
	expect_good(METHOD_GET, TEXT("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n"),
		"204 No Content 1.1 close none=5|Content-Length: 5");
	expect_good(METHOD_GET, TEXT("HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n"),
		"204 No Content 1.1 close none|Transfer-Encoding: chunked");
}

static void
what_becomes_a_tunnel_is_never_used_again(void **state)
{
	(void)state;
	expect_good(METHOD_GET, TEXT("HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"),
		"101 Switching 1.1 close none|Connection: upgrade|Upgrade: x");
	expect_good(METHOD_CONNECT, TEXT("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"),
		"200 OK 1.1 close none=5|Content-Length: 5");
	expect_good(METHOD_CONNECT, TEXT("HTTP/1.1 407 Who\r\nContent-Length: 5\r\n\r\n"),
		"407 Who 1.1 keep length=5|Content-Length: 5");
}

static void
malformed_responses_are_refused(void **state)
{
	static const struct text heads[] = {
		{ TEXT("HTTP/2.0 200 OK\r\n\r\n") }, { TEXT("HTTP/1.10 200 OK\r\n\r\n") }, { TEXT("http/1.1 200 OK\r\n\r\n") },
		{ TEXT("ICY 200 OK\r\n\r\n") }, { TEXT("\r\nHTTP/1.1 200 OK\r\n\r\n") }, { TEXT("HTTP/1.1  200 OK\r\n\r\n") },
		{ TEXT("HTTP/1.1 20 OK\r\n\r\n") }, { TEXT("HTTP/1.1 2000 OK\r\n\r\n") }, { TEXT("HTTP/1.1 099 OK\r\n\r\n") },
		{ TEXT("HTTP/1.1 600 OK\r\n\r\n") }, { TEXT("HTTP/1.1 2x0 OK\r\n\r\n") }, { TEXT("HTTP/1.1 200OK\r\n\r\n") },
		{ TEXT("HTTP/1.1 200\tOK\r\n\r\n") }, { TEXT("HTTP/1.1\t200 OK\r\n\r\n") }, { TEXT("HTTP/1.1 200 O\0K\r\n\r\n") },
		{ TEXT("HTTP/1.1 200 OK\n\r\n") }, { TEXT("HTTP/1.1 200\n\r\n\r\n") }, { TEXT("HTTP/1.1 200 OK\r\n\n") },
		{ TEXT("HTTP/1.1 200 O\rK\r\n\r\n") }, { TEXT("HTTP/1.1 -20 OK\r\n\r\n") }, { TEXT("HTTP/1.1\r\n\r\n\r\n") },
		{ TEXT("HTTP/1.1\r\n\r\n") }, { TEXT("HTTP/1.1 \r\n\r\n") }, { TEXT("HTTP/1.1 2\r\n\r\n") },
		{ TEXT("HTTP/1.1 200 OK\r\nA: b\n\r\n") }, { TEXT("HTTP/1.1 200 OK\r\nA : b\r\n\r\n") },
		{ TEXT("HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n") }, { TEXT("HTTP/1.1 200 OK\r\nA: b\r\n\tc\r\n\r\n") },
		{ TEXT("HTTP/1.1 200 OK\r\nA: b\0c\r\n\r\n") }, { TEXT("HTTP/1.1 200 OK\r\n: b\r\n\r\n") },
		{ TEXT("HTTP/1.1 200 OK\r\nA\r\n\r\n") }, { TEXT("HTTP/1.1 200 OK\r\nA: b\rc\r\n\r\n") },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
		expect_bad(heads[i].bytes, heads[i].length);
}

static void
bad_framing_is_refused(void **state)
{
	static const char *const fields[] = {
		"Content-Length: 1\r\nContent-Length: 1", "Content-Length: 1\r\nTransfer-Encoding: chunked",
		"Content-Length: +1", "Content-Length: 1,1", "Content-Length:", "Content-Length: 9223372036854775808",
		"Transfer-Encoding: gzip, chunked", "Transfer-Encoding: identity", "Transfer-Encoding:",
		"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
	};
	static const char *const lines[] = { "200 OK", "304 Not Modified", "204 No Content", "103 Early Hints" };
	char head[200];

	(void)state;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		for (size_t j = 0; j < sizeof(lines) / sizeof(lines[0]); j++) {
			int length = snprintf(head, sizeof(head), "HTTP/1.1 %s\r\n%s\r\n\r\n", lines[j], fields[i]);

			expect_bad(head, (size_t)length);
		}
	expect_bad(TEXT("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"));
	expect_bad(TEXT("HTTP/1.1 100 Continue\r\nContent-Length: 1\r\n\r\n"));
	expect_bad(TEXT("HTTP/1.1 101 Switching\r\nTransfer-Encoding: chunked\r\n\r\n"));
}

static void
heads_past_a_limit_are_refused(void **state)
{
	static const char head[] = "HTTP/1.1 200 OK\r\nA: 1\r\nB: 2\r\n\r\n";
	struct http1_limits limits = { .head_size = sizeof(head) - 1, .fields = 2 };
	char *bytes = exact_copy(head, sizeof(head) - 1);

	(void)state;
	arena_init(&arena, NULL, 0);
	assert_int_equal(http1_parse_response(&response, METHOD_GET, bytes, sizeof(head) - 1, 0, &limits, &arena, &why),
		sizeof(head) - 1);
	memcpy(bytes, head, sizeof(head) - 1);
	limits.head_size--;
	assert_int_equal(http1_parse_response(&response, METHOD_GET, bytes, sizeof(head) - 1, 0, &limits, &arena, &why),
		-502);
	assert_string_equal(why, "head is too large");
	limits.head_size++;
	limits.fields = 1;
	assert_int_equal(http1_parse_response(&response, METHOD_GET, bytes, sizeof(head) - 1, 0, &limits, &arena, &why),
		-502);
	assert_string_equal(why, "too many fields");
	free(bytes);
}

#define SCENE(name) cmocka_unit_test_teardown(name, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE(status_lines_are_read),
		SCENE(bodies_end_as_the_fields_say),
		SCENE(some_heads_have_no_body_whatever_they_say),
		SCENE(a_204_that_announces_a_body_ends_its_connection),
		SCENE(what_becomes_a_tunnel_is_never_used_again),
		SCENE(malformed_responses_are_refused),
		SCENE(bad_framing_is_refused),
		SCENE(heads_past_a_limit_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
