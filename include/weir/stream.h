/* SPDX-License-Identifier: Apache-2.0 */
/*
 * weir/stream.h: bodies that modules give and take, and requests without a client.
 *
 * A source gives a response's body piece by piece, when the client can take more. A sink takes a body from an origin, piece by
 * piece, without a client that could slow it down. An errand is a request that Weir makes itself. All of it runs on the
 * event thread of the exchange that began it; nothing here blocks, and nothing is copied that need not be.
 */
#ifndef WEIR_STREAM_H
#define WEIR_STREAM_H

#include <weir/build.h>
#include <weir/exchange.h>
#include <weir/module.h>

/* --- sources --------------------------------------------------------------------------------------------------- */

/* Give the next piece: point the chunk at it, and set `last` with the last one, which alone may be empty. The bytes are
 * borrowed: until the source is asked again, or released. Returns
 *	WEIR_NEXT	there is a piece;
 *	WEIR_WAIT	there is none yet: weir_wait was called; the source is asked again after weir_resume(token, WEIR_NEXT),
 *			or at its deadline, if `late` was WEIR_NEXT; WEIR_FAIL in either is as below;
 *	WEIR_FAIL	the body breaks off: the client is cut off, so that it does not take a part for the whole.
 * Trailers (WEIR_TRAILERS) may be added before the last piece is given. */
typedef enum weir_verdict weir_source(struct weir_exchange *, void *argument, struct weir_chunk *);

/* Set a whole response whose body comes from a source: afterwards return WEIR_RESPOND. Like weir_respond otherwise. `length`
 * is that of the body, which the source must keep to; -1: unknown (chunked). `release` is called once, when nothing of what
 * the source gave is needed any more: at the exchange's end, also where the source was never asked, or when another response
 * is set. It may be NULL. */
WEIR_API void weir_respond_source(struct weir_exchange *, int status, int64_t length, weir_source *,
	void (*release)(void *argument), void *argument);

/* Give the response, just set, fields that are written already: lines "Name: value" CRLF, valid (RFC 9110, 5.5), without framing
 * and connection fields. Borrowed: until the exchange ends. They stand before fields that are added, and cost nothing until
 * somebody looks at the response's fields. */
WEIR_API void weir_respond_lines(struct weir_exchange *, const char *lines, size_t length);

/* --- sinks ----------------------------------------------------------------------------------------------------- */

struct weir_sink {
	/* The next bytes of the body, valid in this call; `last` with the last, which may be empty. The exchange is the one
	 * that receives it, not the client's. May be NULL. Returns
	 *	WEIR_NEXT	they are taken;
	 *	WEIR_WAIT	not now: weir_wait was called; the same bytes are given again after weir_resume(token,
	 *			WEIR_NEXT), and the origin waits meanwhile; WEIR_FAIL in its place is as below;
	 *	WEIR_FAIL	no more is wanted: the connection to the origin is closed, and `end` told that it failed. */
	enum weir_verdict (*take)(struct weir_exchange *, void *argument, const struct weir_chunk *);
	/* It is over, called exactly once: weir_failure is NULL when the body came whole; weir_status and fields,
	 * WEIR_TRAILERS too, may be asked for. May be NULL. */
	void (*end)(struct weir_exchange *, void *argument);
	void *argument;
};

/* In the phase store: let the body go its own way. The origin's connection leaves the exchange and its body goes to the sink,
 * whatever becomes of the client; body hooks do not see it there. Set a response now (from a source, say) and return
 * WEIR_RESPOND. What has come already is given to the sink before this returns. `limit` is in milliseconds, for the whole
 * body; 0: none. False, with nothing changed, when the request's body is not sent yet, or there is no memory, or too many
 * bodies are on their own. */
WEIR_API bool weir_take_body(struct weir_exchange *, const struct weir_sink *, int64_t limit);

/* From here up to the phase store, go on though the client has gone: somebody else waits for the outcome. */
WEIR_API void weir_keep_going(struct weir_exchange *);

/* --- errands --------------------------------------------------------------------------------------------------- */

/* A request that Weir makes itself. Its phases begin with peer, end with store, and are those of the route; it has no client,
 * no log phase, and what modules remembered in earlier phases it has not. All texts are copied. */
struct weir_errand {
	const char *method;			/* NULL: the model's, or GET */
	const char *authority, *target;		/* NULL: the model's; without a model they must be there */
	const struct weir_upstream *upstream;	/* NULL: the model's route's */
	/* Ask this one: no hook runs but those of the phase peer that say how it is reached (leads_errands), with the
	 * upstream's settings; NULL: the phases choose. */
	const struct weir_server *server;
	/* End once there is a new connection, with TLS if the upstream has it: nothing is sent. */
	bool connect_only;
	/* Lines "Name: value" CRLF, valid, instead of the model's; NULL: the model's, or none. */
	const char *fields;
	int64_t limit;				/* milliseconds for all of it, at least 1 */
	struct weir_sink sink;			/* its body goes here, unless a module takes it or responds */
};

/* Send it. The model, a running exchange of this thread, lends route, address and what the errand leaves open; it may be NULL
 * when there are upstream, server, authority and target. It begins after the calling hook has returned. False when it is
 * malformed, or there is no memory, or too many are under way (1024 on a thread): then nothing was done and the sink is not
 * told. */
WEIR_API bool weir_send_errand(struct weir_thread *, struct weir_exchange *model, const struct weir_errand *);

/* The thread of an exchange, for weir_send_errand. */
WEIR_API struct weir_thread *weir_exchange_thread(struct weir_exchange *);

/* The argument of the sink, if the exchange is an errand of the calling module; else NULL. */
WEIR_API void *weir_errand_argument(struct weir_exchange *);

/* Has it no client, and never had one? For hooks that count clients. */
WEIR_API bool weir_is_errand(struct weir_exchange *);

#endif
