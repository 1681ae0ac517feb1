/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_client: sessions that we begin.
 */
#include "tls_client.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "identity.h"
#include "wheel.h"
#include "wire.h"

/* TLS 1.2 and 1.3, with what GnuTLS holds for good now. */
#define PRIORITY "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"

enum { PROTOCOLS_MOST = 8 };

/* Shared by all sessions, and never changed. */
static struct {
	pthread_once_t once;
	gnutls_priority_t priority;
	gnutls_certificate_credentials_t credentials;
	bool good;
} common = { .once = PTHREAD_ONCE_INIT };

/* --- who is who ------------------------------------------------------------------------------------------------------- */

/* The other side asks who we are: the chain as it stands, whatever authorities it would like. */
static int
show_identity(gnutls_session_t session, const struct gnutls_cert_retr_st *info, gnutls_pcert_st **chain, unsigned *length,
	gnutls_ocsp_data_st **staples, unsigned *staple_count, gnutls_privkey_t *key, unsigned *flags)
{
	const struct tls_client *client = gnutls_session_get_ptr(session);
	const struct identity_content *identity = client == NULL ? NULL : client->terms->identity;

	(void)info;
	*flags = 0;		/* all of it stays ours */
	*staples = NULL;
	*staple_count = 0;
	*chain = identity == NULL ? NULL : identity->chain;
	*length = identity == NULL ? 0 : identity->chain_length;
	*key = identity == NULL ? NULL : identity->key;
	return 0;
}

/* It has shown who it is. Not 0 ends the handshake. */
static int
judge(gnutls_session_t session)
{
	struct tls_client *client = gnutls_session_get_ptr(session);
	const struct weir_peer_tls *wanted = client->wanted;
	struct trust_question question = { .depth = TRUST_CHAIN_MOST,
		.name = wanted->verify == WEIR_VERIFY_FULL ? client->name : NULL };
	char why[TRUST_WHY] = "it is of a kind that is not known";

	if (wanted->verify != WEIR_VERIFY_NONE) {
		if (gnutls_certificate_type_get2(session, GNUTLS_CTYPE_SERVER) == GNUTLS_CRT_X509)
			question.chain = gnutls_certificate_get_peers(session, &question.chain_length);
		if (question.chain == NULL || !trust_verify(client->terms->trust, &question, why)) {
			snprintf(client->why, sizeof(client->why), "its certificate is not good: %s", why);
			return GNUTLS_E_CERTIFICATE_ERROR;
		}
	}
	client->judged = wheel_clock();
	return 0;
}

static void
make_common(void)
{
	common.good = gnutls_priority_init2(&common.priority, PRIORITY, NULL, 0) == 0
		&& gnutls_certificate_allocate_credentials(&common.credentials) == 0;
	if (common.good)
		gnutls_certificate_set_retrieve_function3(common.credentials, show_identity);
}

/* --- beginning -------------------------------------------------------------------------------------------------------- */

bool
tls_client_is_number(const char *host)
{
	unsigned char bytes[sizeof(struct in6_addr)];

	return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
}

/* "h2 http/1.1": as many as there is room for. */
static bool
offer_protocols(gnutls_session_t session, const char *protocols)
{
	gnutls_datum_t offers[PROTOCOLS_MOST];
	unsigned count = 0;

	for (const char *at = protocols; at != NULL && *at != '\0' && count < PROTOCOLS_MOST; at += *at == ' ') {
		size_t length = strcspn(at, " ");

		if (length > 0)
			offers[count++] = (gnutls_datum_t){ (unsigned char *)(uintptr_t)at, (unsigned)length };
		at += length;
	}
	return count == 0 || gnutls_alpn_set_protocols(session, offers, count, 0) == 0;
}

static bool
set_up(gnutls_session_t session, struct tls_client *client, const char *sni)
{
	const char *priority = client->wanted->priority;

	gnutls_session_set_ptr(session, client);
	gnutls_session_set_verify_function(session, judge);
	if ((priority == NULL ? gnutls_priority_set(session, common.priority)
			: gnutls_priority_set_direct(session, priority, NULL)) != 0) {
		snprintf(client->why, sizeof(client->why), "its priority string is not understood");
		return false;
	}
	snprintf(client->why, sizeof(client->why), "no memory for TLS");
	return gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, common.credentials) == 0
		&& offer_protocols(session, client->wanted->alpn)
		&& (*sni == '\0' || gnutls_server_name_set(session, GNUTLS_NAME_DNS, sni, strlen(sni)) == 0);
}

