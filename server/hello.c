/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hello: records, then the message in them, then its extensions.
 *
 * A client may cut the message into records as it likes, and some do so to see who can cope; it is put together in a buffer
 * of the caller's stack before it is read.
 */
#include "hello.h"

#include <string.h>

#include "text.h"

enum { RECORD_HEAD = 5, RECORD_MOST = 16 * 1024, MESSAGE_HEAD = 4 };
enum { TYPE_HANDSHAKE = 22, TYPE_CLIENT_HELLO = 1, NAME_HOST = 0 };
enum { EXTENSION_NAME = 0, EXTENSION_ALPN = 16 };

/* Bytes that are read one after another; `short_of` is set, and stays, when they do not reach. */
struct reader {
	const uint8_t *at, *end;
	bool short_of;
};

static const uint8_t *
take(struct reader *r, size_t length)
{
	const uint8_t *taken = r->at;

	if (r->short_of || (size_t)(r->end - r->at) < length) {
		r->short_of = true;
		return NULL;
	}
	r->at += length;
	return taken;
}

static size_t
take_number(struct reader *r, size_t bytes)
{
	const uint8_t *at = take(r, bytes);
	size_t number = 0;

	for (size_t i = 0; at != NULL && i < bytes; i++)
		number = number << 8 | at[i];
	return number;
}

/* A vector whose length stands in front of it in that many bytes. */
static struct reader
take_vector(struct reader *r, size_t bytes)
{
	size_t length = take_number(r, bytes);
	struct reader vector = { .at = take(r, length) };

	vector.short_of = vector.at == NULL;
	vector.end = vector.short_of ? NULL : vector.at + length;
	return vector;
}

static bool
is_empty(const struct reader *r)
{
	return r->at == r->end;
}

/* --- extensions --------------------------------------------------------------------------------------------------- */

/* RFC 6066, 3: one host_name; other kinds of names were never defined. */
static const char *
read_name(struct hello *h, struct reader extension)
{
	struct reader list = take_vector(&extension, 2), name;

	if (list.short_of || !is_empty(&extension))
		return "its server_name is malformed";
	if (take_number(&list, 1) != NAME_HOST)
		return "its server_name is no host name";
	name = take_vector(&list, 2);
	if (name.short_of || is_empty(&name) || name.end - name.at >= (ptrdiff_t)sizeof(h->name))
		return "its server_name is malformed";
	if (!is_empty(&list))
		return "it has several server names";
	for (char *to = h->name; !is_empty(&name); name.at++) {
		if (!text_is(*name.at, TEXT_HOST))
			return "its server_name has a character that no host has";
		*to++ = (char)text_lower(*name.at);
		*to = '\0';
	}
	return name.end[-1] == '.' || h->name[0] == '.' ? "its server_name begins or ends with a dot" : NULL;
}

/* RFC 7301, 3.1. */
static const char *
read_alpn(struct hello *h, struct reader extension)
{
	struct reader list = take_vector(&extension, 2);
	size_t length = list.short_of ? 0 : (size_t)(list.end - list.at);

	if (length == 0 || !is_empty(&extension))
		return "its list of protocols is malformed";
	if (length > sizeof(h->alpn))
		return "its list of protocols is too long";
	memcpy(h->alpn, list.at, length);
	h->alpn_length = length;
	while (!is_empty(&list)) {
		struct reader protocol = take_vector(&list, 1);

		if (protocol.short_of || is_empty(&protocol))
			return "its list of protocols is malformed";
	}
	return NULL;
}

static const char *
read_extensions(struct hello *h, struct reader extensions)
{
	bool named = false, offered = false;
	const char *why = NULL;

	while (why == NULL && !is_empty(&extensions)) {
		size_t type = take_number(&extensions, 2);
		struct reader extension = take_vector(&extensions, 2);

		if (extension.short_of)
			return "its extensions are malformed";
		if ((type == EXTENSION_NAME && named) || (type == EXTENSION_ALPN && offered))
			return "an extension stands twice";
		if (type == EXTENSION_NAME)
			named = true, why = read_name(h, extension);
		else if (type == EXTENSION_ALPN)
			offered = true, why = read_alpn(h, extension);
	}
	return why;
}

