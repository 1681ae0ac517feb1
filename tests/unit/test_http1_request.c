/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenes for the request parser: what a good head means, and which heads are refused and how.
 */
#include "http1_scenes.h"

static struct arena arena;
static struct request request;
static const char *why;

static int
end(void **state)
{
	(void)state;
	arena_free(&arena);
	return 0;
}

static int
parse(char *bytes, size_t length, size_t seen)
{
	arena_free(&arena);
	arena_init(&arena, NULL, 0);
	why = NULL;
	return http1_parse_request(&request, bytes, length, seen, &usual_limits, &arena, &why);
}

/* The request in one line: "GET /path?query authority=a host=h port=80 ..." */
static const char *
shown(void)
{
	static const char *const forms[] = { "origin", "absolute", "authority", "asterisk" };
	static char text[8192];

	snprintf(text, sizeof(text), "%s %s%s%s %s a=%s h=%s p=%d 1.%d %s%s%s%s", request.method_name, request.path,
		request.query != NULL ? "?" : "", request.query != NULL ? request.query : "", forms[request.form],
		request.authority, request.host, request.port, request.minor, request.keep_alive ? "keep" : "close",
		request.expect_continue ? " expect" : "", request.upgrade != NULL ? " upgrade=" : "",
		request.upgrade != NULL ? request.upgrade : "");
	if (request.framing == FRAMING_LENGTH)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), " length=%ju", (uintmax_t)request.length);
	if (request.framing == FRAMING_CHUNKED)
		strcat(text, " chunked");
	assert_int_not_equal(request.framing, FRAMING_CLOSE);
	show_fields(text, sizeof(text), &request.fields);
	return text;
}

static void
expect_good(const char *bytes, size_t length, const char *expected)
{
	char *whole = exact_copy(bytes, length), *cut;

	assert_int_equal(parse(whole, length, 0), length);
	assert_string_equal(shown(), expected);
	for (size_t at = 0; at < length; at++) {
		memcpy(whole, bytes, length);
		cut = exact_copy(bytes, at);
		if (parse(cut, at, 0) != 0)
			fail_msg("cut at %zu: %s", at, why);
		assert_memory_equal(cut, bytes, at);
		free(cut);
		assert_int_equal(parse(whole, length, at), length);
		assert_string_equal(shown(), expected);
	}
	memcpy(whole, bytes, length);
	for (size_t at = 1; at < length; at++)
		assert_int_equal(parse(whole, at, at - 1), 0);
	assert_int_equal(parse(whole, length, length - 1), length);
	assert_string_equal(shown(), expected);
	free(whole);
}

static void
expect_bad(const char *bytes, size_t length, int status)
{
	char *whole = exact_copy(bytes, length);
	int result = parse(whole, length, 0);

	if (result != -status)
		fail_msg("%d instead of %d for:\n%s", result, -status, bytes);
	assert_non_null(why);
	assert_memory_equal(whole, bytes, length);
	assert_string_equal(request.method_name, "");
	assert_int_equal(request.fields.count, 0);
	for (size_t at = 0; at < length; at++) {
		result = parse(whole, at, 0);
		if (result == 0)
			result = parse(whole, length, at);
		if (result != -status)
			fail_msg("cut at %zu: %d instead of %d for:\n%s", at, result, -status, bytes);
		assert_memory_equal(whole, bytes, length);
	}
	free(whole);
}

