/* SPDX-License-Identifier: Apache-2.0 */
/*
 * queue: which object goes next, by S3-FIFO.
 *
 * An object that somebody reads or fills cannot give its memory back, so it counts as asked for.
 */
#include "queue.h"

#include <assert.h>

#define SMALL_SHARE 10			/* a tenth of the size for newcomers */
#define GHOST_SET 4
#define GHOST_GRAIN 10			/* its clock counts in KiB */

/* The oldest go first. An object in no queue has neither neighbour. */
static void
append(struct cache_queue *queue, struct cache_object *object)
{
	object->next = NULL;
	object->previous = queue->tail;
	*(queue->tail != NULL ? &queue->tail->next : &queue->head) = object;
	queue->tail = object;
	queue->bytes += object->bytes;
}

static void
take_out(struct cache_queue *queue, struct cache_object *object)
{
	*(object->previous != NULL ? &object->previous->next : &queue->head) = object->next;
	*(object->next != NULL ? &object->next->previous : &queue->tail) = object->previous;
	object->next = object->previous = NULL;
	queue->bytes -= object->bytes;
}

static struct cache_queue *
queue_of(struct cache_queues *queues, const struct cache_object *object)
{
	return object->in_main ? &queues->main : &queues->small;
}

/* The hash that makes variants of a key differ: they come and go each for itself. */
static uint64_t
print_of(const struct cache_object *object)
{
	uint64_t hash = object->name.hash;

	for (uint32_t i = 0; i < object->name.variant_length; i++)
		hash = (hash ^ (unsigned char)object->name.variant[i]) * 0x100000001b3;
	return hash;
}

static uint32_t
now_of(const struct cache_ghosts *ghosts)
{
	return (uint32_t)(ghosts->clock >> GHOST_GRAIN);
}

/* Remember who left, in place of the one in its set that left first. */
static void
haunt(struct cache_ghosts *ghosts, uint64_t print)
{
	uint64_t *set = &ghosts->slots[(print & ghosts->mask) * GHOST_SET], *oldest = set;
	uint32_t now = now_of(ghosts);

	for (unsigned i = 1; i < GHOST_SET; i++)
		if (now - (uint32_t)set[i] > now - (uint32_t)*oldest)
			oldest = &set[i];
	*oldest = (print >> 32) << 32 | now;
}

/* Did it leave not longer ago than the main queue takes to go round once? Then forget that. */
static bool
is_ghost(struct cache_ghosts *ghosts, uint64_t print, uint64_t size)
{
	uint64_t *set = &ghosts->slots[(print & ghosts->mask) * GHOST_SET];

	for (unsigned i = 0; i < GHOST_SET; i++) {
		if (set[i] == 0 || set[i] >> 32 != print >> 32)
			continue;
		if (now_of(ghosts) - (uint32_t)set[i] > size >> GHOST_GRAIN)
			continue;
		set[i] = 0;
		return true;
	}
	return false;
}

void
cache_queues_add(struct cache_queues *queues, struct cache_object *object)
{
	object->in_main = is_ghost(&queues->ghosts, print_of(object), queues->size);
	queues->ghosts.clock += object->bytes;
	append(queue_of(queues, object), object);
}

void
cache_queues_replace(struct cache_queues *queues, const struct cache_object *old, struct cache_object *object)
{
	object->in_main = old->in_main;
	atomic_store_explicit(
		&object->hits, atomic_load_explicit(&old->hits, memory_order_relaxed), memory_order_relaxed);
	queues->ghosts.clock += object->bytes;
	append(queue_of(queues, object), object);
}

void
cache_queues_remove(struct cache_queues *queues, struct cache_object *object)
{
	take_out(queue_of(queues, object), object);
}

void
cache_queues_charge(struct cache_queues *queues, struct cache_object *object, int64_t bytes)
{
	object->bytes += (uint64_t)bytes;
	if (!object->linked)
		return;
	queue_of(queues, object)->bytes += (uint64_t)bytes;
	if (bytes > 0)
		queues->ghosts.clock += (uint64_t)bytes;
}

static bool
is_busy(const struct cache_object *object)
{
	return atomic_load_explicit(&object->references, memory_order_relaxed) > 1;
}

static unsigned
hits_of(const struct cache_object *object)
{
	return atomic_load_explicit(&object->hits, memory_order_relaxed);
}

static void
set_hits(struct cache_object *object, unsigned hits)
{
	atomic_store_explicit(&object->hits, (uint8_t)hits, memory_order_relaxed);
}

/* The oldest newcomer: it goes on to the main queue, or it is the victim. */
static struct cache_object *
look_at_small(struct cache_queues *queues)
{
	struct cache_object *object = queues->small.head;

	if (hits_of(object) == 0 && !is_busy(object)) {
		haunt(&queues->ghosts, print_of(object));
		return object;
	}
	take_out(&queues->small, object);
	object->in_main = true;
	set_hits(object, 0);
	append(&queues->main, object);
	return NULL;
}

/* The oldest of the proven: another round with a hit less, or it is the victim. */
static struct cache_object *
look_at_main(struct cache_queues *queues)
{
	struct cache_object *object = queues->main.head;
	unsigned hits = hits_of(object);

	if (hits == 0 && !is_busy(object))
		return object;
	take_out(&queues->main, object);
	set_hits(object, hits > 0 ? hits - 1 : 0);
	append(&queues->main, object);
	return NULL;
}

struct cache_object *
cache_queues_victim(struct cache_queues *queues, unsigned *steps)
{
	struct cache_object *victim = NULL;

	for (; *steps > 0 && victim == NULL; --*steps) {
		if (queues->small.head != NULL &&
			(queues->small.bytes > queues->size / SMALL_SHARE || queues->main.head == NULL))
			victim = look_at_small(queues);
		else if (queues->main.head != NULL)
			victim = look_at_main(queues);
		else
			return NULL;
	}
	return victim;
}
