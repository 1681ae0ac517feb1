/* SPDX-License-Identifier: Apache-2.0 */
/*
 * phase: which phase follows. See phase.h.
 *
 * Each rule returns the phase to go on with, or WEIR_PHASES where something must be awaited or the exchange is over.
 */
#include "phase.h"

#include <string.h>

#include "exchange.h"

/* What a failure becomes: the phase error, once; then the plain page; and a cut where the response has begun. */
enum weir_phase
exchange_fail(struct weir_exchange *x, int status, const char *cause)
{
	if (x->failure == NULL)
		x->failure = cause;
	if (x->failure_status == 0)
		x->failure_status = status;
	x->keep &= x->failure_status != 421;	/* it is the connection that is wrong (RFC 9110, 15.5.20) */
	origin_drop(x);
	exchange_leave_wait(x);
	if (x->head_sent || x->own != NULL) {
		exchange_abort(x, cause);
		return WEIR_PHASES;
	}
	x->stage = STAGE_PHASES;
	if (x->failed) {
		x->plain = true;
		answer_error(x);
		return answer_begin(x);
	}
	x->failed = true;
	x->responded = false;
	return WEIR_PHASE_ERROR;
}

/* The status of a failure that nobody named. */
static int
default_status(enum weir_phase phase)
{
	switch (phase) {
	case WEIR_PHASE_ACCESS:
		return 403;
	case WEIR_PHASE_PEER:
	case WEIR_PHASE_CONNECTED:
	case WEIR_PHASE_FAILED:
	case WEIR_PHASE_UPSTREAM_RESPONSE:
		return 502;
	default:
		return 500;
	}
}

static enum weir_phase
routed(struct weir_exchange *x)
{
	const struct route_settings *s;

	if (x->route == NULL)
		return exchange_fail(x, 404, "no route matches");
	x->chain = x->route->chain;
	s = &x->route->settings;
	x->upstream_section = s->upstream;
	if (s->body_size > 0 && x->upload.in == FRAMING_LENGTH && x->upload.left > s->body_size) {
		x->keep = false;
		counter_add(&x->thread->counters, COUNT_LIMITED, 1);
		return exchange_fail(x, 413, "the request's body is larger than body_size");
	}
	if (s->total_timeout > 0)
		rate_watch_total(x);
	return WEIR_PHASE_ACCESS;
}

static enum weir_phase
missed(struct weir_exchange *x)
{
	if (x->request.method == METHOD_CONNECT && !x->tunnels) {
		x->keep = false;
		return exchange_fail(x, 501, "CONNECT is not served here");
	}
	if (x->upstream_section == NULL)
		return exchange_fail(x, 404, "the route has no upstream, and no module answers");
	return WEIR_PHASE_PEER;
}

static enum weir_phase
stored(struct weir_exchange *x)
{
	if (x->responded)
		return x->own == NULL ? WEIR_PHASE_RESPONSE : own_receive(x);
	if (x->own == NULL)
		return exchange_fail(x, 500, "a module took the body of a response and set none instead");
	exchange_close(x, CLIENT_CLOSE);
	return WEIR_PHASES;
}

static enum weir_phase
unconnected(struct weir_exchange *x)
{
	switch (x->peer_failure) {
	case WEIR_PEER_TIMEOUT:
		return exchange_fail(x, 504, x->failure);
	case WEIR_PEER_FORBIDDEN:
		return exchange_fail(x, 403, x->failure);
	default:
		return exchange_fail(x, 502, x->failure);
	}
}

/* A resource of https is only for who has come by TLS (RFC 9110, 7.4), or to somebody before us who is trusted. */
static enum weir_phase
admitted(struct weir_exchange *x)
{
	const char *scheme = x->request.scheme;

	if (scheme != NULL && strcmp(scheme, "https") == 0 && strcmp(x->scheme, "https") != 0)
		return exchange_fail(x, 421, "the target is https, and the client has come without TLS");
	return WEIR_PHASE_CACHE;
}

