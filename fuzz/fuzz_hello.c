/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_hello: a connection's first bytes as a ClientHello: what is found in the whole is found in no shorter beginning, and
 * does not change with what follows, nor with how it is cut into records.
 */
#include "http1_fuzz.h"
#include "server/hello.h"

static enum hello_result
parse(struct hello *h, const uint8_t *data, size_t size)
{
	char *copy = exact_copy(data, size);
	const char *why = NULL;
	enum hello_result result;

	memset(h, 0, sizeof(*h));
	result = hello_parse(h, copy, size, &why);
	must(result != HELLO_BAD || why != NULL);
	must(h->alpn_length <= sizeof(h->alpn) && memchr(h->name, '\0', sizeof(h->name)) != NULL);
	free(copy);
	return result;
}

/* The message that lies in one record, in records of `step` bytes. */
static void
check_cut(const struct hello *whole, const uint8_t *record, size_t size, size_t step)
{
	size_t length = (size_t)record[3] << 8 | record[4], room = length * 6 + 5, out = 0;
	uint8_t *cut;
	struct hello again;

	if (5 + length > size || length / step * 5 + length > HELLO_RECORDS_MOST)
		return;
	if (length < 4 || (size_t)(record[6] << 16 | record[7] << 8 | record[8]) + 4 != length)
		return;		/* the message goes on in another record */
	cut = malloc(room);
	must(cut != NULL);
	for (size_t at = 0; at < length; at += step) {
		size_t part = step < length - at ? step : length - at;

		memcpy(cut + out, record, 3);
		cut[out + 3] = (uint8_t)(part >> 8);
		cut[out + 4] = (uint8_t)part;
		memcpy(cut + out + 5, record + 5 + at, part);
		out += 5 + part;
	}
	must(parse(&again, cut, out) == HELLO_WHOLE);
	must(strcmp(again.name, whole->name) == 0 && again.alpn_length == whole->alpn_length);
	free(cut);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct hello whole, part;
	enum hello_result result = parse(&whole, data, size);

	for (size_t length = 0; length < size; length += size / 16 + 1) {
		enum hello_result early = parse(&part, data, length);

		if (early == HELLO_WHOLE) {
			must(result == HELLO_WHOLE && strcmp(part.name, whole.name) == 0);
			break;
		}
		must(early == HELLO_MORE || result == HELLO_BAD);
	}
	if (result == HELLO_WHOLE)
		check_cut(&whole, data, size, 1 + size % 97);
	return 0;
}
