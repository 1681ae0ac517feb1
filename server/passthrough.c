/* SPDX-License-Identifier: Apache-2.0 */
/*
 * passthrough: a connection whose TLS is its origin's own, routed by what its ClientHello asks for.
 *
 * It is one exchange: method TLS, the server name as its host, path "/"; so routes, guards, balancing and logs are those of
 * requests. What it says is never HTTP to us: where there is no tunnel, all that it gets is an alert of TLS. The bytes of the
 * hello stay in c->in, and are the first that the tunnel carries.
 */
#include <string.h>

#include "buffer.h"
#include "exchange.h"
#include "hello.h"
#include "listener.h"

/* Descriptions of alerts (RFC 8446, 6). */
enum { HANDSHAKE_FAILURE = 40, ACCESS_DENIED = 49, DECODE_ERROR = 50, INTERNAL_ERROR = 80, UNRECOGNIZED_NAME = 112 };

/* Fill the request with what the hello says. 0, or the status of what is wrong. */
static int
understand(struct weir_exchange *x, const char **why)
{
	struct buffer *in = x->client->in;
	struct request *r = &x->request;
	struct hello hello;
	const char *name;

	if (hello_parse(&hello, in->from, buffer_length(in), why) != HELLO_WHOLE)
		return 400;
	*why = "no memory";
	name = arena_copy(&x->arena, hello.name, strlen(hello.name));
	if (name == NULL)
		return 503;
	r->method_name = "TLS";
	r->path = "/";
	r->authority = r->host = name;
	return 0;
}

bool
passthrough_open(struct weir_connection *c, const struct http1_limits *limits)
{
	struct weir_exchange *x = exchange_create(c, thread_hold(c->thread), c->listener->listen, limits);
	const char *why = NULL;
	int status;

	if (x == NULL)
		return false;
	counter_add(&c->thread->counters, COUNT_REQUESTS, 1);
	x->bare = x->tunnels = true;
	x->scheme = "https";
	status = understand(x, &why);
	x->first_path = x->request.path;
	x->first_query = NULL;
	if (status != 0) {
		exchange_refuse(x, status, why);
		return true;
	}
	body_init(&x->upload, FRAMING_NONE, 0, FRAMING_NONE);
	exchange_enter(x, WEIR_PHASE_REQUEST);
	return true;
}

static uint8_t
alert_for(int status)
{
	switch (status) {
	case 400:
		return DECODE_ERROR;
	case 403:
		return ACCESS_DENIED;
	case 404:
		return UNRECOGNIZED_NAME;
	default:
		return status >= 500 ? INTERNAL_ERROR : HANDSHAKE_FAILURE;
	}
}

enum weir_phase
passthrough_answer(struct weir_exchange *x)
{
	const char alert[] = { 21, 3, 1, 0, 2, 2, (char)alert_for(x->response.status) };

	if (x->failure == NULL)
		x->failure = "an answer of HTTP is none to TLS that is passed through";
	if (outlet_send(&x->out, x->thread, &x->client->wire, alert, sizeof(alert), NULL) == OUTLET_BROKEN)
		counter_add(&x->thread->counters, COUNT_CLIENT_GONE, 1);
	exchange_close(x, CLIENT_CLOSE);
	return WEIR_PHASES;
}
