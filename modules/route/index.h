/* SPDX-License-Identifier: Apache-2.0 */
/*
 * index: from host and path to the route, in a time that does not grow with the number of routes.
 */
#ifndef ROUTE_INDEX_H
#define ROUTE_INDEX_H

#include "pattern.h"

/* One pattern of one route, as the builder is given it. All that it points to must outlive the index. */
struct route_entry {
	const struct route_pattern *pattern;
	const void *route;		/* what a look-up returns */
	const void *conditions;		/* handed to `fits`; NULL: none */
	const char *conditions_text;	/* equal texts: equal conditions; "" without any */
	unsigned conditions_count;	/* more win over fewer */
	unsigned order;			/* of the files: the first wins */
};

struct route_question {
	const char *host;		/* in lower case, without port; "" when there is none */
	uint16_t port;
	const char *path;		/* normalised; "*" for a request without a path */
	bool (*fits)(const void *conditions, void *with);
	void *with;
};

struct route_index;

/* What the builder needs of the world: zeroed memory that lives as long as the index (NULL when there is none), a
 * number that a client cannot guess, and somebody to tell of two entries with the same pattern and conditions. */
struct route_index_needs {
	void *(*alloc)(void *with, size_t count, size_t size);
	void (*clash)(void *with, const struct route_entry *, const struct route_entry *);
	void (*step)(void *with);	/* after each small piece of the work */
	void *with;
	uint64_t seed;
};

/* Build the index. NULL without memory. */
struct route_index *route_index_build(const struct route_entry *, size_t count, const struct route_index_needs *);

/* The route of the best pattern whose conditions fit; NULL when there is none. Any thread. */
const void *route_index_find(const struct route_index *, const struct route_question *);

/* Does any pattern name a port? If not, a question's port is not looked at. */
bool route_index_has_ports(const struct route_index *);

#endif
