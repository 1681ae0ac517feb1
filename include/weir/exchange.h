/* SPDX-License-Identifier: Apache-2.0 */
/*
 * weir/exchange.h: one request and its response, as hooks see them.
 *
 * Everything here is for the event thread that owns the exchange, inside a hook of it. Texts end in NUL,
 * belong to the exchange and live as long as it does, unless it says otherwise. What is handed in is copied
 * when its comment says "copied"; else it must live as long as the exchange (settings do).
 * Where memory runs out a setter does nothing and the request is answered 503: hooks need not check.
 */
#ifndef WEIR_EXCHANGE_H
#define WEIR_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <weir/api.h>
#include <weir/option.h>

struct weir_exchange;
struct weir_connection;
struct weir_route;
struct weir_template;

/* Memory of the exchange: uninitialised, aligned, freed with it. NULL when there is none (the request is then answered 503).
 * weir_copy and weir_printf make texts. */
WEIR_API void *weir_alloc(struct weir_exchange *, size_t size);
WEIR_API char *weir_copy(struct weir_exchange *, const char *text, size_t length);
WEIR_API char *weir_printf(struct weir_exchange *, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The structs of the calling hook's module: for this thread, this connection, this generation, this request (NULL: size 0). */
WEIR_API void *weir_thread_state(struct weir_exchange *);
WEIR_API void *weir_connection_state(struct weir_exchange *);
WEIR_API void *weir_generation_state(struct weir_exchange *);
WEIR_API void *weir_request_state(struct weir_exchange *);

/* The number of this event thread, from 0. */
WEIR_API unsigned weir_thread_number(struct weir_exchange *);

/* --- the request --------------------------------------------------------------------------------------------- */

/* The request as routing sees it: method in its own case; scheme "http" or "https"; host in lower case without port, ""
 * when a 1.0 request has none; authority is host[:port]; path is normalised (RFC 3986, 6.2.2) and starts with '/', or is "*";
 * query is without '?', NULL when there is none; target is path and query together. */
WEIR_API const char *weir_method(struct weir_exchange *);
WEIR_API const char *weir_scheme(struct weir_exchange *);
WEIR_API const char *weir_host(struct weir_exchange *);
WEIR_API const char *weir_authority(struct weir_exchange *);
WEIR_API const char *weir_path(struct weir_exchange *);
WEIR_API const char *weir_query(struct weir_exchange *);
WEIR_API const char *weir_target(struct weir_exchange *);
/* The scheme of a target in absolute-form, "http" or "https", as clients send it to a proxy (RFC 9112, 3.2.2); else NULL. */
WEIR_API const char *weir_target_scheme(struct weir_exchange *);
/* The target as the client asked for it, normalised, before any rewrite; "" when the request could not be parsed. For logs. */
WEIR_API const char *weir_original_target(struct weir_exchange *);
/* Major and minor as 10 * major + minor: 10, 11, 20. */
WEIR_API int weir_version(struct weir_exchange *);

/* May it be sent twice without harm (RFC 9110, 9.2.2)? Is it read-only (9.2.1)? */
WEIR_API bool weir_method_is_idempotent(struct weir_exchange *);
WEIR_API bool weir_method_is_safe(struct weir_exchange *);

/* Rewrite the request, copied. The path is a path without query (checked and normalised; a bad one fails the request); query
 * may be NULL. In the phases access and cache these make route and access run again, at most 10 times; in later ones they do
 * nothing and are counted. */
WEIR_API void weir_set_path(struct weir_exchange *, const char *path);
WEIR_API void weir_set_query(struct weir_exchange *, const char *query);
WEIR_API void weir_set_authority(struct weir_exchange *, const char *authority);

/* --- fields -------------------------------------------------------------------------------------------------- */

/* Which message a field belongs to. The upstream request is a copy of the client's without hop-by-hop fields; it exists from
 * the phase upstream_request on, and is made afresh at each retry. The trailers are the response's (RFC 9110, 6.5). */
enum weir_message { WEIR_REQUEST, WEIR_UPSTREAM_REQUEST, WEIR_RESPONSE, WEIR_TRAILERS };

/* The first field of that name, any case; NULL when there is none. */
WEIR_API const char *weir_field(struct weir_exchange *, enum weir_message, const char *name);

/* Walk over the fields: *position starts at 0 and moves on; false at the end. With `name` not NULL on entry of the walk, see
 * weir_field_next_named for fields of one name only. Editing while walking is not allowed. */
WEIR_API bool weir_field_next(struct weir_exchange *, enum weir_message, unsigned *position, const char **name,
	const char **value);
WEIR_API const char *weir_field_next_named(struct weir_exchange *, enum weir_message, const char *name, unsigned *position);

/* Append a field; replace all of that name by one; remove all of that name. The name must live as long as the exchange, the
 * value is copied. A bad name or value (RFC 9110, 5.5: control characters) fails the request. The framing fields (Connection,
 * Content-Length, Transfer-Encoding, Upgrade, Keep-Alive) are the core's: touching them does nothing and is counted. So does
 * a value of NULL, as weir_printf and weir_expand give it where memory ran out. */
WEIR_API void weir_add_field(struct weir_exchange *, enum weir_message, const char *name, const char *value);
WEIR_API void weir_set_field(struct weir_exchange *, enum weir_message, const char *name, const char *value);
WEIR_API void weir_remove_field(struct weir_exchange *, enum weir_message, const char *name);

/* Remove in one walk all whose name is in a list, which NULL ends and which is of lower case; one that ends in '-' stands for
 * all that begin so. An underscore in a field's name counts as the dash that CGI makes of it. What is the core's stays, and
 * is counted. */
WEIR_API void weir_remove_fields(struct weir_exchange *, enum weir_message, const char *const *names);

/* The common cases by name. */
static inline const char *
weir_request_field(struct weir_exchange *x, const char *name)
{
	return weir_field(x, WEIR_REQUEST, name);
}

static inline const char *
weir_response_field(struct weir_exchange *x, const char *name)
{
	return weir_field(x, WEIR_RESPONSE, name);
}

static inline void
weir_set_response_field(struct weir_exchange *x, const char *name, const char *value)
{
	weir_set_field(x, WEIR_RESPONSE, name, value);
}

/* --- the response -------------------------------------------------------------------------------------------- */

/* The status of the response, 0 before there is one. weir_set_status changes it (200..599) in the response phases. */
WEIR_API int weir_status(struct weir_exchange *);
WEIR_API void weir_set_status(struct weir_exchange *, int status);
/* The version in which the origin answered, as weir_version; 0 while no origin has. */
WEIR_API int weir_response_version(struct weir_exchange *);

/* Set a whole response: afterwards return WEIR_RESPOND. Earlier response fields are dropped. `body` is borrowed: it lives as
 * long as the exchange. `type` may be NULL. Add fields with weir_set_response_field after this. */
WEIR_API void weir_respond(struct weir_exchange *, int status, const char *type, const char *body, size_t length);

/* Name the error to answer and its cause for the logs (formatted, copied); afterwards return WEIR_FAIL. */
WEIR_API void weir_fail(struct weir_exchange *, int status, const char *format, ...)
	__attribute__((format(printf, 3, 4))) __attribute__((cold));

/* Why it went wrong, for the phases error and log: NULL when nothing did. */
WEIR_API const char *weir_failure(struct weir_exchange *);

/* A body hook of this module will change the length of that message's body: it is sent without Content-Length.
 * Call it in upstream_request or in a response phase. */
WEIR_API void weir_body_will_change(struct weir_exchange *, enum weir_message);

/* --- tunnels ------------------------------------------------------------------------------------------------- */

/* What holds for a tunnel. */
struct weir_tunnel {
	int64_t idle;		/* milliseconds without a byte either way; 0: the route's tunnel_timeout */
	int64_t total;		/* milliseconds from its beginning on; 0: no bound */
	uint64_t bytes;		/* both ways together, beyond which it is cut; 0: no bound */
	/* The client must begin with a ClientHello of TLS that asks for this name (in lower case; "": for none), else it is
	 * cut; NULL: it may say what it likes. Lives as long as the exchange. */
	const char *sni;
};

/* Answer this CONNECT by a tunnel to its peer (RFC 9110, 9.3.6), once a new connection to the peer is there: the client gets
 * 200, and bytes go both ways until both sides have ended. The route or weir_choose_upstream must give an upstream. The
 * struct is copied. Up to the phase peer; for other requests it does nothing and is counted. */
WEIR_API void weir_tunnel(struct weir_exchange *, const struct weir_tunnel *);

/* --- around it ----------------------------------------------------------------------------------------------- */

/* The client's connection, and its address: as seen by the socket, or as a trusted module has set it (copied). */
WEIR_API struct weir_connection *weir_exchange_connection(struct weir_exchange *);
WEIR_API const struct sockaddr *weir_client_address(struct weir_exchange *);
/* The connection's (below), whatever a request says. */
WEIR_API const struct sockaddr *weir_peer_address(struct weir_exchange *);
WEIR_API void weir_set_client_address(struct weir_exchange *, const struct sockaddr *);
WEIR_API void weir_set_scheme(struct weir_exchange *, const char *scheme);	/* "http" or "https", as the client saw it */

WEIR_API const struct sockaddr *weir_connection_address(struct weir_connection *);	/* the client's */
WEIR_API const struct sockaddr *weir_connection_local(struct weir_connection *);	/* the listener's side */
WEIR_API const char *weir_connection_listener(struct weir_connection *);		/* the name of its [listen] section */

/* What the client has sent so far, before TLS and HTTP have seen any of it; NULL and 0: nothing yet. Valid until the hook
 * returns. A hook of accept that needs more returns WEIR_WAIT and is called again when more has come. The connection is
 * closed when it ends first, when head_timeout passes, or when a hook wants more than 64 KiB. In accept only; else there is
 * nothing. */
WEIR_API const char *weir_connection_peek(struct weir_connection *, size_t *length);
/* Take the first `length` of these bytes away, at most what peek gave: nobody sees them again. In accept only. */
WEIR_API void weir_connection_skip(struct weir_connection *, size_t length);
/* Whom the connection is from, and where it went, as a trusted sender in front has told (copied): they take the place of the
 * socket's for everybody, also where connections are counted by client. Families: IPv4, IPv6 or AF_UNIX (the client's only).
 * In accept only. False: that client has as many connections as it may; return WEIR_FAIL then. */
WEIR_API bool weir_connection_set_address(struct weir_connection *, const struct sockaddr *);
WEIR_API void weir_connection_set_local(struct weir_connection *, const struct sockaddr *);

/* "192.0.2.1", "2001:db8::1" or "unix:"; `to` holds at least 64 bytes. Any thread. Returns `to`. */
WEIR_API const char *weir_address_text(const struct sockaddr *, char to[64]);
/* Is the address in the range? Mapped addresses (::ffff:a.b.c.d) count as IPv4. Any thread. */
WEIR_API bool weir_network_contains(const struct weir_network *, const struct sockaddr *);

/* The chosen route, NULL before; choosing is for the phase route. */
WEIR_API const struct weir_route *weir_route(struct weir_exchange *);
WEIR_API void weir_choose_route(struct weir_exchange *, const struct weir_route *);

/* Write a template's text for this exchange. */
WEIR_API const char *weir_expand(struct weir_exchange *, const struct weir_template *);

/* Does the request have a body, however framed (RFC 9112, 6.3)? One that is announced as empty is none. */
WEIR_API bool weir_has_body(struct weir_exchange *);

/* What was counted so far: bytes of the bodies, and nanoseconds since the head was whole. */
WEIR_API uint64_t weir_bytes_received(struct weir_exchange *);
WEIR_API uint64_t weir_bytes_sent(struct weir_exchange *);
WEIR_API uint64_t weir_elapsed(struct weir_exchange *);

/* Add to the calling module's metric with this index in its table. */
WEIR_API void weir_count(struct weir_exchange *, unsigned metric, int64_t amount);
WEIR_API void weir_connection_count(struct weir_connection *, unsigned metric, int64_t amount);	/* in accept and handshake */

#endif
