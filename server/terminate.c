/* SPDX-License-Identifier: Apache-2.0 */
/*
 * terminate: the steps of a client's handshake, and the decisions in it.
 *
 * All that depends on the ClientHello is decided in a hook before GnuTLS reads it, so that no ticket is opened by the key
 * of another place. The first bytes are received here and given to the session, so that plain HTTP can be told.
 */
#include "terminate.h"

#include <assert.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "buffer.h"
#include "certificate.h"
#include "client.h"
#include "generation.h"
#include "greeting.h"
#include "identity.h"
#include "log.h"
#include "shown.h"
#include "thread.h"
#include "tls.h"

enum { HANDSHAKE_RECORD = 22, MESSAGE_MOST = 64 * 1024, PLACE_MOST = 512 };

static gnutls_certificate_credentials_t credentials;	/* without any certificate: retrieve has them */
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* --- which certificate ---------------------------------------------------------------------------------------------- */

static bool
understands(const struct greeting *g, const struct identity_content *identity)
{
	switch (identity->algorithm) {
	case GNUTLS_PK_ECDSA:
		return g->ecdsa;
	case GNUTLS_PK_EDDSA_ED25519:
	case GNUTLS_PK_EDDSA_ED448:
		return g->eddsa;
	default:
		return false;	/* RSA is what is left where nothing else will do */
	}
}

/* The first that the client understands better than RSA, else the first with RSA, else the first. */
static const struct identity_content *
choose_identity(const struct greeting *g)
{
	const struct identity_content *chosen = NULL;

	for (size_t i = 0; i < g->certificate->settings.certificate.count; i++) {
		const struct identity_content *next = identity_hold(g->certificate->identities[i]);

		if (next == NULL)
			continue;
		if (understands(g, next)) {
			identity_drop(&chosen);
			return next;
		}
		if (chosen == NULL || (chosen->algorithm != GNUTLS_PK_RSA && next->algorithm == GNUTLS_PK_RSA)) {
			identity_drop(&chosen);
			chosen = next;
		} else
			identity_drop(&next);
	}
	return chosen;
}

static int
retrieve(gnutls_session_t session, const struct gnutls_cert_retr_st *info, gnutls_pcert_st **chain, unsigned *length,
	gnutls_ocsp_data_st **staple, unsigned *staples, gnutls_privkey_t *key, unsigned *flags)
{
	struct greeting *g = gnutls_session_get_ptr(session);
	const struct identity_content *identity;

	(void)info;
	if (g == NULL || g->certificate == NULL)
		return GNUTLS_E_INSUFFICIENT_CREDENTIALS;
	if (g->identity == NULL)
		g->identity = choose_identity(g);
	if ((identity = g->identity) == NULL)
		return GNUTLS_E_INSUFFICIENT_CREDENTIALS;
	*chain = identity->chain;
	*length = identity->chain_length;
	*key = identity->key;
	*flags = 0;
	*staples = 0;
	if (identity->staple.response.size > 0 && (identity->staple.exptime == 0 || identity->staple.exptime > time(NULL))) {
		*staple = (gnutls_ocsp_data_st *)(uintptr_t)&identity->staple;
		*staples = 1;
	}
	return 0;
}

static void
make_credentials(void)
{
	if (gnutls_certificate_allocate_credentials(&credentials) == 0)
		gnutls_certificate_set_retrieve_function3(credentials, retrieve);
}

/* --- who the client is ---------------------------------------------------------------------------------------------- */

/* Is what the client showed good? 0, or GnuTLS' error; g->why says why. */
static int
verify(gnutls_session_t session)
{
	struct greeting *g = gnutls_session_get_ptr(session);
	unsigned length = 0;
	const gnutls_datum_t *chain = gnutls_certificate_get_peers(session, &length);
	struct trust_question question = { .chain = chain, .chain_length = length, .client = true };

	if (chain == NULL || length == 0) {
		if (g->ask != WEIR_ASK_REQUIRED)
			return 0;
		strcpy(g->why, "the client has shown no certificate");
		return GNUTLS_E_CERTIFICATE_REQUIRED;
	}
	question.depth = g->depth;
	if (g->trust == NULL || !trust_verify(g->trust, &question, g->why)) {
		if (g->why[0] == '\0')
			strcpy(g->why, "there is no authority to verify it");
		return GNUTLS_E_CERTIFICATE_ERROR;
	}
	return 0;
}

/* --- the ClientHello -------------------------------------------------------------------------------------------------- */

