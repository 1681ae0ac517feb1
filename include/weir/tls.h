/* SPDX-License-Identifier: Apache-2.0 */
/*
 * weir/tls.h: what TLS tells of a client's connection, and what a module may ask the client for.
 *
 * Where a listener has `tls = yes`, hooks of handshake are called twice: in WEIR_TLS_HELLO, when the client has said whom it
 * wants and a [certificate] section was chosen, and in WEIR_TLS_WHOLE, when both sides are proven. WEIR_FAIL ends the
 * handshake or the connection. On other listeners they are called once, in WEIR_TLS_NONE.
 *
 * All of this is for the connection's thread: in its hooks of handshake, and in all hooks of its exchanges. Texts live as
 * long as the connection. What is not known is NULL, 0 or false.
 */
#ifndef WEIR_TLS_H
#define WEIR_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <weir/api.h>

struct weir_connection;
struct weir_exchange;
struct weir_trust;

enum weir_tls_stage {
	WEIR_TLS_NONE,	/* the listener does not speak TLS */
	WEIR_TLS_HELLO,	/* ClientHello seen, section chosen; nothing is proven, and the client may still be asked */
	WEIR_TLS_WHOLE	/* the handshake is done */
};
WEIR_API enum weir_tls_stage weir_tls_stage(struct weir_connection *);

/* The server name that the client asked for (RFC 6066, 3), in lower case; NULL when it named none. */
WEIR_API const char *weir_tls_name(struct weir_connection *);
/* The name of the [certificate] section that was chosen for it. */
WEIR_API const char *weir_tls_section(struct weir_connection *);
/* The calling module's settings in that section; NULL when the module has none. In hooks of handshake only. */
WEIR_API const void *weir_tls_settings(struct weir_connection *);

/* Where a request is served, by the configuration that it began with; its connection may be older, and its
 * host another than the name in
 * TLS. */
enum weir_place {
	WEIR_PLACE_LISTEN,	/* its [listen] section */
	WEIR_PLACE_NAME,	/* the [certificate] section of the name that the client asked TLS for */
	WEIR_PLACE_HOST		/* the one of the request's host, or with the nearest wildcard above it; the default one is not
				 * meant, and the target of CONNECT has none */
};
/* The calling module's settings there. NULL where there is no such section: without TLS, say. In hooks of exchanges. */
WEIR_API const void *weir_place_settings(struct weir_exchange *, enum weir_place);

/* Once whole: "TLSv1.3"; the cipher suite by its IANA name; the protocol chosen by ALPN (RFC 7301), NULL without one; is it a
 * session that was resumed? */
WEIR_API const char *weir_tls_version(struct weir_connection *);
WEIR_API const char *weir_tls_cipher(struct weir_connection *);
WEIR_API const char *weir_tls_protocol(struct weir_connection *);
WEIR_API bool weir_tls_resumed(struct weir_connection *);

/* --- the client's certificate ---------------------------------------------------------------------------------------- */

/* Ask the client for a certificate: not, if it has one, or as a condition. What it shows is verified against the authorities,
 * for the use by clients, with at most `depth` certificates between it and one of them; what does not stand that ends the
 * handshake. A session is resumed only where the same was asked with the same authorities, and its certificate is verified
 * again. In WEIR_TLS_HELLO only; the last call holds. False at any other time. */
enum weir_ask { WEIR_ASK_NOTHING, WEIR_ASK_OPTIONAL, WEIR_ASK_REQUIRED };
WEIR_API bool weir_tls_ask(struct weir_connection *, enum weir_ask, const struct weir_trust *, unsigned depth);

/* Has the client shown a certificate? Only one that was verified is ever told of; all below is NULL or false without. */
WEIR_API bool weir_client_is_verified(struct weir_connection *);
WEIR_API const char *weir_client_subject(struct weir_connection *);	/* as RFC 4514 writes it */
WEIR_API const char *weir_client_issuer(struct weir_connection *);
WEIR_API const char *weir_client_serial(struct weir_connection *);	/* lower case hex digits, without leading zero bytes */
WEIR_API const char *weir_client_fingerprint(struct weir_connection *);	/* SHA-256 of its DER, 64 lower case hex digits */
/* Seconds since the epoch between which it is valid. */
WEIR_API bool weir_client_validity(struct weir_connection *, int64_t *begins, int64_t *ends);
/* The certificates in DER as the client showed them, 0 its own; NULL past the last. They live as long as the connection. */
WEIR_API const void *weir_client_certificate(struct weir_connection *, unsigned index, size_t *length);

/* Is it good by these authorities and with this depth, too, as they are now? At once where it was verified by
 * just these; else, as when a
 * file of them has changed since, it is verified anew. False for who has shown none. */
WEIR_API bool weir_client_stands(struct weir_connection *, const struct weir_trust *, unsigned depth);

/* Walk over its alternative names (RFC 5280, 4.2.1.6): *position starts at 0 and moves on; NULL at the end. Those of other
 * kinds, or with NUL in them, are passed over. */
enum weir_name { WEIR_NAME_DNS, WEIR_NAME_EMAIL, WEIR_NAME_URI, WEIR_NAME_IP };
WEIR_API const char *weir_client_name(struct weir_connection *, unsigned *position, enum weir_name *kind);

#endif
