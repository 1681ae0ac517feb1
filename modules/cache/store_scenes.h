/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What scenes of the store share: objects by number, and bodies that say whose they are.
 */
#ifndef CACHE_STORE_SCENES_H
#define CACHE_STORE_SCENES_H

#include "key.h"
#include "store.h"

#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const struct cache_secret secret = { { 1, 2 } };

/* A name from a key and a variant, which it borrows. */
static inline struct cache_name
name_of(const char *key, const char *variant)
{
	return (struct cache_name){ .key = key, .key_length = (uint32_t)strlen(key), .variant = variant,
		.variant_length = (uint32_t)strlen(variant), .hash = cache_key_hash(&secret, key, strlen(key)) };
}

static inline struct cache_draft
draft_of(const char *key)
{
	static const char lines[] = "Content-Type: text/plain\r\nX-Kind: scene\r\n";

	return (struct cache_draft){ .name = name_of(key, ""),
		.status = 200,
		.fresh = { .lifetime = 60 },
		.modified = -1,
		.lines = lines,
		.lines_length = sizeof(lines) - 1,
		.length = -1 };
}

static inline struct cache_store *
new_store(size_t size)
{
	const struct cache_store_options options = { .size = size };
	struct cache_store *store = cache_store_new(&options);

	assert_non_null(store);
	return store;
}

/* Byte `at` of the body of this key. */
static inline char
byte_of(const char *key, uint64_t at)
{
	return (char)('a' + (strlen(key) + (unsigned char)key[strlen(key) - 1] + at) % 26);
}

static inline bool
fill_body(struct cache_store *store, struct cache_object *object, const char *key, size_t length)
{
	char piece[1000];

	for (size_t at = 0, part; at < length; at += part) {
		part = length - at < sizeof(piece) ? length - at : sizeof(piece);
		for (size_t i = 0; i < part; i++)
			piece[i] = byte_of(key, at + i);
		if (!cache_body_append(store, object, piece, part))
			return false;
	}
	return true;
}

/* A whole object that can be found; NULL when it did not get in. The caller holds it. */
static inline struct cache_object *
put(struct cache_store *store, const struct cache_draft *draft, size_t length)
{
	struct cache_object *object = cache_object_new(store, draft);

	if (object == NULL)
		return NULL;
	if (!cache_store_add(store, object) || !fill_body(store, object, draft->name.key, length) ||
		!cache_body_end(store, object, NULL, 0)) {
		cache_body_abort(store, object);
		cache_object_release(store, &object);
	}
	return object;
}

static inline bool
put_away(struct cache_store *store, const char *key, size_t length)
{
	const struct cache_draft draft = draft_of(key);
	struct cache_object *object = put(store, &draft, length);
	bool stored = object != NULL;

	cache_object_release(store, &object);
	return stored;
}

static inline bool
is_there(struct cache_store *store, const char *key)
{
	const struct cache_name name = name_of(key, "");
	struct cache_object *object = cache_store_find(store, &name);
	bool found = object != NULL;

	cache_object_release(store, &object);
	return found;
}

#endif
