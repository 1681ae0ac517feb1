/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenes for the wheel: deadlines fire late by a tick at most and never early, cost nothing when moved later,
 * and a `passed` may do what it likes to others.
 *
 * Linked with -Wl,--wrap=clock_gettime: the scenes make the time, and one at the end uses the real one.
 * `until` lets the time pass as the loop would see it: from one firing of the wheel's timer to the next.
 * Alarms are static, since the wheel holds some of them beyond their scene.
 */
#include "server/wheel.h"

#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

enum { TURN = WHEEL_TICK * WHEEL_SLOTS };

static int64_t time_now;	/* 0: the real one */
static unsigned wakes;		/* how often the timer fired */
static struct event_base *base;
static struct wheel wheel;

int __real_clock_gettime(clockid_t, struct timespec *);
int __wrap_clock_gettime(clockid_t, struct timespec *);

int
__wrap_clock_gettime(clockid_t clock, struct timespec *t)
{
	if (time_now == 0)
		return __real_clock_gettime(clock, t);
	*t = (struct timespec){ .tv_sec = time_now / 1000, .tv_nsec = time_now % 1000 * 1000000 };
	return 0;
}

struct alarm {
	struct deadline deadline;
	int64_t fired_at;
	unsigned fired;
	struct alarm *remove, *set, *clear;	/* what to do to others when it fires */
	int64_t after;
};

static void
ring(struct deadline *d)
{
	struct alarm *a = (struct alarm *)d;

	assert_null(d->link);
	a->fired++;
	a->fired_at = wheel_clock();
	if (a->remove != NULL)
		deadline_remove(&a->remove->deadline);
	if (a->clear != NULL)
		deadline_clear(&a->clear->deadline);
	if (a->set != NULL)
		deadline_set(&a->set->deadline, &wheel, a->after);
}

static void
alarms(struct alarm *a, size_t count)
{
	memset(a, 0, count * sizeof(*a));
	for (size_t i = 0; i < count; i++)
		deadline_init(&a[i].deadline, ring);
}

static void
until(int64_t time)
{
	while (wheel.wake <= time) {
		if (time_now < wheel.wake)
			time_now = wheel.wake;
		wakes++;
		event_active(wheel.timer, EV_TIMEOUT, 0);
		event_base_loop(base, EVLOOP_NONBLOCK);
	}
	time_now = time;
}

static int
start(void **state)
{
	(void)state;
	time_now = 1000003;
	wakes = 0;
	base = event_base_new();
	return wheel_init(&wheel, base) ? 0 : -1;
}

static int
end(void **state)
{
	(void)state;
	wheel_free(&wheel);
	event_base_free(base);
	return 0;
}

static void
fires_once_on_time(void **state)
{
	static struct alarm a;
	int64_t due = time_now + 500;

	(void)state;
	alarms(&a, 1);
	deadline_set(&a.deadline, &wheel, 500);
	until(due - 1);
	assert_int_equal(a.fired, 0);
	until(due + WHEEL_TICK);
	assert_int_equal(a.fired, 1);
	assert_in_range(a.fired_at, due, due + WHEEL_TICK);
	until(due + 3 * TURN);
	assert_int_equal(a.fired, 1);
	assert_true(wheel.wake == INT64_MAX);	/* an empty wheel does not tick */
}

static void
any_delay_fires_within_a_tick(void **state)
{
	static const int64_t delays[] = { 0, 1, 63, 64, 65, 1000, TURN - 65, TURN - 64, TURN - 1, TURN,
		TURN + 1, 3 * TURN + 7, 60 * 60 * 1000 };
	enum { COUNT = sizeof(delays) / sizeof(delays[0]) };
	static struct alarm a[COUNT];
	int64_t began;

	(void)state;
	for (int64_t offset = 0; offset < WHEEL_TICK; offset += 9) {
		until(time_now + 10 * TURN + offset);	/* the wheel stood still meanwhile */
		began = time_now;
		alarms(a, COUNT);
		for (int i = 0; i < COUNT; i++)
			deadline_set(&a[i].deadline, &wheel, delays[i]);
		until(began + 2 * 60 * 60 * 1000);
		for (int i = 0; i < COUNT; i++) {
			assert_int_equal(a[i].fired, 1);
			assert_in_range(a[i].fired_at, began + delays[i], began + delays[i] + WHEEL_TICK);
		}
	}
}

