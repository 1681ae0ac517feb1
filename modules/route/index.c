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
 * Built on the main thread, then never changed: all event threads read the same one.
 */
#include "hash.h"
#include "index.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct host {
	uint64_t hash;
	const char *name;		/* of the pattern; NULL: the slot is empty */
	uint64_t depths;		/* bit d: a prefix of d segments */
	uint32_t longest;		/* bytes of an exact path; 0: it has none */
	uint16_t port;
	bool wildcard;
};

struct place {
	uint64_t hash;
	const struct host *host;	/* NULL: the slot is empty */
	const char *path;
	uint32_t length;
	uint32_t first, count;		/* of its candidates */
	bool below;
};

struct candidate {
	const void *route;
	const void *conditions;		/* NULL: it fits always */
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

/* The request's path, cut where prefixes may end. */
struct cuts {
	uint64_t whole;			/* hash of the path */
	size_t length;			/* of the path; SIZE_MAX: longer than any exact one */
	unsigned depth;
	struct { uint64_t hash; size_t length; } at[ROUTE_DEPTH_MOST + 1];
};

/* --- building ---------------------------------------------------------------------------------------- */

static int
compare_hosts(const struct route_pattern *a, const struct route_pattern *b)
{
	int order = strcmp(a->host, b->host);

	if (order == 0)
		order = a->wildcard - b->wildcard;
	return order != 0 ? order : a->port - b->port;
}

static int
compare_places(const struct route_entry *a, const struct route_entry *b)
{
	int order = compare_hosts(a->pattern, b->pattern);

	if (order == 0)
		order = strcmp(a->pattern->path, b->pattern->path);
	return order != 0 ? order : a->pattern->below - b->pattern->below;
}

static int
compare_orders(const struct route_entry *a, const struct route_entry *b)
{
	return (a->order > b->order) - (a->order < b->order);
}

/* Entries of one place together, and within it those of the same conditions. */
static int
by_place(const void *left, const void *right)
{
	const struct route_entry *a = left, *b = right;
	int order = compare_places(a, b);

	if (order == 0)
		order = strcmp(a->conditions_text, b->conditions_text);
	return order != 0 ? order : compare_orders(a, b);
}

/* Within a place, as a look-up tries them. */
static int
by_rank(const void *left, const void *right)
{
	const struct route_entry *a = left, *b = right;

	if (a->conditions_count != b->conditions_count)
		return a->conditions_count < b->conditions_count ? 1 : -1;
	return compare_orders(a, b);
}

/* The host's slot, or the empty one where it would stand. */
static struct host *
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
static struct place *
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

static unsigned
count_of(const char *text, char c)
{
	unsigned count = 0;

	for (; *text != '\0'; text++)
		count += *text == c;
	return count;
}

static struct host *
add_host(struct route_index *index, const struct route_pattern *pattern)
{
	struct name name = { pattern->host, strlen(pattern->host), 0, pattern->wildcard };
	unsigned labels = pattern->wildcard ? count_of(pattern->host, '.') : 0;
	struct host *host;

	name.hash = hash_host(index->seed, pattern->host);
	host = host_slot(index, &name, pattern->port);
	assert(host->name == NULL);
	*host = (struct host){
		.hash = mix_host(name.hash, pattern->port, pattern->wildcard),
		.name = pattern->host,
		.port = pattern->port,
		.wildcard = pattern->wildcard,
	};
	index->ports |= pattern->port != 0;
	index->any |= pattern->wildcard && *pattern->host == '\0';
	if (labels > index->labels)
		index->labels = (uint8_t)labels;
	return host;
}

/* The path of the run's entries; its candidates are yet to be laid out. */
static void
add_place(struct route_index *index, struct host *host, const struct route_pattern *pattern,
	size_t first, size_t count)
{
	uint64_t prefix = hash_path(index->seed, pattern->path);
	size_t length = strlen(pattern->path);
	unsigned depth = pattern->below ? count_of(pattern->path, '/') : 0;
	struct place *place = place_slot(index, host, pattern->below, prefix, pattern->path, length);

	assert(place->host == NULL && depth <= ROUTE_DEPTH_MOST);
	*place = (struct place){
		.hash = mix_place(prefix, host->hash, pattern->below),
		.host = host,
		.path = pattern->path,
		.length = (uint32_t)length,
		.first = (uint32_t)first,
		.count = (uint32_t)count,
		.below = pattern->below,
	};
	if (pattern->below)
		host->depths |= (uint64_t)1 << depth;
	else if (length > host->longest)
		host->longest = (uint32_t)length;
	if (depth > index->deepest)
		index->deepest = (uint8_t)depth;
	if (host->longest > index->longest)
		index->longest = host->longest;
}

/* Entries of one place: tell of twins, and lay them out as a look-up tries them. */
static void
add_candidates(struct candidate *to, struct route_entry *run, size_t count,
	const struct route_index_needs *needs)
{
	for (size_t i = 1; i < count; i++)
		if (strcmp(run[i - 1].conditions_text, run[i].conditions_text) == 0)
			needs->clash(needs->with, &run[i - 1], &run[i]);
	qsort(run, count, sizeof(*run), by_rank);
	for (size_t i = 0; i < count; i++)
		to[i] = (struct candidate){ run[i].route, run[i].conditions };
}

static void
fill(struct route_index *index, struct route_entry *all, size_t count, const struct route_index_needs *needs)
{
	struct host *host = NULL;
	size_t end;

	for (size_t i = 0; i < count; i = end) {
		for (end = i + 1; end < count && compare_places(&all[i], &all[end]) == 0; )
			end++;
		if (i == 0 || compare_hosts(all[i - 1].pattern, all[i].pattern) != 0)
			host = add_host(index, all[i].pattern);
		add_place(index, host, all[i].pattern, i, end - i);
		add_candidates(index->candidates + i, all + i, end - i, needs);
	}
}

/* The size of a table that is at most half full, less one. */
static size_t
mask_for(size_t count)
{
	size_t size = 4;

	while (size < 2 * count)
		size *= 2;
	return size - 1;
}

static void
count_entries(const struct route_entry *entries, size_t count, size_t *hosts, size_t *places)
{
	*hosts = *places = count > 0;
	for (size_t i = 1; i < count; i++) {
		*hosts += compare_hosts(entries[i - 1].pattern, entries[i].pattern) != 0;
		*places += compare_places(&entries[i - 1], &entries[i]) != 0;
	}
}

struct route_index *
route_index_build(struct route_entry *entries, size_t count, const struct route_index_needs *needs)
{
	struct route_index *index = needs->alloc(needs->with, 1, sizeof(*index));
	size_t hosts, places;

	if (index == NULL || count >= UINT32_MAX)
		return NULL;
	if (count > 0)
		qsort(entries, count, sizeof(*entries), by_place);
	count_entries(entries, count, &hosts, &places);
	index->seed = needs->seed;
	index->hosts_mask = mask_for(hosts);
	index->places_mask = mask_for(places);
	index->hosts = needs->alloc(needs->with, index->hosts_mask + 1, sizeof(*index->hosts));
	index->places = needs->alloc(needs->with, index->places_mask + 1, sizeof(*index->places));
	index->candidates = needs->alloc(needs->with, count + 1, sizeof(*index->candidates));
	if (index->hosts == NULL || index->places == NULL || index->candidates == NULL)
		return NULL;
	fill(index, entries, count, needs);
	return index;
}

bool
route_index_has_ports(const struct route_index *index)
{
	return index->ports;
}

/* --- looking up -------------------------------------------------------------------------------------- */

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
		candidate = &index->candidates[place->first + i];
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
		route = host->name != NULL ? find_path(index, host, cuts, asked) : NULL;
	}
	if (route != NULL)
		return route;
	host = host_slot(index, name, 0);
	return host->name != NULL ? find_path(index, host, cuts, asked) : NULL;
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
