/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenes of the store: objects are found whole, replaced, varied, evicted, purged, and the size holds.
 */
#include "store_scenes.h"

#define SIZE ((size_t)2 * 1024 * 1024)

static void
assert_body(const struct cache_object *object, const char *key, uint64_t length)
{
	struct cache_cursor cursor = { 0 };
	const char *data;
	size_t part;

	assert_int_equal(cache_body_length(object->body), length);
	while (cache_body_read(object->body, &cursor, SIZE_MAX, &data, &part))
		for (size_t i = 0; i < part; i++)
			assert_int_equal(data[i], byte_of(key, cursor.position - part + i));
	assert_int_equal(cursor.position, length);
}

static void
what_was_put_in_is_found(void **state)
{
	struct cache_store *store = new_store(SIZE);
	const size_t lengths[] = { 0, 1, 2047, 2048, 2049, 100000, 200000 };
	char key[32];

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		snprintf(key, sizeof(key), "http://a/%zu", i);
		assert_true(put_away(store, key, lengths[i]));
	}
	for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		struct cache_name name;
		struct cache_object *object;
		const char *value;
		size_t length;

		snprintf(key, sizeof(key), "http://a/%zu", i);
		name = name_of(key, "");
		object = cache_store_find(store, &name);
		assert_non_null(object);
		assert_int_equal(object->status, 200);
		assert_int_equal(cache_body_state(object->body), CACHE_WHOLE);
		assert_body(object, key, lengths[i]);
		value = cache_object_field(object, "content-TYPE", &length);
		assert_int_equal(length, 10);
		assert_memory_equal(value, "text/plain", 10);
		assert_null(cache_object_field(object, "Content-Typ", &length));
		cache_object_release(store, &object);
		assert_null(object);
	}
	assert_false(is_there(store, "http://a/7"));
	cache_store_release(&store);
}

static void
the_size_holds_whatever_comes(void **state)
{
	struct cache_store *store = new_store(SIZE);
	struct cache_stats stats;
	uint64_t seed = 1;
	char key[64];

	(void)state;
	for (int i = 0; i < 5000; i++) {
		seed = seed * 6364136223846793005 + 1442695040888963407;
		snprintf(key, sizeof(key), "http://a/%d", i);
		assert_true(put_away(store, key, (seed >> 33) % ((seed >> 60) == 0 ? 200000 : 4000)));
		cache_store_stats(store, &stats);
		assert_true(stats.used <= SIZE);
	}
	assert_true(stats.objects > 100);
	assert_true(stats.evicted > 1000);
	assert_int_equal(stats.refused, 0);
	assert_int_equal(stats.added, 5000);
	assert_true(stats.used > SIZE * 8 / 10);
	cache_store_release(&store);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_put_in_is_found),
		cmocka_unit_test(the_size_holds_whatever_comes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
