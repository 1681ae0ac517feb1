/* SPDX-License-Identifier: Apache-2.0 */
/*
 * whole: what is done with the store as a whole: look at all of it, count it, give it another size.
 */
#include "inside.h"

void
cache_store_stats(struct cache_store *store, struct cache_stats *stats)
{
	pthread_mutex_lock(&store->lock);
	*stats = store->stats;
	stats->size = store->size;
	stats->used = store->memory.used;
	stats->small = store->queues.small.bytes;
	stats->main = store->queues.main.bytes;
	pthread_mutex_unlock(&store->lock);
}

bool
cache_store_is_hot(struct cache_store *store, const struct cache_object *object)
{
	bool hot;

	pthread_mutex_lock(&store->lock);
	hot = object->in_main || atomic_load_explicit(&object->hits, memory_order_relaxed) > 0;
	pthread_mutex_unlock(&store->lock);
	return hot;
}

bool
cache_store_is_last(const struct cache_store *store)
{
	return atomic_load_explicit(&store->holders, memory_order_acquire) == 1;
}

bool
cache_store_begin(struct cache_store *store)
{
	return !atomic_exchange_explicit(&store->begun, true, memory_order_relaxed);
}

void
cache_store_begin_again(struct cache_store *store)
{
	atomic_store_explicit(&store->begun, false, memory_order_relaxed);
}

#define WALK_MOST 256			/* objects of a bucket that are shown */

/* Hold those of a bucket, show them, and give them back. */
static bool
walk_bucket(struct cache_store *store, uint64_t bucket, const struct cache_name *name,
	bool (*each)(void *argument, struct cache_object *), void *argument)
{
	struct cache_object *held[WALK_MOST], *object;
	unsigned count = 0;
	bool go_on = true;

	pthread_mutex_lock(shard_lock(store, bucket));
	for (object = store->buckets[bucket]; object != NULL && count < WALK_MOST; object = object->next_in_bucket)
		if (name == NULL || cache_store_is_named(object, name))
			held[count++] = cache_object_hold(object);
	pthread_mutex_unlock(shard_lock(store, bucket));
	for (unsigned i = 0; i < count; i++) {
		go_on = go_on && each(argument, held[i]);
		cache_object_release(store, &held[i]);
	}
	return go_on;
}

void
cache_store_walk(struct cache_store *store, const struct cache_name *name,
	bool (*each)(void *argument, struct cache_object *), void *argument)
{
	if (name != NULL) {
		walk_bucket(store, name->hash & store->bucket_mask, name, each, argument);
		return;
	}
	for (uint64_t bucket = 0; bucket <= store->bucket_mask; bucket++)
		if (!walk_bucket(store, bucket, NULL, each, argument))
			return;
}

/* --- another size --------------------------------------------------------------------------------------- */

bool
cache_store_is(struct cache_store *store, const struct cache_store_options *options)
{
	bool same;

	pthread_mutex_lock(&store->lock);
	same = store->options.size == options->size && store->options.object_most == options->object_most;
	pthread_mutex_unlock(&store->lock);
	return same;
}

/* Does any of its blocks lie in memory that is to go? Of one that is being filled nobody else may look at
 * the segments. */
static bool
is_retired(const struct cache_memory *memory, const struct cache_object *object)
{
	const struct cache_body *body = object->body;

	if (cache_memory_is_retired(memory, object))
		return true;
	if (body == NULL)
		return false;
	if (cache_body_state(body) != CACHE_WHOLE || cache_memory_is_retired(memory, body))
		return true;
	if (body->trailers != NULL && cache_memory_is_retired(memory, body->trailers))
		return true;
	for (const struct cache_segment *segment = body->first.next; segment != NULL; segment = segment->next)
		if (cache_memory_is_retired(memory, segment))
			return true;
	return false;
}

static void
evict_retired(struct cache_store *store, uint64_t bucket)
{
	struct cache_object *object, *next;

	for (object = store->buckets[bucket]; object != NULL; object = next) {
		next = object->next_in_bucket;
		if (!is_retired(&store->memory, object))
			continue;
		store->stats.evicted++;
		store->stats.evicted_bytes += object->bytes;
		cache_store_unlink(store, object);
	}
	cache_store_free_buried(store);
}

bool
cache_store_resize(struct cache_store *store, const struct cache_store_options *options)
{
	size_t size = options->size < CACHE_SIZE_LEAST ? CACHE_SIZE_LEAST : options->size,
		tables = store->tables_size;
	bool good, smaller;

	pthread_mutex_lock(&store->lock);
	smaller = size < store->size;
	good = cache_memory_resize(&store->memory, size > tables ? size - tables : 1);
	if (good)
		cache_store_set_limits(store, options);
	for (uint64_t bucket = 0; good && smaller && bucket <= store->bucket_mask; bucket++) {
		if (bucket % BATCH == BATCH - 1) {
			pthread_mutex_unlock(&store->lock);
			pthread_mutex_lock(&store->lock);
		}
		evict_retired(store, bucket);
	}
	pthread_mutex_unlock(&store->lock);
	return good;
}
