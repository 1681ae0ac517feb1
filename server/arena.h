/* SPDX-License-Identifier: Apache-2.0 */
/*
 * arena: memory that dies all at once.
 *
 * A request, a connection and a generation own an arena each; whatever belongs to them is taken from it
 * and nothing is given back singly, so error paths free nothing. Chunks come from a slab of the thread
 * (see slab.h) or, without one, from malloc. Under AddressSanitizer every piece is a malloc of its own,
 * so that a use after the end or past a bound shows.
 *
 * An arena is used by one thread at a time. It is bounded: past its limit an allocation fails as it
 * would without memory. What does not fit a slab's piece comes from malloc, and counts against the
 * slab's budget all the same.
 */
#ifndef WEIR_SERVER_ARENA_H
#define WEIR_SERVER_ARENA_H

#include <stdarg.h>
#include <stddef.h>

struct slab;
struct arena_chunk;

struct arena {
	char *at, *end;			/* the free part of the newest chunk */
	struct arena_chunk *chunks;	/* newest first; freed by arena_free */
	struct slab *slab;		/* where chunks come from; NULL: malloc */
	size_t used, limit;		/* bytes given out with their padding, and their bound */
};

/* Begin an empty arena; owns nothing until the first allocation. limit 0 means none. */
void arena_init(struct arena *, struct slab *, size_t limit);

/* Begin with room that the caller owns and that outlives the arena (the tail of a slab piece, say). */
void arena_init_with(struct arena *, struct slab *, size_t limit, void *room, size_t size);

/* Free all that the arena gave out; it can be used again afterwards (without the room that it began with). */
void arena_free(struct arena *);

/*
 * Uninitialised memory, aligned for any type, never NULL for size 0; NULL when there is none or the limit is
 * reached.
 */
void *arena_alloc(struct arena *, size_t size) __attribute__((malloc, warn_unused_result));

/* The same, zeroed; and zeroed room for count items of size, NULL too when the product overflows. */
void *arena_zalloc(struct arena *, size_t size) __attribute__((malloc, warn_unused_result));
void *arena_array(struct arena *, size_t count, size_t size) __attribute__((malloc, warn_unused_result));

/* Room for a text of so many bytes, which ends in NUL already; NULL without memory. */
char *arena_text(struct arena *, size_t length) __attribute__((warn_unused_result));

/* Copies that end in NUL; NULL without memory. */
char *arena_copy(struct arena *, const char *text, size_t length) __attribute__((warn_unused_result));
char *arena_printf(struct arena *, const char *format, ...)
	__attribute__((format(printf, 2, 3), warn_unused_result));
char *arena_vprintf(struct arena *, const char *format, va_list) __attribute__((warn_unused_result));

#endif
