/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dial: look-up, attempts, and the race between them.
 */
#include "dial.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "arena.h"
#include "exchange.h"
#include "pool.h"
#include "resolver.h"
#include "thread.h"

enum { STAGGER = 250, ATTEMPTS = 4 };

struct dial {
	struct weir_exchange *x;
	struct pool *pool;
	struct resolver_request *lookup;
	struct resolver_answer *answer;		/* NULL: the peer's own address is the only one */
	unsigned next, count;			/* addresses */
	struct upstream *attempts[ATTEMPTS];	/* that are connecting; NULL: free */
	struct deadline stagger, end;
	bool counted;				/* in the pool, as a connection in use: its pool must stay */
	enum weir_peer_failure failure;
	int error;				/* of the last attempt */
};

static bool attempt_next(struct dial *);

static void
free_attempt(struct dial *d, struct upstream *u)
{
	for (unsigned i = 0; i < ATTEMPTS; i++)
		if (d->attempts[i] == u)
			d->attempts[i] = NULL;
	upstream_close(&u);
}

static unsigned
running(const struct dial *d)
{
	unsigned count = 0;

	for (unsigned i = 0; i < ATTEMPTS; i++)
		count += d->attempts[i] != NULL;
	return count;
}

void
dial_cancel(struct dial **dial)
{
	struct dial *d = *dial;

	if (d == NULL)
		return;
	if (d->lookup != NULL)
		resolver_cancel(d->x->thread->resolver, &d->lookup);
	for (unsigned i = 0; i < ATTEMPTS; i++)
		if (d->attempts[i] != NULL)
			upstream_close(&d->attempts[i]);
	deadline_remove(&d->stagger);
	deadline_remove(&d->end);
	if (d->counted)
		pool_count(d->pool, -1);
	*dial = NULL;
}

/* The race is lost. The exchange may go on at once, and be gone after this. */
static void
lose(struct dial *d)
{
	struct weir_exchange *x = d->x;

	x->peer_failure = d->failure;
	x->peer_error = d->error;
	dial_cancel(&x->dial);
	exchange_unconnected(x);
}

static void
adopt_winner(struct dial *d, struct upstream *u)
{
	struct weir_exchange *x = d->x;

	for (unsigned i = 0; i < ATTEMPTS; i++)
		if (d->attempts[i] == u)
			d->attempts[i] = NULL;
	d->counted = false;	/* the winner stays counted */
	dial_cancel(&x->dial);
	u->dial = NULL;
	u->exchange = x;
	u->requests = 1;
	x->upstream = u;
	x->reused = false;
	counter_add(&x->thread->counters, COUNT_UPSTREAM_DIALLED, 1);
}

void
dial_writable(struct dial *d, struct upstream *u)
{
	socklen_t length = sizeof(d->error);
	struct weir_exchange *x = d->x;

	d->error = 0;
	getsockopt(u->wire.fd, SOL_SOCKET, SO_ERROR, &d->error, &length);
	if (d->error == 0) {
		upstream_want_write(u, false);
		adopt_winner(d, u);
		exchange_connected(x);
		return;
	}
	d->failure = WEIR_PEER_REFUSED;
	free_attempt(d, u);
	if (attempt_next(d) && x->dial == NULL)
		exchange_connected(x);	/* it was there at once */
	else if (x->dial != NULL && running(d) == 0)
		lose(d);
}

/* --- attempts --------------------------------------------------------------------------------------------------------- */

/* The address whose turn it is, with the peer's port. */
static socklen_t
address_at(const struct dial *d, unsigned index, struct sockaddr_storage *to)
{
	const struct weir_address *peer = &d->x->peer.address;
	const struct resolver_address *found;

	if (d->answer == NULL) {
		memcpy(to, &peer->socket, peer->length);
		return peer->length;
	}
	found = &d->answer->addresses[index];
	memcpy(to, &found->any, found->length);
	if (to->ss_family == AF_INET6)
		((struct sockaddr_in6 *)to)->sin6_port = htons(peer->port);
	else
		((struct sockaddr_in *)to)->sin_port = htons(peer->port);
	return found->length;
}

/* What is not ours to dial is passed over; it is the cause only where nothing else was tried. */
static bool
is_permitted(struct dial *d, const struct sockaddr_storage *address)
{
	const struct weir_peer *peer = &d->x->peer;

	if (peer->permit == NULL || peer->permit(peer->permit_argument, (const struct sockaddr *)address))
		return true;
	if (d->failure == WEIR_PEER_OK)
		d->failure = WEIR_PEER_FORBIDDEN;
	return false;
}

static int
open_socket(const struct dial *d, sa_family_t family)
{
	const struct weir_address *from = &d->x->peer.bind;
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1, error;

	if (fd < 0 || family == AF_UNIX)
		return fd;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (from->length > 0) {
		setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
		if (bind(fd, &from->socket.any, from->length) != 0) {
			error = errno;
			close(fd);
			errno = error;
			return -1;
		}
	}
	return fd;
}

