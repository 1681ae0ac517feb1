/* SPDX-License-Identifier: Apache-2.0 */
/*
 * table: what an index consists of, and how a slot is found: by who builds it and by who looks up.
 */
#ifndef ROUTE_TABLE_H
#define ROUTE_TABLE_H

#include "hash.h"
#include "index.h"

#include <string.h>

struct host {
	uint64_t hash;
	const char *name;		/* of the pattern; NULL: the slot is empty */
	uint64_t depths;		/* bit d: a prefix of d segments */
	uint32_t longest;		/* bytes of an exact path; 0: it has none */
	uint16_t port;
	bool wildcard;
};

struct candidate {
	const void *route;
	const void *conditions;		/* NULL: it fits always */
};

/* With 100,000 routes a look-up waits for memory: most places have one candidate, and hold it themselves. */
struct place {
	uint64_t hash;
	const struct host *host;	/* NULL: the slot is empty */
	const char *path;
	uint32_t length;
	uint32_t count : 31, below : 1;
	union {
		struct candidate only;	/* where count is 1 */
		uint32_t first;		/* of its candidates */
	};
};

/* Part of a host's name, as hosts are looked up. */
struct name {
	const char *text;
	size_t length;
	uint64_t hash;
	bool wildcard;
};

struct route_index {
	uint64_t seed;
	struct host *hosts;
	struct place *places;
	struct candidate *candidates;
	size_t hosts_mask, places_mask;	/* sizes are powers of two, less one here */
	uint32_t longest;		/* exact path of any host */
	uint8_t deepest;		/* prefix of any host */
	uint8_t labels;			/* of the longest wildcard's suffix */
	bool ports, any;		/* does a pattern name a port, or any host? */
};

/* The host's slot, or the empty one where it would stand. */
static inline struct host *
host_slot(const struct route_index *index, const struct name *name, uint16_t port)
{
	uint64_t hash = mix_host(name->hash, port, name->wildcard);
	struct host *host;

	for (size_t i = hash;; i++) {
		host = &index->hosts[i & index->hosts_mask];
		if (host->name == NULL || (host->hash == hash && host->port == port &&
		    host->wildcard == name->wildcard && strncmp(host->name, name->text, name->length) == 0 &&
		    host->name[name->length] == '\0'))
			return host;
	}
}

/* The same for a path of a host: its first `length` bytes, the hash of which is `prefix`. */
static inline struct place *
place_slot(const struct route_index *index, const struct host *host, bool below, uint64_t prefix,
	const char *path, size_t length)
{
	uint64_t hash = mix_place(prefix, host->hash, below);
	struct place *place;

	for (size_t i = hash;; i++) {
		place = &index->places[i & index->places_mask];
		if (place->host == NULL || (place->hash == hash && place->host == host &&
		    place->below == below && place->length == length && memcmp(place->path, path, length) == 0))
			return place;
	}
}

#endif
