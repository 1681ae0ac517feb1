/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenes for dials: addresses one after the other, or side by side, until one connects, none does, or nobody
 * wants it any more.
 *
 * One thread, standing still (still_threads.h), and an exchange that is little more than its peer. The
 * resolver is the scene's own, as is what the exchange does when it is told. Servers listen on 127.0.0.x,
 * all with one port; one whose queue is full does not answer, as a host that is not there. Each scene ends
 * by looking whether a descriptor is left.
 */
#include "server/dial.h"
#include "server/exchange.h"
#include "server/pool.h"
#include "server/resolver.h"
#include "still_threads.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

enum { STAGGER = 250, HOSTS = 6 };

static struct weir_exchange *x;
static struct thread *t;
static struct pool *pool;
static uint16_t port;
static unsigned connected, unconnected;

/* The resolver. */
static const struct resolver_answer *known;	/* at once */
static resolver_callback *asker;		/* a question that is open, and its argument */
static void *asker_argument;
static bool asking, refuses_questions;

/* What the wrapped calls do. */
static bool heap_fails, events_fail, connects_at_once;
static unsigned connects;

void __wrap_exchange_connected(struct weir_exchange *);
void __wrap_exchange_unconnected(struct weir_exchange *);
const struct resolver_answer *__wrap_resolver_cached(struct resolver *, const char *);
struct resolver_request *__wrap_resolver_lookup(struct resolver *, const char *, resolver_callback *, void *);
void __wrap_resolver_cancel(struct resolver *, struct resolver_request **);
void __wrap_resolver_prefer(struct resolver *, const char *, const struct sockaddr *);
void *__real_calloc(size_t, size_t);
void *__wrap_calloc(size_t, size_t);
int __real_connect(int, const struct sockaddr *, socklen_t);
int __wrap_connect(int, const struct sockaddr *, socklen_t);
int __real_event_add(struct event *, const struct timeval *);
/* libevent's other half calls it too */
__attribute__((visibility("default"))) int __wrap_event_add(struct event *, const struct timeval *);

void
__wrap_exchange_connected(struct weir_exchange *which)
{
	assert_ptr_equal(which, x);
	assert_null(x->dial);
	assert_non_null(x->upstream);
	connected++;
}

void
__wrap_exchange_unconnected(struct weir_exchange *which)
{
	assert_ptr_equal(which, x);
	assert_null(x->dial);
	assert_null(x->upstream);
	unconnected++;
}

static unsigned preferred;		/* the last part of the address that won behind others; 0: none did */

void
__wrap_resolver_prefer(struct resolver *r, const char *name, const struct sockaddr *address)
{
	(void)r;
	assert_non_null(name);
	preferred = ntohl(((const struct sockaddr_in *)address)->sin_addr.s_addr) & 0xff;
}

const struct resolver_answer *
__wrap_resolver_cached(struct resolver *r, const char *name)
{
	assert_ptr_equal(r, t->resolver);
	assert_string_equal(name, "origin.test");
	return known;
}

struct resolver_request *
__wrap_resolver_lookup(struct resolver *r, const char *name, resolver_callback *callback, void *argument)
{
	assert_ptr_equal(r, t->resolver);
	assert_string_equal(name, "origin.test");
	assert_false(asking);
	if (refuses_questions)
		return NULL;
	asking = true;
	asker = callback;
	asker_argument = argument;
	return (struct resolver_request *)&asking;
}

void
__wrap_resolver_cancel(struct resolver *r, struct resolver_request **request)
{
	assert_ptr_equal(r, t->resolver);
	assert_true(asking);
	asking = false;
	*request = NULL;
}

void *
__wrap_calloc(size_t count, size_t size)
{
	return heap_fails ? NULL : __real_calloc(count, size);
}

/* Loopback never connects at once; other paths may. */
int
__wrap_connect(int fd, const struct sockaddr *address, socklen_t length)
{
	int result = __real_connect(fd, address, length), error = errno;
	struct sockaddr_in other;
	socklen_t size = sizeof(other);

	connects++;
	while (connects_at_once && result != 0 && getpeername(fd, (struct sockaddr *)&other, &size) != 0)
		usleep(100);
	errno = error;
	return connects_at_once ? 0 : result;
}

