/* SPDX-License-Identifier: Apache-2.0 */
/*
 * establish: TLS with each proxy where it has some, CONNECT through it, strictly (RFC 9110, 9.3.6); then what is the peer's.
 *
 * A proxy's answer is read like an origin's, with the same parser. Only a 2xx without a body makes a tunnel; bytes behind it
 * would be the peer's first words, and nobody whom we connect to speaks first, so they are an error too.
 */
#include "establish.h"

#include <arpa/inet.h>
#include <assert.h>
#include <string.h>

#include "arena.h"
#include "buffer.h"
#include "http1.h"
#include "key.h"
#include "message.h"
#include "pool.h"
#include "thread.h"
#include "upstream.h"

enum { PROXIES_MOST = 8, ANSWER_MOST = 16 * 1024, FIELDS_MOST = 100, INTERIMS_MOST = 16 };

static enum establish_result __attribute__((format(printf, 3, 4)))
fail(struct establish *e, enum weir_peer_failure failure, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	e->cause = arena_vprintf(e->arena, format, arguments);
	va_end(arguments);
	e->failure = failure;
	return ESTABLISH_FAILED;
}

/* --- names ------------------------------------------------------------------------------------------------------------ */

static const char *
name_of_socket(struct arena *arena, const struct weir_address *a)
{
	char text[64];

	switch (a->socket.any.sa_family) {
	case AF_UNIX:
		return arena_printf(arena, "unix:%s", a->socket.un.sun_path);
	case AF_INET6:
		return arena_printf(arena, "[%s]:%u", inet_ntop(AF_INET6, &a->socket.in6.sin6_addr, text, sizeof(text)),
			ntohs(a->socket.in6.sin6_port));
	default:
		return arena_printf(arena, "%s:%u", inet_ntop(AF_INET, &a->socket.in.sin_addr, text, sizeof(text)),
			ntohs(a->socket.in.sin_port));
	}
}

const char *
establish_name(struct arena *arena, const struct weir_address *a)
{
	if (a->length > 0)
		return name_of_socket(arena, a);
	return arena_printf(arena, "%s:%u", a->host, a->port);
}

static const char *
proxy_name(const struct establish *e)
{
	const char *name = establish_name(e->arena, &e->via->address);

	return name == NULL ? "?" : name;
}

/* Whom the proxy shall connect us to. */
static const struct weir_address *
next_address(const struct establish *e)
{
	return e->via->next == NULL ? &e->peer->address : &e->via->next->address;
}

static const char *
next_name(const struct establish *e)
{
	const char *name = establish_name(e->arena, next_address(e));

	return name == NULL ? "?" : name;
}

const char *
establish_waits_for(const struct establish *e)
{
	const char *text = NULL;

	if (e->step == ESTABLISH_SHAKE && e->via != NULL)
		text = arena_printf(e->arena, "TLS with the proxy %s took too long", proxy_name(e));
	else if (e->step == ESTABLISH_SHAKE)
		text = "TLS with it took too long";
	else if (e->step == ESTABLISH_ANSWER)
		text = arena_printf(e->arena, "the proxy %s did not answer CONNECT %s in time", proxy_name(e), next_name(e));
	return text == NULL ? "connecting took too long" : text;
}

/* --- asking ----------------------------------------------------------------------------------------------------------- */

/* Field lines as a module hands them over: could they be read as anything else? */
static bool
are_lines(const char *at)
{
	while (*at != '\0') {
		const char *name = at;

		at += strcspn(at, ":\r\n");
		if (*at != ':' || at == name || field_identify(name, (size_t)(at - name)) != FIELD_OTHER)
			return false;
		for (const char *c = name; c < at; c++)
			if (!text_is((unsigned char)*c, TEXT_TOKEN))
				return false;
		for (at++; text_is((unsigned char)*at, TEXT_FIELD); at++)
			;
		if (at[0] != '\r' || at[1] != '\n')
			return false;
		at += 2;
	}
	return true;
}

static bool
is_value(const char *at)
{
	while (text_is((unsigned char)*at, TEXT_FIELD))
		at++;
	return *at == '\0';
}

static bool
is_host(const char *at)
{
	if (at == NULL || *at == '\0')
		return false;
	while (text_is((unsigned char)*at, TEXT_HOST))
		at++;
	return *at == '\0';
}

/* What a module put together must be what it seems. */
static const char *
find_fault(const struct establish *e)
{
	const struct weir_address *to = next_address(e);
	unsigned count = 0;

	for (const struct weir_via *via = e->peer->via; via != NULL && count <= PROXIES_MOST; via = via->next)
		count++;
	if (count > PROXIES_MOST)
		return "more than 8 proxies stand in a row";
	if (to->length > 0 && to->socket.any.sa_family == AF_UNIX)
		return "a Unix socket cannot be reached through a proxy";
	if (to->length == 0 && !is_host(to->host))
		return "the host to be reached through it is none";
	if (e->via->authorization != NULL && !is_value(e->via->authorization))
		return "a module set credentials for it that are no field value";
	if (e->via->fields != NULL && !are_lines(e->via->fields))
		return "a module set fields for it that are no field lines";
	return NULL;
}

