/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_client: TLS towards origins and proxies: whom a session must reach, what it shows, and whether that came about.
 *
 * The certificate is judged while the handshake runs (trust.h), so that nothing of ours goes to one that is not good, not
 * even our own. A resumed session shows none: it stands on the judgement of the one that its ticket is from, which `judged`
 * dates.
 */
#ifndef WEIR_SERVER_TLS_CLIENT_H
#define WEIR_SERVER_TLS_CLIENT_H

#include <gnutls/gnutls.h>
#include <stdbool.h>
#include <stdint.h>
#include <weir/peer.h>

#include "tls.h"
#include "trust.h"

struct identity_content;
struct wire;

/* What is trusted and what is shown, by content. Whoever has one of these holds both. */
struct tls_terms {
	const struct trust_content *trust;	/* NULL: nothing */
	const struct identity_content *identity;	/* NULL: none */
};

/* A session that was, for the next one with the same peer. data NULL: none. */
struct tls_ticket {
	gnutls_datum_t data;
	int64_t judged;		/* when its certificate was (wheel_clock) */
};

enum { TLS_TICKET_LIFE = 60 * 60 * 1000, TLS_CLIENT_WHY = TRUST_WHY + 128 };

struct tls_client {
	const struct weir_peer_tls *wanted;
	const struct tls_terms *terms;
	const char *name;	/* that the certificate must be for */
	int64_t judged;		/* when its certificate was; 0: not yet */
	int64_t ticket_judged;	/* when that of the ticket was; 0: there is no ticket */
	char why[TLS_CLIENT_WHY];	/* after FAILED */
};

/* Is it an IP address, which is not sent as SNI (RFC 6066, 3)? */
bool tls_client_is_number(const char *host);

/* Begin on this wire. `host` is the logical host, for where the settings name none; NULL: there is none. The client and all
 * that it is given must last until the handshake is done or the wire is closed. False: see `why`. */
bool tls_client_begin(struct tls_client *, struct wire *, const struct weir_peer_tls *, const struct tls_terms *,
	const char *host, const struct tls_ticket *);

/* As tls_handshake; DONE means that the other side is who it shall be. */
enum tls_result tls_client_go(struct tls_client *, struct wire *);

/* A ticket for the next session, if one has come; data NULL: none, or no memory. The caller frees data by gnutls_free. */
struct tls_ticket tls_client_ticket(const struct wire *, int64_t judged);

/* What is wrong with a priority string: where it stops making sense; NULL: nothing. */
const char *tls_client_judge_priority(const char *);

#endif
