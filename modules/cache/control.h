/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control: directives for caches: Cache-Control of requests and responses (RFC 9111, 5.2), and targeted
 * fields (RFC 9213).
 *
 * Fields of one name may stand in many lines: each is read into the same struct. Whatever is malformed or
 * stands twice is taken in the most restrictive way: the smaller lifetime, 0 for one that is no number. A
 * number that is too large counts as CACHE_DELTA_MOST (RFC 9111, 1.2.2).
 */
#ifndef CACHE_CONTROL_H
#define CACHE_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CACHE_DELTA_MOST INT64_C(2147483648)
#define CACHE_NAMES_MOST 512

/* Names of fields, in lower case, each between two commas: ",set-cookie,x-user,". Empty: none. */
struct cache_names {
	char text[CACHE_NAMES_MOST];
	uint16_t length;
};

struct cache_control {
	bool present;			/* there was a field */
	bool no_store, no_cache, no_transform, only_if_cached;
	bool is_private, is_public, must_revalidate, proxy_revalidate, must_understand, immutable;
	/* Seconds; -1: not there. max_stale without a value is INT64_MAX. */
	int64_t max_age, s_maxage, max_stale, min_fresh, while_revalidate, if_error;
	struct cache_names unnamed;	/* fields that no-cache="…" and private="…" name: not to be stored */
};

void cache_control_init(struct cache_control *);

/* Read one field line of Cache-Control. */
void cache_control_parse(struct cache_control *, const char *value, size_t length);

/* Read a targeted field, its lines joined by commas. False, with nothing changed, when it is empty or
 * malformed: it is then to be ignored (RFC 9213, 2.1). */
bool cache_control_parse_targeted(struct cache_control *, const char *value, size_t length);

/* Digits to seconds, up to CACHE_DELTA_MOST; -1 when it is anything else. */
int64_t cache_delta_parse(const char *text, size_t length);

bool cache_names_has(const struct cache_names *, const char *name, size_t length);

#endif
