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


static struct cache_object *
find(struct cache_store *store, const char *key, const char *variant)
{
	const struct cache_name name = name_of(key, variant);

	return cache_store_find(store, &name);
}

static bool
is_variant_there(struct cache_store *store, const char *key, const char *variant)
{
	struct cache_object *object = find(store, key, variant);
	bool found = object != NULL;

	cache_object_release(store, &object);
	return found;
}

/* A whole object of this variant with these tags, asked for at this epoch. */
static bool
put_variant(struct cache_store *store, const char *key, const char *variant, const char *tags, uint64_t epoch)
{
	struct cache_draft draft = draft_of(key);
	struct cache_object *object;
	bool stored;

	draft.name = name_of(key, variant);
	draft.tags = tags;
	draft.epoch = epoch;
	object = put(store, &draft, 100);
	stored = object != NULL;
	cache_object_release(store, &object);
	return stored;
}

static void
one_name_has_one_object(void **state)
{
	struct cache_store *store = new_store(SIZE);
	struct cache_draft draft = draft_of("http://a/");
	struct cache_object *first = put(store, &draft, 10), *second, *found;
	struct cache_stats stats;

	(void)state;
	draft.status = 404;
	second = put(store, &draft, 20);
	found = find(store, "http://a/", "");
	assert_ptr_equal(found, second);
	assert_int_equal(first->status, 200);
	assert_body(first, "http://a/", 10);		/* who reads the old one goes on */
	cache_store_stats(store, &stats);
	assert_int_equal(stats.objects, 1);
	cache_object_release(store, &first);
	cache_object_release(store, &found);
	assert_true(cache_store_remove(store, second));
	assert_false(cache_store_remove(store, second));
	cache_object_release(store, &second);
	assert_false(is_there(store, "http://a/"));
	cache_store_stats(store, &stats);
	assert_int_equal(stats.used, 0);
	cache_store_release(&store);
}

static void
a_refreshed_head_keeps_its_body(void **state)
{
	struct cache_store *store = new_store(SIZE);
	struct cache_draft draft = draft_of("http://a/");
	struct cache_object *old = put(store, &draft, 5000), *new, *found;
	struct cache_stats stats;

	(void)state;
	draft.body_of = old;
	draft.lines = "ETag: \"b\"\r\n";
	draft.lines_length = strlen(draft.lines);
	new = cache_object_new(store, &draft);
	assert_ptr_equal(new->body, old->body);
	assert_true(cache_store_add(store, new));
	cache_object_release(store, &old);
	cache_object_release(store, &new);
	found = find(store, "http://a/", "");
	assert_body(found, "http://a/", 5000);
	assert_true(found->bytes > 5000);
	assert_true(cache_store_remove(store, found));
	cache_object_release(store, &found);
	cache_store_stats(store, &stats);
	assert_int_equal(stats.used, 0);
	cache_store_release(&store);
}

static void
variants_stand_side_by_side(void **state)
{
	struct cache_store *store = new_store(SIZE);
	struct cache_draft mark = draft_of("http://a/");
	struct cache_object *object;
	struct cache_stats stats;
	char variant[32];

	(void)state;
	mark.kind = CACHE_VARY;
	mark.vary = "accept-encoding";
	object = cache_object_new(store, &mark);
	assert_null(object->body);
	assert_string_equal(object->vary, "accept-encoding");
	assert_true(cache_store_add(store, object));
	cache_object_release(store, &object);
	assert_true(put_variant(store, "http://a/", "gzip", NULL, 0));
	assert_true(put_variant(store, "http://a/", "br", NULL, 0));
	assert_true(is_variant_there(store, "http://a/", "gzip"));
	assert_true(is_variant_there(store, "http://a/", "br"));
	assert_false(is_variant_there(store, "http://a/", "zstd"));
	assert_false(is_variant_there(store, "http://b/", "gzip"));
	for (int i = 0; i < 100; i++) {		/* a bound for each key */
		snprintf(variant, sizeof(variant), "v%d", i);
		assert_true(put_variant(store, "http://a/", variant, NULL, 0));
	}
	cache_store_stats(store, &stats);
	assert_int_equal(stats.objects, CACHE_VARIANTS_MOST);
	assert_int_equal(stats.marks, 1);
	assert_false(is_variant_there(store, "http://a/", "v35"));
	assert_true(is_variant_there(store, "http://a/", "v36"));
	assert_int_equal(cache_store_purge(store, &mark.name, false), CACHE_VARIANTS_MOST);
	assert_false(is_there(store, "http://a/"));
	assert_false(is_variant_there(store, "http://a/", "v99"));
	cache_store_release(&store);
}

