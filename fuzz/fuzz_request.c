/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_request: heads of requests, whole and cut, and what is sent on for them.
 */
#include "http1_fuzz.h"

/* No segment may be left that an origin would still resolve. */
static void
check_path(const struct request *r)
{
	const char *path = r->path;

	if (r->form == TARGET_AUTHORITY) {
		must(path[0] == '\0' && r->authority[0] != '\0' && r->port >= 0);
		return;
	}
	if (strcmp(path, "*") == 0) {
		must(r->method == METHOD_OPTIONS);
		return;
	}
	must(path[0] == '/' && !has_control(path) && strpbrk(path, " ?#\\") == NULL);
	must(strstr(path, "/./") == NULL && strstr(path, "/../") == NULL);
	path = strrchr(path, '/');
	must(strcmp(path, "/.") != 0 && strcmp(path, "/..") != 0);
}

static void
check_meaning(const struct request *r)
{
	must(method_identify(r->method_name, strlen(r->method_name)) == r->method);
	must(text_is_token(r->method_name, strlen(r->method_name)) && r->minor <= 1);
	must(r->query == NULL || (!has_control(r->query) && strpbrk(r->query, " #") == NULL));
	must(r->framing == FRAMING_NONE || r->framing == FRAMING_LENGTH || r->framing == FRAMING_CHUNKED);
	must(r->length <= INT64_MAX && (r->framing == FRAMING_LENGTH || r->length == 0));
	must(strncmp(r->authority, r->host, strlen(r->host)) == 0 && r->port <= 65535);
	must(r->minor == 0 || r->authority[0] != '\0');
	must(strpbrk(r->authority, " ,/@?#\\ABCDEFGHIJKLMNOPQRSTUVWXYZ") == NULL);
	check_fields(&r->fields);
	check_path(r);
}

/* What is sent on must be read as what was understood, by our own parser at least. */
static void
check_round_trip(struct request *r, size_t size, struct arena *arena)
{
	size_t room = 4 * size + 4096, length, again;
	char *out = malloc(room), *copy;
	struct request second;
	const char *why;

	must(out != NULL);
	if (r->authority[0] == '\0' || !fields_strip_hop_by_hop(&r->fields, true, &why)) {
		free(out);
		return;
	}
	length = http1_write_request(out, room, r, r->keep_alive);
	must(length > 0 && length < room);
	copy = exact_copy(out, length);
	must(http1_parse_request(&second, copy, length, 0, &wide_limits, arena, &why) == (int)length);
	check_meaning(&second);
	must(strcmp(r->method_name, second.method_name) == 0 && strcmp(r->path, second.path) == 0);
	must((r->query == NULL) == (second.query == NULL));
	must(r->query == NULL || strcmp(r->query, second.query) == 0);
	must(strcmp(r->authority, second.authority) == 0 && strcmp(r->host, second.host) == 0);
	must(r->port == second.port && r->framing == second.framing && r->length == second.length);
	must(fields_strip_hop_by_hop(&second.fields, true, &why));
	again = http1_write_request(out, room, &second, r->keep_alive);
	must(again > 0 && again <= length);
	free(copy);
	free(out);
}

/*
 * Where the network cuts must not matter. A fault may show sooner or later than at once, in what came; but it
 * shows when the head ends. Of several faults another may be met first.
 */
static void
check_cut(const uint8_t *data, size_t size, size_t cut, const struct http1_limits *limits,
	int whole)
{
	char *bytes = malloc(size + 4), *piece = exact_copy(data, cut);
	struct arena arena;
	struct request r;
	const char *why;
	int result;

	must(bytes != NULL);
	memcpy(bytes, data, size);
	memcpy(bytes + size, "\r\n\r\n", 4);
	arena_init(&arena, NULL, 0);
	result = http1_parse_request(&r, piece, cut, 0, limits, &arena, &why);
	if (result == 0)
		result = http1_parse_request(&r, bytes, size, cut, limits, &arena, &why);
	if (result == 0 && whole < 0)
		result = http1_parse_request(&r, bytes, size + 4, size, limits, &arena, &why);
	if (result < 0 && whole == 0)
		whole = http1_parse_request(&r, bytes, size + 4, size, limits, &arena, &why);
	must(whole < 0 ? result < 0 : result == whole);
	arena_free(&arena);
	free(piece);
	free(bytes);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http1_limits limits;
	struct arena arena;
	struct request r;
	const char *why = NULL;
	char *bytes;
	int result;
	uint8_t cut;

	if (size < KNOBS)
		return 0;
	limits = pick_limits(data[0]);
	cut = data[1];
	data += KNOBS;
	size -= KNOBS;
	bytes = exact_copy(data, size);
	arena_init(&arena, NULL, 0);
	result = http1_parse_request(&r, bytes, size, 0, &limits, &arena, &why);
	if (result > 0) {
		must((size_t)result <= size && (size_t)result <= limits.head_size);
		must(r.fields.count <= limits.fields);
		must(memcmp(bytes + result, data + result, size - (size_t)result) == 0);
		check_meaning(&r);
		check_cut(data, (size_t)result, cut % (size_t)result, &limits, result);
		check_round_trip(&r, size, &arena);
	} else {
		must(memcmp(bytes, data, size) == 0 && (result == 0 || why != NULL));
		check_cut(data, size, size > 0 ? cut % size : 0, &limits, result);
	}
	arena_free(&arena);
	free(bytes);
	return 0;
}
