/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls: a TLS session (GnuTLS) on a wire, for either side, and its record layer.
 *
 * buffer_receive and outlet_send (buffer.h, outlet.h) find it at their wire and read and write through it; nobody else needs
 * to know. A queue in an outlet always holds what goes to the socket, sealed: flushing knows nothing of TLS. What GnuTLS says
 * by itself (alerts, tickets, key updates) goes behind what is queued, so that records leave in the order in which they were
 * sealed.
 *
 * The session belongs to its wire and to the thread that has that; it moves with the wire. An idle one holds no buffer.
 */
#ifndef WEIR_SERVER_TLS_H
#define WEIR_SERVER_TLS_H

#include <gnutls/gnutls.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct buffer;
struct outlet;
struct thread;
struct tls;
struct wire;

enum {
	TLS_RECORD = 16 * 1024,		/* content of one record, at most */
	TLS_ROOM = 64 * 1024		/* that a buffer must have free for reading into it */
};

/* Begin a session on a connected wire, as server or as client; wire->tls is it from now on. What else it needs (credentials,
 * priorities, name) the caller sets by tls_session before the first tls_handshake. NULL without memory. */
struct tls *tls_begin(struct wire *, bool server);

/* Another session inside the one that the wire has, done with its handshake: TLS through a proxy that is spoken to by TLS. */
struct tls *tls_begin_inside(struct wire *, bool server);

gnutls_session_t tls_session(const struct tls *);

/* Bytes that were received before the session began; taken over. */
void tls_give_early(struct tls *, struct buffer **);

/* Go on with the handshake. READ and WRITE: call again when the socket can be read, or written. FAILED: *why is a text for
 * the log, valid until the next call on this thread. After DONE bytes may be there already that no event announces: read at
 * once. */
enum tls_result { TLS_DONE, TLS_READ, TLS_WRITE, TLS_FAILED };
enum tls_result tls_handshake(struct tls *, const char **why);

/* End and free it; *tls becomes NULL. `say` says so to the other side first, as far as the socket takes it at once. */
void tls_end(struct tls **, bool say);

/* We send no more (close_notify). False when that cannot be said. */
bool tls_finish(struct tls *);

/* Could it not be said because the socket is full? Then tls_finish may be called again later. */
bool tls_owes(const struct tls *);

/* --- for buffer.c, outlet.c and wire.c --------------------------------------------------------------------------------- */

/* As buffer_receive: bytes of content read to `to`, which has at least TLS_ROOM bytes, or why there are none. */
int tls_read(struct tls *, struct thread *, char *to, size_t space);

/* Seal head and body into records and send them as far as the socket takes them; the rest is in the outlet's queue. The body is
 * taken over. False when the session is broken or there is no memory. */
bool tls_write(struct tls *, struct thread *, struct outlet *, const char *head, size_t length, struct buffer **body);

/* The outlet's queue is empty: it was sent, or (not `sent`) thrown away, after which nothing can follow. */
void tls_forget_outlet(struct tls *, bool sent);

/* Is there more to read that no event will announce? */
bool tls_has_more(const struct tls *);

#endif
