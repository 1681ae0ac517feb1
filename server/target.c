/* SPDX-License-Identifier: Apache-2.0 */
/*
 * target: authority and path of a request.
 *
 * Nearly every path is plain; path_check says so, and nothing is copied then. What is sent to the origin is
 * the normal form that the route was chosen by, so that "/public/%2e%2e/admin" cannot mean one thing here and
 * another there.
 */
#include "target.h"
#include "text.h"

#include <arpa/inet.h>
#include <assert.h>
#include <string.h>

/* A name of DNS has at most 253 characters. */
#define HOST_MOST 255

static const char *
parse_port(const char *text, size_t length, int *port)
{
	int value = 0;

	if (length == 0 || length > 5)
		return "malformed port";
	for (size_t i = 0; i < length; i++) {
		if (!text_is_digit((unsigned char)text[i]))
			return "malformed port";
		value = 10 * value + (text[i] - '0');
	}
	if (value > 65535)
		return "port out of range";
	*port = value;
	return NULL;
}

/* The length of "[address]" at the front of text; 0 when it is none. */
static size_t
measure_ip6(const char *text, size_t length)
{
	char address[INET6_ADDRSTRLEN];
	struct in6_addr ignored;
	const char *close = memchr(text, ']', length);
	size_t inner;

	if (close == NULL)
		return 0;
	inner = (size_t)(close - text) - 1;
	if (inner >= sizeof(address) || memchr(text, '\0', inner + 1) != NULL)
		return 0;
	memcpy(address, text + 1, inner);
	address[inner] = '\0';
	return inet_pton(AF_INET6, address, &ignored) == 1 ? inner + 2 : 0;
}

static size_t
measure_name(const char *text, size_t length)
{
	size_t i = 0;

	while (i < length && text_is((unsigned char)text[i], TEXT_HOST))
		i++;
	return i <= HOST_MOST ? i : 0;
}

const char *
authority_parse(struct authority *a, const char *text, size_t length)
{
	if (length == 0)
		return "empty host";
	a->text = text;
	a->length = length;
	a->port = -1;
	a->host_length = text[0] == '[' ? measure_ip6(text, length) : measure_name(text, length);
	if (a->host_length == 0)
		return "malformed host";
	if (a->host_length == length)
		return NULL;
	if (text[a->host_length] != ':')
		return memchr(text, '@', length) != NULL ? "userinfo in the authority" : "malformed host";
	return parse_port(text + a->host_length + 1, length - a->host_length - 1, &a->port);
}

bool
authority_same(const struct authority *a, const struct authority *b, int default_port)
{
	return a->host_length == b->host_length && text_same(a->text, b->text, a->host_length) &&
		(a->port >= 0 ? a->port : default_port) == (b->port >= 0 ? b->port : default_port);
}

/* The two digits after a percent sign at text; -1 when they are none. */
static int
decode_hex(const char *text, size_t left)
{
	const unsigned char *digits = (const unsigned char *)text + 1;

	if (left < 3 || !text_is(digits[0], TEXT_HEX) || !text_is(digits[1], TEXT_HEX))
		return -1;
	return (int)(text_hex(digits[0]) << 4 | text_hex(digits[1]));
}

const char *
path_check(const char *path, size_t length, bool *plain)
{
	int code;

	assert(length > 0 && path[0] == '/');
	*plain = true;
	for (size_t i = 0; i < length; i++) {
		if (text_is((unsigned char)path[i], TEXT_PATH)) {
			/* A segment that begins with a dot may be a dot segment. */
			if (path[i] == '.' && path[i - 1] == '/')
				*plain = false;
			continue;
		}
		if (path[i] == '\\')
			return "backslash in the path";
		code = decode_hex(path + i, length - i);
		if (code < 0)
			return "bad percent-encoding in the path";
		if (code == 0)
			return "encoded NUL in the path";
		*plain = false;
	}
	return NULL;
}

/*
 * Copy one segment, up to the next '/' or `end`; returns how much was read, and in *written how much was
 * written.
 */
static size_t
normalise_segment(char *to, const char *from, const char *end, size_t *written)
{
	static const char digits[] = "0123456789ABCDEF";
	const char *at = from;
	char *out = to;
	int code;

	while (at < end && *at != '/') {
		if (*at != '%') {
			*out++ = *at++;
			continue;
		}
		code = decode_hex(at, (size_t)(end - at));
		assert(code > 0);
		at += 3;
		if (text_is((unsigned char)code, TEXT_UNRESERVED)) {
			*out++ = (char)code;
			continue;
		}
		*out++ = '%';
		*out++ = digits[code >> 4];
		*out++ = digits[code & 15];
	}
	*written = (size_t)(out - to);
	return (size_t)(at - from);
}

const char *
path_normalise(char *to, const char *path, size_t length)
{
	const char *at = path, *end = path + length;
	size_t out = 0;			/* what is in `to`; a segment begins with its '/' */

	while (at < end) {
		size_t segment = out, written;

		to[out++] = '/';
		at++;
		at += normalise_segment(to + out, at, end, &written);
		out += written;
		if (written == 1 && to[segment + 1] == '.') {
			out = segment;
		} else if (written == 2 && to[segment + 1] == '.' && to[segment + 2] == '.') {
			if (segment == 0)
				return "path climbs above the root";
			for (out = segment - 1; to[out] != '/'; out--)
				;
		} else {
			continue;
		}
		if (at == end)
			to[out++] = '/';
	}
	to[out] = '\0';
	return NULL;
}
