/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenes for the writers: what goes out has one framing, and no more room is used than there is.
 */
#include "http1_scenes.h"

static struct arena arena;
static struct request request;
static struct response response;

static int
begin(void **state)
{
	(void)state;
	arena_init(&arena, NULL, 0);
	request_init(&request, &arena);
	response_init(&response, &arena);
	request.method_name = "GET";
	request.path = "/";
	response.status = 200;
	response.reason = "OK";
	return 0;
}

static int
end(void **state)
{
	(void)state;
	arena_free(&arena);
	return 0;
}

static void
add(struct fields *fields, const char *name, const char *value)
{
	assert_true(fields_add(fields, name, strlen(name), value, strlen(value)));
}

/* What a writer wrote into exactly as much room as it needs; with less it writes nothing. */
static void
expect_request(bool keep_alive, const char *expected)
{
	size_t length = strlen(expected);

	for (size_t room = 0; room <= length; room++) {
		char *to = malloc(room > 0 ? room : 1);

		assert_int_equal(http1_write_request(to, room, &request, keep_alive), room == length ? length : 0);
		if (room == length)
			assert_memory_equal(to, expected, length);
		free(to);
	}
}

static void
expect_response(bool keep_alive, int minor, const char *upgrade, const char *expected)
{
	size_t length = strlen(expected);
	char text[1024];

	for (size_t room = 0; room <= length; room++) {
		char *to = malloc(room > 0 ? room : 1);
		size_t written = http1_write_response(to, room, &response, keep_alive, minor, upgrade);

		if (room < length) {
			assert_int_equal(written, 0);
		} else {
			snprintf(text, sizeof(text), "%.*s", (int)written, to);
			assert_string_equal(text, expected);
		}
		free(to);
	}
}

static void
requests_are_written(void **state)
{
	(void)state;
	add(&request.fields, "Accept", "*/*");
	add(&request.fields, "Host", "a:80");
	request.query = "q=1";
	expect_request(true, "GET /?q=1 HTTP/1.1\r\nHost: a:80\r\nAccept: */*\r\n\r\n");
	request.framing = FRAMING_LENGTH;
	request.length = UINT64_MAX;
	expect_request(false, "GET /?q=1 HTTP/1.1\r\nHost: a:80\r\nAccept: */*\r\nContent-Length: 18446744073709551615\r\n"
		"Connection: close\r\n\r\n");
}

static void
every_form_of_target_has_its_line(void **state)
{
	(void)state;
	request.authority = "a:1";
	expect_request(true, "GET / HTTP/1.1\r\nHost: a:1\r\n\r\n");
	request.form = TARGET_ABSOLUTE;
	request.query = "";
	expect_request(true, "GET /? HTTP/1.1\r\nHost: a:1\r\n\r\n");
	request.method_name = "OPTIONS";
	request.form = TARGET_ASTERISK;
	request.path = "*";
	request.query = NULL;
	expect_request(true, "OPTIONS * HTTP/1.1\r\nHost: a:1\r\n\r\n");
	request.method_name = "CONNECT";
	request.form = TARGET_AUTHORITY;
	request.path = "";
	expect_request(true, "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n");
}

