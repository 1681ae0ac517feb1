/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http1_write: heads and chunk headers as they go out.
 *
 * Framing and Connection are always our own: whatever a peer or a module left in the fields, a message says
 * once how long it is.
 */
#include "http1.h"

#include <assert.h>
#include <string.h>

struct writer {
	char *start, *at, *end;
	bool full;
};

static bool
has_room(struct writer *w, size_t length)
{
	if ((size_t)(w->end - w->at) >= length)
		return true;
	w->full = true;
	return false;
}

static void
put(struct writer *w, const char *text, size_t length)
{
	if (w->full || !has_room(w, length))
		return;
	memcpy(w->at, text, length);
	w->at += length;
}

#define PUT(w, literal) put(w, literal, sizeof(literal) - 1)

static void
put_text(struct writer *w, const char *text)
{
	put(w, text, strlen(text));
}

static void
put_number(struct writer *w, uint64_t number)
{
	char digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + number % 10);
		number /= 10;
	} while (number > 0);
	put(w, digits + at, sizeof(digits) - at);
}

static void
put_field(struct writer *w, const struct field *field)
{
	size_t name = field->name_length, value = field->value_length;

	if (w->full || !has_room(w, name + value + 4))
		return;
	memcpy(w->at, field->name, name);
	memcpy(w->at + name, ": ", 2);
	memcpy(w->at + name + 2, field->value, value);
	memcpy(w->at + name + 2 + value, "\r\n", 2);
	w->at += name + value + 4;
}

/* Does it stand as it came in a head, "name: value", but for the NULs that end both? */
static inline bool
is_as_received(const struct field *field)
{
	return field->value == field->name + field->name_length + 2;
}

static inline bool
follows(const struct field *field, const struct field *next)
{
	return next->name == field->value + field->value_length + 2;
}

/* Fields that stand one behind the other leave in one piece, in which colons and line ends are put back. */
static void
put_run(struct writer *w, const struct field *first, const struct field *end)
{
	const struct field *last = end - 1;
	size_t length = (size_t)(last->value + last->value_length - first->name);

	if (w->full || !has_room(w, length + 2))
		return;
	memcpy(w->at, first->name, length);
	for (const struct field *field = first; field != end; field++) {
		char *at = w->at + (field->name - first->name) + field->name_length;

		memcpy(at, ": ", 2);
		memcpy(at + 2 + field->value_length, "\r\n", 2);
	}
	w->at += length + 2;
}

/* Every field but those that the writer makes itself, one bit an id. */
static void
put_fields(struct writer *w, const struct fields *fields, unsigned own)
{
	const struct field *field = fields->list, *end, *first;

	if (fields->count == 0)
		return;
	for (end = field + fields->count; field != end;) {
		if (own >> field->id & 1) {
			field++;
		} else if (!is_as_received(field)) {
			put_field(w, field++);
		} else {
			first = field++;
			while (field != end && follows(field - 1, field) && is_as_received(field) && !(own >> field->id & 1))
				field++;
			put_run(w, first, field);
		}
	}
}

#define OWN (1u << FIELD_CONNECTION | 1u << FIELD_KEEP_ALIVE | 1u << FIELD_TRANSFER_ENCODING | \
	1u << FIELD_CONTENT_LENGTH | 1u << FIELD_UPGRADE)

static void
put_framing(struct writer *w, enum framing framing, uint64_t length)
{
	if (framing == FRAMING_CHUNKED) {
		PUT(w, "Transfer-Encoding: chunked\r\n");
	} else if (framing == FRAMING_LENGTH) {
		PUT(w, "Content-Length: ");
		put_number(w, length);
		PUT(w, "\r\n");
	}
}

static void
put_connection(struct writer *w, bool keep_alive, int minor, const char *upgrade)
{
	if (upgrade != NULL) {
		PUT(w, "Connection: ");
		if (!keep_alive)
			PUT(w, "close, ");
		PUT(w, "upgrade\r\nUpgrade: ");
		put_text(w, upgrade);
		PUT(w, "\r\n");
	} else if (!keep_alive) {
		PUT(w, "Connection: close\r\n");
	} else if (minor == 0) {
		PUT(w, "Connection: keep-alive\r\n");
	}
}

static size_t
finish(struct writer *w)
{
	PUT(w, "\r\n");
	return w->full ? 0 : (size_t)(w->at - w->start);
}

static void
put_target(struct writer *w, const struct request *r)
{
	if (r->form == TARGET_AUTHORITY) {
		put_text(w, r->authority);
		return;
	}
	put_text(w, r->path);
	if (r->query != NULL) {
		PUT(w, "?");
		put_text(w, r->query);
	}
}

size_t
http1_write_request(char *to, size_t room, const struct request *r, bool keep_alive)
{
	struct writer w = { .start = to, .at = to, .end = to + room };
	const struct field *host = fields_find_id(&r->fields, FIELD_HOST);

	assert(r->framing != FRAMING_CLOSE);
	put_text(&w, r->method_name);
	PUT(&w, " ");
	put_target(&w, r);
	PUT(&w, " HTTP/1.1\r\nHost: ");
	if (host != NULL)
		put(&w, host->value, host->value_length);
	else
		put_text(&w, r->authority);
	PUT(&w, "\r\n");
	put_fields(&w, &r->fields, OWN | 1u << FIELD_HOST);
	put_framing(&w, r->framing, r->length);
	put_connection(&w, keep_alive || r->upgrade != NULL, 1, r->upgrade);
	return finish(&w);
}

size_t
http1_write_response(char *to, size_t room, const struct response *r, bool keep_alive, int client_minor,
	const char *upgrade)
{
	struct writer w = { .start = to, .at = to, .end = to + room };
	bool interim = r->status < 200 && r->status != 101;
	bool reusable = keep_alive && r->framing != FRAMING_CLOSE;

	assert(r->status >= 100 && r->status <= 999);
	assert(client_minor > 0 || r->framing != FRAMING_CHUNKED);
	PUT(&w, "HTTP/1.1 ");
	put_number(&w, (uint64_t)r->status);
	PUT(&w, " ");
	put_text(&w, r->reason != NULL ? r->reason : status_reason(r->status));
	PUT(&w, "\r\n");
	if (r->lines != NULL)
		put(&w, r->lines, r->lines_length);
	put_fields(&w, &r->fields, OWN);
	if (r->status >= 200 && r->status != 204)
		put_framing(&w, r->framing, r->length);
	if (!interim)
		put_connection(&w, reusable || r->status == 101, client_minor, upgrade);
	return finish(&w);
}

size_t
http1_write_chunk_header(char *to, uint64_t length)
{
	char digits[16];
	size_t at = sizeof(digits);

	do {
		digits[--at] = "0123456789abcdef"[length & 15];
		length >>= 4;
	} while (length > 0);
	memcpy(to, digits + at, sizeof(digits) - at);
	memcpy(to + sizeof(digits) - at, "\r\n", 2);
	return sizeof(digits) - at + 2;
}

size_t
http1_write_last_chunk(char *to, size_t room, const struct fields *trailers)
{
	struct writer w = { .start = to, .at = to, .end = to + room };

	PUT(&w, "0\r\n");
	if (trailers != NULL)
		put_fields(&w, trailers, OWN | 1u << FIELD_HOST);
	return finish(&w);
}
