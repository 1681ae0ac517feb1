/* SPDX-License-Identifier: Apache-2.0 */
/*
 * settings: the tables of the core's own sections.
 *
 * Every limit has a default that holds against a hostile client and does not hurt an honest one; what is
 * dangerous without a bound has to be switched off by writing 0.
 */
#include "settings.h"
#include "generation.h"
#include "name.h"
#include "srv.h"
#include "terminate.h"
#include "thread.h"
#include "tls_client.h"
#include "value.h"

#include <stdlib.h>
#include <string.h>

#define THREADS_MOST 256
_Static_assert(THREADS_MOST == THREADS_MAX, "what may be written is what can be started");
#define WEIGHT_MOST 65535
#define MINUTE 60000
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define KIB 1024
#define MIB (1024 * KIB)

/* A number of at most `most`, in base 8 or 10; false when it is none. */
static bool
parse_number(const char *text, int base, int64_t most, int64_t *number)
{
	const char *digits = base == 8 ? "01234567" : "0123456789";

	if (*text == '\0' || strlen(text) > 9 || text[strspn(text, digits)] != '\0')
		return false;
	*number = strtol(text, NULL, base);
	return *number <= most;
}

static const char *
parse_threads(struct weir_build *build, const char *text, void *value)
{
	int64_t *threads = value;

	(void)build;
	if (strcmp(text, "auto") == 0)
		*threads = 0;
	else if (!parse_number(text, 10, THREADS_MOST, threads) || *threads == 0)
		return "write auto, or a number from 1 to 256";
	return NULL;
}

static const char *
parse_mode(struct weir_build *build, const char *text, void *value)
{
	(void)build;
	return parse_number(text, 8, 0777, value) ? NULL : "write the octal digits of a file mode, like 0660";
}

static const char *
parse_log(struct weir_build *build, const char *text, void *value)
{
	const char **log = value;

	if (*text == '\0')
		return "write stderr, syslog or a file's path";
	*log = strcmp(text, "stderr") == 0 || strcmp(text, "syslog") == 0 ?
		weir_build_printf(build, "%s", text) : value_path(build, text);
	return *log != NULL ? NULL : "no memory";
}

static const char *
parse_resolver(struct weir_build *build, const char *text, void *value)
{
	struct weir_address *address = value;
	const char *why;

	if (!weir_parse_address(build, text, 53, address, &why))
		return why;
	return address->length > 0 && address->host != NULL ?
		NULL : "a DNS server is named by its IP address";
}

static const char *
parse_listen(struct weir_build *build, const char *text, void *value)
{
	struct weir_address *address = value;
	const char *why;

	if (!weir_parse_address(build, text, -1, address, &why))
		return why;
	return address->length > 0 ? NULL : "a listener is named by IP address and port, or unix:/path";
}

static const char *
parse_bind(struct weir_build *build, const char *text, void *value)
{
	struct weir_address *address = value;
	const char *why;

	if (!weir_parse_address(build, text, 0, address, &why))
		return why;
	return address->length > 0 && address->host != NULL ? NULL : "write an IP address of this machine";
}

/* The admin port: only programs of this machine shall reach it. */
static const char *
parse_loopback(struct weir_build *build, const char *text, void *value)
{
	struct weir_address *address = value;
	const char *why;

	if (!weir_parse_address(build, text, -1, address, &why))
		return why;
	if (address->length > 0 && ((address->socket.any.sa_family == AF_INET &&
		ntohl(address->socket.in.sin_addr.s_addr) >> 24 == 127) ||
		(address->socket.any.sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&address->socket.in6.sin6_addr))))
		return NULL;
	return "only an address of this machine itself, like 127.0.0.1:9000; others reach it through a tunnel or a proxy";
}

/* One of the words after a server's address. */
static const char *
parse_server_word(struct weir_build *build, const char *word, struct server_line *line)
{
	const char *why;

	if (strcmp(word, "backup") == 0) {
		line->backup = true;
		return NULL;
	}
	if (strncmp(word, "weight=", 7) == 0)
		return parse_number(word + 7, 10, WEIGHT_MOST, &line->weight) ?
			NULL : "the weight is a number from 0 to 65535";
	why = weir_build_printf(build, "`%s` is neither weight=N nor backup", word);
	return why != NULL ? why : "no memory";
}

