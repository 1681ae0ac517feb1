/* SPDX-License-Identifier: Apache-2.0 */
/*
 * relay: what the client's connection reports during an exchange, and who goes on from there.
 */
#include "buffer.h"
#include "exchange.h"

/* What of the queue goes at once. */
static void
flush(struct weir_exchange *x)
{
	switch (outlet_flush(&x->out, &x->client->wire)) {
	case OUTLET_SENT:
		exchange_want_write(x, false);
		break;
	case OUTLET_BROKEN:
		counter_add(&x->thread->counters, COUNT_CLIENT_GONE, 1);
		exchange_abort(x, "the client is gone");
		break;
	default:
		if (!exchange_want_write(x, true))
			exchange_abort(x, "no memory to wait for the client");
	}
}

void
exchange_flush(struct weir_exchange *x)
{
	if (!x->writing)
		flush(x);
}

static void
client_writable(evutil_socket_t fd, short what, void *argument)
{
	struct weir_exchange *x = argument;

	(void)fd;
	(void)what;
	if (x->stage == STAGE_TUNNEL)
		exchange_go(x, tunnel_relay(x));
	else if (x->stage == STAGE_BODY)
		exchange_go(x, download_relay(x));
	else
		flush(x);	/* an interim response, or what was gathered */
}

bool
exchange_want_write(struct weir_exchange *x, bool wanted)
{
	if (x->writing == wanted)
		return true;
	if (!x->write_ready) {
		event_assign(&x->write, x->thread->base, x->client->wire.fd, EV_WRITE | EV_PERSIST, client_writable, x);
		x->write_ready = true;
	}
	if (wanted && (!wire_level(&x->client->wire) || event_add(&x->write, NULL) != 0))
		return false;
	if (!wanted)
		event_del(&x->write);
	x->writing = wanted;
	return true;
}

/* Bytes that nobody waits for: a pipelined request, or the end. A client that closes its side only may still want its answer. */
static void
unwanted(struct weir_exchange *x)
{
	int got = wire_peek(&x->client->wire);

	if (got == BUFFER_NOTHING)
		return;
	if (got == BUFFER_RESET && x->keeps_going && (x->stage == STAGE_PHASES || x->stage == STAGE_HEAD) && x->upload.ended) {
		x->keep = false;
		x->left = true;
		counter_add(&x->thread->counters, COUNT_CLIENT_GONE, 1);
		exchange_want_write(x, false);
		x->write_ready = false;	/* the descriptor may soon be another's */
		outlet_free(&x->out);	/* what is queued is for nobody, and may be of a session that ends */
		client_leave(x->client);
		return;
	}
	if (got == BUFFER_RESET) {
		counter_add(&x->thread->counters, COUNT_CLIENT_GONE, 1);
		exchange_abort(x, "the client is gone");
		return;
	}
	client_want(x->client, false);
	if (got == BUFFER_END && x->upload.ended)
		x->client->eof = true;
}

void
exchange_client_readable(struct weir_exchange *x)
{
	bool sending = (x->stage == STAGE_HEAD || x->stage == STAGE_BODY) && !x->upload.ended && !x->upload_broken
		&& x->upstream != NULL;

	if (x->stage == STAGE_TUNNEL)
		exchange_go(x, tunnel_relay(x));
	else if (x->stage == STAGE_DRAIN)
		exchange_go(x, upload_drain(x));
	else if (sending && x->upstream->out.queued == 0)
		exchange_go(x, upload_relay(x));
	else
		unwanted(x);
}
