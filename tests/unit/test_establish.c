/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenes for what lies between a socket that has connected and a connection that requests can go over: what a proxy is
 * asked, what of its answers is taken, and that nothing is awaited that will not come.
 *
 * The connection is one end of a socket pair; the other end is the proxy, and all that it was sent is `heard`.
 */
#include "bare_thread.h"
#include "peers.h"
#include "server/arena.h"
#include "server/establish.h"
#include "server/upstream.h"

#include <errno.h>
#include <event2/event.h>
#include <sys/socket.h>
#include <unistd.h>

static struct built_peer built;
static struct arena arena;
static struct upstream *u;
static struct establish e;
static int proxy;
static size_t room;			/* bytes that the kernel takes; then it is full */
static bool events_fail;
static char heard[64 * 1024];

ssize_t __real_send(int, const void *, size_t, int);
ssize_t __wrap_send(int, const void *, size_t, int);
int __real_event_add(struct event *, const struct timeval *);
/* libevent's other half calls it too */
__attribute__((visibility("default"))) int __wrap_event_add(struct event *, const struct timeval *);

ssize_t
__wrap_send(int fd, const void *bytes, size_t length, int flags)
{
	ssize_t sent;

	if (room == 0) {
		errno = EAGAIN;
		return -1;
	}
	sent = __real_send(fd, bytes, length < room ? length : room, flags);
	room -= sent > 0 ? (size_t)sent : 0;
	return sent;
}

int
__wrap_event_add(struct event *event, const struct timeval *after)
{
	return events_fail ? -1 : __real_event_add(event, after);
}