static void
moving_it_later_costs_no_wakeup(void **state)
{
	static struct alarm a;
	int64_t due = 0;

	(void)state;
	alarms(&a, 1);
	for (int i = 0; i < 1000; i++) {		/* a request each 10 ms moves it 5 s ahead */
		deadline_set(&a.deadline, &wheel, 5000);
		due = time_now + 5000;
		until(time_now + 10);
	}
	assert_int_equal(a.fired, 0);
	assert_in_range(wakes, 1, 3);
	until(due + WHEEL_TICK);
	assert_int_equal(a.fired, 1);
	assert_in_range(a.fired_at, due, due + WHEEL_TICK);
}

static void
moving_it_earlier_holds(void **state)
{
	static struct alarm a;
	int64_t due = time_now + 100;

	(void)state;
	alarms(&a, 1);
	deadline_set(&a.deadline, &wheel, 50000);
	deadline_set(&a.deadline, &wheel, 100);
	until(due + WHEEL_TICK);
	assert_int_equal(a.fired, 1);
	until(due + 2 * TURN);
	assert_int_equal(a.fired, 1);
}

static void
called_off_or_removed_it_is_silent(void **state)
{
	static struct alarm a[3];

	(void)state;
	alarms(a, 3);
	for (int i = 0; i < 3; i++)
		deadline_set(&a[i].deadline, &wheel, 1000);
	deadline_clear(&a[0].deadline);
	deadline_remove(&a[1].deadline);
	deadline_remove(&a[1].deadline);
	deadline_clear(&a[2].deadline);
	deadline_set(&a[2].deadline, &wheel, 200);	/* and set again */
	until(time_now + TURN);
	assert_int_equal(a[0].fired, 0);
	assert_int_equal(a[1].fired, 0);
	assert_int_equal(a[2].fired, 1);
	assert_null(a[0].deadline.link);
}

static void
a_firing_deadline_may_touch_its_neighbours(void **state)
{
	static struct alarm a[6];

	(void)state;
	alarms(a, 6);
	for (int i = 0; i < 6; i++)			/* one slot; the last set runs first */
		deadline_set(&a[i].deadline, &wheel, 1000);
	a[5].remove = &a[4];
	a[3].clear = &a[2];
	a[3].set = &a[1];
	a[3].after = 5000;
	a[0].set = &a[0];				/* itself, for at once */
	until(time_now + 1000 + WHEEL_TICK);
	assert_int_equal(a[5].fired, 1);
	assert_int_equal(a[4].fired, 0);
	assert_int_equal(a[3].fired, 1);
	assert_int_equal(a[2].fired, 0);
	assert_int_equal(a[1].fired, 0);		/* put off by its neighbour */
	assert_in_range(a[0].fired, 1, 2);
	a[0].set = NULL;
	until(time_now + 6000);
	assert_int_equal(a[1].fired, 1);
	assert_int_equal(a[4].fired, 0);
}

static void
a_late_loop_catches_up(void **state)
{
	static struct alarm a[100];

	(void)state;
	alarms(a, 100);
	for (int i = 0; i < 100; i++)
		deadline_set(&a[i].deadline, &wheel, i * 2000);
	a[0].set = &a[0];
	time_now += 100 * TURN;				/* a machine that slept */
	until(time_now);
	a[0].set = NULL;
	until(time_now + TURN);				/* longer ones went round again */
	for (int i = 0; i < 100; i++)
		assert_true(a[i].fired >= 1);
}

