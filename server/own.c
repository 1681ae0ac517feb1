/* SPDX-License-Identifier: Apache-2.0 */
/*
 * own: exchanges without a client: bodies that left their exchange for a module's sink, and errands.
 *
 * Such an exchange is one like others towards the origin. Towards the client it has a connection without a socket, which ends
 * with it, and instead of sending it tells the sink. A thread has a bounded number of either, counted apart, so that bodies
 * leave room for health checks and refreshes; draining waits for them, and a stop ends them, as it does clients.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <weir/stream.h>

#include "buffer.h"
#include "exchange.h"

enum { HEAD_MAX = 64 * 1024 };

/* What is bounded, and where it is counted. */
static const struct {
	unsigned most;
	enum counter total, active, refused;
} kinds[OWN_KINDS] = {
	[OWN_BODY] = { 8192, COUNT_BODIES_TAKEN, COUNT_BODIES_TAKEN_ACTIVE, COUNT_BODIES_TAKEN_REFUSED },
	[OWN_ERRAND] = { 1024, COUNT_ERRANDS, COUNT_ERRANDS_ACTIVE, COUNT_ERRANDS_REFUSED },
};

/* Bodies that left their exchange run no module's hook; which ones an errand runs is told by borrow_from. */
static const struct chain no_hooks;

static const struct http1_limits wide = { .head_size = HEAD_MAX, .fields = 1000, .target_length = HEAD_MAX };

/* --- how many
 * ------------------------------------------------------------------------------------------------------------------ */

static bool
is_room(struct thread *t, enum own_kind kind)
{
	if (t->own[kind] < kinds[kind].most)
		return true;
	counter_add(&t->counters, kinds[kind].refused, 1);
	return false;
}

static void
count(struct weir_exchange *x, enum own_kind kind)
{
	x->own->kind = kind;
	x->thread->own[kind]++;
	counter_add(&x->thread->counters, kinds[kind].total, 1);
	counter_add(&x->thread->counters, kinds[kind].active, 1);
}

static void
discount(struct weir_exchange *x)
{
	enum own_kind kind = x->own->kind;

	x->thread->own[kind]--;
	counter_add(&x->thread->counters, kinds[kind].active, -1);
}

/* --- the sink
 * ---------------------------------------------------------------------------------------------------------------- */

enum outlet_result
own_take(struct weir_exchange *x, struct buffer *content, bool last)
{
	const struct weir_sink *sink = &x->own->sink;
	struct weir_chunk chunk = { content == NULL ? "" : content->from, buffer_length(content), last };
	enum weir_verdict verdict = sink->take == NULL || (content == NULL && !last) ? WEIR_NEXT
		: sink->take(x, sink->argument, &chunk);

	if (verdict == WEIR_WAIT && x->wait != NULL) {
		x->own->held = content;
		x->own->held_last = last;
		x->own->holds = true;
		return OUTLET_QUEUED;
	}
	exchange_leave_wait(x);
	buffer_free(&content);
	if (verdict != WEIR_NEXT && x->failure == NULL)
		x->failure = "the body's taker wants no more of it";
	return verdict == WEIR_NEXT ? OUTLET_SENT : OUTLET_REFUSED;
}

enum outlet_result
own_take_again(struct weir_exchange *x)
{
	struct own *own = x->own;
	struct buffer *content = own->held;

	if (x->wait != NULL)
		return OUTLET_QUEUED;
	own->held = NULL;
	own->holds = false;
	return own_take(x, content, own->held_last);
}

void
own_end(struct weir_exchange *x)
{
	struct own *own = x->own;

	buffer_free(&own->held);
	discount(x);
	if (own->sink.end != NULL)
		own->sink.end(x, own->sink.argument);
}

enum weir_phase
own_receive(struct weir_exchange *x)
{
	x->stage = STAGE_BODY;
	return download_relay(x);
}

/* --- making one
 * ---------------------------------------------------------------------------------------------------------------- */

/* An exchange without a client, and without a sink yet. It is alone responsible for the hold from here on. NULL without
 * memory. */
