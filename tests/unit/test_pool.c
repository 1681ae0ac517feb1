/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenes for the pools of upstream connections: whose connection may be used for whom, which comes first,
 * what is kept, and the shelf between threads.
 *
 * The threads stand still (still_threads.h). A connection is one end of a socket pair; the other end is the
 * server, on which a scene sees whether it was closed. Each scene ends by looking whether a descriptor is
 * left.
 */
#include "server/exchange.h"
#include "server/pool.h"
#include "server/settings.h"
#include "server/upstream.h"
#include "peers.h"
#include "still_threads.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

enum { SERVERS = 16 };

static struct upstream_settings settings;
static int servers[SERVERS];
static unsigned server_count;
static bool heap_fails;
static struct thread *one, *other;
static struct built_peer peers[PEERS];

void *__real_malloc(size_t);
void *__wrap_malloc(size_t);
void *__real_calloc(size_t, size_t);
void *__wrap_calloc(size_t, size_t);

void *
__wrap_malloc(size_t size)
{
	return heap_fails ? NULL : __real_malloc(size);
}

void *
__wrap_calloc(size_t count, size_t size)
{
	return heap_fails ? NULL : __real_calloc(count, size);
}

static int
begin_with(unsigned threads)
{
	threads_up(threads);
	one = &still.list[0];
	other = threads > 1 ? &still.list[1] : NULL;
	for (unsigned i = 0; i < threads; i++)
		still.list[i].client_count = 100;	/* so many may need a connection */
	settings = (struct upstream_settings){ .keepalive = 10, .keepalive_timeout = 10000 };
	server_count = 0;
	return 0;
}

static int
begin_one(void **state)
{
	(void)state;
	return begin_with(1);
}

static int
begin_two(void **state)
{
	(void)state;
	return begin_with(2);
}

static int
end(void **state)
{
	(void)state;
	for (unsigned i = 0; i < still.count; i++)
		still.list[i].client_count = 0;
	for (unsigned i = 0; i < server_count; i++)
		close(servers[i]);
	threads_down();
	return 0;
}

/* A new connection, as a dial leaves it: in use. Its server is servers[server_count - 1]. */
static struct upstream *
connect_to(struct thread *t, const struct weir_peer *peer)
{
	struct pool *pool = pool_find(t, peer);
	struct upstream *u;
	int fds[2];

	assert_non_null(pool);
	assert_true(server_count < SERVERS);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	servers[server_count++] = fds[1];
	u = upstream_adopt(t, pool, (struct wire){ .fd = fds[0] });
	assert_non_null(u);
	u->requests = 1;
	pool_count(pool, 1);
	return u;
}

static struct upstream *
take(struct thread *t, const struct weir_peer *peer)
{
	return pool_take(pool_find(t, peer));
}

static void
put(struct upstream *u, bool share)
{
	pool_put(&u, &settings, share);
	assert_null(u);
}

/* An exchange closes its connection. */
static void
drop(struct upstream *u)
{
	pool_count(u->pool, -1);
	upstream_close(&u);
}

static bool
is_closed(int server)
{
	char byte;
	ssize_t got = recv(server, &byte, 1, MSG_DONTWAIT);

	/* the latter when it had not read everything */
	return got == 0 || (got < 0 && errno == ECONNRESET);
}

static uint64_t
idle(void)
{
	return threads_count(&still, COUNT_UPSTREAM_IDLE);
}

/* --- one thread ----------------------------------------------------------------------------------------- */

static void
the_newest_comes_first(void **state)
{
	struct weir_peer peer = peer_at("127.0.0.1", 80);
	struct upstream *a = connect_to(one, &peer), *b = connect_to(one, &peer), *c = connect_to(one, &peer);

	(void)state;
	put(a, false);
	put(c, false);
	put(b, false);
	assert_int_equal(idle(), 3);
	assert_ptr_equal(take(one, &peer), b);
	assert_ptr_equal(take(one, &peer), c);
	assert_ptr_equal(take(one, &peer), a);
	assert_null(take(one, &peer));
	assert_int_equal(idle(), 0);
	drop(a);
	drop(b);
	drop(c);
}

