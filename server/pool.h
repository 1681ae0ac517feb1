/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pool: upstream connections that wait for their next request.
 *
 * Each thread keeps its own, a pool for each peer, newest first. What is idle beyond the thread's own need goes to a shelf
 * that all threads share; a thread looks there before it dials. A pool's key is the whole peer, compared field by field: a
 * connection made for one is never used for another.
 */
#ifndef WEIR_SERVER_POOL_H
#define WEIR_SERVER_POOL_H

#include <stdbool.h>
#include <stdint.h>

struct key;
struct pool;
struct pools;
struct thread;
struct tls_ticket;
struct upstream;
struct upstream_settings;
struct weir_peer;

bool pools_open(struct thread *);
void pools_close(struct thread *);	/* on its thread: close what is idle */
void pools_free(struct thread *);
void pools_close_shelf(void);		/* after the last thread */

/* The thread's pool for this peer, made where there is none; NULL without memory. */
struct pool *pool_find(struct thread *, const struct weir_peer *);

/* An idle connection, from the thread's pool or the shelf; NULL when there is none. */
struct upstream *pool_take(struct pool *);

/* Whose connections these are; and the newest TLS session of theirs, which the next one may resume (taken over by
 * pool_keep_ticket). */
const struct key *pool_key(const struct pool *);
const struct tls_ticket *pool_ticket(const struct pool *);
void pool_keep_ticket(struct pool *, struct tls_ticket *);

/* A connection begins (dialled) or ends its work for an exchange without coming back: for the count of those in use. */
void pool_count(struct pool *, int change);

/* Give a connection back: it is kept, shelved or closed. *u becomes NULL. `share`: the client that it was for may not come
 * again, so that the thread does not keep it for itself. */
void pool_put(struct upstream **, const struct upstream_settings *, bool share);

/* An idle connection is about to be closed (its server closed it, or its time is over): it leaves the pool. */
void pool_forget(struct upstream *);

/* A client has gone: what is idle beyond need goes to the shelf. */
void pools_trim(struct thread *);

#endif
