/* SPDX-License-Identifier: Apache-2.0 */
/*
 * address: endpoints and ranges as an operator writes them.
 *
 * Numbers are read by inet_pton, which takes no octal, no hexadecimal and no short forms. A host whose last
 * label is a number but which is no IPv4 address ("10.0.0.256", "1.2.3") is a slip, not a name. IPv4
 * addresses that a dual-stack socket shows as ::ffff:a.b.c.d are IPv4 addresses here, in ranges and in texts.
 */
#include "address.h"
#include "arena.h"
#include "generation.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#define HOST_MOST 253		/* RFC 1035, 2.3.4, as text */
#define LABEL_MOST 63
#define DIGITS "0123456789"
#define LABEL_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_" DIGITS

static bool
is_name(const char *host)
{
	size_t length, all = strlen(host);

	if (all == 0 || all > HOST_MOST)
		return false;
	do {
		length = strspn(host, LABEL_CHARACTERS);
		if (length == 0 || length > LABEL_MOST)
			return false;
		host += length;
		if (*host == '.')
			host++;
		else if (*host != '\0')
			return false;
	} while (*host != '\0');
	return true;
}

static bool
ends_in_number(const char *host)
{
	const char *label = strrchr(host, '.');

	label = label != NULL ? label + 1 : host;
	return *label != '\0' && label[strspn(label, DIGITS)] == '\0';
}

static bool
parse_port(const char *text, uint16_t *port)
{
	unsigned value = 0;

	if (*text == '\0' || strlen(text) > 5 || text[strspn(text, DIGITS)] != '\0')
		return false;
	for (; *text != '\0'; text++)
		value = value * 10 + (unsigned)(*text - '0');
	*port = (uint16_t)value;
	return value <= UINT16_MAX;
}

static const char *
parse_unix(const char *path, struct weir_address *address)
{
	size_t length = strlen(path);

	if (*path != '/')
		return "a Unix socket is unix: and an absolute path";
	if (length >= sizeof(address->socket.un.sun_path))
		return "the path of a Unix socket has at most 107 bytes";
	address->socket.un.sun_family = AF_UNIX;
	memcpy(address->socket.un.sun_path, path, length + 1);
	address->length = sizeof(address->socket.un);
	return NULL;
}

/* Fill in what `host` says: a number if it is one, else nothing, for it will be looked up. */
static const char *
parse_host(const char *host, bool bracketed, struct weir_address *address)
{
	if (bracketed) {
		if (inet_pton(AF_INET6, host, &address->socket.in6.sin6_addr) != 1)
			return "what stands in brackets is not an IPv6 address";
		address->socket.in6.sin6_family = AF_INET6;
		address->socket.in6.sin6_port = htons(address->port);
		address->length = sizeof(address->socket.in6);
	} else if (inet_pton(AF_INET, host, &address->socket.in.sin_addr) == 1) {
		address->socket.in.sin_family = AF_INET;
		address->socket.in.sin_port = htons(address->port);
		address->length = sizeof(address->socket.in);
	} else if (ends_in_number(host)) {
		return "the host is not an IPv4 address";
	} else if (!is_name(host)) {
		return "the host is neither a name nor an address";
	}
	return NULL;
}

/* Find where the host ends and what stands as the port: NULL for none. */
static const char *
split(const char *text, const char **host, size_t *length, const char **port)
{
	const char *end;

	if (*text == '[') {
		if ((end = strchr(text, ']')) == NULL)
			return "`]` is missing";
		if (end[1] != '\0' && end[1] != ':')
			return "after `]` stands `:` and a port";
		*host = text + 1;
		*length = (size_t)(end - *host);
		*port = end[1] == ':' ? end + 2 : NULL;
		return NULL;
	}
	end = strchr(text, ':');
	if (end != NULL && strchr(end + 1, ':') != NULL)
		return "an IPv6 address stands in brackets, like [::1]:80";
	*host = text;
	*length = end != NULL ? (size_t)(end - text) : strlen(text);
	*port = end != NULL ? end + 1 : NULL;
	return NULL;
}

static const char *
parse_endpoint(struct arena *arena, const char *text, int default_port, struct weir_address *address)
{
	const char *host = NULL, *port = NULL, *why;
	size_t length = 0;

	if (strstr(text, "://") != NULL)
		return "write host:port, without a scheme and a path";
	if ((why = split(text, &host, &length, &port)) != NULL)
		return why;
	if (port == NULL && default_port < 0)
		return "the port is missing, write host:port";
	address->port = (uint16_t)default_port;
	if (port != NULL && !parse_port(port, &address->port))
		return "the port is not a number up to 65535";
	if ((host = arena_copy(arena, host, length)) == NULL)
		return "no memory";
	address->host = host;
	return parse_host(host, *text == '[', address);
}

bool
address_parse(struct arena *arena, const char *text, int default_port, struct weir_address *address,
	const char **why)
{
	memset(address, 0, sizeof(*address));
	if (strncmp(text, "unix:", 5) == 0)
		*why = parse_unix(text + 5, address);
	else
		*why = parse_endpoint(arena, text, default_port, address);
	return *why == NULL;
}

