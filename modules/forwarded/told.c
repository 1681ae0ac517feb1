/* SPDX-License-Identifier: Apache-2.0 */
/*
 * told: X-Forwarded-* and Forwarded (RFC 7239), read from their right ends.
 *
 * Each hop appends what it saw, so the right end is the word of the sender, and what stands left of it may
 * be anybody's and must not change how the right end is read. That is why lists are cut from the right,
 * why an entry that cannot be read ends the search and spoils nothing right of it, and why a backslash in
 * a quoted string, which no address or host needs, counts as malformed.
 */
#include "told.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define ALPHANUMERIC "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

struct span {
	const char *text;
	size_t length;
};

/* The lines of a field, the last TOLD_MOST of them, and how much of the last one is unread. */
struct list {
	const char *lines[TOLD_MOST];
	unsigned next, count;
	size_t left;
};

static void
open_list(struct weir_exchange *x, const char *name, struct list *list)
{
	unsigned position = 0;
	const char *line;

	list->next = list->count = 0;
	list->left = 0;
	while ((line = weir_field_next_named(x, WEIR_REQUEST, name, &position)) != NULL) {
		list->lines[list->next++ % TOLD_MOST] = line;
		list->count += list->count < TOLD_MOST;
	}
}

static struct span
trim(const char *text, size_t length)
{
	while (length > 0 && (text[0] == ' ' || text[0] == '\t'))
		text++, length--;
	while (length > 0 && (text[length - 1] == ' ' || text[length - 1] == '\t'))
		length--;
	return (struct span){ text, length };
}

/* Cut off the last member that is not empty. A comma in a quoted string is none. */
static bool
last_member(struct list *list, struct span *member)
{
	const char *line;
	size_t from;
	bool quoted;

	do {
		while (list->left == 0) {
			if (list->count == 0)
				return false;
			list->count--;
			list->left = strlen(list->lines[--list->next % TOLD_MOST]);
		}
		line = list->lines[list->next % TOLD_MOST];
		quoted = false;
		for (from = list->left; from > 0 && (quoted || line[from - 1] != ','); from--)
			quoted ^= line[from - 1] == '"';
		*member = trim(line + from, list->left - from);
		list->left = from > 0 ? from - 1 : 0;
	} while (member->length == 0);
	return true;
}

static bool
span_is(struct span span, const char *text)
{
	return span.length == strlen(text) && strncasecmp(span.text, text, span.length) == 0;
}

/* Read a number address, by its family. */
static bool
read_number(const char *text, size_t length, struct sockaddr_storage *address)
{
	struct sockaddr_in6 *in6 = (void *)address;
	struct sockaddr_in *in = (void *)address;
	char copy[INET6_ADDRSTRLEN];

	if (length >= sizeof(copy))
		return false;
	memset(address, 0, sizeof(*address));
	memcpy(copy, text, length);
	copy[length] = '\0';
	address->ss_family = memchr(copy, ':', length) == NULL ? AF_INET : AF_INET6;
	if (address->ss_family == AF_INET)
		return inet_pton(AF_INET, copy, &in->sin_addr) == 1;
	return inet_pton(AF_INET6, copy, &in6->sin6_addr) == 1;
}

/* An IPv6 address in brackets. The place behind it, NULL when it is none. */
static const char *
read_bracketed(struct span span, struct sockaddr_storage *address)
{
	const char *close = memchr(span.text, ']', span.length);

	if (close == NULL || !read_number(span.text + 1, (size_t)(close - span.text - 1), address))
		return NULL;
	return address->ss_family == AF_INET6 ? close + 1 : NULL;
}

/* 192.0.2.1, 2001:db8::1 or [2001:db8::1]; with a port, or a word for it, too (RFC 7239, 6.2). */
static bool
read_address(struct span span, struct sockaddr_storage *address)
{
	const char *end, *port;

	if (span.length == 0)
		return false;
	end = span.text + span.length;
	if (span.text[0] == '[') {
		if ((port = read_bracketed(span, address)) == NULL)
			return false;
	} else {
		port = memchr(span.text, ':', span.length);
		if (port == NULL || memchr(port + 1, ':', (size_t)(end - port - 1)) != NULL)
			port = end;
		if (!read_number(span.text, (size_t)(port - span.text), address))
			return false;
	}
	if (port == end)
		return true;
	return *port++ == ':' && port < end && strspn(port, ALPHANUMERIC "._-") >= (size_t)(end - port);
}

static const char *
read_scheme(struct span span)
{
	return span_is(span, "https") ? "https" : span_is(span, "http") ? "http" : NULL;
}

static const char *
read_port(struct weir_exchange *x, struct span span)
{
	const char *text;

	if (span.length == 0 || span.length > 5 || strspn(span.text, "0123456789") < span.length)
		return NULL;
	text = weir_copy(x, span.text, span.length);
	return text != NULL && atoi(text) > 0 && atoi(text) <= 65535 ? text : NULL;
}