static void
any_one_difference_never_shares(void **state)
{
	struct pool *pools[PEERS];

	(void)state;
	for (unsigned i = 0; i < PEERS; i++) {
		assert_non_null(pools[i] = pool_find(one, build_peer(&peers[i], i)));
		for (unsigned j = 0; j < i; j++)
			assert_ptr_not_equal(pools[i], pools[j]);
	}
	for (unsigned i = 0; i < PEERS; i++) {
		struct upstream *u = connect_to(one, &peers[i].peer);

		put(u, false);
		for (unsigned j = 0; j < PEERS; j++)
			if (j != i)
				assert_null(take(one, &peers[j].peer));
		assert_ptr_equal(take(one, &peers[i].peer), u);
		drop(u);
		close(servers[--server_count]);
	}
}

/* One step of the hash of a peer. Should that ever be another, the next scene loses its bite, and nothing
 * else. */
static uint64_t
step(uint64_t hash, const struct sockaddr_in *in)
{
	uint64_t word;

	memcpy(&word, in, sizeof(word));
	hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
	return hash ^ hash >> 32;
}

/* Give `b` the hash of `a`, by its padding; `before` is the hash of what comes before it. */
static void
forge(uint64_t before, const struct weir_address *a, struct weir_address *b)
{
	uint64_t padding = step(before, &a->socket.in) ^ step(before, &b->socket.in);

	memcpy(b->socket.in.sin_zero, &padding, sizeof(padding));
}

/* The fields are compared, not only their hash: whoever can make two of them collide gains nothing. */
static void
a_forged_hash_never_shares(void **state)
{
	struct weir_peer a = peer_at("127.0.0.1", 80), b = peer_at("127.0.0.2", 81);
	struct weir_peer c = a, d = a;
	uint64_t before = step(0, &a.address.socket.in) * 0x9e3779b97f4a7c15u;

	(void)state;
	c.bind = numeric_address("127.0.0.1", 0);
	d.bind = numeric_address("127.0.0.2", 0);
	forge(0, &a.address, &b.address);
	assert_ptr_not_equal(pool_find(one, &a), pool_find(one, &b));
	forge(before ^ before >> 32, &c.bind, &d.bind);
	assert_ptr_not_equal(pool_find(one, &c), pool_find(one, &d));
	put(connect_to(one, &a), true);
	put(connect_to(one, &c), true);
	assert_null(take(other, &b));
	assert_null(take(other, &d));
	drop(take(other, &a));
	drop(take(other, &c));
}

static void
equal_peers_share_whatever_memory_they_lie_in(void **state)
{
	(void)state;
	for (unsigned i = 0; i < PEERS; i++) {
		struct weir_peer *a = build_peer(&peers[0], i), *b = build_peer(&peers[1], i);
		struct pool *pool = pool_find(one, a);

		/* no part of who it is */
		b->connect_timeout = b->first_byte_timeout = b->between_bytes_timeout = 77;
		memset(&peers[0], 'x', sizeof(peers[0]));	/* the pool has its own copy */
		assert_ptr_equal(pool_find(one, b), pool);
	}
}

static void
the_oldest_goes_when_there_are_too_many(void **state)
{
	struct weir_peer peer = peer_at("127.0.0.1", 80), another = peer_at("127.0.0.1", 81);
	struct upstream *u[4];

	(void)state;
	settings.keepalive = 2;
	put(connect_to(one, &another), false);
	for (int i = 0; i < 4; i++)
		u[i] = connect_to(one, &peer);
	for (int i = 0; i < 4; i++)
		put(u[i], false);
	assert_int_equal(idle(), 3);
	assert_true(is_closed(servers[1]));
	assert_true(is_closed(servers[2]));
	assert_false(is_closed(servers[3]));
	assert_false(is_closed(servers[4]));
	assert_false(is_closed(servers[0]));	/* the bound is one peer's */
}

/* Each for another peer, as where clients choose the name; without descriptors, of which there are not so many. */
static void
a_thread_keeps_no_more_than_it_bears(void **state)
{
	enum { MOST = 4096, MORE = 10 };
	struct weir_peer first = peer_at("127.0.0.1", 80);

	(void)state;
	put(connect_to(one, &first), false);
	for (unsigned i = 1; i < MOST + MORE; i++) {
		struct weir_peer peer = peer_named("some.test", (uint16_t)i);
		struct pool *pool = pool_find(one, &peer);
		struct upstream *u = upstream_adopt(one, pool, (struct wire){ .fd = -1 });

		pool_count(pool, 1);
		put(u, false);
		assert_int_equal(is_closed(servers[0]), i >= MOST);
	}
	assert_int_equal(idle(), MOST);
}

