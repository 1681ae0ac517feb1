/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenes for the chunked decoder: wherever the network cuts a body, the same bytes come out.
 */
#include "http1_scenes.h"

static struct arena arena;
static struct fields trailers;
static const char *why;

static int
end(void **state)
{
	(void)state;
	arena_free(&arena);
	return 0;
}

/* The outcome of decoding: body, trailers and how many bytes were left over; or what was wrong. */
struct outcome {
	char text[70000];
};

static void
show(struct outcome *o, enum http1_chunked_result result, const char *body, size_t length, size_t rest)
{
	if (result == HTTP1_CHUNKED_BAD) {
		snprintf(o->text, sizeof(o->text), "bad");
		assert_non_null(why);
		return;
	}
	snprintf(o->text, sizeof(o->text), "%s%.*s +%zu", result == HTTP1_CHUNKED_END ? "" : "unfinished ", (int)length,
		body, rest);
	show_fields(o->text, sizeof(o->text), &trailers);
}

/* Decode with cuts after each `step` bytes, the first after `first`. */
static void
decode(struct outcome *o, const char *bytes, size_t length, size_t first, size_t step)
{
	struct http1_chunked c;
	enum http1_chunked_result result = HTTP1_CHUNKED_MORE;
	char *body = malloc(length + 1);
	size_t at = 0, out = 0, rest = 0, rest_at, size;

	arena_free(&arena);
	arena_init(&arena, NULL, 0);
	fields_init(&trailers, &arena);
	http1_chunked_init(&c);
	for (size_t part = first; result == HTTP1_CHUNKED_MORE && at < length; at += part, part = step) {
		char *piece;

		if (part > length - at)
			part = length - at;
		piece = exact_copy(bytes + at, part);
		size = part;
		result = http1_chunked_decode(&c, piece, &size, &rest_at, &rest, &trailers, &usual_limits, &arena, &why);
		memcpy(body + out, piece, size);
		out += size;
		assert_int_equal(rest_at + rest, part);
		assert_memory_equal(piece + rest_at, bytes + at + rest_at, rest);
		free(piece);
	}
	rest += length - at;
	show(o, result, body, out, rest);
	free(body);
}

/* The same outcome whole, at every cut, byte by byte and in pieces of every size. */
static void
expect(const char *bytes, size_t length, const char *expected)
{
	static struct outcome o;

	decode(&o, bytes, length, length, length);
	assert_string_equal(o.text, expected);
	for (size_t cut = 1; cut < length; cut++) {
		decode(&o, bytes, length, cut, length);
		assert_string_equal(o.text, expected);
		decode(&o, bytes, length, cut, cut);
		assert_string_equal(o.text, expected);
	}
}

static void
bodies_are_decoded(void **state)
{
	(void)state;
	expect(TEXT("0\r\n\r\n"), " +0");
	expect(TEXT("5\r\nhello\r\n0\r\n\r\n"), "hello +0");
	expect(TEXT("1\r\na\r\n00002\r\nbc\r\nA\r\n0123456789\r\n000\r\n\r\nGET /"), "abc0123456789 +5");
	expect(TEXT("000000000000000a\r\n0\r\n\r\n67890\r\n0\r\n\r\n"), "0\r\n\r\n67890 +0");
	expect(TEXT("5\r\nhello\r\n"), "unfinished hello +0");
	expect(TEXT("5\r\nhel"), "unfinished hel +0");
}

