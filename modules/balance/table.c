/* SPDX-License-Identifier: Apache-2.0 */
/*
 * table: the upstreams of a generation as balancing needs them.
 *
 * Built and dropped on the main thread, which alone counts the holders of a record: whatever a thread still
 * uses is held by the generation of its request. Records are on the heap, all else is the generation's.
 */
#include "table.h"

#include <stdlib.h>
#include <string.h>

static int
compare_names(const struct balance_record *record, const char *upstream, const char *server)
{
	int order = strcmp(record->upstream, upstream);

	return order != 0 ? order : strcmp(record->server, server);
}

static int
by_names(const void *left, const void *right)
{
	const struct balance_record *const *a = left, *const *b = right;

	return compare_names(*a, (*b)->upstream, (*b)->server);
}

static struct balance_record *
find_record(const struct balance_table *table, const char *upstream, const char *server)
{
	size_t low = 0, high = table != NULL && table->sorted != NULL ? table->member_count : 0;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = compare_names(table->sorted[middle], upstream, server);

		if (order == 0)
			return table->sorted[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

/* Two names and a load for each thread, in one piece that begins at a cache line. */
static struct balance_record *
make_record(unsigned threads, const char *upstream, const char *server)
{
	size_t loads = threads * sizeof(struct balance_load);
	size_t names = strlen(upstream) + strlen(server) + 2;
	size_t size = sizeof(struct balance_record) + loads + names;
	size_t line = alignof(struct balance_record);
	struct balance_record *record = aligned_alloc(line, (size + line - 1) / line * line);
	char *text;

	if (record == NULL)
		return NULL;
	memset(record, 0, size);
	text = (char *)record->loads + loads;
	record->upstream = text;
	record->server = strcpy(text + strlen(strcpy(text, upstream)) + 1, server);
	balance_sticky_mark(record->mark, server);
	return record;
}

/* The lobby of the records that stay; else a new one. NULL without memory. */
static struct balance_lobby *
find_lobby(const struct balance_group *group, const struct balance_table *previous)
{
	const char *upstream = weir_upstream_name(group->upstream);
	const struct balance_record *record = NULL;

	for (size_t i = 0; i < group->count && record == NULL; i++)
		record = find_record(previous, upstream, weir_server_name(weir_upstream_server(group->upstream, i)));
	return record != NULL ? record->lobby : balance_lobby_new();
}

static void
free_record(struct balance_record *record)
{
	balance_lobby_drop(record->lobby);
	free(record);
}

static bool
fill_member(struct balance_member *member, const struct balance_group *group, unsigned threads,
	const struct balance_table *previous)
{
	const char *upstream = weir_upstream_name(group->upstream), *server = weir_server_name(member->server);

	member->record = find_record(previous, upstream, server);
	if (member->record == NULL) {
		if ((member->record = make_record(threads, upstream, server)) == NULL)
			return false;
		member->record->lobby = group->lobby;
		group->lobby->holders++;
		if (previous != NULL)	/* it joins others that are at work */
			balance_health_enter(&member->record->health, weir_now());
	}
	member->record->holders++;
	return true;
}

/* Where servers stand on the ring of a group that hashes. */
static bool
fill_ring(struct weir_build *build, struct balance_group *group)
{
	struct balance_server *servers = calloc(group->count + 1, sizeof(*servers));

	if (servers == NULL)
		return false;
	for (size_t i = 0; i < group->count; i++) {
		servers[i].name = weir_server_name(group->members[i].server);
		servers[i].weight = weir_server_weight(group->members[i].server);
	}
	group->point_count = balance_ring_size(servers, group->count);
	group->points = weir_build_alloc(build, group->point_count + 1, sizeof(*group->points));
	if (group->points != NULL)
		balance_ring_fill(group->points, group->point_count, servers, group->count);
	free(servers);
	return group->points != NULL;
}

/* What the settings of before have brought about, and those of now cannot undo. */
static void
forget_unwatched(const struct balance_group *group, struct balance_record *record)
{
	if (group->limit.fails == 0)
		atomic_store_explicit(&record->health.out_until, 0, memory_order_relaxed);
	if (group->settings->check == NO_CHECK)
		balance_check_forget(&record->check, &record->health);
}

/* Without memory for a first record nobody holds the lobby. */
static bool
drop_empty(struct balance_group *group)
{
	if (group->lobby->holders == 0) {
		group->lobby->holders = 1;
		balance_lobby_drop(group->lobby);
	}
	return false;
}

static bool
fill_group(struct weir_build *build, struct balance_table *table, struct balance_group *group, size_t first,
	const struct balance_table *previous)
{
	group->first = first;
	group->count = weir_upstream_servers(group->upstream);
	group->members = table->members + first;
	group->settings = weir_build_upstream_settings(build, group->upstream);
	if ((group->lobby = find_lobby(group, previous)) == NULL)
		return false;
	group->limit.fails = (unsigned)group->settings->max_fails;
	group->limit.time = group->settings->fail_time;
	for (size_t i = 0; i < group->count; i++) {
		group->members[i].server = weir_upstream_server(group->upstream, i);
		if (!fill_member(&group->members[i], group, table->threads, previous))
			return drop_empty(group);
		forget_unwatched(group, group->members[i].record);
	}
	return group->settings->policy != HASH || fill_ring(build, group);
}

/* Each thread begins its round elsewhere; else a burst over all threads would meet the first server only. */
static void
stagger(struct balance_seat *seats, size_t count, unsigned thread)
{
	for (size_t i = 0; i < count; i++)
		seats[i].eligible = seats[i].weight > 0;
	for (unsigned turn = 0; turn < thread; turn++)
		balance_pick_round_robin(seats, count);
}

/* A cache line is left between two threads' arrays, so that neither's writes disturb the other. */
#define APART(type) (64 / sizeof(type) + 1)

static bool
fill_desk(struct weir_build *build, const struct balance_table *table, unsigned thread)
{
	struct balance_desk *desk = &table->desks[thread];

	desk->seats = weir_build_alloc(build, table->member_count + APART(*desk->seats), sizeof(*desk->seats));
	desk->budgets = weir_build_alloc(build, table->group_count + APART(*desk->budgets), sizeof(*desk->budgets));
	if (desk->seats == NULL || desk->budgets == NULL)
		return false;
	for (size_t i = 0; i < table->member_count; i++) {
		desk->seats[i].load = &table->members[i].record->loads[thread];
		desk->seats[i].weight = weir_server_weight(table->members[i].server);
	}
	for (size_t i = 0; i < table->group_count; i++)
		stagger(desk->seats + table->groups[i].first, table->groups[i].count, thread);
	return true;
}

static bool
take_memory(struct weir_build *build, struct balance_table *table)
{
	table->threads = weir_build_threads(build);
	table->group_count = weir_build_upstreams(build);
	table->groups = weir_build_alloc(build, table->group_count + 1, sizeof(*table->groups));
	table->desks = weir_build_alloc(build, table->threads + 1, sizeof(*table->desks));
	if (table->groups == NULL || table->desks == NULL)
		return false;
	for (size_t i = 0; i < table->group_count; i++) {
		table->groups[i].upstream = weir_build_upstream(build, i);
		table->member_count += weir_upstream_servers(table->groups[i].upstream);
	}
	table->members = weir_build_alloc(build, table->member_count + 1, sizeof(*table->members));
	table->sorted = weir_build_alloc(build, table->member_count + 1, sizeof(*table->sorted));
	return table->members != NULL && table->sorted != NULL;
}

static bool
fill(struct weir_build *build, struct balance_table *table, const struct balance_table *previous)
{
	size_t first = 0;

	for (size_t i = 0; i < table->group_count; first += table->groups[i++].count)
		if (!fill_group(build, table, &table->groups[i], first, previous))
			return false;
	for (unsigned thread = 0; thread < table->threads; thread++)
		if (!fill_desk(build, table, thread))
			return false;
	for (size_t i = 0; i < table->member_count; i++)
		table->sorted[i] = table->members[i].record;
	if (table->member_count > 0)
		qsort(table->sorted, table->member_count, sizeof(*table->sorted), by_names);
	return true;
}

void
balance_table_build(struct weir_build *build, struct balance_table *table, const struct balance_table *previous)
{
	static uint64_t number;

	table->number = ++number;
	if (!take_memory(build, table) || !fill(build, table, previous))
		weir_build_error(build, "no memory to balance %zu upstreams", table->group_count);
}

void
balance_table_drop(struct balance_table *table)
{
	for (size_t i = 0; table->members != NULL && i < table->member_count; i++) {
		struct balance_record *record = table->members[i].record;

		table->members[i].record = NULL;
		if (record != NULL && --record->holders == 0)
			free_record(record);
	}
}
