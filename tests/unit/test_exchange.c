/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenes for exchanges that cannot begin: what they were given is given back.
 *
 * The thread stands still (still_threads.h), and the exchange is made by hand for a connection without a socket.
 */
#include "exchange_scenes.h"
#include "server/buffer.h"

static const struct http1_limits limits = { .head_size = 1024, .fields = 10, .target_length = 100 };

/* A connection that owes its client a response to an earlier request. */
static struct weir_connection *
connection_that_owes(void)
{
	struct weir_connection *c = client_new_own(scene_thread, NULL);

	assert_non_null(c);
	c->gathered = buffer_take(scene_thread, 100);
	assert_non_null(c->gathered);
	return c;
}

static void
what_was_gathered_goes_with_an_exchange_that_is_discarded(void **state)
{
	struct weir_connection *c = connection_that_owes();
	struct weir_exchange *x = exchange_create(c, thread_hold(scene_thread), NULL, &limits);

	(void)state;
	assert_non_null(x);
	assert_int_equal(scene_thread->heads.out, 1);
	exchange_discard(x);
	assert_int_equal(scene_thread->heads.out, 0);
	client_next(c, CLIENT_CLOSE);
}

static void
what_was_gathered_goes_with_an_exchange_that_finds_no_memory(void **state)
{
	struct weir_connection *c = connection_that_owes();
	size_t size = scene_generation->request_size;

	(void)state;
	scene_generation->request_size = EXCHANGE_MEMORY + 1;
	assert_null(exchange_create(c, thread_hold(scene_thread), NULL, &limits));
	scene_generation->request_size = size;
	assert_null(c->exchange);
	assert_int_equal(scene_thread->heads.out, 0);
	client_next(c, CLIENT_CLOSE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE(what_was_gathered_goes_with_an_exchange_that_is_discarded),
		SCENE(what_was_gathered_goes_with_an_exchange_that_finds_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
