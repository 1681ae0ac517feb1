/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resolver_entry: what a resolver knows of one name: the answer, until when it holds, and how the next one is
 * made of what the two questions brought. Asking, waiting and delivering are resolver.c's.
 */
#ifndef WEIR_SERVER_RESOLVER_ENTRY_H
#define WEIR_SERVER_RESOLVER_ENTRY_H

#include "dns.h"
#include "name.h"
#include "resolver.h"

struct hosts;
struct srv;
struct srv_answer;

struct queue {
	struct resolver_request *first, **last;
};

struct question {
	struct dns_question dns;
	struct entry *entry;
	bool done;
};

struct entry {
	struct name name;		/* held by each request, and by the questions */
	struct resolver *resolver;
	struct question *questions;	/* both families', while the name is asked for */
	struct srv *srv;		/* the same of a service */
	struct event *timer;		/* meanwhile */
	struct queue waiting;
	int64_t expires, refresh;	/* of what is known; refresh: when to ask again beforehand */
	struct resolver_address preferred;	/* it has connected where others had not */
	int64_t preferred_until;
	int64_t learnt_until;		/* expiry of the last addresses from a server; 0: none */
	bool known;
	struct resolver_answer answer;
};

/* Is there an answer, and has its time not come? */
bool entry_holds(const struct entry *, int64_t now);

/* Take what the servers have told so far; true when that is any address. */
bool entry_take_found(struct entry *);

/* Nothing was found: serve what was known before for a while, or remember the failure. */
void entry_take_failure(struct entry *);

/* Serve what was known before, for a while; false when there is nothing, or it is too old. */
bool entry_use_stale(struct entry *);

/* Take what is known of a service; what was known before serves on for a while where that is nothing. */
void entry_take_service(struct entry *, const struct srv_answer *);

/* Put this address first, now and at each refresh for a while. */
void entry_prefer(struct entry *, const struct sockaddr *);

/* Take what needs no server, to hold for this time: numbers, names of /etc/hosts, localhost. */
bool entry_take_local(struct entry *, const struct hosts *, int64_t hold);

#endif
