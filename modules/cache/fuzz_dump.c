/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_dump: files of the hot set, as damaged as can be. Of an input that begins with '!' the checksums are
 * made good, so that what lies behind them is reached.
 */
#include "dump.h"

#include <stdlib.h>
#include <string.h>

#define RECORD_SIZE 104			/* as the file has it: the lengths begin at 64, that of the body is the last */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t
sum_of(const uint8_t *bytes, size_t length)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < length; i++)
		sum = (sum ^ bytes[i]) * 0x100000001b3;
	return sum;
}

/* Write the checksums over those of all records that are there in whole. */
static void
make_good(uint8_t *file, size_t size)
{
	for (size_t at = 24; at + RECORD_SIZE + 8 <= size; ) {
		uint64_t rest = 0, body, sum;
		uint32_t length;

		for (int i = 0; i < 7; i++) {
			memcpy(&length, file + at + 64 + 4 * i, 4);
			rest += length;
		}
		memcpy(&body, file + at + RECORD_SIZE - 8, 8);
		if (body > size || rest > size || at + RECORD_SIZE + rest + body + 8 > size)
			return;
		rest += RECORD_SIZE + body;
		sum = sum_of(file + at, rest);
		memcpy(file + at + rest, &sum, 8);
		at += rest + 8;
	}
}

static bool
look(void *argument, struct cache_object *object)
{
	size_t *sum = argument, length;
	const char *data;
	struct cache_cursor cursor = { 0 };

	for (uint32_t i = 0; i < object->lines_length; i++)
		*sum += (unsigned char)object->lines[i];
	cache_object_field(object, "Name", &length);
	while (object->body != NULL && cache_body_read(object->body, &cursor, SIZE_MAX, &data, &length))
		*sum += (unsigned char)data[length - 1];
	return true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct cache_store_options options = { .size = CACHE_SIZE_LEAST };
	static const struct cache_secret secret = { { 1, 2 } };
	static struct cache_store *store;
	uint8_t *copy;
	size_t count, sum = 0;
	FILE *file;

	if (size < 2)
		return 0;
	copy = malloc(size - 1);
	if (store == NULL)
		store = cache_store_new(&options);
	if (copy == NULL || store == NULL)
		abort();
	memcpy(copy, data + 1, size - 1);
	if (data[0] == '!')
		make_good(copy, size - 1);
	file = fmemopen(copy, size - 1, "r");
	if (file != NULL) {
		cache_dump_load(store, &secret, file, 1000, &count);
		fclose(file);
	}
	cache_store_walk(store, NULL, look, &sum);
	cache_store_purge_prefix(store, "", 0, false);
	cache_store_release(&store);
	free(copy);
	return 0;
}
