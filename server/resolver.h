/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resolver: names to addresses, asynchronously, one resolver for each event thread.
 *
 * A name is asked for in both families at once; the answer holds both, ordered for a caller that tries one
 * after the other (RFC 8305: IPv6 first, then the families in turn). Answers are kept as long as their TTL
 * says, within bounds; failures are kept for a moment, so that a missing name is not asked for by every
 * request; when a server does not answer, what was known last is served for up to an hour. Look-ups of one
 * name are one question. Names of /etc/hosts, `localhost` and numeric addresses are known at once. Nothing
 * here blocks.
 */
#ifndef WEIR_SERVER_RESOLVER_H
#define WEIR_SERVER_RESOLVER_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct event_base;
struct resolver;
struct resolver_request;
struct weir_list;

enum { RESOLVER_ADDRESSES = 16, RESOLVER_ENTRIES = 4096 };	/* of one name; names kept by one resolver */

/* One address; of a service with its port, else without: the caller writes that in. */
struct resolver_address {
	socklen_t length;
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	};
};

struct resolver_answer {
	unsigned count;			/* 0: the name has no address, and `error` says why */
	const char *error;		/* static text; NULL when count > 0 */
	bool stale;			/* past its time: the servers do not answer */
	int64_t ttl;			/* milliseconds for which it holds from now on; set for callbacks */
	unsigned best;			/* of a service: so many come first, in the order that weights and chance make */
	uint16_t weights[RESOLVER_ADDRESSES];	/* of a service's addresses, whose ports are known as well */
	struct resolver_address addresses[RESOLVER_ADDRESSES];
};

/* Called once, on the resolver's thread, never inside resolver_lookup or resolver_cancel. The answer is
 * valid during the call. */
typedef void resolver_callback(const struct resolver_answer *, void *argument);

/*
 * A name may be a service, "srv:_http._tcp.example.org": then it is asked for by SRV records (srv.h), on an event thread only.
 *
 * `servers` is a list of struct weir_address (numeric, port 53 where 0); empty or NULL: those of
 * /etc/resolv.conf, and 127.0.0.1 where that names none. Both files are read again when they have changed.
 * NULL without memory. The base must live longer.
 */
struct resolver *resolver_new(struct event_base *, const struct weir_list *servers);

/* The same with files of the caller's choice, whose names must live as long. */
struct resolver *resolver_new_with(struct event_base *, const struct weir_list *servers, const char *hosts,
	const char *resolv_conf);

/* Ends all look-ups without calling back, and nulls the pointer; requests that are still held are void.
 * Not within a callback, and the base must not run afterwards: libevent may still hold an answer. */
void resolver_free(struct resolver **);

/* What is known of the name now, or NULL: then look it up. Valid until the next call of a function of this
 * file or the next turn of the event loop. A failure that is remembered is an answer too (count 0). */
const struct resolver_answer *resolver_cached(struct resolver *, const char *name);

/* Ask for a name. NULL without memory: no callback comes. The request is the resolver's, and void after
 * the callback or cancel. */
struct resolver_request *resolver_lookup(struct resolver *, const char *name, resolver_callback *,
	void *argument);

/* This address of the name has connected, though others were tried before it: for some minutes it comes first, so that not every
 * dial has to wait for a silent one. Ports do not matter; what is not known is passed over. */
void resolver_prefer(struct resolver *, const char *name, const struct sockaddr *);

/* Call it off: the callback does not come. The question goes on for the cache. */
void resolver_cancel(struct resolver *, struct resolver_request **);

#endif