static void
extensions_are_read_over(void **state)
{
	(void)state;
	expect(TEXT("1;a\r\nx\r\n0;b=c\r\n\r\n"), "x +0");
	expect(TEXT("1;a=b;c;d=\"e;\\\"\\\\\r\n"), "bad");
	expect(TEXT("1;a=b;c;d=\"e; \t=,\\\"\\\\\"\r\nx\r\n0;q=\"\";r\r\n\r\n"), "x +0");
	expect(TEXT("1;\r\nx\r\n0\r\n\r\n"), "bad");
	expect(TEXT("1;=\r\nx\r\n0\r\n\r\n"), "bad");
	expect(TEXT("1;a=\r\nx\r\n0\r\n\r\n"), "bad");
	expect(TEXT("1;a=b=c\r\nx\r\n0\r\n\r\n"), "bad");
	expect(TEXT("1;;a\r\nx\r\n0\r\n\r\n"), "bad");
	expect(TEXT("1 ;a\r\nx\r\n0\r\n\r\n"), "bad");
	expect(TEXT("1; a\r\nx\r\n0\r\n\r\n"), "bad");
	expect(TEXT("1;a \r\nx\r\n0\r\n\r\n"), "bad");
	expect(TEXT("1;a=\"b\"c\r\nx\r\n0\r\n\r\n"), "bad");
	expect(TEXT("1;a=\"b\r\nx\r\n0\r\n\r\n"), "bad");
	expect(TEXT("1;a=\"\x7f\"\r\nx\r\n0\r\n\r\n"), "bad");
	expect(TEXT("1;a=\"\xc3\xa9\"\r\nx\r\n0\r\n\r\n"), "bad");
	expect(TEXT("1;a=\"\\\x01\"\r\nx\r\n0\r\n\r\n"), "bad");
	expect(TEXT("1;a\nx\r\n0\r\n\r\n"), "bad");
	expect(TEXT("1;a\0\r\nx\r\n0\r\n\r\n"), "bad");
	expect(TEXT("1;\xc3\xa9\r\nx\r\n0\r\n\r\n"), "bad");
}

static void
malformed_chunks_are_refused(void **state)
{
	(void)state;
	expect(TEXT("\r\nx\r\n0\r\n\r\n"), "bad");
	expect(TEXT("\r\n\r\n"), "bad");
	expect(TEXT(";a\r\n\r\n"), "bad");
	expect(TEXT(" 1\r\nx\r\n0\r\n\r\n"), "bad");
	expect(TEXT("1 \r\nx\r\n0\r\n\r\n"), "bad");
	expect(TEXT("0x1\r\nx\r\n0\r\n\r\n"), "bad");
	expect(TEXT("+1\r\nx\r\n0\r\n\r\n"), "bad");
	expect(TEXT("-1\r\nx\r\n0\r\n\r\n"), "bad");
	expect(TEXT("1g\r\nx\r\n0\r\n\r\n"), "bad");
	expect(TEXT(";a\r\nx\r\n0\r\n\r\n"), "bad");
	expect(TEXT("1\nx\r\n0\r\n\r\n"), "bad");
	expect(TEXT("1\r\rx\r\n0\r\n\r\n"), "bad");
	expect(TEXT("1\rx\r\n0\r\n\r\n"), "bad");
	expect(TEXT("1\r\nx\n0\r\n\r\n"), "bad");
	expect(TEXT("1\r\nx\r0\r\n\r\n"), "bad");
	expect(TEXT("1\r\nxy\r\n0\r\n\r\n"), "bad");
	expect(TEXT("1\r\nxy\n0\r\n\r\n"), "bad");
	expect(TEXT("1\r\nx\ra0\r\n\r\n"), "bad");
	expect(TEXT("2\r\nx\r\n0\r\n\r\n"), "bad");
	expect(TEXT("1\r\nx0\r\n\r\n"), "bad");
	expect(TEXT("10000000000000000\r\n"), "bad");
	expect(TEXT("00000000000000001\r\nx\r\n0\r\n\r\n"), "bad");
	expect(TEXT("8000000000000000\r\n"), "bad");
	expect(TEXT("ffffffffffffffff\r\n"), "bad");
	expect(TEXT("7fffffffffffffff\r\nx"), "unfinished x +0");
}

#define LONG "a-trailer-that-makes-the-section-outgrow-the-room-that-it-is-first-given-and-so-move-to-another-place"

