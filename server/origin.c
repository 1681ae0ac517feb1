/* SPDX-License-Identifier: Apache-2.0 */
/*
 * origin: the exchange's side towards the origin: a connection, the request on it, the response's head from it.
 *
 * A request is sent again only where that is safe: nothing of it has gone out yet, or its method is idempotent; and its
 * body is still whole, in `replay`. A pooled connection that turns out to be dead is replaced once by a new one; what goes wrong
 * beyond that is for the modules' phase `failed` to decide.
 */
#include <assert.h>
#include <string.h>
#include <strings.h>

#include "buffer.h"
#include "dial.h"
#include "exchange.h"
#include "pool.h"
#include "target.h"

static const char LOST[] = "it closed the connection before the request was sent";

/* --- a connection ---------------------------------------------------------------------------------------------------- */

void
origin_reset_peer(struct weir_exchange *x)
{
	const struct upstream_settings *s = &x->upstream_section->settings;

	memset(&x->peer, 0, sizeof(x->peer));
	x->peer.bind = s->bind;
	x->peer.host = s->host;
	x->peer.tls = s->tls;
	x->peer.connect_timeout = s->connect_timeout;
	x->peer.first_byte_timeout = s->first_byte_timeout;
	x->peer.between_bytes_timeout = s->between_bytes_timeout;
	x->server = NULL;
	x->redialled = false;
	x->peer_failure = WEIR_PEER_OK;
	x->peer_cause = NULL;
}

static const char *
failure_text(struct weir_exchange *x)
{
	const char *where = x->server != NULL ? x->server->name : "the peer";
	const char *text;

	if (x->peer_cause != NULL) {
		text = arena_printf(&x->arena, "%s: %s", where, x->peer_cause);
		return text != NULL ? text : x->peer_cause;
	}
	switch (x->peer_failure) {
	case WEIR_PEER_UNRESOLVED:
		text = arena_printf(&x->arena, "%s: its name has no address", where);
		break;
	case WEIR_PEER_TIMEOUT:
		text = arena_printf(&x->arena, "%s: connecting took too long", where);
		break;
	case WEIR_PEER_FORBIDDEN:
		text = arena_printf(&x->arena, "%s: none of its addresses may be connected to", where);
		break;
	default:
		text = arena_printf(&x->arena, "%s: cannot connect: %s", where, strerror(x->peer_error));
	}
	return text != NULL ? text : "cannot connect";
}

static enum weir_phase __attribute__((cold))
unconnected(struct weir_exchange *x)
{
	counter_add(&x->thread->counters, COUNT_UPSTREAM_FAILED, 1);
	x->failure = failure_text(x);
	return WEIR_PHASE_FAILED;
}

static enum weir_phase
obtain(struct weir_exchange *x, bool pooled)
{
	x->stage = STAGE_PHASES;
	switch (upstream_obtain(x, pooled)) {
	case UPSTREAM_READY:
		return WEIR_PHASE_CONNECTED;
	case UPSTREAM_PENDING:
		return WEIR_PHASES;
	default:
		return unconnected(x);
	}
}

/* No module has chosen: the first server that was not tried yet. */
static void
choose_server(struct weir_exchange *x)
{
	const struct weir_upstream *u = x->upstream_section;
	size_t i = 0;

	while (i + 1 < u->server_count && weir_server_was_tried(x, &u->servers[i]))
		i++;
	if (i < u->server_count)
		weir_choose_server(x, &u->servers[i]);
}

enum weir_phase
origin_connect(struct weir_exchange *x)
{
	if (x->own != NULL && x->own->server != NULL)
		weir_choose_server(x, x->own->server);
	else if (x->peer.address.length == 0 && x->peer.address.host == NULL)
		choose_server(x);
	if (!peer_name(x))
		return exchange_fail(x, 503, "no memory for the origin's name");
	if (x->bare && x->peer.tls.on)
		return exchange_fail(x, 500, "what is passed through is TLS already: its upstream must have none of its own");
	x->attempts++;
	return obtain(x, !x->tunnels && (x->own == NULL || !x->own->connect_only));
}

