/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache: keep responses. The store is shared by all threads, and by a generation with the one before it.
 */
#include "key.h"
#include "store.h"

#include <errno.h>
#include <string.h>
#include <weir/module.h>

struct settings {
	uint64_t size, object_size;
};

struct generation {
	struct cache_store *store;
	struct cache_secret secret;
};

static const struct weir_option options[] = {
	{ "size", WEIR_SIZE, offsetof(struct settings, size), .in = WEIR_IN_MODULE, .initial = "64M", .min = CACHE_SIZE_LEAST,
	  .max = INT64_MAX, .doc = "Memory for everything that the cache holds." },
	{ "object_size", WEIR_SIZE, offsetof(struct settings, object_size), .in = WEIR_IN_MODULE, .min = 0, .max = INT64_MAX,
	  .doc = "The largest body that is stored; 0: an eighth of the size." },
	{ .name = NULL }
};

static void
build(struct weir_build *b, void *g, void *p)
{
	const struct settings *set = weir_build_settings(b);
	const struct cache_store_options wanted = { .size = set->size, .object_most = set->object_size };
	struct generation *generation = g, *previous = p;

	if (previous != NULL && cache_store_is(previous->store, &wanted)) {
		generation->store = cache_store_hold(previous->store);
		generation->secret = previous->secret;
		return;
	}
	if (weir_build_is_check(b))
		return;
	cache_secret_draw(&generation->secret);
	generation->store = cache_store_new(&wanted);
	if (generation->store == NULL)
		weir_build_error(b, "there is no memory for a cache of %llu bytes: %s", (unsigned long long)set->size, strerror(errno));
}

static void
drop(void *g)
{
	struct generation *generation = g;

	cache_store_release(&generation->store);
}

static bool
show_stats(struct weir_reply *reply, void *g, int count, const char *const *arguments)
{
	struct generation *generation = g;
	struct cache_stats stats;

	(void)arguments;
	if (count > 0) {
		weir_reply_error(reply, "stats takes no argument");
		return false;
	}
	cache_store_stats(generation->store, &stats);
	weir_reply_number(reply, "size", (double)stats.size);
	weir_reply_number(reply, "used", (double)stats.used);
	weir_reply_number(reply, "objects", (double)stats.objects);
	weir_reply_number(reply, "evicted", (double)stats.evicted);
	weir_reply_number(reply, "purged", (double)stats.purged);
	return true;
}

static const struct weir_verb verbs[] = {
	{ "stats", "", show_stats, "Show what the cache holds." },
	{ .name = NULL }
};

WEIR_MODULE(cache) = {
	WEIR_ABI,
	.summary = "Keep responses and answer from them.",
	.options = options,
	.verbs = verbs,
	.settings_size = sizeof(struct settings),
	.generation_size = sizeof(struct generation),
	.build = build,
	.drop = drop,
};
