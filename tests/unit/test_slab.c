/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenes for the slab: pieces are reused warmest first, kept up to a bound, and counted against a budget.
 *
 * Linked with -Wl,--wrap=malloc, so that a scene can make the heap fail. Under AddressSanitizer a slab keeps
 * nothing, and the scenes about keeping say so.
 */
#include "server/slab.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static bool heap_fails;

void *__real_malloc(size_t);
void *__wrap_malloc(size_t);

void *
__wrap_malloc(size_t size)
{
	return heap_fails ? NULL : __real_malloc(size);
}

static void
the_warmest_piece_comes_first(void **state)
{
	struct slab slab;
	void *first, *second;

	(void)state;
	slab_init(&slab, NULL, 64, 8);
	first = slab_take(&slab);
	second = slab_take(&slab);
	memset(first, 1, 64);
	memset(second, 2, 64);
	assert_int_equal(slab.out, 2);
	slab_put(&slab, first);
	slab_put(&slab, second);
	if (!SLAB_PLAIN_MALLOC) {
		assert_int_equal(slab.kept, 2);
		assert_ptr_equal(slab_take(&slab), second);
		assert_ptr_equal(slab_take(&slab), first);
		assert_int_equal(slab.kept, 0);
		slab_put(&slab, first);
		slab_put(&slab, second);
	}
	slab_free(&slab);
	assert_int_equal(slab.kept, 0);
}

static void
no_more_than_keep_are_kept(void **state)
{
	struct slab slab;
	void *pieces[10];

	(void)state;
	slab_init(&slab, NULL, 1, 3);		/* even a piece of one byte holds the link */
	for (int i = 0; i < 10; i++)
		assert_non_null(pieces[i] = slab_take(&slab));
	for (int i = 0; i < 10; i++)
		slab_put(&slab, pieces[i]);
	assert_int_equal(slab.kept, SLAB_PLAIN_MALLOC ? 0 : 3);
	assert_int_equal(slab.out, 0);
	slab_put(&slab, NULL);
	slab_free(&slab);
}

static void
slabs_share_one_budget(void **state)
{
	struct slab_budget budget = { .limit = 1000 };
	struct slab small, large;
	void *a, *b;

	(void)state;
	slab_init(&small, &budget, 300, 1);
	slab_init(&large, &budget, 600, 1);
	a = slab_take(&large);
	b = slab_take(&small);
	assert_non_null(a);
	assert_non_null(b);
	assert_int_equal(budget.used, 900);
	assert_null(slab_take(&small));
	assert_null(slab_take(&large));
	assert_int_equal(budget.refused, 2);
	slab_put(&large, a);
	assert_int_equal(budget.used, 300);
	a = slab_take(&small);
	assert_non_null(a);
	slab_put(&small, a);
	slab_put(&small, b);
	assert_int_equal(budget.used, 0);
	slab_free(&small);
	slab_free(&large);
}

static void
memory_beside_slabs_counts_too(void **state)
{
	struct slab_budget budget = { .limit = 100 }, none = { .limit = 0 };

	(void)state;
	assert_true(slab_budget_charge(&budget, 100));
	assert_false(slab_budget_charge(&budget, 1));
	slab_budget_return(&budget, 100);
	assert_false(slab_budget_charge(&budget, SIZE_MAX));
	assert_int_equal(budget.refused, 2);
	assert_true(slab_budget_charge(&none, SIZE_MAX));
	assert_false(slab_budget_charge(&none, 1));
	assert_true(slab_budget_charge(NULL, SIZE_MAX));
	slab_budget_return(NULL, 1);
}

static void
a_failing_heap_costs_no_budget(void **state)
{
	struct slab_budget budget = { .limit = 1000 };
	struct slab slab;

	(void)state;
	slab_init(&slab, &budget, 100, 1);
	heap_fails = true;
	assert_null(slab_take(&slab));
	heap_fails = false;
	assert_int_equal(budget.used, 0);
	assert_int_equal(slab.out, 0);
	slab_free(&slab);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_warmest_piece_comes_first),
		cmocka_unit_test(no_more_than_keep_are_kept),
		cmocka_unit_test(slabs_share_one_budget),
		cmocka_unit_test(memory_beside_slabs_counts_too),
		cmocka_unit_test(a_failing_heap_costs_no_budget),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