int
__wrap_event_add(struct event *event, const struct timeval *after)
{
	return events_fail ? -1 : __real_event_add(event, after);
}

/* --- hosts ---------------------------------------------------------------------------------------------- */

/* Host number i is 127.0.0.(i + 1). It refuses until it listens; it is silent when its queue is full. */
static int listeners[HOSTS], fillers[HOSTS][4];

static struct sockaddr_in
host_address(unsigned i)
{
	return (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK + i) };
}

static bool
bind_host(unsigned i)
{
	struct sockaddr_in address = host_address(i);
	socklen_t length = sizeof(address);

	listeners[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (bind(listeners[i], (struct sockaddr *)&address, sizeof(address)) != 0)
		return false;
	assert_int_equal(getsockname(listeners[i], (struct sockaddr *)&address, &length), 0);
	port = ntohs(address.sin_port);
	return true;
}

static void
host_listens(unsigned i)
{
	assert_int_equal(listen(listeners[i], 0), 0);
}

static void
host_is_silent(unsigned i)
{
	struct sockaddr_in address;

	host_listens(i);
	address = host_address(i);
	for (int j = 0; j < 4; j++) {
		fillers[i][j] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		__real_connect(fillers[i][j], (struct sockaddr *)&address, sizeof(address));
	}
}

static void
close_hosts(void)
{
	for (unsigned i = 0; i < HOSTS; i++) {
		if (listeners[i] > 0)
			close(listeners[i]);
		for (int j = 0; j < 4; j++)
			if (fillers[i][j] > 0)
				close(fillers[i][j]);
	}
	memset(listeners, 0, sizeof(listeners));
	memset(fillers, 0, sizeof(fillers));
}

/* All hosts have the port before one of them listens, so that nobody else can. */
static void
find_port(void)
{
	unsigned bound = 0;

	for (int tries = 0; bound < HOSTS && tries < 100; tries++) {
		close_hosts();
		port = 0;
		for (bound = 0; bound < HOSTS && bind_host(bound); bound++)
			;
	}
	assert_int_equal(bound, HOSTS);
}

static unsigned
reached_by_dial(void)
{
	struct sockaddr_in address;
	socklen_t length = sizeof(address);

	assert_non_null(x->upstream);
	assert_int_equal(getpeername(x->upstream->wire.fd, (struct sockaddr *)&address, &length), 0);
	return ntohl(address.sin_addr.s_addr) - INADDR_LOOPBACK;
}

/* --- scenes --------------------------------------------------------------------------------------------- */

static int
begin(void **state)
{
	(void)state;
	known = NULL;
	asking = refuses_questions = heap_fails = events_fail = connects_at_once = false;
	connected = unconnected = connects = 0;
	threads_up(1);
	t = &still.list[0];
	t->client_count = 10;
	x = calloc(1, sizeof(*x));
	x->thread = t;
	arena_init(&x->arena, NULL, 0);
	find_port();
	x->peer = (struct weir_peer){ .address = { .host = "origin.test", .port = port },
		.connect_timeout = 5000 };
	pool = pool_find(t, &x->peer);
	return 0;
}

static int
end(void **state)
{
	(void)state;
	dial_cancel(&x->dial);
	assert_false(asking);
	if (x->upstream != NULL) {
		pool_count(pool, -1);
		upstream_close(&x->upstream);
	}
	assert_int_equal(counter_read(&t->counters, COUNT_UPSTREAM_IDLE), 0);
	arena_free(&x->arena);
	free(x);
	close_hosts();
	t->client_count = 0;
	threads_down();				/* with no pool in use, and no descriptor left */
	return 0;
}

static const struct resolver_answer *
answer_of(unsigned count)
{
	static struct resolver_answer answer;

	memset(&answer, 0, sizeof(answer));
	answer.count = count;
	for (unsigned i = 0; i < count; i++) {
		answer.addresses[i].length = sizeof(struct sockaddr_in);
		answer.addresses[i].in = host_address(i);
		answer.addresses[i].in.sin_port = 0;
	}
	return &answer;
}

/* The resolver's answer comes. */
static void
resolve(unsigned count)
{
	assert_true(asking);
	asking = false;
	asker(answer_of(count), asker_argument);
}

static void
assert_won(unsigned host)
{
	UNTIL(connected + unconnected > 0);
	assert_int_equal(connected, 1);
	assert_int_equal(unconnected, 0);
	assert_int_equal(reached_by_dial(), host);
	assert_ptr_equal(x->upstream->exchange, x);
	assert_null(x->upstream->dial);
	assert_int_equal(x->upstream->requests, 1);
	assert_false(x->reused);
	assert_int_equal(counter_read(&t->counters, COUNT_UPSTREAM_DIALLED), 1);
}

static void
assert_lost(enum weir_peer_failure failure, int error)
{
	UNTIL(connected + unconnected > 0);
	assert_int_equal(connected, 0);
	assert_int_equal(unconnected, 1);
	assert_int_equal(x->peer_failure, failure);
	assert_int_equal(x->peer_error, error);
}

static void
a_number_is_dialled_at_once(void **state)
{
	(void)state;
	host_listens(0);
	x->peer.address = (struct weir_address){ .length = sizeof(struct sockaddr_in),
		.socket.in = host_address(0) };
	assert_int_equal(dial_start(x, pool), UPSTREAM_PENDING);
	assert_won(0);
	assert_false(asking);
}

static void
a_name_that_is_known_is_dialled_at_once(void **state)
{
	(void)state;
	host_listens(0);
	known = answer_of(1);
	assert_int_equal(dial_start(x, pool), UPSTREAM_PENDING);
	assert_int_equal(connects, 1);
	assert_won(0);
}

static void
a_name_is_looked_up_first(void **state)
{
	(void)state;
	host_listens(0);
	assert_int_equal(dial_start(x, pool), UPSTREAM_PENDING);
	assert_int_equal(connects, 0);
	resolve(1);
	assert_won(0);
}

static void
what_refuses_makes_way_for_the_next(void **state)
{
	(void)state;
	host_listens(2);
	known = answer_of(3);
	assert_int_equal(dial_start(x, pool), UPSTREAM_PENDING);
	assert_won(2);
	assert_int_equal(connects, 3);
	assert_int_equal(passed_time, 0);	/* without waiting for the stagger */
}

static void
when_all_refuse_it_is_lost(void **state)
{
	(void)state;
	known = answer_of(3);
	assert_int_equal(dial_start(x, pool), UPSTREAM_PENDING);
	assert_lost(WEIR_PEER_REFUSED, ECONNREFUSED);
	assert_int_equal(connects, 3);
}

/* The first does not answer; the second is tried beside it after a quarter of a second, and wins. */
static void
a_slow_address_is_overtaken(void **state)
{
	(void)state;
	host_is_silent(0);
	host_listens(1);
	known = answer_of(3);
	assert_int_equal(dial_start(x, pool), UPSTREAM_PENDING);
	pass(t, 200);
	assert_int_equal(connects, 1);
	pass(t, 50 + 2 * WHEEL_TICK);
	assert_int_equal(connects, 2);
	preferred = 0;
	assert_won(1);
	assert_int_equal(preferred, 2);		/* 127.0.0.2 need not wait for the other one again */
	assert_int_equal(connects, 2);
	pass(t, 10000);				/* the third is not tried, and the end does not come */
	assert_int_equal(connects, 2);
	assert_int_equal(connected, 1);
	assert_int_equal(unconnected, 0);
}

/* The first is only late: it may still win while the second is being tried. */
static void
the_slow_one_may_win_after_all(void **state)
{
	(void)state;
	host_listens(0);
	host_is_silent(1);
	known = answer_of(2);
	assert_int_equal(dial_start(x, pool), UPSTREAM_PENDING);
	/* the loop sees first that time is over, then that it has connected */
	pass(t, 1000);
	assert_int_equal(connects, 2);
	assert_won(0);
}

static void
no_more_than_four_are_tried_side_by_side(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 6; i++)
		host_is_silent(i);
	known = answer_of(6);
	assert_int_equal(dial_start(x, pool), UPSTREAM_PENDING);
	for (int i = 0; i < 8; i++)
		pass(t, STAGGER + 2 * WHEEL_TICK);
	assert_int_equal(connects, 4);
	assert_non_null(x->dial);
	pass(t, 5000);
	assert_lost(WEIR_PEER_TIMEOUT, ETIMEDOUT);
}

