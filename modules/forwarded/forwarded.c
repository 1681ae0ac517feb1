/* SPDX-License-Identifier: Apache-2.0 */
/*
 * forwarded: who asked, as trusted proxies tell it to us and as we tell it to the origin.
 *
 * In the phase request, first of all: a sender in `trust` is believed (told.c), so that the exchange has the
 * address, scheme and host of the client; from any other sender X-Forwarded-*, Forwarded and X-Real-IP
 * are removed, so that nobody can forge them. In upstream_request we write our own: the believed part of
 * the chain, then the sender. The client's scheme and authority are kept in between, because other
 * modules may rewrite the request.
 */
#include "told.h"

#include <string.h>
#include <strings.h>

struct settings {
	struct weir_list trust;		/* struct weir_network */
	int believe;
	bool believe_host, x_forwarded, x_forwarded_port, forwarded, via, response_via;
	const char *pseudonym;
	int64_t loop_limit;

	const char *via_1_1;		/* what Via says of nearly every request */
};

struct state {
	const char *sender_scheme, *sender_authority;	/* as the sender asked us */
	const char *scheme, *authority, *port;		/* as the client asked; port NULL: not told */
	const char *chain;	/* the client and the proxies before the sender; NULL: it is the client */
};

enum { X_FORWARDED, FORWARDED };
static const char *const beliefs[] = { "x_forwarded", "forwarded", NULL };
enum { LOOPS };

/* What is believed is settled before a route is chosen. */
#define FRONT (WEIR_IN_MODULE | WEIR_IN_LISTEN)

static const struct weir_option options[] = {
	{ "trust", WEIR_NETWORK, offsetof(struct settings, trust), .repeat = true, .in = FRONT,
	  .doc = "Proxies in front of us: what they tell of the client is believed." },
	{ "believe", WEIR_CHOICE, offsetof(struct settings, believe), .in = FRONT, .choices = beliefs,
	  .initial = "x_forwarded",
	  .doc = "Which fields the trusted proxies write. The others may be anybody's and are removed." },
	{ "believe_host", WEIR_BOOL, offsetof(struct settings, believe_host), .in = FRONT, .initial = "yes",
	  .doc = "Believe the host too. Say no if a trusted proxy passes on a client's X-Forwarded-Host." },
	{ "x_forwarded", WEIR_BOOL, offsetof(struct settings, x_forwarded), .initial = "yes",
	  .doc = "Send X-Forwarded-For, X-Forwarded-Proto and X-Forwarded-Host." },
	{ "x_forwarded_port", WEIR_BOOL, offsetof(struct settings, x_forwarded_port), .initial = "no",
	  .doc = "Send X-Forwarded-Port." },
	{ "forwarded", WEIR_BOOL, offsetof(struct settings, forwarded), .initial = "no",
	  .doc = "Send Forwarded (RFC 7239)." },
	{ "via", WEIR_BOOL, offsetof(struct settings, via), .initial = "yes",
	  .doc = "Send Via to the origin." },
	{ "response_via", WEIR_BOOL, offsetof(struct settings, response_via), .initial = "no",
	  .doc = "Send Via to the client, with responses that come from an origin." },
	{ "pseudonym", WEIR_FIELD_NAME, offsetof(struct settings, pseudonym), .in = WEIR_IN_MODULE,
	  .initial = "weir", .doc = "Our name in Via." },
	{ "loop_limit", WEIR_INTEGER, offsetof(struct settings, loop_limit), .in = WEIR_IN_MODULE,
	  .initial = "10", .max = 100,
	  .doc = "A request whose Via has our name so many times is answered 508; 0: none is." },
	{ .name = NULL }
};

static const struct weir_metric metrics[] = {
	[LOOPS] = { "loops_total", false, "Requests answered 508." },
	{ .name = NULL }
};

/* What only a trusted proxy may say. */
static const char *const claims[] = { "x-forwarded-", "forwarded", "x-real-ip", NULL };