/* All that a session proved is bound to: the section and what was asked there, by content. */
static bool
set_ticket_key(gnutls_session_t session, const struct greeting *g)
{
	const uint32_t asked[2] = { g->ask, g->depth };
	uint8_t place[PLACE_MOST], key[TICKET_KEY];
	gnutls_datum_t datum = { key, sizeof(key) };
	int64_t rotation = g->generation->settings.ticket_rotation;
	size_t length = strlen(g->certificate->name) + 1;
	bool good;

	if (length > sizeof(place) - sizeof(asked) - CREDENTIAL_DIGEST)
		return false;
	memcpy(place, g->certificate->name, length);
	memcpy(place + length, asked, sizeof(asked));
	length += sizeof(asked);
	if (g->trust != NULL) {
		memcpy(place + length, g->trust->content.digest, CREDENTIAL_DIGEST);
		length += CREDENTIAL_DIGEST;
	}
	gnutls_db_set_cache_expiration(session, (int)(rotation / 1000));
	good = ticket_key(key, place, length, g->has_ticket ? g->ticket : NULL, rotation)
		&& gnutls_session_ticket_enable_server(session, &datum) == 0;
	gnutls_memset(key, 0, sizeof(key));
	return good;
}

/* The client says whom it wants. Once more after a HelloRetryRequest: then it must be the same. */
static int
hear_again(struct greeting *g, const gnutls_datum_t *message)
{
	struct greeting again = { .seen = true };
	int error = greeting_read(&again, message);

	if (error >= 0 && strcmp(again.name, g->name) != 0) {
		strcpy(g->why, "the client asked for another name when it was asked to begin again");
		error = GNUTLS_E_RECEIVED_ILLEGAL_PARAMETER;
	}
	return error;
}

static bool
keep_names(struct termination *t, const struct greeting *g)
{
	t->section = strdup(g->certificate->name);
	if (g->name[0] != '\0')
		t->name = strdup(g->name);
	return t->section != NULL && (g->name[0] == '\0' || t->name != NULL);
}

static int
hear(gnutls_session_t session, unsigned type, unsigned when, unsigned incoming, const gnutls_datum_t *message)
{
	struct greeting *g = gnutls_session_get_ptr(session);
	struct termination *t;
	int error;

	(void)type;
	(void)when;
	if (incoming == 0)
		return 0;
	if (g == NULL)	/* the handshake is done: nobody begins another */
		return GNUTLS_E_UNEXPECTED_HANDSHAKE_PACKET;
	t = g->client->termination;
	if (g->seen)
		return hear_again(g, message);
	if ((error = greeting_read(g, message)) < 0)
		return error;
	g->seen = true;
	g->certificate = certificate_find(&g->generation->certificates, g->name[0] != '\0' ? g->name : NULL,
		g->listen->settings.strict_sni);
	if (g->certificate == NULL) {
		strcpy(g->why, "no [certificate] section has the name that the client asked for");
		return GNUTLS_E_UNRECOGNIZED_NAME;
	}
	if (!keep_names(t, g))
		return GNUTLS_E_MEMORY_ERROR;
	t->stage = WEIR_TLS_HELLO;
	if (!g->hooks(g->client, g->listen)) {
		strcpy(g->why, "a module refused it");
		return GNUTLS_E_NO_CIPHER_SUITES;
	}
	if (g->ask != WEIR_ASK_NOTHING)
		gnutls_certificate_server_set_request(session,
			g->ask == WEIR_ASK_REQUIRED ? GNUTLS_CERT_REQUIRE : GNUTLS_CERT_REQUEST);
	return !g->listen->settings.tickets || set_ticket_key(session, g) ? 0 : GNUTLS_E_MEMORY_ERROR;
}

/* --- the steps ---------------------------------------------------------------------------------------------------------- */

static void
free_greeting(struct thread *thread, struct greeting **g)
{
	if (*g == NULL)
		return;
	identity_drop(&(*g)->identity);
	trust_drop(&(*g)->trust);
	free(*g);
	*g = NULL;
	thread->handshakes--;
}

/* What has come, without TLS. */
static enum terminate_result
receive(struct weir_connection *c)
{
	struct wire socket = { .fd = c->wire.fd };
	int got;

	if (c->in != NULL)
		return TERMINATE_DONE;
	got = buffer_receive(c->thread, &c->in, &socket);
	return got > 0 ? TERMINATE_DONE : got == BUFFER_NOTHING ? TERMINATE_READ : TERMINATE_GONE;
}

/* Somebody who speaks HTTP shall be told so. */
static enum terminate_result
answer_plain(struct weir_connection *c)
{
	static const char answer[] = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 29\r\n"
		"Connection: close\r\n\r\nThis port speaks HTTPS only.\n";

	counter_add(&c->thread->counters, COUNT_HANDSHAKES_FAILED, 1);
	buffer_free(&c->in);
	return send(c->wire.fd, answer, sizeof(answer) - 1, MSG_NOSIGNAL) > 0 ? TERMINATE_FAILED : TERMINATE_GONE;
}