static void
it_ends_when_its_time_is_over(void **state)
{
	(void)state;
	host_is_silent(0);
	known = answer_of(1);
	assert_int_equal(dial_start(x, pool), UPSTREAM_PENDING);
	pass(t, 4900);
	assert_int_equal(unconnected, 0);
	pass(t, 100 + 2 * WHEEL_TICK);
	assert_lost(WEIR_PEER_TIMEOUT, ETIMEDOUT);
}

static void
a_look_up_that_takes_too_long_is_called_off(void **state)
{
	(void)state;
	assert_int_equal(dial_start(x, pool), UPSTREAM_PENDING);
	pass(t, 5000 + 2 * WHEEL_TICK);
	assert_lost(WEIR_PEER_UNRESOLVED, ETIMEDOUT);
	assert_false(asking);
}

static void
a_name_without_an_address_is_unresolved(void **state)
{
	(void)state;
	assert_int_equal(dial_start(x, pool), UPSTREAM_PENDING);
	resolve(0);
	assert_lost(WEIR_PEER_UNRESOLVED, 0);
	known = answer_of(0);			/* and so when that is known already */
	assert_int_equal(dial_start(x, pool), UPSTREAM_FAILED);
	assert_int_equal(x->peer_failure, WEIR_PEER_UNRESOLVED);
	assert_null(x->dial);
	known = NULL;
	refuses_questions = true;
	assert_int_equal(dial_start(x, pool), UPSTREAM_FAILED);
	assert_int_equal(x->peer_failure, WEIR_PEER_UNRESOLVED);
	assert_null(x->dial);
	assert_int_equal(connects, 0);
	x->peer.address.host = NULL;
	assert_int_equal(dial_start(x, pool), UPSTREAM_FAILED);
	assert_int_equal(x->peer_failure, WEIR_PEER_UNRESOLVED);
	assert_int_equal(unconnected, 1);
}