static void
the_timer_moves_only_to_the_earlier(void **state)
{
	static struct alarm a[3];
	int64_t wake;

	(void)state;
	alarms(a, 3);
	deadline_set(&a[0].deadline, &wheel, 2000);
	wake = wheel.wake;
	deadline_set(&a[1].deadline, &wheel, 3000);
	assert_int_equal(wheel.wake, wake);
	deadline_set(&a[2].deadline, &wheel, 1000);
	assert_true(wheel.wake < wake);
}

static uint64_t chance;		/* a small generator of its own: the same run each time */

static unsigned
draw(unsigned below)
{
	chance = chance * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return (unsigned)(chance >> 33) % below;
}

static void
a_random_life_agrees_with_a_plain_list(void **state)
{
	enum { COUNT = 200, STEPS = 20000 };
	static struct alarm a[COUNT];
	int64_t due[COUNT];

	(void)state;
	chance = 7;
	alarms(a, COUNT);
	for (int i = 0; i < COUNT; i++)
		due[i] = INT64_MAX;
	for (int step = 0; step < STEPS; step++) {
		unsigned i = draw(COUNT);

		if (a[i].fired > 0) {
			assert_in_range(a[i].fired_at, due[i], due[i] + WHEEL_TICK);
			a[i].fired = 0;
		}
		due[i] = INT64_MAX;
		if (draw(8) == 0) {
			deadline_remove(&a[i].deadline);
		} else if (draw(8) == 0) {
			deadline_clear(&a[i].deadline);
		} else {
			int64_t after = draw(draw(4) == 0 ? 3 * TURN : 3000);

			deadline_set(&a[i].deadline, &wheel, after);
			due[i] = time_now + after;
		}
		until(time_now + draw(200));
		for (int k = 0; k < COUNT; k++) {
			assert_true(a[k].fired <= 1 && (a[k].fired == 0 || due[k] <= time_now));
			assert_true(a[k].fired == 1 || due[k] > time_now - WHEEL_TICK);
		}
	}
}

static void
deadlines_outlive_a_wheel(void **state)
{
	static struct alarm a;

	(void)state;
	alarms(&a, 1);
	deadline_set(&a.deadline, &wheel, 1000);
	wheel_free(&wheel);
	deadline_remove(&a.deadline);
	assert_true(wheel_init(&wheel, base));
}

static void
it_runs_by_the_real_clock(void **state)
{
	struct timeval limit = { .tv_sec = 5 };
	static struct alarm a;
	int64_t began;

	(void)state;
	wheel_free(&wheel);
	time_now = 0;
	assert_true(wheel_init(&wheel, base));
	alarms(&a, 1);
	began = wheel_clock();
	deadline_set(&a.deadline, &wheel, 100);
	event_base_loopexit(base, &limit);
	while (a.fired == 0 && wheel_clock() < began + 5000)
		event_base_loop(base, EVLOOP_ONCE);
	assert_int_equal(a.fired, 1);
	assert_true(a.fired_at >= began + 100);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(fires_once_on_time, start, end),
		cmocka_unit_test_setup_teardown(any_delay_fires_within_a_tick, start, end),
		cmocka_unit_test_setup_teardown(moving_it_later_costs_no_wakeup, start, end),
		cmocka_unit_test_setup_teardown(moving_it_earlier_holds, start, end),
		cmocka_unit_test_setup_teardown(called_off_or_removed_it_is_silent, start, end),
		cmocka_unit_test_setup_teardown(a_firing_deadline_may_touch_its_neighbours, start, end),
		cmocka_unit_test_setup_teardown(a_late_loop_catches_up, start, end),
		cmocka_unit_test_setup_teardown(the_timer_moves_only_to_the_earlier, start, end),
		cmocka_unit_test_setup_teardown(a_random_life_agrees_with_a_plain_list, start, end),
		cmocka_unit_test_setup_teardown(deadlines_outlive_a_wheel, start, end),
		cmocka_unit_test_setup_teardown(it_runs_by_the_real_clock, start, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
