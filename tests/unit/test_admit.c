/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenes of connections that are let in: a hook of accept and one of handshake, played by the scene, before the first request.
 */
#include "exchange_scenes.h"
#include "server/admit.h"
#include "server/client.h"

void *__real_malloc(size_t);
void *__wrap_malloc(size_t);

static bool heap_fails;
static size_t wanted;			/* the hook of accept waits until that much has come */
static size_t skipped;			/* and takes that much away */
static enum weir_verdict accept_verdict, handshake_verdict;
static const char *told;		/* the address that it tells */
static size_t peeked;			/* what it saw last */
static unsigned accepts, handshakes;

void *
__wrap_malloc(size_t size)
{
	return heap_fails ? NULL : __real_malloc(size);
}

static enum weir_verdict
accept_hook(struct weir_connection *c, const void *settings, void *state)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(7) };
	const char *bytes = weir_connection_peek(c, &peeked);

	(void)state;
	assert_string_equal(settings, "settings");
	assert_true((bytes == NULL) == (peeked == 0));
	accepts++;
	if (peeked < wanted)
		return WEIR_WAIT;
	weir_connection_skip(c, skipped);
	if (told != NULL) {
		assert_int_equal(inet_pton(AF_INET, told, &address.sin_addr), 1);
		assert_true(weir_connection_set_address(c, (struct sockaddr *)&address));
		weir_connection_set_local(c, (struct sockaddr *)&address);
		assert_memory_equal(weir_connection_local(c), &address, sizeof(address));
		assert_memory_equal(weir_connection_address(c), &address, sizeof(address));
	}
	return accept_verdict;
}

/* After accept there are no more first bytes, and nobody tells addresses. */
static enum weir_verdict
handshake_hook(struct weir_connection *c, const void *settings, void *state)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	size_t length;

	(void)settings, (void)state;
	handshakes++;
	assert_null(weir_connection_peek(c, &length));
	assert_int_equal(length, 0);
	weir_connection_skip(c, 1);
	assert_false(weir_connection_set_address(c, (struct sockaddr *)&address));
	weir_connection_set_local(c, (struct sockaddr *)&address);
	return handshake_verdict;
}

/* The listener's chain with both hooks, twice each, in front. */
static int
begin(void **state)
{
	static struct hook hooks[WEIR_PHASES + 4];
	int result = begin_exchanges(state);
	struct chain *chain = &scene_generation->listens[0].chain;

	for (int i = 0; i < 4; i++)
		hooks[i] = (struct hook){ .connection = i < 2 ? accept_hook : handshake_hook, .module = &scene_module,
			.settings = "settings" };
	memcpy(hooks + 4, chain->hooks, chain->first[WEIR_PHASES] * sizeof(*hooks));
	for (int phase = WEIR_PHASE_REQUEST; phase <= WEIR_PHASES; phase++)
		chain->first[phase] += 4;
	chain->first[WEIR_PHASE_HANDSHAKE] = 2;
	chain->hooks = hooks;
	wanted = skipped = peeked = accepts = handshakes = 0;
	accept_verdict = handshake_verdict = WEIR_NEXT;
	told = NULL;
	heap_fails = false;
	return result;
}

static void
enter(void)
{
	struct sockaddr_in address;
	socklen_t length = sizeof(address);

	close_one(&client);
	answer[0] = received[0] = '\0';
	assert_int_equal(getsockname(scene_sockets.first->sockets[0], (struct sockaddr *)&address, &length), 0);
	client = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(client, (struct sockaddr *)&address, length), 0);
	UNTIL(accepts > 0 || threads_count(&still, COUNT_CLIENT_REFUSED) > 0);
}

