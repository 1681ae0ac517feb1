/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exchange: one request and its response, from the head's first byte to the log.
 *
 * The exchange runs the phases (exchange.c) and stands between two connections: its client's, and the one to an origin that
 * it may get (origin.c). Bodies flow through it both ways (upload.c, download.c); the response to the client is begun in
 * answer.c. It owns an arena, in which all that belongs to the request dies with it, the connection to the origin while it
 * uses that, and what is queued for the client. It holds a generation. It belongs to the client's thread, like all it
 * touches.
 *
 * Functions that may end the exchange return the phase to go on with, or WEIR_PHASES when there is nothing to do but to wait
 * for an event; the exchange may be gone then, so that a caller returns at once. Those that events call hand it to exchange_go.
 */
#ifndef WEIR_SERVER_EXCHANGE_H
#define WEIR_SERVER_EXCHANGE_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdint.h>
#include <weir/module.h>
#include <weir/stream.h>

#include "arena.h"
#include "body.h"
#include "client.h"
#include "generation.h"
#include "http1.h"
#include "message.h"
#include "outlet.h"
#include "thread.h"
#include "upstream.h"
#include "wait.h"

enum {
	EXCHANGE_SIZE = 8 * 1024,	/* with the first part of its arena */
	EXCHANGE_MEMORY = 2 * 1024 * 1024,	/* bound of the arena */
	EXCHANGE_RESERVE = 64 * 1024,	/* beyond it: to say that it was reached */
	REPLAY_SIZE = 16 * 1024,	/* a request body up to this can be sent again */
	TRIED_MAX = 16,			/* servers that are remembered */
	REWRITES_MAX = 10,
	INTERIM_MAX = 16		/* 1xx responses of one exchange */
};

/* What the client's side of the exchange waits for. */
enum exchange_stage {
	STAGE_PHASES,	/* hooks run, or wait; a connection is being made */
	STAGE_HEAD,	/* the request is sent; the response's head is awaited */
	STAGE_BODY,	/* the response goes to the client */
	STAGE_DRAIN,	/* the response is sent; the rest of the request's body is thrown away */
	STAGE_TUNNEL	/* after 101, or for CONNECT: bytes, both ways */
};

/* A body that a module gives piece by piece (source.c). */
struct source {
	weir_source *next;		/* NULL: there is none */
	void (*release)(void *argument);
	void *argument;
	const struct hook *hook;	/* whose it is */
	bool ended;			/* the last piece was given */
};

/* What an exchange without a client has instead (own.c). */
struct own {
	struct weir_sink sink;
	enum own_kind kind;
	/* Whose errand it is; NULL: a body that left its exchange, or an errand without a model. */
	const struct module *module;
	const struct weir_server *server;	/* to ask this one */
	bool connect_only;		/* its end is the connection */
	struct buffer *held;		/* what the sink is to be given again; may be NULL for an empty last piece */
	bool holds, held_last;
};

struct weir_exchange {
	struct thread *thread;
	struct weir_connection *client;
	struct hold *hold;
	const struct generation *generation;
	const struct listen *listen;
	const struct weir_route *route;
	const struct chain *chain;
	struct arena arena;
	char *states;			/* of modules, generation->request_size bytes */

	/* the phases */
	const struct hook *hook;	/* the running or waiting one; whose it is, is who calls the accessors */
	struct wait *wait;
	enum weir_phase phase;
	uint16_t next;			/* index of the hook to run next */
	uint8_t rewrites;
	bool running;			/* advance is at work further up the stack */
	union {
		struct {
			bool rewritten;		/* route and access must run again */
			bool refused_memory;	/* a hook found none: answer 503 */
			bool refused_value;	/* a hook set something malformed: answer failure_status */
		};
		uint32_t marks;			/* all that a hook may have left; nearly always nothing */
	};
	bool failed;			/* the phase error has been entered */
	bool plain;			/* its answer failed as well: a plain page follows that no hook sees */
	bool responded;			/* a response is set */
	bool logged, closing;		/* exchange_close was called; its log phase is still to run */
	bool gathers;			/* its response leaves with others (gathered.h) */
	bool keeps_going;		/* though its client may go, until the response begins */
	bool left;			/* by its client, and kept going */
	enum client_end end;

	/* the client's side */
	const char *first_path, *first_query;	/* before any rewrite */
	enum exchange_stage stage;
	struct body upload;		/* its body, towards the origin */
	struct outlet out;
	bool write_ready, writing;	/* `write` is assigned; added */
	bool keep;			/* the connection may serve another request */
	bool head_sent;			/* of the final response */
	bool upload_changes, download_changes;	/* a module changes lengths */
	const char *scheme;

	/* the origin's side */
	const struct weir_upstream *upstream_section;
	const struct weir_server *server;
	struct weir_peer peer;
	struct dial *dial;
	struct upstream *upstream;
	unsigned tried_count, attempts;
	enum weir_peer_failure peer_failure;
	int peer_error;
	const char *peer_cause;		/* more than these say, or NULL */
	bool reused, redialled;
	bool up_closed, down_closed;	/* a tunnel's ends that were passed on */
	bool upload_broken;		/* the origin takes no more of it */
	bool sent_any;			/* of this request, something has gone to an origin */
	uint8_t interims;
	char *replay;			/* what was sent of the body, for sending it again */
	uint32_t replay_length, replay_room;
	bool replayable;