void
exchange_connected(struct weir_exchange *x)
{
	if (!upstream_want_read(x->upstream, true)) {
		origin_drop(x);
		x->peer_failure = WEIR_PEER_REFUSED;
		x->peer_cause = "no memory to wait for it";
		exchange_enter(x, unconnected(x));
		return;
	}
	exchange_enter(x, WEIR_PHASE_CONNECTED);
}

void
exchange_unconnected(struct weir_exchange *x)
{
	exchange_enter(x, unconnected(x));
}

void
origin_drop(struct weir_exchange *x)
{
	dial_cancel(&x->dial);
	if (x->upstream == NULL)
		return;
	pool_count(x->upstream->pool, -1);
	upstream_close(&x->upstream);
}

static bool
reusable(const struct weir_exchange *x)
{
	const struct upstream *u = x->upstream;
	const struct upstream_settings *s = &x->upstream_section->settings;

	return x->download.ended && x->upload.ended && !x->upload_broken && !wire_has_more(&u->wire) && x->response.keep_alive
		&& x->download.in != FRAMING_CLOSE && x->stage != STAGE_TUNNEL && !u->eof && u->in == NULL
		&& u->out.queued == 0 && (s->keepalive_requests == 0 || u->requests < s->keepalive_requests);
}

void
origin_release(struct weir_exchange *x)
{
	struct upstream *u = x->upstream;

	if (u != NULL)
		upstream_keep_ticket(u);
	if (u == NULL || !reusable(x)) {
		origin_drop(x);
		return;
	}
	u->exchange = NULL;
	upstream_want_write(u, false);
	x->upstream = NULL;
	pool_put(&u, &x->upstream_section->settings, x->client->requests == 1);
}

/* --- trying again -------------------------------------------------------------------------------------------------------- */

bool
origin_may_retry(const struct weir_exchange *x)
{
	return !x->head_sent && (!x->sent_any || method_is_idempotent(x->request.method))
		&& (x->upload.bytes == 0 || (x->replayable && x->replay_length == x->upload.bytes))
		&& x->attempts < TRIED_MAX;
}

enum weir_phase
origin_lost(struct weir_exchange *x, enum weir_peer_failure failure, const char *cause)
{
	bool stale = x->reused && !x->redialled && failure == WEIR_PEER_CLOSED && buffer_length(x->upstream->in) == 0
		&& x->interims == 0 && origin_may_retry(x);

	origin_drop(x);
	if (stale) {
		x->redialled = true;
		return obtain(x, false);
	}
	counter_add(&x->thread->counters, COUNT_UPSTREAM_FAILED, 1);
	x->peer_failure = failure;
	x->failure = x->server == NULL ? cause : arena_printf(&x->arena, "%s: %s", x->server->name, cause);
	if (x->failure == NULL)
		x->failure = cause;
	x->stage = STAGE_PHASES;
	return WEIR_PHASE_FAILED;
}

/* --- the request --------------------------------------------------------------------------------------------------------- */

static bool
copy_fields(struct fields *to, const struct fields *from, struct arena *arena)
{
	fields_init(to, arena);
	if (from->count == 0)
		return true;
	to->capacity = (uint16_t)(from->count + 8);
	to->list = arena_alloc(arena, to->capacity * sizeof(*to->list));
	if (to->list == NULL)
		return false;
	memcpy(to->list, from->list, from->count * sizeof(*to->list));
	to->count = from->count;
	to->ids = from->ids;
	to->letters = from->letters;
	return true;
}

/* An upgrade to another version of HTTP would carry requests past us that no phase has seen. */
static bool
changes_http(const char *upgrade)
{
	return upgrade != NULL && (text_has_token(upgrade, "h2c") || text_has_token(upgrade, "h2")
		|| strncasecmp(upgrade, "HTTP/", 5) == 0);
}

