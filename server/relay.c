/* SPDX-License-Identifier: Apache-2.0 */
/*
 * relay: bodies on their way through an exchange, with back-pressure.
 *
 * Each direction is one loop: what is queued goes first; while anything is, nothing more is read from the other side. A read that
 * did not fill its buffer has emptied the socket, so the loop ends without asking again. A loop that is fed as fast
 * as it reads gives way to others after a few rounds; its read event brings it back.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "buffer.h"
#include "chain.h"
#include "exchange.h"

enum { ROUNDS = 4, MEMORY_PIECE = 128 * 1024, DRAIN_TIME = 5000, BODY_GRACE = 10000 };

/* --- through hooks and framing, out ------------------------------------------------------------------------------------- */

static void
free_all(struct buffer *b)
{
	while (b != NULL) {
		struct buffer *next = b->next;

		buffer_free(&b);
		b = next;
	}
}

/* What the hooks made of a buffer, as a chain of buffers; the old one is freed. */
static bool
rebuild(struct thread *t, struct buffer **content, const struct weir_chunk *chunk)
{
	struct buffer *first = NULL, **last = &first;
	const char *from = chunk->data;

	for (size_t left = chunk->length; left > 0; ) {
		struct buffer *b = buffer_take(t, left < MEMORY_PIECE ? left : MEMORY_PIECE);
		size_t part;

		if (b == NULL) {
			free_all(first);
			return false;
		}
		part = left < buffer_space(b) ? left : buffer_space(b);
		memcpy(b->to, from, part);
		b->to += part;
		from += part;
		left -= part;
		*last = b;
		last = &b->next;
	}
	buffer_free(content);
	*content = first;
	return true;
}

/* A body hook can neither wait nor respond. */
static enum weir_verdict
check(struct weir_exchange *x, enum weir_phase phase, enum weir_verdict verdict)
{
	if (x->wait == NULL && (verdict == WEIR_NEXT || verdict == WEIR_DONE || verdict == WEIR_FAIL))
		return verdict;
	exchange_leave_wait(x);
	counter_add(&x->thread->counters, COUNT_VERDICT_REFUSED, 1);
	weir_log(WEIR_LOG_ERROR, "module %s returned a verdict that phase %s does not allow: the request fails",
		x->hook->module->name, chain_phase_name(phase));
	return WEIR_FAIL;
}

/* The other side was promised a length: bytes beyond it, or missing, would be taken for the next message, or from it. */
static bool
keeps_promise(struct weir_exchange *x, struct body *b, size_t length, bool last)
{
	b->made += length;
	if (b->out != FRAMING_LENGTH || (b->made <= b->bytes + b->left && (!last || b->made == b->bytes + b->left)))
		return true;
	x->failure = "a module changed the length of a body without saying so beforehand";
	return false;
}

/* Run the body hooks over the content. False: one failed, or there is no memory; x->failure says so. */
static bool
run_hooks(struct weir_exchange *x, enum weir_phase phase, struct body *b, struct buffer **content, bool last)
{
	const struct hook *hooks = x->chain->hooks, *before = x->hook;
	struct weir_chunk chunk = { *content == NULL ? "" : (*content)->from, buffer_length(*content), last };
	unsigned first = x->chain->first[phase], end = x->chain->first[phase + 1];
	bool good = true;

	for (unsigned i = first; good && i < end; i++) {
		enum weir_verdict verdict;

		if (i - first < 32 && (b->done & (1u << (i - first))) != 0)
			continue;
		x->hook = &hooks[i];
		verdict = check(x, phase, hooks[i].chunk(x, hooks[i].settings, exchange_state(x, &hooks[i]), &chunk));
		if (verdict == WEIR_DONE && i - first < 32)
			b->done |= 1u << (i - first);
		good = verdict != WEIR_FAIL;
	}
	x->hook = before;
	good = good && keeps_promise(x, b, chunk.length, last);
	if (!good && x->failure == NULL)
		x->failure = "a module failed the body";
	if (good && (chunk.length != buffer_length(*content) || (chunk.length > 0 && chunk.data != (*content)->from)))
		good = rebuild(x->thread, content, &chunk);
	return good && !x->refused_memory;
}