	/* the response */
	struct body download;
	const char *protocol;		/* that the origin switched to (101) */
	const char *memory;		/* a body from memory, or a source's piece, and what is left of it */
	size_t memory_left;
	struct buffer *piece;		/* stands for what is sent by reference */
	struct source source;
	struct own *own;		/* it has no client */
	int response_version;		/* of the origin's; 0: it is ours */

	/* a tunnel that no origin was asked for */
	struct weir_tunnel tunnel;	/* its bounds */
	int64_t tunnel_end;		/* when it must be over; 0: never */
	bool tunnels;			/* the exchange is to become one (weir_tunnel) */
	bool bare;			/* without HTTP: TLS that is passed through */
	bool opened;			/* the response is its beginning */
	bool greeted;			/* the client's ClientHello was looked at */

	/* what is counted */
	const char *failure, *id;
	int failure_status;
	uint64_t begun;			/* nanoseconds, monotonic */
	uint64_t rate_mark;		/* body bytes at the last look at the rate */
	int64_t rate_time;

	/* what is set before it is read, and not zeroed for each request */
	struct request request;
	struct request sent;		/* the request as the origin gets it */
	struct response response;
	struct http1_limits limits;
	const struct weir_server *tried[TRIED_MAX];	/* tried_count of them */
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} address;			/* the client's, as a trusted module may have set it */
	struct event write;		/* if write_ready */

	char room[];			/* the arena's first part */
};

/* --- life (exchange.c) ------------------------------------------------------------------------------------------------ */

/* An exchange for this client in this generation, a hold of which it takes over in every case. NULL without memory. */
struct weir_exchange *exchange_create(struct weir_connection *, struct hold *, const struct listen *,
	const struct http1_limits *);

/* Free one of which nothing has run yet; its client is without. */
void exchange_discard(struct weir_exchange *) __attribute__((cold));

/* Begin: the client has a whole head of `length` bytes in c->in, or `status` is the error to answer. False without memory. */
bool exchange_open(struct weir_connection *, size_t length, const struct http1_limits *, int status, const char *why);

/* What came cannot be served: answer this status. */
void exchange_refuse(struct weir_exchange *, int status, const char *why) __attribute__((cold));

/* Enter a phase and go on as far as possible; may end the exchange. exchange_go does so unless the phase is WEIR_PHASES. */
void exchange_enter(struct weir_exchange *, enum weir_phase);
void exchange_go(struct weir_exchange *, enum weir_phase);

/* It went wrong (phase.c): this status is to be answered (unless a hook named another), or, once the response has begun, cut
 * off. */
enum weir_phase exchange_fail(struct weir_exchange *, int status, const char *cause) __attribute__((cold));

/* The client is gone, or must be told that its response is cut off: log and end. Ends the exchange and the client. */
void exchange_abort(struct weir_exchange *, const char *cause) __attribute__((cold));

/* The response is sent, or cut off: log, free, and let the client go on as told. Ends the exchange. */
void exchange_close(struct weir_exchange *, enum client_end);

/* Nanoseconds of a clock that never goes back. */
uint64_t exchange_clock(void);

/* The struct of this request that belongs to the hook's module; NULL when it has none. */
static inline void *
exchange_state(const struct weir_exchange *x, const struct hook *hook)
{
	return hook->state == HOOK_STATELESS ? NULL : x->states + hook->state;
}

static inline struct thread *
exchange_thread(struct weir_exchange *x)
{
	return x->thread;
}

/* A module set what cannot be: the request fails, with the module's name in the log (view.c). */
void view_refuse(struct weir_exchange *, const char *what, const char *why) __attribute__((cold));

/* --- waits (exchange.c) --------------------------------------------------------------------------------------------------- */

bool exchange_is_waiting(const struct weir_exchange *);
void exchange_wait(struct weir_exchange *, struct wait *);
void exchange_leave_wait(struct weir_exchange *);	/* ends a wait under way, calling its cancel */
void exchange_resume(struct weir_exchange *, enum weir_verdict);
void exchange_wait_expired(struct weir_exchange *, enum weir_verdict late);

/* --- the origin's side (origin.c) --------------------------------------------------------------------------------------- */

/* After the phase peer: get a connection. */
enum weir_phase origin_connect(struct weir_exchange *);

/* Make the request that the origin will see: before the phase upstream_request. False: it cannot be (see failure). */
bool origin_prepare(struct weir_exchange *);

/* Send it, and wait for the response. */
enum weir_phase origin_send(struct weir_exchange *);

/* Give the connection up: to the pool if it can serve another request, else closed; or closed in any case. */
void origin_release(struct weir_exchange *);
void origin_drop(struct weir_exchange *);

/* May the request be sent (again)? */
bool origin_may_retry(const struct weir_exchange *);

/* The peer as the route's upstream has it: at the beginning of the phase peer. */
void origin_reset_peer(struct weir_exchange *);