bool
origin_prepare(struct weir_exchange *x)
{
	struct authority host;

	x->sent = x->request;
	x->upload_changes = false;
	if (!copy_fields(&x->sent.fields, &x->request.fields, &x->arena))
		return false;
	fields_remove_id(&x->sent.fields, FIELD_PROXY_AUTHORIZATION);	/* it was meant for us */
	if (x->route == NULL || !x->route->settings.upgrade || changes_http(x->sent.upgrade))
		x->sent.upgrade = NULL;
	if (x->peer.host != NULL && authority_parse(&host, x->peer.host, strlen(x->peer.host)) != NULL) {
		x->failure_status = 500;
		x->failure = "a module set a peer's host that is none";
		return false;
	}
	if (x->peer.host != NULL) {
		x->sent.authority = x->peer.host;
		return fields_set(&x->sent.fields, "Host", 4, x->peer.host, strlen(x->peer.host));
	}
	return true;
}

static bool
has_hooks(const struct weir_exchange *x, enum weir_phase phase)
{
	return x->chain->first[phase] != x->chain->first[phase + 1];
}

/* What was sent of the body before, to be sent again. NULL: nothing, or (false) no memory. */
static bool
replay(struct weir_exchange *x, struct buffer **content)
{
	*content = NULL;
	if (x->replay_length == 0)
		return true;
	*content = buffer_take(x->thread, x->replay_length);
	if (*content == NULL)
		return false;
	memcpy((*content)->to, x->replay, x->replay_length);
	(*content)->to += x->replay_length;
	return true;
}

static void
send_queued(void *owner)
{
	struct upstream *u = owner;
	struct weir_exchange *x = u->exchange;
	enum outlet_result result;

	result = outlet_flush(&u->out, &u->wire);
	if (result == OUTLET_BROKEN && x->stage == STAGE_HEAD)
		exchange_go(x, origin_lost(x, WEIR_PEER_CLOSED, LOST));
	else if (result != OUTLET_SENT)
		exchange_go(x, upload_relay(x));
}

/* The whole request is here and small: it leaves with others at the end of the turn. Not what must not be sent twice, on a
 * connection that may have died by then. */
static bool
gather(struct weir_exchange *x, size_t length, struct buffer **content)
{
	struct upstream *u = x->upstream;

	if (x->reused && !method_is_idempotent(x->request.method))
		return false;
	if (!x->upload.ended || x->upload.hooked || x->upload.out == FRAMING_CHUNKED || u->wire.tls != NULL || u->out.queued > 0)
		return false;
	return length + buffer_length(*content) <= TURN_MESSAGE
		&& turn_join(&u->thread->turn, TURN_SEND, &u->places, send_queued, u)
		&& outlet_gather(&u->out, u->thread, x->thread->scratch, length, content);
}

enum weir_phase
origin_send(struct weir_exchange *x)
{
	enum outlet_result result;
	struct buffer *content;
	size_t length;
	int status;

	if (x->upload_changes && x->sent.framing != FRAMING_NONE)
		x->sent.framing = FRAMING_CHUNKED;
	x->upload.out = x->sent.framing;
	x->upload.hooked = has_hooks(x, WEIR_PHASE_REQUEST_BODY) && x->upload.in != FRAMING_NONE;
	x->upload.done = 0;
	x->upload.made = 0;
	if (x->upload.hooked)
		x->replayable = false;
	if (!upstream_is_silent(x->upstream))	/* while a hook waited: that answers no request of ours (RFC 9112, 9.2) */
		return origin_lost(x, WEIR_PEER_CLOSED, "it closed the connection, or spoke, before the request was sent");
	length = http1_write_request(x->thread->scratch, SCRATCH_SIZE, &x->sent, true);
	if (length == 0 || !replay(x, &content))
		return exchange_fail(x, length == 0 ? 502 : 503, "the request's head does not fit the memory for it");
	status = content == NULL ? upload_take(x, &content) : 0;
	if (status != 0)
		return exchange_fail(x, status, x->failure);
	if (!upstream_want_read(x->upstream, true))	/* off, if it closed while a hook waited */
		return exchange_fail(x, 503, "no memory to wait for the origin");
	x->stage = STAGE_HEAD;
	x->sent_any = true;
	if (gather(x, length, &content)) {
		deadline_set(&x->upstream->deadline, &x->thread->wheel, x->peer.first_byte_timeout);
		return WEIR_PHASES;
	}
	result = filter_send(x, WEIR_PHASE_REQUEST_BODY, length, content, x->upload.ended);
	if (result == OUTLET_REFUSED)
		return exchange_fail(x, 500, x->failure);
	if (result == OUTLET_BROKEN)
		return origin_lost(x, WEIR_PEER_CLOSED, LOST);
	if (x->upload.ended && x->upstream->out.queued == 0) {
		deadline_set(&x->upstream->deadline, &x->thread->wheel, x->peer.first_byte_timeout);
		return WEIR_PHASES;
	}
	rate_watch(x);
	return upload_relay(x);
}

