/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pool: idle upstream connections, by thread, and the shelf between threads.
 *
 * A thread's need is the largest number of connections to that peer that it has used at once lately, and never more than it
 * has clients. So the connections of all threads together stay about as many as one process-wide pool would have, and
 * the lock of the shelf is touched only when a thread has too many or too few.
 */
#include "pool.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "buffer.h"
#include "key.h"
#include "settings.h"
#include "thread.h"
#include "tls_client.h"
#include "upstream.h"

enum { BUCKETS = 256, POOLS_MAX = 4096, SHELF_MAX = 1024, IDLE_MAX = 4096, NEED_PERIOD = 1000, SWEEP_PERIOD = 2000 };

TAILQ_HEAD(upstream_list, upstream);

struct pool {
	struct pool *next;		/* in its bucket */
	struct pools *pools;
	struct key *key;
	struct tls_ticket ticket;
	struct upstream_list idle;
	unsigned idle_count, busy;
	unsigned peak, last_peak;	/* of busy, in this period and the one before */
	int64_t period;			/* when this one ends */
};

struct pools {
	struct thread *thread;
	struct pool *buckets[BUCKETS];
	struct upstream_list idle;	/* of all pools, oldest first */
	unsigned pool_count, idle_count;
	struct deadline sweep;		/* of the shelf, while this thread has put something there */
};

struct shelved {
	struct shelved *next;
	struct key *key;
	struct wire wire;
	uint32_t requests;
	int64_t expires;
};

static struct {
	pthread_mutex_t lock;
	struct shelved *buckets[BUCKETS];
	unsigned count;
} shelf = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* --- the shelf ------------------------------------------------------------------------------------------------------ */

static void
discard(struct shelved *s)
{
	wire_close(&s->wire);
	key_drop(s->key);
	free(s);
}

/* Unlink what has expired from one bucket; the lock is held. */
static struct shelved *
expire(struct shelved **link, int64_t now)
{
	struct shelved *expired = NULL;

	while (*link != NULL) {
		struct shelved *s = *link;

		if (s->expires > now) {
			link = &s->next;
			continue;
		}
		*link = s->next;
		s->next = expired;
		expired = s;
		shelf.count--;
	}
	return expired;
}

static void
sweep(struct deadline *d)
{
	struct pools *pools = (struct pools *)((char *)d - offsetof(struct pools, sweep));
	int64_t now = wheel_clock();
	bool more;

	deadline_clear(&pools->sweep);
	for (unsigned i = 0; i < BUCKETS; i++) {
		struct shelved *expired;

		pthread_mutex_lock(&shelf.lock);
		expired = expire(&shelf.buckets[i], now);
		pthread_mutex_unlock(&shelf.lock);
		while (expired != NULL) {
			struct shelved *s = expired;

			expired = s->next;
			discard(s);
		}
	}
	pthread_mutex_lock(&shelf.lock);
	more = shelf.count > 0;
	pthread_mutex_unlock(&shelf.lock);
	if (more)
		deadline_set(&pools->sweep, &pools->thread->wheel, SWEEP_PERIOD);
}

/* Hand an idle connection to whoever needs it. Taken over in every case. */
static void
shelve(struct upstream *u)
{
	struct pools *pools = u->pool->pools;
	struct shelved *s = malloc(sizeof(*s));
	bool put = false;

	if (s == NULL) {
		upstream_close(&u);
		return;
	}
	upstream_want_read(u, false);
	s->key = key_share(u->pool->key);
	s->requests = u->requests;
	s->expires = u->deadline.at;
	s->wire = (struct wire){ .fd = u->wire.fd, .tls = u->wire.tls };
	u->wire = (struct wire){ .fd = -1 };
	upstream_close(&u);
	pthread_mutex_lock(&shelf.lock);
	if (shelf.count < SHELF_MAX) {
		struct shelved **bucket = &shelf.buckets[key_hash(s->key) % BUCKETS];

		s->next = *bucket;
		*bucket = s;
		shelf.count++;
		put = true;
	}
	pthread_mutex_unlock(&shelf.lock);
	if (!put)
		discard(s);
	else if (pools->sweep.at == INT64_MAX)
		deadline_set(&pools->sweep, &pools->thread->wheel, SWEEP_PERIOD);
}

