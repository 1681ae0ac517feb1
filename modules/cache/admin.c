/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admin: what weirctl asks of the cache. A purge is whole before it is answered.
 */
#include "hooks.h"

#include <string.h>

static bool
show_stats(struct weir_reply *reply, void *g, int count, const char *const *arguments)
{
	struct cache_generation *generation = g;
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
	weir_reply_number(reply, "marks", (double)stats.marks);
	weir_reply_number(reply, "small", (double)stats.small);
	weir_reply_number(reply, "main", (double)stats.main);
	weir_reply_number(reply, "added", (double)stats.added);
	weir_reply_number(reply, "evicted", (double)stats.evicted);
	weir_reply_number(reply, "evicted_bytes", (double)stats.evicted_bytes);
	weir_reply_number(reply, "purged", (double)stats.purged);
	weir_reply_number(reply, "refused", (double)stats.refused);
	weir_reply_number(reply, "flights", cache_flight_count());
	weir_reply_number(reply, "waiting", cache_flight_waiting());
	return true;
}

/* The name of a URL; without a scheme the argument is the key itself, as routes with a `key` of their own have them. */
static bool
name_of(struct weir_reply *reply, const struct cache_generation *generation, const char *text, char room[CACHE_KEY_MOST],
	struct cache_name *name)
{
	size_t length = cache_key_from_url(room, CACHE_KEY_MOST, text);

	if (length == 0 && strlen(text) < CACHE_KEY_MOST)
		length = strlen(strcpy(room, text));
	if (length == 0 || length >= CACHE_KEY_MOST) {
		weir_reply_error(reply, "a key has 1 to %zu bytes", CACHE_KEY_MOST - 1);
		return false;
	}
	*name = (struct cache_name){ .key = room, .variant = "", .key_length = (uint32_t)length,
		.hash = cache_key_hash(&generation->secret, room, length) };
	return true;
}

static bool
show_object(void *argument, struct cache_object *object)
{
	static const char *const kinds[] = { "response", "vary", "pass" };
	static const char *const states[] = { "filling", "whole", "aborted", "passing by", "passed" };
	struct weir_reply *reply = argument;

	weir_reply_open(reply, NULL);
	weir_reply_text(reply, "kind", kinds[object->kind]);
	if (object->kind == CACHE_RESPONSE) {
		weir_reply_number(reply, "status", object->status);
		weir_reply_text(reply, "state", states[cache_body_state(object->body)]);
		weir_reply_number(reply, "length", (double)cache_body_length(object->body));
	}
	weir_reply_number(reply, "age", (double)cache_age(&object->fresh, weir_time()));
	weir_reply_number(reply, "lifetime", (double)object->fresh.lifetime);
	if (atomic_load_explicit(&object->stale, memory_order_relaxed))
		weir_reply_text(reply, "purged", "soft");
	if (object->etag != NULL)
		weir_reply_text(reply, "etag", object->etag);
	if (object->vary != NULL)
		weir_reply_text(reply, "vary", object->vary);
	weir_reply_close(reply);
	return true;
}

static bool
show(struct weir_reply *reply, void *g, int count, const char *const *arguments)
{
	struct cache_generation *generation = g;
	char room[CACHE_KEY_MOST];
	struct cache_name name;

	if (count != 1) {
		weir_reply_error(reply, "say which: show URL");
		return false;
	}
	if (!name_of(reply, generation, arguments[0], room, &name))
		return false;
	weir_reply_text(reply, "key", room);
	weir_reply_open_list(reply, "objects");
	cache_store_walk(generation->store, &name, show_object, reply);
	weir_reply_close(reply);
	return true;
}

enum purge { PURGE_URL, PURGE_PREFIX, PURGE_TAG };

static bool
purge_one(struct weir_reply *reply, struct cache_generation *generation, enum purge what, const char *text, bool soft,
	size_t *purged)
{
	char room[CACHE_KEY_MOST];
	struct cache_name name;

	switch (what) {
	case PURGE_PREFIX:
		*purged += cache_store_purge_prefix(generation->store, text, strlen(text), soft);
		return true;
	case PURGE_TAG:
		*purged += cache_store_purge_tag(generation->store, text, strlen(text), soft);
		return true;
	default:
		if (!name_of(reply, generation, text, room, &name))
			return false;
		*purged += cache_store_purge(generation->store, &name, soft);
		return true;
	}
}

/* Options stand before what they are for: `purge --soft --tag a b`. */
static bool
purge(struct weir_reply *reply, void *g, int count, const char *const *arguments)
{
	enum purge what = PURGE_URL;
	size_t purged = 0;
	bool soft = false, any = false;

	for (int i = 0; i < count; i++) {
		const char *word = arguments[i];

		if (strcmp(word, "--soft") == 0 || strcmp(word, "soft") == 0)
			soft = true;
		else if (strcmp(word, "--prefix") == 0 || strcmp(word, "prefix") == 0)
			what = PURGE_PREFIX;
		else if (strcmp(word, "--tag") == 0 || strcmp(word, "tag") == 0)
			what = PURGE_TAG;
		else if (purge_one(reply, g, what, word, soft, &purged))
			any = true;
		else
			return false;
	}
	if (!any) {
		weir_reply_error(reply, "say what: purge [--soft] URL, purge [--soft] --prefix URL, or purge [--soft] --tag TAG");
		return false;
	}
	weir_reply_number(reply, "purged", (double)purged);
	return true;
}

const struct weir_verb cache_verbs[] = {
	{ "stats", "", show_stats, "Show what the cache holds." },
	{ "show", "URL", show, "Show what is stored for a URL, all its variants." },
	{ "purge", "[--soft] [--prefix | --tag] WHAT …", purge,
	  "Take out what is stored for URLs, for all that begin so, or with a tag; --soft: let it be stale." },
	{ .name = NULL }
};