/* ADDRESS [weight=N] [backup] */
static const char *
parse_server(struct weir_build *build, const char *text, void *value)
{
	struct server_line *line = value;
	char normal[NAME_LENGTH + 1];
	char *words = (char *)(uintptr_t)weir_build_printf(build, "%s", text), *word, *rest = NULL;
	const char *why;

	line->weight = 1;
	if (words == NULL)
		return "no memory";
	if ((line->name = strtok_r(words, " \t", &rest)) == NULL)
		return "write an address, like 10.0.0.1:80";
	if (srv_is_service(line->name)) {
		if (!name_normalise(line->name + sizeof(SRV_PREFIX) - 1, normal))
			return "write the service's name after srv:, like srv:_http._tcp.example.org";
		line->address.host = line->name;	/* the resolver knows what it is, and the port with it */
	} else if (!weir_parse_address(build, line->name, -1, &line->address, &why)) {
		return why;
	} else if (line->address.host != NULL && line->address.port == 0) {
		return "the port of a server is not 0";
	}
	while ((word = strtok_r(NULL, " \t", &rest)) != NULL)
		if ((why = parse_server_word(build, word, line)) != NULL)
			return why;
	return NULL;
}

static const char *const kinds_of_tls[] = { "no", "passthrough", "yes", NULL };	/* enum listen_tls */

static const char *
parse_priority(struct weir_build *build, const char *text, void *value)
{
	const char **priority = value, *at = tls_client_judge_priority(text);

	if (at == NULL)
		return (*priority = weir_build_printf(build, "%s", text)) != NULL ? NULL : "no memory";
	at = weir_build_printf(build, "GnuTLS does not understand it from `%s` on", at);
	return at != NULL ? at : "no memory";
}

/* A DNS name, or an address where a certificate may be for one; empty: none. */
static const char *
parse_name(struct weir_build *build, const char *text, bool may_be_number, const char **name)
{
	struct weir_address address;
	const char *why;

	if (!may_be_number && tls_client_is_number(text))
		return "an IP address is not sent as SNI; write a name, or nothing to send none";
	if (*text != '\0' && !tls_client_is_number(text)
			&& (strchr(text, ':') != NULL || !weir_parse_address(build, text, 443, &address, &why)))
		return "write a host name without a port";
	*name = weir_build_printf(build, "%s", text);
	return *name != NULL ? NULL : "no memory";
}

static const char *
parse_sni(struct weir_build *build, const char *text, void *value)
{
	return parse_name(build, text, false, value);
}

static const char *
parse_verify_name(struct weir_build *build, const char *text, void *value)
{
	return *text == '\0' ? "write a host name or an IP address" : parse_name(build, text, true, value);
}

/* What is chosen of the offer is spoken, so only that may be offered which Weir speaks to origins. */
static const char *
parse_alpn(struct weir_build *build, const char *text, void *value)
{
	const char **alpn = value;

	for (const char *at = text; *at != '\0'; at += strspn(at, " ")) {
		size_t length = strcspn(at, " ");

		if (length > 0 && (length != 8 || (strncmp(at, "http/1.1", 8) != 0 && strncmp(at, "http/1.0", 8) != 0)))
			return "Weir speaks http/1.1 and http/1.0 to origins";
		at += length;
	}
	*alpn = weir_build_printf(build, "%s", text);
	return *alpn != NULL ? NULL : "no memory";
}

static const char *const verifies[] = { "yes", "ca", "no", NULL };
_Static_assert(WEIR_VERIFY_FULL == 0 && WEIR_VERIFY_CA == 1 && WEIR_VERIFY_NONE == 2, "words in this order");

static const char *
parse_client_priority(struct weir_build *build, const char *text, void *value)
{
	struct gnutls_priority_st **priority = value;
	const char *why = NULL;

	(void)build;
	*priority = terminate_priorities(text, &why);
	return *priority != NULL ? NULL : why;
}

static const char *const levels[] = { "error", "warning", "notice", "debug", NULL };

#define AT(member) offsetof(struct weir_settings, member)

