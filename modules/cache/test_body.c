/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenes of bodies: read while they are filled, waited for, ended, given up; by one thread and by many.
 */
#include "store_scenes.h"

#define SIZE ((size_t)4 * 1024 * 1024)
#define READERS 4
#define KEY "http://a/body"

/* --- one thread ----------------------------------------------------------------------------------------- */

static struct cache_object *
begin(struct cache_store *store, int64_t announced)
{
	struct cache_draft draft = draft_of(KEY);
	struct cache_object *object;

	draft.length = announced;
	object = cache_object_new(store, &draft);
	assert_non_null(object);
	assert_true(cache_store_add(store, object));
	return object;
}

static void
count_wake(void *argument)
{
	++*(unsigned *)argument;
}

static void
who_waits_is_woken_once(void **state)
{
	struct cache_store *store = new_store(SIZE);
	struct cache_object *object = begin(store, -1);
	unsigned woken[3] = { 0 };
	struct cache_waiter waiters[3] = { { .wake = count_wake, .argument = &woken[0] },
		{ .wake = count_wake, .argument = &woken[1] }, { .wake = count_wake, .argument = &woken[2] } };

	(void)state;
	assert_true(cache_body_wait(object->body, &waiters[0], 0));
	assert_true(cache_body_wait(object->body, &waiters[1], 4));
	assert_true(cache_body_wait(object->body, &waiters[2], 0));
	assert_true(cache_body_unwait(object->body, &waiters[2]));
	assert_false(cache_body_unwait(object->body, &waiters[2]));
	assert_true(cache_body_append(store, object, "abcd", 4));
	assert_int_equal(woken[0], 1);
	assert_int_equal(woken[1], 0);
	assert_false(cache_body_unwait(object->body, &waiters[0]));
	assert_false(cache_body_wait(object->body, &waiters[0], 3));	/* there is something already */
	assert_true(cache_body_wait(object->body, &waiters[0], 4));
	assert_true(cache_body_end(store, object, "X: y\r\n", 6));
	assert_int_equal(woken[0], 2);
	assert_int_equal(woken[1], 1);
	assert_int_equal(woken[2], 0);
	assert_false(cache_body_wait(object->body, &waiters[2], 4));
	assert_memory_equal(object->body->trailers, "X: y\r\n", 6);
	cache_object_release(store, &object);
	cache_store_release(&store);
}

/* More than are woken at a time. */
static void
a_crowd_is_woken_whole(void **state)
{
	enum { CROWD = 1000 };
	static struct cache_waiter waiters[CROWD];
	struct cache_store *store = new_store(SIZE);
	struct cache_object *object = begin(store, -1);
	unsigned woken = 0;

	(void)state;
	for (int i = 0; i < CROWD; i++) {
		waiters[i] = (struct cache_waiter){ .wake = count_wake, .argument = &woken };
		assert_true(cache_body_wait(object->body, &waiters[i], i % 2 == 0 ? 0 : 100));
	}
	assert_true(cache_body_append(store, object, "x", 1));
	assert_int_equal(woken, CROWD / 2);
	cache_body_abort(store, object);
	assert_int_equal(woken, CROWD);
	cache_object_release(store, &object);
	cache_store_release(&store);
}

static void
what_is_given_up_is_found_by_nobody(void **state)
{
	struct cache_store *store = new_store(SIZE);
	struct cache_object *object = begin(store, -1), *reader;
	const struct cache_name name = name_of(KEY, "");
	struct cache_cursor cursor = { 0 };
	const char *data;
	size_t length;

	(void)state;
	assert_true(cache_body_append(store, object, "abc", 3));
	reader = cache_store_find(store, &name);
	assert_ptr_equal(reader, object);
	cache_body_abort(store, object);
	cache_object_release(store, &object);
	assert_null(cache_store_find(store, &name));
	assert_int_equal(cache_body_state(reader->body), CACHE_ABORTED);
	assert_true(cache_body_read(reader->body, &cursor, SIZE_MAX, &data, &length));
	assert_int_equal(length, 3);
	assert_false(cache_body_read(reader->body, &cursor, SIZE_MAX, &data, &length));
	cache_object_release(store, &reader);
	cache_store_release(&store);
}

