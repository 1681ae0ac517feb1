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
#include "establish.h"
#include "exchange.h"
#include "pool.h"
#include "resolver.h"
#include "srv.h"
#include "thread.h"

enum { STAGGER = 250, ATTEMPTS = 4 };

struct dial {
	struct weir_exchange *x;
	struct pool *pool;
	struct resolver_request *lookup;
	struct resolver_answer *answer;		/* NULL: the peer's own address is the only one */
	unsigned next, count;			/* addresses */
	struct upstream *attempts[ATTEMPTS];	/* that are connecting; NULL: free */
	struct upstream *reached;		/* the attempt that has connected, while the rest of the way is made */
	struct establish establish;		/* of that one */
	struct deadline stagger, end;
	bool counted;				/* in the pool, as a connection in use: its pool must stay */
	enum weir_peer_failure failure;
	int error;				/* of the last attempt */
	const char *cause;			/* the same in words, where there are any */
};

static bool attempt_next(struct dial *);

static void
forget_attempt(struct dial *d, const struct upstream *u)
{
	for (unsigned i = 0; i < ATTEMPTS; i++)
		if (d->attempts[i] == u)
			d->attempts[i] = NULL;
	if (d->reached == u)
		d->reached = NULL;
}

static void
free_attempt(struct dial *d, struct upstream *u)
{
	forget_attempt(d, u);
	upstream_close(&u);
}

static void
refuse(struct dial *d, int error)
{
	d->failure = WEIR_PEER_REFUSED;
	d->error = error;
	d->cause = NULL;
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
	x->peer_cause = d->cause;
	dial_cancel(&x->dial);
	exchange_unconnected(x);
}

static void
adopt_winner(struct dial *d, struct upstream *u)
{
	struct weir_exchange *x = d->x;

	forget_attempt(d, u);
	d->counted = false;	/* the winner stays counted */
	dial_cancel(&x->dial);
	upstream_want_write(u, false);
	u->dial = NULL;
	u->exchange = x;
	u->requests = 1;
	x->upstream = u;
	x->reused = false;
	counter_add(&x->thread->counters, COUNT_UPSTREAM_DIALLED, 1);
}

/* Go on from the address that was reached. False: there is no way from there. After true it is the winner (x->dial is NULL), or
 * on its way. */
static bool
establish(struct dial *d, struct upstream *u)
{
	switch (establish_go(&d->establish)) {
	case ESTABLISH_READY:
		adopt_winner(d, u);
		return true;
	case ESTABLISH_WAIT:
		return true;
	default:
		d->failure = d->establish.failure;
		d->cause = d->establish.cause;
		free_attempt(d, u);
		return false;
	}
}

/* What is dialled: the peer, or the nearest proxy on the way to it. */
static const struct weir_address *
first_address(const struct dial *d)
{
	const struct weir_peer *peer = &d->x->peer;

	return peer->via != NULL ? &peer->via->address : &peer->address;
}

/* Others were tried before the one that has answered: the next dial begins with this one. */
static void
remember(struct dial *d, const struct upstream *u)
{
	struct sockaddr_storage address;
	socklen_t length = sizeof(address);

	if (getpeername(u->wire.fd, (struct sockaddr *)&address, &length) == 0)
		resolver_prefer(d->x->thread->resolver, first_address(d)->host, (const struct sockaddr *)&address);
}

/* An address has answered: the race is over. Likewise. */
static bool
reach(struct dial *d, struct upstream *u)
{
	const struct weir_peer *peer = &d->x->peer;

	if (d->answer != NULL && d->answer->best == 0 && d->next > 1)
		remember(d, u);
	if (!establish_is_needed(peer)) {
		adopt_winner(d, u);
		return true;
	}
	for (unsigned i = 0; i < ATTEMPTS; i++)
		if (d->attempts[i] != u)
			upstream_close(&d->attempts[i]);
	deadline_clear(&d->stagger);
	d->reached = u;
	establish_begin(&d->establish, peer, pool_key(d->pool), u, &d->x->arena);
	return establish(d, u);
}

/* Something has happened to the dial. */
static void
go_on(struct dial *d, bool under_way)
{
	struct weir_exchange *x = d->x;

	if (!under_way)
		under_way = attempt_next(d);
	if (under_way && x->dial == NULL)
		exchange_connected(x);
	else if (x->dial != NULL && running(d) == 0)
		lose(d);
}