/* Some connect before the call returns. Whoever made the attempt must say so. */
static void
what_connects_at_once_is_ready(void **state)
{
	(void)state;
	host_listens(0);
	connects_at_once = true;
	known = answer_of(1);
	assert_int_equal(dial_start(x, pool), UPSTREAM_READY);
	assert_int_equal(connected, 0);
	assert_null(x->dial);
	assert_int_equal(reached_by_dial(), 0);
	assert_true(x->upstream->reading);
	assert_false(x->upstream->writing);
}

static void
a_look_up_may_end_in_a_connection_at_once(void **state)
{
	(void)state;
	host_listens(0);
	connects_at_once = true;
	assert_int_equal(dial_start(x, pool), UPSTREAM_PENDING);
	resolve(1);
	assert_int_equal(connected, 1);
	assert_won(0);
}

static void
after_a_refusal_the_next_may_connect_at_once(void **state)
{
	(void)state;
	host_listens(1);
	known = answer_of(2);
	assert_int_equal(dial_start(x, pool), UPSTREAM_PENDING);
	connects_at_once = true;
	assert_won(1);
}

static void
after_the_stagger_the_next_may_connect_at_once(void **state)
{
	(void)state;
	host_is_silent(0);
	host_listens(1);
	known = answer_of(2);
	assert_int_equal(dial_start(x, pool), UPSTREAM_PENDING);
	connects_at_once = true;
	pass(t, STAGGER + 2 * WHEEL_TICK);
	assert_won(1);
}