/* An origin that lies about the length poisons nothing. */
static void
a_body_is_as_long_as_announced_or_not_whole(void **state)
{
	struct cache_store *store = new_store(SIZE);
	struct cache_object *object;

	(void)state;
	object = begin(store, 10);
	assert_true(cache_body_append(store, object, "123456789", 9));
	assert_false(cache_body_end(store, object, NULL, 0));
	assert_int_equal(cache_body_state(object->body), CACHE_ABORTED);
	assert_false(is_there(store, KEY));
	cache_object_release(store, &object);

	object = begin(store, 10);
	assert_true(cache_body_append(store, object, "123456789", 9));
	assert_false(cache_body_append(store, object, "01", 2));
	cache_body_abort(store, object);
	cache_object_release(store, &object);

	object = begin(store, 0);
	assert_false(cache_body_append(store, object, "0", 1));
	assert_true(cache_body_end(store, object, NULL, 0));
	cache_object_release(store, &object);
	assert_true(is_there(store, KEY));
	cache_store_release(&store);
}

static void
no_body_is_longer_than_an_object_may_be(void **state)
{
	const struct cache_store_options options = { .size = SIZE, .object_most = 5000 };
	struct cache_store *store = cache_store_new(&options);
	struct cache_draft draft = draft_of(KEY);
	struct cache_object *object;

	(void)state;
	draft.length = 5001;
	assert_null(cache_object_new(store, &draft));
	draft.length = 5000;
	object = put(store, &draft, 5000);
	assert_non_null(object);
	cache_object_release(store, &object);
	draft.length = -1;
	assert_null(put(store, &draft, 5001));
	assert_false(is_there(store, KEY));
	cache_store_release(&store);
}

static void
a_cursor_goes_anywhere(void **state)
{
	struct cache_store *store = new_store(SIZE);
	const struct cache_draft draft = draft_of(KEY);
	struct cache_object *object = put(store, &draft, 300000);
	const uint64_t places[] = { 0, 299999, 1, 2047, 2048, 2049, 150000, 150000, 0, 300000, 400000 };
	struct cache_cursor cursor = { 0 };
	const char *data;
	size_t length;

	(void)state;
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		bool inside = places[i] < 300000;

		cache_body_seek(object->body, &cursor, places[i]);
		assert_int_equal(cursor.position, inside ? places[i] : 300000);
		assert_int_equal(cache_body_read(object->body, &cursor, 1, &data, &length), inside);
		if (inside)
			assert_int_equal(*data, byte_of(KEY, places[i]));
		assert_true(!inside || length == 1);
	}
	cache_object_release(store, &object);
	cache_store_release(&store);
}

/* A small one that says how long it is lies in one piece, and costs little more than it is long. */
static void
segments_fit(void **state)
{
	struct cache_store *store = new_store(SIZE);
	const size_t lengths[] = { 1, 1024, 100 * 1024, 128 * 1024 };

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		struct cache_draft draft = draft_of(KEY);
		struct cache_cursor cursor = { 0 };
		struct cache_object *object;
		const char *data;
		size_t length;

		draft.length = (int64_t)lengths[i];
		object = put(store, &draft, lengths[i]);
		assert_true(cache_body_read(object->body, &cursor, SIZE_MAX, &data, &length));
		assert_int_equal(length, lengths[i]);
		assert_true(object->bytes < lengths[i] + 800);
		cache_object_release(store, &object);

		draft.length = -1;
		object = put(store, &draft, lengths[i]);
		assert_true(object->bytes < lengths[i] + 1000);
		cache_object_release(store, &object);
	}
	cache_store_release(&store);
}

/* --- what passes by ------------------------------------------------------------------------------------- */

static struct cache_store *
new_narrow_store(void)
{
	return cache_store_new(&(struct cache_store_options){ .size = SIZE, .object_most = 10000 });
}

/* Its bytes from here on, as far as they are taken. */
static size_t
pass(struct cache_object *object, uint64_t from, size_t length)
{
	char bytes[20000];
	size_t taken;

	for (size_t i = 0; i < length; i++)
		bytes[i] = byte_of(KEY, from + i);
	assert_true(cache_body_pass(object, bytes, length, &taken));
	return taken;
}

static void
read_up_to(const struct cache_body *body, struct cache_cursor *cursor, uint64_t end)
{
	const char *data;
	size_t length;

	while (cache_body_read(body, cursor, 1000, &data, &length))
		for (size_t i = 0; i < length; i++)
			assert_int_equal(data[i], byte_of(KEY, cursor->position - length + i));
	assert_int_equal(cursor->position, end);
}