const struct weir_option weir_options[] = {
	{ "threads", WEIR_CUSTOM, AT(threads), .initial = "auto", .size = sizeof(int64_t),
		.parse = parse_threads,
		.doc = "Event threads; auto takes one for each CPU that this process may use. Needs a new "
		"process." },
	{ "pin_cpus", WEIR_BOOL, AT(pin_cpus), .initial = "no",
		.doc = "Bind each event thread to a CPU of its own. Needs a new process." },
	{ "user", WEIR_TEXT, AT(user),
		.doc = "The user to become once the addresses are bound, when started as root. Needs a new "
		"process." },
	{ "group", WEIR_TEXT, AT(group),
		.doc = "The group to become; without it the user's own. Needs a new process." },
	{ "admin", WEIR_PATH, AT(admin), .initial = "",
		.doc = "Path of the Unix socket that weirctl speaks to; empty for none. Needs a new "
		"process." },
	{ "admin_address", WEIR_CUSTOM, AT(admin_address), .size = sizeof(struct weir_address),
		.parse = parse_loopback,
		.doc = "A loopback ADDRESS:PORT where the admin socket's calls can be made too, with the token of "
		"`admin_token`. Needs a new process." },
	{ "admin_token", WEIR_PATH, AT(admin_token),
		.doc = "A file, not readable for everybody, the first line of which callers of `admin_address` have to "
		"show as `Authorization: Bearer`. Needs a new process." },
	{ "state_dir", WEIR_PATH, AT(state_dir),
		.doc = "Folder for what shall be there after a restart: routes and upstreams that were changed in the "
		"running process. Needs a new process." },
	{ "module_path", WEIR_PATH, AT(module_path), .repeat = true,
		.doc = "A folder in which modules are looked for before the built-in one." },
	{ "order", WEIR_TEXT, AT(order), .repeat = true,
		.doc = "Names of modules: in every phase their hooks run in this order, whatever the modules "
		"say." },
	{ "memory", WEIR_SIZE, AT(memory), .initial = "1G",
		.doc = "Bound of the memory for requests and bodies on all threads together; 0 for none. Needs a "
		"new process." },
	{ "connections", WEIR_INTEGER, AT(connections), .initial = "16384", .min = 1, .max = 16777216,
		.doc = "Bound of the client connections on all threads together." },
	{ "drain_timeout", WEIR_DURATION, AT(drain_timeout), .initial = "30s", .min = 0, .max = DAY,
		.doc = "How long running requests may take to end after TERM; then they are cut." },
	{ "upgrade_timeout", WEIR_DURATION, AT(upgrade_timeout), .initial = "30s", .min = 100, .max = HOUR,
		.doc = "How long a new process may take to be ready, at an upgrade; then it is ended, and this one "
		"serves on." },
	{ "watch", WEIR_DURATION, AT(watch), .initial = "10s", .min = 0, .max = DAY,
		.doc = "How often files of certificates, keys, authorities and revocations are looked at; one that "
		"has changed is used from then on, a broken one is not. 0 for never: then a reload reads them." },
	{ "error_log", WEIR_CUSTOM, AT(error_log), .initial = "stderr", .size = sizeof(const char *),
		.parse = parse_log,
		.doc = "Where errors are written: stderr, syslog or a file's path." },
	{ "log_level", WEIR_CHOICE, AT(log_level), .initial = "notice", .choices = levels,
		.doc = "The least important kind of line that the error log keeps." },
	{ "resolver", WEIR_CUSTOM, AT(resolver), .repeat = true, .size = sizeof(struct weir_address),
		.parse = parse_resolver,
		.doc = "A DNS server, by address; without any, those of /etc/resolv.conf. Needs a new process." },
	{ "ticket_rotation", WEIR_DURATION, AT(ticket_rotation), .initial = "12h", .min = 1000, .max = 7 * (int64_t)DAY,
		.doc = "Age at which the key that TLS sessions are resumed by is replaced, and how long a session may be "
		"resumed; the key before it still opens sessions." },
	{ .name = NULL }
};

#undef AT
#define AT(member) offsetof(struct listen_settings, member)

