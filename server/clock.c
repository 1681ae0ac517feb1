/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clock: what modules may ask of time and chance (weir/thread.h).
 *
 * The clocks are the kernel's coarse ones, a few nanoseconds to read. Random numbers are xoshiro256**, with a
 * state per thread, seeded by the kernel at the thread's first call: good for balancing and sampling, not for
 * secrets.
 */
#include <stdint.h>
#include <sys/random.h>
#include <time.h>
#include <weir/thread.h>

#include "wheel.h"

static _Thread_local struct {
	uint64_t state[4];
	bool seeded;
} chance;

int64_t
weir_now(void)
{
	return wheel_clock();
}

int64_t
weir_time(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME_COARSE, &t);
	return (int64_t)t.tv_sec;
}

static uint64_t
rotate(uint64_t x, int by)
{
	return (x << by) | (x >> (64 - by));
}

/* One step of splitmix64: spreads a poor seed over all bits, and never leaves the state all zero. */
static uint64_t
mix(uint64_t *seed)
{
	uint64_t z = *seed += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* Where the kernel has no random bytes to give (very early in a boot), time and the thread's address must
 * do. */
static void
seed(void)
{
	struct timespec t;
	uint64_t start;

	if (getrandom(&start, sizeof(start), GRND_NONBLOCK) != (ssize_t)sizeof(start)) {
		clock_gettime(CLOCK_MONOTONIC, &t);
		start = (uint64_t)t.tv_sec * 1000000007u + (uint64_t)t.tv_nsec + (uint64_t)(uintptr_t)&chance;
	}
	for (int i = 0; i < 4; i++)
		chance.state[i] = mix(&start);
	chance.seeded = true;
}

uint64_t
weir_random(void)
{
	uint64_t *s = chance.state, result, t;

	if (!chance.seeded)
		seed();
	result = rotate(s[1] * 5, 7) * 9;
	t = s[1] << 17;
	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotate(s[3], 45);
	return result;
}
