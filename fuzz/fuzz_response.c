/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_response: heads of responses, whole and cut, to every method, and what is sent on for them.
 */
#include "http1_fuzz.h"

static void
check_meaning(const struct response *r, enum method method)
{
	must(r->status >= 100 && r->status <= 599 && r->minor <= 1);
	must(!has_control(r->reason));
	must(r->length <= INT64_MAX && (r->framing != FRAMING_LENGTH || r->has_length));
	must(r->framing != FRAMING_CLOSE || !r->keep_alive);
	must(r->framing != FRAMING_CHUNKED || r->minor == 1);
	if (method == METHOD_HEAD || r->status < 200 || r->status == 204 || r->status == 304)
		must(r->framing == FRAMING_NONE);
	else if (method != METHOD_CONNECT)
		must(r->framing != FRAMING_NONE);
	check_fields(&r->fields);
}

static void
check_round_trip(struct response *r, enum method method, size_t size, struct arena *arena)
{
	size_t room = 4 * size + 4096, length;
	char *out = malloc(room), *copy;
	struct response second;
	const char *why;

	must(out != NULL);
	if (!fields_strip_hop_by_hop(&r->fields, false, &why)) {
		free(out);
		return;
	}
	length = http1_write_response(out, room, r, r->keep_alive, 1, NULL);
	must(length > 0 && length < room);
	copy = exact_copy(out, length);
	must(http1_parse_response(&second, method, copy, length, 0, &wide_limits, arena, &why) ==
		(int)length);
	check_meaning(&second, method);
	must(r->status == second.status && r->framing == second.framing);
	must(strcmp(r->reason, second.reason) == 0);
	must(r->framing != FRAMING_LENGTH || r->length == second.length);
	must(r->framing == FRAMING_NONE || r->keep_alive == second.keep_alive);
	fields_remove_id(&r->fields, FIELD_CONTENT_LENGTH);
	fields_remove_id(&second.fields, FIELD_CONTENT_LENGTH);
	must(fields_strip_hop_by_hop(&second.fields, false, &why));
	check_same_fields(&r->fields, &second.fields);
	free(copy);
	free(out);
}

/*
 * Where the network cuts must not matter. A fault may show sooner or later than at once, in what came; but it
 * shows when the head ends.
 */
static void
check_cut(const uint8_t *data, size_t size, size_t cut, enum method method, const struct http1_limits *limits,
	int whole)
{
	char *bytes = malloc(size + 4), *piece = exact_copy(data, cut);
	struct arena arena;
	struct response r;
	const char *why;
	int result;

	must(bytes != NULL);
	memcpy(bytes, data, size);
	memcpy(bytes + size, "\r\n\r\n", 4);
	arena_init(&arena, NULL, 0);
	result = http1_parse_response(&r, method, piece, cut, 0, limits, &arena, &why);
	if (result == 0)
		result = http1_parse_response(&r, method, bytes, size, cut, limits, &arena, &why);
	if (result == 0 && whole < 0)
		result = http1_parse_response(&r, method, bytes, size + 4, size, limits, &arena, &why);
	if (result < 0 && whole == 0)
		whole = http1_parse_response(&r, method, bytes, size + 4, size, limits, &arena, &why);
	must(result == whole);
	arena_free(&arena);
	free(piece);
	free(bytes);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http1_limits limits;
	struct arena arena;
	struct response r;
	const char *why = NULL;
	enum method method;
	char *bytes;
	int result;
	uint8_t cut;

	if (size < KNOBS)
		return 0;
	limits = pick_limits(data[0]);
	method = (enum method)((data[0] >> 1) % (METHOD_PATCH + 1));
	cut = data[1];
	data += KNOBS;
	size -= KNOBS;
	bytes = exact_copy(data, size);
	arena_init(&arena, NULL, 0);
	result = http1_parse_response(&r, method, bytes, size, 0, &limits, &arena, &why);
	must(result >= 0 || (result == -502 && why != NULL));
	if (result > 0) {
		must((size_t)result <= size && (size_t)result <= limits.head_size);
		must(r.fields.count <= limits.fields);
		must(memcmp(bytes + result, data + result, size - (size_t)result) == 0);
		check_meaning(&r, method);
		check_cut(data, (size_t)result, cut % (size_t)result, method, &limits, result);
		check_round_trip(&r, method, size, &arena);
	} else {
		must(memcmp(bytes, data, size) == 0);
		check_cut(data, size, size > 0 ? cut % size : 0, method, &limits, result);
	}
	arena_free(&arena);
	free(bytes);
	return 0;
}
