/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wire: one end of a connection as bytes go through it.
 *
 * It owns the socket and the TLS session on it. Who reads and writes (buffer.h, outlet.h) hands it a wire and need not know
 * more. A client has one, a connection to a server has one; on the shelf it lies alone.
 *
 * Its owner's read event starts edge-triggered: the system tells of what comes once, and is spared a second look at a socket
 * that has been emptied. That is enough while one read takes all that has come. Where it may not have (the buffer was full; the
 * end came with the bytes; there is TLS, or the socket is waited for to be written to as well) the event becomes
 * level-triggered, for good: the system tells again of what is left.
 */
#ifndef WEIR_SERVER_WIRE_H
#define WEIR_SERVER_WIRE_H

#include <event2/event.h>
#include <stdbool.h>

struct event;
struct tls;

struct wire {
	int fd;			/* -1: none */
	struct tls *tls;	/* NULL: plain */
	struct event *edge;	/* its owner's read event while it is edge-triggered, else NULL */
	bool ended;		/* the other side will send no more than what waits to be read */
};

/* Assign its owner's read event, not added yet, edge-triggered or level-triggered. */
void wire_assign(struct wire *, struct event *, struct event_base *, bool edge, event_callback_fn, void *owner);

/* Have its read event level-triggered from now on, added or not: what waits is told again. False when it was added and cannot be
 * any more. */
bool wire_level(struct wire *);

/* Close it, after saying so in TLS; none is fine. */
void wire_close(struct wire *);

/* What was sent is cut off, and the other side shall learn that: closing will reset it (RST), and says nothing in TLS. */
void wire_cut(struct wire *);

/* We send no more; what was sent still arrives. False when the connection is broken. */
bool wire_end(struct wire *);

/* What waits to be read, without reading it: 1 bytes, BUFFER_NOTHING, BUFFER_END or BUFFER_RESET (buffer.h). One system call.
 * With TLS the bytes may turn out to be no content. */
int wire_peek(const struct wire *);

/* Is there something to be read that was received already, so that no event will announce it? Only with TLS. */
bool wire_has_more(const struct wire *);

#endif