static void
a_unix_socket_is_there_at_once_or_not_at_all(void **state)
{
	struct weir_address *address = &x->peer.address;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)state;
	*address = (struct weir_address){ .length = sizeof(address->socket.un) };
	address->socket.un.sun_family = AF_UNIX;
	snprintf(address->socket.un.sun_path, sizeof(address->socket.un.sun_path), "/tmp/weir-dial-%ld.sock",
		(long)getpid());
	assert_int_equal(dial_start(x, pool), UPSTREAM_FAILED);
	assert_int_equal(x->peer_failure, WEIR_PEER_REFUSED);
	assert_int_equal(x->peer_error, ENOENT);
	assert_int_equal(bind(fd, &address->socket.any, address->length), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(dial_start(x, pool), UPSTREAM_READY);
	assert_non_null(x->upstream);
	unlink(address->socket.un.sun_path);
	close(fd);
}

static void
it_dials_from_the_address_that_it_is_bound_to(void **state)
{
	struct sockaddr_in local;
	socklen_t length = sizeof(local);

	(void)state;
	host_listens(0);
	known = answer_of(1);
	x->peer.bind = (struct weir_address){ .length = sizeof(local), .socket.in = host_address(5) };
	x->peer.bind.socket.in.sin_port = 0;
	assert_int_equal(dial_start(x, pool), UPSTREAM_PENDING);
	assert_won(0);
	assert_int_equal(getsockname(x->upstream->wire.fd, (struct sockaddr *)&local, &length), 0);
	assert_int_equal(ntohl(local.sin_addr.s_addr), INADDR_LOOPBACK + 5);
}

static void
an_address_that_is_not_ours_cannot_be_bound(void **state)
{
	(void)state;
	host_listens(0);
	known = answer_of(1);
	x->peer.bind = (struct weir_address){ .length = sizeof(struct sockaddr_in),
		.socket.in = { .sin_family = AF_INET } };
	assert_int_equal(inet_pton(AF_INET, "192.0.2.1", &x->peer.bind.socket.in.sin_addr), 1);
	assert_int_equal(dial_start(x, pool), UPSTREAM_FAILED);
	assert_int_equal(x->peer_failure, WEIR_PEER_REFUSED);
	assert_int_equal(x->peer_error, EADDRNOTAVAIL);
	assert_null(x->dial);
}

/* Hosts below this number may be dialled. */
static bool
permit_below(void *number, const struct sockaddr *address)
{
	struct sockaddr_in in;

	assert_int_equal(address->sa_family, AF_INET);
	memcpy(&in, address, sizeof(in));
	return ntohl(in.sin_addr.s_addr) - INADDR_LOOPBACK < *(unsigned *)number;
}

static void
only_what_is_permitted_is_dialled(void **state)
{
	unsigned below = 1;

	(void)state;
	host_listens(1);
	x->peer.permit = permit_below;
	x->peer.permit_argument = &below;
	known = answer_of(2);			/* the first refuses, the other may not be asked */
	assert_int_equal(dial_start(x, pool), UPSTREAM_PENDING);
	assert_lost(WEIR_PEER_REFUSED, ECONNREFUSED);
	assert_int_equal(connects, 1);
	below = 2;
	unconnected = 0;
	assert_int_equal(dial_start(x, pool), UPSTREAM_PENDING);
	assert_won(1);
}

static void
where_nothing_is_permitted_it_says_so(void **state)
{
	unsigned below = 0;

	(void)state;
	host_listens(0);
	x->peer.permit = permit_below;
	x->peer.permit_argument = &below;
	known = answer_of(3);
	assert_int_equal(dial_start(x, pool), UPSTREAM_FAILED);
	assert_int_equal(x->peer_failure, WEIR_PEER_FORBIDDEN);
	known = NULL;
	assert_int_equal(dial_start(x, pool), UPSTREAM_PENDING);
	resolve(3);
	assert_lost(WEIR_PEER_FORBIDDEN, 0);
	x->peer.address = (struct weir_address){ .length = sizeof(struct sockaddr_in), .socket.in = host_address(0) };
	assert_int_equal(dial_start(x, pool), UPSTREAM_FAILED);
	assert_int_equal(x->peer_failure, WEIR_PEER_FORBIDDEN);
	assert_int_equal(connects, 0);
}

