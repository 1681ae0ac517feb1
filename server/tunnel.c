/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tunnel: both connections carry bytes, not HTTP: after 101 (Switching Protocols), because the client asked for it (CONNECT),
 * or because it never spoke HTTP (passthrough.c).
 *
 * Each side's end is passed on once all that came before it has been; the tunnel is over when both have ended, or when
 * neither has moved anything for the route's tunnel_timeout. Neither connection is ever used again.
 */
#include <string.h>

#include "buffer.h"
#include "exchange.h"
#include "hello.h"
#include "listener.h"

enum { ROUNDS = 4 };

enum side { SIDE_MOVED, SIDE_RESTS, SIDE_BLOCKED, SIDE_BROKEN };

/* Move bytes one way: from a socket (through *in) to an outlet. Its end is passed on once (*passed). */
static enum side
move(struct thread *t, struct wire *from, bool *eof, struct buffer **in, struct outlet *out, struct wire *to, bool *passed,
	uint64_t *bytes)
{
	enum outlet_result result = out->queued > 0 ? outlet_flush(out, to) : OUTLET_SENT;

	/* What was received already no event will announce. */
	for (int round = 0; result == OUTLET_SENT && (round < ROUNDS || wire_has_more(from)); round++) {
		if (*in == NULL && !*eof) {
			int got = buffer_receive(t, in, from);

			if (got == BUFFER_NOTHING)
				return SIDE_RESTS;
			if (got < 0 && got != BUFFER_END)
				return SIDE_BROKEN;
			*eof = got == BUFFER_END;
		}
		if (*in == NULL && *eof && !*passed) {
			wire_end(to);
			*passed = true;
		}
		if (*in == NULL)
			return SIDE_RESTS;
		*bytes += buffer_length(*in);
		result = outlet_send(out, t, to, NULL, 0, in);
	}
	return result == OUTLET_SENT ? SIDE_MOVED : result == OUTLET_QUEUED ? SIDE_BLOCKED : SIDE_BROKEN;
}

/* --- bounds ---------------------------------------------------------------------------------------------------------------- */

/* Wait for silence, or for the end of its time. */
static void
arm(struct weir_exchange *x)
{
	int64_t after = x->tunnel.idle > 0 ? x->tunnel.idle : x->route->settings.tunnel_timeout, left;

	if (x->tunnel_end != 0) {
		left = x->tunnel_end - wheel_clock();
		after = left > after ? after : left > 0 ? left : 1;
	}
	deadline_set(&x->client->deadline, &x->thread->wheel, after);
}

void
tunnel_expire(struct weir_exchange *x)
{
	if (x->failure == NULL)
		x->failure = x->tunnel_end != 0 && wheel_clock() >= x->tunnel_end ? "the tunnel is over its time"
			: "the tunnel was silent for too long";
	exchange_close(x, CLIENT_CLOSE);
}

static enum side
turn_away(struct weir_exchange *x, const char *cause)
{
	x->failure = cause != NULL ? cause : "the tunnel's client does not say what it was opened for";
	return SIDE_BROKEN;
}

static const char *
name_or_none(const char *name)
{
	return *name != '\0' ? name : "no name";
}

/* Is what the client says first what the tunnel is for? MOVED: yes, and it is still in c->in. */
static enum side
greet(struct weir_exchange *x)
{
	struct weir_connection *c = x->client;
	enum hello_result result = HELLO_MORE;
	const char *why = NULL;
	struct hello hello;

	while (!c->eof) {
		int got;

		if (c->in != NULL)
			result = hello_parse(&hello, c->in->from, buffer_length(c->in), &why);
		if (result != HELLO_MORE)
			break;
		got = buffer_receive(x->thread, &c->in, &c->wire);
		if (got == BUFFER_NOTHING) {
			buffer_settle(x->thread, &c->in);
			return SIDE_RESTS;
		}
		if (got < 0 && got != BUFFER_END)
			return SIDE_BROKEN;
		c->eof = got == BUFFER_END;
	}
	if (result == HELLO_BAD)
		return turn_away(x, arena_printf(&x->arena, "the tunnel begins with no good ClientHello: %s", why));
	if (result == HELLO_MORE && c->in != NULL)
		return turn_away(x, "the tunnel ended within its ClientHello");
	if (result == HELLO_WHOLE && strcmp(hello.name, x->tunnel.sni) != 0)
		return turn_away(x, arena_printf(&x->arena, "the tunnel is for %s, and its ClientHello for %s",
			name_or_none(x->tunnel.sni), name_or_none(hello.name)));
	x->greeted = true;
	return SIDE_MOVED;
}

