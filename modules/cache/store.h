/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store: all objects of the cache, for all threads, within a size that holds everything.
 *
 * Finding one takes the lock of a shard for as long as it takes to follow a few pointers and count a
 * reference. All that changes the store (memory, queues, tags) happens under one lock of its own, which
 * finding never takes; it evicts a bounded number of objects at a time. An object that is given back for the
 * last time is put on a list without a lock, and its memory freed by whoever changes the store next.
 *
 * Eviction is S3-FIFO (queue.h). An object that is being read or filled is passed over.
 *
 * Purges are whole before they return: what they name is not found any more, on any thread, and a response
 * that was asked for before the purge does not get in after it (epoch).
 *
 * The store is counted by those who share it (cache_store_hold): a generation each.
 */
#ifndef CACHE_STORE_H
#define CACHE_STORE_H

#include "object.h"

#define CACHE_SIZE_LEAST ((size_t)1024 * 1024)
#define CACHE_VARIANTS_MOST 64		/* of one key; the oldest goes when there is one more */

struct cache_store_options {
	size_t size;			/* bytes, of everything */
	uint64_t object_most;		/* bytes of a body; 0: an eighth of the size */
};

struct cache_stats {
	uint64_t size;			/* bytes that everything may take */
	uint64_t used;			/* by objects, those included that were evicted but are being read */
	uint64_t objects, marks;	/* responses that can be found; other objects */
	uint64_t small, main;		/* bytes in the queue of the newcomers, and in that of the proven */
	uint64_t added, evicted, evicted_bytes, purged;
	uint64_t refused;		/* times that there was no memory although something was evicted */
};

/* NULL, and errno, when there is no memory or address space. Main thread. */
struct cache_store *cache_store_new(const struct cache_store_options *);
struct cache_store *cache_store_hold(struct cache_store *);

/* The last who held it frees it; nobody may hold an object of it by then. Any thread. */
void cache_store_release(struct cache_store **);

/* Does it have these limits? */
bool cache_store_is(struct cache_store *, const struct cache_store_options *);

/* Give it other limits while it is in use. Where it becomes smaller, what lies in the memory that goes is
 * evicted; what is being read keeps that until it was read. The tables keep their size. False, and errno,
 * when there is no address space: nothing was changed. Any thread that may take some time: it looks at
 * every object. */
bool cache_store_resize(struct cache_store *, const struct cache_store_options *);

/* --- any thread ----------------------------------------------------------------------------------------- */

/* The object of this name, held for the caller; NULL: none. With the empty variant, it may be a mark. */
struct cache_object *cache_store_find(struct cache_store *, const struct cache_name *);

/* Let it be found under its name, in place of what is found there now; the store holds it, too. False when
 * a purge that meant it came since its epoch: then it can be used by those who hold it, and by nobody
 * else. */
bool cache_store_add(struct cache_store *, struct cache_object *);

/* Let this one not be found any more. False: it was not to be found already. */
bool cache_store_remove(struct cache_store *, struct cache_object *);

/* The number of purges so far. */
uint64_t cache_store_epoch(struct cache_store *);

/* Take out all variants of a key; all keys that begin so; all that carry the tag. `soft`: only let them be
 * stale. How many it were, marks not counted. */
size_t cache_store_purge(struct cache_store *, const struct cache_name *, bool soft);
size_t cache_store_purge_prefix(struct cache_store *, const char *prefix, size_t length, bool soft);
size_t cache_store_purge_tag(struct cache_store *, const char *tag, size_t length, bool soft);

/* Each object of a key, or of all keys with name NULL, held meanwhile by the store. `each` returns false
 * to stop. It may be called while others change the store: what comes or goes meanwhile may be seen or
 * not. */
void cache_store_walk(struct cache_store *, const struct cache_name *,
	bool (*each)(void *argument, struct cache_object *), void *argument);

void cache_store_stats(struct cache_store *, struct cache_stats *);

/* Was it asked for more than once? */
bool cache_store_is_hot(struct cache_store *, const struct cache_object *);

/* Is there one holder alone? */
bool cache_store_is_last(const struct cache_store *);

/* True once: whoever gets that may fill it from a file; if he cannot, somebody else may. */
bool cache_store_begin(struct cache_store *);
void cache_store_begin_again(struct cache_store *);

/* --- for body.c and object.c ---------------------------------------------------------------------------- */

/* Memory of the store, charged to an object (NULL: one that is about to be made); evicts others if need
 * be. NULL: there is none. */
void *cache_store_take(struct cache_store *, struct cache_object *, size_t want, size_t least, size_t *got);
void cache_store_trim(struct cache_store *, struct cache_object *, void *block, size_t size);

/* The body of another object, for this one as well. */
struct cache_body *cache_store_share(struct cache_store *, struct cache_object *, struct cache_object *other);

/* Nobody holds it any more: have it freed. */
void cache_store_bury(struct cache_store *, struct cache_object *);

uint64_t cache_store_object_most(const struct cache_store *);

#endif
