/* SPDX-License-Identifier: Apache-2.0 */
/*
 * greeting: what of a ClientHello decides about the handshake, and what was decided. It ends with the handshake.
 */
#ifndef WEIR_SERVER_GREETING_H
#define WEIR_SERVER_GREETING_H

#include <gnutls/gnutls.h>
#include <stdbool.h>
#include <stdint.h>
#include <weir/tls.h>

#include "ticket.h"
#include "trust.h"

struct certificate;
struct generation;
struct identity_content;
struct listen;
struct weir_connection;

struct greeting {
	struct weir_connection *client;
	const struct generation *generation;
	const struct listen *listen;
	bool (*hooks)(struct weir_connection *, const struct listen *);
	bool begun;			/* something has come */

	/* what the ClientHello says */
	bool seen;
	char name[256];			/* lower case; "": none */
	uint8_t ticket[TICKET_NAME];	/* the first bytes of the first ticket */
	bool has_ticket, ecdsa, eddsa;	/* signatures that it understands */

	/* what follows from it */
	const struct certificate *certificate;
	const struct identity_content *identity;	/* held */
	const struct trust_content *trust;		/* held */
	enum weir_ask ask;
	unsigned depth;
	char why[TRUST_WHY];		/* it failed; "": not by our decision */
};

/* Read a ClientHello, without its header. 0, or GnuTLS' error for what is wrong with it. */
int greeting_read(struct greeting *, const gnutls_datum_t *hello);

#endif
