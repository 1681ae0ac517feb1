/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hooks: what the parts of the cache that meet requests have in common.
 *
 * lookup.c asks the store and lets requests wait for each other, fetch.c goes to the origin and admits what comes from there,
 * fill.c brings it in, serve.c answers from an object, options.c reads what the operator wants, admin.c answers weirctl.
 */
#ifndef CACHE_HOOKS_H
#define CACHE_HOOKS_H

#include "facts.h"
#include "flight.h"
#include "key.h"
#include "object.h"
#include "rules.h"
#include "status.h"
#include "store.h"

#include <weir/module.h>

struct cache_settings {
	uint64_t size, object_size;		/* of the store */
	const char *file;			/* of the hot set; NULL: none */
	const struct weir_template *key;	/* NULL: scheme, authority, path and query */
	struct weir_list bypass;		/* of templates */
	struct weir_list ttls;			/* of struct cache_ttl */
	struct weir_list ignore;		/* of int: one of the choices */
	struct weir_list targets;		/* of names */
	int64_t lock_timeout, lock_age, fetch_time, pass_time;	/* milliseconds */
	int64_t heuristic, heuristic_most, ttl_most, while_revalidate, if_error, vary_most;
	const char *codings;
	const char *status_name;		/* in Cache-Status; "-": no such field */
	struct cache_rules rules;		/* made of the above by cache_check */
};

struct cache_generation {
	struct cache_store *store;		/* NULL: only a check */
	struct cache_store_options limits;	/* that it is to have */
	const char *file;			/* of the hot set, from a stop to the next start; NULL: none */
	_Atomic bool settled;			/* that both be so was seen to */
	struct cache_secret secret;
};

/* One request; the core zeroes it. */
struct cache_state {
	struct cache_request *request;		/* what it says that matters; NULL: not looked at */
	struct cache_name name;
	struct cache_seat seat;
	struct cache_object *object;		/* held: stale, to be validated, or to be used if that fails */
	struct cache_outcome outcome;
	uint64_t epoch;				/* of the store, before the request went out */
	int64_t asked;				/* when it went out; weir_time */
	int64_t waited_since;			/* weir_now; 0: it did not wait */
	bool fetches;				/* what comes from the origin may be stored */
	bool conditional;			/* our own conditional fields went out */
	bool outright;				/* they must not: what they were for is gone */
	bool tells;				/* Cache-Status is to be told */
};

/* The counters, in the order of the table in cache.c. */
enum cache_metric {
	CACHE_HITS, CACHE_STALE_HITS, CACHE_MISSES, CACHE_PASSES, CACHE_COALESCED, CACHE_WAITED, CACHE_REVALIDATED,
	CACHE_REFRESHES, CACHE_STORED, CACHE_EVICTED, CACHE_BYTES
};

/* --- options.c --------------------------------------------------------------------------------------------------- */

extern const struct weir_option cache_options[];
void cache_check(struct weir_build *, void *settings);

/* --- lookup.c ---------------------------------------------------------------------------------------------------- */

enum weir_verdict cache_look_up(struct weir_exchange *, const void *settings, void *state);

/* Whatever became of it: give back what it holds. */
enum weir_verdict cache_finish(struct weir_exchange *, const void *settings, void *state);
void cache_give_back(struct cache_store *, struct cache_state *, enum cache_landing);

/* The state of a request, or of the refresh that an errand is. */
struct cache_state *cache_state_of(struct weir_exchange *, void *state);

/* Read the request; NULL without memory. */
struct cache_request *cache_read_request(struct weir_exchange *, enum weir_message);

/* Write the variant for these names (cache_vary_write) into memory of the exchange, as part of the name. False when it cannot
 * be. */
/* The name under which the response to this request is, or will be. False: it is not for the cache. */
bool cache_name_it(struct weir_exchange *, const struct cache_settings *, struct cache_name *);
bool cache_choose_variant(struct weir_exchange *, const struct cache_settings *, struct cache_name *, const char *vary);

/* --- fetch.c ----------------------------------------------------------------------------------------------------- */

enum weir_verdict cache_ask(struct weir_exchange *, const void *settings, void *state);
enum weir_verdict cache_hear(struct weir_exchange *, const void *settings, void *state);
enum weir_verdict cache_keep(struct weir_exchange *, const void *settings, void *state);
enum weir_verdict cache_save(struct weir_exchange *, const void *settings, void *state);	/* the phase error */

/* --- fill.c ------------------------------------------------------------------------------------------------------ */

#define CACHE_WAIT_MOST (3600 * 1000)	/* milliseconds for the next bytes, or for room; the fill itself has a limit */

/* Let the response's body fill the object. False, with nothing changed: it cannot. */
bool cache_fill(struct weir_exchange *, const struct cache_settings *, struct cache_object *);

/* Put in a mark under the key alone. */
void cache_put_mark(struct cache_store *, const struct cache_name *, uint64_t epoch, enum cache_kind, const char *vary,
	int64_t lifetime);

/* --- serve.c ----------------------------------------------------------------------------------------------------- */

/* Answer with this object, a hold of which is taken over. WEIR_AGAIN: it passes by, and its beginning is gone: look for
 * another. */
enum weir_verdict cache_serve(struct weir_exchange *, const struct cache_settings *, struct cache_state *, struct cache_object *);

/* Tell in Cache-Status what was done with a response that is not from the cache. */
enum weir_verdict cache_tell(struct weir_exchange *, const void *settings, void *state);

/* --- admin.c ----------------------------------------------------------------------------------------------------- */

extern const struct weir_verb cache_verbs[];

static inline struct cache_store *
cache_store_of(struct weir_exchange *x)
{
	const struct cache_generation *generation = weir_generation_state(x);

	return generation->store;
}

#endif
