/* SPDX-License-Identifier: Apache-2.0 */
/*
 * object: what the cache holds under a name: a response's head and how to find, use and check it.
 *
 * A name is a key (scheme, authority, path, query, as key.h makes it) and a variant (what the request said in
 * the fields that Vary nominates; empty when none are). Under the empty variant there may be, instead of a
 * response, a mark: that responses vary, and by which fields; or that they were not to be stored, so that
 * nobody waits for another.
 *
 * A head never changes once the object was made. A 304 makes a new object with the merged head and the same
 * body, which then takes the old one's place (cache_object_new with `body_of`). An object is counted: whoever
 * got one from cache_object_new, cache_store_find or cache_object_hold gives it back with
 * cache_object_release, from any thread. Evicted, purged or replaced, it lives until the last has.
 */
#ifndef CACHE_OBJECT_H
#define CACHE_OBJECT_H

#include "body.h"
#include "freshness.h"

struct cache_store;
struct cache_object;

#define CACHE_HEAD_MOST ((size_t)65535)	/* bytes of all that an object is made of, but the body */
#define CACHE_FIELDS_MOST 512
#define CACHE_TAGS_MOST 256

struct cache_name {
	const char *key, *variant;
	uint32_t key_length, variant_length;
	uint64_t hash;			/* of the key alone: cache_key_hash */
	uint32_t space;			/* whose answer it is (by the upstream): one key may mean several */
};

enum cache_kind {
	CACHE_RESPONSE,
	CACHE_VARY,			/* a mark: responses vary by the fields in `vary` */
	CACHE_PASS			/* a mark: while it is fresh, responses are not to be stored */
};

/* Where a field stands in an object's lines. */
struct cache_field {
	uint16_t name, name_length;
	uint16_t value, value_length;
};

/* One tag of one object, in a list of all that have the same hash. The store's. */
struct cache_tag {
	struct cache_tag *next, **link;
	struct cache_object *object;
	uint64_t hash;
	const char *text;
	uint32_t length;
};

struct cache_object {
	/* Names, kinds and texts: set when it is made. All texts lie behind the struct, in the same block. */
	struct cache_name name;
	enum cache_kind kind;
	int status;
	struct cache_freshness fresh;
	int64_t date;			/* of the origin, seconds since the epoch: Date, or when it came */
	int64_t modified;		/* Last-Modified, -1: none */
	const char *etag;		/* with its quotes and W/; ends in NUL; NULL: none */
	const char *vary;		/* names in lower case, separated by ','; ends in NUL; NULL: none */
	const char *lines; /* all fields that are sent: "Name: value" CRLF, one behind the other; no NUL */
	uint32_t lines_length;
	const struct cache_field *fields;	/* the same, by position */
	uint32_t field_count, tag_count;
	struct cache_tag *tags;
	struct cache_body *body;	/* NULL for a mark */
	uint64_t epoch;			/* of the store, when the request for it was sent */

	_Atomic uint32_t references;
	_Atomic uint8_t hits;		/* since it was looked at last, up to 3 */
	_Atomic bool stale;		/* purged softly: as if its lifetime were over */

	/* The store's, under its lock; next_in_bucket under the shard's. */
	bool linked, in_main;
	uint64_t bytes;			/* what it costs, body and all */
	struct cache_object *next, *previous;	/* in its queue */
	struct cache_object *next_in_bucket;
};

/* What an object is made of; everything is copied. */
struct cache_draft {
	struct cache_name name;
	enum cache_kind kind;
	int status;
	struct cache_freshness fresh;
	int64_t date, modified;
	const char *etag, *vary;	/* may be NULL */
	const char *lines;		/* "Name: value" CRLF each; no other form */
	size_t lines_length;
	const char *tags;		/* separated by spaces or commas; NULL: none */
	uint64_t epoch;			/* cache_store_epoch, before the request went out */
	int64_t length;			/* of the body, if it was announced; -1 */
	struct cache_object *body_of;	/* take this one's body; NULL: a new, empty one */
};

/* Make one, held once, that nobody can find yet (cache_store_add). Its body is filling, if it is a new
 * one. NULL: no memory, or too large (head, announced length). */
struct cache_object *cache_object_new(struct cache_store *, const struct cache_draft *);

static inline struct cache_object *
cache_object_hold(struct cache_object *object)
{
	atomic_fetch_add_explicit(&object->references, 1, memory_order_relaxed);
	return object;
}

/* May be called from any thread; never waits for another. */
void cache_object_release(struct cache_store *, struct cache_object **);

/* The first field of that name, in any case; its value is not ended by NUL. NULL: none. */
const char *cache_object_field(const struct cache_object *, const char *name, size_t *length);

#endif
