/* SPDX-License-Identifier: Apache-2.0 */
/*
 * slab: a thread's store of equal pieces of memory.
 *
 * Heads, bodies and requests come and go by the hundred thousand; a slab keeps freed pieces on a list
 * (last in, first out: the warmest first) instead of asking the heap. It keeps at most `keep` of them
 * and gives the rest back. One thread owns a slab; nothing here is locked. All slabs of a thread count
 * against one budget, so that the memory in use has a bound. Under AddressSanitizer nothing is kept:
 * each piece comes from malloc and goes to free, so that misuse shows.
 */
#ifndef WEIR_SERVER_SLAB_H
#define WEIR_SERVER_SLAB_H

#include <stdbool.h>
#include <stddef.h>

#if defined(__SANITIZE_ADDRESS__)
#define SLAB_PLAIN_MALLOC 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SLAB_PLAIN_MALLOC 1
#endif
#endif
#ifndef SLAB_PLAIN_MALLOC
#define SLAB_PLAIN_MALLOC 0
#endif

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

/* size is rounded up to hold at least a pointer. */
void slab_init(struct slab *, struct slab_budget *, size_t size, unsigned keep);

/* Give the kept pieces back to the heap. Every piece must have been put back before. */
void slab_free(struct slab *);

/*
 * One piece of `size` bytes, uninitialised and aligned for any type; NULL without memory or past the budget.
 */
void *slab_take(struct slab *) __attribute__((warn_unused_result));

/* Take a piece back; NULL is nothing. */
void slab_put(struct slab *, void *piece);

/* Is more than half of the budget in use? Then those who can take less should. */
static inline bool
slab_is_pressed(const struct slab *slab)
{
	return slab->budget != NULL && slab->budget->limit > 0 && slab->budget->used > slab->budget->limit / 2;
}

/*
 * For memory beside slabs that counts against the same budget (NULL: none): false, and counted, past the
 * limit.
 */
bool slab_budget_charge(struct slab_budget *, size_t size);
void slab_budget_return(struct slab_budget *, size_t size);

#endif
