/* SPDX-License-Identifier: Apache-2.0 */
/*
 * answer: the response as the client gets it: its head, its framing, and whether the connection goes on.
 *
 * Whoever made the response (an origin, a module, the core for an error), it passes here once, after the phase response.
 */
#include <assert.h>
#include <string.h>

#include "buffer.h"
#include "exchange.h"
#include "gathered.h"
#include "listener.h"

enum { DRAIN_BYTES = 64 * 1024, GATHER_ALL = 64 * 1024 };

void
answer_set(struct weir_exchange *x, int status, const char *type, const char *body, size_t length)
{
	source_drop(x);
	if (x->upstream != NULL)	/* its response, if it is whole, need not cost the connection */
		origin_release(x);
	response_init(&x->response, &x->arena);
	x->response.status = status;
	x->response.reason = NULL;
	x->response.minor = 1;
	x->response.framing = FRAMING_LENGTH;
	x->response.length = length;
	x->response.has_length = true;
	x->response_version = 0;
	x->memory = body;
	x->memory_left = length;
	x->responded = true;
	x->opened = false;
	x->download_changes = false;
	body_init(&x->download, FRAMING_LENGTH, length, FRAMING_LENGTH);
	if (type != NULL && length > 0 && !fields_add(&x->response.fields, "Content-Type", 12, type, strlen(type)))
		x->refused_memory = true;
}

void
answer_error(struct weir_exchange *x)
{
	int status = x->failure_status == 0 ? 500 : x->failure_status;
	char *page = arena_printf(&x->arena, "%d %s\n", status, status_reason(status));

	answer_set(x, status, "text/plain; charset=utf-8", page == NULL ? "" : page, page == NULL ? 0 : strlen(page));
	x->refused_memory = false;
}

bool
answer_interim(struct weir_exchange *x, struct response *interim)
{
	struct thread *t = x->thread;
	const char *why;
	size_t length;
	enum outlet_result result;

	if (x->request.minor == 0 || x->client->own)
		return true;
	if (!fields_strip_hop_by_hop(&interim->fields, false, &why))
		return true;	/* it is only advice */
	length = http1_write_response(t->scratch, SCRATCH_SIZE, interim, true, 1, NULL);
	result = outlet_send(&x->out, t, &x->client->wire, t->scratch, length, NULL);
	return result == OUTLET_SENT || (result == OUTLET_QUEUED && exchange_want_write(x, true));
}

/* How the body will be framed for this client, and what of it there is at all. */
static void
choose_framing(struct weir_exchange *x)
{
	struct response *r = &x->response;

	if (x->request.method == METHOD_HEAD || r->status == 204 || r->status == 304) {
		r->framing = r->has_length && r->status != 204 ? FRAMING_LENGTH : FRAMING_NONE;
		if (x->download_changes)
			r->framing = FRAMING_NONE;
		if (!x->download.ended)
			origin_drop(x);	/* its body is not read: the connection cannot serve another request */
		x->memory_left = 0;
		x->download.out = FRAMING_NONE;
		x->download.ended = true;
		return;
	}
	if (x->download.in == FRAMING_LENGTH && !x->download_changes)
		r->framing = FRAMING_LENGTH;
	else if (x->download.in == FRAMING_NONE)
		r->framing = FRAMING_LENGTH, r->length = 0;
	else
		r->framing = x->request.minor == 0 ? FRAMING_CLOSE : FRAMING_CHUNKED;
	x->download.out = r->framing;
}

/* Can the connection serve another request after this one? What is left of the upload must be known to be little. */
static bool
can_keep(const struct weir_exchange *x)
{
	if (!x->keep || x->response.framing == FRAMING_CLOSE || x->thread->draining || x->client->listener->listen == NULL)
		return false;
	if (x->upload.ended)
		return true;
	return x->upload.in == FRAMING_LENGTH && x->upload.left <= DRAIN_BYTES
		&& !(x->request.expect_continue && x->upload.bytes == 0);
}

