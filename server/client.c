/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client: the life of a client connection between and around its exchanges.
 *
 *	new -> (admitted) -> head -> exchange -> idle -> head -> … -> (lingering) -> gone
 *
 * A head is parsed once it is whole; one that comes in pieces is kept in a small buffer meanwhile, under one deadline for
 * the whole of it. A connection that we end while the client may still be sending lingers (linger.h).
 */
#include "client.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "admit.h"
#include "arena.h"
#include "buffer.h"
#include "exchange.h"
#include "gathered.h"
#include "generation.h"
#include "http1.h"
#include "linger.h"
#include "listener.h"
#include "pool.h"
#include "terminate.h"
#include "thread.h"
#include "tls.h"

static void readable(evutil_socket_t, short, void *);
static void deadline_passed(struct deadline *);
static void run(struct weir_connection *);
static struct http1_limits limits_of(const struct weir_connection *);

static struct weir_connection *
of_deadline(struct deadline *d)
{
	return (struct weir_connection *)((char *)d - offsetof(struct weir_connection, deadline));
}

/* --- birth and death -------------------------------------------------------------------------------------------- */

static void
unlink_client(struct weir_connection *c)
{
	*c->link = c->next;
	if (c->next != NULL)
		c->next->link = c->link;
	c->thread->client_count--;
}

static void
destroy(struct weir_connection *c)
{
	struct thread *t = c->thread;
	struct listener *l = c->listener;

	assert(c->exchange == NULL);
	if (c->running) {
		c->gone = true;
		return;
	}
	unlink_client(c);
	gathered_end(c);
	client_want(c, false);
	deadline_remove(&c->deadline);
	terminate_forget(c);
	admit_forget(c);
	wire_close(&c->wire);
	buffer_free(&c->in);
	for (unsigned i = 0; i < c->state_count; i++)
		free(c->states[i]);
	free(c->states);
	free(c->local);
	if (!c->own) {
		listener_forget(l, &c->address.any);
		counter_add(&t->counters, COUNT_CLIENT_CONNECTIONS, -1);
	}
	free(c);
	pools_trim(t);
	thread_check_drained(t);
}

void
client_drop(struct weir_connection *c)
{
	destroy(c);
}

/* One more among the thread's. */
static void
enrol(struct thread *t, struct weir_connection *c, const struct sockaddr *address)
{
	c->thread = t;
	memcpy(&c->address, address, address->sa_family == AF_INET6 ? sizeof(c->address.in6)
		: address->sa_family == AF_INET ? sizeof(c->address.in) : sizeof(c->address.any));
	deadline_init(&c->deadline, deadline_passed);
	c->link = &t->clients;
	c->next = t->clients;
	if (c->next != NULL)
		c->next->link = &c->next;
	t->clients = c;
	t->client_count++;
}

static void __attribute__((cold))
refuse(struct weir_connection *c)
{
	counter_add(&c->thread->counters, COUNT_CLIENT_REFUSED, 1);
	destroy(c);
}

/* Its TLS is its origin's: one exchange, and the end. */
static void
pass(struct weir_connection *c)
{
	struct http1_limits limits = limits_of(c);

	c->requests++;
	deadline_clear(&c->deadline);
	c->running = true;
	if (!passthrough_open(c, &limits)) {
		counter_add(&c->thread->counters, COUNT_MEMORY_REFUSED, 1);
		c->gone = true;
	}
	c->running = false;
	if (c->gone)
		destroy(c);
}

/* It is not let in, and was told why: it shall hear that before we close. What TLS would say is said. */
static void __attribute__((cold))
refuse_aloud(struct weir_connection *c)
{
	counter_add(&c->thread->counters, COUNT_CLIENT_REFUSED, 1);
	terminate_forget(c);
	tls_end(&c->wire.tls, false);
	linger_begin(c);
}

/* Let it in, as far as that goes with what has come. */
void
client_admit(struct weir_connection *c)
{
	enum admit_result result = admit(c);

	if (result == ADMIT_FAILED) {
		refuse_aloud(c);
		return;
	}
	if (result == ADMIT_REFUSED || !client_want(c, true)) {
		refuse(c);
		return;
	}
	if (result == ADMIT_WAITING)
		return;
	if (result == ADMIT_PASSED) {
		pass(c);
		return;
	}
	deadline_set(&c->deadline, &c->thread->wheel, c->listener->listen->settings.head_timeout);
	if (c->in != NULL)
		run(c);
}

void
client_new(struct listener *l, int fd, const struct sockaddr *address)
{
	struct thread *t = l->thread;
	struct weir_connection *c = calloc(1, sizeof(*c));

	if (c == NULL) {
		close(fd);
		listener_forget(l, address);
		counter_add(&t->counters, COUNT_MEMORY_REFUSED, 1);
		return;
	}
	c->listener = l;
	c->wire.fd = fd;
	enrol(t, c, address);
	counter_add(&t->counters, COUNT_CLIENT_CONNECTIONS, 1);
	wire_assign(&c->wire, &c->read, t->base, l->listen->settings.tls == LISTEN_PLAIN, readable, c);
	client_admit(c);
}

