/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bare_thread: as much of a thread as buffers need: its slabs, within a budget, and its scratch memory.
 *
 * A scene begins with the budget open and ends with every buffer given back.
 */
#ifndef WEIR_TESTS_BARE_THREAD_H
#define WEIR_TESTS_BARE_THREAD_H

#include "server/buffer.h"
#include "server/thread.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct thread bare;

static inline int
begin_bare(void **state)
{
	(void)state;
	memset(&bare, 0, sizeof(bare));
	bare.budget.limit = SIZE_MAX;
	slab_init(&bare.heads, &bare.budget, BUFFER_SMALL, 4);
	slab_init(&bare.bodies, &bare.budget, BUFFER_LARGE, 4);
	bare.scratch = malloc(SCRATCH_SIZE);
	return bare.scratch != NULL ? 0 : -1;
}

static inline int
end_bare(void **state)
{
	(void)state;
	assert_int_equal(bare.heads.out, 0);
	assert_int_equal(bare.bodies.out, 0);
	assert_int_equal(bare.budget.used, 0);
	slab_free(&bare.heads);
	slab_free(&bare.bodies);
	free(bare.scratch);
	return 0;
}

/* From now on there is room for this many bytes more in buffers. */
static inline void
leave_memory(size_t bytes)
{
	bare.budget.limit = bare.budget.used + bytes;
	if (bare.budget.limit == 0)	/* which would stand for no bound */
		bare.budget.limit = 1;
}

static inline struct buffer *
buffer_with(const char *bytes, size_t length)
{
	struct buffer *b = buffer_take(&bare, length);

	assert_non_null(b);
	memcpy(b->to, bytes, length);
	b->to += length;
	return b;
}

static inline void
assert_holds(const struct buffer *b, const char *bytes, size_t length)
{
	assert_int_equal(buffer_length(b), length);
	if (length > 0)
		assert_memory_equal(b->from, bytes, length);
}

/* Bytes of which no two stretches are alike. */
static inline void
fill(char *to, size_t length, unsigned seed)
{
	for (size_t i = 0; i < length; i++) {
		seed = seed * 1103515245u + 12345u;
		to[i] = (char)(seed >> 16);
	}
}

#define SCENE(name) cmocka_unit_test_setup_teardown(name, begin_bare, end_bare)

#endif
