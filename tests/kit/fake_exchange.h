/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_exchange: the contract without a server, to test a module alone.
 *
 * It keeps one exchange with its connection, fields and settings in memory, reads options by the module's
 * own table, and calls the module's hooks. It knows a few template variables only: ${method} ${scheme}
 * ${host} ${path} ${query} ${target} ${request.NAME} ${response.NAME}. Every text that it hands out is a
 * malloc of its own, so that a sanitizer sees what reads past its end. The test owns the fake and frees it
 * with all in it.
 */
#ifndef WEIR_TESTS_FAKE_EXCHANGE_H
#define WEIR_TESTS_FAKE_EXCHANGE_H

#include <weir/module.h>

#define FAKE_FIELDS 128

struct fake_field {
	const char *name, *value;
};

/* What a module asked the build for; no file is read. */
struct weir_identity {
	const char *certificate, *key, *staple;
};

struct weir_trust {
	const char *authorities, *revocations;
};

/* What TLS tells of the connection, and what a hook of handshake asked. */
struct fake_tls {
	enum weir_tls_stage stage;
	const char *name, *section, *version, *cipher, *protocol;
	const void *settings;	/* in the section of the name */
	const void *listen, *host;	/* in the listener's (NULL: the route's), and in that of the request's host */
	bool resumed;
	enum weir_ask ask;
	const struct weir_trust *trust;
	unsigned depth;

	bool verified;		/* the client has shown this certificate: */
	const char *shown_trust;	/* good by this file of authorities only (NULL: by any), and this far away from one */
	unsigned shown_depth;
	const char *subject, *issuer, *serial, *fingerprint;
	int64_t begins, ends;
	const void *der[4];
	size_t der_length[4];
	struct {
		enum weir_name kind;
		const char *value;	/* NULL: there are no more */
	} names[8];
};

struct weir_exchange {
	const struct weir_module *module;
	void *settings, *state, *connection_state;	/* of the sizes that the module declares */

	const char *method, *scheme, *authority, *host, *path, *query;
	const char *target_scheme;	/* of a target in absolute-form; NULL: it is none */
	int version, response_version;
	struct fake_field fields[4][FAKE_FIELDS];	/* by enum weir_message */
	unsigned count[4];
	struct sockaddr_storage client, peer, local;
	const char *received;	/* the connection's first bytes, as a hook of accept sees them */
	size_t received_length, skipped;
	bool crowded;		/* the client that a hook tells of has as many connections as it may */

	struct weir_peer peer_asked;	/* weir_peer */
	const void *upstream_settings;	/* what the module has set in the upstream's section; NULL: as the route's */
	bool direct;			/* weir_direct_upstream was chosen */
	bool tunnels;			/* weir_tunnel was called */
	struct weir_tunnel tunnel;

	int status, failure_status;
	const char *type, *body, *failure;
	size_t body_length;
	weir_source *source;	/* of the response; fake_next_piece asks it */
	void (*release)(void *argument);
	void *source_argument;
	struct weir_sink sink;	/* of the body that was taken, or of the last errand */
	struct weir_errand errand;	/* the last one; texts as they were given */
	unsigned errands;
	bool body_taken, keeps_going, is_errand;
	bool refused;		/* a setter got something that the core would fail the request for */
	bool framing;		/* a setter got a framing field */
	int64_t metrics[16];

	struct fake_tls tls;		/* of the connection; zeroed: it is plain */

	const char *error, *warning;	/* the last of the build */
	void *memory;		/* everything, freed with the fake */
};

/* An exchange of this module with its options at their defaults: GET http://example.com/ from 192.0.2.1. */
struct weir_exchange *fake_new(const struct weir_module *);
void fake_free(struct weir_exchange **);

/* Read one line, "NAME = VALUE", as the configuration would. NULL, or what is wrong with it. */
const char *fake_option(struct weir_exchange *, const char *name, const char *value);
/* Call the module's check. NULL, or what is wrong. */
const char *fake_check(struct weir_exchange *);

/* Who is connected: "192.0.2.1", "2001:db8::1" or "unix:". */
void fake_peer(struct weir_exchange *, const char *address);
void fake_target(struct weir_exchange *, const char *authority, const char *path, const char *query);

/* A new request with the same settings on the same connection: no fields, no state. */
void fake_next_request(struct weir_exchange *);

/* Run the module's hook of a phase; WEIR_NEXT when it has none, or does not need it with these settings. */
enum weir_verdict fake_run(struct weir_exchange *, enum weir_phase);

/* The last line that the module wrote to the error log; "": none since fake_new. */
extern char fake_logged[512];

/* Release it, if there is one. */
void fake_drop_source(struct weir_exchange *);

/* Ask the source of the response for its next piece. WEIR_FAIL without one. */
enum weir_verdict fake_next_piece(struct weir_exchange *, struct weir_chunk *);

/* Every field of that name as one text, joined by " | "; NULL when there is none. */
const char *fake_fields(struct weir_exchange *, enum weir_message, const char *name);

#endif