static void
say(const char *text)
{
	assert_int_equal(send(client, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

static bool
is_closed(void)
{
	char byte;

	return recv(client, &byte, 1, MSG_DONTWAIT) == 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
}

static void
a_hook_that_wants_nothing_takes_nothing(void **state)
{
	(void)state;
	assert_int_equal(ask(GET), 200);
	assert_int_equal(accepts, 2);
	assert_int_equal(handshakes, 2);
}

static void
a_hook_waits_for_bytes_and_takes_some_away(void **state)
{
	(void)state;
	wanted = 5;
	skipped = 5;
	enter();
	assert_int_equal(accepts, 1);
	say("abc");
	UNTIL(accepts == 2);
	assert_int_equal(peeked, 3);
	say("de" "fghij");
	UNTIL(accepts == 4);	/* the second hook saw what the first one left */
	assert_int_equal(peeked, 5);
	assert_int_equal(handshakes, 2);
	say(GET);
	UNTIL(is_answered());
	assert_memory_equal(answer, "HTTP/1.1 200", 12);
}

static void
bytes_behind_what_was_taken_are_the_request(void **state)
{
	(void)state;
	wanted = skipped = 2;
	assert_int_equal(ask("ab" "cd" GET), 200);
	assert_int_equal(handshakes, 2);
}

static void
what_a_hook_only_looks_at_stays(void **state)
{
	(void)state;
	wanted = 20;
	assert_int_equal(ask(GET), 200);
	assert_true(peeked >= 20);
}

static void
the_address_that_was_told_holds(void **state)
{
	(void)state;
	told = "192.0.2.7";
	wanted = 1;
	enter();
	say("G");
	UNTIL(handshakes == 2);
	assert_int_equal(scene_thread->clients->address.in.sin_addr.s_addr, inet_addr("192.0.2.7"));
}

static void
done_leaves_its_phase_only(void **state)
{
	(void)state;
	accept_verdict = handshake_verdict = WEIR_DONE;
	assert_int_equal(ask(GET), 200);
	assert_int_equal(accepts, 1);
	assert_int_equal(handshakes, 1);
}

static void
a_refusal_closes(void **state)
{
	(void)state;
	accept_verdict = WEIR_FAIL;
	enter();
	UNTIL(is_closed());
	assert_int_equal(handshakes, 0);
	accept_verdict = WEIR_NEXT;
	handshake_verdict = WEIR_FAIL;
	enter();
	UNTIL(is_closed());
	handshake_verdict = WEIR_WAIT;	/* not in this phase */
	enter();
	UNTIL(is_closed());
	assert_int_equal(threads_count(&still, COUNT_CLIENT_REFUSED), 3);
}

static void
who_ends_before_enough_has_come_is_closed(void **state)
{
	(void)state;
	wanted = 10;
	enter();
	say("abc");
	UNTIL(accepts == 2);
	assert_int_equal(shutdown(client, SHUT_WR), 0);
	UNTIL(is_closed());
	assert_int_equal(threads_count(&still, COUNT_CLIENT_REFUSED), 1);
}

static void
who_is_too_slow_is_closed(void **state)
{
	(void)state;
	wanted = 10;
	enter();
	say("abc");
	UNTIL(accepts == 2);
	pass(scene_thread, 10 * 1000 + 100);	/* head_timeout */
	UNTIL(is_closed());
	assert_int_equal(threads_count(&still, COUNT_CLIENT_TIMEOUT), 1);
}

static void
a_hook_that_wants_ever_more_is_stopped(void **state)
{
	static char much[2 * ADMIT_BYTES];

	(void)state;
	wanted = SIZE_MAX;
	enter();
	memset(much, 'x', sizeof(much));
	assert_true(send(client, much, sizeof(much), MSG_NOSIGNAL) > ADMIT_BYTES);
	UNTIL(is_closed());
	assert_int_equal(threads_count(&still, COUNT_CLIENT_REFUSED), 1);
}

static void
without_memory_to_wait_it_is_closed(void **state)
{
	(void)state;
	wanted = 10;
	heap_fails = true;
	enter();
	UNTIL(is_closed());
	heap_fails = false;
	assert_int_equal(threads_count(&still, COUNT_MEMORY_REFUSED), 1);
}

#undef SCENE
#define SCENE(name) cmocka_unit_test_setup_teardown(name, begin, end_exchanges)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE(a_hook_that_wants_nothing_takes_nothing),
		SCENE(a_hook_waits_for_bytes_and_takes_some_away),
		SCENE(bytes_behind_what_was_taken_are_the_request),
		SCENE(what_a_hook_only_looks_at_stays),
		SCENE(the_address_that_was_told_holds),
		SCENE(done_leaves_its_phase_only),
		SCENE(a_refusal_closes),
		SCENE(who_ends_before_enough_has_come_is_closed),
		SCENE(who_is_too_slow_is_closed),
		SCENE(a_hook_that_wants_ever_more_is_stopped),
		SCENE(without_memory_to_wait_it_is_closed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
