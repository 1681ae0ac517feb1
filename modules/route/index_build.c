/* SPDX-License-Identifier: Apache-2.0 */
/*
 * index_build: the index of all patterns.
 *
 * It is built anew for each change of a route, so its time counts: a few passes over the patterns, all by hash.
 */
#include "table.h"

#include <assert.h>
#include <stdlib.h>

enum { AHEAD = 16 };		/* slots that are asked for while others are filled: each is a wait for memory */

static bool
is_same_host(const struct route_pattern *a, const struct route_pattern *b)
{
	return a->port == b->port && a->wildcard == b->wildcard && strcmp(a->host, b->host) == 0;
}

static bool
is_same_place(const struct route_pattern *a, const struct route_pattern *b)
{
	return a->below == b->below && strcmp(a->path, b->path) == 0 && is_same_host(a, b);
}

static int
compare_orders(const struct route_entry *a, const struct route_entry *b)
{
	return (a->order > b->order) - (a->order < b->order);
}

/* Within a place, those of the same conditions together. */
static int
by_conditions(const void *left, const void *right)
{
	const struct route_entry *a = left, *b = right;
	int order = strcmp(a->conditions_text, b->conditions_text);

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

/* The size of a table that is at most half full, less one. */
static size_t
mask_for(size_t count)
{
	size_t size = 4;

	while (size < 2 * count)
		size *= 2;
	return size - 1;
}

/*
 * Entries in groups of the same host or the same place, found by hash: sorting 100,000 texts would be most of the
 * work. `group` numbers the group of each entry in the order in which they come, `first` has the first entry of each.
 */
struct groups {
	uint32_t *group, *first;
	size_t count;
};

/* What building needs for itself. */
struct scratch {
	const struct route_index_needs *needs;
	struct groups hosts, places;
	struct route_entry *sorted;	/* the entries by place */
	struct host **host;		/* by group of hosts */
	uint64_t *hashes;		/* of the entries' places */
	uint64_t *host_hashes;		/* by group of hosts */
	uint32_t *slots;		/* room for mask_for(count) + 1 */
	uint32_t *begin;		/* where the entries of each place begin, and the end of the last */
};

typedef bool is_same(const struct route_pattern *, const struct route_pattern *);

static void
be_courteous(const struct scratch *s)
{
	s->needs->step(s->needs->with);
}

/* By the hashes and the slots at hand, which are zero: the group, counted from 1. */
static void
find_groups(struct groups *groups, const struct route_entry *entries, size_t count, is_same *same, struct scratch *s)
{
	const uint64_t *hashes = s->hashes;
	uint32_t *slots = s->slots;
	size_t mask = mask_for(count), at;

	groups->count = 0;
	for (size_t i = 0; i < count; i++) {
		for (at = hashes[i] & mask; slots[at] != 0; at = (at + 1) & mask) {
			size_t first = groups->first[slots[at] - 1];

			if (hashes[first] == hashes[i] && same(entries[first].pattern, entries[i].pattern))
				break;
		}
		if (slots[at] == 0) {
			groups->first[groups->count] = (uint32_t)i;
			slots[at] = (uint32_t)++groups->count;
		}
		groups->group[i] = slots[at] - 1;
		be_courteous(s);
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

/* No two groups are the same host, or the same place: any empty slot will do. */
static struct host *
free_host(struct route_index *index, uint64_t hash)
{
	size_t at = hash & index->hosts_mask;

	while (index->hosts[at].size != 0)
		at = (at + 1) & index->hosts_mask;
	return &index->hosts[at];
}

static struct place *
free_place(struct route_index *index, uint64_t hash)
{
	size_t at = hash & index->places_mask;

	while (index->places[at].host != NULL)
		at = (at + 1) & index->places_mask;
	return &index->places[at];
}

/* `hash` is the whole of it (mix_host). */
static struct host *
add_host(struct route_index *index, const struct route_pattern *pattern, uint64_t hash)
{
	size_t length = strlen(pattern->host);
	unsigned labels = pattern->wildcard ? count_of(pattern->host, '.') : 0;
	struct host *host;

	host = free_host(index, hash);
	assert(length <= ROUTE_HOST_MOST);
	*host = (struct host){
		.hash = hash,
		.port = pattern->port,
		.wildcard = pattern->wildcard,
		.size = (length + 1) & 0x7fff,
	};
	if (host->size <= HOST_TEXT)
		memcpy(host->text, pattern->host, length);
	else
		host->name = pattern->host;
	index->ports |= pattern->port != 0;
	index->any |= pattern->wildcard && *pattern->host == '\0';
	if (labels > index->labels)
		index->labels = (uint8_t)labels;
	return host;
}

/* The path of the run's entries, with the whole of its hash (mix_place); its candidates are yet to be laid out. */
static struct place *
add_place(struct route_index *index, struct host *host, const struct route_pattern *pattern, uint64_t hash,
	size_t first, size_t count)
{
	size_t length = strlen(pattern->path);
	unsigned depth = pattern->below ? count_of(pattern->path, '/') : 0;
	struct place *place = free_place(index, hash);

	assert(depth <= ROUTE_DEPTH_MOST);
	*place = (struct place){
		.hash = hash,
		.host = host,
		.path = pattern->path,
		.length = (uint32_t)length,
		.count = (uint32_t)count & 0x7fffffff,
		.below = pattern->below,
		.first = (uint32_t)first,
	};
	if (pattern->below)
		host->depths |= (uint64_t)1 << depth;
	else if (length > host->longest)
		host->longest = (uint32_t)length;
	if (depth > index->deepest)
		index->deepest = (uint8_t)depth;
	if (host->longest > index->longest)
		index->longest = host->longest;
	return place;
}

/* Entries of one place: tell of twins, and lay them out as a look-up tries them. */
static void
add_candidates(struct candidate *to, struct route_entry *run, size_t count,
	const struct route_index_needs *needs)
{
	if (count > 1)
		qsort(run, count, sizeof(*run), by_conditions);
	for (size_t i = 1; i < count; i++)
		if (strcmp(run[i - 1].conditions_text, run[i].conditions_text) == 0)
			needs->clash(needs->with, &run[i - 1], &run[i]);
	if (count > 1)
		qsort(run, count, sizeof(*run), by_rank);
	for (size_t i = 0; i < count; i++)
		to[i] = (struct candidate){ run[i].route, run[i].conditions };
}

static bool
take_scratch(struct scratch *s, size_t count)
{
	s->hosts.group = calloc(count + 1, sizeof(uint32_t));
	s->hosts.first = calloc(count + 1, sizeof(uint32_t));
	s->places.group = calloc(count + 1, sizeof(uint32_t));
	s->places.first = calloc(count + 1, sizeof(uint32_t));
	s->sorted = calloc(count + 1, sizeof(*s->sorted));
	s->host = calloc(count + 1, sizeof(*s->host));
	s->hashes = calloc(count + 1, sizeof(*s->hashes));
	s->host_hashes = calloc(count + 1, sizeof(*s->host_hashes));
	s->slots = calloc(mask_for(count) + 1, sizeof(*s->slots));
	s->begin = calloc(count + 2, sizeof(*s->begin));
	return s->hosts.group != NULL && s->hosts.first != NULL && s->places.group != NULL &&
		s->places.first != NULL && s->sorted != NULL && s->host != NULL && s->hashes != NULL &&
		s->host_hashes != NULL && s->slots != NULL && s->begin != NULL;
}

static void
free_scratch(struct scratch *s)
{
	free(s->hosts.group);
	free(s->hosts.first);
	free(s->places.group);
	free(s->places.first);
	free(s->sorted);
	free(s->host);
	free(s->hashes);
	free(s->host_hashes);
	free(s->slots);
	free(s->begin);
}

/* Group the entries by host and by place. */
static void
find_all(struct scratch *s, const struct route_entry *entries, size_t count, uint64_t seed)
{
	const struct route_pattern *pattern;

	for (size_t i = 0; i < count; i++) {
		pattern = entries[i].pattern;
		s->hashes[i] = mix_host(hash_host(seed, pattern->host), pattern->port, pattern->wildcard);
		be_courteous(s);
	}
	find_groups(&s->hosts, entries, count, is_same_host, s);
	for (size_t i = 0; i < s->hosts.count; i++)
		s->host_hashes[i] = s->hashes[s->hosts.first[i]];
	memset(s->slots, 0, (mask_for(count) + 1) * sizeof(*s->slots));
	for (size_t i = 0; i < count; i++) {
		pattern = entries[i].pattern;
		s->hashes[i] = mix_place(hash_path(seed, pattern->path), s->hashes[i], pattern->below);
		be_courteous(s);
	}
	find_groups(&s->places, entries, count, is_same_place, s);
}

/* The entries place by place, each in its order. */
static void
sort_entries(struct scratch *s, const struct route_entry *entries, size_t count)
{
	for (size_t i = 0; i < count; i++)
		s->begin[s->places.group[i] + 2]++;
	for (size_t i = 2; i < s->places.count + 2; i++)
		s->begin[i] += s->begin[i - 1];
	for (size_t i = 0; i < count; i++) {
		s->sorted[s->begin[s->places.group[i] + 1]++] = entries[i];
		be_courteous(s);
	}
}

static void
fill_hosts(struct route_index *index, struct scratch *s, const struct route_entry *entries)
{
	for (size_t i = 0; i < s->hosts.count; i++) {
		if (i + AHEAD < s->hosts.count)
			__builtin_prefetch(&index->hosts[s->host_hashes[i + AHEAD] & index->hosts_mask], 1);
		s->host[i] = add_host(index, entries[s->hosts.first[i]].pattern, s->host_hashes[i]);
		be_courteous(s);
	}
}

static void
fill_places(struct route_index *index, struct scratch *s, const struct route_entry *entries,
	const struct route_index_needs *needs)
{
	for (size_t i = 0; i < s->places.count; i++) {
		size_t first = s->places.first[i], begin = s->begin[i], size = s->begin[i + 1] - begin;
		struct place *place;

		if (i + AHEAD < s->places.count)
			__builtin_prefetch(&index->places[s->hashes[s->places.first[i + AHEAD]] & index->places_mask], 1);
		place = add_place(index, s->host[s->hosts.group[first]], entries[first].pattern, s->hashes[first],
			begin, size);
		add_candidates(index->candidates + begin, s->sorted + begin, size, needs);
		be_courteous(s);
		if (size == 1)
			place->only = index->candidates[begin];
		if (size == 1 && place->below && place->length == 0 && place->only.conditions == NULL)
			s->host[s->hosts.group[first]]->all = place->only.route;
	}
}

/* To where a line begins, in memory with one more than is wanted. */
static void *
align(void *memory)
{
	uintptr_t at = (uintptr_t)memory;

	return memory == NULL ? NULL : (char *)memory + (HOST_LINE - at % HOST_LINE) % HOST_LINE;
}

static bool
take_tables(struct route_index *index, size_t count, const struct scratch *s,
	const struct route_index_needs *needs)
{
	index->hosts_mask = mask_for(s->hosts.count);
	index->places_mask = mask_for(s->places.count);
	index->hosts = align(needs->alloc(needs->with, index->hosts_mask + 2, sizeof(*index->hosts)));
	index->places = needs->alloc(needs->with, index->places_mask + 1, sizeof(*index->places));
	index->candidates = needs->alloc(needs->with, count + 1, sizeof(*index->candidates));
	return index->hosts != NULL && index->places != NULL && index->candidates != NULL;
}

struct route_index *
route_index_build(const struct route_entry *entries, size_t count, const struct route_index_needs *needs)
{
	struct route_index *index = needs->alloc(needs->with, 1, sizeof(*index));
	struct scratch scratch = { .needs = needs };
	bool good = index != NULL && count < UINT32_MAX / 2 && take_scratch(&scratch, count);

	if (good) {
		index->seed = needs->seed;
		find_all(&scratch, entries, count, needs->seed);
		sort_entries(&scratch, entries, count);
		good = take_tables(index, count, &scratch, needs);
	}
	if (good) {
		fill_hosts(index, &scratch, entries);
		fill_places(index, &scratch, entries, needs);
	}
	free_scratch(&scratch);
	return good ? index : NULL;
}