static struct weir_exchange *
make(struct thread *t, enum own_kind kind, struct hold *hold, const struct listen *listen, const struct sockaddr *address,
	int64_t limit)
{
	struct weir_connection *c = client_new_own(t, address);
	struct weir_exchange *x;

	if (c == NULL) {
		thread_release(t, hold);
		return NULL;
	}
	x = exchange_create(c, hold, listen, &wide);
	if (x == NULL || (x->own = arena_zalloc(&x->arena, sizeof(*x->own))) == NULL) {
		if (x != NULL)
			exchange_discard(x);
		client_next(c, CLIENT_CLOSE);
		return NULL;
	}
	count(x, kind);
	x->chain = &no_hooks;
	body_init(&x->upload, FRAMING_NONE, 0, FRAMING_NONE);
	x->replayable = true;
	if (limit > 0)
		deadline_set(&c->deadline, &t->wheel, limit);
	return x;
}

static struct hold *
hold_again(struct hold *hold)
{
	hold->exchanges++;
	return hold;
}

/* --- a body that leaves its exchange
 * ------------------------------------------------------------------------------------------- */

/* What `end` may ask for must not lie in the arena of the exchange that it left. */
static bool
copy_response(struct weir_exchange *to, const struct response *from)
{
	to->response.status = from->status;
	to->response.minor = from->minor;
	to->response.keep_alive = from->keep_alive;
	to->response.framing = from->framing;
	for (unsigned i = 0; i < from->fields.count; i++) {
		const struct field *f = &from->fields.list[i];
		const char *name = arena_copy(&to->arena, f->name, f->name_length);
		const char *value = arena_copy(&to->arena, f->value, f->value_length);

		if (name == NULL || value == NULL
				|| !fields_add(&to->response.fields, name, f->name_length, value, f->value_length))
			return false;
	}
	return true;
}

/* The connection changes hands. */
static void
hand_over(struct weir_exchange *from, struct weir_exchange *to)
{
	to->upstream = from->upstream;
	to->upstream->exchange = to;
	from->upstream = NULL;
	to->upstream_section = from->upstream_section;
	to->server = from->server;
	to->peer.between_bytes_timeout = from->peer.between_bytes_timeout;
	to->route = from->route;
	to->request.method = METHOD_GET;
	to->response_version = from->response_version;
	to->download = from->download;
	to->sent_any = to->responded = true;
	from->responded = false;
}

bool
weir_take_body(struct weir_exchange *x, const struct weir_sink *sink, int64_t limit)
{
	struct weir_exchange *own;

	if (x->phase != WEIR_PHASE_STORE || x->upstream == NULL || !x->upload.ended || x->upstream->out.queued > 0
			|| !is_room(x->thread, OWN_BODY))
		return false;
	own = make(x->thread, OWN_BODY, hold_again(x->hold), x->listen, &x->address.any, limit);
	if (own == NULL)
		return false;
	if (!copy_response(own, &x->response)) {
		exchange_close(own, CLIENT_CLOSE);
		return false;
	}
	own->own->sink = *sink;
	own->client->requests = x->client->requests;
	hand_over(x, own);
	exchange_go(own, own_receive(own));
	return true;
}

void
weir_keep_going(struct weir_exchange *x)
{
	x->keeps_going = true;
}

/* --- errands
 * ------------------------------------------------------------------------------------------------------------------- */

/* The head of the errand, as a client would send it: so that one parser judges it. 0: it is too long. */
static size_t
write_head(char *to, const struct weir_exchange *model, const struct weir_errand *errand)
{
	struct request request;
	int length;

	if (errand->fields == NULL && errand->target == NULL && errand->authority == NULL) {
		if (model == NULL)
			return 0;
		request = model->request;
		request.framing = FRAMING_NONE;
		request.upgrade = NULL;
		if (errand->method != NULL)
			request.method_name = errand->method;
		return http1_write_request(to, HEAD_MAX, &request, true);
	}
	if (model == NULL && (errand->authority == NULL || errand->target == NULL))
		return 0;
	length = snprintf(to, HEAD_MAX, "%s %s%s%s HTTP/1.1\r\nHost: %s\r\n%s\r\n",
		errand->method != NULL ? errand->method : model != NULL ? model->request.method_name : "GET",
		errand->target != NULL ? errand->target : model->request.path,
		errand->target == NULL && model->request.query != NULL ? "?" : "",
		errand->target == NULL && model->request.query != NULL ? model->request.query : "",
		errand->authority != NULL ? errand->authority : model->request.authority,
		errand->fields != NULL ? errand->fields : "");
	return length > 0 && length < HEAD_MAX ? (size_t)length : 0;
}

