/* SPDX-License-Identifier: Apache-2.0 */
/*
 * watch: what the first event thread does about servers once a second.
 *
 * Checks are errands: requests, or connections alone, that take the way of the upstream's own ones, its TLS included. Only the
 * newest table's begin; one that is on its way holds its generation, and so the table and the record that it is about.
 */
#include <string.h>

#include "lobby.h"
#include "search.h"
#include "table.h"
#include "watch.h"

enum { QUIET = 10000 };			/* milliseconds between two lines about one server */

/* --- the log ------------------------------------------------------------------------------------------------------ */

static const char *
reason_of(const struct balance_record *record)
{
	int outcome = atomic_load_explicit(&record->check.outcome, memory_order_relaxed);

	if (!atomic_load_explicit(&record->health.down, memory_order_relaxed))
		return "requests to it failed";
	return outcome == CHECK_BODY ? "its answer to checks lacks the text" : outcome == CHECK_FAILED ?
		"it does not answer checks" : "it answers checks with a wrong status";
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
			record->server, reason_of(record));
	else
		weir_log(WEIR_LOG_NOTICE, "upstream %s: server %s is in again", weir_upstream_name(group->upstream),
			record->server);
}

/* --- checks --------------------------------------------------------------------------------------------------------- */

static enum weir_verdict
take(struct weir_exchange *x, void *argument, const struct weir_chunk *chunk)
{
	struct balance_record *record = argument;

	(void)x;
	balance_check_look(&record->check, record->checked->settings->check_body, chunk->data, chunk->length);
	return WEIR_NEXT;
}

static void
end(struct weir_exchange *x, void *argument)
{
	struct balance_record *record = argument;
	const struct balance_settings *s = record->checked->settings;
	int outcome = CHECK_GOOD;

	if (weir_failure(x) != NULL)
		outcome = CHECK_FAILED;
	else if (s->check == HTTP_CHECK && !balance_statuses_have(&s->check_status, weir_status(x)))
		outcome = weir_status(x);
	else if (s->check == HTTP_CHECK && s->check_body != NULL && !record->check.found)
		outcome = CHECK_BODY;
	balance_check_end(&record->check, &record->health, outcome, (unsigned)s->check_rise, (unsigned)s->check_fall, weir_now());
}

/* What the origin sees as its host, unless the upstream's `host` says something else. */
static const char *
authority_of(const struct balance_settings *s, const struct weir_server *server)
{
	if (s->check_host != NULL)
		return s->check_host;
	if (weir_server_address(server)->host == NULL)
		return "localhost";
	return weir_server_name(server) + (weir_server_address(server)->port == 0 ? strlen("srv:") : 0);
}

/* Where too many are under way already, it is for the next second. */
static void
begin_check(struct weir_thread *thread, const struct balance_group *group, const struct balance_member *member)
{
	const struct balance_settings *s = group->settings;
	struct balance_record *record = member->record;
	struct weir_errand errand = {
		.method = s->check_method,
		.authority = authority_of(s, member->server),
		.target = s->check_target,
		.upstream = group->upstream,
		.server = member->server,
		.connect_only = s->check == CONNECT_CHECK,
		.limit = s->check_timeout,
		.sink = { .take = s->check_body != NULL ? take : NULL, .end = end, .argument = record },
	};

	record->checked = group;
	balance_check_begin(&record->check);
	if (!weir_send_errand(thread, NULL, &errand)) {
		record->check.running = false;
		record->check.due = weir_now();
	}
}

/* A server that is in again has room of which no request's end tells those who wait. */
static void
call_waiting(const struct balance_group *group)
{
	if (group->count == 0 || group->settings->max_connections == 0 || atomic_load(&group->lobby->count) == 0)
		return;
	for (int64_t room = balance_room(group); room > 0 && atomic_load(&group->lobby->count) > 0; room--)
		balance_lobby_call(group->lobby);
}

void
balance_watch_tick(struct weir_thread *thread, struct balance_watch *watch, struct balance_table *table)
{
	int64_t now = weir_now();

	if (table->number < watch->newest)
		return;
	watch->newest = table->number;
	for (size_t i = 0; i < table->group_count; i++) {
		const struct balance_group *group = &table->groups[i];

		for (size_t j = 0; j < group->count; j++) {
			struct balance_record *record = group->members[j].record;

			if (group->settings->check != NO_CHECK && balance_check_is_due(&record->check,
				group->settings->check_interval, now, weir_random()))
				begin_check(thread, group, &group->members[j]);
			report(group, record, now);
		}
		call_waiting(group);
	}
}
