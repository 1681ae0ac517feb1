/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenes for courtesy: who computes for long gives the core up now and then, and is not starved for it.
 *
 * Linked with -Wl,--wrap=clock_gettime -Wl,--wrap=sched_yield: the scenes make the time, and what a yield takes.
 */
#include "server/courtesy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>
#include <cmocka.h>

enum { TURN = 50000, WORK = 1000 };	/* nanoseconds: between two yields, and of one step */

static int64_t time_now = 1000000000;
static int64_t away;		/* how long others have the core when it is given up */
static unsigned yields;

int __wrap_clock_gettime(clockid_t, struct timespec *);
int __wrap_sched_yield(void);

int
__wrap_clock_gettime(clockid_t clock, struct timespec *t)
{
	(void)clock;
	*t = (struct timespec){ .tv_sec = time_now / 1000000000, .tv_nsec = time_now % 1000000000 };
	return 0;
}

int
__wrap_sched_yield(void)
{
	yields++;
	time_now += away;
	return 0;
}

static void
work(int64_t nanoseconds)
{
	for (int64_t done = 0; done < nanoseconds; done += WORK) {
		time_now += WORK;
		courtesy_step();
	}
}

/* The core has just been given up, and nobody wanted it. */
static int
begin(void **state)
{
	(void)state;
	away = 0;
	time_now += INT64_C(10000000000);
	courtesy_look();
	yields = 0;
	return 0;
}

static void
a_short_piece_of_work_gives_nothing_up(void **state)
{
	(void)state;
	work(TURN - COURTESY_STEPS * WORK);
	assert_int_equal(yields, 0);
}

static void
a_long_one_gives_the_core_up_in_time(void **state)
{
	(void)state;
	work(20 * TURN);
	assert_in_range(yields, 14, 20);	/* the clock is looked at each 16 steps */
}

static void
a_wait_is_worked_off_before_the_next(void **state)
{
	(void)state;
	away = 40 * TURN;
	work(2 * TURN);
	assert_int_equal(yields, 1);
	work(37 * TURN);
	assert_int_equal(yields, 1);
	work(4 * TURN);
	assert_int_equal(yields, 2);
}

static void
after_an_idle_time_the_first_look_gives_way(void **state)
{
	(void)state;
	time_now += 100 * TURN;
	courtesy_look();
	assert_int_equal(yields, 1);
	courtesy_look();
	assert_int_equal(yields, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_short_piece_of_work_gives_nothing_up, begin),
		cmocka_unit_test_setup(a_long_one_gives_the_core_up_in_time, begin),
		cmocka_unit_test_setup(a_wait_is_worked_off_before_the_next, begin),
		cmocka_unit_test_setup(after_an_idle_time_the_first_look_gives_way, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