static void
what_does_not_fit_is_no_object(void **state)
{
	static char lines[CACHE_HEAD_MOST + 10];
	static const char *const bad[] = { "A: b\r\nC", "A: b\n", "A b\r\n", ": b\r\n", "A:b\r\n", "\r\n", "A: b\r\nC: d\r" };
	struct cache_store *store = new_store(SIZE);
	struct cache_draft draft = draft_of("http://a/");
	struct cache_stats stats;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		draft.lines = bad[i];
		draft.lines_length = strlen(bad[i]);
		assert_null(cache_object_new(store, &draft));
	}
	memset(lines, 'x', sizeof(lines));
	memcpy(lines, "A: ", 3);
	memcpy(lines + sizeof(lines) - 3, "\r\n", 3);
	draft.lines = lines;
	draft.lines_length = sizeof(lines) - 1;
	assert_null(cache_object_new(store, &draft));
	for (size_t i = 0; i <= CACHE_FIELDS_MOST; i++)
		memcpy(lines + i * 6, "A: b\r\n", 6);
	draft.lines_length = 6 * CACHE_FIELDS_MOST + 6;
	assert_null(cache_object_new(store, &draft));
	cache_store_stats(store, &stats);
	assert_int_equal(stats.used, 0);
	cache_store_release(&store);
}

/* --- eviction ------------------------------------------------------------------------------------------- */

static void
who_was_asked_for_stays(void **state)
{
	struct cache_store *store = new_store(SIZE);
	char key[64];
	int kept = 0;

	(void)state;
	for (int i = 0; i < 200; i++) {
		snprintf(key, sizeof(key), "http://hot/%d", i);
		assert_true(put_away(store, key, 1000));
		assert_true(is_there(store, key) && is_there(store, key));
	}
	for (int i = 0; i < 20000; i++) {	/* a scan */
		snprintf(key, sizeof(key), "http://cold/%d", i);
		assert_true(put_away(store, key, 1000));
	}
	for (int i = 0; i < 200; i++) {
		snprintf(key, sizeof(key), "http://hot/%d", i);
		kept += is_there(store, key);
	}
	assert_int_equal(kept, 200);
	cache_store_release(&store);
}

/* What is being read cannot be freed; all else is evicted first, and then nothing more gets in. */
static void
who_is_read_keeps_its_memory(void **state)
{
	enum { HELD = 1000 };
	static struct cache_object *held[HELD];
	struct cache_store *store = new_store(CACHE_SIZE_LEAST);
	struct cache_stats stats;
	unsigned count = 0;
	char key[64];

	(void)state;
	for (; count < HELD; count++) {
		struct cache_draft draft;

		snprintf(key, sizeof(key), "http://a/%u", count);
		draft = draft_of(key);
		held[count] = put(store, &draft, 10000);
		if (held[count] == NULL)
			break;
	}
	assert_true(count > 60 && count < 105);
	cache_store_stats(store, &stats);
	assert_true(stats.refused > 0 && stats.evicted == 0);
	for (unsigned i = 0; i < count; i++) {
		snprintf(key, sizeof(key), "http://a/%u", i);
		assert_body(held[i], key, 10000);
		cache_object_release(store, &held[i]);
	}
	assert_true(put_away(store, "http://a/new", 10000));
	cache_store_release(&store);
}

/* --- purges --------------------------------------------------------------------------------------------- */

static void
purges_find_what_they_mean(void **state)
{
	struct cache_store *store = new_store(SIZE);
	const struct cache_name name = name_of("http://a/1", "");
	struct cache_object *object;
	char key[64];

	(void)state;
	for (int i = 0; i < 300; i++) {
		uint64_t epoch = cache_store_epoch(store);

		snprintf(key, sizeof(key), "http://%c/%d", i % 2 == 0 ? 'a' : 'b', i / 2);
		assert_true(put_variant(store, key, "", i % 3 == 0 ? "three all" : " all,,two\t", epoch));
	}
	assert_int_equal(cache_store_purge(store, &name, true), 1);
	assert_int_equal(cache_store_purge(store, &name, true), 0);	/* it is stale already */
	object = find(store, "http://a/1", "");
	assert_true(atomic_load(&object->stale));
	cache_object_release(store, &object);
	assert_int_equal(cache_store_purge(store, &name, false), 1);
	assert_int_equal(cache_store_purge(store, &name, false), 0);
	assert_int_equal(cache_store_purge_prefix(store, "http://a/1", 10, false), 60);
	assert_false(is_there(store, "http://a/149"));
	assert_true(is_there(store, "http://a/2"));
	assert_int_equal(cache_store_purge_tag(store, "thre", 4, false), 0);
	assert_int_equal(cache_store_purge_tag(store, "three", 5, true), 100 - 19);
	assert_int_equal(cache_store_purge_tag(store, "three", 5, true), 0);
	assert_int_equal(cache_store_purge_tag(store, "three", 5, false), 100 - 19);
	assert_int_equal(cache_store_purge_tag(store, "all", 3, false), 239 - 81);
	assert_int_equal(cache_store_purge_prefix(store, "", 0, false), 0);
	cache_store_release(&store);
}

