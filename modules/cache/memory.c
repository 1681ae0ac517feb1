/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory: the cache's own heap.
 *
 * A pool is blocks from its first byte to its last, each behind a head that says where the one before it lies: so
 * that neighbours are found in both directions. The last head of a pool has no block and is always taken.
 */
#include "memory.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define GRAIN ((size_t)16)		/* every size is a multiple */
#define HEAD sizeof(struct cache_block_head)
#define LEAST ((size_t)48)		/* a block, its head included, that can be free */
#define LINEAR_BITS 9			/* below 512 bytes all classes are GRAIN apart */

struct cache_block_head {
	struct cache_block *before;	/* in the pool; NULL: the first */
	size_t size;			/* head included; the last bit: it is free */
};

struct cache_block {
	struct cache_block_head head;
	struct cache_block *next, *previous;	/* only while it is free */
};

struct cache_extent {
	struct cache_extent *next;
	void *map;
	size_t length;
	char *pools;			/* in it, the first on a pool's boundary */
	size_t count;
};

#define FREE ((size_t)1)

static size_t
size_of(const struct cache_block *block)
{
	return block->head.size & ~FREE;
}

static bool
is_free(const struct cache_block *block)
{
	return (block->head.size & FREE) != 0;
}

static struct cache_block *
behind(const struct cache_block *block)
{
	return (struct cache_block *)((char *)(uintptr_t)block + size_of(block));
}

static struct cache_block *
block_of(const void *bytes)
{
	return (struct cache_block *)((char *)(uintptr_t)bytes - HEAD);
}

/* The class in which a free block of this size is listed. */
static void
classify(size_t size, unsigned *first, unsigned *second)
{
	unsigned top;

	if (size < (size_t)1 << LINEAR_BITS) {
		*first = 0;
		*second = (unsigned)(size / GRAIN);
		return;
	}
	top = 63 - (unsigned)__builtin_clzl(size);
	*first = top - LINEAR_BITS + 1;
	*second = (unsigned)(size >> (top - 5)) & (CACHE_MEMORY_SECOND - 1);
}

static void
list(struct cache_memory *memory, struct cache_block *block)
{
	unsigned first, second;
	struct cache_block **list;

	classify(size_of(block), &first, &second);
	assert(first < CACHE_MEMORY_FIRST);
	list = &memory->blocks[first][second];
	block->head.size |= FREE;
	block->previous = NULL;
	block->next = *list;
	if (*list != NULL)
		(*list)->previous = block;
	*list = block;
	memory->first |= 1u << first;
	memory->second[first] |= 1u << second;
	memory->free += size_of(block);
}

static void
unlist(struct cache_memory *memory, struct cache_block *block)
{
	unsigned first, second;

	classify(size_of(block), &first, &second);
	memory->free -= size_of(block);
	block->head.size &= ~FREE;
	if (block->next != NULL)
		block->next->previous = block->previous;
	if (block->previous != NULL) {
		block->previous->next = block->next;
		return;
	}
	memory->blocks[first][second] = block->next;
	if (block->next != NULL)
		return;
	memory->second[first] &= ~(1u << second);
	if (memory->second[first] == 0)
		memory->first &= ~(1u << first);
}

/* A free block in a class where all are large enough. */
static struct cache_block *
find(const struct cache_memory *memory, size_t size)
{
	unsigned first, second;
	uint32_t map;

	if (size >= (size_t)1 << LINEAR_BITS)	/* up to the next class: not all of its own are large enough */
		size += ((size_t)1 << (63 - (unsigned)__builtin_clzl(size) - 5)) - 1;
	classify(size, &first, &second);
	if (first >= CACHE_MEMORY_FIRST)
		return NULL;
	map = memory->second[first] & ~0u << second;
	if (map == 0) {
		map = first + 1 < 32 ? memory->first & ~0u << (first + 1) : 0;
		if (map == 0)
			return NULL;
		first = (unsigned)__builtin_ctz(map);
		map = memory->second[first];
	}
	return memory->blocks[first][__builtin_ctz(map)];
}

/* One of the largest there are. */
static struct cache_block *
find_largest(const struct cache_memory *memory)
{
	unsigned first;

	if (memory->first == 0)
		return NULL;
	first = 31 - (unsigned)__builtin_clz(memory->first);
	return memory->blocks[first][31 - (unsigned)__builtin_clz(memory->second[first])];
}

/* Keep the first `size` bytes of a taken block and list the rest, if it can be a block. */
static void
split(struct cache_memory *memory, struct cache_block *block, size_t size)
{
	size_t rest = size_of(block) - size;
	struct cache_block *other, *next;

	if (rest < LEAST)
		return;
	next = behind(block);
	block->head.size = size;
	other = behind(block);
	other->head.before = block;
	other->head.size = rest;
	if (is_free(next)) {
		unlist(memory, next);
		other->head.size += size_of(next);
		next = behind(other);
	}
	next->head.before = other;
	list(memory, other);
}

