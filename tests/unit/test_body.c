/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenes for bodies: the framing that a body came in is taken off, the one that it leaves in is put around
 * it, in place.
 */
#include "bare_thread.h"
#include "server/arena.h"
#include "server/body.h"

#include <stdio.h>

static const struct http1_limits limits = { .head_size = 4096, .fields = 20, .target_length = 1000 };
static struct body body;
static struct arena arena;
static struct fields trailers;
static const char *why;

static int
begin(void **state)
{
	arena_init(&arena, NULL, 0);
	fields_init(&trailers, &arena);
	why = NULL;
	return begin_bare(state);
}

static int
end(void **state)
{
	arena_free(&arena);
	return end_bare(state);
}

static enum body_result
take(struct buffer **in, struct buffer **content)
{
	return body_take(&body, &bare, in, content, &trailers, &limits, &arena, &why);
}

static struct buffer *
text(const char *bytes)
{
	return buffer_with(bytes, strlen(bytes));
}

static void
assert_text(struct buffer *b, const char *bytes)
{
	assert_holds(b, bytes, strlen(bytes));
	buffer_free(&b);
}

static void
no_body_takes_nothing(void **state)
{
	struct buffer *in = text("GET /next"), *content;

	(void)state;
	body_init(&body, FRAMING_NONE, 7, FRAMING_NONE);
	assert_true(body.ended);
	assert_int_equal(take(&in, &content), BODY_OK);
	assert_null(content);
	assert_text(in, "GET /next");
	body_init(&body, FRAMING_LENGTH, 0, FRAMING_LENGTH);
	assert_true(body.ended);
}

static void
a_length_is_counted_down(void **state)
{
	struct buffer *in = text("hel"), *content;

	(void)state;
	body_init(&body, FRAMING_LENGTH, 5, FRAMING_LENGTH);
	assert_int_equal(take(&in, &content), BODY_OK);
	assert_null(in);
	assert_text(content, "hel");
	assert_false(body.ended);
	assert_int_equal(take(&in, &content), BODY_OK);		/* nothing has come */
	assert_null(content);
	in = text("loGET /next");
	assert_int_equal(take(&in, &content), BODY_OK);
	assert_true(body.ended);
	assert_int_equal(body.bytes, 5);
	assert_text(content, "lo");
	assert_text(in, "GET /next");
}

static void
a_body_until_the_close_has_no_end_of_its_own(void **state)
{
	struct buffer *in = text("all"), *content;

	(void)state;
	body_init(&body, FRAMING_CLOSE, 0, FRAMING_CLOSE);
	assert_int_equal(take(&in, &content), BODY_OK);
	assert_null(in);
	assert_false(body.ended);
	assert_int_equal(body.bytes, 3);
	assert_text(content, "all");
}

static const char chunks[] =
	"5\r\nhello\r\n1;ext=\"a\\\"b\"\r\n,\r\n0000c\r\n many worlds\r\n0\r\nDigest: abc\r\n\r\nGET /next";

/* Take what has come, adding it to `got`. */
static size_t
take_into(char *got, size_t length, struct buffer **in)
{
	struct buffer *content;

	assert_int_equal(take(in, &content), BODY_OK);
	if (content != NULL)
		memcpy(got + length, content->from, buffer_length(content));
	length += buffer_length(content);
	buffer_free(&content);
	return length;
}

static void
chunks_cut_anywhere_are_one_body(void **state)
{
	const size_t all = sizeof(chunks) - 1, next = strlen("GET /next");
	char got[64];

	(void)state;
	for (size_t cut = 1; cut < all; cut++) {
		struct buffer *in = buffer_with(chunks, cut), *rest;
		size_t length = 0;

		fields_init(&trailers, &arena);
		body_init(&body, FRAMING_CHUNKED, 0, FRAMING_LENGTH);
		length = take_into(got, length, &in);
		assert_int_equal(body.ended, cut >= all - next);
		rest = buffer_with(chunks + cut, all - cut);
		if (!body.ended) {
			assert_null(in);
			in = rest;
			rest = NULL;
			length = take_into(got, length, &in);
			assert_holds(in, "GET /next", next);
		} else {
			assert_holds(in, "GET /next", cut - (all - next));
		}
		assert_true(body.ended);
		assert_int_equal(length, 18);
		assert_memory_equal(got, "hello, many worlds", 18);
		assert_int_equal(body.bytes, 18);
		assert_int_equal(trailers.count, 1);
		assert_string_equal(trailers.list[0].value, "abc");
		buffer_free(&rest);
		buffer_free(&in);
	}
}

static void
chunks_byte_by_byte_are_one_body(void **state)
{
	char got[64];
	size_t length = 0;

	(void)state;
	body_init(&body, FRAMING_CHUNKED, 0, FRAMING_LENGTH);
	for (size_t i = 0; !body.ended; i++) {
		struct buffer *in = buffer_with(chunks + i, 1);

		length = take_into(got, length, &in);
		assert_null(in);
	}
	assert_int_equal(length, 18);
	assert_memory_equal(got, "hello, many worlds", 18);
}

