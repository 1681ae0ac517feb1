/* SPDX-License-Identifier: Apache-2.0 */
/*
 * allow: targets by name and port, addresses by network.
 */
#include "allow.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(list) (sizeof(list) / sizeof(*(list)))

/* --- reading hosts ------------------------------------------------------------------------------------------------- */

static bool
take_port(const char *text, uint16_t *port)
{
	size_t length = strlen(text);
	unsigned long number;

	if (length == 0 || length > 5 || text[strspn(text, "0123456789")] != '\0')
		return false;
	number = strtoul(text, NULL, 10);
	*port = (uint16_t)number;
	return number > 0 && number <= 65535;
}

/* The one spelling of an IP address, numeric in *address; false when the text is none. */
static bool
take_number(const char *text, char to[256], struct weir_address *address)
{
	memset(address, 0, sizeof(*address));
	if (inet_pton(AF_INET, text, &address->socket.in.sin_addr) == 1) {
		address->socket.in.sin_family = AF_INET;
		address->length = sizeof(address->socket.in);
		return inet_ntop(AF_INET, &address->socket.in.sin_addr, to, 256) != NULL;
	}
	if (inet_pton(AF_INET6, text, &address->socket.in6.sin6_addr) == 1) {
		address->socket.in6.sin6_family = AF_INET6;
		address->length = sizeof(address->socket.in6);
		return inet_ntop(AF_INET6, &address->socket.in6.sin6_addr, to, 256) != NULL;
	}
	return false;
}

/* Split "host[:port]" or "[address][:port]": the host without brackets goes to `host`, *port is what stands behind the colon
 * or NULL. */
static bool
split(const char *text, char host[256], const char **port)
{
	bool bracket = text[0] == '[';
	const char *from = bracket ? text + 1 : text, *end = bracket ? strchr(from, ']') : from + strcspn(from, ":");
	size_t length;

	if (end == NULL)
		return false;
	length = (size_t)(end - from);
	end += bracket;
	*port = *end == ':' ? end + 1 : NULL;
	if (length == 0 || length >= 256 || (*end != ':' && *end != '\0'))
		return false;
	for (size_t i = 0; i < length; i++)
		host[i] = (char)(from[i] >= 'A' && from[i] <= 'Z' ? from[i] | 0x20 : from[i]);
	host[length] = '\0';
	return true;
}

/* --- what the operator writes -------------------------------------------------------------------------------------- */

static const char *
parse_pattern(struct weir_build *build, const char *word, struct connect_pattern *pattern)
{
	struct weir_address ignored;
	char host[256], number[256], *name = host;
	const char *port;

	if (!split(word, host, &port) || (port != NULL && !take_port(port, &pattern->port)))
		return "a target is HOST or HOST:PORT, like *.example.com:443 or [2001:db8::1]";
	if (strcmp(host, "*") == 0)
		return NULL;
	pattern->below = strncmp(host, "*.", 2) == 0;
	name += pattern->below ? 2 : 0;
	if (name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._-:")] != '\0' || *name == '\0' || *name == '.'
			|| name[strlen(name) - 1] == '.')
		return "a target's host is a name, *.NAME, * or an IP address";
	if (take_number(name, number, &ignored))
		name = number;
	else if (strchr(name, ':') != NULL || word[0] == '[')
		return "in brackets stands an IPv6 address";
	pattern->host = weir_build_printf(build, "%s", name);
	pattern->length = strlen(name);
	return pattern->host != NULL ? NULL : "no memory";
}

/* The words of a line in an array of `size` bytes each: how many, or 0 without memory; *words is cut up at blanks. */
static size_t
cut(struct weir_build *build, const char *text, size_t size, char **words, void *items)
{
	size_t count = 1;

	for (const char *at = text; *at != '\0'; at++)
		count += *at == ' ' || *at == '\t';
	*words = (char *)(uintptr_t)weir_build_printf(build, "%s", text);
	*(void **)items = weir_build_alloc(build, count, size);
	return *words != NULL && *(void **)items != NULL ? count : 0;
}

const char *
connect_parse_patterns(struct weir_build *build, const char *text, void *value)
{
	struct connect_patterns *patterns = value;
	char *words, *rest = NULL;
	const char *why = NULL;

	if (cut(build, text, sizeof(*patterns->items), &words, &patterns->items) == 0)
		return "no memory";
	for (char *word = strtok_r(words, " \t", &rest); word != NULL && why == NULL; word = strtok_r(NULL, " \t", &rest))
		why = parse_pattern(build, word, &patterns->items[patterns->count++]);
	return why != NULL || patterns->count > 0 ? why : "write targets, like *.example.com:443";
}

const char *
connect_parse_network(struct weir_build *build, const char *text, void *value)
{
	struct connect_network *network = value;
	const char *why = NULL;

	(void)build;
	network->public = strcmp(text, "public") == 0;
	if (network->public)
		return NULL;
	if (!weir_parse_network(text, &network->range, &why))
		return why;
	return network->range.family == AF_UNIX ? "write public, all, or a range of IP addresses" : NULL;
}

const char *
connect_parse_ports(struct weir_build *build, const char *text, void *value)
{
	struct connect_ports *ports = value;
	char *words, *rest = NULL;

	if (cut(build, text, sizeof(*ports->items), &words, &ports->items) == 0)
		return "no memory";
	for (char *word = strtok_r(words, " \t", &rest); word != NULL; word = strtok_r(NULL, " \t", &rest))
		if (!take_port(word, &ports->items[ports->count++]))
			return "a port is a number from 1 to 65535";
	return ports->count > 0 ? NULL : "write ports, like 443";
}

