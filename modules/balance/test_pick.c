/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenes for the pure parts of balance: turns, load, chance, the ring, a server's health, the retry budget.
 */
#include "budget.h"
#include "check.h"
#include "health.h"
#include "pick.h"
#include "ring.h"
#include "sticky.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define SEATS_MOST 16

static struct balance_load loads[SEATS_MOST];
static struct balance_seat seats[SEATS_MOST];

/* Seats with these weights (0 ends them), all idle and eligible; how many. */
static size_t
seat(const uint32_t *weights)
{
	size_t count = 0;

	memset(loads, 0, sizeof(loads));
	memset(seats, 0, sizeof(seats));
	for (; weights[count] > 0; count++) {
		seats[count].load = &loads[count];
		seats[count].weight = weights[count];
		seats[count].eligible = true;
	}
	return count;
}

/* A repeatable stream of random numbers (splitmix64). */
static uint64_t
dice(void)
{
	static uint64_t state;
	uint64_t z = (state += 0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static void
assert_turns(size_t count, const char *expected)
{
	char turns[64];
	size_t length = strlen(expected);

	for (size_t i = 0; i < length; i++)
		turns[i] = (char)('a' + balance_pick_round_robin(seats, count));
	turns[length] = '\0';
	assert_string_equal(turns, expected);
}

static void
turns_are_smooth_and_by_weight(void **state)
{
	(void)state;
	assert_turns(seat((uint32_t[]){ 1, 1, 1, 0 }), "abcabcabc");
	assert_turns(seat((uint32_t[]){ 5, 1, 1, 0 }), "aabacaaaabacaa");
	assert_turns(seat((uint32_t[]){ 3, 2, 0 }), "ababaababa");
	assert_turns(seat((uint32_t[]){ 65535, 65535, 0 }), "abab");
	assert_turns(seat((uint32_t[]){ 7, 0 }), "aaa");
}

static void
who_is_left_out_goes_on_where_he_was(void **state)
{
	size_t count = seat((uint32_t[]){ 1, 1, 1, 0 });

	(void)state;
	assert_turns(count, "a");
	seats[1].eligible = false;
	assert_turns(count, "ccacac");
	seats[1].eligible = true;
	assert_turns(count, "bacbac");
	memset(seats, 0, sizeof(seats));
	assert_int_equal(balance_pick_round_robin(seats, count), count);
	assert_int_equal(balance_pick_round_robin(seats, 0), 0);
}

static void
the_least_busy_for_its_weight_is_next(void **state)
{
	size_t count = seat((uint32_t[]){ 1, 2, 1, 0 });

	(void)state;
	loads[0].active = 2;
	loads[1].active = 3;
	loads[2].active = 2;
	assert_int_equal(balance_pick_least(seats, count), 1);
	loads[1].active = 5;
	seats[0].eligible = false;
	assert_int_equal(balance_pick_least(seats, count), 2);
	seats[2].eligible = false;
	assert_int_equal(balance_pick_least(seats, count), 1);
	seats[1].eligible = false;
	assert_int_equal(balance_pick_least(seats, count), count);
}

static void
equally_busy_ones_take_turns(void **state)
{
	size_t count = seat((uint32_t[]){ 1, 1, 1, 0 }), picked[3] = { 0 };

	(void)state;
	loads[2].active = 1;
	for (int i = 0; i < 10; i++)
		picked[balance_pick_least(seats, count)]++;
	assert_int_equal(picked[0], 5);
	assert_int_equal(picked[1], 5);
	assert_int_equal(picked[2], 0);
}

static void
chance_follows_the_weights(void **state)
{
	size_t count = seat((uint32_t[]){ 1, 2, 5, 2, 0 }), picked[4] = { 0 };

	(void)state;
	seats[3].eligible = false;
	for (int i = 0; i < 80000; i++)
		picked[balance_pick_random(seats, count, dice())]++;
	assert_in_range(picked[0], 9500, 10500);
	assert_in_range(picked[1], 19400, 20600);
	assert_in_range(picked[2], 49200, 50800);
	assert_int_equal(picked[3], 0);
	for (size_t i = 0; i < count; i++)
		seats[i].eligible = false;
	assert_int_equal(balance_pick_random(seats, count, dice()), count);
	assert_int_equal(balance_pick_two(seats, count, dice()), count);
}

static void
of_two_choices_the_busier_one_is_never_taken(void **state)
{
	size_t count = seat((uint32_t[]){ 1, 1, 1, 1, 0 }), picked[4] = { 0 };

	(void)state;
	loads[3].active = 9;
	for (int i = 0; i < 4000; i++)
		picked[balance_pick_two(seats, count, dice())]++;
	assert_int_equal(picked[3], 0);
	assert_in_range(picked[0], 1200, 1470);
	seats[0].eligible = seats[1].eligible = seats[2].eligible = false;
	assert_int_equal(balance_pick_two(seats, count, dice()), 3);
}

/* Many requests that last: two choices keep the fullest server near the mean, chance alone does not. */
static void
two_choices_spread_better_than_one(void **state)
{
	uint32_t fullest[2] = { 0 };

	(void)state;
	for (int two = 0; two < 2; two++) {
		size_t count = seat((uint32_t[]){ 1, 1, 1, 1, 1, 1, 1, 1, 0 });

		for (int i = 0; i < 8000; i++)
			loads[two ? balance_pick_two(seats, count, dice()) : balance_pick_random(seats, count, dice())].active++;
		for (size_t i = 0; i < count; i++)
			if (balance_active(&loads[i]) > fullest[two])
				fullest[two] = balance_active(&loads[i]);
	}
	assert_true(fullest[1] <= 1004);
	assert_true(fullest[0] > fullest[1]);
}

/* --- the ring ------------------------------------------------------------------------------------------- */

struct ring {
	struct balance_point *points;
	size_t size;
};

static struct ring
ring_of(const struct balance_server *servers, size_t count)
{
	struct ring ring = { NULL, balance_ring_size(servers, count) };

	ring.points = calloc(ring.size + 1, sizeof(*ring.points));
	assert_non_null(ring.points);
	balance_ring_fill(ring.points, ring.size, servers, count);
	return ring;
}

static size_t
find_key(const struct ring *ring, unsigned key, size_t count)
{
	char text[32];

	snprintf(text, sizeof(text), "192.0.2.%u", key);
	return balance_ring_find(ring->points, ring->size, text, seats, count);
}

static const struct balance_server five[] = {
	{ "10.0.0.1:80", 1 }, { "10.0.0.2:80", 1 }, { "10.0.0.3:80", 1 }, { "10.0.0.4:80", 1 }, { "10.0.0.5:80", 1 }
};

static void
keys_spread_by_weight(void **state)
{
	static const struct balance_server servers[] = { { "a:1", 1 }, { "b:1", 2 }, { "c:1", 3 }, { "d:1", 0 } };
	struct ring ring = ring_of(servers, 4);
	size_t picked[4] = { 0 };

	(void)state;
	assert_int_equal(ring.size, 6 * 160);
	seat((uint32_t[]){ 1, 2, 3, 1, 0 });
	for (unsigned key = 0; key < 60000; key++)
		picked[find_key(&ring, key, 4)]++;
	assert_in_range(picked[0], 8000, 12000);
	assert_in_range(picked[1], 17000, 23000);
	assert_in_range(picked[2], 27000, 33000);
	assert_int_equal(picked[3], 0);
	free(ring.points);
}

static void
when_a_server_leaves_only_its_keys_move(void **state)
{
	struct ring all = ring_of(five, 5), fewer = ring_of(five, 4);
	size_t moved = 0, spread[5] = { 0 };

	(void)state;
	seat((uint32_t[]){ 1, 1, 1, 1, 1, 0 });
	for (unsigned key = 0; key < 20000; key++) {
		size_t before = find_key(&all, key, 5), after = find_key(&fewer, key, 4);

		if (before == 4)
			moved++, spread[after]++;
		else
			assert_int_equal(before, after);
	}
	assert_in_range(moved, 3200, 4800);
	for (size_t i = 0; i < 4; i++)
		assert_in_range(spread[i], moved / 8, moved / 2);
	free(all.points);
	free(fewer.points);
}

static void
a_server_that_is_out_is_as_one_that_left(void **state)
{
	struct ring all = ring_of(five, 5), fewer = ring_of(five, 4);

	(void)state;
	seat((uint32_t[]){ 1, 1, 1, 1, 1, 0 });
	seats[4].eligible = false;
	for (unsigned key = 0; key < 2000; key++)
		assert_int_equal(find_key(&all, key, 5), find_key(&fewer, key, 4));
	memset(seats, 0, sizeof(seats));
	assert_int_equal(find_key(&all, 1, 5), 5);
	assert_int_equal(balance_ring_find(NULL, 0, "key", seats, 0), 0);
	free(all.points);
	free(fewer.points);
}

static void
great_weights_make_no_great_ring(void **state)
{
	static const struct balance_server servers[] = { { "a:1", 65535 }, { "b:1", 65535 }, { "c:1", 1 } };
	size_t size = balance_ring_size(servers, 3);

	(void)state;
	assert_in_range(size, 1 << 19, (1 << 20) + 3);
}

/* --- health --------------------------------------------------------------------------------------------- */

static const struct balance_limit limit = { .fails = 3, .time = 1000 };

static void
so_many_failures_in_time_take_a_server_out(void **state)
{
	struct balance_health health = { 0 };

	(void)state;
	assert_false(balance_health_fail(&health, &limit, 5000));
	assert_false(balance_health_fail(&health, &limit, 5100));
	assert_true(balance_health_admits(&health, 5100));
	assert_int_equal(balance_health_failures(&health), 2);
	assert_true(balance_health_fail(&health, &limit, 5900));
	assert_true(balance_health_is_out(&health));
	assert_false(balance_health_admits(&health, 5900));
	assert_false(balance_health_claim(&health, &limit, 6899));
}

static void
failures_that_are_far_apart_do_not(void **state)
{
	struct balance_health health = { 0 };

	(void)state;
	for (int64_t now = 5000; now < 15000; now += 600)
		assert_false(balance_health_fail(&health, &limit, now));
	assert_false(balance_health_is_out(&health));
}

static void
one_probe_lets_it_in_again(void **state)
{
	struct balance_health health = { 0 };

	(void)state;
	for (int i = 0; i < 3; i++)
		balance_health_fail(&health, &limit, 5000);
	assert_true(balance_health_admits(&health, 6000));
	assert_true(balance_health_claim(&health, &limit, 6000));
	assert_false(balance_health_claim(&health, &limit, 6000));
	assert_false(balance_health_admits(&health, 6001));
	balance_health_recover(&health, 5000);
	assert_false(balance_health_is_out(&health));
	assert_int_equal(balance_health_failures(&health), 0);
	assert_true(balance_health_claim(&health, &limit, 6002));
	assert_true(balance_health_claim(&health, &limit, 6002));
}

static void
a_probe_that_fails_or_gets_lost_costs_another_wait(void **state)
{
	struct balance_health health = { 0 };

	(void)state;
	for (int i = 0; i < 3; i++)
		balance_health_fail(&health, &limit, 5000);
	assert_true(balance_health_claim(&health, &limit, 6000));
	assert_false(balance_health_fail(&health, &limit, 6500));	/* it was out already */
	assert_false(balance_health_admits(&health, 7400));
	assert_true(balance_health_claim(&health, &limit, 7500));
	assert_false(balance_health_claim(&health, &limit, 8400));
	assert_true(balance_health_claim(&health, &limit, 8500));
}

static void
without_a_limit_nobody_is_out(void **state)
{
	struct balance_limit none = { .fails = 0, .time = 1000 };
	struct balance_health health = { 0 };

	(void)state;
	for (int i = 0; i < 100; i++)
		assert_false(balance_health_fail(&health, &none, 5000));
	assert_false(balance_health_is_out(&health));
}

/* --- the budget ----------------------------------------------------------------------------------------- */

static size_t
spend_all(struct balance_budget *budget, int64_t now)
{
	size_t count = 0;

	while (count < 1000 && balance_budget_spend(budget, now))
		count++;
	return count;
}

static void
requests_earn_retries(void **state)
{
	struct balance_budget budget = { 0 };

	(void)state;
	assert_int_equal(spend_all(&budget, 5000), BALANCE_BUDGET_FREE);
	assert_int_equal(spend_all(&budget, 5999), 0);
	assert_int_equal(spend_all(&budget, 6000), BALANCE_BUDGET_FREE);
	for (int i = 0; i < 50; i++)
		balance_budget_earn(&budget, 20);
	assert_int_equal(spend_all(&budget, 6500), 10);
	for (int i = 0; i < 100000; i++)
		balance_budget_earn(&budget, 20);
	assert_int_equal(spend_all(&budget, 6500), BALANCE_BUDGET_MOST);
}

static void
cookies_are_found_by_their_whole_name(void **state)
{
	static const struct {
		const char *cookies, *value;
	} cases[] = {
		{ "a=1", "1" }, { "x=2; a=1", "1" }, { "x=2;a=1;y=3", "1" }, { "a=; b=2", "" }, { " a=1 ", "1" },
		{ "ba=1; a=2", "2" }, { "ab=1", NULL }, { "x=a=1", NULL }, { "", NULL }, { "a", NULL }, { ";;; ;", NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		size_t length = 0;
		const char *value = balance_sticky_find(cases[i].cookies, "a", &length);

		assert_int_equal(value != NULL, cases[i].value != NULL);
		if (value != NULL) {
			assert_int_equal(length, strlen(cases[i].value));
			assert_memory_equal(value, cases[i].value, length);
		}
	}
}

static void
marks_differ_and_stay(void **state)
{
	char a[BALANCE_MARK], b[BALANCE_MARK], again[BALANCE_MARK];

	(void)state;
	balance_sticky_mark(a, "10.0.0.1:80");
	balance_sticky_mark(b, "10.0.0.2:80");
	balance_sticky_mark(again, "10.0.0.1:80");
	assert_string_not_equal(a, b);
	assert_string_equal(a, again);
	assert_int_equal(strspn(a, "0123456789abcdef"), BALANCE_MARK - 1);
}

static void
a_share_grows_from_a_tenth_to_the_whole(void **state)
{
	struct balance_health health = { 0 };

	(void)state;
	assert_int_equal(balance_health_share(&health, 1000, 50000), 100);
	balance_health_enter(&health, 50000);
	assert_int_equal(balance_health_share(&health, 1000, 50000), 10);
	assert_int_equal(balance_health_share(&health, 1000, 50500), 50);
	assert_int_equal(balance_health_share(&health, 1000, 50999), 99);
	assert_int_equal(balance_health_share(&health, 1000, 51000), 100);
	assert_int_equal(balance_health_share(&health, 1000, 50500), 100);	/* it has arrived */
}

static void
statuses_are_numbers_and_ranges(void **state)
{
	static const char *const bad[] = { "20", "2000", "600", "099", "300-200", "200-", "-200", "200,201", "2xx", "200-2990" };
	struct balance_statuses statuses = { 0 };

	(void)state;
	assert_null(balance_statuses_parse(NULL, " 200-204\t401  599 ", &statuses));
	for (int status = 0; status < 700; status++)
		assert_int_equal(balance_statuses_have(&statuses, status),
			(status >= 200 && status <= 204) || status == 401 || status == 599);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_non_null(balance_statuses_parse(NULL, bad[i], &statuses));
}

/* However it is cut into chunks. */
static void
a_text_is_found_in_any_chunks(void **state)
{
	static const char *const bodies[] = { "status: up.", "up", "upstat", "status: u", "sstatus: up", "u status: up" };

	(void)state;
	for (size_t b = 0; b < sizeof(bodies) / sizeof(*bodies); b++) {
		const char *body = bodies[b];
		size_t length = strlen(body);

		for (size_t cut = 0; cut <= length; cut++)
			for (size_t again = cut; again <= length; again++) {
				struct balance_check check = { 0 };

				balance_check_begin(&check);
				balance_check_look(&check, "status: up", body, cut);
				balance_check_look(&check, "status: up", body + cut, again - cut);
				balance_check_look(&check, "status: up", body + again, length - again);
				assert_int_equal(check.found, strstr(body, "status: up") != NULL);
			}
	}
}

static void
checks_are_spread_and_never_two_at_a_time(void **state)
{
	struct balance_check check = { 0 };
	int64_t last = 0, least = INT64_MAX, most = 0, now = 100000;
	unsigned count = 0;

	(void)state;
	for (; now < 1000000; now += 100) {
		if (!balance_check_is_due(&check, 5000, now, dice()))
			continue;
		balance_check_begin(&check);
		assert_false(balance_check_is_due(&check, 5000, now + 100000, dice()));
		check.running = false;
		if (count++ > 0) {
			least = now - last < least ? now - last : least;
			most = now - last > most ? now - last : most;
		} else {
			assert_true(now - 100000 <= 1000);
		}
		last = now;
	}
	assert_in_range(least, 4400, 4700);
	assert_in_range(most, 5300, 5600);
}

int
main(void)
{
	const struct CMUnitTest scenes[] = {
		cmocka_unit_test(turns_are_smooth_and_by_weight),
		cmocka_unit_test(who_is_left_out_goes_on_where_he_was),
		cmocka_unit_test(the_least_busy_for_its_weight_is_next),
		cmocka_unit_test(equally_busy_ones_take_turns),
		cmocka_unit_test(chance_follows_the_weights),
		cmocka_unit_test(of_two_choices_the_busier_one_is_never_taken),
		cmocka_unit_test(two_choices_spread_better_than_one),
		cmocka_unit_test(keys_spread_by_weight),
		cmocka_unit_test(when_a_server_leaves_only_its_keys_move),
		cmocka_unit_test(a_server_that_is_out_is_as_one_that_left),
		cmocka_unit_test(great_weights_make_no_great_ring),
		cmocka_unit_test(so_many_failures_in_time_take_a_server_out),
		cmocka_unit_test(failures_that_are_far_apart_do_not),
		cmocka_unit_test(one_probe_lets_it_in_again),
		cmocka_unit_test(a_probe_that_fails_or_gets_lost_costs_another_wait),
		cmocka_unit_test(without_a_limit_nobody_is_out),
		cmocka_unit_test(requests_earn_retries),
		cmocka_unit_test(cookies_are_found_by_their_whole_name),
		cmocka_unit_test(marks_differ_and_stay),
		cmocka_unit_test(a_share_grows_from_a_tenth_to_the_whole),
		cmocka_unit_test(statuses_are_numbers_and_ranges),
		cmocka_unit_test(a_text_is_found_in_any_chunks),
		cmocka_unit_test(checks_are_spread_and_never_two_at_a_time),
	};

	return cmocka_run_group_tests(scenes, NULL, NULL);
}
