/* SPDX-License-Identifier: Apache-2.0 */
/*
 * variable: the core's variables, and how a template is written out for an exchange (template.h).
 */
#include <inttypes.h>
#include <netinet/in.h>
#include <string.h>
#include <time.h>

#include "exchange.h"
#include "template.h"

static const char *
address_text(struct weir_exchange *x, const struct sockaddr *address)
{
	char text[64];

	weir_address_text(address, text);
	return weir_copy(x, text, strlen(text));
}

static const char *
port_text(struct weir_exchange *x, const struct sockaddr *address)
{
	if (address->sa_family == AF_INET)
		return weir_printf(x, "%u", ntohs(((const struct sockaddr_in *)address)->sin_port));
	if (address->sa_family == AF_INET6)
		return weir_printf(x, "%u", ntohs(((const struct sockaddr_in6 *)address)->sin6_port));
	return NULL;
}

static const char *
client_address(struct weir_exchange *x)
{
	return address_text(x, weir_client_address(x));
}

static const char *
client_port(struct weir_exchange *x)
{
	return port_text(x, weir_client_address(x));
}

static const char *
peer_address(struct weir_exchange *x)
{
	return address_text(x, weir_peer_address(x));
}

static const char *
local_address(struct weir_exchange *x)
{
	return address_text(x, weir_connection_local(x->client));
}

static const char *
local_port(struct weir_exchange *x)
{
	return port_text(x, weir_connection_local(x->client));
}

static const char *
listener(struct weir_exchange *x)
{
	return x->listen->name;
}

static const char *
tls_version(struct weir_exchange *x)
{
	return weir_tls_version(x->client);
}

static const char *
tls_cipher(struct weir_exchange *x)
{
	return weir_tls_cipher(x->client);
}

static const char *
tls_name(struct weir_exchange *x)
{
	return weir_tls_name(x->client);
}

static const char *
tls_section(struct weir_exchange *x)
{
	return weir_tls_section(x->client);
}

static const char *
tls_resumed(struct weir_exchange *x)
{
	return weir_tls_stage(x->client) == WEIR_TLS_NONE ? NULL : weir_tls_resumed(x->client) ? "yes" : "no";
}

static const char *
client_subject(struct weir_exchange *x)
{
	return weir_client_subject(x->client);
}

static const char *
client_fingerprint(struct weir_exchange *x)
{
	return weir_client_fingerprint(x->client);
}

static const char *
version(struct weir_exchange *x)
{
	return x->request.minor == 0 ? "HTTP/1.0" : "HTTP/1.1";
}

static const char *
query(struct weir_exchange *x)
{
	return x->request.query;
}

static const char *
port(struct weir_exchange *x)
{
	if (x->request.port >= 0)
		return weir_printf(x, "%d", x->request.port);
	return strcmp(x->scheme, "https") == 0 ? "443" : "80";
}

static const char *
status(struct weir_exchange *x)
{
	return x->responded ? weir_printf(x, "%d", x->response.status) : NULL;
}

static const char *
route(struct weir_exchange *x)
{
	return x->route == NULL ? NULL : x->route->name;
}

static const char *
upstream(struct weir_exchange *x)
{
	return x->upstream_section == NULL ? NULL : x->upstream_section->name;
}

static const char *
server(struct weir_exchange *x)
{
	return x->server == NULL ? NULL : x->server->name;
}

static const char *
attempts(struct weir_exchange *x)
{
	return weir_printf(x, "%u", x->attempts);
}

static const char *
bytes_received(struct weir_exchange *x)
{
	return weir_printf(x, "%" PRIu64, x->upload.bytes);
}

static const char *
bytes_sent(struct weir_exchange *x)
{
	return weir_printf(x, "%" PRIu64, x->download.bytes);
}

static const char *
elapsed(struct weir_exchange *x)
{
	uint64_t microseconds = weir_elapsed(x) / 1000;

	return weir_printf(x, "%" PRIu64 ".%03u", microseconds / 1000, (unsigned)(microseconds % 1000));
}

static const char *
now(struct weir_exchange *x)
{
	time_t seconds = (time_t)weir_time();
	struct tm tm;
	char text[32];

	gmtime_r(&seconds, &tm);
	return weir_copy(x, text, strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm));
}

static const char *
request_id(struct weir_exchange *x)
{
	if (x->id == NULL)
		x->id = weir_printf(x, "%016" PRIx64 "%016" PRIx64, weir_random(), weir_random());
	return x->id;
}

