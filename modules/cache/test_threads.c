/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenes of the store under many threads at once: what is found is whole and its own, and in the end nothing
 * is left over.
 */
#include "store_scenes.h"

#define SIZE ((size_t)1024 * 1024)
#define THREADS 6
#define KEYS 400
#define TURNS 3000

static struct cache_store *store;
static _Atomic unsigned found, wrong, kept_out;

static uint64_t
dice(uint64_t *state)
{
	*state = *state * 6364136223846793005 + 1442695040888963407;
	return *state >> 33;
}

static void
make_key(char key[32], unsigned number)
{
	snprintf(key, 32, "http://a/%u", number);
}

/* Its length is in its status' place: a key's objects differ, and each says what it must be. */
static void
check_object(struct cache_object *object, const char *key)
{
	struct cache_cursor cursor = { 0 };
	const char *data;
	size_t length;
	enum cache_body_state seen = cache_body_state(object->body);

	while (cache_body_read(object->body, &cursor, SIZE_MAX, &data, &length))
		if (data[0] != byte_of(key, cursor.position - length) || data[length - 1] != byte_of(key, cursor.position - 1))
			wrong++;
	if (seen == CACHE_WHOLE && cursor.position != (uint64_t)object->date)
		wrong++;
	if (object->name.key_length != strlen(key) || memcmp(object->name.key, key, strlen(key)) != 0)
		wrong++;
}

static void
put_some(const char *key, uint64_t *state)
{
	struct cache_draft draft = draft_of(key);
	size_t length = dice(state) % (dice(state) % 16 == 0 ? 60000 : 3000);
	struct cache_object *object;

	draft.date = (int64_t)length;
	draft.length = dice(state) % 2 == 0 ? (int64_t)length : -1;
	draft.tags = dice(state) % 4 == 0 ? "red blue" : "green";
	draft.epoch = cache_store_epoch(store);
	object = cache_object_new(store, &draft);
	if (object == NULL || !cache_store_add(store, object)) {
		kept_out++;
		cache_object_release(store, &object);
		return;
	}
	if (dice(state) % 8 == 0 || !fill_body(store, object, key, length))
		cache_body_abort(store, object);
	else
		cache_body_end(store, object, "A: b\r\n", dice(state) % 2 * 6);
	cache_object_release(store, &object);
}

static void
refresh(const char *key, struct cache_object *old)
{
	struct cache_draft draft = draft_of(key);
	struct cache_object *object;

	draft.date = old->date;
	draft.body_of = old;
	draft.epoch = cache_store_epoch(store);
	object = cache_object_new(store, &draft);
	if (object != NULL)
		cache_store_add(store, object);
	cache_object_release(store, &object);
}

static void
purge_some(const char *key, uint64_t *state)
{
	const struct cache_name name = name_of(key, "");
	bool soft = dice(state) % 2 == 0;

	switch (dice(state) % 3) {
	case 0:
		cache_store_purge(store, &name, soft);
		break;
	case 1:
		cache_store_purge_prefix(store, key, strlen(key) - 1, soft);
		break;
	default:
		cache_store_purge_tag(store, dice(state) % 2 == 0 ? "red" : "blue", dice(state) % 2 == 0 ? 3 : 4, soft);
	}
}

static bool
look(void *argument, struct cache_object *object)
{
	(void)argument;
	return object->name.key_length > 0;
}

static void *
take_turns(void *argument)
{
	uint64_t state = (uintptr_t)argument;

	for (int i = 0; i < TURNS; i++) {
		struct cache_object *object;
		struct cache_name name;
		unsigned what = (unsigned)(dice(&state) % 100);
		char key[32];

		make_key(key, (unsigned)(dice(&state) % (what < 50 ? KEYS / 8 : KEYS)));
		name = name_of(key, "");
		object = cache_store_find(store, &name);
		if (object != NULL) {
			found++;
			check_object(object, key);
			if (what < 5 && cache_body_state(object->body) == CACHE_WHOLE)
				refresh(key, object);
		} else if (what < 98) {
			put_some(key, &state);
		}
		if (what == 98)
			purge_some(key, &state);
		if (what == 99 && i % 10 == 0)
			cache_store_resize(store, &(struct cache_store_options){ .size = SIZE + dice(&state) % 3 * SIZE / 2 });
		if (what == 99)
			cache_store_walk(store, dice(&state) % 2 == 0 ? &name : NULL, look, NULL);
		cache_object_release(store, &object);
	}
	return NULL;
}

static void
many_threads_share_a_store(void **state)
{
	pthread_t threads[THREADS];
	struct cache_stats stats;

	(void)state;
	store = new_store(SIZE);
	for (uintptr_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, take_turns, (void *)(i + 1)), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_true(cache_store_resize(store, &(struct cache_store_options){ .size = SIZE }));
	for (int i = 0; i < 100; i++)		/* they bury who is left */
		put_away(store, "http://last/", 0);
	cache_store_stats(store, &stats);
	assert_int_equal(wrong, 0);
	assert_true(found > TURNS);
	assert_true(stats.evicted > 0 && stats.purged > 0 && stats.added > 1000);
	assert_true(stats.used <= SIZE);
	assert_true(kept_out < stats.added / 10);
	assert_true(stats.small + stats.main <= stats.used);
	cache_store_purge_prefix(store, "", 0, false);
	for (int i = 0; i < 100; i++)		/* asked for before the purges, so kept out; they bury who is left */
		assert_false(put_away(store, "http://last/", 0));
	cache_store_stats(store, &stats);
	assert_int_equal(stats.objects, 0);
	assert_int_equal(stats.used, 0);
	cache_store_release(&store);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(many_threads_share_a_store),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
