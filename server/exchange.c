/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exchange: the phases of a request, in their order, with their verdicts.
 *
 * `advance` is the only place that runs hooks. It is a loop: each phase's hooks run until one gives a verdict that ends the
 * phase; what comes next is the phase's own rule (phase.c). Where something must be awaited (a hook's wait, a connection, a
 * socket) it returns, and whoever has waited enters the phase that follows. A call that arrives while the loop is
 * at work further up the stack only leaves its phase for the loop to find, so nothing here recurses.
 */
#include "exchange.h"

#include <assert.h>
#include <string.h>
#include <time.h>

#include "buffer.h"
#include "chain.h"
#include "dial.h"
#include "listener.h"
#include "log.h"
#include "phase.h"
#include "place.h"
#include "pool.h"

#define MAY(V) (1u << WEIR_##V)
#define ASK (MAY(NEXT) | MAY(DONE) | MAY(RESPOND) | MAY(WAIT) | MAY(FAIL))

/* The verdicts that a phase allows. */
static const uint8_t allowed[WEIR_PHASES] = {
	[WEIR_PHASE_REQUEST] = ASK,
	[WEIR_PHASE_ROUTE] = ASK,
	[WEIR_PHASE_ACCESS] = ASK,
	[WEIR_PHASE_CACHE] = ASK,
	[WEIR_PHASE_PEER] = ASK,
	[WEIR_PHASE_CONNECTED] = MAY(NEXT) | MAY(DONE) | MAY(RETRY) | MAY(WAIT) | MAY(FAIL),
	[WEIR_PHASE_FAILED] = MAY(NEXT) | MAY(DONE) | MAY(RETRY) | MAY(RESPOND) | MAY(FAIL),
	[WEIR_PHASE_UPSTREAM_REQUEST] = ASK,
	[WEIR_PHASE_UPSTREAM_RESPONSE] = ASK | MAY(RETRY),
	[WEIR_PHASE_STORE] = MAY(NEXT) | MAY(DONE) | MAY(RESPOND) | MAY(FAIL),
	[WEIR_PHASE_RESPONSE] = MAY(NEXT) | MAY(DONE) | MAY(WAIT) | MAY(FAIL),
	[WEIR_PHASE_ERROR] = MAY(NEXT) | MAY(DONE) | MAY(RESPOND),
	[WEIR_PHASE_LOG] = MAY(NEXT) | MAY(DONE),
};

void
exchange_leave_wait(struct weir_exchange *x)
{
	struct wait *w = x->wait;

	x->wait = NULL;
	if (w != NULL)
		wait_cancel(w);
}

/* --- the loop ---------------------------------------------------------------------------------------------------------- */

static enum weir_verdict __attribute__((cold))
check(struct weir_exchange *x, enum weir_verdict verdict)
{
	if ((unsigned)verdict <= WEIR_FAIL && (allowed[x->phase] & (1u << verdict)) != 0
			&& (verdict == WEIR_WAIT) == (x->wait != NULL))
		return verdict;
	exchange_leave_wait(x);
	counter_add(&x->thread->counters, COUNT_VERDICT_REFUSED, 1);
	weir_log(WEIR_LOG_ERROR, "module %s returned a verdict that phase %s does not allow: the request fails",
		x->hook->module->name, chain_phase_name(x->phase));
	return x->phase == WEIR_PHASE_LOG ? WEIR_NEXT : x->phase == WEIR_PHASE_ERROR ? WEIR_DONE : WEIR_FAIL;
}

/* Run the hooks from x->next on; the verdict that ends the phase, or WEIR_WAIT. */
static enum weir_verdict
run_hooks(struct weir_exchange *x)
{
	const struct chain *chain = x->chain;
	const unsigned end = chain->first[x->phase + 1];

	while (x->next < end) {
		const struct hook *hook = x->hook = &chain->hooks[x->next++];
		enum weir_verdict verdict = hook->call(x, hook->settings, exchange_state(x, hook));

		if (verdict != WEIR_NEXT || x->wait != NULL)
			verdict = check(x, verdict);
		if (verdict != WEIR_NEXT || ((x->refused_memory || x->refused_value) && x->phase != WEIR_PHASE_LOG))
			return verdict;
	}
	return WEIR_NEXT;
}

static void finish(struct weir_exchange *);

static void
begin_phase(struct weir_exchange *x, enum weir_phase phase)
{
	x->phase = phase;
	x->next = x->chain->first[phase];
	if (phase == WEIR_PHASE_LOG) {	/* every log hook runs, whatever went wrong before; but clients alone are logged */
		x->refused_memory = x->refused_value = false;
		if (x->own != NULL)
			x->next = x->chain->first[phase + 1];
	}
	if (phase == WEIR_PHASE_PEER)
		origin_reset_peer(x);
}

