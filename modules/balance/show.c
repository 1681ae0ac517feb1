/* SPDX-License-Identifier: Apache-2.0 */
/*
 * show: the admin verb `servers`. It reads on the main thread what the event threads write, each figure whole but
 * not all of one moment.
 */
#include "show.h"
#include "table.h"

#include <string.h>

static const char *
state_of(const struct balance_group *group, const struct balance_member *member)
{
	if (weir_server_weight(member->server) == 0)
		return "drained";
	if (group->limit.fails == 0 || !balance_health_is_out(&member->record->health))
		return "in";
	return balance_health_admits(&member->record->health, weir_now()) ? "probe" : "out";
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