/* --- the rest of the way ------------------------------------------------------------------------------------ */

/* The dialled hosts are proxies; x->peer is behind them. */
static void
go_through_proxies(void)
{
	static struct weir_via via;

	via = (struct weir_via){ .address = x->peer.address };
	x->peer.address = (struct weir_address){ .host = "behind.test", .port = 80 };
	x->peer.via = &via;
}

static int
accept_on(unsigned host)
{
	int fd = -1;

	UNTIL((fd = accept(listeners[host], NULL, NULL)) >= 0);
	return fd;
}

/* Take the question and give this answer; NULL: close. */
static void
answer_as_proxy(unsigned host, const char *says)
{
	int fd = accept_on(host);
	char heard[256];

	UNTIL(recv(fd, heard, sizeof(heard), MSG_DONTWAIT) > 0);
	assert_memory_equal(heard, "CONNECT behind.test:80 ", 23);
	if (says != NULL)
		assert_int_equal(send(fd, says, strlen(says), MSG_NOSIGNAL), (ssize_t)strlen(says));
	close(fd);
}

static void
a_proxy_leads_on(void **state)
{
	(void)state;
	host_listens(0);
	known = answer_of(1);
	go_through_proxies();
	assert_int_equal(dial_start(x, pool), UPSTREAM_PENDING);
	answer_as_proxy(0, "HTTP/1.1 200 OK\r\n\r\n");
	assert_won(0);
	assert_true(x->upstream->reading);
}

static void
where_one_proxy_does_not_another_may(void **state)
{
	(void)state;
	host_listens(0);
	host_listens(1);
	host_listens(2);
	known = answer_of(3);
	go_through_proxies();
	assert_int_equal(dial_start(x, pool), UPSTREAM_PENDING);
	answer_as_proxy(0, "HTTP/1.1 503 Busy\r\n\r\n");
	answer_as_proxy(1, NULL);
	answer_as_proxy(2, "HTTP/1.1 200 OK\r\n\r\n");
	assert_won(2);
	assert_null(x->peer_cause);
}

static void
where_none_does_the_last_one_s_words_are_the_cause(void **state)
{
	(void)state;
	host_listens(0);
	host_listens(1);
	known = answer_of(2);
	go_through_proxies();
	assert_int_equal(dial_start(x, pool), UPSTREAM_PENDING);
	answer_as_proxy(0, "HTTP/1.1 503 Busy\r\n\r\n");
	answer_as_proxy(1, "HTTP/1.1 403 No\r\n\r\n");
	UNTIL(connected + unconnected > 0);
	assert_int_equal(unconnected, 1);
	assert_int_equal(x->peer_failure, WEIR_PEER_PROXY);
	assert_non_null(strstr(x->peer_cause, "answered CONNECT behind.test:80 with 403 No"));
}

/* The race is over as soon as one has connected: others are not tried beside it, however slow it is. */
static void
a_proxy_that_is_silent_ends_in_time(void **state)
{
	int fd;

	(void)state;
	host_listens(0);
	host_listens(1);
	known = answer_of(2);
	go_through_proxies();
	assert_int_equal(dial_start(x, pool), UPSTREAM_PENDING);
	fd = accept_on(0);
	pass(t, 4000);
	assert_int_equal(connects, 1);
	pass(t, 1000 + 2 * WHEEL_TICK);
	assert_lost(WEIR_PEER_TIMEOUT, ETIMEDOUT);
	assert_non_null(strstr(x->peer_cause, "did not answer CONNECT behind.test:80 in time"));
	close(fd);
}

