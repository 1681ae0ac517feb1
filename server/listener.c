/* SPDX-License-Identifier: Apache-2.0 */
/*
 * listener: a thread's end of the listening sockets. It accepts within the limits and begins clients.
 *
 * Out of descriptors, the kernel would report the waiting connection again and again: the listener pauses for a moment
 * instead. The number of connections of one client is kept in a table of counters by a hash of its address,
 * shared by all threads; it is touched when a connection comes and goes, never by a request.
 */
#include "listener.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client.h"
#include "clients.h"
#include "generation.h"
#include "log.h"
#include "thread.h"

enum { ACCEPT_BATCH = 32, PAUSE_MS = 100, CLIENT_BUCKETS = 1 << 16 };

static _Atomic uint32_t client_counts[CLIENT_BUCKETS];
static _Atomic uint64_t client_seed;

/* --- connections of one client --------------------------------------------------------------------------------------- */

static _Atomic uint32_t *
bucket_of(const struct sockaddr *address)
{
	uint64_t hash = atomic_load_explicit(&client_seed, memory_order_relaxed), word[2] = { 0, 0 };

	if (address->sa_family == AF_INET)
		word[0] = ((const struct sockaddr_in *)address)->sin_addr.s_addr;
	else if (address->sa_family == AF_INET6)	/* a /64 is one client: it has that many addresses */
		memcpy(word, &((const struct sockaddr_in6 *)address)->sin6_addr, 8);
	else
		return NULL;
	for (int i = 0; i < 2; i++) {
		hash ^= word[i];
		hash *= 0x9e3779b97f4a7c15u;
		hash ^= hash >> 29;
	}
	return &client_counts[hash % CLIENT_BUCKETS];
}

/* Count it for its client; false when that one has as many as it may. */
static bool
count_client(const struct listener *l, const struct sockaddr *address)
{
	_Atomic uint32_t *bucket = bucket_of(address);
	int64_t limit = l->listen->settings.connections_per_client;

	return bucket == NULL || (int64_t)atomic_fetch_add_explicit(bucket, 1, memory_order_relaxed) < limit || limit == 0;
}

static void
discount_client(const struct sockaddr *address)
{
	_Atomic uint32_t *bucket = bucket_of(address);

	if (bucket != NULL)
		atomic_fetch_sub_explicit(bucket, 1, memory_order_relaxed);
}

bool
listener_recount(struct listener *l, const struct sockaddr *from, const struct sockaddr *to)
{
	discount_client(from);
	return count_client(l, to);
}

/* Count it in; false when the listener, the process or the client has as many as it may. */
static bool
admit(struct listener *l, const struct sockaddr *address)
{
	struct threads *all = l->thread->all;
	bool good = count_client(l, address);

	if (atomic_fetch_add_explicit(&all->connections, 1, memory_order_relaxed)
			>= atomic_load_explicit(&all->connection_limit, memory_order_relaxed))
		good = false;
	return good;
}

static void
count_out(struct thread *t, const struct sockaddr *address)
{
	atomic_fetch_sub_explicit(&t->all->connections, 1, memory_order_relaxed);
	discount_client(address);
}

/* --- life --------------------------------------------------------------------------------------------------------------- */

static void
free_listener(struct listener *l)
{
	struct listener **link = &l->thread->listeners;

	while (*link != l)
		link = &(*link)->next;
	*link = l->next;
	if (l->event != NULL)
		event_free(l->event);
	if (l->pause != NULL)
		event_free(l->pause);
	free(l);
}

/* Whoever has counted among its clients no longer does. */
static void
let_go(struct listener *l)
{
	assert(l->clients > 0);
	if (--l->clients == 0 && l->event == NULL)
		free_listener(l);
}

void
listener_forget(struct listener *l, const struct sockaddr *address)
{
	count_out(l->thread, address);
	let_go(l);
}

/* --- accepting ------------------------------------------------------------------------------------------------------------ */

static void
starve(struct listener *l, int error)
{
	static const struct timeval pause = { 0, PAUSE_MS * 1000 };

	counter_add(&l->thread->counters, COUNT_ACCEPT_FAILED, 1);
	if (!l->starving)
		weir_log(WEIR_LOG_ERROR, "cannot accept on %s: %s; raise the limit on open files (ulimit -n, LimitNOFILE=)",
			l->set->text, strerror(error));
	l->starving = true;
	if (event_add(l->pause, &pause) == 0)
		event_del(l->event);
}

static void
pause_over(evutil_socket_t fd, short what, void *argument)
{
	struct listener *l = argument;

	(void)fd;
	(void)what;
	if (l->event != NULL && event_add(l->event, NULL) != 0)
		starve(l, errno);	/* for another pause */
}

