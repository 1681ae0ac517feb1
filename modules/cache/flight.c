/* SPDX-License-Identifier: Apache-2.0 */
/*
 * flight: one leader, many who wait. See flight.h.
 *
 * A bucket's lock is held for the time of a few pointers; who waits by the thousand is woken in batches.
 */
#include "flight.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { BUCKETS = 4096, LOCKS = 64, BATCH = 64, COOLING = 1000 };

struct cache_flight {
	struct cache_flight *next, **link;	/* in its bucket; link is NULL once nobody can join it */
	struct cache_seat *first, **last;	/* who waits, the longest first */
	const void *store;
	uint64_t hash;
	int64_t since;				/* of the last who was told to lead; weir_now */
	int64_t cool_until;			/* 0: it has not failed */
	unsigned leaders;
	uint32_t key_length, variant_length, space;
	char text[];				/* key, variant */
};

static pthread_mutex_t locks[LOCKS] = {
#define FOUR PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER
#define SIXTEEN FOUR, FOUR, FOUR, FOUR
	SIXTEEN, SIXTEEN, SIXTEEN, SIXTEEN
#undef SIXTEEN
#undef FOUR
};
static struct cache_flight *buckets[BUCKETS];
static atomic_uint count, waiting;

static pthread_mutex_t *
lock_of(uint64_t hash)
{
	return &locks[hash % BUCKETS % LOCKS];
}

unsigned
cache_flight_count(void)
{
	return atomic_load_explicit(&count, memory_order_relaxed);
}

unsigned
cache_flight_waiting(void)
{
	return atomic_load_explicit(&waiting, memory_order_relaxed);
}

/* --- in the table ------------------------------------------------------------------------------------------------ */

static bool
is_of(const struct cache_flight *f, const void *store, const struct cache_name *name)
{
	return f->hash == name->hash && f->store == store && f->space == name->space && f->key_length == name->key_length
		&& f->variant_length == name->variant_length && memcmp(f->text, name->key, name->key_length) == 0
		&& memcmp(f->text + f->key_length, name->variant, name->variant_length) == 0;
}

static void
close_to_others(struct cache_flight *f)
{
	if (f->link == NULL)
		return;
	*f->link = f->next;
	if (f->next != NULL)
		f->next->link = f->link;
	f->link = NULL;
}

/* Free it if nobody has a part in it and nothing is to be remembered. */
static void
settle(struct cache_flight *f, int64_t now)
{
	if (f->leaders > 0 || f->first != NULL || (f->link != NULL && f->cool_until > now))
		return;
	close_to_others(f);
	free(f);
	atomic_fetch_sub_explicit(&count, 1, memory_order_relaxed);
}

static struct cache_flight *
find(const void *store, const struct cache_name *name, int64_t now)
{
	struct cache_flight *next;

	for (struct cache_flight *f = buckets[name->hash % BUCKETS]; f != NULL; f = next) {
		next = f->next;
		if (is_of(f, store, name))
			return f;
		settle(f, now);
	}
	return NULL;
}

static struct cache_flight *
create(const void *store, const struct cache_name *name)
{
	struct cache_flight **bucket = &buckets[name->hash % BUCKETS], *f;

	f = calloc(1, sizeof(*f) + name->key_length + name->variant_length);
	if (f == NULL)
		return NULL;
	f->store = store;
	f->hash = name->hash;
	f->space = name->space;
	f->key_length = name->key_length;
	f->variant_length = name->variant_length;
	memcpy(f->text, name->key, name->key_length);
	memcpy(f->text + name->key_length, name->variant, name->variant_length);
	f->last = &f->first;
	f->link = bucket;
	f->next = *bucket;
	if (f->next != NULL)
		f->next->link = &f->next;
	*bucket = f;
	atomic_fetch_add_explicit(&count, 1, memory_order_relaxed);
	return f;
}

/* --- seats ------------------------------------------------------------------------------------------------------- */

static void
sit_down(struct cache_flight *f, struct cache_seat *seat)
{
	seat->next = NULL;
	seat->link = f->last;
	*f->last = seat;
	f->last = &seat->next;
	atomic_fetch_add_explicit(&waiting, 1, memory_order_relaxed);
}

static void
stand_up(struct cache_flight *f, struct cache_seat *seat)
{
	*seat->link = seat->next;
	if (seat->next != NULL)
		seat->next->link = seat->link;
	else
		f->last = seat->link;
	seat->link = NULL;
	atomic_fetch_sub_explicit(&waiting, 1, memory_order_relaxed);
}

