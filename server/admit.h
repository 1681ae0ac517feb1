/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admit: from a connection that was accepted to a client whose requests are served.
 *
 * The hooks of accept run, then those of handshake, with TLS in its course (terminate.h). A hook of accept may ask for bytes:
 * what has come lies in c->in, where whoever serves the connection finds what no hook has skipped. While it waits, the
 * connection holds the generation that its hooks' settings belong to. Where TLS is passed through, the ClientHello is awaited
 * the same way; the listener's head_timeout bounds that and what hooks wait for, ADMIT_BYTES what it may hold, and
 * handshake_timeout the handshake.
 */
#ifndef WEIR_SERVER_ADMIT_H
#define WEIR_SERVER_ADMIT_H

enum { ADMIT_BYTES = 64 * 1024 };

struct weir_connection;

enum admit_result {
	ADMIT_SERVED,	/* requests may be read; some may lie in c->in already */
	ADMIT_PASSED,	/* a ClientHello lies in c->in, and its TLS is to be passed through */
	ADMIT_WAITING,	/* for bytes: call again when there are some */
	ADMIT_REFUSED,	/* close it */
	ADMIT_FAILED	/* close it, but let the client hear why */
};

/* Run hooks and the TLS handshake as far as possible: at first, and again whenever the socket can be read. */
enum admit_result admit(struct weir_connection *);

/* The connection ends: let go of what waiting took. */
void admit_forget(struct weir_connection *);

#endif