static void
what_passes_by_waits_for_the_slowest(void **state)
{
	struct cache_store *store = new_narrow_store();
	struct cache_object *object = begin(store, -1);
	struct cache_seated quick = { 0 }, slow = { 0 }, late = { 0 };
	struct cache_cursor quicks = { 0 }, slows = { 0 };
	unsigned woken = 0;
	struct cache_waiter room = { .wake = count_wake, .argument = &woken };
	uint64_t end = 10000;
	size_t ring;

	(void)state;
	assert_true(cache_body_join(object->body, &quick) && cache_body_join(object->body, &slow));
	assert_true(fill_body(store, object, KEY, 10000));
	assert_false(cache_body_append(store, object, "x", 1));
	cache_body_pass_by(store, object);
	assert_false(is_there(store, KEY));
	assert_int_equal(pass(object, end, 20000), 0);
	assert_true(cache_body_wait_room(object->body, &room));
	read_up_to(object->body, &quicks, end);
	cache_body_let_pass(object->body, &quick, end);
	read_up_to(object->body, &slows, end);
	assert_int_equal(woken, 0);
	cache_body_let_pass(object->body, &slow, end);
	assert_int_equal(woken, 1);
	ring = pass(object, end, 20000);
	assert_in_range(ring, 1, 10000);
	end += ring;
	assert_false(cache_body_join(object->body, &late));	/* the beginning is gone */
	for (int i = 0; i < 20; i++) {		/* from here on, as the slower one takes it */
		read_up_to(object->body, &quicks, end);
		cache_body_let_pass(object->body, &quick, end);
		assert_int_equal(pass(object, end, 100), 0);
		cache_body_let_pass(object->body, &slow, slows.position);
		cache_body_seek(object->body, &slows, slows.position + ring / 3);
		cache_body_let_pass(object->body, &slow, slows.position);
		assert_int_equal(pass(object, end, 20000), ring / 3);
		end += ring / 3;
	}
	read_up_to(object->body, &slows, end);
	cache_body_leave(object->body, &quick);
	assert_true(cache_body_end(store, object, NULL, 0));
	assert_int_equal(cache_body_state(object->body), CACHE_PASSED);
	cache_body_leave(object->body, &slow);
	cache_object_release(store, &object);
	cache_store_release(&store);
}

static void
nothing_passes_for_nobody(void **state)
{
	struct cache_store *store = new_narrow_store();
	struct cache_object *object = begin(store, -1);
	struct cache_seated one = { 0 }, two = { 0 };
	unsigned woken = 0;
	struct cache_waiter room = { .wake = count_wake, .argument = &woken };
	size_t taken;

	(void)state;
	assert_true(cache_body_join(object->body, &one));
	cache_body_pass_by(store, object);	/* with the first bytes */
	assert_true(pass(object, 0, 20000) > 0);
	assert_true(cache_body_join(object->body, &two));	/* while another holds the beginning */
	cache_body_let_pass(object->body, &two, 10);
	assert_int_equal(pass(object, 0, 20000), 0);
	assert_true(cache_body_wait_room(object->body, &room));
	cache_body_unwait_room(object->body, &room);
	assert_true(cache_body_wait_room(object->body, &room));
	cache_body_leave(object->body, &two);
	assert_int_equal(woken, 0);
	cache_body_leave(object->body, &one);
	assert_int_equal(woken, 1);
	cache_body_leave(object->body, &one);
	assert_false(cache_body_pass(object, "x", 1, &taken));
	cache_body_abort(store, object);
	cache_object_release(store, &object);
	cache_store_release(&store);
}

/* --- many threads --------------------------------------------------------------------------------------- */

struct bell {
	pthread_mutex_t lock;
	pthread_cond_t rung;
	bool ring;
};

static void
ring(void *argument)
{
	struct bell *bell = argument;

	pthread_mutex_lock(&bell->lock);
	bell->ring = true;
	pthread_cond_signal(&bell->rung);
	pthread_mutex_unlock(&bell->lock);
}

static void
sleep_until(struct bell *bell)
{
	pthread_mutex_lock(&bell->lock);
	while (!bell->ring)
		pthread_cond_wait(&bell->rung, &bell->lock);
	bell->ring = false;
	pthread_mutex_unlock(&bell->lock);
}

struct reader {
	struct cache_object *object;
	enum cache_body_state end;
	uint64_t position;
	struct cache_seated seated;
	bool good, fickle;
};

