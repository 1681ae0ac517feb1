/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hash: FNV-1a, which takes a byte at a time and so gives the hash of every prefix on the way, and a finisher
 * that makes its low bits good. The seed is secret, so that nobody can aim at one slot.
 */
#ifndef ROUTE_HASH_H
#define ROUTE_HASH_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t
step(uint64_t hash, char c)
{
	return (hash ^ (unsigned char)c) * 0x100000001b3;
}

static inline uint64_t
finish(uint64_t hash)
{
	hash ^= hash >> 33;
	hash *= 0xff51afd7ed558ccd;
	return hash ^ hash >> 33;
}

/* Hosts are hashed from their end, so that one pass over a name gives all its suffixes. */
static inline uint64_t
hash_host(uint64_t seed, const char *name)
{
	for (size_t i = strlen(name); i > 0; i--)
		seed = step(seed, name[i - 1]);
	return seed;
}

static inline uint64_t
hash_path(uint64_t seed, const char *path)
{
	for (; *path != '\0'; path++)
		seed = step(seed, *path);
	return seed;
}

static inline uint64_t
mix_host(uint64_t hash, uint16_t port, bool wildcard)
{
	return finish(hash + port * 2u + wildcard);
}

static inline uint64_t
mix_place(uint64_t hash, uint64_t host, bool below)
{
	return finish(hash ^ (host << 1 | below));
}

#endif