static int
begin(void **state)
{
	int fds[2], result = begin_bare(state);

	bare.base = event_base_new();
	arena_init(&arena, NULL, 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	u = upstream_adopt(&bare, NULL, (struct wire){ .fd = fds[0] });
	assert_non_null(u);
	proxy = fds[1];
	room = SIZE_MAX;
	events_fail = false;
	heard[0] = '\0';
	memset(&built, 0, sizeof(built));
	built.peer = peer_named("origin.test", 443);
	return result;
}

static int
end(void **state)
{
	upstream_close(&u);
	if (proxy >= 0)
		close(proxy);
	event_base_free(bare.base);
	arena_free(&arena);
	return end_bare(state);
}

/* Through the proxy proxy.test:3128, of which nothing more is known. */
static struct weir_via *
through_one(void)
{
	built.via[0] = (struct weir_via){ .address = { .host = "proxy.test", .port = 3128 } };
	built.peer.via = built.via;
	return built.via;
}

static enum establish_result
start(void)
{
	establish_begin(&e, &built.peer, NULL, u, &arena);
	return establish_go(&e);
}

static const char *
hear(void)
{
	ssize_t got = recv(proxy, heard, sizeof(heard) - 1, MSG_DONTWAIT);

	heard[got > 0 ? got : 0] = '\0';
	return heard;
}

static enum establish_result
say(const char *bytes)
{
	assert_int_equal(__real_send(proxy, bytes, strlen(bytes), MSG_NOSIGNAL), (ssize_t)strlen(bytes));
	return establish_go(&e);
}

static void
assert_failed(enum establish_result result, enum weir_peer_failure failure, const char *cause)
{
	assert_int_equal(result, ESTABLISH_FAILED);
	assert_int_equal(e.failure, failure);
	assert_string_equal(e.cause, cause);
}

#define CONNECT "CONNECT origin.test:443 HTTP/1.1\r\nHost: origin.test:443\r\n"
#define GOOD "HTTP/1.1 200 OK\r\n\r\n"

static void
nothing_is_to_be_done_for_a_plain_peer(void **state)
{
	(void)state;
	assert_false(establish_is_needed(&built.peer));
	assert_int_equal(start(), ESTABLISH_READY);
	assert_string_equal(hear(), "");
}

static void
a_proxy_is_asked_and_answers(void **state)
{
	(void)state;
	through_one();
	assert_true(establish_is_needed(&built.peer));
	assert_int_equal(start(), ESTABLISH_WAIT);
	assert_string_equal(hear(), CONNECT "\r\n");
	assert_true(u->reading);
	assert_false(u->writing);
	assert_int_equal(establish_go(&e), ESTABLISH_WAIT);		/* woken for nothing */
	assert_string_equal(establish_waits_for(&e), "the proxy proxy.test:3128 did not answer CONNECT origin.test:443 in time");
	assert_int_equal(say(GOOD), ESTABLISH_READY);
	assert_string_equal(hear(), "");
	assert_null(u->in);
}

static void
what_stands_in_front_of_all_is_said_inside_the_tunnel(void **state)
{
	(void)state;
	through_one();
	with_preface(&built, "PROXY UNKNOWN\r\n", 15);
	assert_int_equal(start(), ESTABLISH_WAIT);
	assert_string_equal(hear(), CONNECT "\r\n");
	assert_int_equal(say(GOOD), ESTABLISH_READY);
	assert_string_equal(hear(), "PROXY UNKNOWN\r\n");
}

static void
without_a_proxy_it_is_said_at_once(void **state)
{
	(void)state;
	with_preface(&built, "PROXY UNKNOWN\r\n", 15);
	assert_true(establish_is_needed(&built.peer));
	assert_int_equal(start(), ESTABLISH_READY);
	assert_string_equal(hear(), "PROXY UNKNOWN\r\n");
}

static void
a_full_socket_is_waited_for(void **state)
{
	(void)state;
	through_one();
	with_preface(&built, "PROXY UNKNOWN\r\n", 15);
	room = 10;
	assert_int_equal(start(), ESTABLISH_WAIT);
	assert_true(u->writing);
	assert_false(u->reading);		/* what comes meanwhile does not turn the loop */
	room = 5;
	assert_int_equal(establish_go(&e), ESTABLISH_WAIT);
	room = SIZE_MAX;
	assert_int_equal(establish_go(&e), ESTABLISH_WAIT);
	assert_false(u->writing);
	assert_true(u->reading);
	assert_string_equal(hear(), CONNECT "\r\n");
	room = 3;
	assert_int_equal(say(GOOD), ESTABLISH_WAIT);
	assert_false(u->reading);
	room = SIZE_MAX;
	assert_int_equal(establish_go(&e), ESTABLISH_READY);
	assert_string_equal(hear(), "PROXY UNKNOWN\r\n");
}

static void
an_answer_may_come_in_any_pieces(void **state)
{
	static const char answer[] = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nX: y\r\n\r\n";

	(void)state;
	through_one();
	assert_int_equal(start(), ESTABLISH_WAIT);
	for (size_t i = 0; i + 2 < sizeof(answer); i++) {
		char byte[2] = { answer[i], '\0' };

		assert_int_equal(say(byte), ESTABLISH_WAIT);
	}
	assert_int_equal(say("\n"), ESTABLISH_READY);
	assert_int_equal(bare.heads.out + bare.bodies.out, 0);
}

static void
a_chain_is_asked_one_after_the_other(void **state)
{
	struct weir_via *via = through_one();

	(void)state;
	built.via[1] = (struct weir_via){ .address = numeric_address("127.0.0.9", 8080), .authorization = "Basic x",
		.fields = "X-A: 1\r\nX-B:\r\n" };
	via->next = &built.via[1];
	assert_int_equal(start(), ESTABLISH_WAIT);
	assert_string_equal(hear(), "CONNECT 127.0.0.9:8080 HTTP/1.1\r\nHost: 127.0.0.9:8080\r\n\r\n");
	assert_int_equal(say(GOOD), ESTABLISH_WAIT);
	assert_string_equal(hear(), CONNECT "Proxy-Authorization: Basic x\r\nX-A: 1\r\nX-B:\r\n\r\n");
	assert_failed(say("HTTP/1.1 403 No\r\n\r\n"), WEIR_PEER_PROXY,
		"the proxy 127.0.0.9:8080 answered CONNECT origin.test:443 with 403 No");
}

/* The first proxy cannot speak for the second. */
static void
two_answers_at_once_are_one_too_many(void **state)
{
	struct weir_via *via = through_one();

	(void)state;
	built.via[1] = (struct weir_via){ .address = { .host = "second.test", .port = 1 } };
	via->next = &built.via[1];
	assert_int_equal(start(), ESTABLISH_WAIT);
	assert_failed(say(GOOD GOOD), WEIR_PEER_PROXY,
		"the proxy proxy.test:3128 sent bytes behind its answer to CONNECT second.test:1");
}

static void
addresses_are_written_as_they_are_asked_for(void **state)
{
	struct weir_peer socket = peer_on("/run/a");
	struct weir_address v6 = { .host = "2001:db8::1", .port = 443, .length = sizeof(struct sockaddr_in6) };

	(void)state;
	v6.socket.in6.sin6_family = AF_INET6;
	v6.socket.in6.sin6_port = htons(443);
	assert_int_equal(inet_pton(AF_INET6, v6.host, &v6.socket.in6.sin6_addr), 1);
	through_one();
	built.peer.address = v6;
	assert_int_equal(start(), ESTABLISH_WAIT);
	assert_string_equal(hear(), "CONNECT [2001:db8::1]:443 HTTP/1.1\r\nHost: [2001:db8::1]:443\r\n\r\n");
	assert_string_equal(establish_name(&arena, &socket.address), "unix:/run/a");
}

/* What a module puts together is not sent if it could be read as more than it says. */
static void
what_a_module_made_up_is_not_sent(void **state)
{
	static const char *const lines[] = { "X: y", "X: y\n", "X y\r\n", ": y\r\n", "X : y\r\n", "X: y\r\n\r\n",
		"X: y\r\n z\r\n",
		"Host: a\r\n", "content-length: 1\r\n", "X: y\r\nTransfer-Encoding: chunked\r\n", "X: \x01\r\n",
		"X: y\r\n\r\nGET / HTTP/1.1\r\n" };
	static const char *const hosts[] = { "", "a b", "a\r\nX: y", "a/b", "a\x80" };
	struct weir_via *via = through_one();

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		via->fields = lines[i];
		assert_failed(start(), WEIR_PEER_PROXY, "the proxy proxy.test:3128: a module set fields for it that are no "
			"field lines");
	}
	via->fields = "";
	via->authorization = "Basic x\r\nX: y";
	assert_failed(start(), WEIR_PEER_PROXY, "the proxy proxy.test:3128: a module set credentials for it that are no field "
		"value");
	via->authorization = NULL;
	for (size_t i = 0; i < sizeof(hosts) / sizeof(*hosts); i++) {
		built.peer.address.host = hosts[i];
		assert_failed(start(), WEIR_PEER_PROXY, "the proxy proxy.test:3128: the host to be reached through it is none");
	}
	built.peer = peer_on("/run/a");
	built.peer.via = via;
	assert_failed(start(), WEIR_PEER_PROXY, "the proxy proxy.test:3128: a Unix socket cannot be reached through a proxy");
	assert_string_equal(hear(), "");
}