enum outlet_result
relay_send(struct weir_exchange *x, enum weir_phase phase, size_t length, struct buffer *content, bool last)
{
	bool up = phase == WEIR_PHASE_REQUEST_BODY, whole;
	struct body *b = up ? &x->upload : &x->download;
	struct outlet *o = up ? &x->upstream->out : &x->out;
	const struct fields *trailers = up ? &x->request.trailers : &x->response.trailers;
	int fd = up ? x->upstream->fd : x->client->fd;
	enum outlet_result result;

	if (b->hooked && (content != NULL || last) && !run_hooks(x, phase, b, &content, last)) {
		free_all(content);
		return OUTLET_REFUSED;
	}
	do {
		struct buffer *next = content == NULL ? NULL : content->next;

		whole = body_frame(b, content, last && next == NULL, trailers);
		result = outlet_send(o, x->thread, fd, x->thread->scratch, length, content == NULL ? NULL : &content);
		content = next;
		length = 0;
	} while (content != NULL && result != OUTLET_BROKEN);
	free_all(content);
	if (result == OUTLET_BROKEN || !last || whole)
		return result;
	length = http1_write_last_chunk(x->thread->scratch, SCRATCH_SIZE, trailers);
	return outlet_send(o, x->thread, fd, x->thread->scratch, length, NULL);
}

/* --- the client's write event ---------------------------------------------------------------------------------------------- */

static void
client_writable(evutil_socket_t fd, short what, void *argument)
{
	struct weir_exchange *x = argument;

	(void)fd;
	(void)what;
	if (x->stage == STAGE_TUNNEL)
		exchange_go(x, tunnel_relay(x));
	else if (x->stage == STAGE_BODY)
		exchange_go(x, relay_download(x));
	else
		switch (outlet_flush(&x->out, x->client->fd)) {	/* an interim response */
		case OUTLET_SENT:
			exchange_want_write(x, false);
			break;
		case OUTLET_BROKEN:
			exchange_abort(x, "the client is gone");
			break;
		default:
			break;
		}
}

bool
exchange_want_write(struct weir_exchange *x, bool wanted)
{
	if (x->writing == wanted)
		return true;
	if (!x->write_ready) {
		event_assign(&x->write, x->thread->base, x->client->fd, EV_WRITE | EV_PERSIST, client_writable, x);
		x->write_ready = true;
	}
	if (wanted && event_add(&x->write, NULL) != 0)
		return false;
	if (!wanted)
		event_del(&x->write);
	x->writing = wanted;
	return true;
}

/* --- upload ----------------------------------------------------------------------------------------------------------------- */

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
relay_take_upload(struct weir_exchange *x, struct buffer **content)
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

/* The client sends its body only once the origin has said 100 (RFC 9110, 10.1.1): it is the origin's turn. */
static bool
awaits_continue(const struct weir_exchange *x)
{
	return x->request.expect_continue && x->interims == 0 && x->upload.bytes == 0;
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
	if (x->stage == STAGE_HEAD && awaits_continue(x))
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
relay_resume_upload(struct weir_exchange *x)
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
relay_upload(struct weir_exchange *x)
{
	struct upstream *u = x->upstream;
	struct weir_connection *c = x->client;
	bool more = true;

	for (int round = 0; !x->upload_broken && (x->stage == STAGE_HEAD || x->stage == STAGE_BODY); round++) {
		struct buffer *content;
		enum outlet_result result;
		int got, status;

		if (u->out.queued > 0) {
			result = outlet_flush(&u->out, u->fd);
			if (result != OUTLET_SENT)
				return result == OUTLET_QUEUED ? upload_waits(x) : upload_broken(x);
		}
		if (x->upload.ended || (c->in == NULL && (!more || round >= ROUNDS)))
			return upload_rests(x);
		if (c->in == NULL) {
			got = buffer_receive(x->thread, &c->in, c->fd);
			if (got == BUFFER_NOTHING)
				return upload_rests(x);
			if (got < 0)
				return upload_ends(x, got);
			more = buffer_space(c->in) == 0;
		}
		status = relay_take_upload(x, &content);
		if (status != 0)
			return exchange_fail(x, status, x->failure);
		result = relay_send(x, WEIR_PHASE_REQUEST_BODY, 0, content, x->upload.ended);
		if (result == OUTLET_REFUSED)
			return exchange_fail(x, 500, x->failure);
		if (result != OUTLET_SENT)
			return result == OUTLET_QUEUED ? upload_waits(x) : upload_broken(x);
	}
	return WEIR_PHASES;
}

/* --- download ------------------------------------------------------------------------------------------------------------- */

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
	return relay_drain(x);
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
	relay_watch_rate(x);
	if (!exchange_want_write(x, true))
		exchange_abort(x, "no memory to wait for the client");
	return WEIR_PHASES;
}

