/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pick: choose one of some seats. Pure: a seat says what it weighs, how busy it is and whether it may be had.
 */
#ifndef BALANCE_PICK_H
#define BALANCE_PICK_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What one thread has under way with one server. Only that thread writes it; the main thread may read it. */
struct balance_load {
	alignas(64) _Atomic uint32_t active;
	_Atomic uint64_t requests;	/* all that ever began */
};

/* A server as one thread sees it. */
struct balance_seat {
	struct balance_load *load;
	int64_t current;		/* of the smooth round robin */
	uint32_t weight;
	bool eligible;			/* for the request at hand */
};

static inline uint32_t
balance_active(const struct balance_load *load)
{
	return atomic_load_explicit(&load->active, memory_order_relaxed);
}

/* All return the index of an eligible seat, `count` if there is none. An eligible seat weighs more than 0. */

/* In turn, each as often as it weighs, spread evenly: 5 1 1 gives a a b a c a a. */
size_t balance_pick_round_robin(struct balance_seat *, size_t count);

/* The least busy for its weight; in turn where several are. */
size_t balance_pick_least(struct balance_seat *, size_t count);

/* By chance, as likely as it weighs. */
size_t balance_pick_random(const struct balance_seat *, size_t count, uint64_t random);

/* Two by chance, and of these the less busy for its weight. */
size_t balance_pick_two(const struct balance_seat *, size_t count, uint64_t random);

#endif
