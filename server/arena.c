/* SPDX-License-Identifier: Apache-2.0 */
/*
 * arena: memory that dies all at once.
 *
 * The newest chunk is cut from the front (`at` to `end`). A piece that would take more than half of a
 * fresh chunk gets a chunk of its own and leaves the current one as it is, so that no large tail is lost.
 * Texts need no alignment and are packed; everything else begins at a multiple of ALIGNMENT.
 */
#include "arena.h"
#include "slab.h"

#include <assert.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define ALIGNMENT alignof(max_align_t)

/* Without a slab chunks begin small, for connections, and grow with the arena, for generations. */
#define CHUNK_LEAST ((size_t)2048)
#define CHUNK_MOST ((size_t)4 << 20)

/* From here on a chunk without a slab is the kernel's: it comes zeroed and in large pages where there are such, as faults for
 * small ones are a quarter of what a generation of 100,000 routes costs, and goes back at once. */
#define MAPPED_LEAST ((size_t)4 << 20)

struct arena_chunk {
	struct arena_chunk *next;
	size_t size;			/* of the whole chunk, from malloc; 0: a piece of the slab */
	alignas(max_align_t) char room[];
};

void
arena_init(struct arena *arena, struct slab *slab, size_t limit)
{
	*arena = (struct arena){
		.slab = slab,
		.limit = limit != 0 ? limit : SIZE_MAX,
	};
}

void
arena_init_with(struct arena *arena, struct slab *slab, size_t limit, void *room, size_t size)
{
	arena_init(arena, slab, limit);
	if (!SLAB_PLAIN_MALLOC && room != NULL) {
		arena->at = room;
		arena->end = arena->at + size;
	}
}

static bool
is_mapped(const struct arena *arena, size_t size)
{
	return !SLAB_PLAIN_MALLOC && arena->slab == NULL && size >= MAPPED_LEAST;
}

static void *
map(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		return NULL;
	madvise(memory, size, MADV_HUGEPAGE);	/* a wish */
	return memory;
}

void
arena_free(struct arena *arena)
{
	struct slab_budget *budget = arena->slab != NULL ? arena->slab->budget : NULL;
	struct arena_chunk *chunk;

	while ((chunk = arena->chunks) != NULL) {
		arena->chunks = chunk->next;
		if (chunk->size == 0) {
			slab_put(arena->slab, chunk);
		} else if (is_mapped(arena, chunk->size)) {
			munmap(chunk, chunk->size);
		} else {
			slab_budget_return(budget, chunk->size);
			free(chunk);
		}
	}
	arena->at = arena->end = NULL;
	arena->used = 0;
}

static struct arena_chunk *
add_own_chunk(struct arena *arena, size_t size)
{
	struct slab_budget *budget = arena->slab != NULL ? arena->slab->budget : NULL;
	struct arena_chunk *chunk;

	if (size > SIZE_MAX - sizeof(*chunk))
		return NULL;
	size += sizeof(*chunk);
	if (!slab_budget_charge(budget, size))
		return NULL;
	if ((chunk = is_mapped(arena, size) ? map(size) : malloc(size)) == NULL) {
		slab_budget_return(budget, size);
		return NULL;
	}
	chunk->size = size;
	chunk->next = arena->chunks;
	arena->chunks = chunk;
	return chunk;
}

static struct arena_chunk *
add_slab_chunk(struct arena *arena)
{
	struct arena_chunk *chunk = slab_take(arena->slab);

	if (chunk == NULL)
		return NULL;
	chunk->size = 0;
	chunk->next = arena->chunks;
	arena->chunks = chunk;
	return chunk;
}

/* The room that the next shared chunk will have. */
static size_t
next_chunk_room(const struct arena *arena)
{
	size_t size = arena->used;

	if (arena->slab != NULL)
		return arena->slab->size > sizeof(struct arena_chunk) ?
			arena->slab->size - sizeof(struct arena_chunk) : 0;
	if (size < CHUNK_LEAST)
		size = CHUNK_LEAST;
	if (size > CHUNK_MOST)
		size = CHUNK_MOST;
	return size - sizeof(struct arena_chunk);
}

/* The current chunk is too full for size: find room in a new one. */
static void *
take_from_new_chunk(struct arena *arena, size_t size)
{
	size_t room = next_chunk_room(arena);
	struct arena_chunk *chunk;

	if (SLAB_PLAIN_MALLOC || size > room / 2) {
		chunk = add_own_chunk(arena, size);
		return chunk != NULL ? chunk->room : NULL;
	}
	chunk = arena->slab != NULL ? add_slab_chunk(arena) : add_own_chunk(arena, room);
	if (chunk == NULL)
		return NULL;
	arena->at = chunk->room + size;
	arena->end = chunk->room + room;
	return chunk->room;
}

/* There is no room for it in the current chunk. */
static void * __attribute__((noinline))
take_elsewhere(struct arena *arena, size_t size)
{
	char *piece = NULL;

	if (size <= arena->limit - arena->used && (piece = take_from_new_chunk(arena, size)) != NULL)
		arena->used += size;
	return piece;
}

static inline void *
take(struct arena *arena, size_t size, size_t alignment)
{
	size_t padding = -(uintptr_t)arena->at & (alignment - 1);
	size_t room = (size_t)(arena->end - arena->at), left = arena->limit - arena->used;
	char *piece;

	assert(arena->used <= arena->limit);
	if (size == 0)
		size = 1;
	if (size > room || padding > room - size)
		return take_elsewhere(arena, size);
	if (padding + size > left)
		return NULL;
	piece = arena->at + padding;
	arena->at = piece + size;
	arena->used += padding + size;
	return piece;
}

void *
arena_alloc(struct arena *arena, size_t size)
{
	return take(arena, size, ALIGNMENT);
}

void *
arena_zalloc(struct arena *arena, size_t size)
{
	void *piece = take(arena, size, ALIGNMENT);

	if (piece == NULL || is_mapped(arena, size))
		return piece;		/* of its own chunk, which nobody had before */
	return memset(piece, 0, size);
}

void *
arena_array(struct arena *arena, size_t count, size_t size)
{
	size_t product;

	if (__builtin_mul_overflow(count, size, &product))
		return NULL;
	return arena_zalloc(arena, product);
}

char *
arena_text(struct arena *arena, size_t length)
{
	char *text;

	if (length == SIZE_MAX || (text = take(arena, length + 1, 1)) == NULL)
		return NULL;
	text[length] = '\0';
	return text;
}

char *
arena_copy(struct arena *arena, const char *text, size_t length)
{
	char *copy = arena_text(arena, length);

	if (copy != NULL && length > 0)
		memcpy(copy, text, length);
	return copy;
}

char *
arena_vprintf(struct arena *arena, const char *format, va_list arguments)
{
	size_t room = (size_t)(arena->end - arena->at);
	va_list again;
	char *text, *guess = arena->at;
	int length;

	/* Most texts fit what is left: print there at once, and take it when it did. */
	va_copy(again, arguments);
	length = vsnprintf(guess, room, format, again);
	va_end(again);
	if (length < 0 || (text = take(arena, (size_t)length + 1, 1)) == NULL)
		return NULL;
	if (text != guess || (size_t)length >= room)
		vsnprintf(text, (size_t)length + 1, format, arguments);
	return text;
}

char *
arena_printf(struct arena *arena, const char *format, ...)
{
	va_list arguments;
	char *text;

	va_start(arguments, format);
	text = arena_vprintf(arena, format, arguments);
	va_end(arguments);
	return text;
}
