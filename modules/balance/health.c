/* SPDX-License-Identifier: Apache-2.0 */
/*
 * health: what requests have shown of a server. Shared by all threads; a moment's disorder between them does
 * no harm, so relaxed atomics are enough. Times are milliseconds of weir_now.
 *
 * Failures are counted from the first of them until the time is over; then counting starts anew. Taking the
 * server out and claiming the probe are the same step: to move out_until on, which only one thread can do.
 */
#include "health.h"

#define SHARE_LEAST 10
#define COUNT_BITS 16
#define COUNT_MASK (((uint64_t)1 << COUNT_BITS) - 1)

bool
balance_health_is_out(const struct balance_health *health)
{
	return atomic_load_explicit(&health->out_until, memory_order_relaxed) != 0;
}

bool
balance_health_is_in(const struct balance_health *health)
{
	return !balance_health_is_out(health) && !atomic_load_explicit(&health->down, memory_order_relaxed);
}

bool
balance_health_admits(const struct balance_health *health, int64_t now)
{
	return atomic_load_explicit(&health->out_until, memory_order_relaxed) <= now
		&& !atomic_load_explicit(&health->down, memory_order_relaxed);
}

static bool
move(struct balance_health *health, int64_t from, int64_t to)
{
	return atomic_compare_exchange_strong_explicit(&health->out_until, &from, to,
		memory_order_relaxed, memory_order_relaxed);
}

bool
balance_health_claim(struct balance_health *health, const struct balance_limit *limit, int64_t now)
{
	int64_t until = atomic_load_explicit(&health->out_until, memory_order_relaxed);

	return until == 0 || (until <= now && move(health, until, now + limit->time));
}

/* Count one more; how many there are now. */
static unsigned
count_failure(struct balance_health *health, const struct balance_limit *limit, int64_t now)
{
	uint64_t old = atomic_load_explicit(&health->failures, memory_order_relaxed);
	uint64_t first, count;

	do {
		first = old >> COUNT_BITS;
		count = old & COUNT_MASK;
		if (count == 0 || now - (int64_t)first > limit->time) {
			first = (uint64_t)now;
			count = 0;
		}
		count += count < COUNT_MASK;
	} while (!atomic_compare_exchange_weak_explicit(&health->failures, &old, first << COUNT_BITS | count,
		memory_order_relaxed, memory_order_relaxed));
	return (unsigned)count;
}

bool
balance_health_fail(struct balance_health *health, const struct balance_limit *limit, int64_t now)
{
	int64_t until = atomic_load_explicit(&health->out_until, memory_order_relaxed);

	if (limit->fails == 0)
		return false;
	if (count_failure(health, limit, now) < limit->fails && until == 0)
		return false;
	return move(health, until, now + limit->time) && until == 0;
}

void
balance_health_recover(struct balance_health *health, int64_t now)
{
	atomic_store_explicit(&health->failures, 0, memory_order_relaxed);
	balance_health_enter(health, now);
	atomic_store_explicit(&health->out_until, 0, memory_order_relaxed);
}

void
balance_health_enter(struct balance_health *health, int64_t now)
{
	atomic_store_explicit(&health->since, now, memory_order_relaxed);
}

unsigned
balance_health_share(struct balance_health *health, int64_t slow_start, int64_t now)
{
	int64_t since = atomic_load_explicit(&health->since, memory_order_relaxed);
	int64_t share;

	if (since == 0)
		return 100;
	share = (now - since) * 100 / slow_start;
	if (share >= 100)
		atomic_store_explicit(&health->since, 0, memory_order_relaxed);
	return share < SHARE_LEAST ? SHARE_LEAST : share > 100 ? 100 : (unsigned)share;
}

unsigned
balance_health_failures(const struct balance_health *health)
{
	return (unsigned)(atomic_load_explicit(&health->failures, memory_order_relaxed) & COUNT_MASK);
}
