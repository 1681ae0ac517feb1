/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_chunked: chunked bodies, whole and in pieces, and coded again.
 */
#include "http1_fuzz.h"

struct decoded {
	enum http1_chunked_result result;
	char *body;
	size_t length, rest;
	struct fields trailers;
};

/* Decode in pieces of `step` bytes, in place. */
static void
decode(struct decoded *d, const uint8_t *data, size_t size, size_t step, const struct http1_limits *limits,
	struct arena *arena)
{
	struct http1_chunked c;
	const char *why = NULL;
	size_t at = 0, length, rest_at;

	*d = (struct decoded){ .result = HTTP1_CHUNKED_MORE, .body = malloc(size + 1) };
	must(d->body != NULL);
	fields_init(&d->trailers, arena);
	http1_chunked_init(&c);
	while (at < size && d->result == HTTP1_CHUNKED_MORE) {
		size_t part = step < size - at ? step : size - at;
		char *piece = exact_copy(data + at, part);

		length = part;
		d->result = http1_chunked_decode(&c, piece, &length, &rest_at, &d->rest, &d->trailers,
			limits, arena, &why);
		must(length <= part && rest_at + d->rest == part);
		if (d->result == HTTP1_CHUNKED_END)
			must(memcmp(piece + rest_at, data + at + rest_at, d->rest) == 0);
		memcpy(d->body + d->length, piece, length);
		d->length += length;
		at += part;
		free(piece);
	}
	d->rest += size - at;
	must(d->result != HTTP1_CHUNKED_BAD || why != NULL);
}

/* The body in one chunk and the trailers behind it must decode to the same. */
static void
check_round_trip(const struct decoded *d, size_t size, struct arena *arena)
{
	size_t room = HTTP1_CHUNK_HEADER + d->length + 2 + 2 * size + 64, length = 0, last;
	char *out = malloc(room);
	struct decoded again;

	must(out != NULL);
	if (d->length > 0) {
		length = http1_write_chunk_header(out, d->length);
		memcpy(out + length, d->body, d->length);
		memcpy(out + length + d->length, "\r\n", 2);
		length += d->length + 2;
	}
	last = http1_write_last_chunk(out + length, room - length, &d->trailers);
	must(last > 0);
	decode(&again, (const uint8_t *)out, length + last, SIZE_MAX, &wide_limits, arena);
	must(again.result == HTTP1_CHUNKED_END && again.rest == 0 && again.length == d->length);
	must(memcmp(again.body, d->body, d->length) == 0);
	check_same_fields(&again.trailers, &d->trailers);
	free(again.body);
	free(out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http1_limits limits;
	struct arena arena;
	struct decoded whole, cut;
	size_t step;

	if (size < KNOBS)
		return 0;
	limits = pick_limits(data[0]);
	step = (size_t)data[1] + 1;
	data += KNOBS;
	size -= KNOBS;
	arena_init(&arena, NULL, 0);
	decode(&whole, data, size, SIZE_MAX, &limits, &arena);
	decode(&cut, data, size, step, &limits, &arena);
	must(whole.result == cut.result && whole.length == cut.length);
	must(memcmp(whole.body, cut.body, whole.length) == 0);
	must(whole.length <= size);
	if (whole.result == HTTP1_CHUNKED_END) {
		must(whole.rest == cut.rest);
		check_fields(&whole.trailers);
		check_same_fields(&whole.trailers, &cut.trailers);
		check_round_trip(&whole, size, &arena);
	}
	free(whole.body);
	free(cut.body);
	arena_free(&arena);
	return 0;
}