static bool
begin(struct weir_connection *c, struct greeting *g)
{
	static const gnutls_datum_t protocols[] = { { (unsigned char *)(uintptr_t)"http/1.1", 8 },
		{ (unsigned char *)(uintptr_t)"http/1.0", 8 } };
	gnutls_session_t session;
	struct tls *tls;

	pthread_once(&once, make_credentials);
	if (credentials == NULL || (tls = tls_begin(&c->wire, true)) == NULL)
		return false;
	session = tls_session(tls);
	gnutls_session_set_ptr(session, g);
	gnutls_handshake_set_max_packet_length(session, MESSAGE_MOST);
	gnutls_handshake_set_hook_function(session, GNUTLS_HANDSHAKE_CLIENT_HELLO, GNUTLS_HOOK_PRE, hear);
	gnutls_session_set_verify_function(session, verify);
	return gnutls_priority_set(session, g->listen->settings.priority) == 0
		&& gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, credentials) == 0
		&& gnutls_alpn_set_protocols(session, protocols, 2, GNUTLS_ALPN_MANDATORY) == 0;
}

static bool
begin_greeting(struct weir_connection *c, const struct generation *generation, const struct listen *listen,
	bool (*hooks)(struct weir_connection *, const struct listen *))
{
	struct termination *t = calloc(1, sizeof(*t));
	struct greeting *g = calloc(1, sizeof(*g));

	if (t == NULL || g == NULL || c->thread->handshakes >= HANDSHAKES_MOST) {
		counter_add(&c->thread->counters, t == NULL || g == NULL ? COUNT_MEMORY_REFUSED : COUNT_LIMITED, 1);
		free(t);
		free(g);
		return false;
	}
	*g = (struct greeting){ .client = c, .generation = generation, .listen = listen, .hooks = hooks };
	t->greeting = g;
	c->termination = t;
	c->thread->handshakes++;
	return true;
}

static const char *
version_text(gnutls_session_t session)
{
	return gnutls_protocol_get_version(session) == GNUTLS_TLS1_3 ? "TLSv1.3" : "TLSv1.2";
}

static const char *
protocol_text(gnutls_session_t session)
{
	gnutls_datum_t chosen;

	if (gnutls_alpn_get_selected_protocol(session, &chosen) != 0 || chosen.size != 8)
		return NULL;
	return memcmp(chosen.data, "http/1.0", 8) == 0 ? "http/1.0" : "http/1.1";
}

/* The handshake is whole: what does it say? */
static bool
conclude(struct weir_connection *c)
{
	struct termination *t = c->termination;
	gnutls_session_t session = tls_session(c->wire.tls);
	const gnutls_datum_t *chain;
	unsigned length = 0;

	t->stage = WEIR_TLS_WHOLE;
	t->resumed = gnutls_session_is_resumed(session) != 0;
	t->version = version_text(session);
	t->cipher = gnutls_ciphersuite_get(session);
	t->protocol = protocol_text(session);
	counter_add(&c->thread->counters, t->resumed ? COUNT_HANDSHAKES_RESUMED : COUNT_HANDSHAKES, 1);
	if (t->greeting->ask == WEIR_ASK_NOTHING)
		return true;
	if (t->resumed && verify(session) != 0)	/* what was good then may have expired */
		return false;
	chain = gnutls_certificate_get_peers(session, &length);
	if (chain == NULL || length == 0)
		return t->greeting->ask != WEIR_ASK_REQUIRED;
	t->shown = shown_new(chain, length);
	t->trust = trust_hold_again(t->greeting->trust);
	t->depth = t->greeting->depth;
	if (t->shown == NULL)
		strcpy(t->greeting->why, "no memory for the client's certificate");
	return t->shown != NULL;
}

static void
complain(const struct weir_connection *c, const char *why)
{
	const struct greeting *g = c->termination->greeting;
	char address[64];

	counter_add(&c->thread->counters, COUNT_HANDSHAKES_FAILED, 1);
	weir_log(WEIR_LOG_DEBUG, "TLS with %s on [listen %s] failed: %s%s%s%s", weir_address_text(&c->address.any, address),
		g->listen->name, g->why[0] != '\0' ? g->why : why, g->name[0] != '\0' ? " (it asked for " : "", g->name,
		g->name[0] != '\0' ? ")" : "");
}

/* It is over, and content may be there already. */
static enum terminate_result
finish(struct weir_connection *c)
{
	struct termination *t = c->termination;
	struct greeting *g = t->greeting;
	int got;

	if (!conclude(c)) {
		complain(c, "the session that it resumed is good no more");
		return TERMINATE_FAILED;
	}
	if (!g->hooks(c, g->listen)) {
		strcpy(g->why, "a module refused it");
		complain(c, "");
		return TERMINATE_FAILED;
	}
	gnutls_session_set_ptr(tls_session(c->wire.tls), NULL);
	free_greeting(c->thread, &t->greeting);
	got = buffer_receive(c->thread, &c->in, &c->wire);
	return got > 0 || got == BUFFER_NOTHING ? TERMINATE_DONE : TERMINATE_GONE;
}