/* A response that was on its way when the purge came does not get in behind its back. */
static void
a_purge_means_what_is_under_way(void **state)
{
	struct cache_store *store = new_store(SIZE);
	const struct cache_name name = name_of("http://a/1", "");
	uint64_t epoch = cache_store_epoch(store);
	struct cache_object *object;
	char long_prefix[2000];
	unsigned count = 0;

	(void)state;
	cache_store_purge(store, &name, false);
	assert_false(put_variant(store, "http://a/1", "", NULL, epoch));
	assert_false(put_variant(store, "http://a/1", "v", NULL, epoch));
	assert_true(put_variant(store, "http://a/1", "", NULL, cache_store_epoch(store)));
	assert_true(put_variant(store, "http://a/12", "", NULL, epoch));
	cache_store_purge_tag(store, "t", 1, false);
	assert_false(put_variant(store, "http://a/2", "", "s t", epoch));
	assert_true(put_variant(store, "http://a/2", "", "tt s", epoch));
	cache_store_purge_prefix(store, "http://b", 8, false);
	assert_false(put_variant(store, "http://b/2", "", "", epoch));
	epoch = cache_store_epoch(store);
	cache_store_purge_prefix(store, "http://c", 8, true);
	assert_true(put_variant(store, "http://c/", "", "", epoch));
	object = find(store, "http://c/", "");
	assert_true(atomic_load(&object->stale));
	cache_object_release(store, &object);

	memset(long_prefix, 'x', sizeof(long_prefix));	/* longer than is remembered: all are meant */
	epoch = cache_store_epoch(store);
	cache_store_purge_prefix(store, long_prefix, sizeof(long_prefix), false);
	assert_false(put_variant(store, "http://d/", "", "", epoch));
	epoch = cache_store_epoch(store);
	for (int i = 0; i < 64; i++)
		cache_store_purge_tag(store, "none", 4, false);
	assert_true(put_variant(store, "http://e/", "", "", epoch));
	cache_store_purge_tag(store, "none", 4, false);	/* more purges than are remembered: who knows? */
	assert_false(put_variant(store, "http://e/", "", "", epoch));

	epoch = cache_store_epoch(store);	/* but never so many keys: any client may purge one */
	for (int i = 0; i < 1000; i++) {
		char key[32];
		struct cache_name other;

		snprintf(key, sizeof(key), "http://f/%d", i);
		other = name_of(key, "");
		cache_store_purge(store, &other, false);
	}
	assert_false(put_variant(store, "http://f/500", "", "", epoch));
	for (int i = 0; i < 40; i++) {
		char key[32];

		snprintf(key, sizeof(key), "http://g/%d", i);
		count += put_variant(store, key, "", "", epoch);
	}
	assert_true(count > 20);
	cache_store_release(&store);
}

static void
a_purge_ends_no_reading(void **state)
{
	struct cache_store *store = new_store(SIZE);
	const struct cache_draft draft = draft_of("http://a/");
	struct cache_object *writer = cache_object_new(store, &draft), *reader;

	(void)state;
	assert_true(cache_store_add(store, writer));
	reader = find(store, "http://a/", "");
	assert_true(fill_body(store, writer, "http://a/", 5000));
	assert_int_equal(cache_store_purge_prefix(store, "http:", 5, false), 1);
	assert_false(is_there(store, "http://a/"));
	assert_true(cache_body_append(store, writer, "x", 1));
	assert_true(cache_body_end(store, writer, NULL, 0));
	assert_int_equal(cache_body_length(reader->body), 5001);
	assert_int_equal(cache_body_state(reader->body), CACHE_WHOLE);
	assert_false(is_there(store, "http://a/"));
	cache_object_release(store, &writer);
	cache_object_release(store, &reader);
	cache_store_release(&store);
}

