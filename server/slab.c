/* SPDX-License-Identifier: Apache-2.0 */
/*
 * slab: a thread's store of equal pieces of memory.
 *
 * A free piece holds the link to the next one in its own first bytes. The budget counts what is out,
 * not what is kept: that is bounded by `keep` already.
 */
#include "slab.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

struct slab_piece {
	struct slab_piece *next;
};

bool
slab_budget_charge(struct slab_budget *budget, size_t size)
{
	if (budget == NULL)
		return true;
	if (budget->limit != 0 && (budget->used > budget->limit || size > budget->limit - budget->used)) {
		budget->refused++;
		return false;
	}
	if (size > SIZE_MAX - budget->used)
		return false;
	budget->used += size;
	return true;
}

void
slab_budget_return(struct slab_budget *budget, size_t size)
{
	if (budget == NULL)
		return;
	assert(budget->used >= size);
	budget->used -= size;
}

void
slab_init(struct slab *slab, struct slab_budget *budget, size_t size, unsigned keep)
{
	*slab = (struct slab){
		.budget = budget,
		.size = size < sizeof(struct slab_piece) ? sizeof(struct slab_piece) : size,
		.keep = SLAB_PLAIN_MALLOC ? 0 : keep,
	};
}

void
slab_free(struct slab *slab)
{
	struct slab_piece *piece;

	assert(slab->out == 0);
	while ((piece = slab->free) != NULL) {
		slab->free = piece->next;
		free(piece);
	}
	slab->kept = 0;
}

void *
slab_take(struct slab *slab)
{
	struct slab_piece *piece = slab->free;

	if (!slab_budget_charge(slab->budget, slab->size))
		return NULL;
	if (piece != NULL) {
		slab->free = piece->next;
		slab->kept--;
	} else if ((piece = malloc(slab->size)) == NULL) {
		slab_budget_return(slab->budget, slab->size);
		return NULL;
	}
	slab->out++;
	return piece;
}

void
slab_put(struct slab *slab, void *memory)
{
	struct slab_piece *piece = memory;

	if (piece == NULL)
		return;
	assert(slab->out > 0);
	slab->out--;
	slab_budget_return(slab->budget, slab->size);
	if (slab->kept >= slab->keep) {
		free(piece);
		return;
	}
	piece->next = slab->free;
	slab->free = piece;
	slab->kept++;
}