static size_t
whole_size(size_t bytes)
{
	size_t size = (bytes + HEAD + GRAIN - 1) & ~(GRAIN - 1);

	return size < LEAST ? LEAST : size;
}

void *
cache_memory_take(struct cache_memory *memory, size_t want, size_t least, size_t *got)
{
	size_t size = whole_size(want);
	struct cache_block *block;

	assert(least <= want && want <= CACHE_BLOCK_MOST);
	block = find(memory, size);
	if (block == NULL) {
		block = find_largest(memory);
		if (block == NULL || size_of(block) < whole_size(least))
			return NULL;
	}
	unlist(memory, block);
	if (size_of(block) > size)
		split(memory, block, size);
	memory->used += size_of(block);
	if (got != NULL)
		*got = size_of(block) - HEAD < want ? size_of(block) - HEAD : want;
	return (char *)block + HEAD;
}

void
cache_memory_give(struct cache_memory *memory, void *bytes)
{
	struct cache_block *block = block_of(bytes), *next = behind(block), *before = block->head.before;

	assert(!is_free(block));
	memory->used -= size_of(block);
	if (is_free(next)) {
		unlist(memory, next);
		block->head.size += size_of(next);
	}
	if (before != NULL && is_free(before)) {
		unlist(memory, before);
		before->head.size += block->head.size;
		block = before;
	}
	behind(block)->head.before = block;
	list(memory, block);
}

void
cache_memory_trim(struct cache_memory *memory, void *bytes, size_t size)
{
	struct cache_block *block = block_of(bytes);
	size_t before = size_of(block);

	if (whole_size(size) < before)
		split(memory, block, whole_size(size));
	memory->used -= before - size_of(block);
}

size_t
cache_memory_cost(const void *bytes)
{
	return size_of(block_of(bytes));
}

static void
open_pool(struct cache_memory *memory, char *pool)
{
	struct cache_block *block = (struct cache_block *)pool, *end;

	block->head.before = NULL;
	block->head.size = memory->pool - HEAD;
	end = behind(block);
	end->head.before = block;
	end->head.size = HEAD;
	list(memory, block);
}

/* A small part of the size, so that it rounds to little, but room for the largest block. */
static size_t
pool_size(size_t size)
{
	size_t pool = (size_t)256 * 1024;

	while (pool < size / 64 && pool < (size_t)4 * 1024 * 1024)
		pool *= 2;
	return pool;
}

static bool
map_extent(struct cache_memory *memory, size_t count)
{
	struct cache_extent *extent = calloc(1, sizeof(*extent));
	size_t length = (count + 1) * memory->pool;

	if (extent == NULL)
		return false;
	extent->map = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (extent->map == MAP_FAILED) {
		free(extent);
		errno = ENOMEM;
		return false;
	}
	extent->length = length;
	extent->count = count;
	extent->pools = (char *)(((uintptr_t)extent->map + memory->pool - 1) & ~(memory->pool - 1));
	extent->next = memory->extents;
	memory->extents = extent;
	return true;
}

bool
cache_memory_open(struct cache_memory *memory, size_t size)
{
	size_t count;

	memset(memory, 0, sizeof(*memory));
	memory->pool = pool_size(size);
	count = size / memory->pool > 0 ? size / memory->pool : 1;
	if (!map_extent(memory, count))
		return false;
	for (size_t i = count; i-- > 0; )
		open_pool(memory, memory->extents->pools + i * memory->pool);
	memory->pools = count;
	memory->limit = count * memory->pool;
	return true;
}

void
cache_memory_close(struct cache_memory *memory)
{
	struct cache_extent *extent;

	while ((extent = memory->extents) != NULL) {
		memory->extents = extent->next;
		munmap(extent->map, extent->length);
		free(extent);
	}
}

static bool
pool_is_sound(const struct cache_memory *memory, const char *pool, size_t *free_bytes, size_t *used)
{
	const struct cache_block *block = (const struct cache_block *)(const void *)pool, *before = NULL;

	for (; (const char *)block < pool + memory->pool - HEAD; before = block, block = behind(block)) {
		if (block->head.before != before || size_of(block) < LEAST || size_of(block) % GRAIN != 0)
			return false;
		if (before != NULL && is_free(before) && is_free(block))
			return false;
		*(is_free(block) ? free_bytes : used) += size_of(block);
	}
	return (const char *)block == pool + memory->pool - HEAD && block->head.before == before && !is_free(block);
}

bool
cache_memory_is_sound(const struct cache_memory *memory)
{
	size_t free_bytes = 0, used = 0;

	for (const struct cache_extent *extent = memory->extents; extent != NULL; extent = extent->next)
		for (size_t i = 0; i < extent->count; i++)
			if (!pool_is_sound(memory, extent->pools + i * memory->pool, &free_bytes, &used))
				return false;
	return free_bytes == memory->free && used == memory->used;
}