bool
weir_parse_address(struct weir_build *build, const char *text, int default_port,
	struct weir_address *address, const char **why)
{
	return address_parse(&build->generation->arena, text, default_port, address, why);
}

static bool
is_mapped(const uint8_t *bytes)
{
	static const uint8_t prefix[12] = { [10] = 0xff, [11] = 0xff };

	return memcmp(bytes, prefix, sizeof(prefix)) == 0;
}

/* Do two addresses agree in their first bits? */
static bool
agree(const uint8_t *a, const uint8_t *b, unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;

	if (memcmp(a, b, whole) != 0)
		return false;
	return rest == 0 || ((a[whole] ^ b[whole]) >> (8 - rest)) == 0;
}

/* Are all bits past the prefix zero? Otherwise the operator meant another range than the one written. */
static bool
is_clean(const struct weir_network *network, unsigned size)
{
	for (unsigned bit = network->bits; bit < size * 8; bit++)
		if ((network->bytes[bit / 8] >> (7 - bit % 8) & 1) != 0)
			return false;
	return true;
}

static const char *
parse_range(const char *text, struct weir_network *network)
{
	const char *slash = strchr(text, '/');
	size_t length = slash != NULL ? (size_t)(slash - text) : strlen(text);
	char number[INET6_ADDRSTRLEN];
	unsigned size;
	uint16_t bits;

	if (length >= sizeof(number))
		return "it is not an address or a range";
	memcpy(number, text, length);
	number[length] = '\0';
	network->family = strchr(number, ':') != NULL ? AF_INET6 : AF_INET;
	size = network->family == AF_INET6 ? 16 : 4;
	if (inet_pton(network->family, number, network->bytes) != 1)
		return "it is not an address or a range";
	bits = (uint16_t)(size * 8);
	if (slash != NULL && (!parse_port(slash + 1, &bits) || bits > size * 8))
		return "the prefix is not a number of bits";
	network->bits = (uint8_t)bits;
	if (!is_clean(network, size))
		return "it has bits beyond its prefix";
	if (network->family == AF_INET6 && network->bits >= 96 && is_mapped(network->bytes)) {
		network->family = AF_INET;
		network->bits = (uint8_t)(network->bits - 96);
		memmove(network->bytes, network->bytes + 12, 4);
		memset(network->bytes + 4, 0, 12);
	}
	return NULL;
}

bool
weir_parse_network(const char *text, struct weir_network *network, const char **why)
{
	memset(network, 0, sizeof(*network));
	*why = NULL;
	if (strcmp(text, "unix") == 0)
		network->family = AF_UNIX;
	else if (strcmp(text, "all") == 0)
		network->family = AF_UNSPEC;
	else
		*why = parse_range(text, network);
	return *why == NULL;
}

/* The bytes of an IP address and its family, mapped ones as IPv4; AF_UNSPEC when it is none. */
static sa_family_t
unwrap(const struct sockaddr *address, const uint8_t **bytes)
{
	if (address->sa_family == AF_INET) {
		*bytes = (const uint8_t *)&((const struct sockaddr_in *)(const void *)address)->sin_addr;
		return AF_INET;
	}
	if (address->sa_family != AF_INET6)
		return AF_UNSPEC;
	*bytes = ((const struct sockaddr_in6 *)(const void *)address)->sin6_addr.s6_addr;
	if (!is_mapped(*bytes))
		return AF_INET6;
	*bytes += 12;
	return AF_INET;
}

bool
weir_network_contains(const struct weir_network *network, const struct sockaddr *address)
{
	const uint8_t *bytes = NULL;

	if (network->family == AF_UNSPEC)
		return true;
	if (network->family == AF_UNIX)
		return address->sa_family == AF_UNIX;
	return unwrap(address, &bytes) == network->family && agree(network->bytes, bytes, network->bits);
}

/* As inet_ntop, but that prints by sprintf, and this is asked for every request. */
static void
write_ipv4(char *to, const uint8_t *bytes)
{
	for (int i = 0; i < 4; i++) {
		if (bytes[i] >= 100)
			*to++ = (char)('0' + bytes[i] / 100);
		if (bytes[i] >= 10)
			*to++ = (char)('0' + bytes[i] / 10 % 10);
		*to++ = (char)('0' + bytes[i] % 10);
		*to++ = i < 3 ? '.' : '\0';
	}
}

const char *
weir_address_text(const struct sockaddr *address, char to[64])
{
	const uint8_t *bytes = NULL;
	sa_family_t family = unwrap(address, &bytes);

	if (family == AF_INET)
		write_ipv4(to, bytes);
	else if (family == AF_INET6)
		inet_ntop(AF_INET6, bytes, to, 64);
	else
		strcpy(to, address->sa_family == AF_UNIX ? "unix:" : "-");
	return to;
}
