/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenes for a thread's listeners: who is let in, who is too many, what happens without descriptors, and
 * what a new generation keeps, opens and closes.
 *
 * Threads that stand still (still_threads.h), real sockets and clients. accept4 is wrapped: it fails on
 * demand, and says that a client comes from where the scene wants it to.
 */
#include "core_scenes.h"
#include "server/listener.h"
#include "still_threads.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { CLIENTS = 16 };

static struct sockets all;
static struct generation *generations[4];
static unsigned generation_count;
static int clients[CLIENTS];
static unsigned client_count;
static struct thread *t;

static const char *come_from;			/* an address; NULL: as it is */
static int accept_fails;			/* with this error, until it is 0 */
static unsigned accepts;
static bool heap_fails;

int __real_accept4(int, struct sockaddr *, socklen_t *, int);
int __wrap_accept4(int, struct sockaddr *, socklen_t *, int);
void *__real_calloc(size_t, size_t);
void *__wrap_calloc(size_t, size_t);

static void
pretend(struct sockaddr *from, socklen_t *length)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(1234) };
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(1234) };

	if (inet_pton(AF_INET6, come_from, &in6.sin6_addr) == 1) {
		memcpy(from, &in6, sizeof(in6));
		*length = sizeof(in6);
	} else {
		assert_int_equal(inet_pton(AF_INET, come_from, &in.sin_addr), 1);
		memcpy(from, &in, sizeof(in));
		*length = sizeof(in);
	}
}

int
__wrap_accept4(int fd, struct sockaddr *from, socklen_t *length, int flags)
{
	int client;

	accepts++;
	if (accept_fails != 0) {
		errno = accept_fails;
		return -1;
	}
	client = __real_accept4(fd, from, length, flags);
	if (client >= 0 && come_from != NULL)
		pretend(from, length);
	return client;
}

void *
__wrap_calloc(size_t count, size_t size)
{
	return heap_fails ? NULL : __real_calloc(count, size);
}

static int
begin(void **state)
{
	int result = begin_core(state);

	accept_fails = 0;
	accepts = client_count = generation_count = 0;
	come_from = NULL;
	threads_up(1);
	t = &still.list[0];
	all = (struct sockets){ .threads = 1 };
	return result;
}

static int
end(void **state)
{
	for (unsigned i = 0; i < client_count; i++)
		close(clients[i]);
	UNTIL(t->client_count == 0);
	assert_int_equal(atomic_load(&still.connections), 0);
	stop_threads();
	sockets_close(&all);
	assert_nothing_open();
	for (unsigned i = 0; i < generation_count; i++)
		generation_free(&generations[i]);
	return end_core(state);
}

/* From now on this is the configuration. */
static void
serve(const char *text)
{
	struct generation *g = generations[generation_count++] = generation_of(text, 1);

	if (!sockets_open(&all, g, &scene_report))
		fail_msg("%s", said());
	assert_true(threads_publish(&still, g, &all));
	UNTIL(still.taking == 0);
	sockets_sweep(&all);
}

#define WEB "[listen web]\naddress = 127.0.0.1:0\n"

/* A client of the first listener that begins so, connected, though perhaps not accepted. */
static int
client_of(const char *text)
{
	struct socket_set *set = all.first;
	union { struct sockaddr any; struct sockaddr_storage storage; } address;
	socklen_t length = sizeof(address);
	int fd;

	while (set != NULL && strncmp(set->text, text, strlen(text)) != 0)
		set = set->next;
	assert_non_null(set);
	assert_true(client_count < CLIENTS);
	assert_int_equal(getsockname(set->sockets[0], &address.any, &length), 0);
	fd = clients[client_count++] = socket(address.any.sa_family, SOCK_STREAM, 0);
	assert_int_equal(connect(fd, &address.any, length), 0);
	return fd;
}

static bool
is_closed(int fd)
{
	char byte;
	ssize_t got = recv(fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK);

	return got == 0 || (got < 0 && errno == ECONNRESET);
}

static uint64_t
counted(enum counter which)
{
	return threads_count(&still, which);
}

/* Come, and be let in or not. */
static int
admitted(const char *from)
{
	uint64_t before = counted(COUNT_CLIENT_CONNECTIONS);
	int fd = client_of("");

	come_from = from;
	UNTIL(counted(COUNT_CLIENT_CONNECTIONS) == before + 1);
	come_from = NULL;
	assert_false(is_closed(fd));
	return fd;
}

static void
turned_away(const char *from)
{
	uint64_t before = counted(COUNT_CLIENT_CONNECTIONS), refused = counted(COUNT_CLIENT_REFUSED);
	int fd = client_of("");

	come_from = from;
	UNTIL(is_closed(fd));
	come_from = NULL;
	assert_int_equal(counted(COUNT_CLIENT_CONNECTIONS), before);
	assert_int_equal(counted(COUNT_CLIENT_REFUSED), refused + 1);
}

