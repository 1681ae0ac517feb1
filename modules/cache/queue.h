/* SPDX-License-Identifier: Apache-2.0 */
/*
 * queue: which object goes next, by S3-FIFO.
 *
 * Newcomers go through a small queue, a tenth of the size. Who was asked for again by the time it comes out
 * goes on to the main queue, where it stays as long as it is asked for once a round; who was not, leaves, and
 * only its hash is remembered for a while: should it come again, it goes to the main queue at once. So a
 * scan, of which nothing is asked for twice, passes through the small queue and moves nothing else. A hit
 * does no more than count to three.
 *
 * Yang et al., FIFO queues are all you need for cache eviction, SOSP 2023. Nothing here locks: the store
 * does.
 */
#ifndef CACHE_QUEUE_H
#define CACHE_QUEUE_H

#include "object.h"

struct cache_queue {
	struct cache_object *head, *tail;	/* the oldest, and the newest */
	uint64_t bytes;
};

/* Hashes of who left the small queue: sets of four, a print and the time (in KiB that had been added by
 * then) each. */
struct cache_ghosts {
	uint64_t *slots;
	size_t mask;				/* of sets */
	uint64_t clock;				/* bytes that were added so far */
};

struct cache_queues {
	struct cache_queue small, main;
	struct cache_ghosts ghosts;
	uint64_t size;				/* bytes that both may come to */
};

/* Put in a newcomer, or one that takes the place of another (`in_main` as that was). */
void cache_queues_add(struct cache_queues *, struct cache_object *);
void cache_queues_replace(struct cache_queues *, const struct cache_object *old, struct cache_object *object);
void cache_queues_remove(struct cache_queues *, struct cache_object *);

/* It became larger or smaller. */
void cache_queues_charge(struct cache_queues *, struct cache_object *, int64_t bytes);

/* Look at no more than *steps objects, and count them down; return the one that has to go, still in its
 * queue. NULL: none yet. */
struct cache_object *cache_queues_victim(struct cache_queues *, unsigned *steps);

#endif
