/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenes of the dump: what is hot comes back whole, and a file that is damaged anywhere brings back nothing
 * that is wrong.
 */
#include "store_scenes.h"

#include "dump.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#define SIZE ((size_t)2 * 1024 * 1024)
#define NOW 1000000

static char folder[] = "/tmp/weir-dump-XXXXXX";
static char path[sizeof(folder) + 8];

static int
make_folder(void **state)
{
	(void)state;
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/dump", folder);
	return 0;
}

static int
remove_folder(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(folder);
}

/* A whole object, asked for again or not. */
static void
put_object(struct cache_store *store, const char *key, const char *variant, size_t length, int64_t born, bool hot)
{
	struct cache_draft draft = draft_of(key);
	struct cache_object *object, *found;

	draft.name = name_of(key, variant);
	draft.fresh = (struct cache_freshness){
		.born = born, .lifetime = 60, .while_revalidate = 1, .if_error = 2, .immutable = true
	};
	draft.tags = "red,green";
	draft.modified = -1;
	draft.length = length % 2 == 0 ? (int64_t)length : -1;
	object = cache_object_new(store, &draft);
	assert_non_null(object);
	assert_true(cache_store_add(store, object) && fill_body(store, object, key, length));
	assert_true(cache_body_end(store, object, "T: x\r\n", 6));
	found = hot ? cache_store_find(store, &draft.name) : NULL;
	cache_object_release(store, &found);
	cache_object_release(store, &object);
}

static struct cache_store *
full_store(void)
{
	struct cache_store *store = new_store(SIZE);
	struct cache_draft mark = draft_of("http://a/v");
	struct cache_object *object;

	put_object(store, "http://a/1", "", 0, NOW, true);
	put_object(store, "http://a/2", "", 70000, NOW, true);
	put_object(store, "http://a/cold", "", 10, NOW, false);
	put_object(store, "http://a/old", "", 10, NOW - 62, true);
	put_object(store, "http://a/v", "accept=x\n", 3, NOW - 5, true);
	mark.kind = CACHE_VARY;
	mark.vary = "accept";
	object = cache_object_new(store, &mark);
	assert_true(cache_store_add(store, object));
	cache_object_release(store, &object);
	return store;
}

static void
assert_same(struct cache_store *store, const char *key, const char *variant, size_t length, int64_t born)
{
	const struct cache_name name = name_of(key, variant);
	struct cache_object *object = cache_store_find(store, &name);
	struct cache_cursor cursor = { 0 };
	const char *data;
	size_t part;

	assert_non_null(object);
	assert_int_equal(object->status, 200);
	assert_int_equal(object->fresh.born, born);
	assert_int_equal(object->fresh.lifetime, 60);
	assert_int_equal(object->fresh.if_error, 2);
	assert_true(object->fresh.immutable && !object->fresh.no_cache);
	assert_int_equal(object->tag_count, 2);
	assert_non_null(cache_object_field(object, "X-Kind", &part));
	assert_int_equal(cache_body_state(object->body), CACHE_WHOLE);
	assert_int_equal(cache_body_length(object->body), length);
	while (cache_body_read(object->body, &cursor, SIZE_MAX, &data, &part))
		for (size_t i = 0; i < part; i++)
			assert_int_equal(data[i], byte_of(key, cursor.position - part + i));
	assert_memory_equal(object->body->trailers, "T: x\r\n", 6);
	cache_object_release(store, &object);
}

static void
what_is_hot_comes_back(void **state)
{
	struct cache_store *store = full_store();
	const struct cache_name mark_name = name_of("http://a/v", "");
	struct cache_object *mark;
	struct stat about;
	size_t count;

	(void)state;
	assert_true(cache_dump_write(store, path, NOW, &count));
	assert_int_equal(count, 4);
	cache_store_release(&store);
	assert_int_equal(stat(path, &about), 0);
	assert_int_equal(about.st_mode & 0777, 0600);
	store = new_store(SIZE);
	assert_int_equal(cache_dump_read(store, &secret, path, NOW - 3, &count), CACHE_DUMP_READ);
	assert_int_equal(count, 4);
	assert_same(store, "http://a/1", "", 0, NOW - 3);		/* a clock that went back makes nobody younger than new */
	assert_same(store, "http://a/2", "", 70000, NOW - 3);
	assert_same(store, "http://a/v", "accept=x\n", 3, NOW - 5);
	assert_false(is_there(store, "http://a/cold"));
	assert_false(is_there(store, "http://a/old"));
	mark = cache_store_find(store, &mark_name);
	assert_int_equal(mark->kind, CACHE_VARY);
	assert_string_equal(mark->vary, "accept");
	cache_object_release(store, &mark);
	assert_int_equal(cache_store_purge_tag(store, "green", 5, false), 3);
	assert_int_equal(cache_dump_read(store, &secret, path, NOW, &count), CACHE_DUMP_NONE);	/* read once */
	assert_int_equal(errno, ENOENT);
	cache_store_release(&store);
}