static void
a_ring_of_proxies_is_no_chain(void **state)
{
	struct weir_via *via = through_one();

	(void)state;
	via->next = via;
	assert_failed(start(), WEIR_PEER_PROXY, "the proxy proxy.test:3128: more than 8 proxies stand in a row");
}

static void
a_head_that_does_not_fit_is_not_cut(void **state)
{
	struct weir_via *via = through_one();
	char *long_value = malloc(SCRATCH_SIZE + 1);

	(void)state;
	memset(long_value, 'x', SCRATCH_SIZE);
	long_value[SCRATCH_SIZE] = '\0';
	via->authorization = long_value;
	assert_failed(start(), WEIR_PEER_PROXY, "the proxy proxy.test:3128: the CONNECT is too long");
	free(long_value);
}

static void
a_proxy_that_is_gone_is_told(void **state)
{
	(void)state;
	through_one();
	assert_int_equal(start(), ESTABLISH_WAIT);
	hear();
	close(proxy);
	proxy = -1;
	assert_failed(establish_go(&e), WEIR_PEER_PROXY,
		"the proxy proxy.test:3128 closed the connection before it answered CONNECT origin.test:443");
	assert_failed(start(), WEIR_PEER_PROXY, "the proxy proxy.test:3128 closed the connection");
	built.peer.via = NULL;
	with_preface(&built, "x", 1);
	assert_failed(start(), WEIR_PEER_CLOSED, "it closed the connection at once");
}

static void
without_memory_it_fails(void **state)
{
	(void)state;
	through_one();
	events_fail = true;
	assert_failed(start(), WEIR_PEER_REFUSED, "no memory to wait for it");
	events_fail = false;
	assert_int_equal(start(), ESTABLISH_WAIT);
	leave_memory(0);
	assert_failed(say(GOOD), WEIR_PEER_REFUSED, "no memory for a proxy's answer");
	leave_memory(SIZE_MAX / 2);
	arena.limit = arena.used + 1;
	assert_int_equal(establish_go(&e), ESTABLISH_FAILED);
	assert_int_equal(e.failure, WEIR_PEER_PROXY);
	assert_null(e.cause);			/* for that there is no memory either */
	assert_string_equal(establish_waits_for(&e), "connecting took too long");
}

#undef SCENE
#define SCENE(name) cmocka_unit_test_setup_teardown(name, begin, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE(nothing_is_to_be_done_for_a_plain_peer),
		SCENE(a_proxy_is_asked_and_answers),
		SCENE(what_stands_in_front_of_all_is_said_inside_the_tunnel),
		SCENE(without_a_proxy_it_is_said_at_once),
		SCENE(a_full_socket_is_waited_for),
		SCENE(an_answer_may_come_in_any_pieces),
		SCENE(a_chain_is_asked_one_after_the_other),
		SCENE(two_answers_at_once_are_one_too_many),
		SCENE(addresses_are_written_as_they_are_asked_for),
		SCENE(what_a_module_made_up_is_not_sent),
		SCENE(a_ring_of_proxies_is_no_chain),
		SCENE(a_head_that_does_not_fit_is_not_cut),
		SCENE(a_proxy_that_is_gone_is_told),
		SCENE(without_memory_it_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
