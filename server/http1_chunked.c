/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http1_chunked: the chunked coding (RFC 9112, 7.1), taken off.
 *
 * A machine of states steps over the few bytes around each chunk; the chunks themselves are skipped whole.
 * Only a trailer section that is more than its empty line is copied, into the arena, to be parsed when it is
 * whole.
 */
#include "arena.h"
#include "http1_section.h"

#include <assert.h>
#include <string.h>

#define EXTENSION_MOST 1024		/* bytes of extensions in one chunk */
#define EXTENSIONS_MOST (16 * 1024)	/* and in one body */
#define DIGITS_MOST 16

enum state {
	SIZE,				/* hex digits; then an extension, or the end of the line */
	NAME, NAME_MORE,		/* ;name, of at least one character */
	VALUE, TOKEN_MORE,		/* =token */
	QUOTED, QUOTED_PAIR, QUOTED_END,	/* ="text", or a backslash and any character in it */
	SIZE_LF,
	DATA, DATA_CR, DATA_LF,
	TRAILER,
	END
};

void
http1_chunked_init(struct http1_chunked *c)
{
	*c = (struct http1_chunked){ .state = SIZE };
}

static const char *
step_size(struct http1_chunked *c, unsigned char byte)
{
	if (text_is(byte, TEXT_HEX)) {
		if (c->digits++ == DIGITS_MOST)
			return "chunk size has too many digits";
		c->left = c->left << 4 | text_hex(byte);
		return c->left > INT64_MAX ? "chunk size is too large" : NULL;
	}
	if (c->digits == 0)
		return "chunk without a size";
	if (byte != '\r' && byte != ';')
		return "malformed chunk size";
	c->state = byte == '\r' ? SIZE_LF : NAME;
	return NULL;
}

/* Where a part of an extension may end: with the line, or with the next extension. */
static const char *
end_part(struct http1_chunked *c, unsigned char byte)
{
	if (byte != '\r' && byte != ';')
		return "malformed chunk extension";
	c->state = byte == '\r' ? SIZE_LF : NAME;
	return NULL;
}

static const char *
step_quoted(struct http1_chunked *c, unsigned char byte)
{
	if (byte >= 0x7f || !text_is(byte, TEXT_FIELD))
		return "malformed chunk extension";
	if (c->state == QUOTED_PAIR)
		c->state = QUOTED;
	else if (byte == '\\')
		c->state = QUOTED_PAIR;
	else if (byte == '"')
		c->state = QUOTED_END;
	return NULL;
}

static const char *
step_extension(struct http1_chunked *c, unsigned char byte)
{
	bool token = text_is(byte, TEXT_TOKEN);

	if (++c->extension > EXTENSION_MOST || ++c->extensions > EXTENSIONS_MOST)
		return "chunk extensions are too long";
	switch (c->state) {
	case NAME:
		c->state = NAME_MORE;
		return token ? NULL : "malformed chunk extension";
	case NAME_MORE:
		if (byte == '=')
			c->state = VALUE;
		return token || byte == '=' ? NULL : end_part(c, byte);
	case VALUE:
		c->state = byte == '"' ? QUOTED : TOKEN_MORE;
		return token || byte == '"' ? NULL : "malformed chunk extension";
	case TOKEN_MORE:
		return token ? NULL : end_part(c, byte);
	case QUOTED_END:
		return end_part(c, byte);
	default:
		return step_quoted(c, byte);
	}
}

/* One byte around a chunk; says what is wrong with it. */
static const char *
step(struct http1_chunked *c, unsigned char byte)
{
	switch (c->state) {
	case SIZE:
		return step_size(c, byte);
	case SIZE_LF:
		c->state = c->left > 0 ? DATA : TRAILER;
		return byte == '\n' ? NULL : "bare CR after a chunk size";
	case DATA_CR:
		c->state = DATA_LF;
		return byte == '\r' ? NULL : "chunk is longer than its size";
	case DATA_LF:
		c->state = SIZE;
		c->digits = 0;
		c->extension = 0;
		return byte == '\n' ? NULL : "bare CR after a chunk";
	default:
		return step_extension(c, byte);
	}
}

/* Make room for a trailer section of this size. */
static bool
reserve(struct http1_chunked *c, size_t size, struct arena *arena)
{
	size_t capacity = 2 * size < 256 ? 256 : 2 * size;
	char *larger;

	if (size <= c->trailer_capacity)
		return true;
	larger = arena_alloc(arena, capacity);
	if (larger == NULL)
		return false;
	if (c->trailer_length > 0)
		memcpy(larger, c->trailer, c->trailer_length);
	c->trailer = larger;
	c->trailer_capacity = (uint32_t)capacity;
	return true;
}