/* The wait has ended without anybody's doing: the deadline, or its client. */
static void
cancelled(void *argument)
{
	struct cache_seat *seat = argument;
	pthread_mutex_t *lock = lock_of(seat->hash);

	pthread_mutex_lock(lock);
	if (seat->link != NULL) {
		stand_up(seat->flight, seat);
		settle(seat->flight, weir_now());
		seat->flight = NULL;
	}
	pthread_mutex_unlock(lock);
}

static void
lead(struct cache_flight *f, struct cache_seat *seat, int64_t now)
{
	seat->flight = f;
	seat->leads = true;
	f->leaders++;
	f->since = now;
	f->cool_until = 0;
}

static enum cache_join
wait_for(struct cache_flight *f, struct cache_seat *seat, struct weir_exchange *x, int64_t most)
{
	if (x == NULL)
		return CACHE_WAITS;
	seat->token = weir_wait(x, most > 1 ? most : 1, WEIR_AGAIN, cancelled, seat);
	if (seat->token.generation == 0)
		return CACHE_FULL;
	seat->flight = f;
	sit_down(f, seat);
	return CACHE_WAITS;
}

enum cache_join
cache_flight_join(const void *store, const struct cache_name *name, struct cache_seat *seat, struct weir_exchange *x,
	int64_t patience, int64_t most)
{
	pthread_mutex_t *lock = lock_of(name->hash);
	int64_t now = weir_now();
	enum cache_join join = CACHE_LEADS;
	struct cache_flight *f;

	pthread_mutex_lock(lock);
	seat->hash = name->hash;
	seat->joined = true;
	f = seat->leads ? seat->flight : find(store, name, now);
	if (f == NULL)
		f = create(store, name);
	if (f == NULL)
		join = CACHE_FULL;
	else if (seat->leads)
		join = CACHE_LEADS;
	else if (f->leaders == 0 && f->cool_until > now)
		join = CACHE_COOLS;
	else if (f->leaders == 0 || now - f->since >= patience)
		lead(f, seat, now);
	else
		join = wait_for(f, seat, x, f->since + patience - now < most ? f->since + patience - now : most);
	pthread_mutex_unlock(lock);
	return join;
}

/* The longest to wait leads from now on. Who goes at this very moment is passed over. */
static void
promote(struct cache_flight *f, int64_t now)
{
	while (f->leaders == 0 && f->first != NULL) {
		struct cache_seat *seat = f->first;

		stand_up(f, seat);
		lead(f, seat, now);
		if (weir_resume(seat->token, WEIR_AGAIN))
			continue;
		seat->leads = false;
		seat->flight = NULL;
		f->leaders--;
	}
}

/* Wake all, a batch at a time: their memory may go as soon as the lock is free. */
static void
wake_all(struct cache_flight *f, pthread_mutex_t *lock)
{
	struct weir_token tokens[BATCH];

	while (f->first != NULL) {
		unsigned n = 0;

		while (f->first != NULL && n < BATCH) {
			struct cache_seat *seat = f->first;

			tokens[n++] = seat->token;
			stand_up(f, seat);
			seat->flight = NULL;
		}
		pthread_mutex_unlock(lock);
		for (unsigned i = 0; i < n; i++)
			weir_resume(tokens[i], WEIR_AGAIN);
		pthread_mutex_lock(lock);
	}
}

void
cache_flight_leave(struct cache_seat *seat, enum cache_landing landing)
{
	pthread_mutex_t *lock = lock_of(seat->hash);
	struct cache_flight *f;
	int64_t now = weir_now();

	if (!seat->joined)	/* else another thread may be about to let it lead */
		return;
	seat->joined = false;
	pthread_mutex_lock(lock);
	f = seat->flight;
	if (f != NULL && seat->leads) {
		if (landing == CACHE_LANDED)
			close_to_others(f);
		if (landing == CACHE_COOLED)
			f->cool_until = now + COOLING;
		if (landing != CACHE_CRASHED)
			wake_all(f, lock);
		f->leaders--;
		if (landing == CACHE_CRASHED)
			promote(f, now);
	} else if (f != NULL && seat->link != NULL) {
		stand_up(f, seat);
	}
	if (f != NULL)
		settle(f, now);
	seat->leads = false;
	seat->flight = NULL;
	pthread_mutex_unlock(lock);
}
