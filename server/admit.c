/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admit: the hooks of accept and handshake, what they ask of a connection's first bytes (weir/exchange.h), and the TLS handshake.
 */
#include "admit.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "buffer.h"
#include "client.h"
#include "generation.h"
#include "hello.h"
#include "listener.h"
#include "terminate.h"
#include "thread.h"

/* A connection that waits. */
struct admission {
	struct hold *hold;
	const struct listen *listen;	/* of that generation */
	unsigned next;			/* the hook to ask again */
	bool shaking;			/* those of accept are done: it is the TLS handshake that waits */
	struct event *write;		/* NULL: never needed */
};

/* --- the hooks -------------------------------------------------------------------------------------------------------- */

static enum weir_verdict
ask(struct weir_connection *c, const struct hook *hook)
{
	void *state = client_state(c, hook->module);

	if (state == NULL && hook->module->contract->connection_size > 0)
		return WEIR_FAIL;
	c->hook = hook;
	return hook->connection(c, hook->settings, state);
}

/* Ask the hooks from *at up to `end`; *at stays at the one whose verdict that is. */
static enum weir_verdict
run_hooks(struct weir_connection *c, const struct chain *chain, unsigned *at, unsigned end)
{
	for (; *at < end; ++*at) {
		enum weir_verdict verdict = ask(c, &chain->hooks[*at]);

		if (verdict == WEIR_DONE)
			*at = end - 1;
		else if (verdict != WEIR_NEXT)
			return verdict;
	}
	return WEIR_NEXT;
}

/* It will take a while: hold what it depends on. */
static struct admission *
prepare(struct weir_connection *c, const struct listen *listen)
{
	struct admission *a = c->admission;

	if (a != NULL)
		return a;
	a = c->admission = calloc(1, sizeof(*a));
	if (a == NULL) {
		counter_add(&c->thread->counters, COUNT_MEMORY_REFUSED, 1);
		return NULL;
	}
	a->hold = thread_hold(c->thread);
	a->listen = listen;
	return a;
}

static enum admit_result
suspend(struct weir_connection *c, const struct listen *listen, unsigned next)
{
	bool first = c->admission == NULL;
	struct admission *a = prepare(c, listen);

	if (a == NULL)
		return ADMIT_REFUSED;
	if (first)
		deadline_set(&c->deadline, &c->thread->wheel, listen->settings.head_timeout);
	a->next = next;
	if (c->in != NULL)
		buffer_settle(c->thread, &c->in);
	return ADMIT_WAITING;
}

/* Have more bytes in c->in. WAITING: there are none yet. */
static enum admit_result
receive(struct weir_connection *c)
{
	int got;

	if (buffer_length(c->in) >= ADMIT_BYTES)
		return ADMIT_REFUSED;
	got = buffer_receive(c->thread, &c->in, &c->wire);
	return got > 0 ? ADMIT_SERVED : got == BUFFER_NOTHING ? ADMIT_WAITING : ADMIT_REFUSED;
}

/* The phase accept. SERVED: all of its hooks have let the connection pass. */
static enum admit_result
accept_phase(struct weir_connection *c, const struct listen *listen, unsigned *at)
{
	enum admit_result result = c->admission != NULL ? receive(c) : ADMIT_SERVED;
	enum weir_verdict verdict;

	while (result == ADMIT_SERVED) {
		c->accepting = true;
		verdict = run_hooks(c, &listen->chain, at, listen->chain.first[WEIR_PHASE_HANDSHAKE]);
		c->accepting = false;
		if (verdict == WEIR_NEXT)
			return ADMIT_SERVED;
		result = verdict == WEIR_WAIT ? receive(c) : ADMIT_REFUSED;
	}
	return result;
}

/* Have a whole ClientHello in c->in, or what cannot become one any more. */
static enum admit_result
await_hello(struct weir_connection *c)
{
	enum admit_result result = ADMIT_SERVED;
	struct hello hello;
	const char *why;

	while (result == ADMIT_SERVED) {
		if (c->in != NULL && hello_parse(&hello, c->in->from, buffer_length(c->in), &why) != HELLO_MORE)
			return ADMIT_PASSED;
		result = receive(c);
	}
	return result;
}

