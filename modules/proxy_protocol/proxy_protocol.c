/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proxy_protocol: who is connected, as a balancer in front of us tells it in the first bytes of a connection.
 *
 * Only from those whom the operator trusts: who may say where he comes from may come from anywhere. The address that is told
 * holds for everybody after us; the socket's own stays in the connection's struct for the log.
 *
 * To an origin the same is told in the first bytes of a connection, which is then for this client alone: they are part of what
 * the pool compares.
 */
#include "parse.h"
#include "write.h"

#include <weir/module.h>

struct settings {
	struct weir_list accept;	/* struct weir_network */
	int header, send;
};

struct connection {
	bool told;
	char sender[64];		/* the socket's address */
};

enum { REQUIRED, OPTIONAL };
enum { NOTHING, V1, V2 };
enum { TOLD, REFUSED };
static const char *const headers[] = { "required", "optional", NULL };
static const char *const versions[] = { "no", "v1", "v2", NULL };

static const struct weir_option options[] = {
	{ "accept", WEIR_NETWORK, offsetof(struct settings, accept), .repeat = true, .in = WEIR_IN_MODULE | WEIR_IN_LISTEN,
	  .doc = "Who may tell by a PROXY header whom a connection is from: 10.0.0.0/8, 2001:db8::/32, unix or all." },
	{ "header", WEIR_CHOICE, offsetof(struct settings, header), .choices = headers, .initial = "required",
	  .in = WEIR_IN_MODULE | WEIR_IN_LISTEN,
	  .doc = "Must their connections begin with the header? Without it, required ones are closed." },
	{ "send", WEIR_CHOICE, offsetof(struct settings, send), .choices = versions, .initial = "no",
	  .in = WEIR_IN_MODULE | WEIR_IN_ROUTE | WEIR_IN_UPSTREAM,
	  .doc = "Begin connections to origins with a header of this version that tells of the client; of a route and its "
	  "upstream, the route's counts unless it is no." },
	{ .name = NULL }
};

static const struct weir_metric metrics[] = {
	[TOLD] = { "told_total", false, "Connections that began with a good header." },
	[REFUSED] = { "refused_total", false, "Connections of trusted senders that were closed for their header." },
	{ .name = NULL }
};

static const char *
sender(struct weir_exchange *x, const void *settings, void *state)
{
	const struct connection *connection = weir_connection_state(x);

	(void)settings, (void)state;
	return connection != NULL && connection->told ? connection->sender : NULL;
}

static const struct weir_variable variables[] = {
	{ "proxy_protocol_sender", sender, "Who sent the PROXY header of this connection; - when there was none." },
	{ .name = NULL }
};

static bool
is_trusted(const struct settings *set, const struct sockaddr *address)
{
	const struct weir_network *networks = set->accept.items;

	for (size_t i = 0; i < set->accept.count; i++)
		if (weir_network_contains(&networks[i], address))
			return true;
	return false;
}

static enum weir_verdict
refuse(struct weir_connection *c, const char *why)
{
	char text[64];

	weir_connection_count(c, REFUSED, 1);
	weir_log(WEIR_LOG_WARNING, "[listen %s] closes a connection of %s: its PROXY header is refused: %s",
		weir_connection_listener(c), weir_address_text(weir_connection_address(c), text), why);
	return WEIR_FAIL;
}

static enum weir_verdict
believe(struct weir_connection *c, struct connection *connection, const struct proxy_header *header)
{
	connection->told = true;
	weir_address_text(weir_connection_address(c), connection->sender);
	weir_connection_count(c, TOLD, 1);
	weir_connection_skip(c, header->length);
	if (!header->told)
		return WEIR_NEXT;
	weir_connection_set_local(c, &header->destination.any);
	return weir_connection_set_address(c, &header->source.any) ? WEIR_NEXT : WEIR_FAIL;
}

static enum weir_verdict
read_header(struct weir_connection *c, const void *settings, void *state)
{
	const struct settings *set = settings;
	struct proxy_header header;
	const char *why = NULL, *bytes;
	size_t length;

	if (!is_trusted(set, weir_connection_address(c)))
		return WEIR_NEXT;
	bytes = weir_connection_peek(c, &length);
	switch (proxy_protocol_parse(&header, bytes, length, &why)) {
	case PROXY_MORE:
		return WEIR_WAIT;
	case PROXY_WHOLE:
		return believe(c, state, &header);
	case PROXY_BAD:
		return refuse(c, why);
	default:
		return set->header == OPTIONAL ? WEIR_NEXT : refuse(c, "there is none");
	}
}

/* --- to origins ------------------------------------------------------------------------------------------------------ */

static enum weir_verdict
tell(struct weir_exchange *x, const void *settings, void *state)
{
	const struct settings *set = settings, *upstream = weir_upstream_settings(x);
	int version = set->send != NOTHING ? set->send : upstream->send;
	struct weir_peer *peer = weir_peer(x);
	char *header;

	(void)state;
	if (version == NOTHING || (header = weir_alloc(x, PROXY_WRITE_MOST)) == NULL)
		return WEIR_NEXT;
	peer->preface = header;
	peer->preface_length = proxy_protocol_write(header, version, weir_client_address(x),
		weir_connection_local(weir_exchange_connection(x)));
	return WEIR_NEXT;
}

/* What an upstream says of `send` is known only when the peer is chosen. */
static bool
needed(const void *settings, enum weir_phase phase)
{
	const struct settings *set = settings;

	return phase != WEIR_PHASE_ACCEPT || set->accept.count > 0;
}

WEIR_MODULE(proxy_protocol) = {
	WEIR_ABI,
	.summary = "Learn the client's address from a balancer in front, and tell it to origins, by the PROXY protocol.",
	.options = options,
	.metrics = metrics,
	.variables = variables,
	.settings_size = sizeof(struct settings),
	.connection_size = sizeof(struct connection),
	.order = WEIR_CLASS_FIRST,
	.needed = needed,
	.accept = read_header,
	.hooks = { [WEIR_PHASE_PEER] = tell },
};