/* Read to the end, waiting where there is none; a fickle one changes his mind now and then. */
static void *
read_all(void *argument)
{
	struct reader *reader = argument;
	struct cache_body *body = reader->object->body;
	struct bell bell = { .lock = PTHREAD_MUTEX_INITIALIZER, .rung = PTHREAD_COND_INITIALIZER };
	struct cache_waiter waiter = { .wake = ring, .argument = &bell };
	struct cache_cursor cursor = { 0 };
	const char *data;
	size_t length;

	reader->good = true;
	for (;;) {
		enum cache_body_state seen = cache_body_state(body);

		if (reader->seated.joined)
			cache_body_let_pass(body, &reader->seated, cursor.position);
		while (cache_body_read(body, &cursor, 1000, &data, &length))
			for (size_t i = 0; i < length; i++)
				reader->good &= data[i] == byte_of(KEY, cursor.position - length + i);
		if (seen != CACHE_FILLING && seen != CACHE_PASSING) {
			reader->end = seen;
			break;
		}
		if (!cache_body_wait(body, &waiter, cursor.position))
			continue;
		if (reader->seated.joined)
			cache_body_let_pass(body, &reader->seated, cursor.position);
		if (reader->fickle && cache_body_unwait(body, &waiter))
			continue;
		sleep_until(&bell);
	}
	reader->position = cursor.position;
	return NULL;
}

static void
many_read_while_one_writes(void **state)
{
	struct cache_store *store = new_store(SIZE);

	(void)state;
	for (int round = 0; round < 10; round++) {
		struct cache_object *object = begin(store, round % 3 == 0 ? 200000 : -1);
		struct reader readers[READERS];
		pthread_t threads[READERS];
		bool whole = round % 2 == 0;

		for (int i = 0; i < READERS; i++) {
			readers[i] = (struct reader){ .object = cache_object_hold(object), .fickle = i == 0 };
			assert_int_equal(pthread_create(&threads[i], NULL, read_all, &readers[i]), 0);
		}
		assert_true(fill_body(store, object, KEY, 200000));
		if (whole)
			assert_true(cache_body_end(store, object, NULL, 0));
		else
			cache_body_abort(store, object);
		cache_object_release(store, &object);
		for (int i = 0; i < READERS; i++) {
			pthread_join(threads[i], NULL);
			assert_true(readers[i].good);
			assert_int_equal(readers[i].position, 200000);
			assert_int_equal(readers[i].end, whole ? CACHE_WHOLE : CACHE_ABORTED);
			cache_object_release(store, &readers[i].object);
		}
	}
	cache_store_release(&store);
}

/* The same where it is too long, and the writer waits for them. */
static void
many_read_what_passes_by(void **state)
{
	struct cache_store *store = new_narrow_store();

	(void)state;
	for (int round = 0; round < 10; round++) {
		struct cache_object *object = begin(store, -1);
		struct bell bell = { .lock = PTHREAD_MUTEX_INITIALIZER, .rung = PTHREAD_COND_INITIALIZER };
		struct cache_waiter room = { .wake = ring, .argument = &bell };
		struct reader readers[READERS];
		pthread_t threads[READERS];
		uint64_t end = (uint64_t)round * 1000;

		for (int i = 0; i < READERS; i++) {
			readers[i] = (struct reader){ .object = cache_object_hold(object), .fickle = i == 0 };
			assert_true(cache_body_join(object->body, &readers[i].seated));
			assert_int_equal(pthread_create(&threads[i], NULL, read_all, &readers[i]), 0);
		}
		assert_true(fill_body(store, object, KEY, end));
		cache_body_pass_by(store, object);
		while (end < 200000) {
			size_t taken = pass(object, end, end + 20000 < 200000 ? 20000 : (size_t)(200000 - end));

			end += taken;
			if (taken == 0 && cache_body_wait_room(object->body, &room))
				sleep_until(&bell);
		}
		assert_true(cache_body_end(store, object, NULL, 0));
		for (int i = 0; i < READERS; i++) {
			pthread_join(threads[i], NULL);
			assert_true(readers[i].good);
			assert_int_equal(readers[i].position, 200000);
			assert_int_equal(readers[i].end, CACHE_PASSED);
			cache_body_leave(object->body, &readers[i].seated);
			cache_object_release(store, &readers[i].object);
		}
		cache_object_release(store, &object);
	}
	cache_store_release(&store);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_waits_is_woken_once),
		cmocka_unit_test(a_crowd_is_woken_whole),
		cmocka_unit_test(what_is_given_up_is_found_by_nobody),
		cmocka_unit_test(a_body_is_as_long_as_announced_or_not_whole),
		cmocka_unit_test(no_body_is_longer_than_an_object_may_be),
		cmocka_unit_test(a_cursor_goes_anywhere),
		cmocka_unit_test(segments_fit),
		cmocka_unit_test(what_passes_by_waits_for_the_slowest),
		cmocka_unit_test(nothing_passes_for_nobody),
		cmocka_unit_test(many_read_while_one_writes),
		cmocka_unit_test(many_read_what_passes_by),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