/*
 * Copy [data, data + length), which goes no further than one line, behind the trailers so far. Says what is
 * wrong.
 */
static const char *
add_to_trailer(struct http1_chunked *c, const char *data, size_t length, const struct http1_limits *limits,
	struct arena *arena)
{
	size_t size = c->trailer_length + length;
	const char *last;

	if (size > limits->head_size)
		return "trailers are too large";
	if (!reserve(c, size, arena))
		return "no memory for trailers";
	memcpy(c->trailer + c->trailer_length, data, length);
	c->trailer_length = (uint32_t)size;
	last = c->trailer + size - 1;
	if (*last != '\n')
		return NULL;
	if (size < 2 || last[-1] != '\r')
		return "bare LF";
	if (size == 2 || last[-2] == '\n')
		c->state = END;
	return NULL;
}

/* Fields that must be known before the body is, or that say where the message goes and on whose behalf. */
static const char *const forbidden[] = {
	"age", "authorization", "cache-control", "content-encoding", "content-range", "content-type",
	"cookie", "expires", "forwarded", "if-", "location", "max-forwards", "origin", "pragma", "range",
	"retry-after", "set-cookie", "vary", "via", "warning", "www-authenticate", "x-forwarded-",
	"x-real-ip",
};

static const char *
parse_trailers(const struct http1_chunked *c, struct fields *trailers, const struct http1_limits *limits)
{
	struct http1_cursor cursor;
	struct http1_section section;

	http1_begin(&cursor, c->trailer, c->trailer_length, limits);
	if (!http1_read_section(&cursor, trailers, &section))
		return cursor.why != NULL ? cursor.why : "malformed trailers";
	for (unsigned i = 0; i < trailers->count; i++) {
		const struct field *field = &trailers->list[i];

		if ((field->id != FIELD_OTHER && field->id != FIELD_SERVER) || text_is_one_of(forbidden,
		    sizeof(forbidden) / sizeof(forbidden[0]), field->name, field->name_length))
			return "field is forbidden in trailers";
	}
	http1_seal_strings(trailers);
	return NULL;
}

/* Read trailers from data + *at on, at most to the end of one line. */
static const char *
read_trailer(struct http1_chunked *c, const char *data, size_t length, size_t *at, struct fields *trailers,
	const struct http1_limits *limits, struct arena *arena)
{
	const char *from = data + *at, *line_end;
	size_t size = length - *at;
	const char *wrong;

	if (c->trailer_length == 0 && size >= 2 && from[0] == '\r' && from[1] == '\n') {
		c->state = END;
		*at += 2;
		return NULL;
	}
	line_end = memchr(from, '\n', size);
	if (line_end != NULL)
		size = (size_t)(line_end - from) + 1;
	*at += size;
	wrong = add_to_trailer(c, from, size, limits, arena);
	if (wrong == NULL && c->state == END)
		wrong = parse_trailers(c, trailers, limits);
	return wrong;
}

enum http1_chunked_result
http1_chunked_next(struct http1_chunked *c, char *data, size_t length, size_t *at, size_t *body,
	struct fields *trailers, const struct http1_limits *limits, struct arena *arena, const char **why)
{
	const char *wrong = NULL;
	size_t left;

	assert(c->state != END && *at <= length);
	*body = 0;
	while (*at < length && wrong == NULL && c->state != END) {
		if (c->state == DATA) {
			left = length - *at;
			*body = c->left < left ? (size_t)c->left : left;
			c->left -= *body;
			if (c->left == 0)
				c->state = DATA_CR;
			return HTTP1_CHUNKED_MORE;
		}
		if (c->state == TRAILER)
			wrong = read_trailer(c, data, length, at, trailers, limits, arena);
		else
			wrong = step(c, (unsigned char)data[(*at)++]);
	}
	if (wrong != NULL) {
		*why = wrong;
		return HTTP1_CHUNKED_BAD;
	}
	return c->state == END ? HTTP1_CHUNKED_END : HTTP1_CHUNKED_MORE;
}

enum http1_chunked_result
http1_chunked_decode(struct http1_chunked *c, char *data, size_t *length, size_t *rest_at, size_t *rest,
	struct fields *trailers, const struct http1_limits *limits, struct arena *arena, const char **why)
{
	size_t all = *length, at = 0, body, out = 0;
	enum http1_chunked_result result;

	do {
		result = http1_chunked_next(c, data, all, &at, &body, trailers, limits, arena, why);
		if (body > 0 && out != at)
			memmove(data + out, data + at, body);
		out += body;
		at += body;
	} while (result == HTTP1_CHUNKED_MORE && at < all);
	*length = out;
	*rest_at = at;
	*rest = all - at;
	return result;
}
