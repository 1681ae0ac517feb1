/* SPDX-License-Identifier: Apache-2.0 */
/*
 * purge: take objects out of the store by key, by the beginning of keys, or by tag; and remember it.
 *
 * A purge is remembered before it begins to look for objects. So a response that was asked for before it
 * either is in the store already, and is found, or comes to be added later, and is refused
 * (cache_store_was_purged).
 */
#include "inside.h"

#include <string.h>

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

/* Under the store's lock, as all here that remembers. The number of a purge that begins. */
static uint64_t
count_purge(struct cache_store *store)
{
	return atomic_fetch_add_explicit(&store->epoch, 1, memory_order_release) + 1;
}

/* Keys are purged by clients, too, as often as they send unsafe requests: so each takes a slot, not a
 * place in the ring. */
static void
remember_key(struct cache_store *store, uint64_t hash)
{
	store->purged_keys[hash % PURGED_KEYS] = count_purge(store);
}

static void
remember(struct cache_store *store, bool by_tag, bool soft, const char *text, size_t length)
{
	struct cache_purge *purge = &store->purges[store->next_purge++ % PURGES];

	store->forgotten = purge->number;
	purge->number = count_purge(store);
	purge->by_tag = by_tag && length <= PURGE_TEXT;
	purge->soft = soft;
	purge->length = length <= PURGE_TEXT ? length : 0;
	memcpy(purge->text, text, purge->length);
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
	return purge->by_tag ? has_tag(object, purge->text, purge->length)
		: begins_with(object, purge->text, purge->length);
}

/* A key that shares its slot with a purged one is kept out once in vain, which does no harm. */
bool
cache_store_was_purged(const struct cache_store *store, struct cache_object *object)
{
	if (store->purged_keys[object->name.hash % PURGED_KEYS] > object->epoch || store->forgotten > object->epoch)
		return true;
	for (unsigned i = 0; i < PURGES; i++) {
		const struct cache_purge *purge = &store->purges[i];

		if (purge->number <= object->epoch || !is_meant(purge, object))
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

/* All of a bucket whose keys are, or begin, so. The bucket changes under the store's lock alone, which the
 * caller has. */
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
	remember_key(store, name->hash);
	count = purge_bucket(store, name->hash & store->bucket_mask, name->key, name->key_length, true, soft);
	pthread_mutex_unlock(&store->lock);
	return count;
}

size_t
cache_store_purge_prefix(struct cache_store *store, const char *prefix, size_t length, bool soft)
{
	size_t count = 0;

	pthread_mutex_lock(&store->lock);
	remember(store, false, soft, prefix, length);
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

/* New ones stand at the list's beginning, so this comes to an end. The place is kept by a mark, since what
 * is purged leaves the list with all of its tags. */
size_t
cache_store_purge_tag(struct cache_store *store, const char *text, size_t length, bool soft)
{
	uint64_t hash = tag_hash(text, length);
	struct cache_tag *tag, mark;
	size_t count = 0, looked = 0;

	pthread_mutex_lock(&store->lock);
	remember(store, true, soft, text, length);
	for (tag = store->tags[hash & store->tag_mask]; tag != NULL; tag = leave_place(&mark)) {
		mark_place(&mark, tag);
		if (tag->object != NULL && tag->hash == hash && tag->length == length &&
			memcmp(tag->text, text, length) == 0)
			count += purge_one(store, tag->object, soft);
		if (++looked % BATCH == 0) {
			pthread_mutex_unlock(&store->lock);
			pthread_mutex_lock(&store->lock);
		}
	}
	pthread_mutex_unlock(&store->lock);
	return count;
}
