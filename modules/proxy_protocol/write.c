/* SPDX-License-Identifier: Apache-2.0 */
/*
 * write: addresses of one family, as a line or as a block. An IPv4 address beside one of IPv6 is written mapped.
 */
#include "write.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Addresses and ports as they go into a header; size 4 or 16, 0: unknown. */
struct ends {
	size_t size;
	uint8_t source[16], destination[16];
	in_port_t ports[2];
};

static bool
is_ip(const struct sockaddr *address)
{
	return address->sa_family == AF_INET || address->sa_family == AF_INET6;
}

/* The address as one of IPv6. */
static in_port_t
widen(const struct sockaddr *address, uint8_t to[16])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	const struct sockaddr_in6 *in6 = (const void *)address;
	const struct sockaddr_in *in = (const void *)address;

	if (address->sa_family == AF_INET) {
		memcpy(to, mapped, 12);
		memcpy(to + 12, &in->sin_addr, 4);
		return in->sin_port;
	}
	memcpy(to, &in6->sin6_addr, 16);
	return in6->sin6_port;
}

static bool
is_mapped(const uint8_t address[16])
{
	struct in6_addr in6;

	memcpy(&in6, address, sizeof(in6));
	return IN6_IS_ADDR_V4MAPPED(&in6);
}

static void
take_ends(struct ends *e, const struct sockaddr *source, const struct sockaddr *destination)
{
	memset(e, 0, sizeof(*e));
	if (!is_ip(source) || !is_ip(destination))
		return;
	e->ports[0] = widen(source, e->source);
	e->ports[1] = widen(destination, e->destination);
	e->size = 16;
	if (is_mapped(e->source) && is_mapped(e->destination)) {
		memmove(e->source, e->source + 12, 4);
		memmove(e->destination, e->destination + 12, 4);
		e->size = 4;
	}
}

static size_t
write_line(char *to, const struct ends *e)
{
	char source[INET6_ADDRSTRLEN], destination[INET6_ADDRSTRLEN];
	int family = e->size == 4 ? AF_INET : AF_INET6;

	if (e->size == 0 || inet_ntop(family, e->source, source, sizeof(source)) == NULL
			|| inet_ntop(family, e->destination, destination, sizeof(destination)) == NULL)
		return (size_t)snprintf(to, PROXY_WRITE_MOST, "PROXY UNKNOWN\r\n");
	return (size_t)snprintf(to, PROXY_WRITE_MOST, "PROXY TCP%c %s %s %u %u\r\n", e->size == 4 ? '4' : '6', source,
		destination, ntohs(e->ports[0]), ntohs(e->ports[1]));
}

static size_t
write_block(char *to, const struct ends *e)
{
	static const char families[] = { [0] = 0x00, [4] = 0x11, [16] = 0x21 };
	size_t length = e->size == 0 ? 0 : 2 * e->size + sizeof(e->ports);

	memcpy(to, "\r\n\r\n\0\r\nQUIT\n\x21", 13);
	to[13] = families[e->size];
	to[14] = 0;
	to[15] = (char)length;
	if (length == 0)
		return 16;
	memcpy(to + 16, e->source, e->size);
	memcpy(to + 16 + e->size, e->destination, e->size);
	memcpy(to + 16 + 2 * e->size, e->ports, sizeof(e->ports));
	return 16 + length;
}

size_t
proxy_protocol_write(char to[PROXY_WRITE_MOST], int version, const struct sockaddr *source, const struct sockaddr *destination)
{
	struct ends ends;

	take_ends(&ends, source, destination);
	return version == 1 ? write_line(to, &ends) : write_block(to, &ends);
}
