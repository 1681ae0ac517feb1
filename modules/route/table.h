/* SPDX-License-Identifier: Apache-2.0 */
/*
 * table: what an index consists of, and how a slot is found: by who builds it and by who looks up.
 */
#ifndef ROUTE_TABLE_H
#define ROUTE_TABLE_H

#include "hash.h"
#include "index.h"

#include <string.h>

enum { HOST_LINE = 64, HOST_TEXT = 32 };

/* One line of the processor's cache: with 100,000 routes a look-up waits for memory, and most hosts have a short name and one
 * route for all their paths, so that there is nowhere else to look. */
struct host {
	uint64_t hash;
	uint64_t depths;		/* bit d: a prefix of d segments */
	/* The route of the prefix without segments, where it is alone and without conditions; or NULL. */
	const void *all;
	uint32_t longest;		/* bytes of an exact path; 0: it has none */
	uint16_t port;
	uint16_t size : 15;		/* of the name, and one; 0: the slot is empty */
	uint16_t wildcard : 1;
	union {
		char text[HOST_TEXT];	/* of a name that fits */
		const char *name;	/* of a longer one: the pattern's */
	};
};

_Static_assert(sizeof(struct host) == HOST_LINE, "a host fills a line");

struct candidate {
	const void *route;
	const void *conditions;		/* NULL: it fits always */
};

/* Most places have one candidate, and hold it themselves. */
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

static inline const char *
host_name(const struct host *host)
{
	return host->size <= HOST_TEXT ? host->text : host->name;
}

/* The host's slot, or the empty one where it would stand. */
static inline struct host *
host_slot(const struct route_index *index, const struct name *name, uint16_t port)
{
	uint64_t hash = mix_host(name->hash, port, name->wildcard);
	struct host *host;

	for (size_t i = hash;; i++) {
		host = &index->hosts[i & index->hosts_mask];
		if (host->size == 0 || (host->hash == hash && host->port == port &&
		    host->wildcard == name->wildcard && host->size == name->length + 1 &&
		    memcmp(host_name(host), name->text, name->length) == 0))
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
