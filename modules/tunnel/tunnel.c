/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tunnel: reach an upstream through HTTP CONNECT proxies.
 *
 * The proxies of a route or an upstream are put together when the configuration is read; a request only points its peer at them.
 * Asking the proxies, and what they answer, is the core's (weir/peer.h).
 */
#include <weir/module.h>

#include "secrets.h"

#include <string.h>
#include <strings.h>

enum { PROXIES_MOST = 8 };

struct settings {
	struct weir_list via;		/* struct proxy, the nearest first */
	struct weir_list authorization;	/* const char *: "user:password" of the proxy at the same place, or "-" */
	const char *authorization_file;	/* the same, a line each */
	struct weir_list field;		/* const char *: field lines, with CRLF */
	const char *ca, *crl;		/* of proxies that are spoken to by TLS */
	const char *certificate, *key;

	/* what these come to */
	const struct weir_via *chain;	/* NULL: straight to the peer */
};

struct proxy {
	bool direct;			/* the word: no proxy at all */
	struct weir_address address;
	struct weir_peer_tls tls;
};

/* --- options ---------------------------------------------------------------------------------------------------------- */

/* What stands behind `name=` in a word; NULL: it is another word. */
static const char *
value_of(const char *word, const char *name)
{
	size_t length = strlen(name);

	return strncmp(word, name, length) == 0 && word[length] == '=' ? word + length + 1 : NULL;
}

/* One of the words after a proxy's address. */
static const char *
parse_word(struct weir_build *build, const char *word, struct weir_peer_tls *tls)
{
	static const struct { const char *word; enum weir_verify verify; } verifies[] = {
		{ "verify=yes", WEIR_VERIFY_FULL }, { "verify=ca", WEIR_VERIFY_CA }, { "verify=no", WEIR_VERIFY_NONE } };
	const char *value, *why;

	for (size_t i = 0; i < sizeof(verifies) / sizeof(*verifies); i++)
		if (strcmp(word, verifies[i].word) == 0) {
			tls->verify = verifies[i].verify;
			return NULL;
		}
	if ((value = value_of(word, "sni")) != NULL) {
		tls->sni = value;
		return NULL;
	}
	if ((value = value_of(word, "verify_name")) != NULL && *value != '\0') {
		tls->verify_name = value;
		return NULL;
	}
	why = weir_build_printf(build, "`%s` is none of sni=NAME, verify_name=NAME, verify=yes, verify=ca and verify=no", word);
	return why != NULL ? why : "no memory";
}

/* direct, or [tls://]ADDRESS WORD ... */
static const char *
parse_via(struct weir_build *build, const char *text, void *value)
{
	struct proxy *proxy = value;
	char *words = (char *)(uintptr_t)weir_build_printf(build, "%s", text), *address, *word, *rest = NULL;
	const char *why;

	if (words == NULL)
		return "no memory";
	if ((address = strtok_r(words, " \t", &rest)) == NULL)
		return "write an address, like 10.0.0.9:3128";
	proxy->direct = strcmp(address, "direct") == 0;
	proxy->tls.on = strncmp(address, "tls://", 6) == 0;
	if (!proxy->direct && !weir_parse_address(build, address + (proxy->tls.on ? 6 : 0), -1, &proxy->address, &why))
		return why;
	if (!proxy->direct && proxy->address.host != NULL && proxy->address.port == 0)
		return "the port of a proxy is not 0";
	while ((word = strtok_r(NULL, " \t", &rest)) != NULL) {
		if (!proxy->tls.on)
			return "only after tls://HOST:PORT something can follow";
		if ((why = parse_word(build, word, &proxy->tls)) != NULL)
			return why;
	}
	return NULL;
}

static const char *
parse_authorization(struct weir_build *build, const char *text, void *value)
{
	const char **authorization = value;

	*authorization = weir_build_printf(build, "%s", text);
	return strcmp(text, "-") == 0 ? NULL : secrets_judge(text);
}

