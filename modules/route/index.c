/* SPDX-License-Identifier: Apache-2.0 */
/*
 * index: from host and path to the route, in a time that does not grow with the number of routes.
 *
 * Two hash tables. The first holds the hosts of all patterns. A host knows at which depths it has prefixes
 * and how long its longest exact path is, so that a look-up probes only where something can be. The second
 * holds each path of each host, and the routes that share it, the pickiest first.
 *
 * A look-up walks hosts from the most to the least specific (the name, *.suffix from the longest, any; each
 * with the request's port, then without) and in each the exact path and the prefixes from the deepest. The
 * hash of every prefix falls out of one pass over the path. How far the passes go is bounded by the patterns,
 * never by the request.
 *
 * Built on the main thread (index_build.c), then never changed: all event threads read the same one.
 */
#include "table.h"

/* The request's path, cut where prefixes may end. */
struct cuts {
	uint64_t whole;			/* hash of the path */
	size_t length;			/* of the path; SIZE_MAX: longer than any exact one */
	unsigned depth;
	struct { uint64_t hash; size_t length; } at[ROUTE_DEPTH_MOST + 1];
};

bool
route_index_has_ports(const struct route_index *index)
{
	return index->ports;
}

/* Hash the path and each of its prefixes, no further than the patterns reach. */
static void
cut(const struct route_index *index, const char *path, struct cuts *cuts)
{
	uint64_t hash = index->seed;
	size_t i = 0;

	cuts->depth = 0;
	cuts->at[0].hash = hash;
	cuts->at[0].length = 0;
	cuts->length = SIZE_MAX;
	if (*path != '/')
		return;		/* OPTIONS * and CONNECT: only what matches every path */
	while (cuts->depth < index->deepest || i < index->longest) {
		hash = step(hash, path[i++]);
		if ((path[i] == '/' || path[i] == '\0') && cuts->depth < index->deepest) {
			cuts->depth++;
			cuts->at[cuts->depth].hash = hash;
			cuts->at[cuts->depth].length = i;
		}
		if (path[i] == '\0') {
			cuts->length = i;
			break;
		}
	}
	cuts->whole = hash;
}

static const void *
find_candidate(const struct route_index *index, const struct place *place, const struct route_question *asked)
{
	const struct candidate *candidate;

	if (place->host == NULL)
		return NULL;
	for (uint32_t i = 0; i < place->count; i++) {
		candidate = place->count == 1 ? &place->only : &index->candidates[place->first + i];
		if (candidate->conditions == NULL || asked->fits(candidate->conditions, asked->with))
			return candidate->route;
	}
	return NULL;
}

/* Of one host: the exact path, then the prefixes at the depths that it has. */
static const void *
find_path(const struct route_index *index, const struct host *host, const struct cuts *cuts,
	const struct route_question *asked)
{
	uint64_t depths = host->depths & (~(uint64_t)0 >> (ROUTE_DEPTH_MOST - cuts->depth));
	const void *route = NULL;
	struct place *place;

	if (cuts->length <= host->longest) {
		place = place_slot(index, host, false, cuts->whole, asked->path, cuts->length);
		route = find_candidate(index, place, asked);
	}
	while (route == NULL && depths != 0) {
		unsigned depth = ROUTE_DEPTH_MOST - (unsigned)__builtin_clzll(depths);

		if (depth == 0 && host->all != NULL)
			return host->all;
		depths &= ~((uint64_t)1 << depth);
		place = place_slot(index, host, true, cuts->at[depth].hash, asked->path, cuts->at[depth].length);
		route = find_candidate(index, place, asked);
	}
	return route;
}

/* One name, with the request's port and then with any. */
static const void *
find_host(const struct route_index *index, const struct name *name, const struct cuts *cuts,
	const struct route_question *asked)
{
	const struct host *host;
	const void *route = NULL;

	if (index->ports && asked->port != 0) {
		host = host_slot(index, name, asked->port);
		route = host->size != 0 ? find_path(index, host, cuts, asked) : NULL;
	}
	if (route != NULL)
		return route;
	host = host_slot(index, name, 0);
	return host->size != 0 ? find_path(index, host, cuts, asked) : NULL;
}

/* The name itself, then *.suffix from the longest suffix that a pattern could have. */
static const void *
find_named(const struct route_index *index, const struct cuts *cuts, const struct route_question *asked)
{
	struct name suffixes[UINT8_MAX];
	struct name name = { asked->host, strlen(asked->host), index->seed, false };
	const void *route;
	unsigned count = 0;

	if (name.length > 0 && name.text[name.length - 1] == '.')
		name.length--;
	if (name.length == 0 || name.length > ROUTE_HOST_MOST)
		return NULL;
	for (size_t i = name.length; i > 0; i--) {
		name.hash = step(name.hash, name.text[i - 1]);
		if (name.text[i - 1] == '.' && i > 1 && count < index->labels)
			suffixes[count++] = (struct name){ name.text + i - 1, name.length - i + 1, name.hash, true };
	}
	route = find_host(index, &name, cuts, asked);
	while (route == NULL && count > 0)
		route = find_host(index, &suffixes[--count], cuts, asked);
	return route;
}

const void *
route_index_find(const struct route_index *index, const struct route_question *asked)
{
	const struct name any = { "", 0, index->seed, true };
	const void *route;
	struct cuts cuts;

	cut(index, asked->path, &cuts);
	route = find_named(index, &cuts, asked);
	if (route == NULL && index->any)
		route = find_host(index, &any, &cuts, asked);
	return route;
}
