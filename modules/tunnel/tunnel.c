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

	/* what these come to */
	const struct weir_via *chain;	/* NULL: straight to the peer */
};

struct proxy {
	bool direct;			/* the word: no proxy at all */
	struct weir_address address;
};

/* --- options ---------------------------------------------------------------------------------------------------------- */

static const char *
parse_via(struct weir_build *build, const char *text, void *value)
{
	struct proxy *proxy = value;
	const char *why;

	proxy->direct = strcmp(text, "direct") == 0;
	if (proxy->direct)
		return NULL;
	if (!weir_parse_address(build, text, -1, &proxy->address, &why))
		return why;
	return proxy->address.host != NULL && proxy->address.port == 0 ? "the port of a proxy is not 0" : NULL;
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
	  .doc = "A proxy to ask by CONNECT: HOST:PORT, [IPv6]:PORT or unix:/path. Repeated: a chain, the nearest first. `direct` in a "
	  "route: none, whatever the upstream says." },
	{ "authorization", WEIR_CUSTOM, offsetof(struct settings, authorization), .repeat = true, .secret = true, .in = ALL,
	  .size = sizeof(const char *), .parse = parse_authorization,
	  .doc = "USER:PASSWORD for a proxy (Basic); repeated, each for the `via` at the same place, `-` for one that needs none." },
	{ "authorization_file", WEIR_PATH, offsetof(struct settings, authorization_file), .in = ALL,
	  .doc = "A file with these instead, one a line. It is read with the configuration." },
	{ "field", WEIR_CUSTOM, offsetof(struct settings, field), .repeat = true, .secret = true, .in = ALL,
	  .size = sizeof(const char *), .parse = parse_field,
	  .doc = "A further field of the CONNECT, `Name: value`; every proxy of the chain gets it." },
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
	.hooks = { [WEIR_PHASE_PEER] = point },
};