/* Run phases until something must be awaited. `verdict` is what the waiting hook's resume brought, WEIR_NEXT otherwise. */
static void
advance(struct weir_exchange *x, enum weir_verdict verdict)
{
	enum weir_phase phase;

	assert(!x->running);
	x->running = true;
	for (;;) {
		if (verdict == WEIR_NEXT)
			verdict = run_hooks(x);
		if (verdict == WEIR_WAIT)
			break;
		if (x->phase == WEIR_PHASE_LOG) {
			finish(x);
			return;
		}
		phase = phase_after(x, verdict);
		if (phase == WEIR_PHASES)
			break;
		begin_phase(x, phase);
		verdict = WEIR_NEXT;
	}
	if (x->closing) {
		x->closing = false;
		begin_phase(x, WEIR_PHASE_LOG);
		run_hooks(x);
		finish(x);
		return;
	}
	x->running = false;
}

void
exchange_enter(struct weir_exchange *x, enum weir_phase phase)
{
	begin_phase(x, phase);
	advance(x, WEIR_NEXT);
}

void
exchange_go(struct weir_exchange *x, enum weir_phase phase)
{
	if (phase != WEIR_PHASES)
		exchange_enter(x, phase);
}

/* --- waits ---------------------------------------------------------------------------------------------------------------- */

bool
exchange_is_waiting(const struct weir_exchange *x)
{
	return x->wait != NULL;
}

void
exchange_wait(struct weir_exchange *x, struct wait *w)
{
	x->wait = w;
}

void
exchange_resume(struct weir_exchange *x, enum weir_verdict verdict)
{
	x->wait = NULL;
	if (x->stage == STAGE_BODY) {	/* it is the source that waited */
		if (verdict == WEIR_NEXT || verdict == WEIR_AGAIN)
			exchange_go(x, download_relay(x));
		else
			exchange_abort(x, "the source of the response failed");
	} else if (verdict == WEIR_AGAIN) {
		x->next--;
		advance(x, WEIR_NEXT);
	} else {
		advance(x, check(x, verdict));
	}
}

void
exchange_wait_expired(struct weir_exchange *x, enum weir_verdict late)
{
	if (x->phase == WEIR_PHASE_ACCESS && late != WEIR_RESPOND)
		late = WEIR_FAIL;	/* a guard that cannot decide refuses */
	if (late == WEIR_FAIL && x->failure == NULL)
		x->failure = "a module's answer came too late";
	exchange_resume(x, late);
}

/* --- beginning -------------------------------------------------------------------------------------------------------------- */

