/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache: keep responses, and answer from them.
 *
 * One store for all threads, which a generation takes over from the one before it; one table of fetches under way for the process. A
 * generation that wants another size has the store resized once it serves, on the helper pool: its build may still fail. The
 * hooks stand after those of other modules in upstream_response and store, so that what they edited is what is stored, and
 * before them in the phase cache.
 */
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
		weir_build_error(b, "there is no memory for a cache of %llu bytes: %s", (unsigned long long)set->size, strerror(errno));
}

/* A store that is to get other limits. */
struct resizing {
	struct cache_store *store;
	struct cache_store_options limits;
};

static void
resize(void *argument)
{
	struct resizing *resizing = argument;

	if (!cache_store_resize(resizing->store, &resizing->limits))
		weir_log(WEIR_LOG_ERROR, "cache: there is no memory for %llu bytes: the size stays as it is",
			(unsigned long long)resizing->limits.size);
	cache_store_release(&resizing->store);
	free(resizing);
}

/* The first thread that serves with a generation sees to its limits; where there is no memory, the next second will do. */
static void
settle(struct weir_thread *thread, void *g, void *state)
{
	struct cache_generation *generation = g;
	struct resizing *resizing;

	(void)thread;
	(void)state;
	if (generation->store == NULL || atomic_exchange_explicit(&generation->settled, true, memory_order_relaxed))
		return;
	if (cache_store_is(generation->store, &generation->limits))
		return;
	resizing = malloc(sizeof(*resizing));
	if (resizing != NULL) {
		*resizing = (struct resizing){ cache_store_hold(generation->store), generation->limits };
		if (weir_offload(resize, resizing))
			return;
		cache_store_release(&resizing->store);
		free(resizing);
	}
	atomic_store_explicit(&generation->settled, false, memory_order_relaxed);
}

static void
drop(void *g)
{
	struct cache_generation *generation = g;

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
