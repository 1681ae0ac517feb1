/* SPDX-License-Identifier: Apache-2.0 */
/*
 * show: the admin verbs. `servers` reads on the main thread what the event threads write, each figure whole but
 * not all of one moment.
 */
#include "show.h"
#include "table.h"

#include <stdio.h>
#include <string.h>

static const char *
state_of(const struct balance_group *group, const struct balance_member *member)
{
	struct balance_health *health = &member->record->health;
	int64_t slow_start = group->settings->slow_start;

	if (weir_server_weight(member->server) == 0 || atomic_load_explicit(&health->drained, memory_order_relaxed))
		return "drained";
	if (atomic_load_explicit(&health->down, memory_order_relaxed))
		return "down";
	if (balance_health_is_out(health))
		return balance_health_admits(health, weir_now()) ? "probe" : "out";
	return slow_start > 0 && balance_health_share(health, slow_start, weir_now()) < 100 ? "slow" : "in";
}

static void
show_check(struct weir_reply *reply, const struct balance_group *group, const struct balance_record *record)
{
	int outcome = atomic_load_explicit(&record->check.outcome, memory_order_relaxed);
	char status[32];

	if (group->settings->check == NO_CHECK)
		return;
	snprintf(status, sizeof(status), "status %d", outcome);
	weir_reply_text(reply, "check", outcome == NOT_CHECKED ? "not yet" : outcome == CHECK_GOOD ? "good" :
		outcome == CHECK_FAILED ? "no answer" : outcome == CHECK_BODY ? "text missing" : status);
}

static void
show_server(struct weir_reply *reply, const struct balance_table *table, const struct balance_group *group,
	const struct balance_member *member)
{
	uint64_t active = 0, requests = 0;

	for (unsigned i = 0; i < table->threads; i++) {
		active += balance_active(&member->record->loads[i]);
		requests += atomic_load_explicit(&member->record->loads[i].requests, memory_order_relaxed);
	}
	weir_reply_open(reply, NULL);
	weir_reply_text(reply, "upstream", weir_upstream_name(group->upstream));
	weir_reply_text(reply, "server", weir_server_name(member->server));
	weir_reply_number(reply, "weight", weir_server_weight(member->server));
	weir_reply_text(reply, "role", weir_server_backup(member->server) ? "backup" : "primary");
	weir_reply_text(reply, "state", state_of(group, member));
	show_check(reply, group, member->record);
	weir_reply_number(reply, "fails", balance_health_failures(&member->record->health));
	weir_reply_number(reply, "active", (double)active);
	weir_reply_number(reply, "requests", (double)requests);
	weir_reply_close(reply);
}

static bool
is_wanted(const struct balance_group *group, const char *name)
{
	return name == NULL || strcmp(weir_upstream_name(group->upstream), name) == 0;
}

static bool
exists(const struct balance_table *table, const char *name)
{
	for (size_t i = 0; i < table->group_count; i++)
		if (is_wanted(&table->groups[i], name))
			return true;
	return false;
}

bool
balance_show_servers(struct weir_reply *reply, void *generation, int count, const char *const *arguments)
{
	const struct balance_table *table = generation;
	const char *name = count > 0 ? arguments[0] : NULL;

	if (name != NULL && !exists(table, name)) {
		weir_reply_error(reply, "there is no upstream `%s`", name);
		return false;
	}
	weir_reply_open_list(reply, "servers");
	for (size_t i = 0; i < table->group_count; i++) {
		const struct balance_group *group = &table->groups[i];

		for (size_t j = 0; is_wanted(group, name) && j < group->count; j++)
			show_server(reply, table, group, &group->members[j]);
	}
	weir_reply_close(reply);
	return true;
}

/* --- draining ---------------------------------------------------------------------------------------------------- */

static struct balance_record *
find_server(const struct balance_table *table, const char *upstream, const char *server)
{
	for (size_t i = 0; i < table->group_count; i++) {
		const struct balance_group *group = &table->groups[i];

		for (size_t j = 0; is_wanted(group, upstream) && j < group->count; j++)
			if (strcmp(weir_server_name(group->members[j].server), server) == 0)
				return group->members[j].record;
	}
	return NULL;
}

/* In the record, so that it holds through reloads; it is no setting, and a new process knows nothing of it. */
static bool
set_drained(struct weir_reply *reply, const struct balance_table *table, int count, const char *const *arguments,
	bool drained)
{
	struct balance_record *record;

	if (count != 2) {
		weir_reply_error(reply, "name the upstream and the server, as `weirctl balance servers` shows them");
		return false;
	}
	if ((record = find_server(table, arguments[0], arguments[1])) == NULL) {
		weir_reply_error(reply, "upstream `%s` has no server `%s`", arguments[0], arguments[1]);
		return false;
	}
	if (atomic_exchange(&record->health.drained, drained) && !drained)
		balance_health_enter(&record->health, weir_now());
	return true;
}

bool
balance_drain(struct weir_reply *reply, void *table, int count, const char *const *arguments)
{
	return set_drained(reply, table, count, arguments, true);
}

bool
balance_undrain(struct weir_reply *reply, void *table, int count, const char *const *arguments)
{
	return set_drained(reply, table, count, arguments, false);
}