/* "CONNECT host:port HTTP/1.1" and its fields into the thread's scratch; 0 when it does not fit. */
static size_t
write_connect(const struct establish *e)
{
	char *scratch = e->upstream->thread->scratch;
	const char *authorization = e->via->authorization, *fields = e->via->fields, *to = next_name(e);
	int length = snprintf(scratch, SCRATCH_SIZE, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n%s%s%s%s\r\n", to, to,
		authorization == NULL ? "" : "Proxy-Authorization: ", authorization == NULL ? "" : authorization,
		authorization == NULL ? "" : "\r\n", fields == NULL ? "" : fields);

	return length < 0 || length >= SCRATCH_SIZE ? 0 : (size_t)length;
}

/* After a send: wait for room and for nothing else, or go on. */
static enum establish_result
sent(struct establish *e, enum outlet_result result)
{
	struct upstream *u = e->upstream;

	if (result == OUTLET_BROKEN && e->via != NULL)
		return fail(e, WEIR_PEER_PROXY, "the proxy %s closed the connection", proxy_name(e));
	if (result == OUTLET_BROKEN)
		return fail(e, WEIR_PEER_CLOSED, "it closed the connection at once");
	if (!upstream_want_read(u, result == OUTLET_SENT) || !upstream_want_write(u, result == OUTLET_QUEUED))
		return fail(e, WEIR_PEER_REFUSED, "no memory to wait for it");
	return result == OUTLET_SENT ? ESTABLISH_READY : ESTABLISH_WAIT;
}

static enum establish_result
ask(struct establish *e)
{
	struct upstream *u = e->upstream;
	const char *fault = find_fault(e);
	size_t length;

	if (fault != NULL)
		return fail(e, WEIR_PEER_PROXY, "the proxy %s: %s", proxy_name(e), fault);
	length = write_connect(e);
	if (length == 0)
		return fail(e, WEIR_PEER_PROXY, "the proxy %s: the CONNECT is too long", proxy_name(e));
	e->step = ESTABLISH_ANSWER;
	e->interims = 0;
	return sent(e, outlet_send(&u->out, u->thread, &u->wire, u->thread->scratch, length, NULL));
}

/* --- the answer ------------------------------------------------------------------------------------------------------- */

static enum establish_result
judge(struct establish *e, const struct response *r)
{
	if (r->status / 100 != 2)
		return fail(e, WEIR_PEER_PROXY, "the proxy %s answered CONNECT %s with %d %.100s", proxy_name(e), next_name(e),
			r->status, r->reason);
	if (r->length > 0 || fields_find_id(&r->fields, FIELD_TRANSFER_ENCODING) != NULL)
		return fail(e, WEIR_PEER_PROXY, "the proxy %s answered CONNECT %s with %d and a body", proxy_name(e),
			next_name(e), r->status);
	if (e->upstream->in != NULL)
		return fail(e, WEIR_PEER_PROXY, "the proxy %s sent bytes behind its answer to CONNECT %s", proxy_name(e),
			next_name(e));
	e->via = e->via->next;
	e->place++;
	e->step = ESTABLISH_BEGIN;
	return ESTABLISH_READY;
}

static enum establish_result
malformed(struct establish *e, const char *why)
{
	return fail(e, WEIR_PEER_PROXY, "the proxy %s gave a malformed answer to CONNECT %s: %s", proxy_name(e), next_name(e),
		why);
}

/* Parse the `length` bytes of a whole head at the front of what was received. */
static enum establish_result
parse(struct establish *e, size_t length)
{
	const struct http1_limits limits = { .head_size = ANSWER_MOST, .fields = FIELDS_MOST };
	struct upstream *u = e->upstream;
	struct response response;
	const char *why = "no memory for it";
	char *head = arena_copy(e->arena, u->in->from, length);
	int used = head == NULL ? -503 : http1_parse_response(&response, METHOD_CONNECT, head, length, 0, &limits, e->arena,
		&why);

	if (used <= 0)
		return malformed(e, used == 0 ? "its end is ambiguous" : why);
	u->in->from += used;
	if (u->in->from == u->in->to)
		buffer_free(&u->in);
	if (response.status >= 200 || response.status == 101)
		return judge(e, &response);
	return ++e->interims > INTERIMS_MOST ? malformed(e, "interim responses without end") : ESTABLISH_READY;
}

