/* SPDX-License-Identifier: Apache-2.0 */
/*
 * search: the server that a request goes to.
 *
 * Servers are looked for in rounds: those that are in, backups that are in, any, any backup. The rounds of any are for
 * upstreams of which all servers are out: a wrong guess must not become an outage. A server that is merely full is no reason
 * for them. Seats are the thread's own, so choosing takes no lock.
 */
#include "search.h"

#include <string.h>

struct round {
	bool backup, open;
};
static const struct round rounds[] = { { false, false }, { true, false }, { false, true }, { true, true } };

/* --- room ------------------------------------------------------------------------------------------------------ */

static bool
has_room(const struct balance_quest *quest, const struct balance_record *record)
{
	int64_t most = quest->group->settings->max_connections;

	return most == 0 || atomic_load_explicit(&record->busy, memory_order_relaxed) < most;
}

/* Others look at the same time: who counts past the bound was too late. */
static bool
take_room(const struct balance_quest *quest, struct balance_record *record)
{
	int64_t most = quest->group->settings->max_connections;

	if (most == 0 || atomic_fetch_add(&record->busy, 1) < most)
		return true;
	balance_give_room(record);
	return false;
}

void
balance_give_room(struct balance_record *record)
{
	atomic_fetch_sub(&record->busy, 1);
	if (atomic_load(&record->lobby->count) > 0)
		balance_lobby_call(record->lobby);
}

static void
leave_room(const struct balance_quest *quest, struct balance_record *record)
{
	if (quest->group->settings->max_connections > 0)
		balance_give_room(record);
}

/* --- who may have it --------------------------------------------------------------------------------------------- */

static bool
is_usable(const struct balance_member *member)
{
	return weir_server_weight(member->server) > 0
		&& !atomic_load_explicit(&member->record->health.drained, memory_order_relaxed);
}

static bool
is_eligible(struct balance_quest *quest, const struct balance_member *member, const struct round *round)
{
	if (!is_usable(member) || weir_server_backup(member->server) != round->backup)
		return false;
	if (!round->open && !balance_health_admits(&member->record->health, quest->now))
		return false;
	if (quest->again && weir_server_was_tried(quest->x, member->server))
		return false;
	if (has_room(quest, member->record))
		return true;
	quest->full = true;
	return false;
}

/* While one starts slowly, weights are in percent. */
static uint32_t
weight_of(const struct balance_quest *quest, const struct balance_member *member)
{
	int64_t slow_start = quest->group->settings->slow_start;

	return weir_server_weight(member->server) * balance_health_share(&member->record->health, slow_start, quest->now);
}

/* A server that was out is taken only by the one request that may probe it. */
static bool
claim(struct balance_quest *quest, const struct balance_member *member, bool open)
{
	struct balance_record *record = member->record;

	if (!take_room(quest, record)) {
		quest->full = true;
		return false;
	}
	if (open || balance_health_claim(&record->health, &quest->group->limit, quest->now))
		return true;
	leave_room(quest, record);
	return false;
}

/* --- choosing ---------------------------------------------------------------------------------------------------- */

static size_t
pick_by_key(const struct balance_quest *quest)
{
	const struct balance_group *group = quest->group;
	const char *key = weir_expand(quest->x, group->settings->hash);

	if (key == NULL)
		key = "";	/* without memory: the request fails by itself */
	return balance_ring_find(group->points, group->point_count, key, quest->seats, group->count);
}

static size_t
pick(const struct balance_quest *quest)
{
	switch ((enum balance_policy)quest->group->settings->policy) {
	case LEAST_CONNECTIONS:
		return balance_pick_least(quest->seats, quest->group->count);
	case TWO_CHOICES:
		return balance_pick_two(quest->seats, quest->group->count, weir_random());
	case RANDOM:
		return balance_pick_random(quest->seats, quest->group->count, weir_random());
	case HASH:
		return pick_by_key(quest);
	case ROUND_ROBIN:
		break;
	}
	return balance_pick_round_robin(quest->seats, quest->group->count);
}

static const struct balance_member *
search_round(struct balance_quest *quest, const struct round *round)
{
	const struct balance_group *group = quest->group;
	bool slow = group->settings->slow_start > 0;
	size_t i;

	for (i = 0; i < group->count; i++) {
		quest->seats[i].eligible = is_eligible(quest, &group->members[i], round);
		if (slow && quest->seats[i].eligible)
			quest->seats[i].weight = weight_of(quest, &group->members[i]);
	}
	while ((i = pick(quest)) < group->count) {
		if (claim(quest, &group->members[i], round->open))
			return &group->members[i];
		quest->seats[i].eligible = false;
	}
	return NULL;
}

/* The server that the client's cookie names, if it may have the request. */
static const struct balance_member *
find_marked(struct balance_quest *quest)
{
	const struct balance_group *group = quest->group;

	for (size_t i = 0; i < group->count; i++) {
		const struct balance_member *member = &group->members[i];
		const struct round round = { .backup = weir_server_backup(member->server) };

		if (memcmp(member->record->mark, quest->mark, BALANCE_MARK - 1) == 0)
			return is_eligible(quest, member, &round) && claim(quest, member, false) ? member : NULL;
	}
	return NULL;
}

const struct balance_member *
balance_search(struct balance_quest *quest)
{
	const struct balance_member *member = NULL;

	if (quest->mark != NULL && !quest->again && (member = find_marked(quest)) != NULL) {
		quest->stuck = true;
		return member;
	}
	for (size_t i = 0; member == NULL && i < sizeof(rounds) / sizeof(*rounds); i++) {
		if (rounds[i].open && quest->full)
			return NULL;
		member = search_round(quest, &rounds[i]);
		quest->opened = rounds[i].open;
	}
	return member;
}

int64_t
balance_room(const struct balance_group *group)
{
	int64_t room = 0, one;

	for (size_t i = 0; i < group->count; i++) {
		if (!is_usable(&group->members[i]) || !balance_health_is_in(&group->members[i].record->health))
			continue;
		one = group->settings->max_connections - atomic_load(&group->members[i].record->busy);
		room += one > 0 ? one : 0;
	}
	return room;
}

bool
balance_has_another(struct weir_exchange *x, const struct balance_group *group)
{
	for (size_t i = 0; i < group->count; i++)
		if (is_usable(&group->members[i]) && !weir_server_was_tried(x, group->members[i].server))
			return true;
	return false;
}
