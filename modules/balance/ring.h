/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ring: consistent hashing. Each server stands at many points of a circle; a key belongs to the next one.
 */
#ifndef BALANCE_RING_H
#define BALANCE_RING_H

#include "pick.h"

struct balance_point {
	uint32_t at;
	uint32_t seat;
};

struct balance_server {
	const char *name;
	uint32_t weight;
};

/* How many points these servers take. */
size_t balance_ring_size(const struct balance_server *, size_t count);

/* Lay out `size` points, as balance_ring_size says. */
void balance_ring_fill(struct balance_point *, size_t size, const struct balance_server *, size_t count);

/* The seat of the first point at or behind the key's that is eligible; `count` when none is. */
size_t balance_ring_find(const struct balance_point *, size_t size, const char *key,
	const struct balance_seat *, size_t count);

#endif
