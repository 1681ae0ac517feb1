/* SPDX-License-Identifier: Apache-2.0 */
/*
 * weir/peer.h: whom to ask. For hooks of the phases peer, connected, failed and those after them, on the
 * exchange's own thread.
 *
 * Where to dial and whom to expect there are separate things. All that says who the peer is (everything in the struct but its
 * timeouts and `permit`) is the key of the connection pool and is compared field by field, by value: a connection made for one
 * peer is never used for another. Texts and structs that hooks put in must live as long as the exchange; settings do.
 */
#ifndef WEIR_PEER_H
#define WEIR_PEER_H

#include <weir/build.h>
#include <weir/exchange.h>

struct weir_trust;	/* CAs and CRLs, by content */
struct weir_identity;	/* a certificate chain and its key, by content */

/* What must be right about the certificate that the other side shows. */
enum weir_verify {
	WEIR_VERIFY_FULL,	/* its chain, its time, and that it is for the name */
	WEIR_VERIFY_CA,		/* the same without the name: any certificate of these CAs */
	WEIR_VERIFY_NONE	/* nothing: whoever sits on the way can read and change all */
};

/* TLS on a connection that we make. */
struct weir_peer_tls {
	bool on;
	enum weir_verify verify;
	const char *sni;	/* NULL: the logical host (of a proxy: its name in the address); "": none is sent */
	/* The DNS name or IP address that the certificate must be for; NULL: as `sni`, or that host. */
	const char *verify_name;
	const struct weir_trust *trust;	/* NULL: the CAs that this machine trusts */
	const struct weir_identity *identity;	/* what we show when asked; NULL: none */
	const char *alpn;	/* protocols to offer, best first, separated by spaces; NULL: none */
	const char *priority;	/* GnuTLS' priority string; NULL: Weir's own default */
};

/* A proxy on the way to the peer, asked by CONNECT (RFC 9110, 9.3.6) for a tunnel to the next one or to the peer. */
struct weir_via {
	const struct weir_via *next;	/* reached through this one; NULL: the peer is next */
	struct weir_address address;
	const char *authorization;	/* the value of Proxy-Authorization; NULL: none */
	const char *fields;		/* further field lines of the CONNECT, each ending in CRLF; NULL: none */
	struct weir_peer_tls tls;	/* to the proxy itself */
};

struct weir_peer {
	/* Where to dial: numeric, a name, or a Unix socket; with `via` what the last proxy is asked for. */
	struct weir_address address;
	struct weir_address bind;	/* the local address to dial from; length 0: any */
	const char *host;		/* the authority that the origin sees; NULL: the client's */
	const struct weir_via *via;	/* through these proxies, the nearest first; NULL: directly */
	/* Bytes to say first on a new connection, inside all tunnels and before TLS; NULL: none. */
	const char *preface;
	size_t preface_length;
	struct weir_peer_tls tls;	/* with the peer, inside all tunnels */

	/* May this address be dialled? Asked of each address of the peer (numeric, or from a look-up) before it is dialled,
	 * and of a pooled connection's before it is used; not of a proxy's, nor of what a proxy looks up. NULL: all may.
	 * Where none may, the failure is WEIR_PEER_FORBIDDEN. */
	bool (*permit)(void *argument, const struct sockaddr *);
	void *permit_argument;

	int64_t connect_timeout;	/* milliseconds: looking up, connecting, tunnels and TLS together */
	int64_t first_byte_timeout;	/* from the request's end to the response's first byte */
	int64_t between_bytes_timeout;	/* between two reads of the response, or two writes of the request */
};

/* The peer as it stands; filled from the upstream's section when the phase begins. Edit in the phase peer only. */
WEIR_API struct weir_peer *weir_peer(struct weir_exchange *);

/* The upstream of the route (NULL: it has none), and the calling module's settings for it. */
WEIR_API const struct weir_upstream *weir_upstream(struct weir_exchange *);
WEIR_API const void *weir_upstream_settings(struct weir_exchange *);
WEIR_API void weir_choose_upstream(struct weir_exchange *, const struct weir_upstream *);

/* An upstream without servers whose settings are the defaults: for a module that names the peer by itself in the phase peer
 * (choose it in an earlier one). Its index is behind those of all others, so that who keeps a table of upstreams looks for
 * servers first. */
WEIR_API const struct weir_upstream *weir_direct_upstream(struct weir_exchange *);

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
	WEIR_PEER_BROKEN,	/* its response head is malformed */
	WEIR_PEER_FORBIDDEN,	/* it has addresses, and `permit` allows none of them */
	WEIR_PEER_PROXY,	/* a proxy on the way gave no tunnel */
	WEIR_PEER_TLS		/* no TLS with it or with a proxy, or a certificate that is not good */
};
WEIR_API enum weir_peer_failure weir_peer_failure(struct weir_exchange *);

/* Was the connection taken from a pool? In the phase connected and after. */
WEIR_API bool weir_peer_reused(struct weir_exchange *);

#endif