/* The names, as far as they are there. An address is no SNI, but a certificate may be for one. */
static bool
settle_names(struct tls_client *client, const char *host, const char **sni)
{
	const struct weir_peer_tls *wanted = client->wanted;

	*sni = wanted->sni != NULL ? wanted->sni : host != NULL && !tls_client_is_number(host) ? host : "";
	client->name = wanted->verify_name != NULL ? wanted->verify_name : wanted->sni != NULL && **sni != '\0' ? *sni : host;
	if (wanted->verify == WEIR_VERIFY_NONE)
		return true;
	if (client->terms->trust == NULL)
		snprintf(client->why, sizeof(client->why), "it is to be verified, but nothing says by whose authorities");
	else if (wanted->verify == WEIR_VERIFY_FULL && (client->name == NULL || *client->name == '\0'))
		snprintf(client->why, sizeof(client->why), "it is to be verified, but nothing says for which name");
	else
		return true;
	return false;
}

bool
tls_client_begin(struct tls_client *client, struct wire *wire, const struct weir_peer_tls *wanted, const struct tls_terms *terms,
	const char *host, const struct tls_ticket *ticket)
{
	struct tls *tls;
	const char *sni;

	*client = (struct tls_client){ .wanted = wanted, .terms = terms, .why = "no memory for TLS" };
	pthread_once(&common.once, make_common);
	if (!settle_names(client, host, &sni) || !common.good)
		return false;
	tls = wire->tls == NULL ? tls_begin(wire, false) : tls_begin_inside(wire, false);
	if (tls == NULL || !set_up(tls_session(tls), client, sni))
		return false;
	if (ticket != NULL && ticket->data.data != NULL && wheel_clock() - ticket->judged < TLS_TICKET_LIFE
			&& gnutls_session_set_data(tls_session(tls), ticket->data.data, ticket->data.size) == 0)
		client->ticket_judged = ticket->judged;
	return true;
}

/* --- the handshake ---------------------------------------------------------------------------------------------------- */

/* Was this protocol among those that were offered? */
static bool
was_offered(const char *protocols, const gnutls_datum_t *chosen)
{
	for (const char *at = protocols; *at != '\0'; at += *at == ' ') {
		size_t length = strcspn(at, " ");

		if (length == chosen->size && memcmp(at, chosen->data, length) == 0)
			return true;
		at += length;
	}
	return false;
}

/* The handshake is done: does all of it hold? */
static bool
is_as_wanted(struct tls_client *client, gnutls_session_t session)
{
	const char *protocols = client->wanted->alpn == NULL ? "" : client->wanted->alpn;
	gnutls_datum_t chosen;

	if (gnutls_session_is_resumed(session) != 0)
		client->judged = client->ticket_judged;
	if (client->judged == 0 && client->wanted->verify != WEIR_VERIFY_NONE) {
		snprintf(client->why, sizeof(client->why), "it showed no certificate");
		return false;
	}
	if (gnutls_alpn_get_selected_protocol(session, &chosen) == 0 && !was_offered(protocols, &chosen)) {
		snprintf(client->why, sizeof(client->why), "it chose the protocol %.*s, which was not offered", (int)chosen.size,
			chosen.data);
		return false;
	}
	return true;
}

enum tls_result
tls_client_go(struct tls_client *client, struct wire *wire)
{
	gnutls_session_t session = tls_session(wire->tls);
	const char *why = NULL;
	enum tls_result result;

	client->why[0] = '\0';
	result = tls_handshake(wire->tls, &why);
	if (result == TLS_FAILED && client->why[0] == '\0')
		snprintf(client->why, sizeof(client->why), "the TLS handshake failed: %s", why);
	if (result != TLS_DONE)
		return result;
	gnutls_session_set_ptr(session, NULL);
	gnutls_session_set_verify_function(session, NULL);
	return is_as_wanted(client, session) ? TLS_DONE : TLS_FAILED;
}

struct tls_ticket
tls_client_ticket(const struct wire *wire, int64_t judged)
{
	gnutls_session_t session = tls_session(wire->tls);
	struct tls_ticket ticket = { .judged = judged };

	/* With 1.3 GnuTLS would wait for one. */
	if (gnutls_protocol_get_version(session) >= GNUTLS_TLS1_3
			&& (gnutls_session_get_flags(session) & GNUTLS_SFLAGS_SESSION_TICKET) == 0)
		return ticket;
	if (gnutls_session_get_data2(session, &ticket.data) != 0)
		ticket.data = (gnutls_datum_t){ NULL, 0 };
	return ticket;
}

const char *
tls_client_judge_priority(const char *text)
{
	gnutls_priority_t priority;
	const char *at = text;

	if (gnutls_priority_init2(&priority, text, &at, 0) != 0)
		return at;
	gnutls_priority_deinit(priority);
	return NULL;
}
