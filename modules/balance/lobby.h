/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lobby: requests that wait until a server of their upstream has room.
 *
 * One for an upstream, of all threads. A request that ends looks at one number, and takes the lock only where somebody waits.
 */
#ifndef BALANCE_LOBBY_H
#define BALANCE_LOBBY_H

#include <weir/module.h>

#include <pthread.h>
#include <stdatomic.h>

struct balance_lobby;

/* A request that waits; it lies in the request's own memory. */
struct balance_guest {
	struct balance_guest *next, **link;	/* link NULL: it does not sit there */
	struct balance_lobby *lobby;
	struct weir_token token;
};

struct balance_lobby {
	_Atomic unsigned count;		/* of guests, those included that are about to sit down */
	unsigned holders;		/* records; the main thread counts */
	pthread_mutex_t lock;		/* of what follows */
	struct balance_guest *first, **last;
};

struct balance_lobby *balance_lobby_new(void);
void balance_lobby_drop(struct balance_lobby *);

/* Find a place among at most so many; then sit down, with the token by which to be called, in front or at the end of the row;
 * or give the place up. */
bool balance_lobby_book(struct balance_lobby *, int64_t most);
void balance_lobby_sit(struct balance_lobby *, struct balance_guest *, bool in_front);
void balance_lobby_cancel(struct balance_lobby *);

/* It waits no longer, and was not called. */
void balance_lobby_leave(struct balance_guest *);

/* There is room: call the first who is still there. */
void balance_lobby_call(struct balance_lobby *);

#endif