enum terminate_result
terminate(struct weir_connection *c, const struct generation *generation, const struct listen *listen,
	bool (*hooks)(struct weir_connection *, const struct listen *))
{
	enum terminate_result result;
	struct greeting *g;
	const char *why = "";

	if (c->termination == NULL && !begin_greeting(c, generation, listen, hooks))
		return TERMINATE_GONE;
	g = c->termination->greeting;
	/* What came early is for the session first; more of it stays in the socket meanwhile. */
	result = c->wire.tls != NULL && tls_has_more(c->wire.tls) ? TERMINATE_DONE : receive(c);
	if (result != TERMINATE_DONE && !(result == TERMINATE_READ && g->begun)) {
		if (result == TERMINATE_GONE && g->begun)
			complain(c, "the connection was closed during the handshake");
		return result;
	}
	if (!g->begun) {
		g->begun = true;
		if (*c->in->from != HANDSHAKE_RECORD && *c->in->from >= 'A' && *c->in->from <= 'Z')
			return answer_plain(c);
		if (!begin(c, g))
			return TERMINATE_GONE;
	}
	if (c->in != NULL)
		tls_give_early(c->wire.tls, &c->in);
	switch (tls_handshake(c->wire.tls, &why)) {
	case TLS_DONE:
		return finish(c);
	case TLS_READ:
		return TERMINATE_READ;
	case TLS_WRITE:
		return TERMINATE_WRITE;
	default:
		complain(c, why);
		return TERMINATE_FAILED;
	}
}

void
terminate_forget(struct weir_connection *c)
{
	struct termination *t = c->termination;

	if (t == NULL)
		return;
	free_greeting(c->thread, &t->greeting);
	shown_free(&t->shown);
	trust_drop(&t->trust);
	free(t->name);
	free(t->section);
	free(t);
	c->termination = NULL;
}

/* --- priorities ---------------------------------------------------------------------------------------------------------- */

/* Versions, suites, groups and signatures as Mozilla's intermediate set has them, but for finite-field Diffie-Hellman; what
 * is cheapest for GnuTLS first. */
static const char intermediate[] = "NONE:+VERS-TLS1.3:+VERS-TLS1.2:+AES-128-GCM:+AES-256-GCM:+CHACHA20-POLY1305:+AEAD:"
	"+ECDHE-ECDSA:+ECDHE-RSA:+GROUP-X25519:+GROUP-SECP256R1:+GROUP-SECP384R1:+SIGN-ECDSA-SECP256R1-SHA256:"
	"+SIGN-ECDSA-SHA256:+SIGN-RSA-PSS-RSAE-SHA256:+SIGN-RSA-SHA256:+SIGN-ECDSA-SECP384R1-SHA384:+SIGN-ECDSA-SHA384:"
	"+SIGN-RSA-PSS-RSAE-SHA384:+SIGN-RSA-SHA384:+SIGN-EDDSA-ED25519:+SIGN-RSA-PSS-RSAE-SHA512:+SIGN-RSA-SHA512:"
	"+SIGN-ECDSA-SECP521R1-SHA512:+SIGN-ECDSA-SHA512:+CTYPE-ALL:+COMP-NULL:%SERVER_PRECEDENCE";

struct priorities {
	struct priorities *next;
	gnutls_priority_t priority;
	char text[];
};

gnutls_priority_t
terminate_priorities(const char *text, const char **why)
{
	/* Whatever is written, versions below 1.2 stay off. */
	static const char floor[] = ":-VERS-SSL3.0:-VERS-TLS1.0:-VERS-TLS1.1:-VERS-DTLS-ALL";
	static struct priorities *all;
	struct priorities *p;

	if (strcmp(text, "intermediate") == 0)
		text = intermediate;
	for (p = all; p != NULL; p = p->next)
		if (strncmp(p->text, text, strlen(text)) == 0 && strcmp(p->text + strlen(text), floor) == 0)
			return p->priority;
	*why = "no memory";
	if ((p = malloc(sizeof(*p) + strlen(text) + sizeof(floor))) == NULL)
		return NULL;
	memcpy(p->text, text, strlen(text));
	memcpy(p->text + strlen(text), floor, sizeof(floor));
	if (gnutls_priority_init(&p->priority, p->text, NULL) < 0) {
		*why = "write intermediate, or a priority string of GnuTLS, such as NORMAL:%SERVER_PRECEDENCE "
			"(gnutls-cli --list --priority STRING shows what one means)";
		free(p);
		return NULL;
	}
	p->next = all;
	all = p;
	return p->priority;
}
