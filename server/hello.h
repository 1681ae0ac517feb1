/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hello: the ClientHello of TLS (RFC 8446, 4.1.2), as far as it says where a connection wants to go.
 *
 * Read from a connection's first bytes without TLS itself: for passthrough, and to hold a tunnel to its target. Pure
 * functions, strict in what frames the message: what two parsers could read differently is bad.
 */
#ifndef WEIR_SERVER_HELLO_H
#define WEIR_SERVER_HELLO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	HELLO_MOST = 16 * 1024,		/* bytes of the message */
	HELLO_RECORDS_MOST = 32 * 1024,	/* the same with its records' headers */
	HELLO_ALPN_MOST = 256
};

struct hello {
	char name[256];			/* server_name in lower case; "": none */
	uint8_t alpn[HELLO_ALPN_MOST];	/* the protocols that it offers, each behind its length */
	size_t alpn_length;		/* 0: none */
};

enum hello_result {
	HELLO_WHOLE,
	HELLO_MORE,			/* so far it can become one */
	HELLO_BAD			/* *why, a static text */
};

enum hello_result hello_parse(struct hello *, const char *bytes, size_t length, const char **why);

/* Does it offer this protocol? */
bool hello_offers(const struct hello *, const char *protocol);

#endif