bool
client_want(struct weir_connection *c, bool wanted)
{
	if (c->reading == wanted)
		return true;
	if (wanted && event_add(&c->read, NULL) != 0)
		return false;
	if (!wanted)
		event_del(&c->read);
	c->reading = wanted;
	return true;
}

void *
client_state(struct weir_connection *c, const struct module *m)
{
	if (m->contract->connection_size == 0)
		return NULL;
	if (m->index >= c->state_count) {
		void **states = realloc(c->states, (m->index + 1) * sizeof(*states));

		if (states == NULL)
			return NULL;
		memset(states + c->state_count, 0, (m->index + 1 - c->state_count) * sizeof(*states));
		c->states = states;
		c->state_count = (uint16_t)(m->index + 1);
	}
	if (c->states[m->index] == NULL)
		c->states[m->index] = calloc(1, m->contract->connection_size);
	return c->states[m->index];
}

/* --- without a socket --------------------------------------------------------------------------------------------- */

struct weir_connection *
client_new_own(struct thread *t, const struct sockaddr *address)
{
	static const struct sockaddr nobody = { .sa_family = AF_UNSPEC };
	struct weir_connection *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->own = true;
	c->wire.fd = -1;
	enrol(t, c, address != NULL ? address : &nobody);
	return c;
}

static void
start_own(evutil_socket_t fd, short what, void *argument)
{
	struct weir_connection *c = argument;

	(void)fd;
	(void)what;
	c->reading = false;
	exchange_enter(c->exchange, WEIR_PHASE_PEER);
}

void
client_start_own(struct weir_connection *c)
{
	event_assign(&c->read, c->thread->base, -1, 0, start_own, c);
	event_active(&c->read, EV_READ, 0);
	c->reading = true;
}

void
client_leave(struct weir_connection *c)
{
	client_want(c, false);
	wire_close(&c->wire);
	buffer_free(&c->in);
	listener_forget(c->listener, &c->address.any);
	counter_add(&c->thread->counters, COUNT_CLIENT_CONNECTIONS, -1);
	c->listener = NULL;
	c->own = true;
}

/* --- what it has sent ---------------------------------------------------------------------------------------------- */

bool
client_has_sent(const struct weir_connection *c)
{
	int waiting = 0;

	return ioctl(c->wire.fd, FIONREAD, &waiting) == 0 && waiting > 0;
}

bool
client_has_unread(const struct weir_connection *c)
{
	return c->in != NULL || (!c->reading && !c->eof) || client_has_sent(c);
}

/* --- heads -------------------------------------------------------------------------------------------------------- */

static struct http1_limits
limits_of(const struct weir_connection *c)
{
	const struct listen_settings *s = &c->listener->listen->settings;

	return (struct http1_limits){
		.head_size = s->head_size < BUFFER_READ ? (uint32_t)s->head_size : BUFFER_READ,
		.fields = (uint16_t)s->fields,
		.target_length = (uint32_t)s->target_length,
	};
}

/* An unfinished head: is it bad already? Parsed only the first time; later it is only scanned for its end. */
static int
probe_head(struct weir_connection *c, const struct http1_limits *limits, const char **why)
{
	struct request request;
	struct arena arena;
	int result;

	if (c->seen > 0 && buffer_length(c->in) < limits->head_size)
		return 0;
	arena_init(&arena, NULL, 64 * 1024);
	result = http1_parse_request(&request, c->in->from, buffer_length(c->in), 0, limits, &arena, why);
	arena_free(&arena);
	return result;
}

/* Begin an exchange if a head is there. False: more bytes are needed. */
static bool
begin(struct weir_connection *c)
{
	struct http1_limits limits = limits_of(c);
	size_t length = c->ready > 0 ? c->ready : http1_head_length(c->in->from, buffer_length(c->in), c->seen);
	const char *why = NULL;
	int bad = 0;

	if (length == 0) {
		bad = probe_head(c, &limits, &why);
		if (bad == 0) {
			if (c->seen == 0)
				deadline_set(&c->deadline, &c->thread->wheel, c->listener->listen->settings.head_timeout);
			c->seen = (uint32_t)buffer_length(c->in);
			return false;
		}
		assert(bad < 0);
	}
	c->seen = c->ready = 0;
	c->requests++;
	deadline_clear(&c->deadline);
	if (!exchange_open(c, length, &limits, -bad, why)) {
		counter_add(&c->thread->counters, COUNT_MEMORY_REFUSED, 1);
		wire_cut(&c->wire);
		destroy(c);
	}
	return true;
}

bool
client_has_next(struct weir_connection *c)
{
	if (!c->running || c->in == NULL || c->gone)
		return false;
	c->ready = (uint32_t)http1_head_length(c->in->from, buffer_length(c->in), 0);
	return c->ready > 0;
}

