/* SPDX-License-Identifier: Apache-2.0 */
/*
 * filter: a piece of a body on its last stretch: through the modules' body hooks, into its outgoing framing, out.
 *
 * Without body hooks no module sees a chunk and the buffer that was received is the buffer that is sent. What hooks make
 * longer or put elsewhere is copied into buffers of its own.
 */
#include <string.h>

#include "buffer.h"
#include "chain.h"
#include "exchange.h"

enum { PIECE = 128 * 1024 };

/* What the hooks made of a buffer, as a chain of buffers; the old one is freed. */
static bool
rebuild(struct thread *t, struct buffer **content, const struct weir_chunk *chunk)
{
	struct buffer *first = NULL, **last = &first;
	const char *from = chunk->data;

	for (size_t left = chunk->length; left > 0; ) {
		struct buffer *b = buffer_take(t, left < PIECE ? left : PIECE);
		size_t part;

		if (b == NULL) {
			buffer_free_all(&first);
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
filter_send(struct weir_exchange *x, enum weir_phase phase, size_t length, struct buffer *content, bool last)
{
	bool up = phase == WEIR_PHASE_REQUEST_BODY, whole;
	struct body *b = up ? &x->upload : &x->download;
	struct outlet *o = up ? &x->upstream->out : &x->out;
	const struct fields *trailers = up ? &x->request.trailers : &x->response.trailers;
	struct wire *wire = up ? &x->upstream->wire : &x->client->wire;
	enum outlet_result result;

	if (b->hooked && (content != NULL || last) && !run_hooks(x, phase, b, &content, last)) {
		buffer_free_all(&content);
		return OUTLET_REFUSED;
	}
	do {
		struct buffer *next = content == NULL ? NULL : content->next;

		whole = body_frame(b, content, last && next == NULL, trailers);
		result = outlet_send(o, x->thread, wire, x->thread->scratch, length, content == NULL ? NULL : &content);
		content = next;
		length = 0;
	} while (content != NULL && result != OUTLET_BROKEN);
	buffer_free_all(&content);
	if (result == OUTLET_BROKEN || !last || whole)
		return result;
	length = http1_write_last_chunk(x->thread->scratch, SCRATCH_SIZE, trailers);
	return outlet_send(o, x->thread, wire, x->thread->scratch, length, NULL);
}