static bool
is_ours(const char *line, size_t length)
{
	static const char *const ours[] = { "Host", "Connection", "Proxy-Connection", "Content-Length", "Transfer-Encoding", "TE",
		"Trailer", "Upgrade", "Keep-Alive", "Expect", "Date", "Server", "Proxy-Authorization", "Proxy-Authenticate" };

	for (size_t i = 0; i < sizeof(ours) / sizeof(*ours); i++)
		if (strlen(ours[i]) == length && strncasecmp(line, ours[i], length) == 0)
			return true;
	return false;
}

/* "Name: value" */
static const char *
parse_field(struct weir_build *build, const char *text, void *value)
{
	static const char token[] = "!#$%&'*+-.^_`|~0123456789"
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	size_t name = strspn(text, token);
	const char **line = value;

	if (name == 0 || text[name] != ':')
		return "write a field, like `X-Name: value`";
	if (is_ours(text, name))
		return "this field is Weir's own; credentials stand in `authorization`";
	for (const char *at = text + name; *at != '\0'; at++)
		if (((unsigned char)*at < ' ' && *at != '\t') || *at == 0x7f)
			return "the value has a control character";
	*line = weir_build_printf(build, "%s\r\n", text);
	return NULL;
}

#define PLACES (WEIR_IN_ROUTE | WEIR_IN_UPSTREAM)
#define ALL (WEIR_IN_MODULE | PLACES)

static const struct weir_option options[] = {
	{ "via", WEIR_CUSTOM, offsetof(struct settings, via), .repeat = true, .in = PLACES, .size = sizeof(struct proxy),
	  .parse = parse_via,
	  .doc = "A proxy to ask by CONNECT: HOST:PORT, [IPv6]:PORT or unix:/path; tls:// in front of it speaks TLS to the "
	  "proxy, with sni=NAME, verify_name=NAME and verify=yes|ca|no behind it. Repeated: a chain, the nearest first. "
	  "`direct` in a route: none, whatever the upstream says." },
	{ "authorization", WEIR_CUSTOM, offsetof(struct settings, authorization), .repeat = true, .secret = true, .in = ALL,
	  .size = sizeof(const char *), .parse = parse_authorization,
	  .doc = "USER:PASSWORD for a proxy (Basic); repeated, each for the `via` at the same place, `-` for one that needs "
	  "none." },
	{ "authorization_file", WEIR_PATH, offsetof(struct settings, authorization_file), .in = ALL,
	  .doc = "A file with these instead, one a line. It is read with the configuration." },
	{ "field", WEIR_CUSTOM, offsetof(struct settings, field), .repeat = true, .secret = true, .in = ALL,
	  .size = sizeof(const char *), .parse = parse_field,
	  .doc = "A further field of the CONNECT, `Name: value`; every proxy of the chain gets it." },
	{ "ca", WEIR_PATH, offsetof(struct settings, ca), .in = ALL,
	  .doc = "Authorities (PEM) of the proxies' certificates; without it, those that this machine trusts." },
	{ "crl", WEIR_PATH, offsetof(struct settings, crl), .in = ALL, .doc = "Revocation lists (PEM) of these authorities." },
	{ "certificate", WEIR_PATH, offsetof(struct settings, certificate), .in = ALL,
	  .doc = "The certificate (PEM, with its chain) to show to proxies that ask for one." },
	{ "key", WEIR_PATH, offsetof(struct settings, key), .in = ALL,
	  .doc = "Its private key (PEM); without it, the key is looked for in the certificate's file." },
	{ .name = NULL }
};

/* --- the chain -------------------------------------------------------------------------------------------------------- */

static const char *
join_fields(struct weir_build *build, const struct weir_list *fields)
{
	const char *const *lines = fields->items, *all = NULL;

	for (size_t i = 0; i < fields->count; i++)
		all = weir_build_printf(build, "%s%s", all == NULL ? "" : all, lines[i]);
	return all;
}

/* What the proxies are told, place by place; the credentials of the file go into the list. */
static bool
find_credentials(struct weir_build *build, const struct settings *set, struct weir_list *credentials)
{
	*credentials = set->authorization;
	if (set->authorization_file == NULL)
		return true;
	if (set->authorization.count > 0) {
		weir_build_error(build, "tunnel: authorization and authorization_file exclude each other");
		return false;
	}
	return secrets_read(build, set->authorization_file, PROXIES_MOST, credentials);
}