static void
good_heads_mean_what_they_say(void **state)
{
	static const struct {
		struct text head;
		const char *meaning;
	} scenes[] = {
		{ { TEXT("GET / HTTP/1.1\r\nHost: a\r\n\r\n") },
			"GET / origin a=a h=a p=-1 1.1 keep|Host: a" },
		{ { TEXT("GET /x/y.html?q=1&r=%zz HTTP/1.1\r\nHost: Example.COM:8080\r\nAccept: */*\r\n\r\n") },
			"GET /x/y.html?q=1&r=%zz origin a=example.com:8080 h=example.com p=8080 1.1 keep"
			"|Host: example.com:8080|Accept: */*" },
		{ { TEXT("\r\nGET /? HTTP/1.1\r\nhost:a\r\n\r\n") },
			"GET /? origin a=a h=a p=-1 1.1 keep|host: a" },
		{ { TEXT("X-METHOD_1 / HTTP/1.1\r\nHost: [::1]:65535\r\n\r\n") },
			"X-METHOD_1 / origin a=[::1]:65535 h=[::1] p=65535 1.1 keep|Host: [::1]:65535" },
		{ { TEXT("GET / HTTP/1.1\r\nHost: [2001:DB8::A]\r\n\r\n") },
			"GET / origin a=[2001:db8::a] h=[2001:db8::a] p=-1 1.1 keep|Host: [2001:db8::a]" },
		{ { TEXT("GET / HTTP/1.1\r\nHost: under_score-1.example.\r\n\r\n") },
			"GET / origin a=under_score-1.example. h=under_score-1.example. p=-1 1.1 keep"
			"|Host: under_score-1.example." },
		{ { TEXT("GET / HTTP/1.0\r\n\r\n") }, "GET / origin a= h= p=-1 1.0 close" },
		{ { TEXT("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n") },
			"GET / origin a= h= p=-1 1.0 keep|Connection: Keep-Alive" },
		{ { TEXT("GET / HTTP/1.0\r\nConnection: keep-alive\r\nConnection: x, close\r\n\r\n") },
			"GET / origin a= h= p=-1 1.0 close|Connection: keep-alive|Connection: x, close" },
		{ { TEXT("GET / HTTP/1.7\r\nHost: a\r\nConnection: close\r\n\r\n") },
			"GET / origin a=a h=a p=-1 1.1 close|Host: a|Connection: close" },
		{ { TEXT("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n") },
			"POST / origin a=a h=a p=-1 1.1 keep length=0|Host: a|Content-Length: 0" },
		{ { TEXT("POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\t9223372036854775807 \r\n\r\n") },
			"POST / origin a=a h=a p=-1 1.1 keep length=9223372036854775807|Host: a"
			"|Content-Length: 9223372036854775807" },
		{ { TEXT("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0007\r\nExpect: 100-Continue\r\n\r\n") },
			"POST / origin a=a h=a p=-1 1.1 keep expect length=7|Host: a|Content-Length: 0007"
			"|Expect: 100-Continue" },
		{ { TEXT("GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n") },
			"GET / origin a=a h=a p=-1 1.1 keep|Host: a|Expect: 100-continue" },
		{ { TEXT("PUT / HTTP/1.0\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n") },
			"PUT / origin a= h= p=-1 1.0 close length=1|Content-Length: 1|Expect: 100-continue" },
		{ { TEXT("PUT / HTTP/1.1\r\nTransfer-Encoding: CHUNKED\r\nHost: a\r\nTE: trailers\r\n\r\n") },
			"PUT / origin a=a h=a p=-1 1.1 keep chunked|Transfer-Encoding: CHUNKED|Host: a|TE: trailers" },
		{ { TEXT("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n") },
			"OPTIONS * asterisk a=a h=a p=-1 1.1 keep|Host: a" },
		{ { TEXT("OPTIONS http://a HTTP/1.1\r\nHost: a\r\n\r\n") },
			"OPTIONS * absolute a=a h=a p=-1 1.1 keep|Host: a" },
		{ { TEXT("CONNECT A.example:443 HTTP/1.1\r\nHost: a.Example:443\r\nContent-Length: 0\r\n\r\n") },
			"CONNECT  authority a=a.example:443 h=a.example p=443 1.1 keep length=0|Host: a.example:443"
			"|Content-Length: 0" },
		{ { TEXT("CONNECT a:8443 HTTP/1.1\r\nHost: a\r\n\r\n") },
			"CONNECT  authority a=a:8443 h=a p=8443 1.1 keep|Host: a:8443" },
		{ { TEXT("CONNECT [::1]:1 HTTP/1.0\r\n\r\n") }, "CONNECT  authority a=[::1]:1 h=[::1] p=1 1.0 close" },
		{ { TEXT("GET / HTTP/1.1\r\nHost: a\r\nEmpty:\r\nBlank: \t \r\nTab: a\tb \t\r\nObs: \xc3\xa9\r\n\r\n") },
			"GET / origin a=a h=a p=-1 1.1 keep|Host: a|Empty: |Blank: |Tab: a\tb|Obs: \xc3\xa9" },
		{ { TEXT("GET / HTTP/1.1\r\nHost: a\r\nLong: 0123456789abcdef0123456789abcdef0123456789\r\n\r\n") },
			"GET / origin a=a h=a p=-1 1.1 keep|Host: a|Long: 0123456789abcdef0123456789abcdef0123456789" },
		{ { TEXT("GET / HTTP/1.1\r\n!#$%&'*+-.^_`|~0aZ: 1\r\nHost: a\r\nhOST2: b\r\n\r\n") },
			"GET / origin a=a h=a p=-1 1.1 keep|!#$%&'*+-.^_`|~0aZ: 1|Host: a|hOST2: b" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(scenes) / sizeof(scenes[0]); i++)
		expect_good(scenes[i].head.bytes, scenes[i].head.length, scenes[i].meaning);
}

static void
upgrades_are_seen_when_connection_names_them(void **state)
{
	(void)state;
	expect_good(TEXT("GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n"),
		"GET / origin a=a h=a p=-1 1.1 keep upgrade=websocket|Host: a|Connection: keep-alive, Upgrade"
		"|Upgrade: websocket");
	expect_good(TEXT("PUT / HTTP/1.1\r\nHost: a\r\nUpgrade: b\r\nConnection: upgrade\r\nContent-Length: 3\r\n\r\n"),
		"PUT / origin a=a h=a p=-1 1.1 keep upgrade=b length=3|Host: a|Upgrade: b|Connection: upgrade"
		"|Content-Length: 3");
	expect_good(TEXT("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n"),
		"GET / origin a=a h=a p=-1 1.1 keep|Host: a|Upgrade: websocket");
	expect_good(TEXT("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\n\r\n"),
		"GET / origin a=a h=a p=-1 1.1 keep|Host: a|Connection: upgrade");
	expect_good(TEXT("GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"),
		"GET / origin a= h= p=-1 1.0 close|Connection: upgrade|Upgrade: websocket");
}

static void
absolute_targets_agree_with_host_and_win(void **state)
{
	(void)state;
	expect_good(TEXT("GET HTTP://Example.com:80/a/../b?c HTTP/1.1\r\nHost: example.COM\r\n\r\n"),
		"GET /b?c absolute a=example.com:80 h=example.com p=80 1.1 keep|Host: example.com:80");
	expect_good(TEXT("GET https://a/x HTTP/1.1\r\nHost: a:443\r\n\r\n"),
		"GET /x absolute a=a h=a p=-1 1.1 keep|Host: a");
	expect_good(TEXT("GET http://a HTTP/1.1\r\nHost: a\r\n\r\n"), "GET / absolute a=a h=a p=-1 1.1 keep|Host: a");
	expect_good(TEXT("OPTIONS http://a?q HTTP/1.1\r\nHost: a\r\n\r\n"),
		"OPTIONS /?q absolute a=a h=a p=-1 1.1 keep|Host: a");
	expect_good(TEXT("GET http://a/ HTTP/1.0\r\n\r\n"), "GET / absolute a=a h=a p=-1 1.0 close");
	expect_bad(TEXT("GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n"), 400);
	expect_bad(TEXT("GET http://a/ HTTP/1.1\r\nHost: a:443\r\n\r\n"), 400);
	expect_bad(TEXT("GET https://a/ HTTP/1.1\r\nHost: a:80\r\n\r\n"), 400);
	expect_bad(TEXT("GET http://a/ HTTP/1.1\r\n\r\n"), 400);
	expect_bad(TEXT("GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
	expect_bad(TEXT("GET http://u:p@a/ HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
	expect_bad(TEXT("GET http:/// HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
	expect_bad(TEXT("GET http://a:x/ HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
	expect_bad(TEXT("GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
	expect_bad(TEXT("GET http:/a HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
	expect_bad(TEXT("GET http://a\\b/ HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
}

static void
paths_are_normalised(void **state)
{
	static const struct {
		const char *target, *path;
	} scenes[] = {
		{ "/a/./b", "/a/b" }, { "/a/../b", "/b" }, { "/a/..", "/" }, { "/a/.", "/a/" }, { "/./", "/" }, { "/.", "/" },
		{ "/a/b/../../c", "/c" }, { "//..", "/" }, { "//../a", "/a" }, { "/a//../b", "/a/b" }, { "/a//b", "/a//b" },
		{ "/..a", "/..a" }, { "/...", "/..." }, { "/.a/b.", "/.a/b." }, { "/a./", "/a./" },
		{ "/%41%7e%2D%5f%30", "/A~-_0" }, { "/%2f%c3%A9%20", "/%2F%C3%A9%20" }, { "/%25%32%65", "/%252e" },
		{ "/a/%2e%2E/b", "/b" }, { "/a/.%2e", "/" }, { "/%2e/a", "/a" }, { "/a/%2e%2e%2fb", "/a/..%2Fb" },
		{ "/a/%5c", "/a/%5C" }, { "/*", "/*" }, { "/a;b=c,d:@!$&'()+=", "/a;b=c,d:@!$&'()+=" },
		{ "/a|b\"<>^`{}[]", "/a|b\"<>^`{}[]" },
	};
	char head[200];

	(void)state;
	for (size_t i = 0; i < sizeof(scenes) / sizeof(scenes[0]); i++)
		for (int with_query = 0; with_query < 2; with_query++) {
			int length = snprintf(head, sizeof(head), "GET %s%s HTTP/1.1\r\nHost: a\r\n\r\n", scenes[i].target,
				with_query ? "?/../%2e" : "");
			char *bytes = exact_copy(head, (size_t)length);

			assert_int_equal(parse(bytes, (size_t)length, 0), length);
			assert_string_equal(request.path, scenes[i].path);
			if (with_query)
				assert_string_equal(request.query, "/../%2e");
			else
				assert_null(request.query);
			free(bytes);
		}
}

static void
bad_targets_are_refused(void **state)
{
	static const char *const targets[] = {
		"/..", "/../a", "/a/../..", "/a/%2e%2e/..", "/%2e%2e", "/./..", "/a/../../b",
		"/%", "/%4", "/%4g", "/%g4", "/a%", "/%00", "/a%00b", "/\\", "/a\\..\\b", "/\\41", "/a#b", "#", "/\x7f", "/\x01",
		"/\xc3\xa9", "/a\tb", "*", "**", "*/", "a", "a/b", "?", "?a", "a:80", "http:", "http://", "",
		"/ ", " /", "/a b",
	};
	char head[200];

	(void)state;
	for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
		int length = snprintf(head, sizeof(head), "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", targets[i]);

		expect_bad(head, (size_t)length, 400);
	}
	expect_bad(TEXT("GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
	expect_bad(TEXT("OPTIONS *x HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
	expect_bad(TEXT("CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
	expect_bad(TEXT("CONNECT * HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
	expect_bad(TEXT("CONNECT http://a/ HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
	expect_bad(TEXT("CONNECT a HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
	expect_bad(TEXT("CONNECT a:80 HTTP/1.1\r\nHost: b:80\r\n\r\n"), 400);
	expect_bad(TEXT("CONNECT a:80 HTTP/1.1\r\nHost: a:81\r\n\r\n"), 400);
	expect_bad(TEXT("CONNECT u@a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n"), 400);
	expect_bad(TEXT("CONNECT a:80/x HTTP/1.1\r\nHost: a:80\r\n\r\n"), 400);
	expect_bad(TEXT("CONNECT a:80 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n"), 400);
	expect_bad(TEXT("CONNECT a:80 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"), 400);
}

static void
bad_request_lines_are_refused(void **state)
{
	static const struct {
		const char *line;
		int status;
	} scenes[] = {
		{ "GET / HTTP/2.0", 505 }, { "GET / HTTP/0.9", 505 }, { "GET / HTTP/9.9", 505 },
		{ "GET / HTTP/1.", 400 }, { "GET / HTTP/1", 400 }, { "GET / HTTP/1.10", 400 }, { "GET / HTTP/11.1", 400 },
		{ "GET / HTTP/1.x", 400 }, { "GET / HTTP/-1.1", 400 }, { "GET / http/1.1", 400 }, { "GET / HTTPS/1.1", 400 },
		{ "GET / HTTP/1,1", 400 }, { "GET / HTTP 1.1", 400 }, { "GET / HTTP/1.1 ", 400 }, { "GET / HTTP/1.1\t", 400 },
		{ "GET / HTTP/1.1 x", 400 }, { "GET /", 400 }, { "GET / ", 400 }, { "GET", 400 }, { "", 400 },
		{ "GET  / HTTP/1.1", 400 }, { "GET /  HTTP/1.1", 400 }, { " GET / HTTP/1.1", 400 },
		{ "GET\t/ HTTP/1.1", 400 }, { "GET /\tHTTP/1.1", 400 }, { "/ HTTP/1.1", 400 }, { " / HTTP/1.1", 400 },
		{ "G(T / HTTP/1.1", 400 }, { "G\xc3\xa9T / HTTP/1.1", 400 }, { "GET:/ HTTP/1.1", 400 },
		{ "METHODS-OF-33-BYTES-ARE-TOO-LONG- / HTTP/1.1", 400 },
		{ "\r\nGET / HTTP/1.1", 400 },
	};
	char head[200];

	(void)state;
	for (size_t i = 0; i < sizeof(scenes) / sizeof(scenes[0]); i++) {
		int length = snprintf(head, sizeof(head), "%s\r\nHost: a\r\n\r\n", scenes[i].line);

		if (scenes[i].line[0] == '\r')	/* the second empty line; one is skipped */
			length = snprintf(head, sizeof(head), "\r\n%s\r\nHost: a\r\n\r\n", scenes[i].line);
		else if (scenes[i].line[0] == '\0')
			length = snprintf(head, sizeof(head), "\r\n\r\nHost: a\r\n\r\n");
		expect_bad(head, (size_t)length, scenes[i].status);
	}
	expect_good(TEXT("METHODS-OF-32-BYTES-ARE-NOT-TOO- / HTTP/1.1\r\nHost: a\r\n\r\n"),
		"METHODS-OF-32-BYTES-ARE-NOT-TOO- / origin a=a h=a p=-1 1.1 keep|Host: a");
}

static void
bad_lines_are_refused(void **state)
{
	static const struct text heads[] = {
		{ TEXT("GET / HTTP/1.1\nHost: a\r\n\r\n") },
		{ TEXT("GET / HTTP/1.1\r\nHost: a\n\r\n") },
		{ TEXT("GET / HTTP/1.1\r\nHost: a\r\n\n") },
		{ TEXT("\nGET / HTTP/1.1\r\nHost: a\r\n\r\n") },
		{ TEXT("GET / HTTP/1.1\rHost: a\r\n\r\n") },
		{ TEXT("GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n") },
		{ TEXT("GET / HTTP/1.1\r\nHost: a\r\r\n\r\n") },
		{ TEXT("GET / HTTP/1.1\r\nHost: a\r\n\rX: b\r\n\r\n") },
		{ TEXT("\rGET / HTTP/1.1\r\nHost: a\r\n\r\n") },
		{ TEXT("GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n") },
		{ TEXT("GET / HTTP/1.1\r\n Host: a\r\n\r\n") },
		{ TEXT("GET / HTTP/1.1\r\nHost: a\r\n\tfolded: x\r\n\r\n") },
		{ TEXT("GET / HTTP/1.1\r\nHost : a\r\n\r\n") },
		{ TEXT("GET / HTTP/1.1\r\nHost\t: a\r\n\r\n") },
		{ TEXT("GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n") },
		{ TEXT("GET / HTTP/1.1\r\nHost: a\r\nNo colon\r\n\r\n") },
		{ TEXT("GET / HTTP/1.1\r\nHost: a\r\nNocolon\r\n\r\n") },
		{ TEXT("GET / HTTP/1.1\r\nHost: a\r\nNo@token: b\r\n\r\n") },
		{ TEXT("GET / HTTP/1.1\r\nHost: a\r\nN\xc3\xa9: b\r\n\r\n") },
		{ TEXT("GET / HTTP/1.1\r\nHost: a\r\nN\0: b\r\n\r\n") },
		{ TEXT("GET / HTTP/1.1\r\nHost: a\r\nN: b\0c\r\n\r\n") },
		{ TEXT("GET / HTTP/1.1\r\nHost: a\r\nN: \x01\r\n\r\n") },
		{ TEXT("GET / HTTP/1.1\r\nHost: a\r\nN: \x7f\r\n\r\n") },
		{ TEXT("GET / HTTP/1.1\r\nHost: a\r\nN: 0123456789abcdef0123456789abcdef\x1f" "0123456789\r\n\r\n") },
		{ TEXT("GET / HTTP/1.1\r\nHost: a\r\nN: 0123456789abcdef0123456789abcde\x7f" "0123456789\r\n\r\n") },
		{ TEXT("GET / HTTP/1.1\r\nHost: a\r\nN: 0123456789abcdef0123456789abcde\n" "0123456789\r\n\r\n") },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
		expect_bad(heads[i].bytes, heads[i].length, 400);
}

static void
every_control_character_in_a_value_is_refused(void **state)
{
	char head[] = "GET / HTTP/1.1\r\nHost: a\r\nN: 0123456789abcdef0123456789abcdef\r\n\r\n";
	char *at = strstr(head, "0123");

	(void)state;
	for (int c = 0; c < 256; c++)
		for (int i = 1; i < 31; i++) {
			char kept = at[i], *bytes;
			bool good = c == '\t' || (c >= ' ' && c != 0x7f);

			at[i] = (char)c;
			bytes = exact_copy(head, sizeof(head) - 1);
			assert_int_equal(parse(bytes, sizeof(head) - 1, 0), good ? (int)sizeof(head) - 1 : -400);
			free(bytes);
			at[i] = kept;
		}
}

static void
bad_framing_is_refused(void **state)
{
	static const char *const fields[] = {
		"Content-Length: 1\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nContent-Length: 1",
		"Content-Length: 1\r\nContent-Length: 1", "Content-Length: 1\r\ncontent-length: 2",
		"Content-Length: 1, 1", "Content-Length: +1", "Content-Length: -1", "Content-Length: 0x1",
		"Content-Length: 1 1", "Content-Length:", "Content-Length: ", "Content-Length: 1a", "Content-Length: 1.0",
		"Content-Length: 9223372036854775808", "Content-Length: 18446744073709551616",
		"Content-Length: 99999999999999999999999999", "Content-Length: \xc2\xb9",
		"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
		"Transfer-Encoding: gzip, chunked", "Transfer-Encoding: chunked, chunked", "Transfer-Encoding: chunked,",
		"Transfer-Encoding: identity", "Transfer-Encoding: gzip", "Transfer-Encoding:", "Transfer-Encoding: chunke",
		"Transfer-Encoding: xchunked", "Transfer-Encoding: \"chunked\"", "Transfer-Encoding: chunked;q=1",
	};
	char head[200];

	(void)state;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		int length = snprintf(head, sizeof(head), "POST / HTTP/1.1\r\nHost: a\r\n%s\r\n\r\n", fields[i]);

		expect_bad(head, (size_t)length, 400);
	}
	expect_bad(TEXT("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), 400);
}

static void
bad_hosts_are_refused(void **state)
{
	static const char *const hosts[] = {
		"", " ", "a, b", "a b", "a,b", "a:", "a:x", "a:-1", "a:65536", "a:123456", "a:1:2", "a/b", "a?b", "a#b", "a@b",
		"a\\b", "http://a", ":80", "[", "[]", "[::1", "::1", "[::g]", "[::1]x", "[::1]:", "[::1]:x", "[::1%25eth0]",
		"[1.2.3.4]", "[v1.x]", "a%2eb", "\xc3\xa9.example", "a<b", "a\tb",
		"[0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000]",
	};
	char head[600], host[300];
	int length;

	(void)state;
	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		length = snprintf(head, sizeof(head), "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", hosts[i]);
		expect_bad(head, (size_t)length, 400);
	}
	memset(host, 'h', sizeof(host));
	length = snprintf(head, sizeof(head), "GET / HTTP/1.1\r\nHost: %.256s\r\n\r\n", host);
	expect_bad(head, (size_t)length, 400);
	length = snprintf(head, sizeof(head), "GET / HTTP/1.1\r\nHost: %.255s\r\n\r\n", host);
	assert_int_equal(parse(head, (size_t)length, 0), length);
	expect_bad(TEXT("GET / HTTP/1.1\r\n\r\n"), 400);
	expect_bad(TEXT("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"), 400);
	expect_bad(TEXT("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n"), 400);
	expect_bad(TEXT("GET / HTTP/1.0\r\nHost:\r\n\r\n"), 400);
}

static void
other_expectations_are_417(void **state)
{
	(void)state;
	expect_bad(TEXT("PUT / HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\nContent-Length: 1\r\n\r\n"), 417);
	expect_bad(TEXT("PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue, x\r\nContent-Length: 1\r\n\r\n"), 417);
	expect_bad(TEXT("PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nExpect: x\r\n\r\n"), 417);
	expect_bad(TEXT("PUT / HTTP/1.1\r\nHost: a\r\nExpect:\r\n\r\n"), 417);
}

static int
parse_within(const struct http1_limits *limits, const char *bytes, size_t length, size_t seen)
{
	char *copy = exact_copy(bytes, length);
	int result;

	arena_free(&arena);
	arena_init(&arena, NULL, 0);
	result = http1_parse_request(&request, copy, length, seen, limits, &arena, &why);
	free(copy);
	return result;
}

static void
a_head_past_its_size_is_431(void **state)
{
	static const char head[] = "GET / HTTP/1.1\r\nHost: a\r\nX: 0123456789\r\n\r\n";
	struct http1_limits limits = { .head_size = sizeof(head) - 1, .fields = 10, .target_length = 10 };

	(void)state;
	assert_int_equal(parse_within(&limits, TEXT(head), 0), sizeof(head) - 1);
	assert_int_equal(parse_within(&limits, TEXT(head), 20), sizeof(head) - 1);
	limits.head_size--;
	for (size_t seen = 0; seen < sizeof(head) - 2; seen++) {
		assert_int_equal(parse_within(&limits, TEXT(head), seen), -431);
		assert_int_equal(parse_within(&limits, head, sizeof(head) - 2, seen), -431);
		assert_int_equal(parse_within(&limits, head, sizeof(head) - 3, seen), 0);
	}
}

static void
what_follows_a_head_is_left_alone(void **state)
{
	static const char two[] = "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: b\r\n\r\n";
	struct http1_limits limits = usual_limits;
	char *bytes = exact_copy(two, sizeof(two) - 1);
	int first;

	(void)state;
	first = parse(bytes, sizeof(two) - 1, 0);
	assert_int_equal(first, (sizeof(two) - 1) / 2);
	assert_string_equal(request.path, "/1");
	assert_memory_equal(bytes + first, two + first, sizeof(two) - 1 - (size_t)first);
	assert_int_equal(parse(bytes + first, sizeof(two) - 1 - (size_t)first, 0), first);
	assert_string_equal(request.path, "/2");
	free(bytes);
	limits.head_size = 30;			/* more bytes than a head may have, but the head is small enough */
	assert_int_equal(parse_within(&limits, two, sizeof(two) - 1, 0), first);
}

static void
too_many_fields_are_431(void **state)
{
	struct http1_limits limits = { .head_size = 8192, .fields = 3, .target_length = 10 };

	(void)state;
	assert_true(parse_within(&limits, TEXT("GET / HTTP/1.1\r\nHost: a\r\nB: 2\r\nC: 3\r\n\r\n"), 0) > 0);
	assert_int_equal(parse_within(&limits, TEXT("GET / HTTP/1.1\r\nHost: a\r\nB: 2\r\nC: 3\r\nD: 4\r\n\r\n"), 0), -431);
	assert_int_equal(parse_within(&limits, TEXT("GET / HTTP/1.1\r\nHost: a\r\nB: 2\r\nC: 3\r\nD"), 0), -431);
}

static void
a_name_of_64_kib_is_431(void **state)
{
	struct http1_limits limits = { .head_size = 200000, .fields = 3, .target_length = 10 };
	static char head[70000];
	int length = snprintf(head, sizeof(head), "GET / HTTP/1.1\r\nHost: a\r\n");

	(void)state;
	memset(head + length, 'n', 65536);
	strcpy(head + length + 65536, ": v\r\n\r\n");
	assert_int_equal(parse_within(&limits, head, strlen(head), 0), -431);
	assert_true(parse_within(&limits, head, strlen(head) - 7, 0) == 0);
	head[length + 65535] = ':';
	head[length + 65536] = ' ';
	assert_int_equal(parse_within(&limits, head, strlen(head), 0), (int)strlen(head));
}

static void
a_long_target_is_414_even_before_its_end(void **state)
{
	struct http1_limits limits = { .head_size = 8192, .fields = 3, .target_length = 100 };
	char head[400];
	size_t length;

	(void)state;
	memset(head, 'x', sizeof(head));
	memcpy(head, "GET /", 5);
	assert_int_equal(parse_within(&limits, head, 4 + 100, 0), 0);
	assert_int_equal(parse_within(&limits, head, 4 + 101, 0), -414);
	memcpy(head + 104, " HTTP/1.1\r\nHost: a\r\n\r\n", 22);
	assert_int_equal(parse_within(&limits, head, 126, 0), 126);
	memcpy(head + 104, "x HTTP/1.1\r\nHost: a\r\n\r\n", 23);
	assert_int_equal(parse_within(&limits, head, 127, 0), -414);

	/* Byte by byte it is told soon after, and not only when the head is whole. */
	memset(head + 5, 'x', sizeof(head) - 5);
	for (length = 1; length < sizeof(head); length++)
		if (parse_within(&limits, head, length, length - 1) != 0)
			break;
	assert_int_equal(parse_within(&limits, head, length, length - 1), -414);
	assert_in_range(length, 101, 200);
}

static void
an_arena_without_room_is_503(void **state)
{
	static const struct text heads[] = {
		{ TEXT("GET / HTTP/1.1\r\nHost: a\r\n\r\n") },
		{ TEXT("GET /%41 HTTP/1.1\r\nHost: a\r\n\r\n") },
		{ TEXT("GET / HTTP/1.1\r\nHost: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa:80\r\n\r\n") },
		{ TEXT("GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n") },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		char *bytes = exact_copy(heads[i].bytes, heads[i].length);
		int result = -503, refused = 0;

		for (size_t room = 1; result < 0; room++) {
			struct arena little;

			arena_init(&little, NULL, room);
			result = http1_parse_request(&request, bytes, heads[i].length, 0, &usual_limits, &little, &why);
			if (result < 0) {
				assert_int_equal(result, -503);
				assert_memory_equal(bytes, heads[i].bytes, heads[i].length);
				refused++;
			}
			arena_free(&little);
		}
		assert_int_equal(result, heads[i].length);
		assert_true(refused > 0);
		free(bytes);
	}
}

#define SCENE(name) cmocka_unit_test_teardown(name, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE(good_heads_mean_what_they_say),
		SCENE(upgrades_are_seen_when_connection_names_them),
		SCENE(absolute_targets_agree_with_host_and_win),
		SCENE(paths_are_normalised),
		SCENE(bad_targets_are_refused),
		SCENE(bad_request_lines_are_refused),
		SCENE(bad_lines_are_refused),
		SCENE(every_control_character_in_a_value_is_refused),
		SCENE(bad_framing_is_refused),
		SCENE(bad_hosts_are_refused),
		SCENE(other_expectations_are_417),
		SCENE(a_head_past_its_size_is_431),
		SCENE(what_follows_a_head_is_left_alone),
		SCENE(too_many_fields_are_431),
		SCENE(a_name_of_64_kib_is_431),
		SCENE(a_long_target_is_414_even_before_its_end),
		SCENE(an_arena_without_room_is_503),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
