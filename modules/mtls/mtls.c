/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mtls: who is who by certificate, on both sides.
 *
 * Clients: a [listen] or [certificate] section says whether they are asked for a certificate, and whose are good; what
 * the [certificate] section of the name that a client wants says, holds in the place of its listener's. The core
 * verifies, and tells of verified certificates only. Other modules see them by the contract, templates by variables, an
 * origin by the fields of RFC 9440; what a client itself writes into those fields is always taken out.
 *
 * Origins: a [route] or [upstream] section says which certificate is shown to them. It becomes part of the peer, and so
 * of the key of the connection pool: a connection on which one was shown serves only requests that show it.
 */
#include "client_cert.h"

#include <string.h>
#include <time.h>

/* 0: the section does not say. */
enum { NO = 1, REQUEST, REQUIRE };
enum { SEND_NOTHING, SEND_CERTIFICATE, SEND_CHAIN };
enum { VERIFIED, REFUSED };

struct settings {
	int client;
	const char *ca, *crl;
	int64_t depth;
	const struct weir_trust *trust;		/* where clients are asked */

	const char *certificate, *key;		/* "": none, whatever the upstream has */
	const struct weir_identity *identity;

	int send;
};

static const char *
parse_client(struct weir_build *build, const char *text, void *value)
{
	static const char *const words[] = { [NO] = "no", [REQUEST] = "request", [REQUIRE] = "require" };

	(void)build;
	for (int i = NO; i <= REQUIRE; i++)
		if (strcmp(text, words[i]) == 0) {
			*(int *)value = i;
			return NULL;
		}
	return "write no, request or require";
}

static const char *const sends[] = { "no", "certificate", "chain", NULL };

#define OF_CLIENTS (WEIR_IN_LISTEN | WEIR_IN_CERTIFICATE)
#define OF_ORIGINS (WEIR_IN_ROUTE | WEIR_IN_UPSTREAM)

static const struct weir_option options[] = {
	{ "client", WEIR_CUSTOM, offsetof(struct settings, client), .in = OF_CLIENTS, .size = sizeof(int),
	  .parse = parse_client,
	  .doc = "Are clients asked for a certificate? request: yes, but they need not have one; require: who shows none "
		 "is not let in. One that does not stand the check never is. A [certificate] section that does not say "
		 "does as its listener." },
	{ "ca", WEIR_PATH, offsetof(struct settings, ca), .in = WEIR_IN_MODULE | OF_CLIENTS,
	  .doc = "File of the authorities (PEM) whose certificates clients may show." },
	{ "crl", WEIR_PATH, offsetof(struct settings, crl), .in = WEIR_IN_MODULE | OF_CLIENTS,
	  .doc = "File of these authorities' lists of revocations (PEM)." },
	{ "depth", WEIR_INTEGER, offsetof(struct settings, depth), .in = WEIR_IN_MODULE | OF_CLIENTS, .initial = "1",
	  .max = 8, .doc = "How many certificates may stand between a client's and an authority." },
	{ "certificate", WEIR_PATH, offsetof(struct settings, certificate), .in = OF_ORIGINS,
	  .doc = "File of the certificate (PEM, with its chain) that origins are shown when they ask for one. A route's goes "
		 "before its upstream's; empty for none." },
	{ "key", WEIR_PATH, offsetof(struct settings, key), .in = OF_ORIGINS,
	  .doc = "File of its private key (PEM); without this key it lies with the certificate." },
	{ "send", WEIR_CHOICE, offsetof(struct settings, send), .choices = sends, .initial = "no",
	  .doc = "Tell the origin of a verified client certificate by Client-Cert, and by Client-Cert-Chain (RFC 9440)." },
	{ .name = NULL }
};

static const struct weir_metric metrics[] = {
	[VERIFIED] = { "verified_total", false, "Handshakes in which a client's certificate was verified." },
	[REFUSED] = { "refused_total", false, "Connections and requests refused because a good certificate is required." },
	{ .name = NULL }
};

/* --- the build ------------------------------------------------------------------------------------------ */

