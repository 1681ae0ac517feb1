/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenes for a wire's read event: edges while one read takes all that has come, levels as soon as it may not have.
 *
 * A reader receives once each time that it is told, as an event thread does. Linked with -Wl,--wrap=event_add, for an event
 * that cannot be added again.
 */
#include "bare_thread.h"
#include "server/wire.h"

#include <event2/event_struct.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MUCH = 5 * BUFFER_READ };

static struct event_base *base;
static struct event reading;
static struct wire wire;
static int peer;
static unsigned told;		/* how often */
static size_t received;
static int last;		/* what the last look brought */
static bool add_fails;

int __real_event_add(struct event *, const struct timeval *);
__attribute__((visibility("default")))	/* libevent names it too */
int __wrap_event_add(struct event *, const struct timeval *);

int
__wrap_event_add(struct event *event, const struct timeval *timeout)
{
	return add_fails ? -1 : __real_event_add(event, timeout);
}

static void
readable(evutil_socket_t fd, short what, void *argument)
{
	struct buffer *b = NULL;

	(void)fd;
	(void)argument;
	told++;
	wire.ended |= (what & EV_CLOSED) != 0;
	last = buffer_receive(&bare, &b, &wire);
	if (last > 0)
		received += (size_t)last;
	buffer_free(&b);
	if (last == BUFFER_END || last == BUFFER_RESET)
		event_del(&reading);
}

static int
begin(void **state)
{
	int fds[2];

	if (begin_bare(state) != 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) != 0)
		return -1;
	base = event_base_new();
	wire = (struct wire){ .fd = fds[0] };
	peer = fds[1];
	told = 0;
	received = 0;
	last = BUFFER_NOTHING;
	wire_assign(&wire, &reading, base, true, readable, NULL);
	return event_add(&reading, NULL);
}

static int
end(void **state)
{
	event_del(&reading);
	wire_close(&wire);
	close(peer);
	event_base_free(base);
	return end_bare(state);
}

/* Serve what the system has to tell, as often as it tells anything. */
static void
serve(void)
{
	for (unsigned before = told + 1; before != told; ) {
		before = told;
		event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
		assert_true(told < 100);
	}
}

static void
say(size_t length)
{
	static char bytes[MUCH];
	int room = 2 * MUCH;

	setsockopt(peer, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	assert_int_equal(write(peer, bytes, length), (ssize_t)length);
}

static void
small_messages_are_told_once_each(void **state)
{
	(void)state;
	for (unsigned i = 1; i <= 3; i++) {
		say(100);
		serve();
		assert_int_equal(told, i);
		assert_int_equal(received, 100 * i);
	}
	assert_ptr_equal(wire.edge, &reading);
}

static void
what_a_full_buffer_left_is_told_again(void **state)
{
	(void)state;
	say(2 * BUFFER_READ + 1);
	serve();
	assert_int_equal(received, 2 * BUFFER_READ + 1);
	assert_null(wire.edge);
}

static void
an_end_that_came_with_the_last_bytes_is_told(void **state)
{
	(void)state;
	say(100);
	shutdown(peer, SHUT_WR);
	serve();
	assert_int_equal(received, 100);
	assert_int_equal(last, BUFFER_END);
}

static void
an_end_that_comes_alone_is_told(void **state)
{
	(void)state;
	say(100);
	serve();
	assert_int_equal(last, 100);
	shutdown(peer, SHUT_WR);
	serve();
	assert_int_equal(last, BUFFER_END);
}

static void
nobody(evutil_socket_t fd, short what, void *argument)
{
	(void)fd;
	(void)what;
	++*(unsigned *)argument;
}

/* libevent refuses edges and levels on one descriptor. */
static void
it_can_be_waited_for_to_be_written_to(void **state)
{
	unsigned writable = 0;
	struct event writing;

	(void)state;
	event_assign(&writing, base, wire.fd, EV_WRITE, nobody, &writable);
	assert_true(wire_level(&wire));
	assert_int_equal(event_add(&writing, NULL), 0);
	say(100);
	serve();
	assert_int_equal(writable, 1);
	assert_int_equal(received, 100);
}

static void
what_waits_is_told_again_when_it_becomes_level(void **state)
{
	(void)state;
	say(100);
	assert_true(wire_level(&wire));
	assert_true(wire_level(&wire));		/* which it is */
	serve();
	assert_int_equal(received, 100);
}

static void
one_that_is_not_waited_for_stays_so(void **state)
{
	(void)state;
	event_del(&reading);
	assert_true(wire_level(&wire));
	say(100);
	serve();
	assert_int_equal(told, 0);
	assert_int_equal(event_add(&reading, NULL), 0);
	serve();
	assert_int_equal(received, 100);
}

/* Bytes without an event for those behind them would be half of something: it counts as broken. */
static void
one_that_cannot_be_told_of_any_more_is_broken(void **state)
{
	(void)state;
	say(2 * BUFFER_READ);
	add_fails = true;
	serve();
	add_fails = false;
	assert_int_equal(last, BUFFER_RESET);
	assert_int_equal(received, 0);
}

#define WIRE(name) cmocka_unit_test_setup_teardown(name, begin, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WIRE(small_messages_are_told_once_each),
		WIRE(what_a_full_buffer_left_is_told_again),
		WIRE(an_end_that_came_with_the_last_bytes_is_told),
		WIRE(an_end_that_comes_alone_is_told),
		WIRE(it_can_be_waited_for_to_be_written_to),
		WIRE(what_waits_is_told_again_when_it_becomes_level),
		WIRE(one_that_is_not_waited_for_stays_so),
		WIRE(one_that_cannot_be_told_of_any_more_is_broken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
