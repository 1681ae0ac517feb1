/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ring: consistent hashing. Each server stands at many points of a circle; a key belongs to the next one.
 *
 * As in ketama, a server has 160 points for each unit of its weight, and where they lie depends on its name
 * alone: when a server comes or goes, only the keys of its own points move. All threads read the same ring.
 */
#include "ring.h"

#include <assert.h>
#include <stdlib.h>

#define POINTS_EACH 160			/* for a weight of 1 */
#define POINTS_MOST ((uint64_t)1 << 20)	/* in a ring, 8 MiB; beyond that each server has fewer */

static uint64_t
hash_text(uint64_t hash, const char *text)
{
	for (; *text != '\0'; text++)
		hash = (hash ^ (unsigned char)*text) * 0x100000001b3;
	return hash;
}

static uint32_t
finish(uint64_t hash)
{
	hash ^= hash >> 33;
	hash *= 0xff51afd7ed558ccd;
	hash ^= hash >> 33;
	hash *= 0xc4ceb9fe1a85ec53;
	return (uint32_t)(hash >> 32);
}

static uint32_t
place(const char *server, uint32_t number)
{
	return finish(hash_text(0xcbf29ce484222325, server) + number * 0x9e3779b97f4a7c15);
}

/* By halves, so that weights that change a little do not move every server's points. */
static unsigned
reduction(const struct balance_server *servers, size_t count)
{
	uint64_t total = 0;
	unsigned halves = 0;

	for (size_t i = 0; i < count; i++)
		total += (uint64_t)servers[i].weight * POINTS_EACH;
	while (total >> halves > POINTS_MOST)
		halves++;
	return halves;
}

static size_t
points_of(const struct balance_server *server, unsigned halves)
{
	uint64_t points = (uint64_t)server->weight * POINTS_EACH >> halves;

	return server->weight > 0 && points == 0 ? 1 : (size_t)points;
}

size_t
balance_ring_size(const struct balance_server *servers, size_t count)
{
	unsigned halves = reduction(servers, count);
	size_t size = 0;

	for (size_t i = 0; i < count; i++)
		size += points_of(&servers[i], halves);
	return size;
}

static int
by_place(const void *left, const void *right)
{
	const struct balance_point *a = left, *b = right;

	if (a->at != b->at)
		return a->at < b->at ? -1 : 1;
	return (a->seat > b->seat) - (a->seat < b->seat);
}

void
balance_ring_fill(struct balance_point *points, size_t size,
	const struct balance_server *servers, size_t count)
{
	unsigned halves = reduction(servers, count);
	size_t filled = 0;

	for (size_t i = 0; i < count; i++) {
		for (size_t j = points_of(&servers[i], halves); j > 0; j--, filled++) {
			points[filled].at = place(servers[i].name, (uint32_t)j);
			points[filled].seat = (uint32_t)i;
		}
	}
	assert(filled == size);
	if (size > 0)
		qsort(points, size, sizeof(*points), by_place);
}

/* The first point at or behind this place; `size` when it lies behind them all. */
static size_t
first_from(const struct balance_point *points, size_t size, uint32_t at)
{
	size_t low = 0, high = size;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (points[middle].at < at)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

size_t
balance_ring_find(const struct balance_point *points, size_t size, const char *key,
	const struct balance_seat *seats, size_t count)
{
	size_t first = first_from(points, size, finish(hash_text(0xcbf29ce484222325, key)));

	for (size_t i = 0; i < size; i++) {
		const struct balance_point *point = &points[first + i < size ? first + i : first + i - size];

		if (seats[point->seat].eligible)
			return point->seat;
	}
	return count;
}