static struct shelved *
unshelve(const struct key *key)
{
	struct shelved **link, *s = NULL;

	pthread_mutex_lock(&shelf.lock);
	for (link = &shelf.buckets[key_hash(key) % BUCKETS]; *link != NULL; link = &(*link)->next)
		if (key_same((*link)->key, key)) {
			s = *link;
			*link = s->next;
			shelf.count--;
			break;
		}
	pthread_mutex_unlock(&shelf.lock);
	return s;
}

static struct upstream *
take_shelved(struct pool *pool)
{
	struct thread *t = pool->pools->thread;
	struct shelved *s;

	while (t->all->count > 1 && (s = unshelve(pool->key)) != NULL) {
		bool fresh = s->expires > wheel_clock();
		struct upstream *u = fresh ? upstream_adopt(t, pool, s->wire) : NULL;
		uint32_t requests = s->requests;

		if (!fresh)
			wire_close(&s->wire);
		key_drop(s->key);
		free(s);
		if (u == NULL)
			continue;
		if (upstream_is_alive(u) && upstream_want_read(u, true)) {
			u->requests = requests;
			u->ticket_kept = true;	/* by the thread that had it */
			counter_add(&t->counters, COUNT_UPSTREAM_SHELVED, 1);
			return u;
		}
		upstream_close(&u);
	}
	return NULL;
}

/* --- pools ------------------------------------------------------------------------------------------------------------ */

bool
pools_open(struct thread *t)
{
	t->pools = calloc(1, sizeof(*t->pools));
	if (t->pools == NULL)
		return false;
	key_seed();
	t->pools->thread = t;
	TAILQ_INIT(&t->pools->idle);
	deadline_init(&t->pools->sweep, sweep);
	deadline_clear(&t->pools->sweep);
	return true;
}

/* Drop empty pools: peers come and go with configurations. */
static void
forget_empty(struct pools *pools)
{
	for (unsigned i = 0; i < BUCKETS; i++)
		for (struct pool **link = &pools->buckets[i]; *link != NULL; ) {
			struct pool *pool = *link;

			if (pool->busy > 0 || pool->idle_count > 0) {
				link = &pool->next;
				continue;
			}
			*link = pool->next;
			gnutls_free(pool->ticket.data.data);
			key_drop(pool->key);
			free(pool);
			pools->pool_count--;
		}
}

struct pool *
pool_find(struct thread *t, const struct weir_peer *peer)
{
	struct pools *pools = t->pools;
	uint64_t hash = key_hash_peer(peer);
	struct pool *pool;

	for (pool = pools->buckets[hash % BUCKETS]; pool != NULL; pool = pool->next)
		if (key_fits(pool->key, hash, peer))
			return pool;
	if (pools->pool_count >= POOLS_MAX)
		forget_empty(pools);
	pool = calloc(1, sizeof(*pool));
	if (pool == NULL || (pool->key = key_new(peer, hash)) == NULL) {
		free(pool);
		return NULL;
	}
	pool->pools = pools;
	TAILQ_INIT(&pool->idle);
	pool->next = pools->buckets[hash % BUCKETS];
	pools->buckets[hash % BUCKETS] = pool;
	pools->pool_count++;
	return pool;
}

const struct key *
pool_key(const struct pool *pool)
{
	return pool->key;
}

const struct tls_ticket *
pool_ticket(const struct pool *pool)
{
	return &pool->ticket;
}

void
pool_keep_ticket(struct pool *pool, struct tls_ticket *ticket)
{
	gnutls_free(pool->ticket.data.data);
	pool->ticket = *ticket;
	*ticket = (struct tls_ticket){ .judged = 0 };
}

