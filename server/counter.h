/* SPDX-License-Identifier: Apache-2.0 */
/*
 * counter: what the core counts, one cell a thread, read by the main thread.
 *
 * Only the owning thread writes its cells, so an increment is a plain load and store; relaxed atomics make the reads of
 * others well-defined. The list below is all there is: name, kind and text of each come from here.
 */
#ifndef WEIR_SERVER_COUNTER_H
#define WEIR_SERVER_COUNTER_H

#include <stdatomic.h>
#include <stdint.h>

#define COUNTERS(X) \
	X(CLIENT_CONNECTIONS, "client_connections", GAUGE, "Client connections that are open.") \
	X(CLIENT_ACCEPTED, "client_accepted_total", COUNTER, "Client connections that were accepted.") \
	X(CLIENT_REFUSED, "client_refused_total", COUNTER, "Client connections closed at once: over a limit, or refused by a " \
		"module.") \
	X(HANDSHAKES, "tls_handshakes_total", COUNTER, "TLS handshakes with clients that were done whole.") \
	X(HANDSHAKES_RESUMED, "tls_resumed_total", COUNTER, "TLS handshakes that resumed a session.") \
	X(HANDSHAKES_FAILED, "tls_failed_total", COUNTER, "TLS handshakes that failed; the log says why at the level debug.") \
	X(ACCEPT_FAILED, "accept_failed_total", COUNTER, "Failures to accept, such as running out of file descriptors.") \
	X(REQUESTS, "requests_total", COUNTER, "Requests whose head was read.") \
	X(REQUESTS_ACTIVE, "requests_active", GAUGE, "Requests that are being served.") \
	X(REQUESTS_MALFORMED, "requests_malformed_total", COUNTER, "Requests refused by the parser.") \
	X(RESPONSES_2XX, "responses_2xx_total", COUNTER, "Responses with a status of 1xx or 2xx.") \
	X(RESPONSES_3XX, "responses_3xx_total", COUNTER, "Responses with a status of 3xx.") \
	X(RESPONSES_4XX, "responses_4xx_total", COUNTER, "Responses with a status of 4xx.") \
	X(RESPONSES_5XX, "responses_5xx_total", COUNTER, "Responses with a status of 5xx.") \
	X(CLIENT_GONE, "client_gone_total", COUNTER, "Exchanges whose client went before the end.") \
	X(CLIENT_TIMEOUT, "client_timeout_total", COUNTER, "Client connections closed by a deadline or a minimum rate.") \
	X(LIMITED, "limited_total", COUNTER, "Requests refused by a limit on their size.") \
	X(MEMORY_REFUSED, "memory_refused_total", COUNTER, "Requests that found no memory within the bound.") \
	X(UPSTREAM_DIALLED, "upstream_dialled_total", COUNTER, "Upstream connections that were opened.") \
	X(UPSTREAM_REUSED, "upstream_reused_total", COUNTER, "Requests sent on a pooled upstream connection.") \
	X(UPSTREAM_SHELVED, "upstream_shelved_total", COUNTER, "Upstream connections taken from the shelf that threads share.") \
	X(UPSTREAM_FAILED, "upstream_failed_total", COUNTER, "Attempts at an upstream that failed before a response.") \
	X(UPSTREAM_RETRIED, "upstream_retried_total", COUNTER, "Requests sent again.") \
	X(UPSTREAM_MALFORMED, "upstream_malformed_total", COUNTER, "Responses refused by the parser.") \
	X(UPSTREAM_TRUNCATED, "upstream_truncated_total", COUNTER, "Responses that ended before their body was whole.") \
	X(UPSTREAM_IDLE, "upstream_idle", GAUGE, "Upstream connections that wait in the threads' pools.") \
	X(RESUMED_LATE, "resumed_late_total", COUNTER, "Calls to weir_resume with a spent or late token.") \
	X(VERDICT_REFUSED, "verdict_refused_total", COUNTER, "Verdicts that their phase does not allow.") \
	X(FIELD_REFUSED, "field_refused_total", COUNTER, "Edits by modules of fields that are the core's.") \
	X(TUNNELS, "tunnels_total", COUNTER, "Connections that became a tunnel after 101.") \
	X(ERRANDS, "errands_total", COUNTER, "Requests that modules sent without a client.") \
	X(ERRANDS_ACTIVE, "errands_active", GAUGE, "Requests without a client that are under way.") \
	X(ERRANDS_REFUSED, "errands_refused_total", COUNTER, "Requests without a client that were too many.") \
	X(BODIES_TAKEN, "bodies_taken_total", COUNTER, "Bodies of origins that modules took from their exchange.") \
	X(BODIES_TAKEN_ACTIVE, "bodies_taken_active", GAUGE, "Bodies that modules took and that are still coming.") \
	X(BODIES_TAKEN_REFUSED, "bodies_taken_refused_total", COUNTER, \
		"Bodies that were not given to modules: they were too many.") \
	X(BYTES_RECEIVED, "client_received_bytes_total", COUNTER, "Bytes of request bodies.") \
	X(BYTES_SENT, "client_sent_bytes_total", COUNTER, "Bytes of response bodies.")

enum counter {
#define X(ID, NAME, KIND, DOC) COUNT_##ID,
	COUNTERS(X)
#undef X
	COUNTS
};

struct counters {
	_Atomic uint64_t cell[COUNTS];
};

static inline void
counter_add(struct counters *c, enum counter which, int64_t amount)
{
	uint64_t value = atomic_load_explicit(&c->cell[which], memory_order_relaxed);

	atomic_store_explicit(&c->cell[which], value + (uint64_t)amount, memory_order_relaxed);
}

static inline uint64_t
counter_read(const struct counters *c, enum counter which)
{
	return atomic_load_explicit(&c->cell[which], memory_order_relaxed);
}

#endif