static bool
handshake_phase(struct weir_connection *c, const struct listen *listen)
{
	unsigned at = listen->chain.first[WEIR_PHASE_HANDSHAKE];

	return run_hooks(c, &listen->chain, &at, listen->chain.first[WEIR_PHASE_HANDSHAKE + 1]) == WEIR_NEXT;
}

/* --- TLS ---------------------------------------------------------------------------------------------------------------- */

static void
writable(evutil_socket_t fd, short what, void *argument)
{
	(void)fd;
	(void)what;
	client_admit(argument);
}

static bool
await_write(struct weir_connection *c)
{
	struct admission *a = c->admission;

	if (a->write == NULL)
		a->write = event_new(c->thread->base, c->wire.fd, EV_WRITE, writable, c);
	return a->write != NULL && event_add(a->write, NULL) == 0;
}

static enum admit_result
shake_hands(struct weir_connection *c, const struct listen *listen)
{
	struct admission *a = prepare(c, listen);

	if (a == NULL)
		return ADMIT_REFUSED;
	if (!a->shaking) {
		a->shaking = true;
		deadline_set(&c->deadline, &c->thread->wheel, listen->settings.handshake_timeout);
	}
	switch (terminate(c, a->hold->generation, listen, handshake_phase)) {
	case TERMINATE_DONE:
		return ADMIT_SERVED;
	case TERMINATE_READ:
		return ADMIT_WAITING;
	case TERMINATE_WRITE:
		return await_write(c) ? ADMIT_WAITING : ADMIT_REFUSED;
	case TERMINATE_FAILED:
		return ADMIT_FAILED;
	default:
		return ADMIT_REFUSED;
	}
}

enum admit_result
admit(struct weir_connection *c)
{
	const struct listen *listen = c->admission != NULL ? c->admission->listen : c->listener->listen;
	unsigned at = c->admission != NULL ? c->admission->next : listen->chain.first[WEIR_PHASE_ACCEPT];
	bool shaking = c->admission != NULL && c->admission->shaking;
	enum admit_result result = shaking ? ADMIT_SERVED : accept_phase(c, listen, &at);

	if (result == ADMIT_SERVED && listen->settings.tls == LISTEN_PASSTHROUGH)
		result = await_hello(c);
	if (result == ADMIT_WAITING)
		return suspend(c, listen, at);
	if (result == ADMIT_SERVED && listen->settings.tls == LISTEN_TERMINATE)
		result = shake_hands(c, listen);
	else if (result != ADMIT_REFUSED && !handshake_phase(c, listen))
		result = ADMIT_REFUSED;
	if (result != ADMIT_WAITING)
		admit_forget(c);
	return result;
}

void
admit_forget(struct weir_connection *c)
{
	if (c->admission == NULL)
		return;
	if (c->admission->write != NULL)
		event_free(c->admission->write);
	thread_release(c->thread, c->admission->hold);
	free(c->admission);
	c->admission = NULL;
}

/* --- the first bytes --------------------------------------------------------------------------------------------------- */

const char *
weir_connection_peek(struct weir_connection *c, size_t *length)
{
	*length = c->accepting ? buffer_length(c->in) : 0;
	return *length > 0 ? c->in->from : NULL;
}

void
weir_connection_skip(struct weir_connection *c, size_t length)
{
	if (!c->accepting || length == 0)
		return;
	assert(length <= buffer_length(c->in));
	c->in->from += length;
	if (c->in->from == c->in->to)
		buffer_free(&c->in);
}

bool
weir_connection_set_address(struct weir_connection *c, const struct sockaddr *address)
{
	bool good;

	if (!c->accepting)
		return false;
	good = listener_recount(c->listener, &c->address.any, address);
	memset(&c->address, 0, sizeof(c->address));
	if (address->sa_family == AF_INET || address->sa_family == AF_INET6)
		memcpy(&c->address, address, address->sa_family == AF_INET ? sizeof(c->address.in) : sizeof(c->address.in6));
	else
		c->address.any.sa_family = address->sa_family;
	return good;
}

void
weir_connection_set_local(struct weir_connection *c, const struct sockaddr *address)
{
	bool inet = address->sa_family == AF_INET || address->sa_family == AF_INET6;

	if (!c->accepting || !inet)
		return;
	if (c->local == NULL && (c->local = calloc(1, sizeof(*c->local))) == NULL) {
		counter_add(&c->thread->counters, COUNT_MEMORY_REFUSED, 1);
		return;
	}
	memcpy(c->local, address, address->sa_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6));
}
