/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wait: the slots of suspended exchanges. See wait.h for how a token is won and lost.
 *
 * A slot's generation g goes g (free, even) -> g + 1 (waiting, odd) -> g + 2 (claimed, then free, even). A token holds the odd
 * number; it is spent once the slot has moved on. Sixty-four bits do not come round.
 */
#include "wait.h"

#include <assert.h>
#include <stdlib.h>

#include "exchange.h"
#include "thread.h"

enum { BLOCK = 256, BLOCKS = 4096, NONE = UINT32_MAX };

struct wait_table {
	struct thread *thread;
	_Atomic(struct wait *) blocks[BLOCKS];
	uint32_t count, first_free;
};

struct wait_table *
wait_table_new(struct thread *t)
{
	struct wait_table *table = calloc(1, sizeof(*table));

	if (table != NULL) {
		table->thread = t;
		table->first_free = (uint32_t)NONE;
	}
	return table;
}

void
wait_table_free(struct wait_table **table)
{
	if (*table == NULL)
		return;
	for (unsigned i = 0; i < BLOCKS; i++)
		free(atomic_load_explicit(&(*table)->blocks[i], memory_order_relaxed));
	free(*table);
	*table = NULL;
}

static struct wait *
find_slot(struct wait_table *table, uint32_t slot)
{
	struct wait *block;

	if (slot >= (uint32_t)BLOCK * BLOCKS)
		return NULL;
	block = atomic_load_explicit(&table->blocks[slot / BLOCK], memory_order_acquire);
	return block == NULL ? NULL : &block[slot % BLOCK];
}

/* Late calls of weir_resume by threads that have no counters. */
static _Atomic uint64_t late_elsewhere;

uint64_t
wait_late_elsewhere(void)
{
	return atomic_load_explicit(&late_elsewhere, memory_order_relaxed);
}

static void passed(struct deadline *);

static bool
grow(struct wait_table *table)
{
	unsigned index = table->count / BLOCK;
	struct wait *block;

	if (index == BLOCKS || (block = calloc(BLOCK, sizeof(*block))) == NULL)
		return false;
	for (unsigned i = BLOCK; i-- > 0; ) {
		block[i].thread = table->thread;
		block[i].slot = table->count + i;
		block[i].next_free = table->first_free;
		deadline_init(&block[i].deadline, passed);
		table->first_free = block[i].slot;
	}
	table->count += BLOCK;
	atomic_store_explicit(&table->blocks[index], block, memory_order_release);
	return true;
}

static void
free_slot(struct wait *w)
{
	struct wait_table *table = w->thread->waits;

	deadline_remove(&w->deadline);
	w->exchange = NULL;
	w->next_free = table->first_free;
	table->first_free = w->slot;
}

/* Move the slot from waiting to claimed; one caller wins. */
static bool
claim(struct wait *w, uint64_t generation)
{
	return (generation & 1) == 1
		&& atomic_compare_exchange_strong(&w->generation, &generation, generation + 1);
}

/* On the owning thread: a resume has arrived. */
static void
arrive(struct message *m, void *owner)
{
	struct wait *w = (struct wait *)m;
	struct weir_exchange *x = w->exchange;
	enum weir_verdict verdict = w->verdict;

	(void)owner;
	free_slot(w);
	if (x != NULL)
		exchange_resume(x, verdict);
}

void
wait_cancel(struct wait *w)
{
	w->exchange = NULL;
	if (!claim(w, atomic_load(&w->generation)))
		return;		/* `arrive` is under way and frees the slot */
	if (w->cancel != NULL)
		w->cancel(w->argument);
	free_slot(w);
}

static void
passed(struct deadline *d)
{
	struct wait *w = (struct wait *)((char *)d - offsetof(struct wait, deadline));
	struct weir_exchange *x = w->exchange;
	enum weir_verdict late = w->late;

	if (x == NULL || !claim(w, atomic_load(&w->generation)))
		return;
	if (w->cancel != NULL)
		w->cancel(w->argument);
	free_slot(w);
	exchange_wait_expired(x, late);
}

struct weir_token
weir_wait(struct weir_exchange *x, int64_t deadline, enum weir_verdict late,
	void (*cancel)(void *argument), void *argument)
{
	struct thread *t = exchange_thread(x);
	struct wait_table *table = t->waits;
	struct weir_token none = { 0, 0, 0 }, token;
	struct wait *w;

	if (exchange_is_waiting(x) || (table->first_free == (uint32_t)NONE && !grow(table)))
		return none;
	w = find_slot(table, table->first_free);
	assert(w != NULL);
	table->first_free = w->next_free;
	w->exchange = x;
	w->late = late;
	w->cancel = cancel;
	w->argument = argument;
	deadline_set(&w->deadline, &t->wheel, deadline > 0 ? deadline : 0);
	token.thread = t->public.number;
	token.slot = w->slot;
	token.generation = atomic_fetch_add(&w->generation, 1) + 1;
	exchange_wait(x, w);
	return token;
}

bool
weir_resume(struct weir_token token, enum weir_verdict verdict)
{
	struct thread *t = thread_number(token.thread), *self = thread_current();
	struct wait *w = t == NULL ? NULL : find_slot(t->waits, token.slot);

	if (w == NULL || !claim(w, token.generation)) {
		if (self != NULL)
			counter_add(&self->counters, COUNT_RESUMED_LATE, 1);
		else
			atomic_fetch_add_explicit(&late_elsewhere, 1, memory_order_relaxed);
		return false;
	}
	w->verdict = verdict;
	w->message.run = arrive;
	inbox_post(&t->inbox, &w->message);
	return true;
}
