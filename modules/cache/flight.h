/* SPDX-License-Identifier: Apache-2.0 */
/*
 * flight: fetches that are under way, and who waits for them.
 *
 * The first to miss a name leads a flight; whoever else misses it, on any thread, takes a seat and waits, suspended, until the
 * leader has stored a head, or has found out that there is none to be stored. A leader that fails, dies or is slow is followed
 * by one of those who wait, never by all. Flights belong to the process, so that a reload lets nobody wait in vain.
 *
 * A seat lies in the memory of its exchange (or refresh). It is given back with cache_flight_leave, in whatever state it is.
 */
#ifndef CACHE_FLIGHT_H
#define CACHE_FLIGHT_H

#include "object.h"

#include <weir/module.h>

struct cache_flight;

struct cache_seat {
	struct cache_seat *next, **link;	/* among those who wait; link is NULL while it does not */
	struct cache_flight *flight;		/* NULL: none */
	struct weir_token token;
	uint64_t hash;
	bool leads;
	bool joined;				/* its own thread's: there may be something to give back */
};

enum cache_join {
	CACHE_LEADS,		/* fetch it */
	CACHE_WAITS,		/* weir_wait was called: return WEIR_WAIT; the hook is called again */
	CACHE_COOLS,		/* it failed a moment ago, and who can do without it should */
	CACHE_FULL		/* no memory, or not for this one: fetch it, on its own */
};

/* Join the flight of this name in this store, or begin one. x is NULL for one that cannot wait: it then leads or is told
 * CACHE_WAITS without waiting. A leader that has brought nothing for `patience` milliseconds is joined by a second; at most
 * `most` milliseconds are waited. A seat that was promoted while it waited is told so here. */
enum cache_join cache_flight_join(const void *store, const struct cache_name *, struct cache_seat *, struct weir_exchange *,
	int64_t patience, int64_t most);

enum cache_landing {
	CACHE_LANDED,		/* all who wait look again */
	CACHE_CRASHED,		/* one who waits leads now, if nobody else does */
	CACHE_COOLED		/* all look again, and nobody leads for a second */
};

/* Give the seat back. What it means counts if the seat leads; one that waits just stops. */
void cache_flight_leave(struct cache_seat *, enum cache_landing);

/* Flights under way, and who waits for them, for tests and statistics. */
unsigned cache_flight_count(void);
unsigned cache_flight_waiting(void);

#endif