const struct variable variables[] = {
	{ "client_address", client_address, "The client's address; a trusted proxy's word counts." },
	{ "client_port", client_port, "The client's port, 0 where only a proxy knows it." },
	{ "peer_address", peer_address, "The address at the other end of the connection, always." },
	{ "local_address", local_address, "The address that the client connected to." },
	{ "local_port", local_port, "The port that the client connected to." },
	{ "listener", listener, "The name of the [listen] section." },
	{ "tls_version", tls_version, "TLSv1.2 or TLSv1.3; - without TLS, as with all that begins with tls_." },
	{ "tls_cipher", tls_cipher, "The cipher suite by its IANA name." },
	{ "tls_name", tls_name, "The server name that the client asked for in TLS." },
	{ "tls_section", tls_section, "The name of the [certificate] section that was chosen for it." },
	{ "tls_resumed", tls_resumed, "Was the TLS session resumed: yes or no." },
	{ "client_subject", client_subject, "The subject of the client's certificate (RFC 4514); - where none was verified." },
	{ "client_fingerprint", client_fingerprint, "The SHA-256 of that certificate in hexadecimal digits." },
	{ "method", weir_method, "The request's method." },
	{ "scheme", weir_scheme, "http or https, as the client sees it." },
	{ "authority", weir_authority, "Host and port as the client sent them, in lower case." },
	{ "host", weir_host, "The host without the port." },
	{ "port", port, "The port that the client asked for; the scheme's own where it named none." },
	{ "target", weir_target, "Path and query." },
	{ "path", weir_path, "The path, normalised, without the query." },
	{ "query", query, "The query without the question mark." },
	{ "version", version, "HTTP/1.0 or HTTP/1.1, as the client speaks it." },
	{ "status", status, "The response's status." },
	{ "route", route, "The name of the [route] section." },
	{ "upstream", upstream, "The name of the [upstream] section." },
	{ "server", server, "The server that was asked last, as its section writes it." },
	{ "attempts", attempts, "How often a server was asked." },
	{ "bytes_received", bytes_received, "Bytes of the request's body." },
	{ "bytes_sent", bytes_sent, "Bytes of the response's body." },
	{ "elapsed", elapsed, "Milliseconds since the request's head was whole, with three decimals." },
	{ "time", now, "The time in UTC, as RFC 3339 writes it." },
	{ "request_id", request_id, "32 random hexadecimal digits, the same throughout the request." },
	{ "failure", weir_failure, "Why the request failed." },
	{ NULL, NULL, NULL }
};

/* Ask a module for its variable, as whom it is asked. */
static const char *
ask_module(struct weir_exchange *x, const struct template_piece *piece)
{
	const struct generation *g = x->generation;
	const void *const *settings = (const void *const *)(x->route != NULL ? x->route->module_settings
		: x->listen->module_settings);
	const struct hook *before = x->hook;
	struct hook as = { .module = g->modules[piece->slot], .slot = piece->slot, .settings = settings[piece->slot],
		.state = g->request_states[piece->slot] };
	const char *value;

	x->hook = &as;
	value = piece->variable->value(x, as.settings, exchange_state(x, &as));
	x->hook = before;
	return value;
}

static const char *
value_of(struct weir_exchange *x, const struct template_piece *piece)
{
	const char *value = NULL;

	switch (piece->kind) {
	case TEMPLATE_LITERAL:
		return piece->text;
	case TEMPLATE_FIELD:
		value = weir_field(x, piece->message, piece->text);
		break;
	case TEMPLATE_CORE:
		value = piece->value(x);
		break;
	case TEMPLATE_MODULE:
		value = ask_module(x, piece);
		break;
	}
	return value != NULL ? value : "-";
}

const char *
weir_expand(struct weir_exchange *x, const struct weir_template *template)
{
	const char **values = weir_alloc(x, (template->count + 1) * sizeof(*values));
	size_t length = 0;
	char *text, *to;

	if (values == NULL)
		return NULL;
	for (size_t i = 0; i < template->count; i++) {
		values[i] = value_of(x, &template->pieces[i]);
		length += template->pieces[i].kind == TEMPLATE_LITERAL ? template->pieces[i].length : strlen(values[i]);
	}
	text = to = weir_alloc(x, length + 1);
	if (text == NULL)
		return NULL;
	for (size_t i = 0; i < template->count; i++) {
		size_t part = template->pieces[i].kind == TEMPLATE_LITERAL ? template->pieces[i].length : strlen(values[i]);

		memcpy(to, values[i], part);
		to += part;
	}
	*to = '\0';
	return text;
}
