/* SPDX-License-Identifier: Apache-2.0 */
/*
 * body: framing off, framing on, in place.
 */
#include "body.h"

#include <assert.h>
#include <string.h>

#include "buffer.h"
#include "thread.h"

void
body_init(struct body *b, enum framing in, uint64_t length, enum framing out)
{
	memset(b, 0, sizeof(*b));
	b->in = in;
	b->out = out;
	b->left = in == FRAMING_LENGTH ? length : 0;
	b->ended = in == FRAMING_NONE || (in == FRAMING_LENGTH && length == 0);
	if (in == FRAMING_CHUNKED)
		http1_chunked_init(&b->chunked);
}

/* The first `length` bytes of *in stay in *content; what lies from `rest` on, up to the end, becomes the new *in. */
static enum body_result
split(struct thread *t, struct buffer **in, struct buffer **content, size_t length, char *rest)
{
	size_t left = (size_t)((*in)->to - rest);
	struct buffer *b = NULL;

	if (left > 0) {
		b = buffer_take(t, left);
		if (b == NULL)
			return BODY_NO_MEMORY;
		memcpy(b->to, rest, left);
		b->to += left;
	}
	*content = *in;
	*in = b;
	(*content)->to = (*content)->from + length;
	if (length == 0)
		buffer_free(content);
	return BODY_OK;
}

static enum body_result
take_chunked(struct body *b, struct thread *t, struct buffer **in, struct buffer **content,
	struct fields *trailers, const struct http1_limits *limits, struct arena *arena, const char **why)
{
	size_t length = buffer_length(*in), rest_at = 0, rest = 0;
	char *data = (*in)->from;

	switch (http1_chunked_decode(&b->chunked, data, &length, &rest_at, &rest, trailers, limits, arena, why)) {
	case HTTP1_CHUNKED_BAD:
		return BODY_BAD;
	case HTTP1_CHUNKED_MORE:
		rest_at = buffer_length(*in);
		break;
	case HTTP1_CHUNKED_END:
		b->ended = true;
		break;
	}
	b->bytes += length;
	return split(t, in, content, length, data + rest_at);
}

enum body_result
body_take(struct body *b, struct thread *t, struct buffer **in, struct buffer **content,
	struct fields *trailers, const struct http1_limits *limits, struct arena *arena, const char **why)
{
	size_t length = buffer_length(*in);

	*content = NULL;
	if (b->ended || length == 0)
		return BODY_OK;
	if (b->in == FRAMING_CHUNKED)
		return take_chunked(b, t, in, content, trailers, limits, arena, why);
	if (b->in == FRAMING_LENGTH) {
		if (length > b->left)
			length = b->left;
		b->left -= length;
		b->ended = b->left == 0;
	}
	b->bytes += length;
	return split(t, in, content, length, (*in)->from + length);
}

bool
body_frame(struct body *b, struct buffer *content, bool last, const struct fields *trailers)
{
	char header[HTTP1_CHUNK_HEADER];
	size_t length;

	if (b->out != FRAMING_CHUNKED || content == NULL)
		return b->out != FRAMING_CHUNKED;
	assert(buffer_length(content) > 0);
	length = http1_write_chunk_header(header, buffer_length(content));
	content->from -= length;
	assert(content->from >= content->room);
	memcpy(content->from, header, length);
	memcpy(content->to, "\r\n", 2);
	content->to += 2;
	if (!last || trailers->count > 0)
		return !last;
	memcpy(content->to, "0\r\n\r\n", 5);
	content->to += 5;
	return true;
}