static void
believe(struct weir_exchange *x, const struct settings *set, struct state *state)
{
	static const char *const heard[] = { "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host",
		"x-forwarded-port", "forwarded", NULL };
	struct told told;

	forwarded_hear(x, &set->trust, set->believe == FORWARDED, &told);
	if (told.chain != NULL)
		weir_set_client_address(x, (const struct sockaddr *)&told.client);
	if (told.scheme != NULL)
		weir_set_scheme(x, told.scheme);
	if (told.authority != NULL && set->believe_host)
		weir_set_authority(x, told.authority);
	state->chain = told.chain;
	state->port = told.port;
	weir_remove_fields(x, WEIR_REQUEST, heard);
}

/* Via is a list of "version name (comment)" (RFC 9110, 7.6.3). */
static unsigned
count_own_hops(struct weir_exchange *x, const char *own)
{
	unsigned position = 0, hops = 0;
	size_t length = strlen(own);
	const char *at;

	while ((at = weir_field_next_named(x, WEIR_REQUEST, "Via", &position)) != NULL)
		while (*at != '\0') {
			at += strspn(at, ", \t");
			at += strcspn(at, ", \t");
			at += strspn(at, " \t");
			hops += strncasecmp(at, own, length) == 0 && strchr(", \t", at[length]) != NULL;
			at += strcspn(at, ",");
		}
	return hops;
}

static void
note_request(struct weir_exchange *x, struct state *state)
{
	state->sender_scheme = state->scheme = weir_scheme(x);
	state->sender_authority = state->authority = weir_authority(x);
}

static enum weir_verdict
hear(struct weir_exchange *x, const void *c, void *s)
{
	const struct settings *set = c;
	struct state *state = s;

	if (set->loop_limit > 0 && count_own_hops(x, set->pseudonym) >= set->loop_limit) {
		weir_count(x, LOOPS, 1);
		weir_fail(x, 508, "a loop: Via has `%s` %d times", set->pseudonym, (int)set->loop_limit);
		return WEIR_FAIL;
	}
	note_request(x, state);
	if (forwarded_is_trusted(&set->trust, weir_connection_address(weir_exchange_connection(x))))
		believe(x, set, state);
	else
		weir_remove_fields(x, WEIR_REQUEST, claims);
	state->scheme = weir_scheme(x);
	state->authority = weir_authority(x);
	return WEIR_NEXT;
}

/* The port that the client used: as told, else as it stands in the authority, else the scheme's. */
static const char *
port_of(const struct state *state)
{
	const char *bracket = strrchr(state->authority, ']'), *colon = strrchr(state->authority, ':');

	if (state->port != NULL)
		return state->port;
	if (colon != NULL && colon > bracket && colon[1] != '\0')
		return colon + 1;
	return strcmp(state->scheme, "https") == 0 ? "443" : "80";
}

/* A value of Forwarded: a token, or quoted. */
static const char *
quote(struct weir_exchange *x, const char *text)
{
	static const char token[] = "!#$%&'*+-.^_`|~0123456789"
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	char *quoted, *to;

	if (*text != '\0' && text[strspn(text, token)] == '\0')
		return text;
	if ((quoted = to = weir_alloc(x, 2 * strlen(text) + 3)) == NULL)
		return "unknown";
	for (*to++ = '"'; *text != '\0'; *to++ = *text++)
		if (*text == '"' || *text == '\\')
			*to++ = '\\';
	memcpy(to, "\"", 2);
	return quoted;
}

/* `list` with an element more. Without a scheme it has the address alone. */
static const char *
append(struct weir_exchange *x, const char *list, const char *address, int length, const char *scheme,
	const char *authority)
{
	bool ipv6 = memchr(address, ':', (size_t)length) != NULL;

	list = weir_printf(x, "%s%sfor=%s%.*s%s", list, *list == '\0' ? "" : ", ",
		ipv6 ? "\"[" : "", length, address, ipv6 ? "]\"" : "");
	if (scheme != NULL && list != NULL)
		list = weir_printf(x, "%s;proto=%s", list, scheme);
	if (scheme != NULL && list != NULL && *authority != '\0')
		list = weir_printf(x, "%s;host=%s", list, quote(x, authority));
	return list == NULL ? "" : list;
}