const struct weir_option listen_options[] = {
	{ "address", WEIR_CUSTOM, AT(address), .required = true, .repeat = true,
		.size = sizeof(struct weir_address), .parse = parse_listen,
		.doc = "Where clients connect: ADDRESS:PORT, [IPv6]:PORT or unix:/path." },
	{ "backlog", WEIR_INTEGER, AT(backlog), .initial = "4096", .min = 1, .max = 1048576,
		.doc = "Connections that the kernel keeps waiting; it may keep fewer (net.core.somaxconn)." },
	{ "connections_per_client", WEIR_INTEGER, AT(connections_per_client), .initial = "1024",
		.max = 16777216,
		.doc = "Bound of the connections from one IP address; 0 for none." },
	{ "head_size", WEIR_SIZE, AT(head_size), .initial = "16K", .min = KIB, .max = 256 * KIB,
		.doc = "Bound of a request's head, request line and fields together; beyond it the answer is "
		"431." },
	{ "fields", WEIR_INTEGER, AT(fields), .initial = "100", .min = 1, .max = 1000,
		.doc = "Bound of the number of fields in a request's head; beyond it the answer is 431." },
	{ "target_length", WEIR_SIZE, AT(target_length), .initial = "8K", .min = 64, .max = 64 * KIB,
		.doc = "Bound of the request target; beyond it the answer is 414." },
	{ "head_timeout", WEIR_DURATION, AT(head_timeout), .initial = "10s", .min = 1, .max = DAY,
		.doc = "How long a client may take to send a whole head, from its first byte on." },
	{ "keepalive_timeout", WEIR_DURATION, AT(keepalive_timeout), .initial = "60s", .min = 1, .max = DAY,
		.doc = "How long a connection may be idle between requests." },
	{ "keepalive_requests", WEIR_INTEGER, AT(keepalive_requests), .initial = "10000",
		.doc = "Requests after which a connection is closed; 0 for no bound." },
	{ "socket_mode", WEIR_CUSTOM, AT(socket_mode), .initial = "0660", .size = sizeof(int64_t),
		.parse = parse_mode,
		.doc = "File mode of a Unix socket, in octal." },
	{ "tls", WEIR_CHOICE, AT(tls), .choices = kinds_of_tls, .initial = "no",
		.doc = "no: clients speak HTTP; yes: HTTPS, with the certificates of the [certificate] sections; passthrough: "
		"they speak TLS with the origin, and the name that their ClientHello asks for is what routes match as the "
		"host." },
	{ "priority", WEIR_CUSTOM, AT(priority), .size = sizeof(struct gnutls_priority_st *), .parse = parse_client_priority,
		.initial = "intermediate",
		.doc = "What TLS may agree on: intermediate, or a priority string of GnuTLS; versions below 1.2 stay off "
		"whatever it says." },
	{ "handshake_timeout", WEIR_DURATION, AT(handshake_timeout), .initial = "10s", .min = 1, .max = DAY,
		.doc = "How long a TLS handshake may take." },
	{ "strict_sni", WEIR_BOOL, AT(strict_sni), .initial = "no",
		.doc = "Refuse clients that ask TLS for a name that no [certificate] section has, or for none, by an alert; "
		"without it they are served with the default one." },
	{ "same_host", WEIR_BOOL, AT(same_host), .initial = "yes",
		.doc = "Answer 421 to requests for a host that another [certificate] section has than the one chosen in TLS." },
	{ "tickets", WEIR_BOOL, AT(tickets), .initial = "yes",
		.doc = "Let clients resume TLS sessions by tickets." },
	{ .name = NULL }
};

#undef AT
#define AT(member) offsetof(struct upstream_settings, member)