/* --- what a client asks for ---------------------------------------------------------------------------------------- */

bool
connect_take_target(struct connect_target *target, const char *authority, uint16_t port)
{
	char host[256];
	const char *given;
	size_t length;

	if (!split(authority, host, &given) || (given != NULL && !take_port(given, &port)))
		return false;
	length = strlen(host);
	if (host[length - 1] == '.')
		host[--length] = '\0';
	if (length == 0 || host[length - 1] == '.')
		return false;
	if (!take_number(host, target->host, &target->address))
		memcpy(target->host, host, length + 1);
	if (authority[0] == '[' && target->address.length != sizeof(struct sockaddr_in6))
		return false;
	if (target->address.length > 0 && target->address.socket.any.sa_family == AF_INET)
		target->address.socket.in.sin_port = htons(port);
	if (target->address.length > 0 && target->address.socket.any.sa_family == AF_INET6)
		target->address.socket.in6.sin6_port = htons(port);
	target->address.host = target->host;
	target->address.port = port;
	return true;
}

static bool
fits_host(const struct connect_pattern *pattern, const struct connect_target *target)
{
	size_t length = strlen(target->host);

	if (pattern->host == NULL)
		return true;
	if (!pattern->below)
		return strcmp(pattern->host, target->host) == 0;
	return target->address.length == 0 && length > pattern->length + 1 && target->host[length - pattern->length - 1] == '.'
		&& memcmp(target->host + length - pattern->length, pattern->host, pattern->length) == 0;
}

static bool
fits_ports(const struct weir_list *ports, uint16_t port)
{
	const struct connect_ports *lines = ports->items;

	for (size_t i = 0; i < ports->count; i++)
		for (size_t j = 0; j < lines[i].count; j++)
			if (lines[i].items[j] == port)
				return true;
	return false;
}

bool
connect_allows(const struct weir_list *patterns, const struct weir_list *ports, const struct connect_target *target)
{
	const struct connect_patterns *lines = patterns->items;
	uint16_t port = target->address.port;

	for (size_t i = 0; i < patterns->count; i++)
		for (size_t j = 0; j < lines[i].count; j++) {
			const struct connect_pattern *pattern = &lines[i].items[j];

			if (fits_host(pattern, target) && (pattern->port != 0 ? pattern->port == port : fits_ports(ports, port)))
				return true;
		}
	return false;
}

/* --- where its name leads ------------------------------------------------------------------------------------------ */

/* The special ranges of IPv4 (RFC 6890 and its registry): first byte on, and how many bits count. */
static const struct {
	uint32_t address;
	unsigned bits;
} special4[] = {
	{ 0x00000000, 8 }, { 0x0a000000, 8 }, { 0x64400000, 10 }, { 0x7f000000, 8 }, { 0xa9fe0000, 16 }, { 0xac100000, 12 },
	{ 0xc0000000, 24 }, { 0xc0000200, 24 }, { 0xc0586300, 24 }, { 0xc0a80000, 16 }, { 0xc6120000, 15 }, { 0xc6336400, 24 },
	{ 0xcb007100, 24 }, { 0xe0000000, 3 },	/* multicast and all behind it */
};

/* Of IPv6 only 2000::/3 is routed, and of that not these: Teredo and its like, documentation, 6to4. */
static const struct {
	uint8_t bytes[4];
	unsigned bits;
} special6[] = {
	{ { 0x20, 0x01, 0x00, 0x00 }, 23 }, { { 0x20, 0x01, 0x0d, 0xb8 }, 32 }, { { 0x20, 0x02, 0x00, 0x00 }, 16 },
	{ { 0x3f, 0xff, 0x00, 0x00 }, 20 },
};

static uint32_t
number_of(const uint8_t *bytes)
{
	return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static bool
is_within(uint32_t address, uint32_t range, unsigned bits)
{
	return (address ^ range) >> (32 - bits) == 0;
}

static bool
is_public4(const uint8_t *bytes)
{
	for (size_t i = 0; i < COUNT(special4); i++)
		if (is_within(number_of(bytes), special4[i].address, special4[i].bits))
			return false;
	return true;
}

static bool
is_public(const struct sockaddr *address)
{
	const struct in6_addr *in6 = &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;

	if (address->sa_family == AF_INET)
		return is_public4((const uint8_t *)&((const struct sockaddr_in *)(const void *)address)->sin_addr);
	if (address->sa_family != AF_INET6)
		return false;
	if (IN6_IS_ADDR_V4MAPPED(in6))
		return is_public4(in6->s6_addr + 12);
	for (size_t i = 0; i < COUNT(special6); i++)
		if (is_within(number_of(in6->s6_addr), number_of(special6[i].bytes), special6[i].bits))
			return false;
	return in6->s6_addr[0] >> 5 == 1;
}

bool
connect_reaches(const struct weir_list *networks, const struct sockaddr *address)
{
	const struct connect_network *list = networks->items;

	if (address->sa_family != AF_INET && address->sa_family != AF_INET6)
		return false;
	for (size_t i = 0; i < networks->count; i++)
		if (list[i].public ? is_public(address) : weir_network_contains(&list[i].range, address))
			return true;
	return false;
}
