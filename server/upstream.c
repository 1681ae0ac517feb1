/* SPDX-License-Identifier: Apache-2.0 */
/*
 * upstream: connections to servers: their events, and how an exchange obtains one.
 *
 * The events of a connection in use go to its exchange (exchange.h); of an idle one every event means its end.
 */
#include "upstream.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "buffer.h"
#include "dial.h"
#include "exchange.h"
#include "generation.h"
#include "pool.h"
#include "thread.h"
#include "tls_client.h"

static void
end_idle(struct upstream *u)
{
	pool_forget(u);
	upstream_close(&u);
}

static void
readable(evutil_socket_t fd, short what, void *argument)
{
	struct upstream *u = argument;

	(void)fd;
	u->wire.ended |= (what & EV_CLOSED) != 0;
	if (u->exchange != NULL)
		exchange_upstream_readable(u->exchange);
	else if (u->dial != NULL)
		dial_readable(u->dial, u);
	else if (!upstream_is_alive(u))
		end_idle(u);	/* closed, or speaks unasked */
}

static void
writable(evutil_socket_t fd, short what, void *argument)
{
	struct upstream *u = argument;

	(void)fd;
	(void)what;
	if (u->dial != NULL)
		dial_writable(u->dial, u);
	else if (u->exchange != NULL)
		exchange_upstream_writable(u->exchange);
}

static void
deadline_passed(struct deadline *d)
{
	struct upstream *u = (struct upstream *)((char *)d - offsetof(struct upstream, deadline));

	if (u->exchange != NULL)
		exchange_upstream_deadline(u->exchange);
	else
		end_idle(u);
}

struct upstream *
upstream_adopt(struct thread *t, struct pool *pool, struct wire wire)
{
	struct upstream *u = calloc(1, sizeof(*u));

	if (u == NULL) {
		wire_close(&wire);
		return NULL;
	}
	u->thread = t;
	u->pool = pool;
	u->wire = wire;
	outlet_init(&u->out);
	deadline_init(&u->deadline, deadline_passed);
	wire_assign(&u->wire, &u->read, t->base, wire.tls == NULL, readable, u);
	event_assign(&u->write, t->base, wire.fd, EV_WRITE | EV_PERSIST, writable, u);
	return u;
}

void
upstream_close(struct upstream **up)
{
	struct upstream *u = *up;

	if (u == NULL)
		return;
	upstream_want_read(u, false);
	upstream_want_write(u, false);
	turn_leave(&u->thread->turn, &u->places);
	deadline_remove(&u->deadline);
	outlet_free(&u->out);
	buffer_free(&u->in);
	wire_close(&u->wire);
	free(u);
	*up = NULL;
}

static bool
set_event(struct event *event, bool *added, bool wanted)
{
	if (*added == wanted)
		return true;
	if (wanted && event_add(event, NULL) != 0)
		return false;
	if (!wanted)
		event_del(event);
	*added = wanted;
	return true;
}

bool
upstream_want_read(struct upstream *u, bool wanted)
{
	return (!wanted || !u->writing || wire_level(&u->wire)) && set_event(&u->read, &u->reading, wanted);
}

bool
upstream_want_write(struct upstream *u, bool wanted)
{
	return (!wanted || !u->reading || wire_level(&u->wire)) && set_event(&u->write, &u->writing, wanted);
}

/* Read what TLS has to say for itself. False: it is more than that, or the end. */
static bool
is_only_tls(struct upstream *u)
{
	struct buffer *in = NULL;
	int got = buffer_receive(u->thread, &in, &u->wire);

	buffer_free(&in);
	if (got == BUFFER_NOTHING)
		upstream_keep_ticket(u);
	return got == BUFFER_NOTHING;
}

bool
upstream_is_alive(struct upstream *u)
{
	int waits = u->wire.tls != NULL && wire_has_more(&u->wire) ? 1 : wire_peek(&u->wire);

	return waits == BUFFER_NOTHING || (waits > 0 && u->wire.tls != NULL && is_only_tls(u));
}

/* An event that this turn of the loop has yet to run tells of bytes without a call of the system. */
bool
upstream_is_silent(struct upstream *u)
{
	return (u->reading && (u->read.ev_evcallback.evcb_flags & EVLIST_ACTIVE) == 0) || upstream_is_alive(u);
}

void
upstream_keep_ticket(struct upstream *u)
{
	struct tls_ticket ticket;

	if (u->wire.tls == NULL || u->ticket_kept)
		return;
	ticket = tls_client_ticket(&u->wire, u->judged);
	if (ticket.data.data == NULL)
		return;
	u->ticket_kept = true;
	pool_keep_ticket(u->pool, &ticket);
}

/* It may have been permitted to somebody else. */
static bool
is_permitted(const struct weir_peer *peer, const struct upstream *u)
{
	struct sockaddr_storage address;
	socklen_t length = sizeof(address);

	return peer->permit == NULL || peer->via != NULL || (getpeername(u->wire.fd, (struct sockaddr *)&address, &length) == 0
		&& peer->permit(peer->permit_argument, (struct sockaddr *)&address));
}

enum upstream_result
upstream_obtain(struct weir_exchange *x, bool pooled)
{
	struct pool *pool = pool_find(x->thread, &x->peer);
	struct upstream *u = NULL;

	if (pool == NULL) {
		x->peer_failure = WEIR_PEER_REFUSED;
		return UPSTREAM_FAILED;
	}
	while (pooled && (u = pool_take(pool)) != NULL) {
		/* What must not be sent twice is not sent on a connection that may be dead. */
		if ((method_is_idempotent(x->request.method) ? upstream_is_silent(u) : upstream_is_alive(u))
				&& is_permitted(&x->peer, u))
			break;
		pool_count(pool, -1);
		upstream_close(&u);
	}
	if (u == NULL)
		return dial_start(x, pool);
	u->exchange = x;
	u->requests++;
	x->upstream = u;
	x->reused = true;
	counter_add(&x->thread->counters, COUNT_UPSTREAM_REUSED, 1);
	return UPSTREAM_READY;
}