/* Begin one attempt; NULL when it failed at once. *connected: it is there already. */
static struct upstream *
attempt(struct dial *d, unsigned index, bool *connected)
{
	struct sockaddr_storage address;
	socklen_t length = address_at(d, index, &address);
	struct upstream *u;
	int fd;

	if (!is_permitted(d, &address))
		return NULL;
	fd = open_socket(d, address.ss_family);
	*connected = fd >= 0 && connect(fd, (struct sockaddr *)&address, length) == 0;
	if (fd < 0 || (!*connected && errno != EINPROGRESS)) {
		d->error = errno;
		d->failure = WEIR_PEER_REFUSED;
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	u = upstream_adopt(d->x->thread, d->pool, (struct wire){ fd });
	if (u == NULL || !upstream_want_read(u, *connected) || !upstream_want_write(u, !*connected)) {
		upstream_close(&u);
		d->error = ENOMEM;
		d->failure = WEIR_PEER_REFUSED;
		return NULL;
	}
	u->dial = d;
	return u;
}

/* Try the next addresses until one is on its way. False when none is left or all slots are busy; after true the
 * exchange may have been connected: then x->dial is NULL. */
static bool
attempt_next(struct dial *d)
{
	struct weir_exchange *x = d->x;

	while (d->next < d->count) {
		unsigned slot = 0;
		bool connected;
		struct upstream *u;

		while (slot < ATTEMPTS && d->attempts[slot] != NULL)
			slot++;
		if (slot == ATTEMPTS)
			return false;
		u = attempt(d, d->next++, &connected);
		if (u == NULL)
			continue;
		d->attempts[slot] = u;
		if (connected)
			adopt_winner(d, u);
		else if (d->next < d->count)
			deadline_set(&d->stagger, &x->thread->wheel, STAGGER);
		return true;
	}
	return false;
}

static void
stagger_passed(struct deadline *deadline)
{
	struct dial *d = (struct dial *)((char *)deadline - offsetof(struct dial, stagger));
	struct weir_exchange *x = d->x;

	if (attempt_next(d) && x->dial == NULL)
		exchange_connected(x);
	else if (x->dial != NULL && running(d) == 0)
		lose(d);
}

static void
end_passed(struct deadline *deadline)
{
	struct dial *d = (struct dial *)((char *)deadline - offsetof(struct dial, end));

	d->failure = d->lookup != NULL ? WEIR_PEER_UNRESOLVED : WEIR_PEER_TIMEOUT;
	d->error = ETIMEDOUT;
	lose(d);
}

/* --- names ---------------------------------------------------------------------------------------------------------------- */

static bool
use_answer(struct dial *d, const struct resolver_answer *answer)
{
	d->answer = arena_alloc(&d->x->arena, sizeof(*answer));
	if (d->answer == NULL || answer->count == 0) {
		d->failure = WEIR_PEER_UNRESOLVED;
		return false;
	}
	*d->answer = *answer;
	d->count = answer->count;
	d->failure = WEIR_PEER_OK;
	return true;
}

static void
resolved(const struct resolver_answer *answer, void *argument)
{
	struct dial *d = argument;
	struct weir_exchange *x = d->x;

	d->lookup = NULL;
	if (!use_answer(d, answer) || !attempt_next(d))
		lose(d);
	else if (x->dial == NULL)
		exchange_connected(x);
}

/* The addresses, or a question for them. */
static enum upstream_result
find_addresses(struct dial *d)
{
	const struct weir_peer *peer = &d->x->peer;
	const struct resolver_answer *known;

	if (peer->address.length > 0) {
		d->count = 1;
		return UPSTREAM_READY;
	}
	d->failure = WEIR_PEER_UNRESOLVED;
	if (peer->address.host == NULL)
		return UPSTREAM_FAILED;
	known = resolver_cached(d->x->thread->resolver, peer->address.host);
	if (known != NULL)
		return use_answer(d, known) ? UPSTREAM_READY : UPSTREAM_FAILED;
	d->lookup = resolver_lookup(d->x->thread->resolver, peer->address.host, resolved, d);
	return d->lookup != NULL ? UPSTREAM_PENDING : UPSTREAM_FAILED;
}

enum upstream_result
dial_start(struct weir_exchange *x, struct pool *pool)
{
	struct dial *d = arena_zalloc(&x->arena, sizeof(*d));
	enum upstream_result result = UPSTREAM_FAILED;

	assert(x->dial == NULL);
	x->peer_failure = WEIR_PEER_REFUSED;
	x->peer_error = ENOMEM;
	if (d == NULL)
		return UPSTREAM_FAILED;
	d->x = x;
	d->pool = pool;
	deadline_init(&d->stagger, stagger_passed);
	deadline_init(&d->end, end_passed);
	x->dial = d;
	pool_count(pool, 1);
	d->counted = true;
	result = find_addresses(d);
	if (result == UPSTREAM_READY)
		result = !attempt_next(d) ? UPSTREAM_FAILED : x->dial == NULL ? UPSTREAM_READY : UPSTREAM_PENDING;
	if (result == UPSTREAM_PENDING)
		deadline_set(&d->end, &x->thread->wheel, x->peer.connect_timeout);
	if (result == UPSTREAM_FAILED) {
		x->peer_failure = d->failure;
		x->peer_error = d->error;
		dial_cancel(&x->dial);
	}
	return result;
}
