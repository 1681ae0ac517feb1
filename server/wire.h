/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wire: one end of a connection as bytes go through it.
 *
 * It owns the socket and the TLS session on it. Who reads and writes (buffer.h, outlet.h) hands it a wire and need not know more. A
 * client has one, a connection to a server has one; on the shelf it lies alone.
 */
#ifndef WEIR_SERVER_WIRE_H
#define WEIR_SERVER_WIRE_H

#include <stdbool.h>

struct tls;

struct wire {
	int fd;			/* -1: none */
	struct tls *tls;	/* NULL: plain */
};

/* Close it, after saying so in TLS; none is fine. */
void wire_close(struct wire *);

/* What was sent is cut off, and the other side shall learn that: closing will reset it (RST), and says nothing in TLS. */
void wire_cut(struct wire *);

/* We send no more; what was sent still arrives. False when the connection is broken. */
bool wire_end(struct wire *);

/* What waits to be read, without reading it: 1 bytes, BUFFER_NOTHING, BUFFER_END or BUFFER_RESET (buffer.h). One system call. With TLS
 * the bytes may turn out to be no content. */
int wire_peek(const struct wire *);

/* Is there something to be read that was received already, so that no event will announce it? Only with TLS. */
bool wire_has_more(const struct wire *);

#endif
