/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory: the cache's own heap, of a size that is set once and is never exceeded.
 *
 * It is a run of pools, all of one size, mapped at once and touched as they fill. Blocks are taken by
 * two-level segregated fit (TLSF): taking and giving back are a constant number of steps, neighbours that are
 * free become one block at once, and what a block's size is rounded up by is a thirty-second at most. A
 * block lies in one pool. A caller that can do with less says so, and then gets what is there: so a body,
 * which is a chain, fills the gaps that others leave.
 *
 * Nothing here locks: the store does.
 */
#ifndef CACHE_MEMORY_H
#define CACHE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CACHE_MEMORY_FIRST 21	/* classes by power of two, from 512 bytes up */
#define CACHE_MEMORY_SECOND 32	/* each in so many parts */

/* The largest block; any pool can hold one. */
#define CACHE_BLOCK_MOST ((size_t)128 * 1024 + 512)

struct cache_block;
struct cache_extent;
struct cache_pool;

struct cache_memory {
	size_t pool;			/* bytes in each, a power of two */
	size_t pools, mapped;		/* in use, and all */
	size_t limit;			/* bytes of these */
	size_t free;			/* bytes in their free blocks */
	size_t used;			/* bytes in blocks that are taken, of all pools */
	uint32_t first;			/* which classes have a free block */
	uint32_t second[CACHE_MEMORY_FIRST];
	struct cache_block *blocks[CACHE_MEMORY_FIRST][CACHE_MEMORY_SECOND];
	struct cache_extent *extents;	/* address space, newest first */
};

/* Map so many bytes, rounded down to whole pools, one at least. False, and errno, when there is no address
 * space. */
bool cache_memory_open(struct cache_memory *, size_t size);
void cache_memory_close(struct cache_memory *);

/* Use more pools, or fewer: those beyond are retired. From a retired pool no block is taken; its memory
 * goes back to the system once all of its blocks are given back. False, and errno, when there is no
 * address space: nothing was changed. */
bool cache_memory_resize(struct cache_memory *, size_t size);

/* Does a block lie in a retired pool? */
bool cache_memory_is_retired(const struct cache_memory *, const void *);

/* A block of `want` bytes, or else the largest there is, with `least` of them at least; *got says how
 * many. NULL: there is none. Uninitialised, aligned to 16. At most CACHE_BLOCK_MOST. */
void *cache_memory_take(struct cache_memory *, size_t want, size_t least, size_t *got);

/* Give back all, or what is behind the first `size` bytes. */
void cache_memory_give(struct cache_memory *, void *);
void cache_memory_trim(struct cache_memory *, void *, size_t size);

/* What a block costs, its own head included. */
size_t cache_memory_cost(const void *);

/* Are all blocks and lists in order? For tests: it looks at every block. */
bool cache_memory_is_sound(const struct cache_memory *);

#endif