static void
trailers_are_parsed(void **state)
{
	(void)state;
	expect(TEXT("1\r\nx\r\n0\r\nX-Sum: 1\r\nOther:  two \t\r\n\r\nrest"), "x +4|X-Sum: 1|Other: two");
	expect(TEXT("0\r\nServer-Timing: x\r\nContent-Digest: y\r\n\r\n"), " +0|Server-Timing: x|Content-Digest: y");
	expect(TEXT("0\r\nServer: x\r\n\r\n"), " +0|Server: x");
	expect(TEXT("0\r\nA: b\r\n"), "unfinished  +0");
	expect(TEXT("0\r\nA: " LONG "\r\nB: " LONG "\r\nC: " LONG "\r\n\r\n"),
		" +0|A: " LONG "|B: " LONG "|C: " LONG);
}

static void
malformed_trailers_are_refused(void **state)
{
	(void)state;
	expect(TEXT("0\r\n\n"), "bad");
	expect(TEXT("0\r\n\r\r\n\r\n"), "bad");
	expect(TEXT("0\r\nA: b\n\r\n"), "bad");
	expect(TEXT("0\r\nA: b\r\n c\r\n\r\n"), "bad");
	expect(TEXT("0\r\nA : b\r\n\r\n"), "bad");
	expect(TEXT("0\r\nA\r\n\r\n"), "bad");
	expect(TEXT("0\r\n: b\r\n\r\n"), "bad");
	expect(TEXT("0\r\nA: b\0c\r\n\r\n"), "bad");
	expect(TEXT("0\r\nA: b\rc\r\n\r\n"), "bad");
}

static void
what_must_not_be_in_trailers_is_refused(void **state)
{
	static const char *const names[] = {
		"Content-Length", "Transfer-Encoding", "Host", "TE", "Trailer", "Connection", "Keep-Alive", "Upgrade", "Expect",
		"Proxy-Connection", "Proxy-Authorization", "Proxy-Authenticate", "Date", "Authorization", "Cookie", "Set-Cookie",
		"Content-Type", "Content-Encoding", "Content-Range", "Cache-Control", "Range", "If-Match", "Max-Forwards",
		"X-Forwarded-For", "Forwarded", "Via", "WWW-Authenticate", "Location", "Vary", "Age", "Expires",
	};
	char body[100];

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		int length = snprintf(body, sizeof(body), "0\r\nA: b\r\n%s: 1\r\n\r\n", names[i]);

		expect(body, (size_t)length, "bad");
		assert_string_equal(why, "field is forbidden in trailers");
	}
}

/* Decode whole and with little limits; the result and in *why the reason. */
static enum http1_chunked_result
decode_within(const struct http1_limits *limits, const char *bytes, size_t length, size_t step)
{
	struct http1_chunked c;
	enum http1_chunked_result result = HTTP1_CHUNKED_MORE;
	char *copy = exact_copy(bytes, length);
	size_t size, rest_at, rest;

	arena_free(&arena);
	arena_init(&arena, NULL, 0);
	fields_init(&trailers, &arena);
	http1_chunked_init(&c);
	why = NULL;
	for (size_t at = 0; at < length && result == HTTP1_CHUNKED_MORE; at += step) {
		size = step < length - at ? step : length - at;
		result = http1_chunked_decode(&c, copy + at, &size, &rest_at, &rest, &trailers, limits, &arena, &why);
	}
	free(copy);
	return result;
}

static void
trailers_are_bounded(void **state)
{
	static const char body[] = "0\r\nA: 1\r\nB: 2\r\n\r\n";
	struct http1_limits limits = { .head_size = sizeof(body) - 1 - 3, .fields = 2 };

	(void)state;
	for (size_t step = 1; step < sizeof(body); step++) {
		limits.head_size = sizeof(body) - 1 - 3;
		limits.fields = 2;
		assert_int_equal(decode_within(&limits, TEXT(body), step), HTTP1_CHUNKED_END);
		limits.head_size--;
		assert_int_equal(decode_within(&limits, TEXT(body), step), HTTP1_CHUNKED_BAD);
		assert_string_equal(why, "trailers are too large");
		limits.head_size++;
		limits.fields--;
		assert_int_equal(decode_within(&limits, TEXT(body), step), HTTP1_CHUNKED_BAD);
		assert_string_equal(why, "too many fields");
	}
}

