/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tunnel: after 101 (Switching Protocols) both connections carry bytes, not HTTP.
 *
 * Each side's end is passed on once all that came before it has been; the tunnel is over when both have ended, or when neither has
 * moved anything for the route's tunnel_timeout. Neither connection is ever used again.
 */
#include "buffer.h"
#include "exchange.h"
#include "listener.h"

enum { ROUNDS = 4 };

enum side { SIDE_MOVED, SIDE_RESTS, SIDE_BLOCKED, SIDE_BROKEN };

/* Move bytes one way: from a socket (through *in) to an outlet. Its end is passed on once (*passed). */
static enum side
move(struct thread *t, struct wire *from, bool *eof, struct buffer **in, struct outlet *out, struct wire *to, bool *passed, uint64_t *bytes)
{
	enum outlet_result result = out->queued > 0 ? outlet_flush(out, to) : OUTLET_SENT;

	for (int round = 0; result == OUTLET_SENT && round < ROUNDS; round++) {
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

enum weir_phase
tunnel_relay(struct weir_exchange *x)
{
	struct weir_connection *c = x->client;
	struct upstream *u = x->upstream;
	enum side up = move(x->thread, &c->wire, &c->eof, &c->in, &u->out, &u->wire, &x->up_closed, &x->upload.bytes);
	enum side down = move(x->thread, &u->wire, &u->eof, &u->in, &x->out, &c->wire, &x->down_closed, &x->download.bytes);

	if (up == SIDE_BROKEN || down == SIDE_BROKEN) {
		exchange_abort(x, "one side of the tunnel broke");
		return WEIR_PHASES;
	}
	if (c->eof && u->eof && x->out.queued == 0 && u->out.queued == 0) {
		exchange_close(x, CLIENT_CLOSE);
		return WEIR_PHASES;
	}
	deadline_set(&c->deadline, &x->thread->wheel, x->route->settings.tunnel_timeout);
	if (!client_want(c, !c->eof && up != SIDE_BLOCKED) || !upstream_want_write(u, up == SIDE_BLOCKED)
			|| !upstream_want_read(u, !u->eof && down != SIDE_BLOCKED) || !exchange_want_write(x, down == SIDE_BLOCKED))
		exchange_abort(x, "no memory for the tunnel");
	return WEIR_PHASES;
}

enum weir_phase
tunnel_begin(struct weir_exchange *x)
{
	struct thread *t = x->thread;
	size_t length = http1_write_response(t->scratch, SCRATCH_SIZE, &x->response, true, 1, x->protocol);

	x->keep = false;
	x->head_sent = true;
	if (length == 0 || outlet_send(&x->out, t, &x->client->wire, t->scratch, length, NULL) == OUTLET_BROKEN) {
		exchange_abort(x, "the client is gone");
		return WEIR_PHASES;
	}
	counter_add(&t->counters, COUNT_TUNNELS, 1);
	body_init(&x->upload, FRAMING_CLOSE, 0, FRAMING_CLOSE);
	body_init(&x->download, FRAMING_CLOSE, 0, FRAMING_CLOSE);
	x->stage = STAGE_TUNNEL;
	deadline_clear(&x->upstream->deadline);
	return tunnel_relay(x);
}
