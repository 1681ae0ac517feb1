/* SPDX-License-Identifier: Apache-2.0 */
/*
 * source: responses whose body a module gives piece by piece.
 *
 * A piece is x->memory, as the body of weir_respond is, and goes by reference from there to the socket: `piece` is a buffer
 * without room of its own that points at it. Only what framing must go around is copied. The next piece is asked for when the
 * last one is with the kernel, so that what the source lends is never more than one.
 */
#include <string.h>
#include <weir/stream.h>

#include "buffer.h"
#include "exchange.h"

enum { COPIED_PIECE = 128 * 1024 };

void
weir_respond_source(struct weir_exchange *x, int status, int64_t length, weir_source *next, void (*release)(void *argument),
	void *argument)
{
	answer_set(x, status, NULL, NULL, length < 0 ? 0 : (size_t)length);
	x->source = (struct source){ .next = next, .release = release, .argument = argument, .hook = x->hook };
	x->memory_left = 0;
	if (length >= 0)
		return;
	x->response.framing = FRAMING_CHUNKED;
	x->response.has_length = false;
	body_init(&x->download, FRAMING_CLOSE, 0, FRAMING_CLOSE);
}

void
weir_respond_lines(struct weir_exchange *x, const char *lines, size_t length)
{
	x->response.lines = lines;
	x->response.lines_length = length;
}

void
source_drop(struct weir_exchange *x)
{
	struct source source = x->source;

	x->source.next = NULL;
	if (source.next != NULL && source.release != NULL)
		source.release(source.argument);
}

/* Does the piece keep to the length that was promised, and bring the body on? A source that has nothing yet must wait. */
static bool
count_piece(struct weir_exchange *x, const struct weir_chunk *chunk, const char **why)
{
	struct body *b = &x->download;

	*why = "the source of the response does not keep to its length";
	if (b->in == FRAMING_LENGTH && (chunk->length > b->left || (chunk->last && chunk->length < b->left)))
		return false;
	*why = "the source of the response gave an empty piece that is not its last";
	if (chunk->length == 0 && !chunk->last && (b->in != FRAMING_LENGTH || b->left > 0))
		return false;
	x->memory = chunk->data;
	x->memory_left = chunk->length;
	x->source.ended = chunk->last || (b->in == FRAMING_LENGTH && chunk->length == b->left);
	b->ended = x->source.ended && chunk->length == 0;
	return true;
}

int
source_ask(struct weir_exchange *x, const char **why)
{
	struct weir_chunk chunk = { "", 0, false };
	const struct hook *before = x->hook;
	enum weir_verdict verdict;

	x->hook = x->source.hook;
	verdict = x->source.next(x, x->source.argument, &chunk);
	x->hook = before;
	if (verdict == WEIR_WAIT && x->wait != NULL)
		return 0;
	exchange_leave_wait(x);
	*why = "the source of the response failed";
	if (verdict != WEIR_NEXT)
		return -1;
	return count_piece(x, &chunk, why) ? 1 : -1;
}

/* A buffer that points at the memory. */
static struct buffer *
borrow(struct weir_exchange *x, size_t length)
{
	struct buffer *b = x->piece;

	if (b == NULL)
		b = x->piece = arena_alloc(&x->arena, sizeof(*b));
	if (b == NULL)
		return NULL;
	b->next = NULL;
	b->slab = NULL;
	b->from = (char *)x->memory;	/* only read: nobody frames it */
	b->to = b->end = b->from + length;
	return b;
}

static struct buffer *
copy(struct weir_exchange *x, size_t length)
{
	struct buffer *b = buffer_take(x->thread, length);

	if (b == NULL)
		return NULL;
	memcpy(b->to, x->memory, length);
	b->to += length;
	return b;
}

struct buffer *
source_take(struct weir_exchange *x)
{
	bool framed = x->download.out == FRAMING_CHUNKED;
	size_t length = framed && x->memory_left > COPIED_PIECE ? COPIED_PIECE : x->memory_left;
	struct buffer *b = framed ? copy(x, length) : borrow(x, length);

	if (b == NULL)
		return NULL;
	x->memory += length;
	x->memory_left -= length;
	x->download.bytes += length;
	if (x->download.in == FRAMING_LENGTH)
		x->download.left -= length;
	x->download.ended = x->memory_left == 0 && (x->source.next == NULL || x->source.ended);
	return b;
}
