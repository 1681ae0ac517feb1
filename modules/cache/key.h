/* SPDX-License-Identifier: Apache-2.0 */
/*
 * key: under which name a response is stored (RFC 9111, 2 and 4).
 *
 * By default it is the effective URI as the router saw it: scheme, "://", authority, path, and "?" and query
 * if there is a query. So what decides where a request goes, decides what answers it. Keys are compared
 * whole; their hash is keyed by a secret of the process, so that nobody outside can make many of one bucket.
 */
#ifndef CACHE_KEY_H
#define CACHE_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CACHE_KEY_MOST ((size_t)16 * 1024)

struct cache_secret {
	uint64_t words[2];
};

/* Draw one; never fails: where the kernel gives none, clock and addresses must do. */
void cache_secret_draw(struct cache_secret *);

/* SipHash-2-4 of the bytes. */
uint64_t cache_key_hash(const struct cache_secret *, const char *key, size_t length);

/* Write the default key; returns its length, without the NUL that ends it, also where there was no room
 * for all of it (as snprintf). A default port is left out, so that http://host:80/ and http://host/ are
 * one. query may be NULL. */
size_t cache_key_write(char *to, size_t room, const char *scheme, const char *authority, const char *path,
	const char *query);

/* The same from a URL that an operator wrote, "https://Example.com:443/a?b": scheme and host in lower
 * case. 0: it is no URL. */
size_t cache_key_from_url(char *to, size_t room, const char *url);

#endif
