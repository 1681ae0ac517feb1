/* SPDX-License-Identifier: Apache-2.0 */
/*
 * still_threads: event threads that stand still, so that a scene decides what happens when.
 *
 * threads_start makes all that belongs to a thread, and pthread_create, wrapped, only remembers what it
 * should run. The scene turns the loops itself, all of them in its own thread, and `pass` makes time go by.
 * When the threads are stopped, what was remembered is run at last: it finds the message to stop, and winds
 * down. To be linked with STILL_THREADS.
 */
#ifndef WEIR_TESTS_STILL_THREADS_H
#define WEIR_TESTS_STILL_THREADS_H

#include "server/settings.h"
#include "server/thread.h"

#include <dirent.h>
#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

enum { STILL_MOST = 4, PATIENCE = 5000 };	/* milliseconds until a scene counts as stuck */

static struct threads still;
static struct event_base *still_main;
static struct { void *(*run)(void *); void *argument; } remembered[STILL_MOST];
static unsigned remembered_count, joined_count, descriptors_before;
static int64_t passed_time;

int __real_pthread_create(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
int __wrap_pthread_create(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
int __real_pthread_join(pthread_t, void **);
int __wrap_pthread_join(pthread_t, void **);
int __real_clock_gettime(clockid_t, struct timespec *);
int __wrap_clock_gettime(clockid_t, struct timespec *);

int
__wrap_pthread_create(pthread_t *id, const pthread_attr_t *attributes, void *(*run)(void *), void *argument)
{
	(void)attributes;
	assert_true(remembered_count < STILL_MOST);
	remembered[remembered_count].run = run;
	remembered[remembered_count++].argument = argument;
	*id = pthread_self();
	return 0;
}

int
__wrap_pthread_join(pthread_t id, void **result)
{
	unsigned which = joined_count++;
	int error;

	(void)id;
	assert_true(which < remembered_count);
	error = __real_pthread_create(&id, NULL, remembered[which].run, remembered[which].argument);
	assert_int_equal(error, 0);
	return __real_pthread_join(id, result);
}

int
__wrap_clock_gettime(clockid_t clock, struct timespec *t)
{
	int result = __real_clock_gettime(clock, t);

	t->tv_nsec += passed_time % 1000 * 1000000;
	t->tv_sec += passed_time / 1000 + t->tv_nsec / 1000000000;
	t->tv_nsec %= 1000000000;
	return result;
}

static inline int64_t
real_time(void)
{
	struct timespec t;

	__real_clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static inline unsigned
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

static inline void
threads_up(unsigned count)
{
	static const struct weir_settings settings = { .connections = 1000 };

	descriptors_before = count_descriptors();
	passed_time = 0;
	remembered_count = joined_count = 0;
	memset(&still, 0, sizeof(still));
	assert_non_null(still_main = event_base_new());
	assert_true(threads_start(&still, count, &settings, still_main));
}

static inline void
stop_threads(void)
{
	threads_stop(&still);
	event_base_free(still_main);
}

/* Nothing may be left open: what the scene opened itself it has closed before. */
static inline void
assert_nothing_open(void)
{
	assert_int_equal(count_descriptors(), descriptors_before);
}

static inline void
threads_down(void)
{
	stop_threads();
	assert_nothing_open();
}

/* Let every loop do what it can do now. */
static inline void
turn(void)
{
	for (unsigned i = 0; i < still.count; i++) {
		event_base_loop(still.list[i].base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
		turn_end(&still.list[i].turn);
	}
	event_base_loop(still_main, EVLOOP_ONCE | EVLOOP_NONBLOCK);
}

/* Turn the loops until it is so; a scene that gets stuck fails. */
#define UNTIL(condition) \
	for (int64_t until_ = real_time() + PATIENCE; turn(), !(condition); usleep(100)) \
		if (real_time() > until_) \
			fail_msg("in vain: %s", #condition)

/* So many milliseconds go by on this thread: what has been due for WHEEL_TICK by then has happened. */
static inline void
pass(struct thread *t, int64_t milliseconds)
{
	passed_time += milliseconds;
	event_active(t->wheel.timer, EV_TIMEOUT, 0);	/* which runs on the kernel's time otherwise */
	turn();
}

#endif
