/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dns: one question to the name servers, by libevent's evdns.
 *
 * Which servers: those given, or those of resolv.conf, which is read again when it has changed. Identifiers,
 * ports and the case of names are random, search domains are not used. Nothing here blocks but the reading of
 * that small file.
 */
#ifndef WEIR_SERVER_DNS_H
#define WEIR_SERVER_DNS_H

#include <stdbool.h>
#include <stdint.h>

#include "resolver.h"

struct dns;

/* A question about one name in one family. It belongs to dns from dns_ask until `answered` is called. */
struct dns_question {
	void (*answered)(struct dns_question *);
	sa_family_t family;
	enum { DNS_FOUND, DNS_MISSING, DNS_NO_ANSWER, DNS_BROKEN, DNS_TRUNCATED } result;
	int ttl;			/* seconds; of a missing name, too */
	unsigned count;
	struct resolver_address addresses[RESOLVER_ADDRESSES];
};

struct dns *dns_new(struct event_base *, const struct weir_list *servers, const char *resolv_conf);

/* No question is answered any more; all are the caller's again. The base must not run afterwards. */
void dns_free(struct dns **);

/* Read resolv.conf again if it has changed. */
void dns_refresh(struct dns *);

/* Ask; `answered` is called later, never inside this call. False without memory: nothing will come. */
bool dns_ask(struct dns *, const char *name, struct dns_question *);

#endif