static void
leave(int fd)
{
	uint64_t before = counted(COUNT_CLIENT_CONNECTIONS);

	shutdown(fd, SHUT_RDWR);
	UNTIL(counted(COUNT_CLIENT_CONNECTIONS) == before - 1);
}

/* --- limits --------------------------------------------------------------------------------------------- */

static void
clients_come_and_go(void **state)
{
	int fd;

	(void)state;
	serve(WEB ROUTE);
	fd = admitted(NULL);
	admitted(NULL);
	assert_int_equal(counted(COUNT_CLIENT_ACCEPTED), 2);
	assert_int_equal(atomic_load(&still.connections), 2);
	assert_int_equal(t->client_count, 2);
	assert_int_equal(t->listeners->clients, 2);
	leave(fd);
	assert_int_equal(atomic_load(&still.connections), 1);
	assert_int_equal(t->listeners->clients, 1);
	assert_int_equal(counted(COUNT_CLIENT_REFUSED), 0);
}

static void
the_process_has_a_limit(void **state)
{
	int fd;

	(void)state;
	serve("[weir]\nconnections = 2\n" WEB ROUTE);
	fd = admitted(NULL);
	admitted(NULL);
	turned_away(NULL);
	turned_away("203.0.113.1");
	leave(fd);
	admitted(NULL);
	turned_away(NULL);
	serve("[weir]\nconnections = 3\n" WEB ROUTE);	/* a reload raises it */
	admitted(NULL);
	turned_away(NULL);
}

static void
a_client_has_a_limit(void **state)
{
	int fd;

	(void)state;
	serve(WEB "connections_per_client = 2\n" ROUTE);
	fd = admitted("192.0.2.1");
	admitted("192.0.2.1");
	turned_away("192.0.2.1");
	turned_away("192.0.2.1");
	admitted("192.0.2.2");
	leave(fd);
	admitted("192.0.2.1");
	turned_away("192.0.2.1");
	serve(WEB "connections_per_client = 0\n" ROUTE);	/* none */
	admitted("192.0.2.1");
}

/* Whoever has an address of IPv6 has 2^64 of them. */
static void
a_64_of_ipv6_is_one_client(void **state)
{
	(void)state;
	serve(WEB "connections_per_client = 2\n" ROUTE);
	admitted("2001:db8:1:2::1");
	admitted("2001:db8:1:2:ffff:ffff:ffff:ffff");
	turned_away("2001:db8:1:2:3:4:5:6");
	admitted("2001:db8:1:3::1");
	admitted("2001:db8:0:2::1");
}

static void
clients_of_a_unix_socket_are_many(void **state)
{
	char ini[256];

	(void)state;
	snprintf(ini, sizeof(ini), "[listen web]\naddress = unix:%s/web.sock\nconnections_per_client = 1\n%s",
		scene_folder, ROUTE);
	serve(ini);
	admitted(NULL);
	admitted(NULL);
}

/* --- what the kernel may say ---------------------------------------------------------------------------- */

static void
without_descriptors_it_pauses(void **state)
{
	const int errors[] = { EMFILE, ENFILE, ENOBUFS, ENOMEM };
	uint64_t failed = 0;

	(void)state;
	serve(WEB ROUTE);
	for (int i = 0; i < 4; i++) {
		int fd = client_of("");
		int64_t begun = real_time();

		accepts = 0;
		accept_fails = errors[i];
		UNTIL(accepts > 0);
		for (int j = 0; j < 100; j++)
			turn();
		assert_true(accepts <= 1 + (real_time() - begun) / 100);	/* though somebody waits */
		failed += accepts;
		assert_int_equal(counted(COUNT_ACCEPT_FAILED), failed);
		assert_false(is_closed(fd));
		accept_fails = 0;
		UNTIL(counted(COUNT_CLIENT_CONNECTIONS) == (uint64_t)i + 1);
	}
}

static void
one_that_has_left_is_no_reason_to_stop(void **state)
{
	const int errors[] = { ECONNABORTED, EINTR, EPROTO, EPERM };

	(void)state;
	serve(WEB ROUTE);
	for (int i = 0; i < 4; i++) {
		client_of("");
		accepts = 0;
		accept_fails = errors[i];
		UNTIL(accepts > 0);
		assert_true(accepts > 1 && accepts <= 100);	/* it asks for the next one, within bounds */
		accept_fails = 0;
		UNTIL(counted(COUNT_CLIENT_CONNECTIONS) == (uint64_t)i + 1);
	}
	assert_int_equal(counted(COUNT_ACCEPT_FAILED), 0);
}

static void
without_memory_a_client_is_closed(void **state)
{
	int fd;

	(void)state;
	serve(WEB "connections_per_client = 1\n" ROUTE);
	fd = client_of("");
	heap_fails = true;
	UNTIL(is_closed(fd));
	heap_fails = false;
	assert_int_equal(atomic_load(&still.connections), 0);
	assert_int_equal(t->listeners->clients, 0);
	assert_int_equal(counted(COUNT_MEMORY_REFUSED), 1);
	admitted(NULL);				/* it was counted out, too */
}