static enum establish_result
receive(struct establish *e)
{
	struct upstream *u = e->upstream;

	switch (buffer_receive(u->thread, &u->in, &u->wire)) {
	case BUFFER_NOTHING:
		return ESTABLISH_WAIT;
	case BUFFER_NO_MEMORY:
		return fail(e, WEIR_PEER_REFUSED, "no memory for a proxy's answer");
	case BUFFER_END:
	case BUFFER_RESET:
		return fail(e, WEIR_PEER_PROXY, "the proxy %s closed the connection before it answered CONNECT %s", proxy_name(e),
			next_name(e));
	default:
		return ESTABLISH_READY;
	}
}

static enum establish_result
answer(struct establish *e)
{
	struct upstream *u = e->upstream;
	enum establish_result result;
	size_t length;

	while ((length = http1_head_length(u->in == NULL ? "" : u->in->from, buffer_length(u->in), 0)) == 0) {
		if (buffer_length(u->in) >= ANSWER_MOST)
			return malformed(e, "its head is too large");
		result = receive(e);
		if (result == ESTABLISH_WAIT && u->in != NULL)
			buffer_settle(u->thread, &u->in);
		if (result != ESTABLISH_READY)
			return result;
	}
	return parse(e, length);
}

/* --- TLS -------------------------------------------------------------------------------------------------------------- */

static enum establish_result
no_tls(struct establish *e)
{
	if (e->via != NULL)
		return fail(e, WEIR_PEER_TLS, "the proxy %s: %s", proxy_name(e), e->client.why);
	return fail(e, WEIR_PEER_TLS, "%s", e->client.why);
}

/* What comes once TLS is there, or is not wanted. */
static enum establish_step
step_after_tls(const struct establish *e)
{
	return e->via != NULL ? ESTABLISH_ASK : ESTABLISH_END;
}

/* Only sessions with peers are resumed: that is where they are many. */
static enum establish_result
secure(struct establish *e)
{
	struct upstream *u = e->upstream;
	const struct weir_peer_tls *tls = e->via != NULL ? &e->via->tls : &e->peer->tls;
	bool begun;

	e->step = tls->on ? ESTABLISH_SHAKE : step_after_tls(e);
	if (!tls->on)
		return ESTABLISH_READY;
	if (e->via != NULL)
		begun = tls_client_begin(&e->client, &u->wire, tls, key_terms(e->key, e->place), e->via->address.host, NULL);
	else
		begun = tls_client_begin(&e->client, &u->wire, tls, key_terms(e->key, KEY_PEER), NULL, pool_ticket(u->pool));
	return begun ? ESTABLISH_READY : no_tls(e);
}

static enum establish_result
shake(struct establish *e)
{
	struct upstream *u = e->upstream;
	enum tls_result result = tls_client_go(&e->client, &u->wire);

	if (result == TLS_FAILED)
		return no_tls(e);
	if (!upstream_want_read(u, result != TLS_WRITE) || !upstream_want_write(u, result == TLS_WRITE))
		return fail(e, WEIR_PEER_REFUSED, "no memory to wait for it");
	if (result != TLS_DONE)
		return ESTABLISH_WAIT;
	u->judged = e->client.judged;
	e->step = step_after_tls(e);
	return ESTABLISH_READY;
}

/* --- the steps -------------------------------------------------------------------------------------------------------- */

/* A proxy, or the peer, is reached. */
static enum establish_result
greet(struct establish *e)
{
	struct upstream *u = e->upstream;

	e->step = ESTABLISH_SECURE;
	if (e->via != NULL || e->peer->preface_length == 0)
		return ESTABLISH_READY;
	return sent(e, outlet_send(&u->out, u->thread, &u->wire, e->peer->preface, e->peer->preface_length, NULL));
}

/* What is queued goes first: TLS writes past the outlet while it begins. */
static enum establish_result
flush(struct establish *e)
{
	struct upstream *u = e->upstream;

	return u->out.queued == 0 ? ESTABLISH_READY : sent(e, outlet_flush(&u->out, &u->wire));
}

void
establish_begin(struct establish *e, const struct weir_peer *peer, const struct key *key, struct upstream *u, struct arena *arena)
{
	*e = (struct establish){ .peer = peer, .key = key, .upstream = u, .arena = arena, .via = peer->via };
}

enum establish_result
establish_go(struct establish *e)
{
	enum establish_result result = flush(e);

	while (result == ESTABLISH_READY && e->step != ESTABLISH_END) {
		if (e->step == ESTABLISH_BEGIN)
			result = greet(e);
		else if (e->step == ESTABLISH_SECURE)
			result = secure(e);
		else if (e->step == ESTABLISH_SHAKE)
			result = shake(e);
		else if (e->step == ESTABLISH_ASK)
			result = ask(e);
		else
			result = answer(e);
	}
	return result;
}
