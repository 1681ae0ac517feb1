/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenes for the helper pool: order, a full queue, and an end at which nothing that was accepted is lost.
 *
 * Linked with -Wl,--wrap=pthread_create, so that threads can be had or not.
 */
#include "server/offload.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <weir/thread.h>
#include <cmocka.h>

enum { QUEUE = 1024 };

static unsigned threads_most;		/* that can be had */
static atomic_uint done, disorder, refused;
static sem_t reached, go_on;

int __real_pthread_create(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
int __wrap_pthread_create(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

int
__wrap_pthread_create(pthread_t *id, const pthread_attr_t *attributes, void *(*run)(void *), void *argument)
{
	if (threads_most == 0)
		return EAGAIN;
	threads_most--;
	return __real_pthread_create(id, attributes, run, argument);
}

static int
begin(void **state)
{
	(void)state;
	threads_most = UINT32_MAX;
	atomic_store(&done, 0);
	atomic_store(&disorder, 0);
	atomic_store(&refused, 0);
	return sem_init(&reached, 0, 0) + sem_init(&go_on, 0, 0);
}

static int
end(void **state)
{
	(void)state;
	offload_stop();
	return sem_destroy(&reached) + sem_destroy(&go_on);
}

/* Keep a helper busy until the scene lets it go on. */
static void
hold(void *unused)
{
	(void)unused;
	sem_post(&reached);
	sem_wait(&go_on);
}

static void
work(void *number)
{
	if (atomic_fetch_add(&done, 1) != (uintptr_t)number)
		atomic_fetch_add(&disorder, 1);
}

static void
more_work(void *unused)
{
	(void)unused;
	if (!weir_offload(work, NULL))
		atomic_fetch_add(&refused, 1);
}

static void
occupy_one_helper(void)
{
	assert_true(offload_start(1));
	assert_true(weir_offload(hold, NULL));
	sem_wait(&reached);
}

static void
work_is_taken_in_its_order(void **state)
{
	(void)state;
	assert_true(offload_start(1));
	for (uintptr_t i = 0; i < 500; i++)
		assert_true(weir_offload(work, (void *)i));
	offload_stop();
	assert_int_equal(atomic_load(&done), 500);
	assert_int_equal(atomic_load(&disorder), 0);
}

static void
a_full_queue_refuses(void **state)
{
	(void)state;
	occupy_one_helper();
	for (uintptr_t i = 0; i < QUEUE; i++)
		assert_true(weir_offload(work, (void *)i));
	assert_false(weir_offload(work, NULL));
	assert_int_equal(atomic_load(&done), 0);
	sem_post(&go_on);
	offload_stop();
	assert_int_equal(atomic_load(&done), QUEUE);
	assert_int_equal(atomic_load(&disorder), 0);
}

/* The queue is a ring: it is filled again from its middle. */
static void
the_queue_comes_round(void **state)
{
	(void)state;
	for (int round = 0; round < 3; round++) {
		occupy_one_helper();
		atomic_store(&done, 0);
		for (uintptr_t i = 0; i < 700; i++)
			assert_true(weir_offload(work, (void *)i));
		sem_post(&go_on);
		offload_stop();
		assert_int_equal(atomic_load(&done), 700);
	}
	assert_int_equal(atomic_load(&disorder), 0);
}

static void
stopping_runs_what_is_queued_and_takes_no_more(void **state)
{
	(void)state;
	occupy_one_helper();
	assert_true(weir_offload(work, NULL));
	sem_post(&go_on);
	offload_stop();
	assert_int_equal(atomic_load(&done), 1);
	assert_false(weir_offload(work, NULL));
	offload_stop();
	assert_int_equal(atomic_load(&done), 1);
}

static void
it_starts_again(void **state)
{
	(void)state;
	assert_false(weir_offload(work, NULL));		/* nobody would run it */
	assert_true(offload_start(2));
	offload_stop();
	assert_true(offload_start(2));
	assert_true(weir_offload(work, NULL));
	offload_stop();
	assert_int_equal(atomic_load(&done), 1);
}

/* Helpers hand in work themselves, also while the pool is being stopped: it is run or refused, never lost. */
static void
work_may_hand_in_work(void **state)
{
	(void)state;
	assert_true(offload_start(4));
	for (int i = 0; i < 500; i++)
		assert_true(weir_offload(more_work, NULL));
	offload_stop();
	assert_int_equal(atomic_load(&done) + atomic_load(&refused), 500);
}

static void
helpers_work_side_by_side(void **state)
{
	(void)state;
	assert_true(offload_start(3));
	for (int i = 0; i < 3; i++)
		assert_true(weir_offload(hold, NULL));
	for (int i = 0; i < 3; i++)
		sem_wait(&reached);		/* all three are held at once */
	for (int i = 0; i < 3; i++)
		sem_post(&go_on);
	offload_stop();
}

static void
fewer_threads_than_wanted_will_do(void **state)
{
	(void)state;
	threads_most = 1;
	assert_true(offload_start(4));
	assert_true(weir_offload(work, NULL));
	offload_stop();
	assert_int_equal(atomic_load(&done), 1);
	threads_most = 0;
	assert_false(offload_start(4));
	assert_false(weir_offload(work, NULL));
}

static void
there_are_never_too_many_threads(void **state)
{
	(void)state;
	threads_most = 16;
	assert_true(offload_start(1000));
	assert_int_equal(threads_most, 0);
}

#define SCENE(name) cmocka_unit_test_setup_teardown(name, begin, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE(work_is_taken_in_its_order),
		SCENE(a_full_queue_refuses),
		SCENE(the_queue_comes_round),
		SCENE(stopping_runs_what_is_queued_and_takes_no_more),
		SCENE(it_starts_again),
		SCENE(work_may_hand_in_work),
		SCENE(helpers_work_side_by_side),
		SCENE(fewer_threads_than_wanted_will_do),
		SCENE(there_are_never_too_many_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
