/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenes of the cache's own heap: blocks are whole and apart, gaps grow together, nothing exceeds the size.
 */
#include "memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#define SIZE ((size_t)4 * 1024 * 1024)
#define BLOCKS 4096

static uint64_t
dice(void)
{
	static uint64_t state;
	uint64_t z = (state += 0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

/* Mostly small, some large. */
static size_t
some_size(void)
{
	size_t most = (size_t)1 << (4 + dice() % 14);

	return 1 + dice() % most;
}

struct piece {
	unsigned char *bytes;
	size_t size;
	unsigned char mark;
};

static void
assert_marked(const struct piece *piece)
{
	for (size_t i = 0; i < piece->size; i++)
		assert_int_equal(piece->bytes[i], piece->mark);
}

static void
a_block_is_what_was_asked_for(void **state)
{
	struct cache_memory memory;
	size_t got;
	char *block;

	(void)state;
	assert_true(cache_memory_open(&memory, SIZE));
	assert_int_equal(memory.limit, SIZE);
	for (size_t size = 1; size <= CACHE_BLOCK_MOST; size += size / 3 + 1) {
		block = cache_memory_take(&memory, size, size, &got);
		assert_non_null(block);
		assert_int_equal(got, size);
		assert_int_equal((uintptr_t)block % 16, 0);
		assert_true(cache_memory_cost(block) >= size + 16);
		assert_true(cache_memory_cost(block) <= size + 16 + 48);
		memset(block, 1, size);
		assert_true(cache_memory_is_sound(&memory));
		cache_memory_give(&memory, block);
		assert_int_equal(memory.used, 0);
	}
	cache_memory_close(&memory);
}

static void
a_thousand_blocks_come_and_go(void **state)
{
	static struct piece pieces[BLOCKS];
	struct cache_memory memory;
	size_t whole, got;

	(void)state;
	memset(pieces, 0, sizeof(pieces));
	assert_true(cache_memory_open(&memory, SIZE));
	whole = memory.free;
	for (int i = 0; i < 40000; i++) {
		struct piece *piece = &pieces[dice() % BLOCKS];

		if (piece->bytes != NULL) {
			assert_marked(piece);
			cache_memory_give(&memory, piece->bytes);
			piece->bytes = NULL;
		} else {
			size_t want = some_size();

			piece->bytes = cache_memory_take(&memory, want, want < 4096 ? want : 4096, &got);
			piece->size = got;
			piece->mark = (unsigned char)dice();
			if (piece->bytes != NULL) {
				assert_true(got <= want && got >= (want < 4096 ? want : 4096));
				memset(piece->bytes, piece->mark, got);
			}
		}
		if (i % 1000 == 0)
			assert_true(cache_memory_is_sound(&memory));
	}
	for (int i = 0; i < BLOCKS; i++)
		if (pieces[i].bytes != NULL)
			cache_memory_give(&memory, pieces[i].bytes);
	assert_true(cache_memory_is_sound(&memory));
	assert_int_equal(memory.used, 0);
	assert_int_equal(memory.free, whole);
	cache_memory_close(&memory);
}

static void
who_can_do_with_less_gets_what_is_there(void **state)
{
	struct cache_memory memory;
	char *blocks[64];
	size_t got, count = 0;

	(void)state;
	assert_true(cache_memory_open(&memory, 1));
	assert_int_equal(memory.limit, memory.pool);
	while ((blocks[count] = cache_memory_take(&memory, CACHE_BLOCK_MOST, 20000, &got)) != NULL)
		count++;
	assert_true(memory.free < 20016);
	assert_true(count >= 2);
	assert_true(got < CACHE_BLOCK_MOST);
	assert_null(cache_memory_take(&memory, memory.free + 1, memory.free + 1, NULL));
	while (count > 0)
		cache_memory_give(&memory, blocks[--count]);
	assert_true(cache_memory_is_sound(&memory));
	cache_memory_close(&memory);
}

static void
what_is_too_much_is_given_back(void **state)
{
	struct cache_memory memory;
	char *block, *other;

	(void)state;
	assert_true(cache_memory_open(&memory, SIZE));
	block = cache_memory_take(&memory, 10000, 10000, NULL);
	other = cache_memory_take(&memory, 100, 100, NULL);
	memset(block, 7, 10000);
	cache_memory_trim(&memory, block, 3000);
	assert_true(cache_memory_cost(block) <= 3000 + 48);
	assert_true(cache_memory_is_sound(&memory));
	cache_memory_trim(&memory, block, 2999);
	for (int i = 0; i < 2999; i++)
		assert_int_equal(block[i], 7);
	cache_memory_give(&memory, other);
	cache_memory_trim(&memory, block, 0);
	assert_true(cache_memory_is_sound(&memory));
	cache_memory_give(&memory, block);
	assert_true(cache_memory_is_sound(&memory));
	assert_int_equal(memory.used, 0);
	cache_memory_close(&memory);
}

/* What is in use in a retired pool stays until it is given back. */
static void
pools_come_and_go(void **state)
{
	enum { BLOCKS_HERE = 500 };
	static char *blocks[BLOCKS_HERE];
	struct cache_memory memory;
	size_t count = 0, retired = 0, used;

	(void)state;
	assert_true(cache_memory_open(&memory, SIZE));
	while (count < BLOCKS_HERE && (blocks[count] = cache_memory_take(&memory, 10000, 10000, NULL)) != NULL)
		memset(blocks[count], (int)count, 10000), count++;
	assert_true(count > 300 && count < BLOCKS_HERE);
	used = memory.used;
	assert_true(cache_memory_resize(&memory, SIZE / 4));
	assert_true(cache_memory_is_sound(&memory));
	assert_int_equal(memory.limit, SIZE / 4);
	assert_int_equal(memory.used, used);
	for (size_t i = 0; i < count; i++) {
		if (!cache_memory_is_retired(&memory, blocks[i]))
			continue;
		assert_int_equal(blocks[i][9999], (char)i);
		cache_memory_give(&memory, blocks[i]);
		blocks[i] = NULL;
		retired++;
	}
	assert_true(retired > count / 2 && retired < count);
	assert_true(cache_memory_is_sound(&memory));
	assert_null(cache_memory_take(&memory, 10000, 10000, NULL));
	assert_true(cache_memory_resize(&memory, 2 * SIZE));
	assert_int_equal(memory.limit, 2 * SIZE);
	for (size_t i = 0; i < count; i++)
		if (blocks[i] == NULL) {
			blocks[i] = cache_memory_take(&memory, 10000, 10000, NULL);
			assert_non_null(blocks[i]);
			memset(blocks[i], 1, 10000);
		}
	assert_true(cache_memory_resize(&memory, 1));
	assert_true(cache_memory_is_sound(&memory));
	for (size_t i = 0; i < count; i++)
		cache_memory_give(&memory, blocks[i]);
	assert_true(cache_memory_is_sound(&memory));
	assert_int_equal(memory.used, 0);
	assert_true(memory.free < memory.pool);
	cache_memory_close(&memory);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_block_is_what_was_asked_for),
		cmocka_unit_test(a_thousand_blocks_come_and_go),
		cmocka_unit_test(who_can_do_with_less_gets_what_is_there),
		cmocka_unit_test(what_is_too_much_is_given_back),
		cmocka_unit_test(pools_come_and_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