static void
bad_chunks_are_refused(void **state)
{
	static const char *const bad[] = { "x\r\n", "5\nhello", "5\r\nhelloX", " 5\r\n", "-1\r\n", "0x5\r\n",
		"10000000000000000\r\n", "0\r\nContent-Length: 3\r\n\r\n" };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct buffer *in = text(bad[i]), *content;

		why = NULL;
		body_init(&body, FRAMING_CHUNKED, 0, FRAMING_CHUNKED);
		assert_int_equal(take(&in, &content), BODY_BAD);
		assert_non_null(why);
		assert_null(content);
		buffer_free(&in);
	}
}

static void
without_memory_for_the_rest_it_says_so(void **state)
{
	struct buffer *in = text("helloGET"), *content;

	(void)state;
	leave_memory(0);
	body_init(&body, FRAMING_LENGTH, 5, FRAMING_LENGTH);
	assert_int_equal(take(&in, &content), BODY_NO_MEMORY);
	assert_null(content);
	buffer_free(&in);
	bare.budget.limit = SIZE_MAX;
	in = text("5\r\nhello\r\n0\r\n\r\nGET");
	leave_memory(0);
	body_init(&body, FRAMING_CHUNKED, 0, FRAMING_CHUNKED);
	assert_int_equal(take(&in, &content), BODY_NO_MEMORY);
	assert_null(content);
	buffer_free(&in);
}

/* --- framing on ----------------------------------------------------------------------------------------- */

static void
a_chunk_gets_its_header_in_front(void **state)
{
	struct buffer *b = text("hello");

	(void)state;
	body_init(&body, FRAMING_LENGTH, 5, FRAMING_CHUNKED);
	assert_true(body_frame(&body, b, false, &trailers));
	assert_text(b, "5\r\nhello\r\n");
}

static void
the_last_chunk_goes_behind(void **state)
{
	struct buffer *b = text("hello");

	(void)state;
	body_init(&body, FRAMING_LENGTH, 5, FRAMING_CHUNKED);
	assert_true(body_frame(&body, b, true, &trailers));
	assert_text(b, "5\r\nhello\r\n0\r\n\r\n");
}

static void
a_last_chunk_with_trailers_is_written_apart(void **state)
{
	struct buffer *b = text("hello");

	(void)state;
	assert_true(fields_add(&trailers, "Digest", 6, "abc", 3));
	body_init(&body, FRAMING_LENGTH, 5, FRAMING_CHUNKED);
	assert_false(body_frame(&body, b, true, &trailers));
	assert_text(b, "5\r\nhello\r\n");
	/* and so where there is nothing to write it behind */
	assert_false(body_frame(&body, NULL, true, &trailers));
	assert_true(body_frame(&body, b = text("x"), false, &trailers));
	buffer_free(&b);
}

static void
other_framings_put_nothing_around(void **state)
{
	const enum framing others[] = { FRAMING_NONE, FRAMING_LENGTH, FRAMING_CLOSE };

	(void)state;
	for (int i = 0; i < 3; i++) {
		struct buffer *b = text("hello");

		body_init(&body, FRAMING_CHUNKED, 0, others[i]);
		assert_true(body_frame(&body, b, true, &trailers));
		assert_true(body_frame(&body, NULL, true, &trailers));
		assert_text(b, "hello");
	}
}

/* A buffer that is full from its front to its end has room for all of it. */
static void
the_framing_fits_around_a_full_buffer(void **state)
{
	struct buffer *b = buffer_take(&bare, BUFFER_READ);
	char expected[32];
	size_t length = buffer_space(b);
	int header = snprintf(expected, sizeof(expected), "%zx\r\n", length);

	(void)state;
	memset(b->to, 'x', length);
	b->to = b->end;
	body_init(&body, FRAMING_CLOSE, 0, FRAMING_CHUNKED);
	assert_true(body_frame(&body, b, true, &trailers));
	assert_int_equal(buffer_length(b), (size_t)header + length + 7);
	assert_memory_equal(b->from, expected, (size_t)header);
	assert_memory_equal(b->to - 8, "x\r\n0\r\n\r\n", 8);
	assert_true(b->from >= b->room);
	assert_true(b->to <= b->end + BUFFER_BACK);
	buffer_free(&b);
}

static void
chunks_become_one_chunk_in_the_same_buffer(void **state)
{
	struct buffer *in = text("2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\nGET"), *content, *before = in;

	(void)state;
	body_init(&body, FRAMING_CHUNKED, 0, FRAMING_CHUNKED);
	assert_int_equal(take(&in, &content), BODY_OK);
	assert_ptr_equal(content, before);
	assert_true(body_frame(&body, content, body.ended, &trailers));
	assert_text(content, "5\r\nhello\r\n0\r\n\r\n");
	assert_text(in, "GET");
}

#undef SCENE
#define SCENE(name) cmocka_unit_test_setup_teardown(name, begin, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE(no_body_takes_nothing),
		SCENE(a_length_is_counted_down),
		SCENE(a_body_until_the_close_has_no_end_of_its_own),
		SCENE(chunks_cut_anywhere_are_one_body),
		SCENE(chunks_byte_by_byte_are_one_body),
		SCENE(bad_chunks_are_refused),
		SCENE(without_memory_for_the_rest_it_says_so),
		SCENE(a_chunk_gets_its_header_in_front),
		SCENE(the_last_chunk_goes_behind),
		SCENE(a_last_chunk_with_trailers_is_written_apart),
		SCENE(other_framings_put_nothing_around),
		SCENE(the_framing_fits_around_a_full_buffer),
		SCENE(chunks_become_one_chunk_in_the_same_buffer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