static void
without_keepalive_nothing_is_kept(void **state)
{
	struct weir_peer peer = peer_at("127.0.0.1", 80);

	(void)state;
	settings.keepalive = 0;
	put(connect_to(one, &peer), false);
	assert_true(is_closed(servers[0]));
	settings.keepalive = 2;
	one->stopping = true;
	put(connect_to(one, &peer), false);
	one->stopping = false;
	assert_true(is_closed(servers[1]));
	assert_int_equal(idle(), 0);
}

static void
an_idle_connection_expires(void **state)
{
	struct weir_peer peer = peer_at("127.0.0.1", 80);
	struct upstream *u = connect_to(one, &peer);

	(void)state;
	put(u, false);
	pass(one, 9000);
	assert_ptr_equal(take(one, &peer), u);
	pass(one, 9000);			/* in use it does not */
	assert_false(is_closed(servers[0]));
	put(u, false);
	pass(one, 9000);
	assert_false(is_closed(servers[0]));
	pass(one, 1100);
	assert_true(is_closed(servers[0]));
	assert_null(take(one, &peer));
	assert_int_equal(idle(), 0);
}

static void
what_the_server_closed_is_not_handed_out(void **state)
{
	struct weir_peer peer = peer_at("127.0.0.1", 80);
	struct upstream *first = connect_to(one, &peer), *second = connect_to(one, &peer);

	(void)state;
	put(first, false);
	put(second, false);
	shutdown(servers[1], SHUT_WR);
	UNTIL(idle() == 1);
	assert_ptr_equal(take(one, &peer), first);
	drop(first);
}

static void
a_server_that_speaks_unasked_is_left(void **state)
{
	struct weir_peer peer = peer_at("127.0.0.1", 80);

	(void)state;
	put(connect_to(one, &peer), false);
	assert_int_equal(send(servers[0], "HTTP/1.1 200 OK\r\n", 17, MSG_NOSIGNAL), 17);
	UNTIL(idle() == 0);
	assert_null(take(one, &peer));
}

/* It has closed, and the loop has not turned yet: what must not be sent twice is not sent there. */
static void
a_request_that_cannot_be_repeated_finds_it_out_first(void **state)
{
	struct weir_exchange *x = calloc(1, sizeof(*x));
	struct upstream *dead, *alive;

	(void)state;
	x->thread = one;
	x->peer = peer_at("127.0.0.1", 80);
	x->request.method = METHOD_POST;
	alive = connect_to(one, &x->peer);
	dead = connect_to(one, &x->peer);
	put(alive, false);
	put(dead, false);
	shutdown(servers[1], SHUT_WR);
	assert_int_equal(upstream_obtain(x, true), UPSTREAM_READY);
	assert_ptr_equal(x->upstream, alive);
	assert_ptr_equal(alive->exchange, x);
	assert_int_equal(alive->requests, 2);
	assert_true(x->reused);
	assert_true(is_closed(servers[1]));
	drop(x->upstream);
	free(x);
}

static bool
permit_nothing(void *asked, const struct sockaddr *address)
{
	assert_int_equal(address->sa_family, AF_UNIX);
	++*(unsigned *)asked;
	return false;
}

/* What was dialled for somebody else is not used for one who may not go there. */
static void
a_pooled_connection_must_be_permitted_too(void **state)
{
	struct weir_exchange *x = calloc(1, sizeof(*x));
	unsigned asked = 0;

	(void)state;
	x->thread = one;
	arena_init(&x->arena, NULL, 0);
	x->peer = peer_on("/nowhere/weir.sock");
	put(connect_to(one, &x->peer), false);
	x->peer.permit = permit_nothing;
	x->peer.permit_argument = &asked;
	assert_int_equal(upstream_obtain(x, true), UPSTREAM_FAILED);
	assert_int_equal(x->peer_failure, WEIR_PEER_FORBIDDEN);
	assert_int_equal(asked, 2);
	assert_true(is_closed(servers[0]));
	arena_free(&x->arena);
	free(x);
}

