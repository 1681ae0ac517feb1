/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parse: the header of the PROXY protocol, versions 1 and 2, as the first bytes of a connection.
 *
 * Pure functions over bytes, strict: what the protocol's description does not allow is bad, and says why.
 */
#ifndef WEIR_PROXY_PROTOCOL_PARSE_H
#define WEIR_PROXY_PROTOCOL_PARSE_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

enum {
	PROXY_V1_MOST = 107,	/* bytes of a line with its CRLF */
	PROXY_V2_MOST = 4096	/* bytes of a header with its TLVs; the protocol would allow 64 KiB */
};

union proxy_address {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

struct proxy_header {
	size_t length;		/* bytes of the header; the connection's own begin behind it */
	bool told;		/* source and destination are there; otherwise the connection speaks for itself */
	union proxy_address source, destination;
};

enum proxy_result {
	PROXY_WHOLE,
	PROXY_MORE,		/* so far it can become a header */
	PROXY_NONE,		/* it begins like no header */
	PROXY_BAD		/* it begins like one and is none: *why, a static text */
};

enum proxy_result proxy_protocol_parse(struct proxy_header *, const char *bytes, size_t length, const char **why);

/* CRC32c (Castagnoli) over bytes, with which a sum so far goes on; 0 at the start. */
uint32_t proxy_protocol_crc(uint32_t sum, const void *bytes, size_t length);

#endif