static enum weir_phase
download_rests(struct weir_exchange *x)
{
	exchange_want_write(x, false);
	deadline_set(&x->upstream->deadline, &x->thread->wheel, x->peer.between_bytes_timeout);
	if (!upstream_want_read(x->upstream, true))
		exchange_abort(x, "no memory to wait for the origin");
	return WEIR_PHASES;
}

/* The next piece of a body from memory. NULL without memory for it. */
static struct buffer *
take_memory(struct weir_exchange *x)
{
	size_t length = x->memory_left < MEMORY_PIECE ? x->memory_left : MEMORY_PIECE;
	struct buffer *b = buffer_take(x->thread, length);

	if (b == NULL)
		return NULL;
	memcpy(b->to, x->memory, length);
	b->to += length;
	x->memory += length;
	x->memory_left -= length;
	x->download.bytes += length;
	x->download.left -= length;
	x->download.ended = x->memory_left == 0;
	return b;
}

static enum weir_phase
cut_off(struct weir_exchange *x, const char *why)
{
	counter_add(&x->thread->counters, COUNT_UPSTREAM_TRUNCATED, 1);
	exchange_abort(x, why);
	return WEIR_PHASES;
}

/* Take the next piece of the body, reading if nothing is there. 1: *content, or the body's end; 0: nothing now; -1: the body is broken,
 * and *why says how. `more` tells whether the socket may hold more. */
static int
next_content(struct weir_exchange *x, struct buffer **content, bool *more, const char **why)
{
	struct upstream *u = x->upstream;

	*content = NULL;
	if (x->memory_left > 0) {
		*why = "no memory for the response's body";
		*content = take_memory(x);
		return *content != NULL ? 1 : -1;
	}
	if (u->in == NULL) {
		int got = *more ? buffer_receive(x->thread, &u->in, u->fd) : BUFFER_NOTHING;

		if (got == BUFFER_NOTHING)
			return 0;
		if (got == BUFFER_END && x->download.in == FRAMING_CLOSE) {
			u->eof = true;
			x->download.ended = true;
			return 1;
		}
		*why = got == BUFFER_NO_MEMORY ? "no memory for the response's body" : "the origin closed before its response was whole";
		if (got < 0)
			return -1;
		*more = buffer_space(u->in) == 0;
	}
	*why = "no memory for the response's body";
	return body_take(&x->download, x->thread, &u->in, content, &x->response.trailers, &x->limits, &x->arena, why) == BODY_OK ? 1 : -1;
}

enum weir_phase
relay_download(struct weir_exchange *x)
{
	const char *why = "the client is gone";
	bool more = true;

	for (int round = 0; ; round++) {
		struct buffer *content;
		enum outlet_result result = OUTLET_SENT;
		int got;

		if (x->out.queued > 0)
			result = outlet_flush(&x->out, x->client->fd);
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
			result = relay_send(x, WEIR_PHASE_RESPONSE_BODY, 0, content, x->download.ended);
			if (result == OUTLET_REFUSED)
				return exchange_fail(x, 500, x->failure);
		}
		if (result == OUTLET_QUEUED)
			return download_waits(x);
		if (result == OUTLET_BROKEN) {
			counter_add(&x->thread->counters, COUNT_CLIENT_GONE, 1);
			exchange_abort(x, "the client is gone");
			return WEIR_PHASES;
		}
		if (round < ROUNDS)
			continue;
		if (x->memory_left > 0) {	/* others' turn: the socket can be written, so the event comes at once */
			if (!exchange_want_write(x, true))
				exchange_abort(x, "no memory to wait for the client");
			return WEIR_PHASES;
		}
		more = false;
	}
}