/* What follows a phase whose hooks had nothing against it. */
static enum weir_phase
ended(struct weir_exchange *x)
{
	switch (x->phase) {
	case WEIR_PHASE_REQUEST:
		return WEIR_PHASE_ROUTE;
	case WEIR_PHASE_ROUTE:
		return routed(x);
	case WEIR_PHASE_ACCESS:
		return admitted(x);
	case WEIR_PHASE_CACHE:
		return missed(x);
	case WEIR_PHASE_PEER:
		return origin_connect(x);
	case WEIR_PHASE_CONNECTED:
		if (x->tunnels)
			return tunnel_open(x);
		if (x->own != NULL && x->own->connect_only) {
			exchange_close(x, CLIENT_CLOSE);
			return WEIR_PHASES;
		}
		return origin_prepare(x) ? WEIR_PHASE_UPSTREAM_REQUEST : exchange_fail(x, 503, "no memory for the request");
	case WEIR_PHASE_FAILED:
		return unconnected(x);
	case WEIR_PHASE_UPSTREAM_REQUEST:
		return origin_send(x);
	case WEIR_PHASE_UPSTREAM_RESPONSE:
		return x->response.status == 101 ? WEIR_PHASE_RESPONSE : WEIR_PHASE_STORE;
	case WEIR_PHASE_STORE:
		return stored(x);
	case WEIR_PHASE_ERROR:
		answer_error(x);
		return WEIR_PHASE_RESPONSE;
	case WEIR_PHASE_RESPONSE:
		return answer_begin(x);
	default:
		return WEIR_PHASES;
	}
}

static enum weir_phase __attribute__((cold))
retry(struct weir_exchange *x)
{
	if (!origin_may_retry(x))
		return exchange_fail(x, 502, "the request may not be sent again");
	origin_release(x);
	x->download.ended = false;
	x->stage = STAGE_PHASES;
	x->responded = false;
	x->failure = NULL;
	x->failure_status = 0;
	counter_add(&x->thread->counters, COUNT_UPSTREAM_RETRIED, 1);
	return WEIR_PHASE_PEER;
}

static enum weir_phase
respond(struct weir_exchange *x)
{
	if (x->own != NULL) {	/* there is nobody to hear it */
		exchange_close(x, CLIENT_CLOSE);
		return WEIR_PHASES;
	}
	if (!x->responded || x->response_version != 0)	/* the origin's is no module's */
		return exchange_fail(x, 500, "a module said RESPOND and set no response");
	origin_drop(x);
	return WEIR_PHASE_RESPONSE;
}

/* A rewrite after routing: the route, and who may use it, must be found again. */
static enum weir_phase __attribute__((cold))
reroute(struct weir_exchange *x)
{
	x->rewritten = false;
	if (++x->rewrites > REWRITES_MAX)
		return exchange_fail(x, 500, "the request was rewritten too often");
	x->route = NULL;
	x->tunnels = x->bare;	/* for the former target */
	x->chain = &x->listen->chain;
	return WEIR_PHASE_ROUTE;
}

enum weir_phase
phase_after(struct weir_exchange *x, enum weir_verdict verdict)
{
	if (verdict <= WEIR_DONE && x->marks == 0)
		return ended(x);
	if (x->refused_memory && x->phase != WEIR_PHASE_LOG) {
		x->refused_memory = false;
		x->arena.limit += EXCHANGE_RESERVE;
		counter_add(&x->thread->counters, COUNT_MEMORY_REFUSED, 1);
		return exchange_fail(x, 503, "no memory");
	}
	if (x->refused_value && x->phase != WEIR_PHASE_LOG) {
		x->refused_value = false;
		return exchange_fail(x, 500, x->failure);
	}
	switch (verdict) {
	case WEIR_RESPOND:
		return respond(x);
	case WEIR_RETRY:
		return retry(x);
	case WEIR_FAIL:
		return exchange_fail(x, default_status(x->phase), "a module failed the request");
	default:
		if (x->rewritten && (x->phase == WEIR_PHASE_ACCESS || x->phase == WEIR_PHASE_CACHE))
			return reroute(x);
		x->rewritten = false;
		return ended(x);
	}
}
