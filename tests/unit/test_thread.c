/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenes for event threads: what is published is taken, what is retired is given back once nobody holds it,
 * and all of them end.
 *
 * Real threads. The scene is the main thread and turns its loop until what it waits for has been told; what
 * is to happen on an event thread is posted there. Linked with -Wl,--wrap for malloc, calloc and
 * pthread_create, which fail on demand.
 */
#include "server/exchange.h"
#include "server/generation.h"
#include "server/listener.h"
#include "server/settings.h"
#include "server/thread.h"

#include <dirent.h>
#include <errno.h>
#include <event2/event.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

enum { THREADS = 3, PATIENCE = 5000 };

static struct threads threads;
static struct event_base *base;
static struct weir_settings settings;
static struct sockets no_sockets = { .threads = THREADS };
static unsigned taken, drained, released, descriptors;
static struct generation *last_released;

/* Counts down with each call; the one that reaches 0 fails. Only for the scene's own thread. */
static _Thread_local int calls_left;
static int threads_left;

void *__real_malloc(size_t);
void *__wrap_malloc(size_t);
void *__real_calloc(size_t, size_t);
void *__wrap_calloc(size_t, size_t);
int __real_pthread_create(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
int __wrap_pthread_create(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

static bool
fails(void)
{
	return calls_left > 0 && --calls_left == 0;
}

void *
__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *
__wrap_calloc(size_t count, size_t size)
{
	return fails() ? NULL : __real_calloc(count, size);
}

int
__wrap_pthread_create(pthread_t *id, const pthread_attr_t *attributes, void *(*run)(void *), void *argument)
{
	return threads_left-- > 0 ? __real_pthread_create(id, attributes, run, argument) : EAGAIN;
}

static void
on_taken(void *argument)
{
	assert_ptr_equal(argument, &threads);
	taken++;
}

static void
on_drained(void *argument)
{
	assert_ptr_equal(argument, &threads);
	drained++;
}

static void
on_released(struct generation *g, void *argument)
{
	assert_ptr_equal(argument, &threads);
	last_released = g;
	released++;
	free(g->holds);			/* as generation_free does */
	g->holds = NULL;
}

static unsigned
count_descriptors(void)
{
	DIR *folder = opendir("/proc/self/fd");
	unsigned count = 0;

	assert_non_null(folder);
	while (readdir(folder) != NULL)
		count++;
	closedir(folder);
	return count;
}

static int
begin(void **state)
{
	(void)state;
	descriptors = count_descriptors();
	memset(&threads, 0, sizeof(threads));
	threads.taken = on_taken;
	threads.drained = on_drained;
	threads.released = on_released;
	threads.argument = &threads;
	settings = (struct weir_settings){ .connections = 10, .memory = 30000000 };
	taken = drained = released = 0;
	calls_left = 0;
	threads_left = THREADS;
	base = event_base_new();
	return base != NULL ? 0 : -1;
}

static int
end(void **state)
{
	(void)state;
	event_base_free(base);
	assert_int_equal(count_descriptors(), descriptors);
	return 0;
}

static int64_t
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void
turn(void)
{
	event_base_loop(base, EVLOOP_NONBLOCK);
}

#define UNTIL(condition) \
	for (int64_t until_ = now() + PATIENCE; turn(), !(condition); usleep(100)) \
		if (now() > until_) \
			fail_msg("in vain: %s", #condition)

/* Run something on an event thread, and wait until it has been. */
struct errand {
	struct message message;
	void (*run)(struct thread *, void *argument);
	void *argument;
	sem_t done;
};

static void
run_errand(struct message *m, void *owner)
{
	struct errand *e = (struct errand *)m;

	e->run(owner, e->argument);
	sem_post(&e->done);
}

static void
on_thread(unsigned number, void (*run)(struct thread *, void *), void *argument)
{
	struct errand e = { .message = { .run = run_errand }, .run = run, .argument = argument };

	assert_int_equal(sem_init(&e.done, 0, 0), 0);
	inbox_post(&threads.list[number].inbox, &e.message);
	sem_wait(&e.done);
	sem_destroy(&e.done);
}

static void
start(void)
{
	threads_left = THREADS;
	assert_true(threads_start(&threads, THREADS, &settings, base));
}

static void
publish(struct generation *g)
{
	unsigned before = taken;

	g->settings.connections = 20;
	assert_true(threads_publish(&threads, g, &no_sockets));
	UNTIL(taken > before);
	assert_int_equal(taken, before + 1);
}

/* --- generations ---------------------------------------------------------------------------------------- */

static void
see_current(struct thread *t, void *to)
{
	*(const struct generation **)to = t->holds->generation;
}

static void
every_thread_takes_what_is_published(void **state)
{
	struct generation first = { .number = 1 }, second = { .number = 2 };
	const struct generation *current;

	(void)state;
	start();
	assert_int_equal(atomic_load(&threads.connection_limit), 10);
	publish(&first);
	assert_int_equal(atomic_load(&threads.connection_limit), 20);
	for (unsigned i = 0; i < THREADS; i++) {
		on_thread(i, see_current, &current);
		assert_ptr_equal(current, &first);
	}
	publish(&second);
	UNTIL(released == 1);
	assert_ptr_equal(last_released, &first);
	for (unsigned i = 0; i < THREADS; i++) {
		on_thread(i, see_current, &current);
		assert_ptr_equal(current, &second);
	}
	threads_stop(&threads);
	assert_int_equal(released, 2);
	assert_ptr_equal(last_released, &second);
}

static void
hold(struct thread *t, void *to)
{
	*(struct hold **)to = thread_hold(t);
}

static void
release(struct thread *t, void *what)
{
	thread_release(t, what);
}

/* Requests go on with the generation that they began with: it is given back when the last of them on the
 * last thread ends. */
static void
a_retired_generation_stays_while_it_is_held(void **state)
{
	struct generation first = { .number = 1 }, second = { .number = 2 };
	const struct generation *current;
	struct hold *held[3];

	(void)state;
	start();
	publish(&first);
	on_thread(0, hold, &held[0]);
	on_thread(0, hold, &held[1]);
	on_thread(2, hold, &held[2]);
	assert_ptr_equal(held[0], held[1]);
	publish(&second);
	on_thread(2, release, held[2]);
	on_thread(0, release, held[1]);
	on_thread(1, hold, &held[2]);		/* a request of the new one comes and goes: that one stays */
	on_thread(1, release, held[2]);
	on_thread(1, see_current, &current);
	assert_ptr_equal(current, &second);
	turn();
	assert_int_equal(released, 0);
	assert_int_equal(first.holders, 1);
	assert_int_equal(second.holders, THREADS);
	on_thread(0, release, held[0]);
	UNTIL(released == 1);
	assert_ptr_equal(last_released, &first);
	threads_stop(&threads);
}

static void
many_generations_may_be_held_at_once(void **state)
{
	struct generation generations[5] = { { .number = 1 } };
	struct hold *held[5];

	(void)state;
	start();
	for (int i = 0; i < 5; i++) {
		publish(&generations[i]);
		on_thread(1, hold, &held[i]);
	}
	assert_int_equal(released, 0);
	on_thread(1, release, held[2]);
	UNTIL(released == 1);
	assert_ptr_equal(last_released, &generations[2]);
	on_thread(1, release, held[0]);
	UNTIL(released == 2);
	assert_ptr_equal(last_released, &generations[0]);
	threads_stop(&threads);			/* gives back the others, held or not */
	assert_int_equal(released, 5);
}

static void
without_memory_nothing_is_published(void **state)
{
	struct generation first = { .number = 1 }, second = { .number = 2 };
	const struct generation *current;

	(void)state;
	start();
	publish(&first);
	for (int i = 1; i <= THREADS; i++) {
		calls_left = i;
		assert_false(threads_publish(&threads, &second, &no_sockets));
	}
	calls_left = 0;
	on_thread(THREADS - 1, see_current, &current);
	assert_ptr_equal(current, &first);
	assert_int_equal(second.holders, 0);
	publish(&second);
	threads_stop(&threads);
}

/* --- modules -------------------------------------------------------------------------------------------- */

static atomic_uint starts, stops, ticks, wrong;

static bool
thread_starts(struct weir_thread *t, void *state)
{
	unsigned *own = state;

	if (*own != 0 || weir_thread_index(t) >= THREADS)
		atomic_fetch_add(&wrong, 1);
	*own = weir_thread_index(t) + 1;
	atomic_fetch_add(&starts, 1);
	return true;
}

static void
check_state(const struct weir_thread *t, const unsigned *own)
{
	if (own == NULL || *own != weir_thread_index(t) + 1)
		atomic_fetch_add(&wrong, 1);
}

static void
thread_stops(struct weir_thread *t, void *state)
{
	check_state(t, state);
	atomic_fetch_add(&stops, 1);
}

static void
thread_ticks(struct weir_thread *t, void *generation, void *state)
{
	check_state(t, state);
	if (strcmp(generation, "state") != 0)
		atomic_fetch_add(&wrong, 1);
	atomic_fetch_add(&ticks, 1);
}

/* Each thread meets each module once, however many generations have it, and parts from it at the end. What a
 * generation gathered is handed over by a last tick when it goes. */
static void
modules_have_a_struct_on_each_thread(void **state)
{
	const struct weir_module contract = { .name = "witness", .thread_size = sizeof(unsigned),
		.thread_start = thread_starts, .thread_stop = thread_stops, .tick = thread_ticks };
	struct module module = { .contract = &contract, .name = "witness", .index = 3 };
	struct module *list[] = { &module };
	void *states[] = { (char[]){ "state" } };
	struct generation first = { .number = 1, .modules = list, .module_count = 1,
		.module_states = states };
	struct generation second = first;

	(void)state;
	atomic_store(&starts, 0);
	atomic_store(&stops, 0);
	atomic_store(&ticks, 0);
	atomic_store(&wrong, 0);
	start();
	publish(&first);
	assert_int_equal(atomic_load(&starts), THREADS);
	publish(&second);
	UNTIL(released == 1);
	assert_int_equal(atomic_load(&starts), THREADS);
	assert_int_equal(atomic_load(&stops), 0);
	assert_int_equal(atomic_load(&ticks), THREADS);
	threads_stop(&threads);
	assert_int_equal(atomic_load(&stops), THREADS);
	assert_int_equal(atomic_load(&wrong), 0);
}

/* --- life ----------------------------------------------------------------------------------------------- */

static void
threads_end_without_having_done_anything(void **state)
{
	(void)state;
	start();
	threads_stop(&threads);
	assert_null(threads.list);
	assert_int_equal(threads.count, 0);
	start();				/* and may be started again */
	threads_stop(&threads);
	assert_int_equal(released, 0);
}

static void
threads_stop_with_a_message_on_its_way(void **state)
{
	struct generation first = { .number = 1 };

	(void)state;
	start();
	assert_true(threads_publish(&threads, &first, &no_sockets));
	threads_stop(&threads);
	assert_int_equal(taken, 1);
	assert_int_equal(released, 1);
}

static void
a_thread_without_clients_is_drained_at_once(void **state)
{
	struct generation first = { .number = 1 };

	(void)state;
	start();
	publish(&first);
	threads_drain(&threads, 0);
	UNTIL(drained > 0);
	threads_stop(&threads);
	assert_int_equal(drained, 1);
}

static void
say_number(struct thread *t, void *to)
{
	*(unsigned *)to = thread_current() == t ? t->public.number : UINT32_MAX;
}

static void
a_thread_knows_itself(void **state)
{
	unsigned number = 0;

	(void)state;
	assert_null(thread_current());
	assert_null(thread_number(0));
	start();
	for (unsigned i = 0; i < THREADS; i++) {
		on_thread(i, say_number, &number);
		assert_int_equal(number, i);
		assert_ptr_equal(thread_number(i), &threads.list[i]);
	}
	assert_null(thread_number(THREADS));
	assert_null(thread_current());
	threads_stop(&threads);
	assert_null(thread_number(0));
}

static void
count(struct thread *t, void *amount)
{
	counter_add(&t->counters, COUNT_REQUESTS, *(int *)amount);
	t->metrics[7] += *(int *)amount;
}

static void
what_threads_count_is_summed_up(void **state)
{
	int amounts[THREADS] = { 5, 70, -3 };

	(void)state;
	start();
	for (unsigned i = 0; i < THREADS; i++)
		on_thread(i, count, &amounts[i]);
	assert_int_equal(threads_count(&threads, COUNT_REQUESTS), 72);
	assert_int_equal(threads_metric(&threads, 7), 72);
	assert_int_equal(threads_metric(&threads, METRIC_CELLS), 0);
	threads_stop(&threads);
}

static void
memory_is_shared_out(void **state)
{
	(void)state;
	start();
	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(threads.list[i].budget.limit, 30000000 / THREADS);
	threads_stop(&threads);
}

static void
see_date(struct thread *t, void *to)
{
	strcpy(to, thread_date(t));
}

static void
the_date_is_an_imf_fixdate(void **state)
{
	char date[32];
	struct tm tm = { .tm_isdst = 0 };
	time_t before = time(NULL);
	const char *rest;

	(void)state;
	start();
	on_thread(0, see_date, date);
	rest = strptime(date, "%a, %d %b %Y %H:%M:%S GMT", &tm);
	assert_non_null(rest);
	assert_string_equal(rest, "");
	assert_in_range(timegm(&tm), before - 1, time(NULL) + 1);
	threads_stop(&threads);
}

/* Wherever memory ends while they are made, they do without it, or nothing is left behind: `end` and
 * LeakSanitizer look. */
static void
without_memory_they_do_not_start(void **state)
{
	int failures = 0, calls = 0;
	bool enough = false;

	(void)state;
	while (!enough) {
		threads_left = THREADS;
		calls_left = ++calls;
		if (!threads_start(&threads, THREADS, &settings, base)) {
			assert_int_equal(calls_left, 0);
			assert_int_equal(threads.count, 0);
			assert_null(threads.list);
			failures++;
			continue;
		}
		enough = calls_left > 0;
		calls_left = 0;
		threads_stop(&threads);
	}
	assert_true(failures >= 4 * THREADS);
}

static void
if_one_cannot_be_had_none_runs(void **state)
{
	(void)state;
	for (threads_left = 0; threads_left < THREADS; ) {
		int had = threads_left;

		assert_false(threads_start(&threads, THREADS, &settings, base));
		assert_int_equal(threads.running, 0);
		threads_left = had + 1;
	}
}

static void
threads_can_be_pinned(void **state)
{
	(void)state;
	settings.pin_cpus = true;
	start();
	for (unsigned i = 0; i < THREADS; i++) {
		cpu_set_t set;

		assert_int_equal(pthread_getaffinity_np(threads.list[i].id, sizeof(set), &set), 0);
		assert_int_equal(CPU_COUNT(&set), 1);
	}
	threads_stop(&threads);
}

#define SCENE(name) cmocka_unit_test_setup_teardown(name, begin, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE(every_thread_takes_what_is_published),
		SCENE(a_retired_generation_stays_while_it_is_held),
		SCENE(many_generations_may_be_held_at_once),
		SCENE(without_memory_nothing_is_published),
		SCENE(modules_have_a_struct_on_each_thread),
		SCENE(threads_end_without_having_done_anything),
		SCENE(threads_stop_with_a_message_on_its_way),
		SCENE(a_thread_without_clients_is_drained_at_once),
		SCENE(a_thread_knows_itself),
		SCENE(what_threads_count_is_summed_up),
		SCENE(memory_is_shared_out),
		SCENE(the_date_is_an_imf_fixdate),
		SCENE(without_memory_they_do_not_start),
		SCENE(if_one_cannot_be_had_none_runs),
		SCENE(threads_can_be_pinned),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
