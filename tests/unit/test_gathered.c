/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenes for gathered responses: a client that does not read them is behind, and neither loses nor swaps one.
 *
 * Sockets have as little room as they can have. A probe answers each request with its number (exchange_scenes.h).
 */
#include "exchange_scenes.h"

enum { BODY = 4000, MANY = 500 };

static unsigned served;
static char got[1 << 20];		/* what the client has read */
static size_t got_length;

static void
respond(struct weir_exchange *x)
{
	char *body = weir_alloc(x, BODY + 1);

	assert_non_null(body);
	memset(body, '.', BODY);
	snprintf(body, BODY, "<%u>", served++);
	body[strlen(body)] = '.';
	body[BODY] = '\0';
	weir_respond(x, 200, "text/plain", body, BODY);
}

static struct weir_connection *
connection(void)
{
	return scene_thread->clients;
}

static void
client_comes(void)
{
	struct sockaddr_in address;
	socklen_t length = sizeof(address);
	int least = 1;

	probe = respond;
	probe_phase = WEIR_PHASE_ACCESS;
	probe_verdict = WEIR_RESPOND;
	served = 0;
	got_length = 0;
	assert_int_equal(getsockname(scene_sockets.first->sockets[0], (struct sockaddr *)&address, &length), 0);
	client = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(client, SOL_SOCKET, SO_RCVBUF, &least, sizeof(least));
	assert_int_equal(connect(client, (struct sockaddr *)&address, length), 0);
	UNTIL(connection() != NULL);
	setsockopt(connection()->wire.fd, SOL_SOCKET, SO_SNDBUF, &least, sizeof(least));
}

static void
client_asks(void)
{
	assert_int_equal(send(client, GET, strlen(GET), MSG_NOSIGNAL), (ssize_t)strlen(GET));
}

/* Ask and do not read, until nothing more is taken. */
static void
client_falls_behind(void)
{
	client_comes();
	for (unsigned n = 1; !connection()->behind; n++) {
		assert_true(n < MANY);
		client_asks();
		UNTIL(served == n);
		turn();
	}
	assert_non_null(connection()->gathered);
	assert_null(connection()->exchange);
}

static bool
client_has_read(unsigned responses)
{
	static char last[16];
	ssize_t some = recv(client, got + got_length, sizeof(got) - 1 - got_length, MSG_DONTWAIT);

	got_length += some > 0 ? (size_t)some : 0;
	got[got_length] = '\0';
	snprintf(last, sizeof(last), "<%u>", responses - 1);
	some = (ssize_t)got_length - BODY;
	return some > 0 && strncmp(got + some, last, strlen(last)) == 0;
}

static void
assert_in_order(unsigned responses)
{
	const char *at = got;
	char name[16];

	for (unsigned n = 0; n < responses; n++) {
		snprintf(name, sizeof(name), "<%u>", n);
		assert_memory_equal(at, "HTTP/1.1 200", 12);
		at = strstr(at, "\r\n\r\n");
		assert_non_null(at);
		assert_memory_equal(at + 4, name, strlen(name));
		at += 4 + BODY;
	}
	assert_ptr_equal(at, got + got_length);
}

static void
one_that_is_behind_is_not_served(void **state)
{
	unsigned before;

	(void)state;
	client_falls_behind();
	before = served;
	client_asks();
	for (int i = 0; i < 10; i++)
		turn();
	assert_int_equal(served, before);
	assert_true(connection()->behind);
}

static void
one_that_reads_again_gets_all_in_order(void **state)
{
	unsigned before;

	(void)state;
	client_falls_behind();
	before = served;
	client_asks();
	UNTIL(client_has_read(before + 1));
	assert_in_order(before + 1);
	assert_false(connection()->behind);
	assert_null(connection()->gathered);
}

static void
one_that_never_reads_is_cut(void **state)
{
	(void)state;
	client_falls_behind();
	pass(scene_thread, 1000 * 1000);
	UNTIL(connection() == NULL);
	assert_int_equal(counter_read(&scene_thread->counters, COUNT_CLIENT_TIMEOUT), 1);
}

static void
one_that_goes_is_forgotten(void **state)
{
	(void)state;
	client_falls_behind();
	close_one(&client);
	UNTIL(connection() == NULL);
	assert_int_equal(counter_read(&scene_thread->counters, COUNT_CLIENT_GONE), 1);
}

static void
one_that_has_said_all_is_still_answered(void **state)
{
	(void)state;
	client_comes();
	client_asks();
	assert_int_equal(shutdown(client, SHUT_WR), 0);
	UNTIL(client_has_read(1));
	assert_in_order(1);
	UNTIL(connection() == NULL);
}

static void
two_that_come_together_leave_together(void **state)
{
	(void)state;
	client_comes();
	assert_int_equal(send(client, GET GET, 2 * strlen(GET), MSG_NOSIGNAL), (ssize_t)(2 * strlen(GET)));
	UNTIL(client_has_read(2));
	assert_in_order(2);
}

static void
a_drain_lets_one_catch_up(void **state)
{
	unsigned before;

	(void)state;
	client_falls_behind();
	before = served;
	threads_drain(&still, 0);
	turn();
	assert_non_null(connection());
	UNTIL(client_has_read(before));
	assert_in_order(before);
	UNTIL(connection() == NULL);
}

static void
a_drain_still_answers_who_has_asked(void **state)
{
	unsigned before;

	(void)state;
	client_falls_behind();
	before = served;
	client_asks();
	threads_drain(&still, 0);
	UNTIL(client_has_read(before + 1));
	UNTIL(connection() == NULL);
}

/* The origin's answer has come, and is served when the turn ends; its deadline passes before that. */
static void
what_was_received_in_time_is_in_time(void **state)
{
	(void)state;
	client_comes();
	probe = NULL;
	client_asks();
	UNTIL((serve_origin(), received[0] != '\0'));
	while (scene_thread->turn.count[TURN_SERVE] == 0)
		event_base_loop(scene_thread->base, EVLOOP_ONCE);
	passed_time += 1000 * 1000;
	event_active(scene_thread->wheel.timer, EV_TIMEOUT, 0);
	event_base_loop(scene_thread->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
	turn_end(&scene_thread->turn);
	UNTIL((recv(client, got, sizeof(got) - 1, MSG_DONTWAIT) > 0));
	assert_memory_equal(got, "HTTP/1.1 200", 12);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE(one_that_is_behind_is_not_served),
		SCENE(one_that_reads_again_gets_all_in_order),
		SCENE(one_that_never_reads_is_cut),
		SCENE(one_that_goes_is_forgotten),
		SCENE(one_that_has_said_all_is_still_answered),
		SCENE(two_that_come_together_leave_together),
		SCENE(a_drain_lets_one_catch_up),
		SCENE(a_drain_still_answers_who_has_asked),
		SCENE(what_was_received_in_time_is_in_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
