/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenes for the arena: what it gives out is apart, aligned and bounded, and all of it goes back at once.
 *
 * Linked with -Wl,--wrap=malloc, so that a scene can make the heap fail. Under AddressSanitizer every piece
 * is a malloc of its own; the scenes hold there too, and leaks show at exit.
 */
#include "server/arena.h"
#include "server/slab.h"

#include <setjmp.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static int mallocs_until_failure = -1;	/* -1: never */

void *__real_malloc(size_t);
void *__wrap_malloc(size_t);

void *
__wrap_malloc(size_t size)
{
	if (mallocs_until_failure == 0)
		return NULL;
	if (mallocs_until_failure > 0)
		mallocs_until_failure--;
	return __real_malloc(size);
}

static int
heal(void **state)
{
	(void)state;
	mallocs_until_failure = -1;
	return 0;
}

static void
pieces_are_aligned_and_apart(void **state)
{
	struct arena arena;
	unsigned char *pieces[200];

	(void)state;
	arena_init(&arena, NULL, 0);
	for (size_t i = 0; i < 200; i++) {
		pieces[i] = arena_alloc(&arena, i);
		assert_non_null(pieces[i]);
		assert_int_equal((uintptr_t)pieces[i] % alignof(max_align_t), 0);
		memset(pieces[i], (int)i, i);
	}
	for (size_t i = 0; i < 200; i++)
		for (size_t j = 0; j < i; j++)
			assert_int_equal(pieces[i][j], i);
	arena_free(&arena);
}

static void
large_pieces_stand_beside_small_ones(void **state)
{
	struct arena arena;
	char *small, *large, *after;

	(void)state;
	arena_init(&arena, NULL, 0);
	small = arena_copy(&arena, "small", 5);
	large = arena_zalloc(&arena, 1 << 20);
	after = arena_copy(&arena, "after", 5);
	assert_non_null(large);
	assert_int_equal(large[(1 << 20) - 1], 0);
	memset(large, 'x', 1 << 20);
	assert_string_equal(small, "small");
	assert_string_equal(after, "after");
	if (!SLAB_PLAIN_MALLOC)
		assert_ptr_equal(after, small + sizeof("small"));
	arena_free(&arena);
}

static void
an_arena_can_be_used_again(void **state)
{
	struct arena arena;

	(void)state;
	arena_init(&arena, NULL, 100);
	for (int i = 0; i < 3; i++) {
		assert_non_null(arena_alloc(&arena, 100));
		assert_null(arena_alloc(&arena, 1));
		arena_free(&arena);
		assert_int_equal(arena.used, 0);
	}
}

static void
the_limit_holds(void **state)
{
	struct arena arena;
	char *last;

	(void)state;
	arena_init(&arena, NULL, 1000);
	assert_null(arena_alloc(&arena, 1001));
	assert_null(arena_alloc(&arena, SIZE_MAX));
	last = arena_alloc(&arena, 992);
	assert_non_null(last);
	assert_null(arena_alloc(&arena, 9));
	assert_null(arena_copy(&arena, "12345678", 8));
	assert_string_equal(arena_copy(&arena, "1234567", 7), "1234567");
	assert_null(arena_printf(&arena, "%s", ""));
	assert_true(arena.used <= 1000);
	arena_free(&arena);
}

static void
sizes_that_overflow_fail(void **state)
{
	struct arena arena;

	(void)state;
	arena_init(&arena, NULL, 0);
	assert_null(arena_alloc(&arena, SIZE_MAX));
	assert_null(arena_alloc(&arena, SIZE_MAX - 8));
	assert_null(arena_zalloc(&arena, SIZE_MAX));
	assert_null(arena_array(&arena, SIZE_MAX / 2, 3));
	assert_null(arena_copy(&arena, "", SIZE_MAX));
	assert_non_null(arena_array(&arena, 3, 5));
	assert_null(arena_alloc(&arena, SIZE_MAX));
	arena_free(&arena);
}

static void
zeroed_memory_is_zero(void **state)
{
	struct arena arena;
	unsigned char *piece;

	(void)state;
	arena_init(&arena, NULL, 0);
	piece = arena_alloc(&arena, 64);
	memset(piece, 0xff, 64);
	arena_free(&arena);
	piece = arena_array(&arena, 8, 8);
	for (int i = 0; i < 64; i++)
		assert_int_equal(piece[i], 0);
	arena_free(&arena);
}

/* Pieces of so many bytes are the kernel's, others are used again. */
static void
zeroed_memory_of_any_size_is_zero_again(void **state)
{
	static const size_t sizes[] = { 1 << 20, (4 << 20) - 64, 4 << 20, 5 << 20, 17 << 20 };
	struct arena arena;
	unsigned char *piece;

	(void)state;
	arena_init(&arena, NULL, 0);
	for (unsigned round = 0; round < 3; round++) {
		for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
			assert_non_null(piece = arena_zalloc(&arena, sizes[i]));
			for (size_t at = 0; at < sizes[i]; at++)
				if (piece[at] != 0)
					fail_msg("byte %zu of %zu", at, sizes[i]);
			memset(piece, 0xff, sizes[i]);
			assert_non_null(arena_copy(&arena, "between", 7));
		}
		arena_free(&arena);
	}
}

/* Chunks grow with the arena, up to those of the kernel; all of them are given back. */
static void
many_small_pieces_make_large_chunks(void **state)
{
	struct arena arena;
	unsigned *first, *piece;

	(void)state;
	arena_init(&arena, NULL, 0);
	assert_non_null(first = arena_zalloc(&arena, 64));
	*first = 7;
	for (unsigned i = 0; i < 200000; i++) {
		assert_non_null(piece = arena_zalloc(&arena, 64));
		assert_int_equal(piece[15], 0);
		memset(piece, 0xff, 64);
	}
	assert_int_equal(*first, 7);
	arena_free(&arena);
}

