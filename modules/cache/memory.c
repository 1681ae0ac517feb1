/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory: the cache's own heap.
 *
 * A pool is its own head and blocks from there to its last byte, each behind a head that says where the one
 * before it lies: so that neighbours are found in both directions. The last head of a pool has no block and
 * is always taken. A pool begins at a multiple of its size, and so is found from any block. The free blocks
 * of a retired pool are in no list.
 */
#include "memory.h"

#include <assert.h>
#include <errno.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
#endif
#endif
#ifndef ASAN_POISON_MEMORY_REGION
#define ASAN_POISON_MEMORY_REGION(at, size) ((void)(at), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(at, size) ((void)(at), (void)(size))
#endif

#define GRAIN ((size_t)16)		/* every size is a multiple */
#define HEAD sizeof(struct cache_block_head)
#define LEAST ((size_t)48)		/* a block, its head included, that can be free */
#define PAGE ((size_t)4096)		/* at least; what stays of a pool that is given back */
#define LINEAR_BITS 9			/* below 512 bytes all classes are GRAIN apart */

struct cache_block_head {
	struct cache_block *before;	/* in the pool; NULL: the first */
	size_t size;			/* head included; the last bit: it is free */
};

struct cache_block {
	struct cache_block_head head;
	struct cache_block *next, *previous;	/* only while it is free */
};

struct cache_pool {
	alignas(64) bool retired;
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

static struct cache_pool *
pool_of(const struct cache_memory *memory, const void *block)
{
	return (struct cache_pool *)((uintptr_t)block & ~(memory->pool - 1));
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

/* A free block that is all of its retired pool: only its first page is needed to know that. */
static void
give_to_system(const struct cache_memory *memory, struct cache_block *block)
{
	char *pool = (char *)pool_of(memory, block);

	if (size_of(block) == memory->pool - sizeof(struct cache_pool) - HEAD)
		madvise(pool + PAGE, memory->pool - PAGE - PAGE, MADV_DONTNEED);
}

static void
list(struct cache_memory *memory, struct cache_block *block)
{
	unsigned first, second;
	struct cache_block **list;

	ASAN_POISON_MEMORY_REGION(block + 1, size_of(block) - sizeof(*block));	/* what uses it now, shows */
	block->head.size |= FREE;
	if (pool_of(memory, block)->retired) {
		give_to_system(memory, block);
		return;
	}
	classify(size_of(block), &first, &second);
	assert(first < CACHE_MEMORY_FIRST);
	list = &memory->blocks[first][second];
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

	block->head.size &= ~FREE;
	if (pool_of(memory, block)->retired)
		return;
	classify(size_of(block), &first, &second);
	memory->free -= size_of(block);
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
	ASAN_UNPOISON_MEMORY_REGION(block, size_of(block));
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

/* --- pools ---------------------------------------------------------------------------------------------- */

static struct cache_block *
first_block(struct cache_pool *pool)
{
	return (struct cache_block *)(void *)(pool + 1);
}

static void
open_pool(struct cache_memory *memory, struct cache_pool *pool)
{
	struct cache_block *block = first_block(pool), *end;

	block->head.before = NULL;
	block->head.size = memory->pool - sizeof(*pool) - HEAD;
	end = behind(block);
	end->head.before = block;
	end->head.size = HEAD;
	list(memory, block);
}

/* Take its free blocks out of the lists, or put them back. */
static void
retire_pool(struct cache_memory *memory, struct cache_pool *pool, bool retire)
{
	struct cache_block *block = first_block(pool), *next;

	if (!retire)
		pool->retired = false;
	for (; size_of(block) > HEAD; block = next) {
		next = behind(block);
		if (!is_free(block))
			continue;
		if (retire) {
			unlist(memory, block);
			block->head.size |= FREE;
		} else {
			list(memory, block);
		}
	}
	pool->retired = retire;
	block = first_block(pool);
	if (retire && is_free(block))
		give_to_system(memory, block);
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

static struct cache_pool *
pool_at(const struct cache_memory *memory, const struct cache_extent *extent, size_t number)
{
	return (struct cache_pool *)(void *)(extent->pools + number * memory->pool);
}

/* Use so many pools of those that are mapped: of each extent the first, of the oldest extent first. */
static void
use_pools(struct cache_memory *memory, size_t count)
{
	size_t before = memory->mapped;

	for (const struct cache_extent *extent = memory->extents; extent != NULL; extent = extent->next) {
		before -= extent->count;
		for (size_t i = extent->count; i-- > 0; ) {
			struct cache_pool *pool = pool_at(memory, extent, i);
			bool retire = before + i >= count;

			if (pool->retired != retire)
				retire_pool(memory, pool, retire);
		}
	}
	memory->pools = count;
	memory->limit = count * memory->pool;
}

bool
cache_memory_resize(struct cache_memory *memory, size_t size)
{
	size_t count = size / memory->pool > 0 ? size / memory->pool : 1;

	if (count > memory->mapped) {
		size_t more = count - memory->mapped;

		if (!map_extent(memory, more))
			return false;
		memory->mapped += more;
		for (size_t i = more; i-- > 0; )
			open_pool(memory, pool_at(memory, memory->extents, i));
	}
	use_pools(memory, count);
	return true;
}

bool
cache_memory_is_retired(const struct cache_memory *memory, const void *bytes)
{
	return pool_of(memory, bytes)->retired;
}

bool
cache_memory_open(struct cache_memory *memory, size_t size)
{
	memset(memory, 0, sizeof(*memory));
	memory->pool = pool_size(size);
	return cache_memory_resize(memory, size);
}

void
cache_memory_close(struct cache_memory *memory)
{
	struct cache_extent *extent;

	while ((extent = memory->extents) != NULL) {
		memory->extents = extent->next;
		ASAN_UNPOISON_MEMORY_REGION(extent->map, extent->length);
		munmap(extent->map, extent->length);
		free(extent);
	}
}

static bool
pool_is_sound(const struct cache_memory *memory, struct cache_pool *pool, size_t *free_bytes, size_t *used)
{
	const struct cache_block *block = first_block(pool), *before = NULL;
	const char *end = (const char *)pool + memory->pool - HEAD;

	for (; (const char *)block < end; before = block, block = behind(block)) {
		if (block->head.before != before || size_of(block) < LEAST || size_of(block) % GRAIN != 0)
			return false;
		if (before != NULL && is_free(before) && is_free(block))
			return false;
		if (!is_free(block))
			*used += size_of(block);
		else if (!pool->retired)
			*free_bytes += size_of(block);
	}
	return (const char *)block == end && block->head.before == before && !is_free(block);
}

bool
cache_memory_is_sound(const struct cache_memory *memory)
{
	size_t free_bytes = 0, used = 0;

	for (const struct cache_extent *extent = memory->extents; extent != NULL; extent = extent->next)
		for (size_t i = 0; i < extent->count; i++)
			if (!pool_is_sound(memory, pool_at(memory, extent, i), &free_bytes, &used))
				return false;
	return free_bytes == memory->free && used == memory->used;
}
