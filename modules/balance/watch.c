/* SPDX-License-Identifier: Apache-2.0 */
/*
 * watch: what the first event thread does about servers once a second.
 */
#include "watch.h"
#include "table.h"

enum { QUIET = 10000 };			/* milliseconds between two lines about one server */

static const char *
reason_of(const struct balance_health *health)
{
	return atomic_load_explicit(&health->down, memory_order_relaxed) ? "its checks fail" : "requests to it failed";
}

static void
report(const struct balance_group *group, struct balance_record *record, int64_t now)
{
	struct balance_report *told = &record->report;
	bool out = !balance_health_is_in(&record->health);

	if (out == told->told_out || (told->told != 0 && now - told->told < QUIET))
		return;
	told->told_out = out;
	told->told = now;
	if (out)
		weir_log(WEIR_LOG_WARNING, "upstream %s: server %s is out: %s", weir_upstream_name(group->upstream),
			record->server, reason_of(&record->health));
	else
		weir_log(WEIR_LOG_NOTICE, "upstream %s: server %s is in again", weir_upstream_name(group->upstream),
			record->server);
}

void
balance_watch_tick(struct balance_watch *watch, struct balance_table *table)
{
	int64_t now = weir_now();

	if (table->number < watch->newest)
		return;
	watch->newest = table->number;
	for (size_t i = 0; i < table->group_count; i++) {
		const struct balance_group *group = &table->groups[i];

		for (size_t j = 0; j < group->count; j++)
			report(group, group->members[j].record, now);
	}
}