static void
check_clients(struct weir_build *build, struct settings *set)
{
	set->trust = NULL;
	if (set->client <= NO)
		return;
	if (set->ca == NULL || *set->ca == '\0')
		weir_build_error(build, "who asks clients for certificates must say whose are good: "
			"write `mtls.ca = FILE` beside `mtls.client`, or `ca = FILE` in [module mtls]");
	else
		set->trust = weir_build_trust(build, set->ca, set->crl != NULL && *set->crl != '\0' ? set->crl : NULL);
}

static void
check(struct weir_build *build, void *s)
{
	struct settings *set = s;

	check_clients(build, set);
	set->identity = NULL;
	if (set->certificate != NULL && *set->certificate != '\0')
		set->identity = weir_build_identity(build, set->certificate, set->key, NULL);
	else if (set->key != NULL)
		weir_build_error(build, "`mtls.key` needs `mtls.certificate` beside it");
}

/* --- clients -------------------------------------------------------------------------------------------- */

/* What holds for this connection: what its [certificate] section says, or its listener. */
static const struct settings *
holding(struct weir_connection *c, const void *listener)
{
	const struct settings *certificate = weir_tls_settings(c);

	return certificate != NULL && certificate->client != 0 ? certificate : listener;
}

/* Is what a section demands of clients true of this one? `listener` holds where the section does not say. */
static bool
satisfies(struct weir_connection *c, const struct settings *section, const struct settings *listener)
{
	if (section->client == 0)
		section = listener;
	if (section->client <= NO)
		return true;
	if (!weir_client_is_verified(c))
		return section->client != REQUIRE;
	return weir_client_stands(c, section->trust, (unsigned)section->depth);
}

/*
 * The handshake has asked what was demanded of its name then. The host may be another place, and since then a
 * reload may have demanded more, or files of authorities and revocations have changed: so each request is looked at
 * by what holds for it.
 */
static enum weir_verdict
guard(struct weir_exchange *x, const void *route, void *state)
{
	const struct settings *listener = weir_place_settings(x, WEIR_PLACE_LISTEN), *name, *host;
	struct weir_connection *c = weir_exchange_connection(x);

	(void)route, (void)state;
	name = weir_place_settings(x, WEIR_PLACE_NAME);
	host = weir_place_settings(x, WEIR_PLACE_HOST);
	if (satisfies(c, name != NULL ? name : listener, listener) && (host == NULL || satisfies(c, host, listener)))
		return WEIR_NEXT;
	weir_count(x, REFUSED, 1);
	weir_fail(x, 421, "this connection has not shown a client certificate that is good for the host");
	return WEIR_FAIL;
}

static enum weir_verdict
refuse(struct weir_connection *c)
{
	weir_connection_count(c, REFUSED, 1);
	return WEIR_FAIL;
}

static enum weir_verdict
greet(struct weir_connection *c, const void *listener, void *state)
{
	const struct settings *set = holding(c, listener);

	(void)state;
	switch (weir_tls_stage(c)) {
	case WEIR_TLS_HELLO:
		if (set->client <= NO || weir_tls_ask(c, set->client == REQUIRE ? WEIR_ASK_REQUIRED : WEIR_ASK_OPTIONAL,
			set->trust, (unsigned)set->depth))
			return WEIR_NEXT;
		return refuse(c);
	case WEIR_TLS_WHOLE:
		if (weir_client_is_verified(c))
			weir_connection_count(c, VERIFIED, 1);
		else if (set->client == REQUIRE)
			return refuse(c);
		return WEIR_NEXT;
	default:
		/* A listener without TLS can verify nobody: then none gets in. */
		return set->client == REQUIRE ? refuse(c) : WEIR_NEXT;
	}
}

/* --- origins -------------------------------------------------------------------------------------------- */

static enum weir_verdict
identify(struct weir_exchange *x, const void *c, void *s)
{
	const struct settings *set = c, *upstream = weir_upstream_settings(x);

	(void)s;
	if (set->certificate == NULL && upstream != NULL)
		set = upstream;
	if (set->identity != NULL)
		weir_peer(x)->tls.identity = set->identity;
	return WEIR_NEXT;
}

