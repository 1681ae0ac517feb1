/* SPDX-License-Identifier: Apache-2.0 */
/*
 * slab: a thread's store of equal pieces of memory.
 *
 * Heads, bodies and requests come and go by the hundred thousand; a slab keeps freed pieces on a list
 * (last in, first out: the warmest first) instead of asking the heap. It keeps at most `keep` of them
 * and gives the rest back. One thread owns a slab; nothing here is locked. All slabs of a thread count
 * against one budget, so that the memory in use has a bound.
 */
#ifndef WEIR_SERVER_SLAB_H
#define WEIR_SERVER_SLAB_H

#include <stddef.h>

struct slab_budget {
	size_t used, limit;	/* bytes in pieces that are out; limit 0: none */
	size_t refused;		/* pieces that the limit refused */
};

struct slab_piece;

struct slab {
	struct slab_piece *free;
	struct slab_budget *budget;	/* borrowed; may be NULL */
	size_t size;
	unsigned kept, keep, out;
};

void slab_init(struct slab *, struct slab_budget *, size_t size, unsigned keep);

/* Give the kept pieces back to the heap. Every piece must have been put back before. */
void slab_free(struct slab *);

/* One piece of `size` bytes, uninitialised; NULL without memory or past the budget. */
void *slab_take(struct slab *);
void slab_put(struct slab *, void *piece);

#endif
