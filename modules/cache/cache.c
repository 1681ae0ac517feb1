/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache: keep responses, and answer from them.
 *
 * One store for all threads, which a generation takes over from the one before it; one table of fetches under
 * way for the process. A generation that wants another size has the store resized once it serves, on the
 * helper pool: its build may still fail. The hooks stand after those of other modules in upstream_response
 * and store, so that what they edited is what is stored, and before them in the phase cache.
 */
#include "dump.h"
#include "hooks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void
build(struct weir_build *b, void *g, void *p)
{
	const struct cache_settings *set = weir_build_settings(b);
	struct cache_generation *generation = g, *previous = p;

	generation->limits = (struct cache_store_options){ .size = set->size, .object_most = set->object_size };
	generation->file = set->file;
	if (previous != NULL && previous->store != NULL) {
		generation->store = cache_store_hold(previous->store);
		generation->secret = previous->secret;
		return;
	}
	if (weir_build_is_check(b))
		return;
	cache_secret_draw(&generation->secret);
	generation->store = cache_store_new(&generation->limits);
	if (generation->store == NULL)
		weir_build_error(b, "there is no memory for a cache of %llu bytes: %s",
			(unsigned long long)set->size, strerror(errno));
}

/* What is to be done with a store, and takes its time. */
struct chore {
	struct cache_store *store;
	struct cache_store_options limits;
	struct cache_secret secret;
	char file[];
};

static void
resize(void *argument)
{
	struct chore *chore = argument;

	if (!cache_store_resize(chore->store, &chore->limits))
		weir_log(WEIR_LOG_ERROR, "cache: there is no memory for %llu bytes: the size stays as it is",
			(unsigned long long)chore->limits.size);
	cache_store_release(&chore->store);
	free(chore);
}

static void
load(void *argument)
{
	struct chore *chore = argument;
	size_t count;
	enum cache_dump_result result = cache_dump_read(chore->store, &chore->secret, chore->file, weir_time(), &count);

	if (result == CACHE_DUMP_READ)
		weir_log(WEIR_LOG_NOTICE, "cache: %zu objects of %s are there again", count, chore->file);
	else if (result == CACHE_DUMP_DAMAGED)
		weir_log(WEIR_LOG_WARNING, "cache: %s is damaged: %zu objects were whole, and what is behind them is lost",
			chore->file, count);
	else if (errno != ENOENT)
		weir_log(WEIR_LOG_WARNING, "cache: cannot read %s: %s", chore->file, strerror(errno));
	cache_store_release(&chore->store);
	free(chore);
}

static bool
offload(struct cache_generation *generation, void (*work)(void *argument))
{
	size_t length = generation->file != NULL ? strlen(generation->file) + 1 : 0;
	struct chore *chore = malloc(sizeof(*chore) + length);

	if (chore == NULL)
		return false;
	chore->store = cache_store_hold(generation->store);
	chore->limits = generation->limits;
	chore->secret = generation->secret;
	memcpy(chore->file, length > 0 ? generation->file : "", length);
	if (weir_offload(work, chore))
		return true;
	cache_store_release(&chore->store);
	free(chore);
	return false;
}

/* The first thread that serves with a generation sees to its limits and its file; where there is no
 * memory, the next second will do. */
static void
settle(struct weir_thread *thread, void *g, void *state)
{
	struct cache_generation *generation = g;
	bool good;

	(void)thread;
	(void)state;
	if (generation->store == NULL || atomic_exchange_explicit(&generation->settled, true, memory_order_acq_rel))
		return;
	good = cache_store_is(generation->store, &generation->limits) || offload(generation, resize);
	if (good && generation->file != NULL && cache_store_begin(generation->store) && !offload(generation, load)) {
		cache_store_begin_again(generation->store);
		good = false;
	}
	if (!good)
		atomic_store_explicit(&generation->settled, false, memory_order_release);
}

/* The process ends: nobody else has the store. One that never served would only put nothing in the place
 * of what is there. */
static void
save(struct cache_generation *generation)
{
	size_t count;

	if (generation->file == NULL || !atomic_load_explicit(&generation->settled, memory_order_acquire) ||
		!cache_store_is_last(generation->store))
		return;
	if (cache_dump_write(generation->store, generation->file, weir_time(), &count))
		weir_log(WEIR_LOG_NOTICE, "cache: wrote %zu objects to %s", count, generation->file);
	else
		weir_log(WEIR_LOG_ERROR, "cache: cannot write %s: %s", generation->file, strerror(errno));
}

static void
drop(void *g)
{
	struct cache_generation *generation = g;

	if (generation->store != NULL)
		save(generation);
	cache_store_release(&generation->store);
}

/* In the order of enum cache_metric. */
static const struct weir_metric metrics[] = {
	{ "hits_total", .doc = "Requests answered from fresh objects." },
	{ "stale_total", .doc = "Requests answered from stale objects." },
	{ "misses_total", .doc = "Requests that were sent to the origin for the cache." },
	{ "passes_total", .doc = "Requests that were sent past the cache." },
	{ "coalesced_total", .doc = "Requests that waited for a fetch of another." },
	{ "waited_milliseconds_total", .doc = "How long they waited, all together." },
	{ "revalidated_total", .doc = "Objects that the origin confirmed." },
	{ "refreshes_total", .doc = "Refreshes in the background." },
	{ "stored_total", .doc = "Responses that were stored." },
	{ "evicted_total", .doc = "Objects that made room for others, counted when something is stored." },
	{ "served_bytes_total", .doc = "Bytes of the bodies that were answered with, as far as their lengths were known." },
	{ .name = NULL }
};

WEIR_MODULE(cache) = {
	WEIR_ABI,
	.summary = "Keep responses and answer from them.",
	.options = cache_options,
	.metrics = metrics,
	.verbs = cache_verbs,
	.settings_size = sizeof(struct cache_settings),
	.generation_size = sizeof(struct cache_generation),
	.request_size = sizeof(struct cache_state),
	.order = WEIR_CLASS_LATE,
	.check = cache_check,
	.build = build,
	.drop = drop,
	.tick = settle,
	.hooks = {
		[WEIR_PHASE_CACHE] = cache_look_up,
		[WEIR_PHASE_UPSTREAM_REQUEST] = cache_ask,
		[WEIR_PHASE_UPSTREAM_RESPONSE] = cache_hear,
		[WEIR_PHASE_STORE] = cache_keep,
		[WEIR_PHASE_ERROR] = cache_save,
		[WEIR_PHASE_RESPONSE] = cache_tell,
		[WEIR_PHASE_LOG] = cache_finish,
	},
};
