/* SPDX-License-Identifier: Apache-2.0 */
/*
 * terminate: TLS with clients: the handshake, and what it told.
 *
 * The ClientHello decides: its name chooses the [certificate] section, the hooks of handshake say what is asked of the client
 * there, and the key for its tickets is made of both. So a session is resumed only where it began, under the same demands:
 * what it proved counts nowhere else. Once whole, a connection keeps a struct termination of a few words; what only the
 * handshake needs is freed.
 */
#ifndef WEIR_SERVER_TERMINATE_H
#define WEIR_SERVER_TERMINATE_H

#include <stdbool.h>
#include <weir/tls.h>

struct generation;
struct greeting;
struct listen;
struct shown;
struct trust_content;
struct weir_connection;

enum {
	HANDSHAKES_MOST = 1024		/* under way at once, on one thread */
};

struct termination {
	struct greeting *greeting;	/* during the handshake */
	struct shown *shown;		/* the client's certificate, verified; NULL: none */
	const struct trust_content *trust;	/* held: by whom, and how far away from it */
	unsigned depth;
	const char *version, *cipher, *protocol;
	char *name;			/* that the client asked for; NULL: none */
	char *section;			/* that was chosen for it */
	enum weir_tls_stage stage;
	bool resumed;
};

enum terminate_result {
	TERMINATE_DONE,
	TERMINATE_READ,		/* call again when the socket can be read, or written */
	TERMINATE_WRITE,
	TERMINATE_FAILED,	/* what is to be said was said; let the client hear it, and close */
	TERMINATE_GONE		/* close */
};

/* Begin or go on with a client's handshake. What lies in c->in is taken for its first bytes; at the end it is content.
 * `hooks` runs the hooks of handshake; false ends it. */
enum terminate_result terminate(struct weir_connection *, const struct generation *, const struct listen *,
	bool (*hooks)(struct weir_connection *, const struct listen *));

/* The connection ends, or its handshake need not be gone on with. NULL is fine. */
void terminate_forget(struct weir_connection *);

/* The priorities of GnuTLS for what [listen] says; they live as long as the process. NULL: *why says what is wrong. Main
 * thread. */
struct gnutls_priority_st *terminate_priorities(const char *text, const char **why);

#endif