static bool
parse(struct weir_exchange *x, const char *text, size_t length)
{
	char *head = arena_alloc(&x->arena, length);
	const char *why = "no memory";
	int used;

	if (head == NULL)
		return false;
	memcpy(head, text, length);
	used = http1_parse_request(&x->request, head, length, 0, &wide, &x->arena, &why);
	return used == (int)length && x->request.framing == FRAMING_NONE && x->request.method != METHOD_CONNECT;
}

/* The hold of the generation that this upstream is of, counted; NULL when the thread has none. */
static struct hold *
hold_of(struct thread *t, const struct weir_upstream *upstream)
{
	for (struct hold *h = t->holds; h != NULL; h = h->next) {
		size_t i = weir_upstream_index(upstream);

		if (i < h->generation->upstream_count && h->generation->upstreams[i] == upstream)
			return hold_again(h);
	}
	return NULL;
}

static void
borrow_from(struct weir_exchange *x, const struct weir_exchange *model, const struct weir_errand *errand)
{
	x->upstream_section = errand->upstream != NULL || model == NULL ? errand->upstream : model->upstream_section;
	if (errand->server != NULL)
		x->chain = &x->upstream_section->errands;
	if (model == NULL)
		return;
	x->route = model->route;
	x->scheme = model->scheme;
	memcpy(&x->address, &model->address, sizeof(x->address));
	if (errand->server == NULL)
		x->chain = model->chain;
}

/* With its head in `head`. */
static bool
set_out(struct thread *t, struct weir_exchange *model, const struct weir_errand *errand, const char *head, size_t length)
{
	struct hold *hold = model != NULL ? hold_again(model->hold) : hold_of(t, errand->upstream);
	struct weir_exchange *x;

	if (hold == NULL)
		return false;
	x = make(t, OWN_ERRAND, hold, model == NULL ? NULL : model->listen, model == NULL ? NULL : &model->client->address.any,
		errand->limit > 0 ? errand->limit : 1);
	if (x == NULL)
		return false;
	if (!parse(x, head, length)) {
		exchange_close(x, CLIENT_CLOSE);
		return false;
	}
	borrow_from(x, model, errand);
	x->first_path = x->request.path;
	x->first_query = x->request.query;
	x->own->sink = errand->sink;
	x->own->server = errand->server;
	x->own->connect_only = errand->connect_only;
	x->own->module = model != NULL && model->hook != NULL ? model->hook->module : NULL;
	client_start_own(x->client);
	return true;
}

bool
weir_send_errand(struct weir_thread *thread, struct weir_exchange *model, const struct weir_errand *errand)
{
	struct thread *t = (struct thread *)thread;
	const struct weir_upstream *upstream = errand->upstream != NULL || model == NULL ? errand->upstream
		: model->upstream_section;
	struct buffer *head;
	size_t length;
	bool sent;

	if (upstream == NULL || t->draining || !is_room(t, OWN_ERRAND) || (head = buffer_take(t, HEAD_MAX)) == NULL)
		return false;
	length = write_head(head->to, model, errand);
	sent = length > 0 && set_out(t, model, errand, head->to, length);
	buffer_free(&head);
	return sent;
}

struct weir_thread *
weir_exchange_thread(struct weir_exchange *x)
{
	return &x->thread->public;
}

void *
weir_errand_argument(struct weir_exchange *x)
{
	return x->own != NULL && x->own->module != NULL && x->own->module == x->hook->module ? x->own->sink.argument : NULL;
}

bool
weir_is_errand(struct weir_exchange *x)
{
	return x->own != NULL;
}