/* --- the message -------------------------------------------------------------------------------------------------- */

static const char *
read_message(struct hello *h, struct reader r)
{
	const uint8_t *version = take(&r, 2);
	struct reader session, suites, compressions, extensions;

	if (version == NULL || version[0] != 3)
		return "its version is none of TLS";
	take(&r, 32);
	session = take_vector(&r, 1);
	suites = take_vector(&r, 2);
	compressions = take_vector(&r, 1);
	if (r.short_of || session.end - session.at > 32 || is_empty(&suites) || (suites.end - suites.at) % 2 != 0
			|| is_empty(&compressions))
		return "it is malformed";
	if (is_empty(&r))
		return NULL;	/* as TLS 1.2 may still be spoken */
	extensions = take_vector(&r, 2);
	if (extensions.short_of || !is_empty(&r))
		return "its extensions are malformed";
	return read_extensions(h, extensions);
}

/* --- records ------------------------------------------------------------------------------------------------------- */

/* Gather the message from its records; *length becomes what of it has come, *whole what it has in all (0: not known yet). */
static const char *
gather(struct reader *r, uint8_t message[HELLO_MOST + MESSAGE_HEAD], size_t *length, size_t *whole)
{
	*length = *whole = 0;
	while (!is_empty(r) && (*whole == 0 || *length < *whole)) {
		const uint8_t *at = r->at;
		size_t here = (size_t)(r->end - at), size = here < RECORD_HEAD ? 0 : (size_t)at[3] << 8 | at[4], part;

		if (at[0] != TYPE_HANDSHAKE || (here > 1 && at[1] != 3) || (here > 2 && at[2] > 4))
			return "it is no record of a TLS handshake";
		if (here < RECORD_HEAD)
			return NULL;
		if (size == 0 || size > RECORD_MOST)
			return "a record's length is out of range";
		part = here - RECORD_HEAD < size ? here - RECORD_HEAD : size;
		if (*length + part > HELLO_MOST + MESSAGE_HEAD)
			return "it is too long";
		memcpy(message + *length, at + RECORD_HEAD, part);
		*length += part;
		r->at += RECORD_HEAD + part;
		if (*length > 0 && message[0] != TYPE_CLIENT_HELLO)
			return "the handshake begins with another message";
		if (*length >= MESSAGE_HEAD)
			*whole = MESSAGE_HEAD + ((size_t)message[1] << 16 | (size_t)message[2] << 8 | message[3]);
		if (*whole > HELLO_MOST + MESSAGE_HEAD)
			return "it is too long";
		if (*whole > 0 && (*length > *whole || (*length == *whole && part < size)))
			return "more stands behind it in its record";
	}
	return NULL;
}

enum hello_result
hello_parse(struct hello *h, const char *bytes, size_t length, const char **why)
{
	uint8_t message[HELLO_MOST + MESSAGE_HEAD];
	size_t have, whole;
	struct reader r;

	h->name[0] = '\0';
	h->alpn_length = 0;
	if (length == 0)
		return HELLO_MORE;
	r = (struct reader){ (const uint8_t *)bytes, (const uint8_t *)bytes + length, false };
	*why = gather(&r, message, &have, &whole);
	if (*why != NULL)
		return HELLO_BAD;
	if (whole == 0 || have < whole) {
		*why = "it comes in too many pieces";
		return length < HELLO_RECORDS_MOST ? HELLO_MORE : HELLO_BAD;
	}
	*why = read_message(h, (struct reader){ message + MESSAGE_HEAD, message + whole, false });
	return *why == NULL ? HELLO_WHOLE : HELLO_BAD;
}

bool
hello_offers(const struct hello *h, const char *protocol)
{
	size_t length = strlen(protocol);

	for (size_t at = 0; at < h->alpn_length; at += 1u + h->alpn[at])
		if (h->alpn[at] == length && memcmp(h->alpn + at + 1, protocol, length) == 0)
			return true;
	return false;
}