static void
the_losers_of_the_race_are_closed(void **state)
{
	int fd;

	(void)state;
	host_is_silent(0);
	host_listens(1);
	known = answer_of(3);
	go_through_proxies();
	assert_int_equal(dial_start(x, pool), UPSTREAM_PENDING);
	pass(t, STAGGER + 2 * WHEEL_TICK);
	fd = accept_on(1);
	assert_int_equal(connects, 2);
	dial_cancel(&x->dial);			/* given up in the middle of it */
	assert_int_equal(connected + unconnected, 0);
	close(fd);
}

static void
without_memory_it_fails(void **state)
{
	(void)state;
	host_listens(0);
	known = answer_of(1);
	heap_fails = true;
	assert_int_equal(dial_start(x, pool), UPSTREAM_FAILED);		/* for the connection */
	assert_int_equal(x->peer_error, ENOMEM);
	heap_fails = false;
	events_fail = true;
	assert_int_equal(dial_start(x, pool), UPSTREAM_FAILED);		/* for its events */
	assert_int_equal(x->peer_error, ENOMEM);
	events_fail = false;
	x->arena.limit = x->arena.used + 16;
	assert_int_equal(dial_start(x, pool), UPSTREAM_FAILED);		/* for the dial */
	assert_int_equal(x->peer_error, ENOMEM);
	assert_null(x->dial);
	assert_int_equal(unconnected, 0);
}

/* Wherever it is, a dial can be given up: `end` sees whether all of it has gone. */
static void
it_can_be_given_up_at_any_time(void **state)
{
	(void)state;
	dial_cancel(&x->dial);			/* there is none */
	assert_int_equal(dial_start(x, pool), UPSTREAM_PENDING);
	assert_true(asking);
	dial_cancel(&x->dial);			/* looking up */
	assert_null(x->dial);
	assert_false(asking);
	host_is_silent(0);
	host_is_silent(1);
	known = answer_of(2);
	assert_int_equal(dial_start(x, pool), UPSTREAM_PENDING);
	dial_cancel(&x->dial);			/* one on its way */
	assert_null(x->dial);
	assert_int_equal(dial_start(x, pool), UPSTREAM_PENDING);
	pass(t, STAGGER + 2 * WHEEL_TICK);
	assert_int_equal(connects, 3);
	dial_cancel(&x->dial);			/* two on their way */
	pass(t, 20000);
	assert_int_equal(connected + unconnected, 0);
	assert_int_equal(connects, 3);
}

#define SCENE(name) cmocka_unit_test_setup_teardown(name, begin, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE(a_number_is_dialled_at_once),
		SCENE(a_name_that_is_known_is_dialled_at_once),
		SCENE(a_name_is_looked_up_first),
		SCENE(what_refuses_makes_way_for_the_next),
		SCENE(when_all_refuse_it_is_lost),
		SCENE(a_slow_address_is_overtaken),
		SCENE(the_slow_one_may_win_after_all),
		SCENE(no_more_than_four_are_tried_side_by_side),
		SCENE(it_ends_when_its_time_is_over),
		SCENE(a_look_up_that_takes_too_long_is_called_off),
		SCENE(a_name_without_an_address_is_unresolved),
		SCENE(what_connects_at_once_is_ready),
		SCENE(a_look_up_may_end_in_a_connection_at_once),
		SCENE(after_a_refusal_the_next_may_connect_at_once),
		SCENE(after_the_stagger_the_next_may_connect_at_once),
		SCENE(a_unix_socket_is_there_at_once_or_not_at_all),
		SCENE(it_dials_from_the_address_that_it_is_bound_to),
		SCENE(an_address_that_is_not_ours_cannot_be_bound),
		SCENE(only_what_is_permitted_is_dialled),
		SCENE(where_nothing_is_permitted_it_says_so),
		SCENE(a_proxy_leads_on),
		SCENE(where_one_proxy_does_not_another_may),
		SCENE(where_none_does_the_last_one_s_words_are_the_cause),
		SCENE(a_proxy_that_is_silent_ends_in_time),
		SCENE(the_losers_of_the_race_are_closed),
		SCENE(without_memory_it_fails),
		SCENE(it_can_be_given_up_at_any_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