static void
unlink_idle(struct upstream *u)
{
	struct pool *pool = u->pool;

	TAILQ_REMOVE(&pool->idle, u, in_pool);
	TAILQ_REMOVE(&pool->pools->idle, u, in_thread);
	pool->idle_count--;
	pool->pools->idle_count--;
	counter_add(&pool->pools->thread->counters, COUNT_UPSTREAM_IDLE, -1);
}

static unsigned
need_of(struct pool *pool)
{
	int64_t now = wheel_clock();

	if (now >= pool->period) {
		pool->last_peak = now < pool->period + NEED_PERIOD ? pool->peak : pool->busy;
		pool->peak = pool->busy;
		pool->period = now + NEED_PERIOD;
	}
	return pool->peak > pool->last_peak ? pool->peak : pool->last_peak;
}

void
pool_count(struct pool *pool, int change)
{
	assert(change > 0 || pool->busy > 0);
	pool->busy += (unsigned)change;
	if (pool->busy > pool->peak)
		pool->peak = pool->busy;
}

struct upstream *
pool_take(struct pool *pool)
{
	struct upstream *u = TAILQ_LAST(&pool->idle, upstream_list);

	if (u != NULL)
		unlink_idle(u);
	else
		u = take_shelved(pool);
	if (u == NULL)
		return NULL;
	deadline_clear(&u->deadline);
	pool_count(pool, 1);
	return u;
}

/* The oldest of a peer's that has too many, or of all: peers may be as many as the names that clients ask for. */
static void
drop_excess(struct upstream *oldest)
{
	if (oldest == NULL)
		return;
	pool_forget(oldest);
	upstream_close(&oldest);
}

void
pool_put(struct upstream **u, const struct upstream_settings *settings, bool share)
{
	struct pool *pool = (*u)->pool;
	struct pools *pools = pool->pools;
	struct thread *t = pools->thread;
	unsigned need = need_of(pool);

	assert((*u)->exchange == NULL && (*u)->in == NULL && (*u)->out.queued == 0);
	pool_count(pool, -1);
	if (settings->keepalive == 0 || t->stopping || !upstream_want_read(*u, true)) {
		upstream_close(u);
		return;
	}
	deadline_set(&(*u)->deadline, &t->wheel, settings->keepalive_timeout);
	if (t->all->count > 1 && (share || pool->idle_count + pool->busy >= need || pools->idle_count >= t->client_count)) {
		shelve(*u);
		*u = NULL;
		return;
	}
	TAILQ_INSERT_TAIL(&pool->idle, *u, in_pool);
	TAILQ_INSERT_TAIL(&pools->idle, *u, in_thread);
	pool->idle_count++;
	pools->idle_count++;
	counter_add(&t->counters, COUNT_UPSTREAM_IDLE, 1);
	*u = NULL;
	drop_excess(pool->idle_count > (unsigned)settings->keepalive ? TAILQ_FIRST(&pool->idle)
		: pools->idle_count > IDLE_MAX ? TAILQ_FIRST(&pools->idle) : NULL);
}

void
pool_forget(struct upstream *u)
{
	unlink_idle(u);
}

void
pools_trim(struct thread *t)
{
	struct pools *pools = t->pools;

	while (t->all->count > 1 && pools->idle_count > t->client_count) {
		struct upstream *u = TAILQ_FIRST(&pools->idle);

		unlink_idle(u);
		shelve(u);
	}
}

void
pools_close(struct thread *t)
{
	struct upstream *u;

	while ((u = TAILQ_FIRST(&t->pools->idle)) != NULL) {
		unlink_idle(u);
		upstream_close(&u);
	}
	deadline_remove(&t->pools->sweep);
}

void
pools_free(struct thread *t)
{
	if (t->pools == NULL)
		return;
	forget_empty(t->pools);
	assert(t->pools->pool_count == 0);
	free(t->pools);
	t->pools = NULL;
}

void
pools_close_shelf(void)
{
	for (unsigned i = 0; i < BUCKETS; i++)
		while (shelf.buckets[i] != NULL) {
			struct shelved *s = shelf.buckets[i];

			shelf.buckets[i] = s->next;
			discard(s);
		}
	shelf.count = 0;
}
