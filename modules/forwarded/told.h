/* SPDX-License-Identifier: Apache-2.0 */
/*
 * told: what trusted proxies tell of a client, as far as it can be believed.
 */
#ifndef WEIR_MODULES_FORWARDED_TOLD_H
#define WEIR_MODULES_FORWARDED_TOLD_H

#include <weir/module.h>

/* Hops, and lines of one field, that are looked at, counted from the nearest. */
#define TOLD_MOST 16

struct told {
	struct sockaddr_storage client;	/* family 0: nothing about it */
	const char *chain;		/* the client, then proxies: "192.0.2.7, 10.0.0.2"; NULL: none */
	const char *scheme;		/* "http" or "https"; NULL: not told, like the rest */
	const char *authority, *port;
};

bool forwarded_is_trusted(const struct weir_list *trust, const struct sockaddr *);

/*
 * Follow the fields of the request from its sender, which is trusted, back to the nearest address that is
 * not. What an entry says holds while who wrote it, the hop after it, is trusted; a malformed entry ends
 * the search. Either Forwarded is read, or X-Forwarded-For, -Proto, -Host and -Port are. Texts belong to
 * the exchange.
 */
void forwarded_hear(struct weir_exchange *, const struct weir_list *trust, bool forwarded, struct told *);

#endif