uint64_t
exchange_clock(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void
exchange_discard(struct weir_exchange *x)
{
	struct thread *t = x->thread;
	struct hold *hold = x->hold;

	counter_add(&t->counters, COUNT_REQUESTS_ACTIVE, -1);
	x->client->exchange = NULL;
	outlet_free(&x->out);
	arena_free(&x->arena);
	slab_put(&t->exchanges, x);
	thread_release(t, hold);
}

struct weir_exchange *
exchange_create(struct weir_connection *c, struct hold *hold, const struct listen *listen, const struct http1_limits *limits)
{
	struct thread *t = c->thread;
	struct weir_exchange *x = slab_take(&t->exchanges);

	if (x == NULL) {
		thread_release(t, hold);
		return NULL;
	}
	memset(x, 0, offsetof(struct weir_exchange, request));
	fields_init(&x->sent.fields, NULL);	/* there is none yet */
	x->thread = t;
	x->client = c;
	x->hold = hold;
	x->generation = hold->generation;
	x->listen = listen;
	x->chain = listen != NULL ? &listen->chain : NULL;
	x->limits = *limits;
	x->phase = WEIR_PHASES;
	x->scheme = c->termination == NULL ? "http" : "https";
	x->begun = exchange_clock();
	memcpy(&x->address, &c->address, sizeof(x->address));
	outlet_init(&x->out);
	if (c->gathered != NULL) {
		outlet_take(&x->out, c->gathered);
		c->gathered = NULL;
	}
	arena_init_with(&x->arena, &t->exchanges, EXCHANGE_MEMORY, x->room, EXCHANGE_SIZE - sizeof(*x));
	request_init(&x->request, &x->arena);
	response_init(&x->response, &x->arena);
	c->exchange = x;
	counter_add(&t->counters, COUNT_REQUESTS_ACTIVE, 1);
	if (x->generation->request_size > 0) {
		x->states = arena_zalloc(&x->arena, x->generation->request_size);
		if (x->states == NULL) {
			exchange_discard(x);
			return NULL;
		}
	}
	return x;
}

/* Move the head into the arena, where it stays while buffers come and go, and parse it there. 0, or minus the status to
 * answer. */
static int
parse(struct weir_exchange *x, size_t length, const char **why)
{
	struct buffer *in = x->client->in;
	char *head = arena_alloc(&x->arena, length);
	int used;

	*why = "no memory";
	if (head == NULL)
		return -503;
	memcpy(head, in->from, length);
	used = http1_parse_request(&x->request, head, length, 0, &x->limits, &x->arena, why);
	if (used < 0)
		return used;
	if ((size_t)used != length) {
		*why = "the head's end is ambiguous";
		request_init(&x->request, &x->arena);
		return -400;
	}
	in->from += length;
	if (in->from == in->to)
		buffer_free(&x->client->in);
	/* Now, before any module adds a field that the client might have nominated. */
	return fields_strip_hop_by_hop(&x->request.fields, true, why) ? 0 : -400;
}

void
exchange_refuse(struct weir_exchange *x, int status, const char *why)
{
	struct thread *t = x->thread;

	counter_add(&t->counters, status == 503 ? COUNT_MEMORY_REFUSED : status == 414 || status == 431 ? COUNT_LIMITED
		: COUNT_REQUESTS_MALFORMED, 1);
	x->keep = false;
	body_init(&x->upload, FRAMING_NONE, 0, FRAMING_NONE);
	exchange_go(x, exchange_fail(x, status, why));
}

/* Who was let in for one name is not therefore let in for another (RFC 9110, 7.4). The target of CONNECT is no host of ours. */
static bool
is_misdirected(const struct weir_exchange *x)
{
	return x->listen->settings.same_host && x->request.method != METHOD_CONNECT && *x->request.host != '\0'
		&& !place_serves(x->client->termination, &x->generation->certificates, x->request.host,
			x->listen->settings.strict_sni);
}

bool
exchange_open(struct weir_connection *c, size_t length, const struct http1_limits *limits, int status, const char *why)
{
	struct weir_exchange *x = exchange_create(c, thread_hold(c->thread), c->listener->listen, limits);

	if (x == NULL)
		return false;
	counter_add(&c->thread->counters, COUNT_REQUESTS, 1);
	if (status == 0)
		status = -parse(x, length, &why);
	x->first_path = x->request.path;
	x->first_query = x->request.query;
	if (status == 0 && c->termination != NULL && is_misdirected(x)) {
		status = 421;
		why = "the host has another certificate than the name that the client asked for in TLS";
	}
	if (status != 0) {
		exchange_refuse(x, status, why);
		return true;
	}
	x->keep = x->request.keep_alive && !x->thread->draining
		&& (x->listen->settings.keepalive_requests == 0 || c->requests < x->listen->settings.keepalive_requests);
	body_init(&x->upload, x->request.framing, x->request.length, x->request.framing);
	x->replayable = true;
	exchange_enter(x, WEIR_PHASE_REQUEST);
	return true;
}

/* --- the end
 * ------------------------------------------------------------------------------------------------------------------ */

static void
count_status(struct weir_exchange *x)
{
	static const enum counter by_class[] = { COUNT_RESPONSES_2XX, COUNT_RESPONSES_2XX, COUNT_RESPONSES_2XX,
		COUNT_RESPONSES_3XX, COUNT_RESPONSES_4XX, COUNT_RESPONSES_5XX };
	int class = x->response.status / 100;

	if (x->own != NULL)
		return;
	if (x->head_sent && class >= 1 && class <= 5)
		counter_add(&x->thread->counters, by_class[class], 1);
	counter_add(&x->thread->counters, COUNT_BYTES_RECEIVED, (int64_t)x->upload.bytes);
	counter_add(&x->thread->counters, COUNT_BYTES_SENT, (int64_t)x->download.bytes);
}

/* Everything is said and logged: free it, and let the client go on. */
static void
finish(struct weir_exchange *x)
{
	struct weir_connection *c = x->client;
	struct thread *t = x->thread;
	enum client_end end = x->end;
	struct hold *hold = x->hold;

	count_status(x);
	origin_drop(x);
	if (x->own != NULL)
		own_end(x);
	/* The last: whoever sees none under way finds all the others told. */
	counter_add(&t->counters, COUNT_REQUESTS_ACTIVE, -1);
	exchange_want_write(x, false);
	if (x->gathers)
		c->gathered = outlet_give(&x->out);
	outlet_free(&x->out);
	source_drop(x);
	c->exchange = NULL;
	arena_free(&x->arena);
	slab_put(&t->exchanges, x);
	thread_release(t, hold);
	client_next(c, end);
}

void
exchange_close(struct weir_exchange *x, enum client_end end)
{
	assert(!x->logged);
	x->logged = true;
	x->end = end;
	exchange_leave_wait(x);
	origin_release(x);
	if (x->running) {	/* the loop sees it when it is back */
		x->closing = true;
		return;
	}
	exchange_enter(x, WEIR_PHASE_LOG);
}

void
exchange_abort(struct weir_exchange *x, const char *cause)
{
	if (x->failure == NULL)
		x->failure = cause;
	origin_drop(x);
	if (!x->logged)
		exchange_close(x, CLIENT_RESET);
}