/* --- the response's head -------------------------------------------------------------------------------------------------- */

/* Parse the head at the front of u->in. > 0: done; 0: not whole yet; < 0: malformed. */
static int
parse(struct weir_exchange *x, struct response *response, const char **why)
{
	const struct upstream_settings *s = &x->upstream_section->settings;
	struct http1_limits limits = {
		.head_size = s->head_size < BUFFER_READ ? (uint32_t)s->head_size : BUFFER_READ,
		.fields = (uint16_t)s->fields,
		.target_length = x->limits.target_length,
	};
	struct upstream *u = x->upstream;
	size_t length = http1_head_length(u->in->from, buffer_length(u->in), u->seen);
	size_t whole = length > 0 ? length : buffer_length(u->in);
	char *head;
	int used;

	if (length == 0 && u->seen > 0 && whole < limits.head_size) {
		u->seen = (uint32_t)whole;
		return 0;
	}
	*why = "no memory for the response's head";
	head = arena_alloc(&x->arena, whole);
	if (head == NULL)
		return -503;
	memcpy(head, u->in->from, whole);
	used = http1_parse_response(response, x->request.method, head, whole, 0, &limits, &x->arena, why);
	if (used == 0 && length > 0) {
		*why = "the head's end is ambiguous";
		return -502;
	}
	u->seen = used == 0 ? (uint32_t)whole : 0;
	if (used > 0) {
		u->in->from += used;
		if (u->in->from == u->in->to)
			buffer_free(&u->in);
	}
	return used;
}

static enum weir_phase __attribute__((cold))
broken(struct weir_exchange *x, const char *why)
{
	counter_add(&x->thread->counters, COUNT_UPSTREAM_MALFORMED, 1);
	return origin_lost(x, WEIR_PEER_BROKEN, why);
}

/* An origin may say 408 on an idle connection as it closes it: no answer to a request sent meanwhile (RFC 9110, 15.5.9). */
static bool
is_farewell(const struct weir_exchange *x)
{
	return x->reused && !x->redialled && x->response.status == 408 && !x->response.keep_alive && x->interims == 0
		&& origin_may_retry(x);
}

/* The final head is there: from now on the response is the phases'. */
static enum weir_phase
begin_response(struct weir_exchange *x)
{
	const char *why;

	if (is_farewell(x)) {
		origin_drop(x);
		x->redialled = true;
		return obtain(x, false);
	}
	if (x->response.status == 101 && (x->sent.upgrade == NULL || !x->upload.ended))
		return broken(x, "it switched protocols unasked");
	if (x->response.status == 101) {
		const struct field *upgrade = fields_find_id(&x->response.fields, FIELD_UPGRADE);

		x->protocol = upgrade != NULL ? upgrade->value : x->sent.upgrade;
	}
	if (!fields_strip_hop_by_hop(&x->response.fields, false, &why))
		return broken(x, why);
	x->response_version = 10 + x->response.minor;
	x->responded = true;
	x->failure = NULL;
	x->failure_status = 0;
	x->download_changes = false;
	x->stage = STAGE_PHASES;
	body_init(&x->download, x->response.framing, x->response.length, FRAMING_NONE);
	fields_init(&x->response.trailers, &x->arena);
	deadline_clear(&x->upstream->deadline);
	return WEIR_PHASE_UPSTREAM_RESPONSE;
}