/* The chain as elements: the first tells what the client asked for, the last what the sender did. */
static const char *
forwarded_value(struct weir_exchange *x, const struct state *state, const char *sender)
{
	const char *at = state->chain, *list = "", *scheme = state->scheme;
	int length;

	if (at == NULL)
		return append(x, "", sender, (int)strlen(sender), state->scheme, state->authority);
	for (; *at != '\0'; at += strspn(at, ", ")) {
		length = (int)strcspn(at, ",");
		list = append(x, list, at, length, scheme, state->authority);
		scheme = NULL;
		at += length;
	}
	return append(x, list, sender, (int)strlen(sender), state->sender_scheme, state->sender_authority);
}

static const char *
via_value(struct weir_exchange *x, int version, const struct settings *set)
{
	if (version == 11)
		return set->via_1_1;
	return weir_printf(x, "%d.%d %s", version / 10, version % 10, set->pseudonym);
}

/* `sender` is NULL for a Unix socket, which has no place in X-Forwarded-For. */
static void
tell_x_forwarded(struct weir_exchange *x, const struct state *state, const char *sender)
{
	const char *chain = state->chain == NULL ? sender : state->chain;

	if (sender != NULL && state->chain != NULL)
		chain = weir_printf(x, "%s, %s", state->chain, sender);
	if (chain != NULL)
		weir_set_field(x, WEIR_UPSTREAM_REQUEST, "X-Forwarded-For", chain);
	weir_set_field(x, WEIR_UPSTREAM_REQUEST, "X-Forwarded-Proto", state->scheme);
	if (*state->authority != '\0')
		weir_set_field(x, WEIR_UPSTREAM_REQUEST, "X-Forwarded-Host", state->authority);
}

static enum weir_verdict
tell_origin(struct weir_exchange *x, const void *c, void *s)
{
	const struct settings *set = c;
	struct state *state = s;
	const struct sockaddr *address = weir_connection_address(weir_exchange_connection(x));
	char text[64], *sender = address->sa_family == AF_UNIX ? NULL : text;

	if (state->scheme == NULL)	/* another module ended the phase, or the listener has us off */
		note_request(x, state);
	weir_address_text(address, text);
	if (set->x_forwarded)
		tell_x_forwarded(x, state, sender);
	if (set->x_forwarded_port)
		weir_set_field(x, WEIR_UPSTREAM_REQUEST, "X-Forwarded-Port", port_of(state));
	if (set->forwarded)
		weir_set_field(x, WEIR_UPSTREAM_REQUEST, "Forwarded",
			forwarded_value(x, state, sender == NULL ? "unknown" : sender));
	if (set->via)
		weir_add_field(x, WEIR_UPSTREAM_REQUEST, "Via", via_value(x, weir_version(x), set));
	return WEIR_NEXT;
}

static enum weir_verdict
tell_client(struct weir_exchange *x, const void *c, void *s)
{
	const struct settings *set = c;

	(void)s;
	weir_add_field(x, WEIR_RESPONSE, "Via", via_value(x, weir_response_version(x), set));
	return WEIR_NEXT;
}

static void
check(struct weir_build *build, void *s)
{
	struct settings *set = s;

	set->via_1_1 = weir_build_printf(build, "1.1 %s", set->pseudonym);
}

static bool
needed(const void *c, enum weir_phase phase)
{
	const struct settings *set = c;

	switch (phase) {
	case WEIR_PHASE_UPSTREAM_REQUEST:
		return set->x_forwarded || set->x_forwarded_port || set->forwarded || set->via;
	case WEIR_PHASE_UPSTREAM_RESPONSE:
		return set->response_via;
	default:
		return true;
	}
}

WEIR_MODULE(forwarded) = {
	WEIR_ABI,
	.summary = "X-Forwarded-*, Forwarded and Via, and the client behind trusted proxies.",
	.options = options,
	.metrics = metrics,
	.settings_size = sizeof(struct settings),
	.request_size = sizeof(struct state),
	.order = WEIR_CLASS_FIRST,
	.check = check,
	.needed = needed,
	.hooks = {
		[WEIR_PHASE_REQUEST] = hear,
		[WEIR_PHASE_UPSTREAM_REQUEST] = tell_origin,
		[WEIR_PHASE_UPSTREAM_RESPONSE] = tell_client,
	},
};
