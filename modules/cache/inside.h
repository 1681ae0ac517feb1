/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inside: what a store is made of, for store.c and purge.c alone.
 *
 * Locks are taken in this order: the store's, then a shard's. An object's `linked` and all that hangs on it
 * (queue, tags) change under the store's lock, its bucket under the shard's, too.
 */
#ifndef CACHE_INSIDE_H
#define CACHE_INSIDE_H

#include "memory.h"
#include "queue.h"
#include "store.h"

#include <stdalign.h>

#define SHARDS 64
#define BATCH 64			/* objects, or buckets, before others get the lock */
#define PURGED_KEYS 4096		/* slots by hash */
#define PURGES 64			/* by prefix and tag, that are remembered */
#define PURGE_TEXT 1024			/* of each; one that is longer counts as one of all */

struct cache_shard {
	alignas(64) pthread_mutex_t lock;
};

/* A purge, for responses that were asked for before it and come in after it. */
struct cache_purge {
	uint64_t number;		/* of all purges; 0: there was none */
	bool by_tag, soft;
	size_t length;
	char text[PURGE_TEXT];
};

struct cache_store {
	/* Set once. */
	struct cache_object **buckets;
	size_t bucket_mask;
	struct cache_tag **tags;
	size_t tag_mask;
	void *tables;			/* one mapping: buckets, tags, ghosts */
	size_t tables_size;

	_Atomic unsigned holders;
	_Atomic bool begun;
	_Atomic uint64_t object_most;

	struct cache_shard shards[SHARDS];
	alignas(64) _Atomic(struct cache_object *) buried;	/* a stack by `next` */
	_Atomic uint64_t epoch;

	alignas(64) pthread_mutex_t lock;	/* of all below */
	struct cache_store_options options;
	size_t size;
	struct cache_memory memory;
	struct cache_queues queues;
	struct cache_object *dying;	/* being freed, some blocks at a time */
	struct cache_stats stats;
	uint64_t purged_keys[PURGED_KEYS];	/* the number of the last purge of a key with such a hash */
	struct cache_purge purges[PURGES];	/* a ring; the newest is before next_purge */
	unsigned next_purge;
	uint64_t forgotten;		/* the number of the last that fell out of the ring */
};

static inline pthread_mutex_t *
shard_lock(struct cache_store *store, uint64_t bucket)
{
	return &store->shards[bucket % SHARDS].lock;
}

static inline uint64_t
tag_hash(const char *text, size_t length)
{
	uint64_t hash = 0xcbf29ce484222325;

	for (size_t i = 0; i < length; i++)
		hash = (hash ^ (unsigned char)text[i]) * 0x100000001b3;
	return hash ^ hash >> 32;
}

/* Has it this key, whatever the variant? */
bool cache_store_is_named(const struct cache_object *, const struct cache_name *);

/* All under the store's lock. */

void cache_store_set_limits(struct cache_store *, const struct cache_store_options *);

/* Free some blocks of objects that nobody holds. False: there were none. */
bool cache_store_free_buried(struct cache_store *);

/* Let it not be found any more, and give back the store's hold of it. */
void cache_store_unlink(struct cache_store *, struct cache_object *);

/* Did a purge since its epoch mean it? A soft one makes it stale. */
bool cache_store_was_purged(const struct cache_store *, struct cache_object *);

#endif