/* --- bytes ----------------------------------------------------------------------------------------------------------------- */

static bool
is_over_bytes(const struct weir_exchange *x)
{
	return x->tunnel.bytes > 0 && x->upload.bytes + x->download.bytes > x->tunnel.bytes;
}

enum weir_phase
tunnel_relay(struct weir_exchange *x)
{
	struct weir_connection *c = x->client;
	struct upstream *u = x->upstream;
	enum side up = x->tunnel.sni != NULL && !x->greeted ? greet(x) : SIDE_MOVED, down;

	if (up == SIDE_MOVED)
		up = move(x->thread, &c->wire, &c->eof, &c->in, &u->out, &u->wire, &x->up_closed, &x->upload.bytes);
	down = up == SIDE_BROKEN ? SIDE_BROKEN
		: move(x->thread, &u->wire, &u->eof, &u->in, &x->out, &c->wire, &x->down_closed, &x->download.bytes);
	if (up == SIDE_BROKEN || down == SIDE_BROKEN || is_over_bytes(x)) {
		exchange_abort(x, is_over_bytes(x) ? "the tunnel moved more bytes than it may" : "one side of the tunnel broke");
		return WEIR_PHASES;
	}
	if (c->eof && u->eof && x->out.queued == 0 && u->out.queued == 0) {
		exchange_close(x, CLIENT_CLOSE);
		return WEIR_PHASES;
	}
	arm(x);
	if (!client_want(c, !c->eof && up != SIDE_BLOCKED) || !upstream_want_write(u, up == SIDE_BLOCKED)
			|| !upstream_want_read(u, !u->eof && down != SIDE_BLOCKED)
			|| !exchange_want_write(x, down == SIDE_BLOCKED))
		exchange_abort(x, "no memory for the tunnel");
	return WEIR_PHASES;
}

/* --- its beginning --------------------------------------------------------------------------------------------------------- */

void
weir_tunnel(struct weir_exchange *x, const struct weir_tunnel *tunnel)
{
	if (x->phase > WEIR_PHASE_PEER || x->request.method != METHOD_CONNECT) {
		counter_add(&x->thread->counters, COUNT_FIELD_REFUSED, 1);
		return;
	}
	x->tunnel = *tunnel;
	x->tunnels = true;
}

enum weir_phase
tunnel_open(struct weir_exchange *x)
{
	response_init(&x->response, &x->arena);
	x->response.status = 200;
	x->response.reason = NULL;
	x->response_version = 0;
	x->failure = NULL;
	x->failure_status = 0;
	x->responded = true;
	x->opened = true;
	return x->bare ? tunnel_begin(x) : WEIR_PHASE_RESPONSE;
}

enum weir_phase
tunnel_begin(struct weir_exchange *x)
{
	struct thread *t = x->thread;
	size_t length = x->bare ? 0 : http1_write_response(t->scratch, SCRATCH_SIZE, &x->response, true, 1, x->protocol);

	x->keep = false;
	x->head_sent = true;
	if (!x->bare && (length == 0 || outlet_send(&x->out, t, &x->client->wire, t->scratch, length, NULL) == OUTLET_BROKEN)) {
		exchange_abort(x, "the client is gone");
		return WEIR_PHASES;
	}
	counter_add(&t->counters, COUNT_TUNNELS, 1);
	body_init(&x->upload, FRAMING_CLOSE, 0, FRAMING_CLOSE);
	body_init(&x->download, FRAMING_CLOSE, 0, FRAMING_CLOSE);
	x->stage = STAGE_TUNNEL;
	deadline_clear(&x->upstream->deadline);
	if (x->tunnel.total > 0)
		x->tunnel_end = wheel_clock() + x->tunnel.total;
	return tunnel_relay(x);
}