static bool
add_date(struct weir_exchange *x)
{
	const char *date;

	if (x->response.lines != NULL || fields_find_id(&x->response.fields, FIELD_DATE) != NULL)
		return true;
	date = arena_copy(&x->arena, thread_date(x->thread), 29);
	return date != NULL && fields_add(&x->response.fields, "Date", 4, date, 29);
}

/* The first part of the body, to go with the head. False: what came of it is no body. */
static bool
first_content(struct weir_exchange *x, struct buffer **content, const char **why)
{
	*content = NULL;
	if (x->download.ended)
		return true;
	if (x->source.next != NULL && x->memory_left == 0 && source_ask(x, why) < 0)
		return false;
	if (x->memory_left > 0) {	/* without memory now there may be some later */
		*content = source_take(x);
		return true;
	}
	if (x->upstream == NULL || x->upstream->in == NULL)
		return true;
	return body_take(&x->download, x->thread, &x->upstream->in, content, &x->response.trailers, &x->limits, &x->arena, why)
		== BODY_OK;
}

/* The whole response is here and small, and there is something that it may leave with. Not with TLS: what is queued there is
 * sealed already. */
static bool
gather(struct weir_exchange *x, size_t length, struct buffer **content)
{
	if (x->client->wire.tls != NULL || !x->keep || !x->download.ended || !x->upload.ended || x->download.hooked || x->writing
			|| x->response.trailers.count > 0 || length + buffer_length(*content) > TURN_MESSAGE
			|| x->out.queued > GATHER_ALL || x->download.out == FRAMING_CHUNKED || !gathered_may(x->client))
		return false;
	if (!outlet_gather(&x->out, x->thread, x->thread->scratch, length, content))
		return false;
	x->gathers = true;
	return true;
}

enum weir_phase
answer_begin(struct weir_exchange *x)
{
	struct thread *t = x->thread;
	struct buffer *content;
	const char *why = NULL;
	size_t length;

	if (x->response.status == 101 || x->opened)
		return tunnel_begin(x);
	if (x->bare)
		return passthrough_answer(x);
	if (x->request.method == METHOD_CONNECT) {
		if (x->response.status != 407 || x->client->in != NULL)
			x->keep = false;	/* what comes behind was meant for the tunnel */
		if (x->response.status < 300)	/* the client would take it for one */
			return exchange_fail(x, 501, "a module answers CONNECT with 2xx and opens no tunnel");
	}
	assert(!x->head_sent);
	choose_framing(x);
	x->keep = can_keep(x);
	x->download.hooked = x->chain->first[WEIR_PHASE_RESPONSE_BODY] != x->chain->first[WEIR_PHASE_RESPONSE_BODY + 1]
		&& x->download.out != FRAMING_NONE && !x->plain;
	length = add_date(x) ? http1_write_response(t->scratch, SCRATCH_SIZE, &x->response, x->keep, x->request.minor, NULL) : 0;
	if (length == 0) {
		exchange_abort(x, "the response's head does not fit the memory for it");
		return WEIR_PHASES;
	}
	if (!first_content(x, &content, &why))
		return exchange_fail(x, 502, why);
	x->head_sent = true;
	x->stage = STAGE_BODY;
	if (!upload_resume(x)) {
		buffer_free(&content);
		exchange_abort(x, "no memory to wait for the request's body");
		return WEIR_PHASES;
	}
	if (x->download.ended && x->upload.ended)
		origin_release(x);
	if (gather(x, length, &content)) {
		exchange_close(x, CLIENT_KEEP);
		return WEIR_PHASES;
	}
	switch (filter_send(x, WEIR_PHASE_RESPONSE_BODY, length, content, x->download.ended)) {
	case OUTLET_REFUSED:	/* nothing has gone out yet */
		x->head_sent = false;
		return exchange_fail(x, 500, x->failure);
	case OUTLET_BROKEN:
		counter_add(&t->counters, COUNT_CLIENT_GONE, 1);
		exchange_abort(x, "the client is gone");
		return WEIR_PHASES;
	default:
		return download_relay(x);
	}
}
