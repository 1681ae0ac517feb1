/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ratio: how often the store has what is asked for, beside a list ordered by last use (LRU) of the same size.
 *
 * Without arguments it is a test: a short trace each, and the store must not be worse; it prints TAP. `ratio
 * REQUESTS` prints the table that is in the manual. Both see the same requests; an object costs the list what
 * it costs the store.
 */
#include "key.h"
#include "store.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEYS 100000			/* that are asked for by popularity */
#define BODY_MOST 65536

/* --- traces --------------------------------------------------------------------------------------------- */

static uint64_t seed;

static double
chance(void)
{
	uint64_t z = (seed += 0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return (double)((z ^ z >> 31) >> 11) * 0x1p-53;
}

static double shares[KEYS];		/* of the first so many keys together */

/* Zipf's law: the n-th is asked for in proportion to n to the power of -skew. */
static void
make_shares(double skew)
{
	double sum = 0;

	for (size_t i = 0; i < KEYS; i++)
		shares[i] = sum += pow((double)i + 1, -skew);
	for (size_t i = 0; i < KEYS; i++)
		shares[i] /= sum;
}

static size_t
popular_key(void)
{
	double mark = chance();
	size_t low = 0, high = KEYS - 1;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (shares[middle] < mark)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct trace {
	const char *name;
	double skew;
	size_t scan_every, scan_length;	/* so many requests of which none comes twice */
	double once;			/* or such a share of all */
};

static const struct trace traces[] = {
	{ "Zipf 0.7", 0.7, 0, 0, 0 },
	{ "Zipf 0.9", 0.9, 0, 0, 0 },
	{ "Zipf 1.1", 1.1, 0, 0, 0 },
	{ "Zipf 0.9, and a scan of 20,000 after every 40,000", 0.9, 40000, 20000, 0 },
	{ "Zipf 0.9, and half of all asked for once", 0.9, 0, 0, 0.5 },
};

/* The next key; those from KEYS on come once. */
static size_t
next_key(const struct trace *trace, size_t request, size_t *once)
{
	bool scan = trace->scan_every > 0 && request % (trace->scan_every + trace->scan_length) >= trace->scan_every;

	if (scan || (trace->once > 0 && chance() < trace->once))
		return KEYS + (*once)++;
	return popular_key();
}

/* Mixed sizes, mostly small: 200 bytes to 64 KiB, a key always the same. */
static size_t
length_of(size_t key)
{
	uint64_t z = (key + 1) * 0x9e3779b97f4a7c15;
	double part = (double)((z ^ z >> 29) * 0xbf58476d1ce4e5b9 >> 11) * 0x1p-53;

	return (size_t)(200 * pow(BODY_MOST / 200.0, part * part));
}

/* --- the list ordered by last use ----------------------------------------------------------------------- */

struct entry {
	size_t next, previous;		/* the head is entry 0 */
	size_t cost;			/* 0: it is not in */
};

struct list {
	struct entry *entries;		/* of key n, entry n + 1 */
	size_t used, size;
};

static void
take_out(struct list *list, size_t n)
{
	struct entry *entries = list->entries;

	entries[entries[n].previous].next = entries[n].next;
	entries[entries[n].next].previous = entries[n].previous;
}

static void
put_first(struct list *list, size_t n)
{
	struct entry *entries = list->entries;

	entries[n].next = entries[0].next;
	entries[n].previous = 0;
	entries[entries[0].next].previous = n;
	entries[0].next = n;
}

static bool
list_ask(struct list *list, size_t key, size_t cost)
{
	size_t n = key + 1;
	bool hit = list->entries[n].cost > 0;

	if (hit) {
		take_out(list, n);
	} else {
		list->entries[n].cost = cost;
		list->used += cost;
	}
	put_first(list, n);
	while (list->used > list->size) {
		size_t last = list->entries[0].previous;

		take_out(list, last);
		list->used -= list->entries[last].cost;
		list->entries[last].cost = 0;
	}
	return hit;
}

/* --- the store ------------------------------------------------------------------------------------------ */

static const struct cache_secret secret = { { 1, 2 } };

/* Ask, and fetch what is not there; *cost says what it costs. */
static bool
store_ask(struct cache_store *store, size_t key, size_t *cost)
{
	static char body[BODY_MOST];
	char text[48];
	struct cache_draft draft = { .status = 200, .modified = -1, .lines = "", .length = (int64_t)length_of(key) };
	struct cache_object *object;
	bool hit;

	draft.name.key = text;
	draft.name.key_length = (uint32_t)snprintf(text, sizeof(text), "http://example.com/%zu", key);
	draft.name.variant = "";
	draft.name.hash = cache_key_hash(&secret, text, draft.name.key_length);
	object = cache_store_find(store, &draft.name);
	hit = object != NULL;
	if (!hit) {
		object = cache_object_new(store, &draft);
		if (object == NULL)
			return false;
		cache_store_add(store, object);
		cache_body_append(store, object, body, (size_t)draft.length);
		cache_body_end(store, object, NULL, 0);
	}
	*cost = object->bytes;
	cache_object_release(store, &object);
	return hit;
}

struct ratios {
	double list, store;
};

static struct ratios
run(const struct trace *trace, size_t requests, size_t size)
{
	const struct cache_store_options options = { .size = size };
	struct cache_store *store = cache_store_new(&options);
	struct list list = { .entries = calloc(KEYS + requests + 2, sizeof(struct entry)), .size = size };
	size_t once = 0, list_hits = 0, store_hits = 0, cost = 0;

	if (store == NULL || list.entries == NULL)
		exit(1);
	seed = 1;
	make_shares(trace->skew);
	for (size_t i = 0; i < requests; i++) {
		size_t key = next_key(trace, i, &once);

		store_hits += store_ask(store, key, &cost);
		list_hits += list_ask(&list, key, cost);
	}
	cache_store_release(&store);
	free(list.entries);
	return (struct ratios){ (double)list_hits / (double)requests, (double)store_hits / (double)requests };
}

/* The catalogue comes to 600 MiB. */
static void
print_table(size_t requests)
{
	static const size_t sizes[] = { 4, 20, 80 };

	printf("| trace | size | LRU | store |\n|---|---|---|---|\n");
	for (size_t i = 0; i < sizeof(traces) / sizeof(*traces); i++)
		for (size_t j = 0; j < sizeof(sizes) / sizeof(*sizes); j++) {
			struct ratios ratios = run(&traces[i], requests, sizes[j] * 1024 * 1024);

			printf("| %s | %zu MiB | %.3f | %.3f |\n", traces[i].name, sizes[j], ratios.list,
				ratios.store);
		}
}

int
main(int argc, char **argv)
{
	size_t count = sizeof(traces) / sizeof(*traces);
	int failed = 0;

	if (argc > 1) {
		print_table(strtoul(argv[1], NULL, 10));
		return 0;
	}
	printf("1..%zu\n", count);
	for (size_t i = 0; i < count; i++) {
		struct ratios ratios = run(&traces[i], 100000, (size_t)20 * 1024 * 1024);
		bool good = ratios.store >= ratios.list;

		printf("%s %zu - %s: LRU %.3f, the store %.3f\n", good ? "ok" : "not ok", i + 1,
			traces[i].name, ratios.list, ratios.store);
		failed |= !good;
	}
	return failed;
}
