/* SPDX-License-Identifier: Apache-2.0 */
/*
 * download: a response's body on its way from the origin, or from memory, to the client, with back-pressure.
 *
 * The same loop as upload's the other way. The connection to the origin is given up as soon as its response is whole, though the
 * client may take a while to get it.
 */
#include <string.h>

#include "buffer.h"
#include "exchange.h"

enum { ROUNDS = 4, DRAIN_TIME = 5000 };

/* The client has it all. */
static enum weir_phase
download_ended(struct weir_exchange *x)
{
	origin_release(x);
	exchange_want_write(x, false);
	if (x->upload.ended) {
		exchange_close(x, x->keep ? CLIENT_KEEP : CLIENT_CLOSE);
		return WEIR_PHASES;
	}
	if (!x->keep) {
		exchange_close(x, CLIENT_LINGER);
		return WEIR_PHASES;
	}
	x->stage = STAGE_DRAIN;
	deadline_set(&x->client->deadline, &x->thread->wheel, DRAIN_TIME);
	return upload_drain(x);
}

/* The client does not take it as fast as it comes. */
static enum weir_phase
download_waits(struct weir_exchange *x)
{
	if (x->upstream != NULL) {
		deadline_clear(&x->upstream->deadline);
		if (x->download.ended)
			origin_release(x);	/* all of it is here: the connection may serve another */
	}
	if (x->own != NULL)	/* its sink resumes */
		return WEIR_PHASES;
	rate_watch(x);
	if (!exchange_want_write(x, true))
		exchange_abort(x, "no memory to wait for the client");
	return WEIR_PHASES;
}

static enum weir_phase
download_rests(struct weir_exchange *x)
{
	exchange_want_write(x, false);
	if (x->upstream == NULL)	/* a source waits */
		return WEIR_PHASES;
	deadline_set(&x->upstream->deadline, &x->thread->wheel, x->peer.between_bytes_timeout);
	if (!upstream_want_read(x->upstream, true))
		exchange_abort(x, "no memory to wait for the origin");
	return WEIR_PHASES;
}

static enum weir_phase
cut_off(struct weir_exchange *x, const char *why)
{
	counter_add(&x->thread->counters, COUNT_UPSTREAM_TRUNCATED, 1);
	exchange_abort(x, why);
	return WEIR_PHASES;
}

/* Take the next piece of the body, reading if nothing is there. 1: *content, or the body's end; 0: nothing now; -1: the body
 * is broken, and *why says how. `more` tells whether the socket may hold more. */
static int
next_content(struct weir_exchange *x, struct buffer **content, bool *more, const char **why)
{
	struct upstream *u = x->upstream;

	*content = NULL;
	if (x->memory_left == 0 && x->source.next != NULL) {
		int asked = x->wait != NULL ? 0 : source_ask(x, why);

		if (asked <= 0 || x->download.ended)
			return asked;
	}
	if (x->memory_left > 0) {
		*why = "no memory for the response's body";
		*content = source_take(x);
		return *content != NULL ? 1 : -1;
	}
	if (u->in == NULL) {
		int got = *more ? buffer_receive(x->thread, &u->in, &u->wire) : BUFFER_NOTHING;

		if (got == BUFFER_NOTHING)
			return 0;
		if (got == BUFFER_END && x->download.in == FRAMING_CLOSE) {
			u->eof = true;
			x->download.ended = true;
			return 1;
		}
		*why = got == BUFFER_NO_MEMORY ? "no memory for the response's body"
			: "the origin closed before its response was whole";
		if (got < 0)
			return -1;
		*more = buffer_may_follow(u->in, &u->wire);
	}
	*why = "no memory for the response's body";
	return body_take(&x->download, x->thread, &u->in, content, &x->response.trailers, &x->limits, &x->arena,
		why) == BODY_OK ? 1 : -1;
}

enum weir_phase
download_relay(struct weir_exchange *x)
{
	const char *why = "the client is gone";
	bool more = true;

	for (int round = 0; ; round++) {
		struct buffer *content;
		enum outlet_result result = OUTLET_SENT;
		int got;

		if (x->out.queued > 0)
			result = outlet_flush(&x->out, &x->client->wire);
		else if (x->own != NULL && x->own->holds)
			result = own_take_again(x);
		if (result == OUTLET_SENT && x->download.ended)
			return download_ended(x);
		if (result == OUTLET_SENT) {
			got = next_content(x, &content, &more, &why);
			if (got < 0)
				return cut_off(x, why);
			if (got == 0)
				return download_rests(x);
			if (x->download.ended && x->upload.ended)
				origin_release(x);
			result = x->own != NULL ? own_take(x, content, x->download.ended)
				: filter_send(x, WEIR_PHASE_RESPONSE_BODY, 0, content, x->download.ended);
		}
		if (result == OUTLET_REFUSED)
			return exchange_fail(x, 500, x->failure);
		if (result == OUTLET_QUEUED)
			return download_waits(x);
		if (result == OUTLET_BROKEN) {
			counter_add(&x->thread->counters, COUNT_CLIENT_GONE, 1);
			exchange_abort(x, "the client is gone");
			return WEIR_PHASES;
		}
		if (round < ROUNDS || (x->upstream != NULL && wire_has_more(&x->upstream->wire)))
			continue;	/* what was received already no event will announce */
		/* Others' turn: the socket can be written, so the event comes at once. */
		if (x->memory_left > 0 || x->source.next != NULL) {
			if (!exchange_want_write(x, true))
				exchange_abort(x, "no memory to wait for the client");
			return WEIR_PHASES;
		}
		more = false;
	}
}