static void
what_a_client_said_of_framing_never_goes_out(void **state)
{
	static const char *const names[] = {
		"Content-Length", "Transfer-Encoding", "Connection", "Keep-Alive", "Upgrade", "content-length",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		add(&request.fields, names[i], "1");
		add(&response.fields, names[i], "1");
	}
	expect_request(true, "GET / HTTP/1.1\r\nHost: \r\n\r\n");
	response.framing = FRAMING_LENGTH;
	expect_response(true, 1, NULL, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	request.framing = FRAMING_CHUNKED;
	response.framing = FRAMING_CHUNKED;
	expect_request(true, "GET / HTTP/1.1\r\nHost: \r\nTransfer-Encoding: chunked\r\n\r\n");
	expect_response(true, 1, NULL, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
}

static void
upgrades_are_asked_for_and_granted(void **state)
{
	(void)state;
	request.upgrade = "websocket";
	expect_request(false, "GET / HTTP/1.1\r\nHost: \r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
	response.status = 101;
	response.reason = NULL;
	expect_response(false, 1, "websocket",
		"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
	response.status = 426;
	response.framing = FRAMING_LENGTH;
	expect_response(false, 1, "x",
		"HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\nConnection: close, upgrade\r\nUpgrade: x\r\n\r\n");
}

static void
connection_is_said_when_it_is_not_the_default(void **state)
{
	(void)state;
	response.framing = FRAMING_LENGTH;
	response.length = 5;
	add(&response.fields, "Server", "x");
	expect_response(true, 1, NULL, "HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 5\r\n\r\n");
	expect_response(false, 1, NULL, "HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 5\r\nConnection: close\r\n\r\n");
	expect_response(true, 0, NULL,
		"HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\n");
	expect_response(false, 0, NULL, "HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 5\r\nConnection: close\r\n\r\n");
	response.framing = FRAMING_CLOSE;
	expect_response(true, 1, NULL, "HTTP/1.1 200 OK\r\nServer: x\r\nConnection: close\r\n\r\n");
}

static void
heads_without_a_body_carry_no_framing(void **state)
{
	(void)state;
	response.framing = FRAMING_LENGTH;
	response.length = 5;
	response.reason = NULL;
	response.status = 204;
	expect_response(true, 1, NULL, "HTTP/1.1 204 No Content\r\n\r\n");
	expect_response(false, 1, NULL, "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
	response.status = 103;
	expect_response(false, 1, NULL, "HTTP/1.1 103 Early Hints\r\n\r\n");
	response.status = 304;
	expect_response(true, 1, NULL, "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n");
	response.framing = FRAMING_NONE;
	expect_response(true, 1, NULL, "HTTP/1.1 304 Not Modified\r\n\r\n");
	response.status = 299;
	response.reason = "";
	expect_response(true, 1, NULL, "HTTP/1.1 299 \r\n\r\n");
}

static void
chunk_headers_are_plain_hexadecimal(void **state)
{
	static const struct {
		uint64_t length;
		const char *text;
	} scenes[] = {
		{ 0, "0\r\n" }, { 9, "9\r\n" }, { 0x1a2b, "1a2b\r\n" }, { UINT64_MAX, "ffffffffffffffff\r\n" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(scenes) / sizeof(scenes[0]); i++) {
		char to[HTTP1_CHUNK_HEADER];

		assert_int_equal(http1_write_chunk_header(to, scenes[i].length), strlen(scenes[i].text));
		assert_memory_equal(to, scenes[i].text, strlen(scenes[i].text));
	}
}

static void
the_last_chunk_carries_the_trailers(void **state)
{
	struct fields trailers;
	char to[100];

	(void)state;
	assert_int_equal(http1_write_last_chunk(to, 5, NULL), 5);
	assert_memory_equal(to, "0\r\n\r\n", 5);
	assert_int_equal(http1_write_last_chunk(to, 4, NULL), 0);
	fields_init(&trailers, &arena);
	add(&trailers, "X-Sum", "1");
	add(&trailers, "Content-Length", "1");
	assert_int_equal(http1_write_last_chunk(to, sizeof(to), &trailers), 15);
	assert_memory_equal(to, "0\r\nX-Sum: 1\r\n\r\n", 15);
	assert_int_equal(http1_write_last_chunk(to, 14, &trailers), 0);
}

static void
what_was_read_is_what_is_written(void **state)
{
	static const char head[] = "POST /a/../%7eb?c HTTP/1.1\r\nConnection: keep-alive\r\nHost: EXAMPLE.com\r\nX: y \r\n"
		"Content-Length: 007\r\n\r\n";
	static const char out[] = "POST /~b?c HTTP/1.1\r\nHost: example.com\r\nX: y\r\nContent-Length: 7\r\n\r\n";
	char *bytes = exact_copy(head, sizeof(head) - 1);
	const char *why;

	(void)state;
	assert_int_equal(http1_parse_request(&request, bytes, sizeof(head) - 1, 0, &usual_limits, &arena, &why),
		sizeof(head) - 1);
	expect_request(true, out);
	free(bytes);
}

#define SCENE(name) cmocka_unit_test_setup_teardown(name, begin, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE(requests_are_written),
		SCENE(every_form_of_target_has_its_line),
		SCENE(what_a_client_said_of_framing_never_goes_out),
		SCENE(upgrades_are_asked_for_and_granted),
		SCENE(connection_is_said_when_it_is_not_the_default),
		SCENE(heads_without_a_body_carry_no_framing),
		SCENE(chunk_headers_are_plain_hexadecimal),
		SCENE(the_last_chunk_carries_the_trailers),
		SCENE(what_was_read_is_what_is_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
