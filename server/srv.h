/* SPDX-License-Identifier: Apache-2.0 */
/*
 * srv: services by name (RFC 2782): a question for SRV records, then one for the addresses of each target.
 *
 * evdns knows no SRV, so the first question goes to the C library's resolver, on the helper pool, which it blocks for
 * some seconds at most. The others are the event thread's own look-ups.
 */
#ifndef WEIR_SERVER_SRV_H
#define WEIR_SERVER_SRV_H

#include "resolver.h"

struct srv;
struct weir_address;

enum { SRV_SERVERS = 3, SRV_TARGETS = 8 };

#define SRV_PREFIX "srv:"

/* Is it written as a service: "srv:_http._tcp.example.org"? */
bool srv_is_service(const char *name);

struct srv_answer {
	struct resolver_answer answer;	/* with ports; those of the best priority first, as many as `best` says */
	int64_t ttl;			/* milliseconds: the shortest of all that it is made of */
};

/*
 * Ask for a service, by its name without the prefix. `servers` are asked, or without any those of /etc/resolv.conf. `answered` is
 * called once, later, on this event thread; then free it. NULL without memory, or on no event thread.
 */
struct srv *srv_ask(struct resolver *, const char *name, const struct weir_address *servers, unsigned count,
	void (*answered)(const struct srv_answer *, void *argument), void *argument);

/* After it was answered; or before, when the resolver ends and no helper is at work any more. */
void srv_free(struct srv **);

/* Which of the best addresses is to be tried first, by their weights: `random` decides. */
unsigned srv_choose(const struct resolver_answer *, uint64_t random);

#endif