/* host[:port] of names and numbers only, so that the core will take it. */
static const char *
read_authority(struct weir_exchange *x, struct span span)
{
	struct sockaddr_storage address;
	const char *text, *port;

	if (span.length == 0 || span.length > 255 || (text = weir_copy(x, span.text, span.length)) == NULL)
		return NULL;
	port = *text == '[' ? read_bracketed((struct span){ text, span.length }, &address)
		: text + strspn(text, ALPHANUMERIC ".-_");
	if (port == NULL || port == text)
		return NULL;
	if (*port == ':')
		return read_port(x, (struct span){ port + 1, strlen(port + 1) }) != NULL ? text : NULL;
	return *port == '\0' ? text : NULL;
}

struct element {
	struct span node, scheme, authority;
};

/* Take one NAME=VALUE off the front of *rest; ';' or the end must follow it. */
static bool
read_pair(struct span *rest, struct span *name, struct span *value)
{
	const char *end = rest->text + rest->length, *equals = memchr(rest->text, '=', rest->length), *at;

	if (equals == NULL || equals + 1 == end)
		return false;
	*name = trim(rest->text, (size_t)(equals - rest->text));
	at = equals + 1;
	if (*at == '"') {
		value->text = ++at;
		while (at < end && *at != '"' && *at != '\\')
			at++;
		if (at == end || *at == '\\')
			return false;
		value->length = (size_t)(at++ - value->text);
	} else {
		value->text = at;
		while (at < end && *at != ';' && *at != '"')
			at++;
		*value = trim(value->text, (size_t)(at - value->text));
	}
	if (at < end && *at++ != ';')
		return false;
	*rest = (struct span){ at, (size_t)(end - at) };
	return true;
}

/* An element of Forwarded: pairs with ';' between, none twice (RFC 7239, 4). */
static bool
read_element(struct span rest, struct element *element)
{
	struct span name, value, *to;

	memset(element, 0, sizeof(*element));
	while (rest.length > 0) {
		if (!read_pair(&rest, &name, &value))
			return false;
		to = span_is(name, "for") ? &element->node : span_is(name, "proto") ? &element->scheme
			: span_is(name, "host") ? &element->authority : NULL;
		if (to != NULL && to->text != NULL)
			return false;
		if (to != NULL)
			*to = value;
	}
	return true;
}

/* One hop further back: its address goes in front of the chain. */
static void
believe_address(struct weir_exchange *x, const struct sockaddr_storage *address, struct told *told)
{
	char text[64];

	told->client = *address;
	weir_address_text((const struct sockaddr *)address, text);
	told->chain = told->chain == NULL ? weir_copy(x, text, strlen(text))
		: weir_printf(x, "%s, %s", text, told->chain);
}

static void
hear_forwarded(struct weir_exchange *x, const struct weir_list *trust, struct told *told)
{
	struct sockaddr_storage address;
	struct element element;
	struct span member;
	struct list list;
	const char *text;

	open_list(x, "Forwarded", &list);
	for (unsigned hops = 0; hops < TOLD_MOST && last_member(&list, &member); hops++) {
		if (!read_element(member, &element))
			break;
		if ((text = read_scheme(element.scheme)) != NULL)
			told->scheme = text;
		if ((text = read_authority(x, element.authority)) != NULL)
			told->authority = text;
		if (!read_address(element.node, &address))
			break;
		believe_address(x, &address, told);
		if (!forwarded_is_trusted(trust, (const struct sockaddr *)&address))
			break;
	}
}

/* Member number `hops` from the right of a list that each proxy appends to, or sets: then it has fewer. */
static struct span
member_at(struct weir_exchange *x, const char *name, unsigned hops)
{
	struct span member, found = { "", 0 };
	struct list list;

	open_list(x, name, &list);
	for (unsigned i = 0; i < hops && last_member(&list, &member); i++)
		found = member;
	return found;
}

static void
hear_x_forwarded(struct weir_exchange *x, const struct weir_list *trust, struct told *told)
{
	struct sockaddr_storage address;
	struct span member;
	struct list list;
	unsigned hops = 0;
	bool trusted = true;

	open_list(x, "X-Forwarded-For", &list);
	while (trusted && hops < TOLD_MOST && last_member(&list, &member) && read_address(member, &address)) {
		believe_address(x, &address, told);
		trusted = forwarded_is_trusted(trust, (const struct sockaddr *)&address);
		hops++;
	}
	hops += hops == 0;
	told->scheme = read_scheme(member_at(x, "X-Forwarded-Proto", hops));
	told->authority = read_authority(x, member_at(x, "X-Forwarded-Host", hops));
	told->port = read_port(x, member_at(x, "X-Forwarded-Port", hops));
}

bool
forwarded_is_trusted(const struct weir_list *trust, const struct sockaddr *address)
{
	const struct weir_network *networks = trust->items;

	for (size_t i = 0; i < trust->count; i++)
		if (weir_network_contains(&networks[i], address))
			return true;
	return false;
}

void
forwarded_hear(struct weir_exchange *x, const struct weir_list *trust, bool forwarded, struct told *told)
{
	memset(told, 0, sizeof(*told));
	if (forwarded)
		hear_forwarded(x, trust, told);
	else
		hear_x_forwarded(x, trust, told);
}
