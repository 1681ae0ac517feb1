/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client: a connection from a client, in HTTP/1.
 *
 * It reads heads and begins an exchange for each; between two of them it is idle and owns no buffer. Its read event is added
 * once and stays; when it fires while nobody wants bytes (a pipelined request, say) it is taken off until somebody does.
 * One exchange at a time: pipelined requests wait in `in` and are answered in order. The client belongs to its thread;
 * modules know it as struct weir_connection.
 */
#ifndef WEIR_SERVER_CLIENT_H
#define WEIR_SERVER_CLIENT_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "turn.h"
#include "wheel.h"
#include "wire.h"

struct admission;
struct buffer;
struct hook;
struct listener;
struct module;
struct thread;
struct weir_exchange;

struct weir_connection {
	struct event read;
	struct deadline deadline;
	struct weir_connection *next, **link;	/* among the thread's */
	struct thread *thread;
	struct listener *listener;
	struct weir_exchange *exchange;		/* NULL: idle, or reading a head */
	struct buffer *in;			/* received and not consumed; NULL: nothing */
	struct admission *admission;		/* it waits to be admitted (admit.h) */
	struct buffer *gathered;		/* small responses that have not left yet (gathered.h) */
	const struct hook *hook;		/* the running one of the phases accept and handshake */
	struct sockaddr_in6 *local;		/* as a hook of accept has told; NULL: the socket's */
	void **states;				/* of modules, by module index; made when first asked for */
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} address;
	struct wire wire;
	struct termination *termination;	/* what TLS told (terminate.h); NULL: plain */
	uint32_t requests;
	uint32_t seen;				/* bytes of an unfinished head that were scanned */
	uint32_t ready;				/* length of the whole head that `in` begins with; 0: not known */
	uint16_t state_count;
	struct turn_places places;		/* it has received a request; has gathered a response */
	uint8_t owed;				/* how often the end could not be said */
	bool reading;				/* the read event is added */
	bool accepting;				/* a hook of accept runs: it may take bytes and tell addresses */
	bool eof;				/* the client will send no more */
	bool running;				/* client_run is at work further up the stack */
	bool behind;				/* it does not take what is gathered: nothing is read from it */
	bool lingering;				/* we have closed; what still comes is thrown away */
	bool gone;				/* to be freed when client_run ends */
	bool own;				/* without a socket, for an exchange without a client */
};

/* On the event thread: a new client; takes the socket over in every case. */
void client_new(struct listener *, int fd, const struct sockaddr *);

/* A connection without a socket (own.c). NULL without memory. client_start_own begins its exchange with the phase peer, once
 * who calls has returned to the event loop. */
struct weir_connection *client_new_own(struct thread *, const struct sockaddr *);
void client_start_own(struct weir_connection *);

/* Something happened that its admission waits for (admit.h). */
void client_admit(struct weir_connection *);

/* The client has gone, and its exchange goes on: close the socket. */
void client_leave(struct weir_connection *);

/* The exchange is over and freed: what becomes of its client. */
enum client_end {
	CLIENT_KEEP,	/* read the next request */
	CLIENT_CLOSE,	/* close */
	CLIENT_LINGER,	/* close, but let the client take what was sent though it is still sending itself */
	CLIENT_RESET	/* tell the client that what it got was cut off */
};
void client_next(struct weir_connection *, enum client_end);

/* Is the next request's head here, whole, and is this the loop that will begin it? Then its response is the next to be sent. */
bool client_has_next(struct weir_connection *);

/* Does its socket hold bytes that it has sent? Are there any that nobody has read? Closing would answer those with a reset. */
bool client_has_sent(const struct weir_connection *);
bool client_has_unread(const struct weir_connection *);

/* Close it; it has no exchange. */
void client_drop(struct weir_connection *);

/* It was behind (gathered.h), and has got everything: it goes on, or ends if it was to end meanwhile. */
void client_caught_up(struct weir_connection *);

/* Have the read event on, or off. False when it cannot be had. */
bool client_want(struct weir_connection *, bool wanted);

/* The module's struct for this connection; NULL without memory or when it declares none. */
void *client_state(struct weir_connection *, const struct module *);

#endif
