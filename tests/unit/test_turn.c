/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenes for the turn: all are served before anything is sent, each once, and who leaves is not called.
 */
#include "server/turn.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static struct turn turn;
static char told[256];		/* who was called, in order */

struct guest {
	char name;
	struct turn_places places;
	struct guest *sends, *serves, *leaves;	/* what happens to whom when this one is served */
};

static void
tell(const struct guest *g, char stage)
{
	size_t length = strlen(told);

	assert_true(length + 3 < sizeof(told));
	told[length] = g->name;
	told[length + 1] = stage;
	told[length + 2] = '\0';
}

static void
sent(void *owner)
{
	struct guest *g = owner;

	assert_int_equal(g->places.of[TURN_SEND], 0);
	tell(g, '>');
}

static void
served(void *owner)
{
	struct guest *g = owner;

	assert_int_equal(g->places.of[TURN_SERVE], 0);
	tell(g, '.');
	if (g->leaves != NULL)
		turn_leave(&turn, &g->leaves->places);
	if (g->serves != NULL)
		assert_true(turn_join(&turn, TURN_SERVE, &g->serves->places, served, g->serves));
	if (g->sends != NULL)
		assert_true(turn_join(&turn, TURN_SEND, &g->sends->places, sent, g->sends));
}

static bool
comes(struct guest *g)
{
	return turn_join(&turn, TURN_SERVE, &g->places, served, g);
}

static int
begin(void **state)
{
	(void)state;
	memset(&turn, 0, sizeof(turn));
	told[0] = '\0';
	return 0;
}

static void
all_are_served_before_anything_is_sent(void **state)
{
	struct guest a = { .name = 'a', .sends = &a }, b = { .name = 'b', .sends = &b };

	(void)state;
	assert_true(comes(&a) && comes(&b));
	turn_end(&turn);
	assert_string_equal(told, "a.b.a>b>");
	turn_end(&turn);
	assert_string_equal(told, "a.b.a>b>");
}

static void
a_place_is_one_though_it_is_taken_twice(void **state)
{
	struct guest a = { .name = 'a' };

	(void)state;
	assert_true(comes(&a) && comes(&a));
	turn_end(&turn);
	assert_string_equal(told, "a.");
	assert_true(comes(&a));
	turn_end(&turn);
	assert_string_equal(told, "a.a.");
}

static void
who_leaves_is_not_called(void **state)
{
	struct guest c = { .name = 'c', .sends = &c }, b = { .name = 'b', .sends = &b }, a = { .name = 'a', .leaves = &c };

	(void)state;
	assert_true(comes(&a) && comes(&b) && comes(&c));
	assert_true(turn_join(&turn, TURN_SEND, &c.places, sent, &c));
	turn_end(&turn);
	assert_string_equal(told, "a.b.b>");
	turn_leave(&turn, &c.places);	/* nothing to leave is fine */
}

static void
who_comes_meanwhile_is_called_in_the_same_turn(void **state)
{
	struct guest c = { .name = 'c', .sends = &c }, b = { .name = 'b', .serves = &c, .sends = &b },
		a = { .name = 'a', .serves = &b };

	(void)state;
	assert_true(comes(&a));
	turn_end(&turn);
	assert_string_equal(told, "a.b.c.b>c>");
}

static struct guest *late;

static void
sends_and_serves(void *owner)
{
	tell(owner, '>');
	assert_true(comes(late));
}

static void
who_comes_while_others_are_sent_is_served_as_well(void **state)
{
	struct guest b = { .name = 'b', .sends = &b }, a = { .name = 'a' };

	(void)state;
	late = &b;
	assert_true(turn_join(&turn, TURN_SEND, &a.places, sends_and_serves, &a));
	turn_end(&turn);
	assert_string_equal(told, "a>b.b>");
}

static void
places_are_few(void **state)
{
	static struct guest crowd[TURN_PLACES + 1];

	(void)state;
	for (unsigned i = 0; i < TURN_PLACES; i++) {
		crowd[i].name = 'x';
		assert_true(comes(&crowd[i]));
	}
	assert_false(comes(&crowd[TURN_PLACES]));
	assert_int_equal(crowd[TURN_PLACES].places.of[TURN_SERVE], 0);
	turn_end(&turn);
	assert_int_equal(strlen(told), 2 * TURN_PLACES);
	assert_true(comes(&crowd[TURN_PLACES]));
	turn_leave(&turn, &crowd[TURN_PLACES].places);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(all_are_served_before_anything_is_sent, begin),
		cmocka_unit_test_setup(a_place_is_one_though_it_is_taken_twice, begin),
		cmocka_unit_test_setup(who_leaves_is_not_called, begin),
		cmocka_unit_test_setup(who_comes_meanwhile_is_called_in_the_same_turn, begin),
		cmocka_unit_test_setup(who_comes_while_others_are_sent_is_served_as_well, begin),
		cmocka_unit_test_setup(places_are_few, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
