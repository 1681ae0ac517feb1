/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenes for the inbox: order, one wake-up a burst, nothing left lying, and several producers at once
 * (the one to run under ThreadSanitizer).
 */
#include "server/inbox.h"

#include <event2/event.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

enum { PRODUCERS = 4, EACH = 5000 };

struct note {
	struct message message;
	unsigned producer, number;
};

struct reader {
	struct event_base *base;
	struct inbox inbox;
	unsigned seen[PRODUCERS];	/* by producer; notes come in its order */
	unsigned total, disorder;
	unsigned again;			/* notes to post from within a note */
};

static void
noted(struct message *m, void *owner)
{
	struct note *note = (struct note *)m;
	struct reader *r = owner;

	if (note->number != r->seen[note->producer]++)
		r->disorder++;
	if (++r->total == PRODUCERS * EACH)
		event_base_loopbreak(r->base);
	free(note);
}

static void
post(struct reader *r, unsigned producer, unsigned number)
{
	struct note *note = malloc(sizeof(*note));

	*note = (struct note){ { .run = noted }, producer, number };
	inbox_post(&r->inbox, &note->message);
}

static void
setup(struct reader *r)
{
	*r = (struct reader){ .base = event_base_new() };
	assert_true(inbox_init(&r->inbox, r->base, r));
}

static void
teardown(struct reader *r)
{
	inbox_free(&r->inbox);
	event_base_free(r->base);
}

static uint64_t
wakeups(const struct reader *r)
{
	uint64_t count = 0;

	return read(r->inbox.wakeup, &count, sizeof(count)) < 0 ? 0 : count;
}

static void
messages_run_in_the_order_of_posting(void **state)
{
	struct reader r;

	(void)state;
	setup(&r);
	for (unsigned i = 0; i < 100; i++)
		post(&r, 0, i);
	assert_int_equal(r.total, 0);		/* not inside inbox_post */
	event_base_loop(r.base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
	assert_int_equal(r.total, 100);
	assert_int_equal(r.disorder, 0);
	teardown(&r);
}

static void
a_burst_costs_one_wakeup(void **state)
{
	struct reader r;

	(void)state;
	setup(&r);
	for (unsigned i = 0; i < 10; i++)
		post(&r, 0, i);
	assert_int_equal(wakeups(&r), 1);
	post(&r, 0, 10);			/* the list is not empty: no further one */
	assert_int_equal(wakeups(&r), 0);
	teardown(&r);				/* runs what is left */
	assert_int_equal(r.total, 11);
}

static void
noted_and_answered(struct message *m, void *owner)
{
	struct reader *r = owner;

	r->total++;
	if (r->again > 0) {
		r->again--;
		inbox_post(&r->inbox, m);
	}
}

static void
a_message_may_post_and_runs_in_a_later_turn(void **state)
{
	struct message m = { .run = noted_and_answered };
	struct reader r;

	(void)state;
	setup(&r);
	r.again = 2;
	inbox_post(&r.inbox, &m);
	for (unsigned turn = 1; turn <= 3; turn++) {
		event_base_loop(r.base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
		assert_int_equal(r.total, turn);	/* the loop is not starved by it */
	}
	r.again = 1;
	inbox_post(&r.inbox, &m);
	teardown(&r);				/* and what a message posts at the end is run, too */
	assert_int_equal(r.total, 5);
	assert_int_equal(r.inbox.wakeup, -1);
}

struct producer {
	pthread_t id;
	struct reader *reader;
	unsigned number;
};

static void *
produce(void *argument)
{
	struct producer *p = argument;

	for (unsigned i = 0; i < EACH; i++)
		post(p->reader, p->number, i);
	return NULL;
}

static void
give_up(evutil_socket_t fd, short what, void *argument)
{
	(void)fd;
	(void)what;
	event_base_loopbreak(argument);
}

static void
many_threads_may_post_at_once(void **state)
{
	struct timeval limit = { .tv_sec = 30 };
	struct producer producers[PRODUCERS];
	struct reader r;

	(void)state;
	setup(&r);
	event_base_once(r.base, -1, EV_TIMEOUT, give_up, r.base, &limit);
	for (unsigned i = 0; i < PRODUCERS; i++) {
		producers[i] = (struct producer){ .reader = &r, .number = i };
		assert_int_equal(pthread_create(&producers[i].id, NULL, produce, &producers[i]), 0);
	}
	event_base_dispatch(r.base);
	for (unsigned i = 0; i < PRODUCERS; i++)
		pthread_join(producers[i].id, NULL);
	assert_int_equal(r.total, PRODUCERS * EACH);
	assert_int_equal(r.disorder, 0);
	teardown(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_run_in_the_order_of_posting),
		cmocka_unit_test(a_burst_costs_one_wakeup),
		cmocka_unit_test(a_message_may_post_and_runs_in_a_later_turn),
		cmocka_unit_test(many_threads_may_post_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
