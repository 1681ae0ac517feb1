/* SPDX-License-Identifier: Apache-2.0 */
/*
 * upload: a request's body on its way from the client to the origin, with back-pressure; or to nowhere.
 *
 * One loop: what is queued for the origin goes first; while anything is, nothing more is read from the client. A read that
 * did not fill its buffer has emptied the socket, so the loop ends without asking again; after a few rounds it gives way to
 * others, and its read event brings it back.
 */
#include <string.h>

#include "buffer.h"
#include "exchange.h"

enum { ROUNDS = 4 };

/* Keep what goes out of the body, so that it can be sent again; past the bound it cannot. */
static void
remember(struct weir_exchange *x, const struct buffer *content)
{
	size_t length = buffer_length(content);

	if (!x->replayable || x->head_sent || length == 0)
		return;
	if (x->upload.hooked || x->upload.left > REPLAY_SIZE || x->replay_length + length > REPLAY_SIZE) {
		x->replayable = false;
		return;
	}
	if (x->replay == NULL || x->replay_length + length > x->replay_room) {
		size_t room = x->upload.ended ? x->replay_length + length : REPLAY_SIZE;
		char *replay = arena_alloc(&x->arena, room);

		if (replay == NULL) {
			x->replayable = false;
			return;
		}
		memcpy(replay, x->replay == NULL ? "" : x->replay, x->replay_length);
		x->replay = replay;
		x->replay_room = (uint32_t)room;
	}
	memcpy(x->replay + x->replay_length, content->from, length);
	x->replay_length += (uint32_t)length;
}

int
upload_take(struct weir_exchange *x, struct buffer **content)
{
	const uint64_t limit = x->route == NULL ? 0 : x->route->settings.body_size;
	const char *why = "no memory";

	*content = NULL;
	switch (body_take(&x->upload, x->thread, &x->client->in, content, &x->request.trailers, &x->limits, &x->arena, &why)) {
	case BODY_BAD:
		buffer_free(content);
		x->failure = why;
		x->keep = false;
		counter_add(&x->thread->counters, COUNT_REQUESTS_MALFORMED, 1);
		return 400;
	case BODY_NO_MEMORY:
		x->failure = why;
		x->keep = false;
		return 503;
	case BODY_OK:
		break;
	}
	if (limit > 0 && x->upload.bytes > limit) {
		buffer_free(content);
		x->failure = "the request's body is larger than body_size";
		x->keep = false;
		counter_add(&x->thread->counters, COUNT_LIMITED, 1);
		return 413;
	}
	remember(x, *content);
	return 0;
}

/* The origin takes no more: what it has to say may be on its way, so its response is awaited. */
static enum weir_phase
upload_broken(struct weir_exchange *x)
{
	x->upload_broken = true;
	x->keep = false;
	upstream_want_write(x->upstream, false);
	client_want(x->client, false);
	if (x->stage == STAGE_HEAD)
		deadline_set(&x->upstream->deadline, &x->thread->wheel, x->peer.first_byte_timeout);
	return WEIR_PHASES;
}

/* All that came is sent on: wait for more, or for the response. */
static enum weir_phase
upload_rests(struct weir_exchange *x)
{
	struct upstream *u = x->upstream;

	upstream_want_write(u, false);
	if (x->upload.ended) {
		if (x->stage == STAGE_HEAD)
			deadline_set(&u->deadline, &x->thread->wheel, x->peer.first_byte_timeout);
		return WEIR_PHASES;
	}
	if (x->stage == STAGE_HEAD && exchange_awaits_continue(x))
		deadline_set(&u->deadline, &x->thread->wheel, x->peer.first_byte_timeout);
	else if (x->stage == STAGE_HEAD)
		deadline_clear(&u->deadline);	/* it is the client that must send */
	if (!client_want(x->client, true))
		return exchange_fail(x, 503, "no memory to wait for the request's body");
	return WEIR_PHASES;
}

static enum weir_phase
upload_waits(struct weir_exchange *x)
{
	struct upstream *u = x->upstream;

	if (x->out.queued == 0)	/* else it is the client's turn, and the response waits for that */
		deadline_set(&u->deadline, &x->thread->wheel, x->peer.between_bytes_timeout);
	if (!upstream_want_write(u, true))
		return exchange_fail(x, 503, "no memory to wait for the origin");
	return WEIR_PHASES;
}

bool
upload_resume(struct weir_exchange *x)
{
	if (x->upstream == NULL || x->upload_broken)
		return true;
	if (x->upstream->out.queued > 0)
		return upstream_want_write(x->upstream, true);
	return x->upload.ended || client_want(x->client, true);
}

/* What a recv that brought nothing means for the body that was awaited. */
static enum weir_phase
upload_ends(struct weir_exchange *x, int got)
{
	if (got == BUFFER_NO_MEMORY)
		return exchange_fail(x, 503, "no memory for the request's body");
	exchange_abort(x, "the client closed before its request was whole");
	return WEIR_PHASES;
}

enum weir_phase
upload_relay(struct weir_exchange *x)
{
	struct upstream *u = x->upstream;
	struct weir_connection *c = x->client;
	bool more = true;

	for (int round = 0; !x->upload_broken && (x->stage == STAGE_HEAD || x->stage == STAGE_BODY); round++) {
		struct buffer *content;
		enum outlet_result result;
		int got, status;

		if (u->out.queued > 0) {
			result = outlet_flush(&u->out, &u->wire);
			if (result != OUTLET_SENT)
				return result == OUTLET_QUEUED ? upload_waits(x) : upload_broken(x);
		}
		if (x->upload.ended || (c->in == NULL && (!more || round >= ROUNDS)))
			return upload_rests(x);
		if (c->in == NULL) {
			got = buffer_receive(x->thread, &c->in, &c->wire);
			if (got == BUFFER_NOTHING)
				return upload_rests(x);
			if (got < 0)
				return upload_ends(x, got);
			more = buffer_may_follow(c->in, &c->wire);
		}
		status = upload_take(x, &content);
		if (status != 0)
			return exchange_fail(x, status, x->failure);
		result = filter_send(x, WEIR_PHASE_REQUEST_BODY, 0, content, x->upload.ended);
		if (result == OUTLET_REFUSED)
			return exchange_fail(x, 500, x->failure);
		if (result != OUTLET_SENT)
			return result == OUTLET_QUEUED ? upload_waits(x) : upload_broken(x);
	}
	return WEIR_PHASES;
}

/* --- the rest of an upload that nobody wants
 * ------------------------------------------------------------------------------------ */

enum weir_phase
upload_drain(struct weir_exchange *x)
{
	struct weir_connection *c = x->client;

	for (int round = 0; round < ROUNDS && !x->upload.ended; round++) {
		struct buffer *content;
		int got = c->in != NULL ? 1 : buffer_receive(x->thread, &c->in, &c->wire);

		if (got == BUFFER_NOTHING)
			break;
		if (got < 0 || upload_take(x, &content) != 0) {
			exchange_close(x, CLIENT_LINGER);
			return WEIR_PHASES;
		}
		buffer_free(&content);
	}
	if (x->upload.ended)
		exchange_close(x, CLIENT_KEEP);
	else if (!client_want(c, true))
		exchange_close(x, CLIENT_CLOSE);
	return WEIR_PHASES;
}