/* Serve what has been received. A loop, so that a hundred pipelined requests do not nest a hundred calls deep. */
static void
run(struct weir_connection *c)
{
	if (c->running)
		return;
	c->running = true;
	while (!c->gone && !c->lingering && c->exchange == NULL && c->in != NULL && begin(c))
		;
	c->running = false;
	if (c->gone) {
		destroy(c);
		return;
	}
	if (c->in != NULL)
		buffer_settle(c->thread, &c->in);
	if (c->exchange != NULL && c->exchange->out.queued > 0)
		exchange_flush(c->exchange);	/* the next response takes its time: what was gathered does not wait for it */
	else if (c->exchange == NULL && c->eof && !c->lingering)
		destroy(c);
}

/* Answer without a request: what came of it cannot be used. */
static void __attribute__((cold))
answer(struct weir_connection *c, int status, const char *why)
{
	struct http1_limits limits = limits_of(c);

	c->seen = 0;
	c->running = true;
	if (!exchange_open(c, 0, &limits, status, why))
		c->gone = true;
	c->running = false;
	if (c->gone)
		destroy(c);
}

static void
turn_ends(void *owner)
{
	run(owner);
}

/* It shall be served when the turn has received all that there is. Not the rest of a head, whose deadline goes on. */
static bool
awaits_turn(struct weir_connection *c)
{
	return c->seen == 0 && c->wire.tls == NULL && buffer_keep(c->thread, &c->in)
		&& turn_join(&c->thread->turn, TURN_SERVE, &c->places, turn_ends, c);
}

static void
readable(evutil_socket_t fd, short what, void *argument)
{
	struct weir_connection *c = argument;
	int got;

	(void)fd;
	c->wire.ended |= (what & EV_CLOSED) != 0;
	if (c->lingering) {
		linger_read(c);
		return;
	}
	if (c->behind) {
		gathered_go_on(c);
		return;
	}
	if (c->exchange != NULL) {
		exchange_client_readable(c->exchange);
		return;
	}
	if (c->admission != NULL) {
		client_admit(c);
		return;
	}
	got = buffer_receive(c->thread, &c->in, &c->wire);
	if (got > 0 && !awaits_turn(c))
		run(c);
	else if (got > 0)
		return;
	else if (got == BUFFER_NO_MEMORY)
		answer(c, 503, "no memory to read the request");
	else if (got == BUFFER_END && c->gathered != NULL)
		c->eof = client_want(c, false);	/* it is to get that yet */
	else if (got != BUFFER_NOTHING)
		destroy(c);
}

void
client_next(struct weir_connection *c, enum client_end end)
{
	struct thread *t = c->thread;
	const struct listen *listen;

	assert(c->exchange == NULL);
	deadline_clear(&c->deadline);
	if (c->own) {
		destroy(c);
		return;
	}
	listen = c->listener->listen;
	if (end == CLIENT_RESET) {
		wire_cut(&c->wire);
		destroy(c);
		return;
	}
	if (end == CLIENT_LINGER || (end == CLIENT_CLOSE && client_has_unread(c))) {
		linger_begin(c);
		return;
	}
	if (end == CLIENT_CLOSE && linger_owes(c))
		return;
	if (end == CLIENT_CLOSE || listen == NULL || (t->draining && c->in == NULL)) {
		destroy(c);
		return;
	}
	if (!c->eof && !client_want(c, true)) {
		destroy(c);
		return;
	}
	deadline_set(&c->deadline, &t->wheel, listen->settings.keepalive_timeout);
	run(c);
}

void
client_caught_up(struct weir_connection *c)
{
	struct thread *t = c->thread;
	const struct listen *listen = c->listener->listen;

	assert(c->exchange == NULL && !c->behind);
	if (listen == NULL && !c->eof) {
		linger_begin(c);
		return;
	}
	if (c->eof || (t->draining && c->in == NULL && !client_has_sent(c)) || !client_want(c, true)) {
		destroy(c);
		return;
	}
	deadline_set(&c->deadline, &t->wheel, c->seen > 0 ? listen->settings.head_timeout : listen->settings.keepalive_timeout);
	run(c);
}

static void
deadline_passed(struct deadline *d)
{
	struct weir_connection *c = of_deadline(d);

	if (c->exchange != NULL) {
		exchange_client_deadline(c->exchange);
		return;
	}
	if (c->behind) {
		counter_add(&c->thread->counters, COUNT_CLIENT_TIMEOUT, 1);
		destroy(c);
		return;
	}
	if (c->places.of[TURN_SERVE] != 0)	/* it was in time; a head has a deadline of its own */
		return;
	if (c->admission != NULL) {
		counter_add(&c->thread->counters, COUNT_CLIENT_TIMEOUT, 1);
		refuse(c);
		return;
	}
	if (c->lingering) {
		linger_expire(c);
		return;
	}
	if (c->in != NULL && c->listener->listen != NULL) {
		counter_add(&c->thread->counters, COUNT_CLIENT_TIMEOUT, 1);
		answer(c, 408, "the head was not whole in time");
		return;
	}
	destroy(c);
}