/* Put the logical host into the peer where TLS goes by it (peer.c). False without memory. */
bool peer_name(struct weir_exchange *);

/* The connection has broken before a response's head came. */
enum weir_phase origin_lost(struct weir_exchange *, enum weir_peer_failure, const char *cause) __attribute__((cold));

/* What dials and connections report. */
void exchange_connected(struct weir_exchange *);
void exchange_unconnected(struct weir_exchange *);
void exchange_upstream_readable(struct weir_exchange *);
void exchange_upstream_writable(struct weir_exchange *);
void exchange_upstream_deadline(struct weir_exchange *);

/* --- bodies (filter.c, upload.c, download.c, rate.c; events: relay.c) ----------------------------------------------- */

/* As far as possible: client to origin; origin, source or memory to client (or sink); client to nowhere. */
enum weir_phase upload_relay(struct weir_exchange *);
enum weir_phase download_relay(struct weir_exchange *);
enum weir_phase upload_drain(struct weir_exchange *);

/* While hooks waited nobody moved the upload: have its events again. */
bool upload_resume(struct weir_exchange *);


/* Send a head (in t->scratch; length 0: none) and a chain of buffers, through hooks and framing; with `last`, the body's end.
 * The buffers are taken over. OUTLET_REFUSED when a hook failed, as x->failure says. */
enum outlet_result filter_send(struct weir_exchange *, enum weir_phase, size_t length, struct buffer *content, bool last);

/* The client sends its body only once the origin has said 100 (RFC 9110, 10.1.1): it is the origin's turn. */
static inline bool
exchange_awaits_continue(const struct weir_exchange *x)
{
	return x->request.expect_continue && x->interims == 0 && x->upload.bytes == 0;
}

/* Take what has been received of the upload: *content is NULL where there is none. 0, or the status to answer (x->failure
 * says why). */
int upload_take(struct weir_exchange *, struct buffer **content);

/* From now on the client must keep to the route's minimum rate. */
void rate_watch(struct weir_exchange *);
void rate_watch_total(struct weir_exchange *);	/* and to its total_timeout */

/* After what happened to the client's outlet: wait for it to be writable, or no longer. */
bool exchange_want_write(struct weir_exchange *, bool wanted);

/* Send what is queued for the client, though the response has not come to that yet. */
void exchange_flush(struct weir_exchange *);

/* What the client's connection reports. */
void exchange_client_readable(struct weir_exchange *);
void exchange_client_deadline(struct weir_exchange *);

/* --- sources (source.c) ----------------------------------------------------------------------------------------------------- */

/* Ask for the next piece: x->memory, or the body's end. 1: asked; 0: nothing yet, it waits; -1: it failed, and *why says how. */
int source_ask(struct weir_exchange *, const char **why);

/* The source is no longer needed, nor is anything that it gave. */
void source_drop(struct weir_exchange *);

/* What is left of x->memory, of which `length` bytes are taken, as a buffer: by reference where no framing goes around it. NULL
 * without memory. */
struct buffer *source_take(struct weir_exchange *);

/* --- without a client (own.c)
 * ------------------------------------------------------------------------------------------------ */

/* After the phase store: the body goes to the sink. */
enum weir_phase own_receive(struct weir_exchange *);

/* Give the sink its content, which is freed. OUTLET_REFUSED: no more is wanted. OUTLET_QUEUED: it is held until the sink
 * resumes, and given again then. */
enum outlet_result own_take(struct weir_exchange *, struct buffer *content, bool last);
enum outlet_result own_take_again(struct weir_exchange *);

/* The exchange ends: tell the sink. */
void own_end(struct weir_exchange *);

/* --- TLS that is passed through (passthrough.c)
 * ------------------------------------------------------------------------------- */

/* Begin: a whole ClientHello lies in c->in, or what cannot become one. False without memory. */
bool passthrough_open(struct weir_connection *, const struct http1_limits *);

/* Instead of a response: an alert. */
enum weir_phase passthrough_answer(struct weir_exchange *);

/* --- tunnels (tunnel.c)
 * ------------------------------------------------------------------------------------------------------ */

/* The peer of a CONNECT is there: what is answered, and the phase to go on with. */
enum weir_phase tunnel_open(struct weir_exchange *);

/* After 101, or after tunnel_open: send the head and move bytes. */
enum weir_phase tunnel_begin(struct weir_exchange *);
enum weir_phase tunnel_relay(struct weir_exchange *);

/* It was silent for too long, or is over its time. */
void tunnel_expire(struct weir_exchange *);

/* --- the response (answer.c)
 * ------------------------------------------------------------------------------------------------- */

/* Set a response from memory, dropping what was set before. */
void answer_set(struct weir_exchange *, int status, const char *type, const char *body, size_t length);
void answer_error(struct weir_exchange *) __attribute__((cold));	/* a plain page for failure_status */

/* After the phase response: send the head and begin the body. */
enum weir_phase answer_begin(struct weir_exchange *);

/* Pass an interim response (1xx) on. False: the client is gone. */
bool answer_interim(struct weir_exchange *, struct response *);

#endif