/* Whom the proxies that speak TLS are to be judged by, and who we are to them. */
static struct weir_peer_tls
complete_tls(struct weir_build *build, const struct settings *set, const struct weir_peer_tls *words)
{
	struct weir_peer_tls tls = *words;

	if (tls.on && tls.verify == WEIR_VERIFY_NONE)
		weir_build_warning(build, "tunnel: with verify=no whoever is on the way to the proxy can pretend to be it");
	if (tls.on && tls.verify != WEIR_VERIFY_NONE)
		tls.trust = weir_build_trust(build, set->ca, set->crl);
	if (tls.on && set->certificate != NULL)
		tls.identity = weir_build_identity(build, set->certificate, set->key, NULL);
	return tls;
}

static void
link_chain(struct weir_build *build, struct settings *set, const struct weir_list *credentials)
{
	const struct proxy *proxies = set->via.items;
	const char *const *secrets = credentials->items;
	struct weir_via *chain = weir_build_alloc(build, set->via.count, sizeof(*chain));
	const char *fields = join_fields(build, &set->field);

	for (size_t i = 0; chain != NULL && i < set->via.count; i++) {
		chain[i].address = proxies[i].address;
		chain[i].fields = fields;
		chain[i].tls = complete_tls(build, set, &proxies[i].tls);
		if (i < credentials->count && strcmp(secrets[i], "-") != 0)
			chain[i].authorization = secrets_basic(build, secrets[i]);
		if (i + 1 < set->via.count)
			chain[i].next = &chain[i + 1];
	}
	set->chain = chain;
}

/* Only the nearest may be a Unix socket, for no proxy can connect to one. */
static bool
can_be_linked(struct weir_build *build, const struct settings *set)
{
	const struct proxy *proxies = set->via.items;

	if (set->via.count > PROXIES_MOST)
		weir_build_error(build, "tunnel: %zu proxies stand in a row; at most %d can", set->via.count, PROXIES_MOST);
	for (size_t i = 1; i < set->via.count; i++) {
		if (proxies[0].direct || proxies[i].direct) {
			weir_build_error(build, "tunnel: `via = direct` stands alone or not at all");
			return false;
		}
		if (proxies[i].address.host == NULL) {
			weir_build_error(build, "tunnel: only the first `via` can be a Unix socket");
			return false;
		}
	}
	return set->via.count <= PROXIES_MOST;
}

static void
check(struct weir_build *build, void *settings)
{
	struct settings *set = settings;
	const struct proxy *proxies = set->via.items;
	struct weir_list credentials;

	set->chain = NULL;
	if (set->crl != NULL && set->ca == NULL)
		weir_build_error(build, "tunnel: `crl` needs `ca` beside it: the authorities whose lists these are");
	if (set->key != NULL && set->certificate == NULL)
		weir_build_error(build, "tunnel: `key` needs `certificate` beside it");
	if (set->via.count == 0 || !can_be_linked(build, set) || proxies[0].direct)
		return;
	if (!find_credentials(build, set, &credentials))
		return;
	if (credentials.count > set->via.count)
		weir_build_error(build, "tunnel: there are credentials for %zu proxies, and %zu proxies", credentials.count,
			set->via.count);
	else
		link_chain(build, set, &credentials);
}

/* --- requests --------------------------------------------------------------------------------------------------------- */

static enum weir_verdict
point(struct weir_exchange *x, const void *c, void *s)
{
	const struct settings *set = c;

	(void)s;
	if (set->via.count == 0)
		set = weir_upstream_settings(x);
	if (set->via.count > 0)
		weir_peer(x)->via = set->chain;
	return WEIR_NEXT;
}

WEIR_MODULE(tunnel) = {
	WEIR_ABI,
	.summary = "Reach upstreams through HTTP CONNECT proxies.",
	.options = options,
	.settings_size = sizeof(struct settings),
	.order = WEIR_CLASS_LATE,	/* when the upstream is settled */
	.check = check,
	.leads_errands = true,
	.hooks = { [WEIR_PHASE_PEER] = point },
};
