/* SPDX-License-Identifier: Apache-2.0 */
/*
 * purge: take objects out of the store by key, by the beginning of keys, or by tag; and remember it.
 *
 * A purge is remembered before it begins to look for objects. So a response that was asked for before it either is in
 * the store already, and is found, or comes to be added later, and is refused (cache_store_was_purged).
 */
#include "inside.h"

#include <string.h>

#define BATCH 64			/* objects, or buckets, before others get the lock */

/* A soft purge passes over what is stale already. True: it counts. */
static bool
purge_one(struct cache_store *store, struct cache_object *object, bool soft)
{
	bool counts = object->kind == CACHE_RESPONSE;

	if (soft)
		counts = !atomic_exchange_explicit(&object->stale, true, memory_order_relaxed) && counts;
	else
		cache_store_unlink(store, object);
	store->stats.purged += counts;
	return counts;
}

/* Under the store's lock. */
static void
remember(struct cache_store *store, enum cache_purge_kind kind, bool soft, const char *text, size_t length)
{
	uint64_t number = atomic_load_explicit(&store->epoch, memory_order_relaxed) + 1;
	struct cache_purge *purge = &store->purges[number % PURGES];

	purge->kind = kind;
	purge->soft = soft;
	purge->length = length;
	if (length > PURGE_TEXT) {
		purge->kind = CACHE_PURGE_PREFIX;
		purge->length = 0;
	}
	memcpy(purge->text, text, purge->length);
	atomic_store_explicit(&store->epoch, number, memory_order_release);
}

static bool
has_tag(const struct cache_object *object, const char *text, size_t length)
{
	for (uint32_t i = 0; i < object->tag_count; i++)
		if (object->tags[i].length == length && memcmp(object->tags[i].text, text, length) == 0)
			return true;
	return false;
}

static bool
begins_with(const struct cache_object *object, const char *text, size_t length)
{
	return object->name.key_length >= length && memcmp(object->name.key, text, length) == 0;
}

static bool
is_meant(const struct cache_purge *purge, const struct cache_object *object)
{
	switch (purge->kind) {
	case CACHE_PURGE_KEY:
		return object->name.key_length == purge->length && begins_with(object, purge->text, purge->length);
	case CACHE_PURGE_PREFIX:
		return begins_with(object, purge->text, purge->length);
	default:
		return has_tag(object, purge->text, purge->length);
	}
}

bool
cache_store_was_purged(const struct cache_store *store, struct cache_object *object)
{
	uint64_t last = atomic_load_explicit(&store->epoch, memory_order_relaxed);

	if (last - object->epoch > PURGES)
		return true;		/* nobody remembers all of them */
	for (uint64_t number = object->epoch + 1; number <= last; number++) {
		const struct cache_purge *purge = &store->purges[number % PURGES];

		if (!is_meant(purge, object))
			continue;
		if (!purge->soft)
			return true;
		atomic_store_explicit(&object->stale, true, memory_order_relaxed);
	}
	return false;
}

uint64_t
cache_store_epoch(struct cache_store *store)
{
	return atomic_load_explicit(&store->epoch, memory_order_acquire);
}

/* All of a bucket whose keys are, or begin, so. The bucket changes under the store's lock alone, which the caller has. */
static size_t
purge_bucket(struct cache_store *store, uint64_t bucket, const char *text, size_t length, bool whole, bool soft)
{
	struct cache_object *object, *next;
	size_t count = 0;

	for (object = store->buckets[bucket]; object != NULL; object = next) {
		next = object->next_in_bucket;
		if (begins_with(object, text, length) && (!whole || object->name.key_length == length))
			count += purge_one(store, object, soft);
	}
	return count;
}

size_t
cache_store_purge(struct cache_store *store, const struct cache_name *name, bool soft)
{
	size_t count;

	pthread_mutex_lock(&store->lock);
	remember(store, CACHE_PURGE_KEY, soft, name->key, name->key_length);
	count = purge_bucket(store, name->hash & store->bucket_mask, name->key, name->key_length, true, soft);
	pthread_mutex_unlock(&store->lock);
	return count;
}

size_t
cache_store_purge_prefix(struct cache_store *store, const char *prefix, size_t length, bool soft)
{
	size_t count = 0;

	pthread_mutex_lock(&store->lock);
	remember(store, CACHE_PURGE_PREFIX, soft, prefix, length);
	for (uint64_t bucket = 0; bucket <= store->bucket_mask; bucket++) {
		if (bucket % BATCH == BATCH - 1) {
			pthread_mutex_unlock(&store->lock);
			pthread_mutex_lock(&store->lock);
		}
		count += purge_bucket(store, bucket, prefix, length, false, soft);
	}
	pthread_mutex_unlock(&store->lock);
	return count;
}

/* Put a mark, which is no object's, behind a tag. */
static void
mark_place(struct cache_tag *mark, struct cache_tag *behind)
{
	mark->object = NULL;
	mark->next = behind->next;
	mark->link = &behind->next;
	if (mark->next != NULL)
		mark->next->link = &mark->next;
	behind->next = mark;
}

static struct cache_tag *
leave_place(struct cache_tag *mark)
{
	*mark->link = mark->next;
	if (mark->next != NULL)
		mark->next->link = mark->link;
	return mark->next;
}

/* New ones stand at the list's beginning, so this comes to an end. The place is kept by a mark, since what is purged leaves the
 * list with all of its tags. */
size_t
cache_store_purge_tag(struct cache_store *store, const char *text, size_t length, bool soft)
{
	uint64_t hash = tag_hash(text, length);
	struct cache_tag *tag, mark;
	size_t count = 0, looked = 0;

	pthread_mutex_lock(&store->lock);
	remember(store, CACHE_PURGE_TAG, soft, text, length);
	for (tag = store->tags[hash & store->tag_mask]; tag != NULL; tag = leave_place(&mark)) {
		mark_place(&mark, tag);
		if (tag->object != NULL && tag->hash == hash && tag->length == length && memcmp(tag->text, text, length) == 0)
			count += purge_one(store, tag->object, soft);
		if (++looked % BATCH == 0) {
			pthread_mutex_unlock(&store->lock);
			pthread_mutex_lock(&store->lock);
		}
	}
	pthread_mutex_unlock(&store->lock);
	return count;
}