static void
alone_a_thread_shelves_nothing(void **state)
{
	struct weir_peer peer = peer_at("127.0.0.1", 80);
	struct upstream *u = connect_to(one, &peer);

	(void)state;
	one->client_count = 0;
	put(u, true);
	pools_trim(one);
	assert_int_equal(idle(), 1);
	assert_ptr_equal(take(one, &peer), u);
	drop(u);
}

static void
pools_of_forgotten_peers_are_dropped(void **state)
{
	struct weir_peer peer = peer_at("127.0.0.1", 80);
	struct upstream *kept = connect_to(one, &peer), *busy;

	(void)state;
	put(kept, false);
	peer.address.socket.in.sin_port = 1;
	busy = connect_to(one, &peer);
	for (unsigned i = 0; i < 3 * 4096; i++) {
		struct weir_peer passing = peer_named("passing.test", (uint16_t)i);

		assert_non_null(pool_find(one, &passing));
	}
	assert_ptr_equal(pool_find(one, &peer), busy->pool);
	peer = peer_at("127.0.0.1", 80);
	assert_ptr_equal(take(one, &peer), kept);
	drop(kept);
	drop(busy);
}

static void
without_memory_there_is_no_pool(void **state)
{
	struct weir_peer peer = peer_at("127.0.0.1", 80);

	(void)state;
	heap_fails = true;
	assert_null(pool_find(one, &peer));
	heap_fails = false;
	assert_non_null(pool_find(one, &peer));
}

/* --- the shelf ------------------------------------------------------------------------------------------ */

static void
what_one_thread_shelves_another_takes(void **state)
{
	struct weir_peer peer = peer_at("127.0.0.1", 80);
	struct upstream *u = connect_to(one, &peer);

	(void)state;
	u->requests = 41;
	put(u, true);
	assert_int_equal(idle(), 0);
	u = take(other, &peer);
	assert_non_null(u);
	assert_ptr_equal(u->thread, other);
	assert_int_equal(u->requests, 41);
	assert_int_equal(counter_read(&other->counters, COUNT_UPSTREAM_SHELVED), 1);
	assert_int_equal(send(u->wire.fd, "x", 1, MSG_NOSIGNAL), 1);
	assert_false(is_closed(servers[0]));
	assert_null(take(one, &peer));
	put(u, false);				/* there it is kept now, its read event added */
	assert_int_equal(counter_read(&other->counters, COUNT_UPSTREAM_IDLE), 1);
	shutdown(servers[0], SHUT_WR);
	UNTIL(idle() == 0);
}

static void
one_difference_never_shares_on_the_shelf_either(void **state)
{
	(void)state;
	for (unsigned i = 0; i < PEERS; i++)
		build_peer(&peers[i], i);
	for (unsigned i = 0; i < PEERS; i++) {
		put(connect_to(one, &peers[i].peer), true);
		for (unsigned j = 0; j < PEERS; j++)
			if (j != i)
				assert_null(take(other, &peers[j].peer));
		drop(take(other, &peers[i].peer));
		close(servers[--server_count]);
	}
}

/* Three were in use at once; later one at a time will do, and the others go to the shelf when they come back
 * from use. */
static void
what_is_beyond_need_is_shelved(void **state)
{
	struct weir_peer peer = peer_at("127.0.0.1", 80);
	struct upstream *u[3];

	(void)state;
	for (int i = 0; i < 3; i++)
		u[i] = connect_to(one, &peer);
	for (int i = 0; i < 3; i++)
		put(u[i], false);
	assert_int_equal(idle(), 3);
	put(take(one, &peer), false);
	assert_int_equal(idle(), 3);		/* lately three were needed */
	for (int i = 0; i < 4; i++) {
		pass(one, 1100);
		put(take(one, &peer), false);
	}
	assert_int_equal(idle(), 1);
	drop(take(other, &peer));
	drop(take(other, &peer));
	assert_null(take(other, &peer));
}

