/* SPDX-License-Identifier: Apache-2.0 */
/*
 * establish: from a socket that is connected to a connection that requests can go over.
 *
 * What lies between is the peer's (weir/peer.h): a tunnel through each proxy of the way, the preface, TLS. The dial that has
 * won the race of addresses owns this, and brings it the connection's events. What is not whole is never given to an exchange
 * or a pool.
 */
#ifndef WEIR_SERVER_ESTABLISH_H
#define WEIR_SERVER_ESTABLISH_H

#include <stdbool.h>
#include <stdint.h>
#include <weir/peer.h>

#include "tls_client.h"

struct arena;
struct key;
struct upstream;

enum establish_step {
	ESTABLISH_BEGIN,	/* whoever is spoken to is reached: a proxy, or the peer */
	ESTABLISH_SECURE,	/* TLS with it is to begin */
	ESTABLISH_SHAKE,	/* it goes on */
	ESTABLISH_ASK,		/* a CONNECT is to be sent to `via` */
	ESTABLISH_ANSWER,	/* its answer is awaited */
	ESTABLISH_END
};

struct establish {
	const struct weir_peer *peer;
	struct upstream *upstream;
	struct arena *arena;		/* the exchange's, for heads and texts */
	const struct key *key;		/* by what TLS is made; NULL: none is */
	const struct weir_via *via;	/* the proxy that is spoken to; NULL: the peer itself */
	enum establish_step step;
	uint8_t place, interims;	/* which proxy it is; how often it has said 1xx */
	struct tls_client client;
	enum weir_peer_failure failure;	/* after FAILED, with the cause in words */
	const char *cause;
};

enum establish_result { ESTABLISH_READY, ESTABLISH_WAIT, ESTABLISH_FAILED };

/* Is there anything to do? */
static inline bool
establish_is_needed(const struct weir_peer *peer)
{
	return peer->via != NULL || peer->preface_length > 0 || peer->tls.on;
}

/* All lasts until the end, or until the upstream is closed. */
void establish_begin(struct establish *, const struct weir_peer *, const struct key *, struct upstream *, struct arena *);

/* Go on as far as possible: at the beginning and after each event. WAIT: the events that matter are added. */
enum establish_result establish_go(struct establish *);

/* What is being waited for, for the log: "the proxy a:3128 did not answer CONNECT b:443". */
const char *establish_waits_for(const struct establish *);

/* "host:port" of an address, IPv6 in brackets, "unix:/path"; NULL without memory. */
const char *establish_name(struct arena *, const struct weir_address *);

#endif