/* Read heads, interim ones too, as far as they have come. */
static enum weir_phase
read_heads(struct weir_exchange *x)
{
	const char *why = NULL;
	bool goes_on;

	while (x->upstream->in != NULL) {
		int used = parse(x, &x->response, &why);

		if (used == -503)
			return exchange_fail(x, 503, why);
		if (used < 0)
			return broken(x, why);
		if (used == 0) {
			buffer_settle(x->thread, &x->upstream->in);
			return WEIR_PHASES;
		}
		if (x->response.status >= 200 || x->response.status == 101)
			return begin_response(x);
		if (++x->interims > INTERIM_MAX)
			return broken(x, "it sends interim responses without end");
		goes_on = answer_interim(x, &x->response);
		response_init(&x->response, &x->arena);
		if (!goes_on) {
			exchange_abort(x, "the client is gone");
			return WEIR_PHASES;
		}
	}
	return WEIR_PHASES;
}

static void
serve_received(void *owner)
{
	struct weir_exchange *x = ((struct upstream *)owner)->exchange;

	exchange_go(x, read_heads(x));	/* which may have closed the connection */
}

static enum weir_phase
receive_head(struct weir_exchange *x)
{
	struct upstream *u = x->upstream;
	int got = buffer_receive(x->thread, &u->in, &u->wire);

	if (got > 0 && u->wire.tls == NULL && buffer_keep(x->thread, &u->in)
			&& turn_join(&x->thread->turn, TURN_SERVE, &u->places, serve_received, u))
		return WEIR_PHASES;
	if (got > 0)
		return read_heads(x);
	switch (got) {
	case BUFFER_NOTHING:
		return WEIR_PHASES;
	case BUFFER_NO_MEMORY:
		return exchange_fail(x, 503, "no memory for the response's head");
	default:
		return origin_lost(x, WEIR_PEER_CLOSED, "it closed the connection without a response");
	}
}

/* --- events -------------------------------------------------------------------------------------------------------- */

void
exchange_upstream_readable(struct weir_exchange *x)
{
	switch (x->stage) {
	case STAGE_HEAD:
		exchange_go(x, receive_head(x));
		break;
	case STAGE_BODY:
		if (x->out.queued > 0 || x->wait != NULL)	/* the client, or the sink, is behind: its event goes on */
			upstream_want_read(x->upstream, false);
		else
			exchange_go(x, download_relay(x));
		break;
	case STAGE_TUNNEL:
		exchange_go(x, tunnel_relay(x));
		break;
	default:
		upstream_want_read(x->upstream, false);
	}
}

void
exchange_upstream_writable(struct weir_exchange *x)
{
	if (x->stage == STAGE_TUNNEL)
		exchange_go(x, tunnel_relay(x));
	else if (x->stage == STAGE_PHASES)
		upstream_want_write(x->upstream, false);	/* a hook waits: upload_resume has it again */
	else
		exchange_go(x, upload_relay(x));
}

void
exchange_upstream_deadline(struct weir_exchange *x)
{
	if (x->upstream->places.of[TURN_SERVE] != 0)	/* it was in time; if it is not whole, there is another moment */
		deadline_set(&x->upstream->deadline, &x->thread->wheel, 1);
	else if (x->stage == STAGE_HEAD)
		exchange_go(x, origin_lost(x, WEIR_PEER_TIMEOUT, "no response in time"));
	else
		exchange_go(x, exchange_fail(x, 504, "the origin went silent in the middle of its response"));
}