/* RFC 9440, 2.4 and 4: who terminates TLS is the only one that may say who the client is. */
static enum weir_verdict
tell(struct weir_exchange *x, const void *c, void *s)
{
	const struct settings *set = c;
	bool known = set->send != SEND_NOTHING && weir_client_is_verified(weir_exchange_connection(x));
	const char *chain = known && set->send == SEND_CHAIN ? client_cert_chain(x) : NULL;

	(void)s;
	weir_remove_field(x, WEIR_UPSTREAM_REQUEST, "Client-Cert");
	weir_remove_field(x, WEIR_UPSTREAM_REQUEST, "Client-Cert-Chain");
	if (known)
		weir_set_field(x, WEIR_UPSTREAM_REQUEST, "Client-Cert", client_cert(x));
	if (chain != NULL)
		weir_set_field(x, WEIR_UPSTREAM_REQUEST, "Client-Cert-Chain", chain);
	return WEIR_NEXT;
}

/* --- variables ------------------------------------------------------------------------------------------ */

#define VARIABLE(NAME, VALUE) \
	static const char * \
	NAME(struct weir_exchange *x, const void *settings, void *state) \
	{ \
		(void)settings, (void)state; \
		return VALUE; \
	}

#define CLIENT weir_exchange_connection(x)

static const char *
day(struct weir_exchange *x, bool end)
{
	int64_t begins, ends;
	struct tm parts;
	char text[32];
	time_t time;

	if (!weir_client_validity(CLIENT, &begins, &ends))
		return NULL;
	time = (time_t)(end ? ends : begins);
	if (gmtime_r(&time, &parts) == NULL)
		return NULL;
	return weir_copy(x, text, strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts));
}

/* "DNS:a.example,URI:spiffe://a/b": names with a comma in them, which none of these kinds has, are left out. */
static const char *
list_names(struct weir_exchange *x)
{
	static const char *const kinds[] = { [WEIR_NAME_DNS] = "DNS", [WEIR_NAME_EMAIL] = "email",
		[WEIR_NAME_URI] = "URI", [WEIR_NAME_IP] = "IP" };
	const char *name, *list = NULL;
	unsigned position = 0;
	enum weir_name kind;

	while ((name = weir_client_name(CLIENT, &position, &kind)) != NULL) {
		if (strchr(name, ',') != NULL)
			continue;
		list = list == NULL ? weir_printf(x, "%s:%s", kinds[kind], name) :
			weir_printf(x, "%s,%s:%s", list, kinds[kind], name);
		if (list == NULL)
			break;
	}
	return list;
}

VARIABLE(verified, weir_client_is_verified(CLIENT) ? "yes" : "no")
VARIABLE(issuer, weir_client_issuer(CLIENT))
VARIABLE(serial, weir_client_serial(CLIENT))
VARIABLE(names, list_names(x))
VARIABLE(begins, day(x, false))
VARIABLE(ends, day(x, true))
VARIABLE(cert, client_cert(x))
VARIABLE(cert_chain, client_cert_chain(x))

static const struct weir_variable variables[] = {
	{ "mtls_verified", verified, "yes when the client has shown a good certificate, otherwise no." },
	{ "mtls_issuer", issuer, "The issuer of the client's certificate, as RFC 4514 writes it." },
	{ "mtls_serial", serial, "Its serial number in hexadecimal." },
	{ "mtls_names", names, "Its alternative names: DNS:NAME, URI:NAME, email:NAME or IP:ADDRESS, with commas." },
	{ "mtls_begins", begins, "When it begins to be valid, in UTC as RFC 3339 writes it." },
	{ "mtls_ends", ends, "When it ends." },
	{ "mtls_cert", cert, "The certificate as a value of Client-Cert (RFC 9440)." },
	{ "mtls_cert_chain", cert_chain, "Those beside it as a value of Client-Cert-Chain." },
	{ .name = NULL }
};

WEIR_MODULE(mtls) = {
	WEIR_ABI,
	.summary = "Certificates of clients, and those shown to origins.",
	.options = options,
	.metrics = metrics,
	.variables = variables,
	.settings_size = sizeof(struct settings),
	.order = WEIR_CLASS_EARLY,
	.check = check,
	.handshake = greet,
	.leads_errands = true,
	.hooks = {
		[WEIR_PHASE_ACCESS] = guard,
		[WEIR_PHASE_PEER] = identify,
		[WEIR_PHASE_UPSTREAM_REQUEST] = tell,
	},
};