const struct weir_option upstream_options[] = {
	{ "server", WEIR_CUSTOM, AT(server), .required = true, .repeat = true,
		.size = sizeof(struct server_line), .parse = parse_server,
		.doc = "An origin: ADDRESS [weight=N] [backup]. The address is HOST:PORT, [IPv6]:PORT or "
		"unix:/path, or srv:NAME for a service that DNS tells by SRV records; a backup is used when no other server "
		"is usable." },
	{ "host", WEIR_TEXT, AT(host),
		.doc = "The Host that the origin sees; without it, what the client sent." },
	{ "bind", WEIR_CUSTOM, AT(bind), .size = sizeof(struct weir_address), .parse = parse_bind,
		.doc = "The local IP address to connect from." },
	{ "connect_timeout", WEIR_DURATION, AT(connect_timeout), .initial = "5s", .min = 1, .max = DAY,
		.doc = "How long connecting may take." },
	{ "first_byte_timeout", WEIR_DURATION, AT(first_byte_timeout), .initial = "60s", .min = 1, .max = DAY,
		.doc = "How long the origin may take from the request's end to the first byte of its "
		"response." },
	{ "between_bytes_timeout", WEIR_DURATION, AT(between_bytes_timeout), .initial = "60s", .min = 1,
		.max = DAY,
		.doc = "How long the origin may pause while it sends a response or takes a request." },
	{ "keepalive", WEIR_INTEGER, AT(keepalive), .initial = "64", .max = 1048576,
		.doc = "Idle connections kept for reuse, on each event thread; 0 for none." },
	{ "keepalive_timeout", WEIR_DURATION, AT(keepalive_timeout), .initial = "30s", .min = 1, .max = DAY,
		.doc = "How long an idle connection is kept. Stay below the origin's own limit." },
	{ "keepalive_requests", WEIR_INTEGER, AT(keepalive_requests), .initial = "10000",
		.doc = "Requests that one connection serves; 0 for no bound." },
	{ "head_size", WEIR_SIZE, AT(head_size), .initial = "32K", .min = KIB, .max = 256 * KIB,
		.doc = "Bound of a response's head; beyond it the answer is 502." },
	{ "fields", WEIR_INTEGER, AT(fields), .initial = "200", .min = 1, .max = 1000,
		.doc = "Bound of the number of fields in a response's head; beyond it the answer is 502." },
	{ "tls", WEIR_BOOL, AT(tls.on), .initial = "no",
		.doc = "Speak TLS to the servers." },
	{ "sni", WEIR_CUSTOM, AT(tls.sni), .size = sizeof(const char *), .parse = parse_sni,
		.doc = "The name that TLS asks the server for; empty for none. Without the key, the host of the request as the "
		"origin sees it." },
	{ "verify", WEIR_CHOICE, AT(verify), .initial = "yes", .choices = verifies,
		.doc = "What must be right about the server's certificate: all, all but its name (ca), or nothing." },
	{ "verify_name", WEIR_CUSTOM, AT(tls.verify_name), .size = sizeof(const char *), .parse = parse_verify_name,
		.doc = "The DNS name or IP address that the certificate must be for; without the key, what `sni` says." },
	{ "ca", WEIR_PATH, AT(ca),
		.doc = "A file of authorities (PEM) that the certificate must lead to; without it, those that this machine "
		"trusts." },
	{ "crl", WEIR_PATH, AT(crl),
		.doc = "A file of revocation lists (PEM) of these authorities." },
	{ "alpn", WEIR_CUSTOM, AT(tls.alpn), .initial = "http/1.1", .size = sizeof(const char *), .parse = parse_alpn,
		.doc = "The protocols to offer, best first; empty for none." },
	{ "priority", WEIR_CUSTOM, AT(tls.priority), .size = sizeof(const char *), .parse = parse_priority,
		.doc = "Versions and algorithms as a priority string of GnuTLS; without it TLS 1.2 and 1.3 with what is good "
		"today." },
	{ .name = NULL }
};

#undef AT
#define AT(member) offsetof(struct route_settings, member)

const struct weir_option route_options[] = {
	{ "upstream", WEIR_UPSTREAM, AT(upstream),
		.doc = "The name of the [upstream] section to ask; without it a module must answer." },
	{ "body_size", WEIR_SIZE, AT(body_size), .initial = "100M",
		.doc = "Bound of a request's body; beyond it the answer is 413. 0 for none." },
	{ "body_rate", WEIR_SIZE, AT(body_rate), .initial = "240", .max = 1024 * MIB,
		.doc = "Bytes a second that a client must send or take, on average, while a body moves; "
		"0 for no bound." },
	{ "body_grace", WEIR_DURATION, AT(body_grace), .initial = "10s", .max = DAY,
		.doc = "How long a body may take before body_rate holds." },
	{ "total_timeout", WEIR_DURATION, AT(total_timeout), .initial = "0", .max = 30 * (int64_t)DAY,
		.doc = "Bound of one whole exchange, from the head to the last byte; 0 for none." },
	{ "upgrade", WEIR_BOOL, AT(upgrade), .initial = "yes",
		.doc = "May a connection become a tunnel when the origin agrees (WebSocket)?" },
	{ "tunnel_timeout", WEIR_DURATION, AT(tunnel_timeout), .initial = "1h", .min = 1000, .max = DAY,
		.doc = "How long such a tunnel may stay without a byte either way." },
	{ .name = NULL }
};

void
settings_finish_upstream(struct weir_build *build, struct upstream_settings *s)
{
	s->tls.verify = (enum weir_verify)s->verify;
	if (s->crl != NULL && s->ca == NULL)
		weir_build_error(build, "`crl` needs `ca` beside it: the authorities whose lists these are");
	if (!s->tls.on && (s->ca != NULL || s->tls.sni != NULL || s->tls.verify_name != NULL))
		weir_build_warning(build, "sni, verify_name, ca and crl do nothing without `tls = yes`");
	if (s->tls.on && s->tls.verify == WEIR_VERIFY_NONE)
		weir_build_warning(build, "with `verify = no` whoever is on the way to the servers can read and change "
			"everything");
	if (s->tls.on && s->tls.verify != WEIR_VERIFY_NONE)
		s->tls.trust = weir_build_trust(build, s->ca, s->crl);
}
