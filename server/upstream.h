/* SPDX-License-Identifier: Apache-2.0 */
/*
 * upstream: a connection to a server, and how it comes to be.
 *
 * While an exchange uses it, its events go to that exchange (origin.c); idle, it belongs to the thread's pool (pool.h), its
 * read event still added, so that a server's close is noticed.
 */
#ifndef WEIR_SERVER_UPSTREAM_H
#define WEIR_SERVER_UPSTREAM_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <sys/queue.h>
#include <weir/peer.h>

#include "outlet.h"
#include "turn.h"
#include "wheel.h"
#include "wire.h"

struct buffer;
struct dial;
struct pool;
struct thread;
struct weir_exchange;

struct upstream {
	struct event read, write;
	struct deadline deadline;
	TAILQ_ENTRY(upstream) in_pool, in_thread;	/* while idle; oldest first */
	struct thread *thread;
	struct pool *pool;
	struct weir_exchange *exchange;		/* NULL: idle */
	struct dial *dial;			/* while connecting */
	struct outlet out;
	struct buffer *in;			/* received and not consumed */
	struct wire wire;
	int64_t judged;				/* with TLS: when the server's certificate was (tls_client.h) */
	uint32_t requests;			/* that it has served, the running one included */
	uint32_t seen;				/* bytes of an unfinished head that were scanned */
	bool reading, writing;			/* its events are added */
	bool eof;				/* the server will send no more */
	struct turn_places places;		/* it has received a response; has queued a request */
	bool ticket_kept;			/* its TLS session is with the pool, for the next connection to resume */
};

enum upstream_result { UPSTREAM_READY, UPSTREAM_PENDING, UPSTREAM_FAILED };

/*
 * Get the exchange a connection to its peer: x->upstream. READY: at once (pooled, if `pooled` allows it, or connected);
 * PENDING: exchange_connected or exchange_unconnected will be called; FAILED: x->peer_failure says why.
 */
enum upstream_result upstream_obtain(struct weir_exchange *, bool pooled);

/* Adopt a connected socket, or one that connects. NULL without memory (the socket is closed). */
struct upstream *upstream_adopt(struct thread *, struct pool *, struct wire);

/* Close and free; *u becomes NULL. */
void upstream_close(struct upstream **);

bool upstream_want_read(struct upstream *, bool wanted);
bool upstream_want_write(struct upstream *, bool wanted);

/* Is it still open, and silent? One system call; with TLS one more if there is something, which may be a new ticket or key. */
bool upstream_is_alive(struct upstream *);

/* Was nothing heard of it, neither in this turn of the loop nor since its reads were last wanted? No system call if so; else
 * as above. */
bool upstream_is_silent(struct upstream *);

/* It has served, and may have brought what lets the next TLS session with its server resume: keep that in the pool. */
void upstream_keep_ticket(struct upstream *);

#endif
