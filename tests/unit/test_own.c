/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenes for exchanges without a client: bodies that modules took and errands are bounded apart, so that neither leaves
 * the other without room.
 *
 * Probes run inside a hook of a real exchange (exchange_scenes.h). That the thread has many already is only said.
 */
#include "exchange_scenes.h"

enum { BODIES = 8192, ERRANDS = 1024 };

static unsigned others[OWN_KINDS];	/* that the thread has already */
static unsigned ends;
static bool sent;

static void
end(struct weir_exchange *x, void *argument)
{
	(void)x;
	assert_ptr_equal(argument, &ends);
	ends++;
}

static const struct weir_sink sink = { .end = end, .argument = &ends };

static void
add_others(int sign)
{
	for (int kind = 0; kind < OWN_KINDS; kind++)
		scene_thread->own[kind] += sign > 0 ? others[kind] : -others[kind];
}

static void
send_errand(struct weir_exchange *x)
{
	const struct weir_errand errand = { .limit = 10000, .sink = sink };

	if (weir_is_errand(x))
		return;
	add_others(1);
	sent = weir_send_errand(weir_exchange_thread(x), x, &errand);
	add_others(-1);
}

static void
take_body(struct weir_exchange *x)
{
	add_others(1);
	sent = weir_take_body(x, &sink, 10000);
	add_others(-1);
	if (sent)
		weir_respond(x, 202, NULL, "", 0);
}

/* Send an errand from this phase, or take a body, with so many of each under way. */
static bool
can(enum weir_phase phase, void (*what)(struct weir_exchange *), unsigned bodies, unsigned errands)
{
	others[OWN_BODY] = bodies;
	others[OWN_ERRAND] = errands;
	ends = 0;
	assert_true(ask_with(phase, what) < 300);
	if (sent) {
		UNTIL((serve_origin(), ends == 1));
		close_one(&client);
	}
	assert_int_equal(scene_thread->own[OWN_BODY], 0);
	assert_int_equal(scene_thread->own[OWN_ERRAND], 0);
	return sent;
}

static uint64_t
counted(enum counter which)
{
	return counter_read(&scene_thread->counters, which);
}

static void
bodies_leave_room_for_errands(void **state)
{
	(void)state;
	assert_true(can(WEIR_PHASE_UPSTREAM_RESPONSE, send_errand, BODIES, ERRANDS - 1));
	assert_int_equal(counted(COUNT_ERRANDS), 1);
	assert_int_equal(counted(COUNT_ERRANDS_ACTIVE), 0);
	assert_int_equal(counted(COUNT_ERRANDS_REFUSED), 0);
	assert_int_equal(counted(COUNT_BODIES_TAKEN), 0);
}

static void
errands_are_bounded(void **state)
{
	(void)state;
	assert_false(can(WEIR_PHASE_UPSTREAM_RESPONSE, send_errand, 0, ERRANDS));
	assert_int_equal(counted(COUNT_ERRANDS), 0);
	assert_int_equal(counted(COUNT_ERRANDS_REFUSED), 1);
	assert_int_equal(counted(COUNT_BODIES_TAKEN_REFUSED), 0);
}

static void
errands_leave_room_for_bodies(void **state)
{
	(void)state;
	probe_verdict = WEIR_RESPOND;
	assert_true(can(WEIR_PHASE_STORE, take_body, BODIES - 1, ERRANDS));
	assert_int_equal(counted(COUNT_BODIES_TAKEN), 1);
	assert_int_equal(counted(COUNT_BODIES_TAKEN_ACTIVE), 0);
	assert_int_equal(counted(COUNT_BODIES_TAKEN_REFUSED), 0);
	assert_int_equal(counted(COUNT_ERRANDS), 0);
}

static void
bodies_are_bounded(void **state)
{
	(void)state;
	assert_false(can(WEIR_PHASE_STORE, take_body, BODIES, 0));
	assert_int_equal(counted(COUNT_BODIES_TAKEN), 0);
	assert_int_equal(counted(COUNT_BODIES_TAKEN_REFUSED), 1);
	assert_int_equal(counted(COUNT_ERRANDS_REFUSED), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE(bodies_leave_room_for_errands),
		SCENE(errands_are_bounded),
		SCENE(errands_leave_room_for_bodies),
		SCENE(bodies_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