static void
texts_are_copied_and_printed(void **state)
{
	struct arena arena;
	char wide[5001];

	(void)state;
	memset(wide, 'w', 5000);
	wide[5000] = '\0';
	arena_init(&arena, NULL, 0);
	assert_string_equal(arena_printf(&arena, "%s:%d", "host", 80), "host:80");
	assert_string_equal(arena_copy(&arena, "host:80", 4), "host");
	assert_string_equal(arena_copy(&arena, NULL, 0), "");
	for (int i = 0; i < 300; i++)
		assert_string_equal(arena_printf(&arena, "%s", "a text that at times meets the end of a chunk"),
			"a text that at times meets the end of a chunk");
	assert_string_equal(arena_printf(&arena, "%s", wide), wide);
	arena_free(&arena);
}

static void
chunks_come_from_the_slab_and_go_back(void **state)
{
	struct slab_budget budget = { .limit = 1 << 20 };
	struct slab slab;
	struct arena arena;

	(void)state;
	slab_init(&slab, &budget, 1024, 4);
	arena_init(&arena, &slab, 0);
	for (int i = 0; i < 100; i++)
		assert_non_null(arena_alloc(&arena, 100));
	assert_non_null(arena_alloc(&arena, 10000));
	assert_true(budget.used >= 20000);
	if (!SLAB_PLAIN_MALLOC)
		assert_int_equal(slab.out, 12);
	arena_free(&arena);
	assert_int_equal(budget.used, 0);
	assert_int_equal(slab.out, 0);
	if (!SLAB_PLAIN_MALLOC)
		assert_int_equal(slab.kept, 4);
	slab_free(&slab);
}

static void
the_budget_of_the_slab_bounds_all_of_it(void **state)
{
	struct slab_budget budget = { .limit = 4096 };
	struct slab slab;
	struct arena arena;
	size_t taken = 0;

	(void)state;
	slab_init(&slab, &budget, 1024, 4);
	arena_init(&arena, &slab, 0);
	assert_null(arena_alloc(&arena, 8192));
	while (arena_alloc(&arena, 64) != NULL)
		taken++;
	assert_in_range(taken, 40, 64);
	assert_true(budget.used <= 4096);
	assert_true(budget.refused >= 2);
	arena_free(&arena);
	assert_int_equal(budget.used, 0);
	slab_free(&slab);
}

static void
given_room_is_used_first(void **state)
{
	alignas(max_align_t) char room[256];
	struct arena arena;
	char *first;

	(void)state;
	arena_init_with(&arena, NULL, 0, room, sizeof(room));
	first = arena_alloc(&arena, 200);
	if (!SLAB_PLAIN_MALLOC) {
		assert_ptr_equal(first, room);
		assert_null(arena.chunks);
	}
	memset(first, 1, 200);
	memset(arena_alloc(&arena, 200), 2, 200);
	assert_int_equal(first[199], 1);
	assert_non_null(arena.chunks);
	arena_free(&arena);
	assert_null(arena.chunks);
}

static void
room_that_starts_odd_is_aligned(void **state)
{
	alignas(max_align_t) char room[65];
	struct arena arena;
	char *piece;

	(void)state;
	arena_init_with(&arena, NULL, 0, room + 1, 64);
	piece = arena_alloc(&arena, 52);	/* fits only where it would not be aligned */
	assert_int_equal((uintptr_t)piece % alignof(max_align_t), 0);
	assert_false(piece >= room && piece < room + sizeof(room));
	arena_free(&arena);
}

static void
a_failing_heap_is_an_answer_of_null(void **state)
{
	struct slab_budget budget = { .limit = 1 << 20 };
	struct slab slab;
	struct arena arena;

	(void)state;
	slab_init(&slab, &budget, 1024, 4);
	for (int with_slab = 0; with_slab < 2; with_slab++) {
		arena_init(&arena, with_slab ? &slab : NULL, 0);
		mallocs_until_failure = 0;
		assert_null(arena_alloc(&arena, 10));
		assert_null(arena_zalloc(&arena, 100000));
		assert_null(arena_array(&arena, 10, 10));
		assert_null(arena_copy(&arena, "text", 4));
		assert_null(arena_printf(&arena, "%d", 1));
		assert_int_equal(arena.used, 0);
		assert_int_equal(budget.used, 0);
		mallocs_until_failure = 1;
		assert_non_null(arena_copy(&arena, "text", 4));
		assert_null(arena_alloc(&arena, 100000));
		mallocs_until_failure = -1;
		assert_non_null(arena_alloc(&arena, 100000));
		arena_free(&arena);
		assert_int_equal(budget.used, 0);
	}
	slab_free(&slab);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_are_aligned_and_apart),
		cmocka_unit_test(large_pieces_stand_beside_small_ones),
		cmocka_unit_test(an_arena_can_be_used_again),
		cmocka_unit_test(the_limit_holds),
		cmocka_unit_test(sizes_that_overflow_fail),
		cmocka_unit_test(zeroed_memory_is_zero),
		cmocka_unit_test(zeroed_memory_of_any_size_is_zero_again),
		cmocka_unit_test(many_small_pieces_make_large_chunks),
		cmocka_unit_test(texts_are_copied_and_printed),
		cmocka_unit_test(chunks_come_from_the_slab_and_go_back),
		cmocka_unit_test(the_budget_of_the_slab_bounds_all_of_it),
		cmocka_unit_test(given_room_is_used_first),
		cmocka_unit_test(room_that_starts_odd_is_aligned),
		cmocka_unit_test_teardown(a_failing_heap_is_an_answer_of_null, heal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
