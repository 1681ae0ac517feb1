/* SPDX-License-Identifier: Apache-2.0 */
/*
 * soak: does the process stay within its bound under an endless stream of distinct objects of mixed sizes?
 *
 * Without arguments it is a test of some seconds, which prints TAP. `soak MIB SECONDS THREADS` prints a line
 * a second or so: what was written, what the store counts, and how much larger the process has become. It
 * fails where that is more than 1.1 times the size.
 */
#include "key.h"
#include "store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define THREADS_MOST 64
#define BODY_MOST ((size_t)1024 * 1024)
#define HELD 8				/* objects that a thread reads slowly */

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define PLAIN 0				/* a sanitizer keeps books of its own about all memory */
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define PLAIN 0
#endif
#endif
#ifndef PLAIN
#define PLAIN 1
#endif

static const struct cache_secret secret = { { 1, 2 } };
static const char body[BODY_MOST];
static struct cache_store *store;
static _Atomic bool over;
static _Atomic uint64_t next_key, written, refused;

static double
now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static size_t
resident(void)
{
	FILE *file = fopen("/proc/self/statm", "r");
	unsigned long pages = 0;

	if (file != NULL) {
		if (fscanf(file, "%*u %lu", &pages) != 1)
			pages = 0;
		fclose(file);
	}
	return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* Mostly small, some large; the mix moves slowly, so that gaps of one time must serve another's. */
static size_t
some_length(uint64_t key, uint64_t random)
{
	unsigned drift = (unsigned)(key >> 16) % 5, top = 8 + drift + random % 8;

	if (random % 512 == 0)
		top = 20;
	return (size_t)(random >> 16) & (((size_t)1 << top) - 1);
}

static uint64_t
mix(uint64_t z)
{
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static struct cache_object *
put(uint64_t key)
{
	static const char lines[] =
		"Content-Type: text/plain\r\nCache-Control: max-age=60\r\nETag: \"0123456789\"\r\n";
	uint64_t random = mix(key * 0x9e3779b97f4a7c15 + 1);
	size_t length = some_length(key, random), at = 0;
	struct cache_draft draft = {
		.status = 200, .modified = -1, .lines = lines, .lines_length = sizeof(lines) - 1
	};
	struct cache_object *object;
	char text[256];
	bool good;

	draft.name.key = text;
	draft.name.key_length = (uint32_t)snprintf(text, sizeof(text), "http://example.com/%llu%.*s",
		(unsigned long long)key, (int)(random % 200),
		"////////////////////////////////////////////////////////////////////////////////////////////"
		"/////////");
	draft.name.variant = "";
	draft.name.hash = cache_key_hash(&secret, text, draft.name.key_length);
	draft.length = random % 3 == 0 ? -1 : (int64_t)length;
	draft.tags = random % 5 == 0 ? "some tags" : NULL;
	object = cache_object_new(store, &draft);
	if (object == NULL || !cache_store_add(store, object)) {
		refused++;
		cache_object_release(store, &object);
		return NULL;
	}
	for (good = true; good && at < length; at += 16384)
		good = cache_body_append(store, object, body, length - at < 16384 ? length - at : 16384);
	if (good && random % 64 != 0)
		cache_body_end(store, object, NULL, 0);
	else
		cache_body_abort(store, object);
	refused += !good;
	written += at < length ? at : length;
	return object;
}

static void *
pour(void *argument)
{
	struct cache_object *held[HELD] = { NULL };

	(void)argument;
	while (!over) {
		uint64_t key = next_key++;
		struct cache_object *object = put(key), **slot = &held[key % HELD];

		if (mix(key) % 1000 == 0) {	/* read for long */
			cache_object_release(store, slot);
			*slot = object;
		} else {
			cache_object_release(store, &object);
		}
	}
	for (int i = 0; i < HELD; i++)
		cache_object_release(store, &held[i]);
	return NULL;
}

/* The most that the process grew by while it lasted. */
static size_t
watch(double seconds, size_t base, bool print)
{
	double begun = now(), shown = begun;
	size_t most = 0, grown;
	struct cache_stats stats;

	while (now() - begun < seconds) {
		nanosleep(&(struct timespec){ .tv_nsec = 50 * 1000 * 1000 }, NULL);
		grown = resident() > base ? resident() - base : 0;
		most = grown > most ? grown : most;
		if (!print || now() - shown < seconds / 30)
			continue;
		shown = now();
		cache_store_stats(store, &stats);
		printf("%7.1f %12llu %10.1f %10llu %10.1f %10.1f %8llu\n", shown - begun,
			(unsigned long long)next_key, (double)written / 1073741824,
			(unsigned long long)stats.objects, (double)stats.used / 1048576,
			(double)grown / 1048576, (unsigned long long)refused);
		fflush(stdout);
	}
	return most;
}

int
main(int argc, char **argv)
{
	size_t size = (argc > 1 ? strtoul(argv[1], NULL, 10) : 32) * 1024 * 1024, base, most;
	double seconds = argc > 2 ? strtod(argv[2], NULL) : 1.5;
	unsigned threads = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : 2;
	const struct cache_store_options options = { .size = size };
	pthread_t workers[THREADS_MOST];
	struct cache_stats stats;
	bool good;

	base = resident();
	store = cache_store_new(&options);
	if (store == NULL || threads > THREADS_MOST)
		return 1;
	if (argc > 1)
		printf("%7s %12s %10s %10s %10s %10s %8s\n", "s", "objects", "GiB", "held", "used MiB",
			"grown MiB", "refused");
	for (unsigned i = 0; i < threads; i++)
		if (pthread_create(&workers[i], NULL, pour, NULL) != 0)
			return 1;
	most = watch(seconds, base, argc > 1);
	over = true;
	for (unsigned i = 0; i < threads; i++)
		pthread_join(workers[i], NULL);
	cache_store_stats(store, &stats);
	good = stats.used <= size && stats.evicted > 0 && (!PLAIN || most <= size + size / 10);
	printf("1..1\n%s 1 - %zu MiB of objects passed through %zu MiB; the process grew by %zu MiB at "
		"most\n",
		good ? "ok" : "not ok", (size_t)(written >> 20), size >> 20, most >> 20);
	cache_store_release(&store);
	return !good;
}
