/* SPDX-License-Identifier: Apache-2.0 */
/*
 * target: what a request asks for (RFC 9112, 3.2; RFC 3986): authority and path, checked and normalised.
 *
 * Pure functions that change nothing they are given. Each returns NULL when all is well, else what is wrong
 * in a static string.
 */
#ifndef WEIR_SERVER_TARGET_H
#define WEIR_SERVER_TARGET_H

#include <stdbool.h>
#include <stddef.h>

/* host[:port], not ended by NUL. */
struct authority {
	const char *text;
	size_t length, host_length;	/* of all, and of the host with its brackets */
	int port;			/* -1: not given */
};

/*
 * A reg-name without percent-encoding or commas, an IPv4 address or an IPv6 address in brackets, then maybe a
 * colon and a port from 0 to 65535. An empty host or port, userinfo and a zone are refused.
 */
const char *authority_parse(struct authority *, const char *text, size_t length);

/* Equal but for case, and with default_port in the place of none? */
bool authority_same(const struct authority *, const struct authority *, int default_port);

/*
 * Check a path that begins with '/' and whose bytes are TEXT_TARGET without '?'. *plain is set when it is
 * normal as it stands.
 */
const char *path_check(const char *path, size_t length, bool *plain);

/*
 * Write the normal form (RFC 3986, 6.2.2) of a path that path_check found good, and a NUL, to `to`, which has
 * room for length + 1: hex digits in upper case, unreserved characters decoded, then dot segments removed. An
 * encoded slash stays encoded. A path that climbs above the root is refused.
 */
const char *path_normalise(char *to, const char *path, size_t length);

#endif