static void
what_came_meanwhile_is_newer(void **state)
{
	struct cache_store *store = full_store();
	const struct cache_name name = name_of("http://a/1", "");
	struct cache_object *object;
	size_t count;

	(void)state;
	assert_true(cache_dump_write(store, path, NOW, &count));
	cache_store_release(&store);
	store = new_store(SIZE);
	put_object(store, "http://a/1", "", 5, NOW + 1, false);
	cache_store_purge_prefix(store, "http://a/2", 10, false);
	assert_int_equal(cache_dump_read(store, &secret, path, NOW, &count), CACHE_DUMP_READ);
	assert_int_equal(count, 2);
	object = cache_store_find(store, &name);
	assert_int_equal(cache_body_length(object->body), 5);
	cache_object_release(store, &object);
	assert_false(is_there(store, "http://a/2"));
	cache_store_release(&store);
}

static void
a_smaller_store_takes_what_fits(void **state)
{
	const struct cache_store_options options = { .size = CACHE_SIZE_LEAST, .object_most = 1000 };
	struct cache_store *store = full_store();
	size_t count;

	(void)state;
	assert_true(cache_dump_write(store, path, NOW, &count));
	cache_store_release(&store);
	store = cache_store_new(&options);
	assert_int_equal(cache_dump_read(store, &secret, path, NOW, &count), CACHE_DUMP_READ);
	assert_int_equal(count, 3);
	assert_false(is_there(store, "http://a/2"));
	cache_store_release(&store);
}

/* Cut at any place, or with any byte another: what comes in is what was written, and the damage is told. */
static void
damage_is_seen(void **state)
{
	struct cache_store *store = new_store(SIZE);
	static char file[4096], copy[4096];
	size_t size, count;
	FILE *stream;

	(void)state;
	put_object(store, "http://a/1", "", 20, NOW, true);
	put_object(store, "http://a/3", "", 21, NOW, true);
	assert_true(cache_dump_write(store, path, NOW, &count));
	cache_store_release(&store);
	stream = fopen(path, "r");
	size = fread(file, 1, sizeof(file), stream);
	fclose(stream);
	assert_true(size < sizeof(file));
	store = new_store(SIZE);
	for (size_t i = 0; i < 2 * size; i++) {
		size_t length = i < size ? i : size;

		memcpy(copy, file, size);
		if (i >= size)
			copy[i - size] ^= (char)(1 + i % 255);
		stream = fmemopen(copy, length > 0 ? length : 1, "r");
		assert_int_equal(cache_dump_load(store, &secret, stream, NOW, &count), CACHE_DUMP_DAMAGED);
		fclose(stream);
		if (is_there(store, "http://a/1"))
			assert_same(store, "http://a/1", "", 20, NOW);
		if (is_there(store, "http://a/3"))
			assert_same(store, "http://a/3", "", 21, NOW);
		assert_true(count <= 2);
		cache_store_purge_prefix(store, "", 0, false);
		cache_store_release(&store);
		store = new_store(SIZE);
	}
	cache_store_release(&store);
}

static void
a_file_that_cannot_be_written_is_told(void **state)
{
	struct cache_store *store = full_store();
	char there[sizeof(path) + 4];
	size_t count;

	(void)state;
	assert_false(cache_dump_write(store, "/nowhere/at/all", NOW, &count));
	assert_int_equal(errno, ENOENT);
	assert_false(cache_dump_write(store, folder, NOW, &count));
	assert_int_equal(errno, EISDIR);
	assert_int_equal(cache_dump_read(store, &secret, "/nowhere/at/all", NOW, &count), CACHE_DUMP_NONE);
	snprintf(there, sizeof(there), "%s.new", path);
	assert_int_equal(symlink("/dev/null", there), 0);
	assert_false(cache_dump_write(store, path, NOW, &count));	/* no link is followed */
	unlink(there);
	cache_store_release(&store);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_hot_comes_back),
		cmocka_unit_test(what_came_meanwhile_is_newer),
		cmocka_unit_test(a_smaller_store_takes_what_fits),
		cmocka_unit_test(damage_is_seen),
		cmocka_unit_test(a_file_that_cannot_be_written_is_told),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
