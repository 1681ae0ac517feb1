/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admit: which responses a shared cache stores (RFC 9111, 3), and what of them.
 */
#ifndef CACHE_ADMIT_H
#define CACHE_ADMIT_H

#include "freshness.h"

enum cache_admission {
	CACHE_STORE,
	CACHE_NOT_THIS,			/* not this one, but the next may be: an error, or the request forbids it */
	CACHE_NOT_SUCH			/* the resource's are not to be stored: worth remembering for a while */
};

/* May the response to a GET be stored, with this freshness? *why is a static text, for Cache-Status and
 * logs: a token. */
enum cache_admission cache_admit(const struct cache_request *, const struct cache_response *,
	const struct cache_rules *, const struct cache_freshness *, const char **why);

/* Is a field of an admitted response stored? Framing and connection fields are gone already; Age and what
 * no-cache="…" and private="…" name are not. */
bool cache_keeps_field(const struct cache_response *, const struct cache_rules *, const char *name, size_t length);

/* Does a response to an unsafe request invalidate what is stored for its target (RFC 9111, 4.4)? */
bool cache_invalidates(const char *method, int status);

#endif