/* --- generations ---------------------------------------------------------------------------------------- */

static const struct listener *
listener_on(const char *text)
{
	const struct listener *l = t->listeners;

	while (l != NULL && (l->event == NULL || strncmp(l->set->text, text, strlen(text)) != 0))
		l = l->next;
	return l;
}

static void
a_new_generation_keeps_opens_and_closes(void **state)
{
	const struct listener *kept;
	int stays, goes;

	(void)state;
	serve("[listen a]\naddress = 127.0.0.1:0\n[listen b]\naddress = 127.0.0.2:0\n" ROUTE);
	goes = client_of("127.0.0.1:");
	stays = client_of("127.0.0.2:");
	UNTIL(t->client_count == 2);
	kept = listener_on("127.0.0.2:");
	assert_string_equal(kept->listen->name, "b");
	serve("[listen c]\naddress = 127.0.0.3:0\n[listen b2]\naddress = 127.0.0.2:0\n" ROUTE);
	assert_ptr_equal(listener_on("127.0.0.2:"), kept);
	assert_string_equal(kept->listen->name, "b2");
	assert_null(listener_on("127.0.0.1:"));
	assert_non_null(listener_on("127.0.0.3:"));
	assert_true(is_closed(goes));		/* an idle client of what is gone */
	assert_false(is_closed(stays));
	client_of("127.0.0.3:");
	client_of("127.0.0.2:");
	UNTIL(t->client_count == 3);
}

/* It accepts what had connected before; then nobody can. */
static void
a_drain_lets_nobody_in_who_comes_later(void **state)
{
	struct sockaddr_in address;
	socklen_t length = sizeof(address);
	int early, late;

	(void)state;
	serve(WEB ROUTE);
	assert_int_equal(getsockname(all.first->sockets[0], (struct sockaddr *)&address, &length), 0);
	early = client_of("");
	threads_drain(&still, 0);
	turn();
	assert_int_equal(counted(COUNT_CLIENT_ACCEPTED), 1);
	assert_null(listener_on("127.0.0.1:"));
	late = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(late, (struct sockaddr *)&address, sizeof(address)), -1);
	assert_int_equal(errno, ECONNREFUSED);
	close(late);
	UNTIL(is_closed(early) && still.undrained == 0);	/* it had asked for nothing */
	serve(WEB ROUTE);			/* not even a new generation opens anything */
	assert_null(t->listeners);
}

/* Another process has the socket as well: who waits there is its client, and nobody is refused. Idle clients have their time. */
static void
a_drain_leaves_a_lent_socket_to_the_other_process(void **state)
{
	struct sockaddr_in address;
	socklen_t length = sizeof(address);
	int early, late, accepted;

	(void)state;
	serve(WEB ROUTE);
	assert_int_equal(getsockname(all.first->sockets[0], (struct sockaddr *)&address, &length), 0);
	early = client_of("");
	turn();
	all.first->lent = true;
	late = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(late, (struct sockaddr *)&address, sizeof(address)), 0);
	listener_close_all(t);
	threads_drain(&still, 300);
	turn();
	assert_int_equal(counted(COUNT_CLIENT_ACCEPTED), 1);
	assert_null(listener_on("127.0.0.1:"));
	assert_false(is_closed(early));
	accepted = accept(all.first->sockets[0], NULL, NULL);
	assert_true(accepted >= 0);
	UNTIL(is_closed(early) && still.undrained == 0);
	close(accepted);
	close(late);
	all.first->lent = false;
}

static void
without_memory_it_is_as_if_it_were_not_there(void **state)
{
	struct generation *g;

	(void)state;
	g = generations[generation_count++] = generation_of(WEB ROUTE, 1);
	assert_true(sockets_open(&all, g, &scene_report));
	heap_fails = true;
	listener_update(t, &all, g);
	heap_fails = false;
	assert_null(t->listeners);
	listener_update(t, &all, g);		/* the next one finds it */
	assert_non_null(listener_on("127.0.0.1:"));
	listener_close_all(t);
	assert_null(t->listeners);
}

#undef SCENE
#define SCENE(name) cmocka_unit_test_setup_teardown(name, begin, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE(clients_come_and_go),
		SCENE(the_process_has_a_limit),
		SCENE(a_client_has_a_limit),
		SCENE(a_64_of_ipv6_is_one_client),
		SCENE(clients_of_a_unix_socket_are_many),
		SCENE(without_descriptors_it_pauses),
		SCENE(one_that_has_left_is_no_reason_to_stop),
		SCENE(without_memory_a_client_is_closed),
		SCENE(a_new_generation_keeps_opens_and_closes),
		SCENE(a_drain_lets_nobody_in_who_comes_later),
		SCENE(a_drain_leaves_a_lent_socket_to_the_other_process),
		SCENE(without_memory_it_is_as_if_it_were_not_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
