/* SPDX-License-Identifier: Apache-2.0 */
/*
 * weir/peer.h: whom to ask. For hooks of the phases peer, connected, failed and those after them, on the
 * exchange's own thread.
 *
 * Where to dial and whom to expect there are separate things. The whole struct is the key of the connection
 * pool and is compared field by field: a connection made for one peer is never used for another.
 */
#ifndef WEIR_PEER_H
#define WEIR_PEER_H

#include <weir/build.h>
#include <weir/exchange.h>

struct weir_peer {
	struct weir_address address;	/* where to dial: numeric, a name, or a Unix socket */
	struct weir_address bind;	/* the local address to dial from; length 0: any */
	const char *host;		/* the authority that the origin sees; NULL: the client's */
	int64_t connect_timeout;	/* milliseconds */
	int64_t first_byte_timeout;	/* from the request's end to the response's first byte */
	int64_t between_bytes_timeout;	/* between two reads of the response, or two writes of the request */
};

/* The peer as it stands; filled from the upstream's section when the phase begins. Edit in the phase peer only. */
WEIR_API struct weir_peer *weir_peer(struct weir_exchange *);

/* The upstream of the route (NULL: it has none), and the calling module's settings for it. */
WEIR_API const struct weir_upstream *weir_upstream(struct weir_exchange *);
WEIR_API const void *weir_upstream_settings(struct weir_exchange *);
WEIR_API void weir_choose_upstream(struct weir_exchange *, const struct weir_upstream *);

/* Choose a server: its address goes into the peer. The server chosen last; NULL at the beginning of each phase peer. */
WEIR_API void weir_choose_server(struct weir_exchange *, const struct weir_server *);
WEIR_API const struct weir_server *weir_server(struct weir_exchange *);

/* Was this server tried for this request already? How many attempts were made, the running one included? */
WEIR_API bool weir_server_was_tried(struct weir_exchange *, const struct weir_server *);
WEIR_API unsigned weir_attempts(struct weir_exchange *);

/* May the request be sent again: nothing of it has reached an origin or its method is idempotent, its body is still whole, and no
 * response byte has gone to the client? WEIR_RETRY is refused by the core where this is false. */
WEIR_API bool weir_may_retry(struct weir_exchange *);

/* Why the last attempt failed, in the phase failed. */
enum weir_peer_failure {
	WEIR_PEER_OK,
	WEIR_PEER_UNRESOLVED,	/* its name has no address */
	WEIR_PEER_REFUSED,	/* connecting failed */
	WEIR_PEER_TIMEOUT,	/* connecting, or the first byte, took too long */
	WEIR_PEER_CLOSED,	/* it closed before a response head */
	WEIR_PEER_BROKEN	/* its response head is malformed */
};
WEIR_API enum weir_peer_failure weir_peer_failure(struct weir_exchange *);

/* Was the connection taken from a pool? In the phase connected and after. */
WEIR_API bool weir_peer_reused(struct weir_exchange *);

#endif
