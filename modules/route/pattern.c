/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pattern: HOST/PATH as an operator writes it, read once and kept in the form in which requests are compared.
 *
 * Requests come normalised (RFC 3986, 6.2.2), so a pattern is normalised too: the host in lower case and
 * without a final dot, %7e as ~, %c3 as %C3, a byte of UTF-8 as %XX. What could never match, or would match
 * something other than it seems to say, is an error and not a pattern.
 */
#include "pattern.h"

#include <arpa/inet.h>
#include <assert.h>
#include <string.h>

static bool
is_digit(unsigned char c)
{
	return (unsigned)c - '0' < 10;
}

static bool
is_letter(unsigned char c)
{
	return ((unsigned)c | 0x20) - 'a' < 26;
}

static int
hex_value(unsigned char c)
{
	if (is_digit(c))
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool
is_unreserved(unsigned char c)
{
	return is_digit(c) || is_letter(c) || (c != '\0' && strchr("-._~", c) != NULL);
}

/* ":8443" at the end of a host; a host without one has port 0. */
static const char *
read_port(struct route_pattern *pattern, const char *text, const char *end)
{
	unsigned port = 0;

	if (text == end)
		return NULL;
	if (*text++ != ':' || text == end || end - text > 5)
		return "a port is a number from 1 to 65535";
	for (; text < end; text++) {
		if (!is_digit((unsigned char)*text))
			return "a port is a number from 1 to 65535";
		port = port * 10 + (unsigned)(*text - '0');
	}
	if (port == 0 || port > UINT16_MAX)
		return "a port is a number from 1 to 65535";
	pattern->port = (uint16_t)port;
	return NULL;
}

/* "[2001:db8::1]": copied with its brackets, as requests carry it. */
static const char *
read_bracketed(const char **text, const char *end, char *to)
{
	const char *at = *text + 1;
	char *from = to + 1;
	struct in6_addr address;

	*to++ = '[';
	for (; at < end && *at != ']'; at++)
		*to++ = (char)(is_letter((unsigned char)*at) ? *at | 0x20 : *at);
	*to = '\0';
	if (at == end || inet_pton(AF_INET6, from, &address) != 1)
		return "within brackets an address of IPv6 is meant, as in [2001:db8::1]";
	strcpy(to, "]");
	*text = at + 1;
	return NULL;
}

/* Names between dots. */
static const char *
read_name(const char **text, const char *end, char *to)
{
	const char *at = *text;
	char *from = to;

	for (; at < end && *at != ':'; at++) {
		unsigned char c = (unsigned char)*at;

		if (c == '*')
			return "in a host an asterisk stands alone or first, as in *.example.com";
		if (c >= 0x80)
			return "write a host of other letters in its xn-- form";
		if (!is_digit(c) && !is_letter(c) && c != '-' && c != '_' && c != '.')
			return "this is no name of a host";
		if (c == '.' && (to == from || to[-1] == '.'))
			return "the host has an empty part between its dots";
		*to++ = (char)(is_letter(c) ? c | 0x20 : c);
	}
	if (to > from && to[-1] == '.')
		to--;		/* the root's dot: a look-up leaves it out as well */
	if (to == from)
		return "the host is missing: write * for any";
	*to = '\0';
	*text = at;
	return NULL;
}

static const char *
read_host(struct route_pattern *pattern, const char *text, const char *end, char **room)
{
	const char *why = NULL;
	char *to = *room;

	if (end - text > ROUTE_HOST_MOST)
		return "the host is too long";
	pattern->host = to;
	pattern->wildcard = text < end && *text == '*';
	*to = '\0';
	if (!pattern->wildcard) {
		why = text < end && *text == '[' ? read_bracketed(&text, end, to) : read_name(&text, end, to);
	} else if (++text < end && *text == '.') {
		*to++ = *text++;
		why = read_name(&text, end, to);
	} else if (text < end && *text != ':') {
		why = "in a host an asterisk stands alone or first, as in *.example.com";
	}
	if (why != NULL)
		return why;
	*room = to + strlen(to) + 1;
	return read_port(pattern, text, end);
}

/* One byte of a path, or one %XX, in the form that requests have. Returns how many bytes it took, 0: wrong. */
static size_t
normalise(const char *text, const char *end, char **to)
{
	static const char digits[] = "0123456789ABCDEF";
	unsigned char c = (unsigned char)*text;
	int high, low;

	if (c == '%') {
		high = end - text > 2 ? hex_value((unsigned char)text[1]) : -1;
		low = high >= 0 ? hex_value((unsigned char)text[2]) : -1;
		if (low < 0)
			return 0;
		c = (unsigned char)(high << 4 | low);
	}
	if (c >= 0x80 || (*text == '%' && !is_unreserved(c))) {
		*(*to)++ = '%';
		*(*to)++ = digits[c >> 4];
		*(*to)++ = digits[c & 15];
	} else {
		*(*to)++ = (char)c;
	}
	return *text == '%' ? 3 : 1;
}

/* Is the segment that ends at `end` "." or ".."? Requests have lost theirs: it could never match. */
static bool
ends_in_dots(const char *start, const char *end)
{
	if (end - start >= 2 && memcmp(end - 2, "/.", 2) == 0)
		return true;
	return end - start >= 3 && memcmp(end - 3, "/..", 3) == 0;
}

static const char *
read_path(struct route_pattern *pattern, const char *text, const char *end, char *to)
{
	unsigned depth = 0;
	size_t took;

	pattern->path = to;
	pattern->below = end - text >= 2 && memcmp(end - 2, "/*", 2) == 0;
	if (pattern->below)
		end -= 2;
	for (; text < end; text += took) {
		if (*text == '*')
			return "in a path an asterisk stands only at the end, behind a slash";
		if (*text == '?' || *text == '#' || *text == '\\' || (unsigned char)*text <= ' ' || *text == 0x7f)
			return "a pattern looks at the path alone: no ?, #, backslash or control character";
		if (*text == '/' && ends_in_dots(pattern->path, to))
			return "a path has no . or .. in it";
		depth += *text == '/';
		if ((took = normalise(text, end, &to)) == 0)
			return "% is not followed by two hexadecimal digits";
	}
	*to = '\0';
	if (ends_in_dots(pattern->path, to))
		return "a path has no . or .. in it";
	return pattern->below && depth > ROUTE_DEPTH_MOST ? "the path has too many segments" : NULL;
}

const char *
route_pattern_read(struct route_pattern *pattern, const char *text, size_t length, char *room)
{
	const char *end = text + length;
	const char *slash = memchr(text, '/', length);
	const char *why;

	assert(length > 0);
	*pattern = (struct route_pattern){ 0 };
	if (slash == NULL)
		return "the path is missing: write HOST/* for all of a host";
	why = read_host(pattern, text, slash, &room);
	return why != NULL ? why : read_path(pattern, slash, end, room);
}