static void
extensions_are_bounded(void **state)
{
	static char chunk[1200], body[40000];
	size_t length = 0;
	int chunks = 0;

	(void)state;
	memset(chunk, 'a', sizeof(chunk));
	memcpy(chunk, "1;", 2);
	memcpy(chunk + 2 + 1023, "\r\nx\r\n", 5);	/* 1023 and the CR: the most in a chunk */
	while (length + 1030 < sizeof(body)) {
		memcpy(body + length, chunk, 1030);
		length += 1030;
		if (decode_within(&usual_limits, body, length, length) != HTTP1_CHUNKED_MORE)
			break;
		chunks++;
	}
	assert_int_equal(chunks, 16);
	assert_string_equal(why, "chunk extensions are too long");
	chunk[1025] = 'a';
	memcpy(chunk + 2 + 1024, "\r\nx\r\n", 5);
	assert_int_equal(decode_within(&usual_limits, chunk, 1031, 1031), HTTP1_CHUNKED_BAD);
	assert_string_equal(why, "chunk extensions are too long");
	memset(chunk + 2, 'a', sizeof(chunk) - 2);	/* without an end */
	assert_int_equal(decode_within(&usual_limits, chunk, sizeof(chunk), 1), HTTP1_CHUNKED_BAD);
}

static void
no_memory_for_trailers_is_bad(void **state)
{
	static const char body[] = "0\r\nA: 1\r\n\r\n";
	enum http1_chunked_result result;
	int refused = 0;

	(void)state;
	for (size_t room = 1, size = 0; ; room++) {
		struct http1_chunked c;
		char *copy = exact_copy(body, sizeof(body) - 1);
		size_t rest_at, rest;

		arena_init(&arena, NULL, room);
		fields_init(&trailers, &arena);
		http1_chunked_init(&c);
		size = sizeof(body) - 1;
		result = http1_chunked_decode(&c, copy, &size, &rest_at, &rest, &trailers, &usual_limits, &arena, &why);
		free(copy);
		if (result == HTTP1_CHUNKED_END)
			break;
		assert_int_equal(result, HTTP1_CHUNKED_BAD);
		refused++;
		arena_free(&arena);
	}
	assert_true(refused > 2);
}

static void
pieces_can_be_taken_without_moving_them(void **state)
{
	static char body[] = "3;e\r\nabc\r\n2\r\nde\r\n0\r\n\r\nnext";
	struct http1_chunked c;
	size_t at = 0, size;

	(void)state;
	arena_init(&arena, NULL, 0);
	fields_init(&trailers, &arena);
	http1_chunked_init(&c);
	assert_int_equal(http1_chunked_next(&c, body, sizeof(body) - 1, &at, &size, &trailers, &usual_limits, &arena, &why),
		HTTP1_CHUNKED_MORE);
	assert_int_equal(size, 3);
	assert_memory_equal(body + at, "abc", 3);
	at += size;
	assert_int_equal(http1_chunked_next(&c, body, sizeof(body) - 1, &at, &size, &trailers, &usual_limits, &arena, &why),
		HTTP1_CHUNKED_MORE);
	assert_int_equal(size, 2);
	assert_memory_equal(body + at, "de", 2);
	at += size;
	assert_int_equal(http1_chunked_next(&c, body, sizeof(body) - 1, &at, &size, &trailers, &usual_limits, &arena, &why),
		HTTP1_CHUNKED_END);
	assert_int_equal(size, 0);
	assert_string_equal(body + at, "next");
}

#define SCENE(name) cmocka_unit_test_teardown(name, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE(bodies_are_decoded),
		SCENE(extensions_are_read_over),
		SCENE(malformed_chunks_are_refused),
		SCENE(trailers_are_parsed),
		SCENE(malformed_trailers_are_refused),
		SCENE(what_must_not_be_in_trailers_is_refused),
		SCENE(trailers_are_bounded),
		SCENE(extensions_are_bounded),
		SCENE(no_memory_for_trailers_is_bad),
		SCENE(pieces_can_be_taken_without_moving_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