/* --- the rest of an upload that nobody wants ------------------------------------------------------------------------------------ */

enum weir_phase
relay_drain(struct weir_exchange *x)
{
	struct weir_connection *c = x->client;

	for (int round = 0; round < ROUNDS && !x->upload.ended; round++) {
		struct buffer *content;
		int got = c->in != NULL ? 1 : buffer_receive(x->thread, &c->in, c->fd);

		if (got == BUFFER_NOTHING)
			break;
		if (got < 0 || relay_take_upload(x, &content) != 0) {
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

/* --- events of the client's connection -------------------------------------------------------------------------------------------- */

/* Bytes that nobody waits for: a pipelined request, or the end. A client that closes its side only may still want its answer. */
static void
unwanted(struct weir_exchange *x)
{
	char byte;
	ssize_t got = recv(x->client->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got < 0) {
		counter_add(&x->thread->counters, COUNT_CLIENT_GONE, 1);
		exchange_abort(x, "the client is gone");
		return;
	}
	client_want(x->client, false);
	if (got == 0 && x->upload.ended)
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
		exchange_go(x, relay_drain(x));
	else if (sending && x->upstream->out.queued == 0)
		exchange_go(x, relay_upload(x));
	else
		unwanted(x);
}

/* Set the client's deadline to the next look at the rate, or to the end of the exchange's time. */
static void
arm(struct weir_exchange *x)
{
	int64_t grace = x->route == NULL ? BODY_GRACE : x->route->settings.body_grace;
	int64_t total = x->route == NULL ? 0 : x->route->settings.total_timeout, after = INT64_MAX;

	if (x->rate_time != 0)
		after = grace > 0 ? grace : 1000;
	if (total > 0) {
		total -= (int64_t)(weir_elapsed(x) / 1000000);
		after = total < after ? total : after;
	}
	if (after != INT64_MAX)
		deadline_set(&x->client->deadline, &x->thread->wheel, after > 0 ? after : 1);
}

void
relay_watch_total(struct weir_exchange *x)
{
	arm(x);
}

void
relay_watch_rate(struct weir_exchange *x)
{
	if (x->rate_time != 0 || x->logged)
		return;
	x->rate_time = wheel_clock();
	x->rate_mark = x->upload.bytes + x->download.bytes - x->out.queued;
	arm(x);
}

/* Has the client, if it was its turn, moved enough since the last look? */
static bool
rate_holds(struct weir_exchange *x)
{
	int64_t rate = x->route == NULL ? 1 : x->route->settings.body_rate, now = wheel_clock();
	uint64_t bytes = x->upload.bytes + x->download.bytes - x->out.queued, moved = bytes - x->rate_mark;
	int64_t time = now - x->rate_time;
	bool uploading = x->stage != STAGE_PHASES && !x->upload.ended && !x->upload_broken && !awaits_continue(x)
		&& (x->upstream == NULL || x->upstream->out.queued == 0);

	if (x->rate_time == 0)
		return true;
	x->rate_mark = bytes;
	x->rate_time = now;
	return (x->out.queued == 0 && !uploading) || rate <= 0 || (double)moved * 1000 >= (double)rate * (double)time;
}

static bool
time_is_over(struct weir_exchange *x)
{
	return x->route != NULL && x->route->settings.total_timeout > 0
		&& weir_elapsed(x) / 1000000 >= (uint64_t)x->route->settings.total_timeout;
}

void
exchange_client_deadline(struct weir_exchange *x)
{
	if (x->stage == STAGE_TUNNEL || x->stage == STAGE_DRAIN) {
		exchange_close(x, CLIENT_CLOSE);
		return;
	}
	if (time_is_over(x)) {
		x->keep = false;
		arm(x);
		exchange_leave_wait(x);
		exchange_go(x, exchange_fail(x, 504, "the exchange took longer than total_timeout"));
		return;
	}
	if (rate_holds(x)) {
		arm(x);
		return;
	}
	counter_add(&x->thread->counters, COUNT_CLIENT_TIMEOUT, 1);
	x->keep = false;
	arm(x);
	exchange_leave_wait(x);
	exchange_go(x, exchange_fail(x, 408, "the client is slower than body_rate"));
}