static void
no_more_are_kept_than_there_are_clients(void **state)
{
	struct weir_peer peer = peer_at("127.0.0.1", 80);
	struct upstream *u[3];

	(void)state;
	for (int i = 0; i < 3; i++)
		u[i] = connect_to(one, &peer);
	one->client_count = 2;
	for (int i = 0; i < 3; i++)
		put(u[i], false);
	assert_int_equal(idle(), 2);
	one->client_count = 1;
	pools_trim(one);			/* a client has gone */
	assert_int_equal(idle(), 1);
	assert_ptr_equal(take(one, &peer), u[1]);	/* the oldest went */
	drop(u[1]);
	drop(take(other, &peer));
	drop(take(other, &peer));
	assert_null(take(other, &peer));
}

static void
a_dead_one_is_not_taken_from_the_shelf(void **state)
{
	struct weir_peer peer = peer_at("127.0.0.1", 80);
	struct upstream *u;

	(void)state;
	for (int i = 0; i < 3; i++)
		put(connect_to(one, &peer), true);
	shutdown(servers[2], SHUT_WR);
	assert_int_equal(send(servers[1], "!", 1, MSG_NOSIGNAL), 1);
	u = take(other, &peer);
	assert_non_null(u);
	assert_true(is_closed(servers[2]));
	assert_true(is_closed(servers[1]));
	assert_false(is_closed(servers[0]));
	drop(u);
	assert_null(take(other, &peer));
}

static void
the_shelf_is_swept(void **state)
{
	struct weir_peer peer = peer_at("127.0.0.1", 80);

	(void)state;
	put(connect_to(one, &peer), true);
	pass(one, 9000);
	assert_false(is_closed(servers[0]));
	put(connect_to(one, &peer), true);
	pass(one, 2100);
	assert_true(is_closed(servers[0]));
	assert_false(is_closed(servers[1]));
	passed_time += 10000;			/* the sweep has not come, but its time is over */
	assert_null(take(other, &peer));
	assert_true(is_closed(servers[1]));
}

static void
without_memory_it_is_closed_instead(void **state)
{
	struct weir_peer peer = peer_at("127.0.0.1", 80);
	struct upstream *u = connect_to(one, &peer);

	(void)state;
	pool_find(other, &peer);
	heap_fails = true;
	put(u, true);
	heap_fails = false;
	assert_true(is_closed(servers[0]));
	put(connect_to(one, &peer), true);
	heap_fails = true;
	assert_null(take(other, &peer));
	heap_fails = false;
	assert_true(is_closed(servers[1]));
}

/* The threads end with connections in their pools and on the shelf: `end` sees that all are closed. */
static void
the_end_closes_what_is_idle(void **state)
{
	struct weir_peer peer = peer_at("127.0.0.1", 80);

	(void)state;
	put(connect_to(one, &peer), false);
	put(connect_to(other, &peer), false);
	put(connect_to(one, &peer), true);
	assert_int_equal(idle(), 2);
}

#define ALONE(name) cmocka_unit_test_setup_teardown(name, begin_one, end)
#define TOGETHER(name) cmocka_unit_test_setup_teardown(name, begin_two, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		ALONE(the_newest_comes_first),
		ALONE(any_one_difference_never_shares),
		TOGETHER(a_forged_hash_never_shares),
		ALONE(equal_peers_share_whatever_memory_they_lie_in),
		ALONE(the_oldest_goes_when_there_are_too_many),
		ALONE(a_thread_keeps_no_more_than_it_bears),
		ALONE(without_keepalive_nothing_is_kept),
		ALONE(an_idle_connection_expires),
		ALONE(what_the_server_closed_is_not_handed_out),
		ALONE(a_server_that_speaks_unasked_is_left),
		ALONE(a_request_that_cannot_be_repeated_finds_it_out_first),
		ALONE(a_pooled_connection_must_be_permitted_too),
		ALONE(alone_a_thread_shelves_nothing),
		ALONE(pools_of_forgotten_peers_are_dropped),
		ALONE(without_memory_there_is_no_pool),
		TOGETHER(what_one_thread_shelves_another_takes),
		TOGETHER(one_difference_never_shares_on_the_shelf_either),
		TOGETHER(what_is_beyond_need_is_shelved),
		TOGETHER(no_more_are_kept_than_there_are_clients),
		TOGETHER(a_dead_one_is_not_taken_from_the_shelf),
		TOGETHER(the_shelf_is_swept),
		TOGETHER(without_memory_it_is_closed_instead),
		TOGETHER(the_end_closes_what_is_idle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