void
dial_readable(struct dial *d, struct upstream *u)
{
	go_on(d, establish(d, u));
}

void
dial_writable(struct dial *d, struct upstream *u)
{
	socklen_t length = sizeof(d->error);

	if (d->reached == u) {
		go_on(d, establish(d, u));
		return;
	}
	d->error = 0;
	getsockopt(u->wire.fd, SOL_SOCKET, SO_ERROR, &d->error, &length);
	if (d->error == 0) {
		go_on(d, upstream_want_write(u, false) && reach(d, u));
		return;
	}
	refuse(d, d->error);
	free_attempt(d, u);
	go_on(d, false);
}

/* --- attempts --------------------------------------------------------------------------------------------------------- */

/* The address whose turn it is, with the port. */
static socklen_t
address_at(const struct dial *d, unsigned index, struct sockaddr_storage *to)
{
	const struct weir_address *address = first_address(d);
	const struct resolver_address *found;

	if (d->answer == NULL) {
		memcpy(to, &address->socket, address->length);
		return address->length;
	}
	found = &d->answer->addresses[index];
	memcpy(to, &found->any, found->length);
	if (d->answer->best > 0)	/* of a service, which has its port */
		return found->length;
	if (to->ss_family == AF_INET6)
		((struct sockaddr_in6 *)to)->sin6_port = htons(address->port);
	else
		((struct sockaddr_in *)to)->sin_port = htons(address->port);
	return found->length;
}

/* What is not ours to dial is passed over; it is the cause only where nothing else was tried. */
static bool
is_permitted(struct dial *d, const struct sockaddr_storage *address)
{
	const struct weir_peer *peer = &d->x->peer;

	if (peer->permit == NULL || peer->via != NULL || peer->permit(peer->permit_argument, (const struct sockaddr *)address))
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
		refuse(d, errno);
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	u = upstream_adopt(d->x->thread, d->pool, (struct wire){ .fd = fd });
	if (u == NULL || !upstream_want_read(u, *connected) || !upstream_want_write(u, !*connected)) {
		upstream_close(&u);
		refuse(d, ENOMEM);
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
		if (connected && !reach(d, u))
			continue;
		if (!connected && d->next < d->count)
			deadline_set(&d->stagger, &x->thread->wheel, STAGGER);
		return true;
	}
	return false;
}

static void
stagger_passed(struct deadline *deadline)
{
	go_on((struct dial *)((char *)deadline - offsetof(struct dial, stagger)), false);
}

static void
end_passed(struct deadline *deadline)
{
	struct dial *d = (struct dial *)((char *)deadline - offsetof(struct dial, end));

	refuse(d, ETIMEDOUT);
	d->failure = d->lookup != NULL ? WEIR_PEER_UNRESOLVED : WEIR_PEER_TIMEOUT;
	if (d->reached != NULL)
		d->cause = establish_waits_for(&d->establish);
	lose(d);
}

/* --- names ---------------------------------------------------------------------------------------------------------------- */

/* Each dial of a service draws anew which of its best servers is asked first. */
static void
begin_with(struct resolver_answer *answer, unsigned index)
{
	struct resolver_address first = answer->addresses[index];

	answer->addresses[index] = answer->addresses[0];
	answer->addresses[0] = first;
}

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
	if (answer->best > 1)
		begin_with(d->answer, srv_choose(answer, weir_random()));
	return true;
}

static void
resolved(const struct resolver_answer *answer, void *argument)
{
	struct dial *d = argument;

	d->lookup = NULL;
	if (use_answer(d, answer))
		go_on(d, false);
	else
		lose(d);
}

/* The addresses, or a question for them. */
static enum upstream_result
find_addresses(struct dial *d)
{
	const struct weir_address *address = first_address(d);
	const struct resolver_answer *known;

	if (address->length > 0) {
		d->count = 1;
		return UPSTREAM_READY;
	}
	d->failure = WEIR_PEER_UNRESOLVED;
	if (address->host == NULL)
		return UPSTREAM_FAILED;
	known = resolver_cached(d->x->thread->resolver, address->host);
	if (known != NULL)
		return use_answer(d, known) ? UPSTREAM_READY : UPSTREAM_FAILED;
	d->lookup = resolver_lookup(d->x->thread->resolver, address->host, resolved, d);
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
	x->peer_cause = NULL;
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
		x->peer_cause = d->cause;
		dial_cancel(&x->dial);
	}
	return result;
}
