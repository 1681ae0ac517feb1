/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store: all objects of the cache, for all threads, within a size that holds everything.
 *
 * What the size holds: one mapping for the tables, whose share is fixed (about a hundredth), and the memory
 * for all objects. Nothing is taken from malloc but the store itself.
 */
#include "inside.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define GRAIN_OF_TABLES ((size_t)2048)	/* bytes for which there is a bucket */
#define GHOSTS_A_SET 4
#define LOOKS 256			/* at objects, before one is forced out */
#define FORCED_LOOKS 32
#define EVICTIONS 256			/* for one block */
#define BURIALS 64			/* blocks freed at a time */
#define RESERVE 64			/* a part of the memory that is kept free, so that gaps grow together */

static size_t
power_of_two_below(size_t number)
{
	return (size_t)1 << (63 - __builtin_clzl(number));
}

static bool
map_tables(struct cache_store *store, size_t size)
{
	size_t buckets = power_of_two_below(size / GRAIN_OF_TABLES), tags = buckets / 4;
	char *map;

	store->tables_size =
		buckets * sizeof(*store->buckets) + tags * sizeof(*store->tags) + buckets * sizeof(uint64_t);
	map = mmap(NULL, store->tables_size, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (map == MAP_FAILED)
		return false;
	store->tables = map;
	store->buckets = (struct cache_object **)(void *)map;
	store->bucket_mask = buckets - 1;
	map += buckets * sizeof(*store->buckets);
	store->tags = (struct cache_tag **)(void *)map;
	store->tag_mask = tags - 1;
	map += tags * sizeof(*store->tags);
	store->queues.ghosts.slots = (uint64_t *)(void *)map;
	store->queues.ghosts.mask = buckets / GHOSTS_A_SET - 1;
	return true;
}

static size_t
whole_size(const struct cache_store_options *options)
{
	return options->size < CACHE_SIZE_LEAST ? CACHE_SIZE_LEAST : options->size;
}

void
cache_store_set_limits(struct cache_store *store, const struct cache_store_options *options)
{
	store->options = *options;
	store->size = whole_size(options);
	store->queues.size = store->memory.limit;
	atomic_store_explicit(&store->object_most, options->object_most > 0 ? options->object_most : store->size / 8,
		memory_order_relaxed);
}

struct cache_store *
cache_store_new(const struct cache_store_options *options)
{
	size_t size = whole_size(options);
	struct cache_store *store = aligned_alloc(64, sizeof(*store));

	if (store == NULL)
		return NULL;
	memset(store, 0, sizeof(*store));
	if (!map_tables(store, size) || !cache_memory_open(&store->memory, size - store->tables_size)) {
		if (store->tables != NULL)
			munmap(store->tables, store->tables_size);
		free(store);
		errno = ENOMEM;
		return NULL;
	}
	for (unsigned i = 0; i < SHARDS; i++)
		pthread_mutex_init(&store->shards[i].lock, NULL);
	pthread_mutex_init(&store->lock, NULL);
	cache_store_set_limits(store, options);
	atomic_init(&store->holders, 1);
	return store;
}

struct cache_store *
cache_store_hold(struct cache_store *store)
{
	atomic_fetch_add_explicit(&store->holders, 1, memory_order_relaxed);
	return store;
}

void
cache_store_release(struct cache_store **held)
{
	struct cache_store *store = *held;

	*held = NULL;
	if (store == NULL || atomic_fetch_sub_explicit(&store->holders, 1, memory_order_acq_rel) > 1)
		return;
	for (unsigned i = 0; i < SHARDS; i++)
		pthread_mutex_destroy(&store->shards[i].lock);
	pthread_mutex_destroy(&store->lock);
	cache_memory_close(&store->memory);
	munmap(store->tables, store->tables_size);
	free(store);
}

/* --- memory --------------------------------------------------------------------------------------------- */

/* Nobody holds it: its blocks will be freed. */
static void
die(struct cache_store *store, struct cache_object *object)
{
	struct cache_body *body = object->body;

	assert(!object->linked);
	if (body != NULL && atomic_fetch_sub_explicit(&body->references, 1, memory_order_acq_rel) > 1)
		object->body = NULL;	/* another object has it, too */
	object->next = store->dying;
	store->dying = object;
}

/* Free one block of a dying object; true when it was the last. */
static bool
free_block(struct cache_store *store, struct cache_object *object)
{
	struct cache_body *body = object->body;
	struct cache_segment *segment = body != NULL ? body->first.next : NULL;

	if (segment != NULL) {
		body->first.next = segment->next;
		cache_memory_give(&store->memory, segment);
		return false;
	}
	if (body != NULL && body->trailers != NULL)
		cache_memory_give(&store->memory, (void *)(uintptr_t)body->trailers);
	if (body != NULL) {
		pthread_mutex_destroy(&body->lock);
		cache_memory_give(&store->memory, body);
	}
	cache_memory_give(&store->memory, object);
	return true;
}

/* Free so many blocks of objects that nobody holds. False: there were none. */
bool
cache_store_free_buried(struct cache_store *store)
{
	struct cache_object *object, *next;
	bool any = false;

	object = atomic_exchange_explicit(&store->buried, NULL, memory_order_acquire);
	for (; object != NULL; object = next) {
		next = object->next;
		die(store, object);
	}
	for (unsigned i = 0; i < BURIALS && (object = store->dying) != NULL; i++) {
		next = object->next;
		if (free_block(store, object))
			store->dying = next;
		any = true;
	}
	return any;
}

void
cache_store_bury(struct cache_store *store, struct cache_object *object)
{
	struct cache_object *top = atomic_load_explicit(&store->buried, memory_order_relaxed);

	do
		object->next = top;
	while (!atomic_compare_exchange_weak_explicit(
		&store->buried, &top, object, memory_order_release, memory_order_relaxed));
	if (pthread_mutex_trylock(&store->lock) != 0)
		return;			/* whoever has it, or the next, frees it */
	cache_store_free_buried(store);
	pthread_mutex_unlock(&store->lock);
}

/* The oldest that nobody holds but the store, asked for or not. */
static struct cache_object *
forced_victim(struct cache_queue *queue)
{
	struct cache_object *object = queue->head;

	for (unsigned i = 0; i < FORCED_LOOKS && object != NULL; i++, object = object->next)
		if (atomic_load_explicit(&object->references, memory_order_relaxed) == 1)
			return object;
	return NULL;
}

static bool
evict(struct cache_store *store, unsigned *looks, bool force)
{
	struct cache_object *victim = cache_queues_victim(&store->queues, looks);

	if (victim == NULL && force)
		victim = forced_victim(&store->queues.small);
	if (victim == NULL && force)
		victim = forced_victim(&store->queues.main);
	if (victim == NULL)
		return false;
	store->stats.evicted++;
	store->stats.evicted_bytes += victim->bytes;
	cache_store_unlink(store, victim);
	cache_store_free_buried(store);
	return true;
}

static void *
take(struct cache_store *store, size_t want, size_t least, size_t *got)
{
	unsigned looks = LOOKS, evictions = 0;
	void *bytes;

	cache_store_free_buried(store);
	while (store->memory.free < want + store->memory.limit / RESERVE && evict(store, &looks, false))
		;
	while ((bytes = cache_memory_take(&store->memory, want, least, got)) == NULL) {
		if (cache_store_free_buried(store))
			continue;
		if (++evictions > EVICTIONS || !evict(store, &looks, true)) {
			store->stats.refused++;
			return NULL;
		}
	}
	return bytes;
}

void *
cache_store_take(struct cache_store *store, struct cache_object *object, size_t want, size_t least, size_t *got)
{
	void *bytes;

	pthread_mutex_lock(&store->lock);
	bytes = take(store, want, least, got);
	if (bytes != NULL && object != NULL)
		cache_queues_charge(&store->queues, object, (int64_t)cache_memory_cost(bytes));
	pthread_mutex_unlock(&store->lock);
	return bytes;
}

void
cache_store_trim(struct cache_store *store, struct cache_object *object, void *block, size_t size)
{
	int64_t before;

	pthread_mutex_lock(&store->lock);
	before = (int64_t)cache_memory_cost(block);
	cache_memory_trim(&store->memory, block, size);
	cache_queues_charge(&store->queues, object, (int64_t)cache_memory_cost(block) - before);
	pthread_mutex_unlock(&store->lock);
}

struct cache_body *
cache_store_share(struct cache_store *store, struct cache_object *object, struct cache_object *other)
{
	pthread_mutex_lock(&store->lock);
	atomic_fetch_add_explicit(&other->body->references, 1, memory_order_relaxed);
	object->bytes += other->bytes - cache_memory_cost(other);
	pthread_mutex_unlock(&store->lock);
	return other->body;
}

uint64_t
cache_store_object_most(const struct cache_store *store)
{
	return atomic_load_explicit(&store->object_most, memory_order_relaxed);
}

/* --- finding and changing ------------------------------------------------------------------------------- */

bool
cache_store_is_named(const struct cache_object *object, const struct cache_name *name)
{
	return object->name.hash == name->hash && object->name.key_length == name->key_length &&
		memcmp(object->name.key, name->key, name->key_length) == 0;
}

static bool
is_variant(const struct cache_object *object, const struct cache_name *name)
{
	return object->name.space == name->space && object->name.variant_length == name->variant_length &&
		(name->variant_length == 0 || memcmp(object->name.variant, name->variant, name->variant_length) == 0);
}

struct cache_object *
cache_store_find(struct cache_store *store, const struct cache_name *name)
{
	uint64_t bucket = name->hash & store->bucket_mask;
	struct cache_object *object;
	uint8_t hits;

	pthread_mutex_lock(shard_lock(store, bucket));
	object = store->buckets[bucket];
	while (object != NULL && !(cache_store_is_named(object, name) && is_variant(object, name)))
		object = object->next_in_bucket;
	if (object != NULL)
		cache_object_hold(object);
	pthread_mutex_unlock(shard_lock(store, bucket));
	if (object == NULL)
		return NULL;
	hits = atomic_load_explicit(&object->hits, memory_order_relaxed);
	if (hits < 3)
		atomic_store_explicit(&object->hits, (uint8_t)(hits + 1), memory_order_relaxed);
	return object;
}

static void
link_tags(struct cache_store *store, struct cache_object *object)
{
	for (uint32_t i = 0; i < object->tag_count; i++) {
		struct cache_tag *tag = &object->tags[i], **list;

		tag->hash = tag_hash(tag->text, tag->length);
		list = &store->tags[tag->hash & store->tag_mask];
		tag->next = *list;
		tag->link = list;
		if (tag->next != NULL)
			tag->next->link = &tag->next;
		*list = tag;
	}
}

static void
unlink_tags(struct cache_object *object)
{
	for (uint32_t i = 0; i < object->tag_count; i++) {
		struct cache_tag *tag = &object->tags[i];

		*tag->link = tag->next;
		if (tag->next != NULL)
			tag->next->link = tag->link;
	}
}

/* Give back the store's own hold. */
static void
let_go(struct cache_store *store, struct cache_object *object)
{
	if (atomic_fetch_sub_explicit(&object->references, 1, memory_order_acq_rel) == 1)
		die(store, object);
}

/* All that follows when it has left its bucket. */
static void
detach(struct cache_store *store, struct cache_object *object)
{
	cache_queues_remove(&store->queues, object);
	unlink_tags(object);
	object->linked = false;
	*(object->kind == CACHE_RESPONSE ? &store->stats.objects : &store->stats.marks) -= 1;
	let_go(store, object);
}

void
cache_store_unlink(struct cache_store *store, struct cache_object *object)
{
	uint64_t bucket = object->name.hash & store->bucket_mask;
	struct cache_object **link = &store->buckets[bucket];

	assert(object->linked);
	pthread_mutex_lock(shard_lock(store, bucket));
	while (*link != object)
		link = &(*link)->next_in_bucket;
	*link = object->next_in_bucket;
	pthread_mutex_unlock(shard_lock(store, bucket));
	detach(store, object);
}

/* Put it into its bucket in place of the one of its name, which is returned. *variants counts those of its
 * key that have one, *oldest is the last of them. */
static struct cache_object *
put_in_bucket(struct cache_store *store, struct cache_object *object, unsigned *variants,
	struct cache_object **oldest)
{
	uint64_t bucket = object->name.hash & store->bucket_mask;
	struct cache_object **link = &store->buckets[bucket], *old = NULL;

	*variants = 0;
	*oldest = NULL;
	pthread_mutex_lock(shard_lock(store, bucket));
	while (*link != NULL) {
		if (cache_store_is_named(*link, &object->name)) {
			if (is_variant(*link, &object->name)) {
				old = *link;
				*link = old->next_in_bucket;
				continue;
			}
			if ((*link)->name.variant_length > 0) {
				++*variants;
				*oldest = *link;
			}
		}
		link = &(*link)->next_in_bucket;
	}
	object->next_in_bucket = store->buckets[bucket];
	store->buckets[bucket] = object;
	pthread_mutex_unlock(shard_lock(store, bucket));
	return old;
}

static void
add(struct cache_store *store, struct cache_object *object)
{
	struct cache_object *old, *oldest;
	unsigned variants;

	cache_object_hold(object);
	old = put_in_bucket(store, object, &variants, &oldest);
	object->linked = true;
	if (old != NULL)
		cache_queues_replace(&store->queues, old, object);
	else
		cache_queues_add(&store->queues, object);
	link_tags(store, object);
	*(object->kind == CACHE_RESPONSE ? &store->stats.objects : &store->stats.marks) += 1;
	store->stats.added++;
	if (old != NULL)
		detach(store, old);
	else if (object->name.variant_length > 0 && variants >= CACHE_VARIANTS_MOST)
		cache_store_unlink(store, oldest);
}

bool
cache_store_add(struct cache_store *store, struct cache_object *object)
{
	bool fits;

	pthread_mutex_lock(&store->lock);
	assert(!object->linked);
	fits = !cache_store_was_purged(store, object);
	if (fits)
		add(store, object);
	pthread_mutex_unlock(&store->lock);
	return fits;
}

bool
cache_store_remove(struct cache_store *store, struct cache_object *object)
{
	bool linked;

	pthread_mutex_lock(&store->lock);
	linked = object->linked;
	if (linked)
		cache_store_unlink(store, object);
	pthread_mutex_unlock(&store->lock);
	return linked;
}