static bool
count_object(void *argument, struct cache_object *object)
{
	unsigned *count = argument;

	assert_true(object->linked);
	return ++*count < 50;
}

static void
a_walk_sees_all(void **state)
{
	struct cache_store *store = new_store(SIZE);
	const struct cache_name name = name_of("http://a/7", "");
	unsigned count = 0;
	char key[64];

	(void)state;
	for (int i = 0; i < 40; i++) {
		snprintf(key, sizeof(key), "http://a/%d", i / 2);
		assert_true(put_variant(store, key, i % 2 == 0 ? "v" : "w", NULL, 0));
	}
	cache_store_walk(store, NULL, count_object, &count);
	assert_int_equal(count, 40);
	count = 0;
	cache_store_walk(store, &name, count_object, &count);
	assert_int_equal(count, 2);
	count = 48;
	cache_store_walk(store, NULL, count_object, &count);
	assert_int_equal(count, 50);
	cache_store_release(&store);
}

static void
the_size_changes_while_it_is_in_use(void **state)
{
	const struct cache_store_options large = { .size = 4 * SIZE }, small = { .size = SIZE / 2, .object_most = 4000 };
	struct cache_store *store = new_store(SIZE);
	struct cache_object *reader, *writer;
	const struct cache_draft draft = draft_of("http://a/filling");
	struct cache_stats stats;
	unsigned before, after = 0;
	char key[64];

	(void)state;
	for (int i = 0; i < 1000; i++) {
		snprintf(key, sizeof(key), "http://a/%d", i);
		assert_true(put_away(store, key, 1000 + (size_t)i));
	}
	reader = find(store, "http://a/999", "");
	writer = cache_object_new(store, &draft);
	assert_true(cache_store_add(store, writer));
	assert_true(fill_body(store, writer, "http://a/filling", 3000));
	assert_true(cache_store_resize(store, &large));
	assert_true(cache_store_is(store, &large));
	cache_store_stats(store, &stats);
	before = (unsigned)stats.objects;
	for (int i = 1000; i < 3000; i++) {
		snprintf(key, sizeof(key), "http://a/%d", i);
		assert_true(put_away(store, key, 2000));
	}
	cache_store_stats(store, &stats);
	assert_true(stats.objects > 2 * before && stats.used > 3 * SIZE);
	assert_true(cache_store_resize(store, &small));
	assert_false(is_there(store, "http://a/filling"));
	assert_body(reader, "http://a/999", 1999);
	assert_true(fill_body(store, writer, "http://a/filling", 1000));
	assert_false(cache_body_append(store, writer, "x", 1));		/* the new bound for bodies holds, too */
	cache_body_abort(store, writer);
	cache_object_release(store, &reader);
	cache_object_release(store, &writer);
	for (int i = 0; i < 3000; i++) {
		snprintf(key, sizeof(key), "http://a/%d", i);
		after += is_there(store, key);
	}
	cache_store_stats(store, &stats);
	assert_true(after > 100 && stats.objects == after);
	assert_true(stats.used <= SIZE / 2);
	assert_true(put_away(store, "http://a/new", 3000));
	cache_store_release(&store);
}

static void
generations_share_it(void **state)
{
	const struct cache_store_options options = { .size = SIZE }, other = { .size = SIZE, .object_most = 1 };
	struct cache_store *store = cache_store_new(&options), *again = cache_store_hold(store);

	(void)state;
	assert_true(cache_store_is(store, &options));
	assert_false(cache_store_is(store, &other));
	cache_store_release(&store);
	assert_null(store);
	assert_true(put_away(again, "http://a/", 10));
	cache_store_release(&again);
	cache_store_release(&again);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_put_in_is_found),
		cmocka_unit_test(the_size_holds_whatever_comes),
		cmocka_unit_test(one_name_has_one_object),
		cmocka_unit_test(a_refreshed_head_keeps_its_body),
		cmocka_unit_test(variants_stand_side_by_side),
		cmocka_unit_test(what_does_not_fit_is_no_object),
		cmocka_unit_test(who_was_asked_for_stays),
		cmocka_unit_test(who_is_read_keeps_its_memory),
		cmocka_unit_test(purges_find_what_they_mean),
		cmocka_unit_test(a_purge_means_what_is_under_way),
		cmocka_unit_test(a_purge_ends_no_reading),
		cmocka_unit_test(a_walk_sees_all),
		cmocka_unit_test(the_size_changes_while_it_is_in_use),
		cmocka_unit_test(generations_share_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