/* One connection. False when there is none, or none can be had now. */
static bool
accept_one(struct listener *l)
{
	union { struct sockaddr any; struct sockaddr_storage storage; } from;
	socklen_t length = sizeof(from);
	int fd = accept4(l->fd, &from.any, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0) {
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
			starve(l, errno);
		return errno == EINTR || errno == ECONNABORTED || errno == EPROTO || errno == EPERM;
	}
	l->starving = false;
	if (length < sizeof(sa_family_t))
		from.any.sa_family = AF_UNIX;
	counter_add(&l->thread->counters, COUNT_CLIENT_ACCEPTED, 1);
	if (!admit(l, &from.any)) {
		counter_add(&l->thread->counters, COUNT_CLIENT_REFUSED, 1);
		count_out(l->thread, &from.any);
		close(fd);
		return true;
	}
	l->clients++;
	client_new(l, fd, &from.any);
	return true;
}

static void
acceptable(evutil_socket_t fd, short what, void *argument)
{
	struct listener *l = argument;

	(void)fd;
	(void)what;
	for (int i = 0; i < ACCEPT_BATCH && l->event != NULL; i++)
		if (!accept_one(l))
			return;
}

/* --- a thread's listeners ------------------------------------------------------------------------------------------------ */

/* Not without being counted among its clients: it may have lost the others. */
static void
stop_accepting(struct listener *l, bool drain)
{
	if (l->event == NULL)
		return;
	for (int i = 0; drain && !l->set->lent && i < 4096 && accept_one(l); i++)
		;
	if (drain && !l->set->inherited && !l->set->lent)
		shutdown(l->fd, SHUT_RD);	/* the kernel refuses from now on; what others have goes on there */
	event_free(l->event);
	l->event = NULL;
	if (l->pause != NULL)
		event_free(l->pause);
	l->pause = NULL;
	l->set = NULL;
}

static void
begin(struct thread *t, const struct socket_set *set, const struct listen *listen, int fd)
{
	struct listener *l = calloc(1, sizeof(*l));

	if (l != NULL) {
		l->thread = t;
		l->set = set;
		l->listen = listen;
		l->fd = fd;
		l->event = event_new(t->base, l->fd, EV_READ | EV_PERSIST, acceptable, l);
		l->pause = event_new(t->base, -1, 0, pause_over, l);
		l->next = t->listeners;
		t->listeners = l;
		if (l->event != NULL && l->pause != NULL && event_add(l->event, NULL) == 0)
			return;
		free_listener(l);
	}
	weir_log(WEIR_LOG_ERROR, "thread %u has no memory to listen on %s", t->public.number, set->text);
}

bool
listener_serves(const struct socket_set *set, unsigned socket, unsigned thread, unsigned threads)
{
	/* Of whichever there are fewer, each has several of the others. */
	return set->count < threads ? thread % set->count == socket : socket % threads == thread;
}

static void
begin_set(struct thread *t, const struct socket_set *set, const struct listen *listen)
{
	for (unsigned i = 0; i < set->count; i++)
		if (listener_serves(set, i, t->public.number, t->all->count))
			begin(t, set, listen, set->sockets[i]);
}

static const struct socket_set *
set_of(const struct sockets *sockets, const struct listener *l)
{
	const struct socket_set *set = sockets->first;

	while (set != NULL && set != l->set)
		set = set->next;
	return set;
}

void
listener_update(struct thread *t, const struct sockets *sockets, const struct generation *g)
{
	struct listener *l, *next;

	uint64_t unseeded = 0;

	atomic_compare_exchange_strong(&client_seed, &unseeded, weir_random() | 1);
	for (l = t->listeners; l != NULL; l = next) {
		const struct socket_set *set = l->event == NULL ? NULL : set_of(sockets, l);

		next = l->next;
		if (set != NULL && set->wanted) {
			l->listen = &g->listens[set->listen];
			continue;
		}
		l->listen = NULL;
		l->clients++;
		clients_close_of(t, l);
		stop_accepting(l, false);
		let_go(l);
	}
	if (t->draining)
		return;
	for (const struct socket_set *set = sockets->first; set != NULL; set = set->next) {
		for (l = t->listeners; l != NULL && l->set != set; l = l->next)
			;
		if (l == NULL && set->wanted)
			begin_set(t, set, &g->listens[set->listen]);
	}
}

void
listener_close_all(struct thread *t)
{
	struct listener *next;

	for (struct listener *l = t->listeners; l != NULL; l = next) {
		next = l->next;
		l->clients++;
		stop_accepting(l, true);
		let_go(l);
	}
}

void
listener_free_all(struct thread *t)
{
	while (t->listeners != NULL)
		free_listener(t->listeners);
}
