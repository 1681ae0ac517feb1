/* SPDX-License-Identifier: Apache-2.0 */
/*
 * balance: choose the server of an upstream, see which ones fail, and try again on another.
 *
 * Every thread balances for itself: its turns, counts and retry budget are its own (table.h), so choosing takes
 * no lock. What requests have shown of a server's health is shared by all threads and outlives a reload
 * (health.h). A server that is out is passed over; if all are out, all are tried: a wrong guess must not become
 * an outage.
 */
#include <weir/module.h>

#include "reasons.h"
#include "show.h"
#include "table.h"

struct state {				/* of a request */
	const struct balance_group *group;
	const struct balance_member *member;	/* the server of the running attempt; NULL: none */
	const struct weir_server *last;		/* of the last attempt; NULL before the first */
	unsigned retries;
	bool probing;			/* the member was out when it was chosen */
};

enum { FAILURES, OUTAGES, OPENINGS, RETRIES, DENIALS };

/* --- what is under way ------------------------------------------------------------------------------- */

static struct balance_load *
load_of(struct weir_exchange *x, const struct balance_member *member)
{
	return &member->record->loads[weir_thread_number(x)];
}

static void
hold(struct weir_exchange *x, struct state *state, const struct balance_member *member)
{
	struct balance_load *load = load_of(x, member);

	state->member = member;
	atomic_store_explicit(&load->active, balance_active(load) + 1, memory_order_relaxed);
	atomic_store_explicit(&load->requests,
		atomic_load_explicit(&load->requests, memory_order_relaxed) + 1, memory_order_relaxed);
}

/* The attempt is over; every way out of it comes here, and only the first counts. */
static void
release(struct weir_exchange *x, struct state *state)
{
	struct balance_load *load;

	if (state->member == NULL)
		return;
	load = load_of(x, state->member);
	atomic_store_explicit(&load->active, balance_active(load) - 1, memory_order_relaxed);
	state->member = NULL;
	state->probing = false;
}

/* --- choosing ---------------------------------------------------------------------------------------- */

/* Servers are looked for in four rounds: those that are in, backups that are in, any, any backup. */
struct round {
	bool backup, open;
};
static const struct round rounds[] = { { false, false }, { true, false }, { false, true }, { true, true } };

/* What choosing looks at. */
struct quest {
	struct weir_exchange *x;
	const struct balance_group *group;
	struct balance_seat *seats;		/* of the group, at this thread's desk */
	int64_t now;
	bool again;				/* some servers were tried */
};

static bool
is_eligible(const struct quest *quest, const struct balance_member *member, const struct round *round)
{
	if (weir_server_weight(member->server) == 0 || weir_server_backup(member->server) != round->backup)
		return false;
	if (!round->open && quest->group->limit.fails > 0 &&
	    !balance_health_admits(&member->record->health, quest->now))
		return false;
	return !quest->again || !weir_server_was_tried(quest->x, member->server);
}

static size_t
pick_by_key(const struct quest *quest)
{
	const struct balance_group *group = quest->group;
	const char *key = weir_expand(quest->x, group->settings->hash);

	if (key == NULL)
		key = "";	/* without memory: the request fails by itself */
	return balance_ring_find(group->points, group->point_count, key, quest->seats, group->count);
}

static size_t
pick(const struct quest *quest)
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

/* One round: a server that was out is taken only by the one request that may probe it. */
static const struct balance_member *
search(const struct quest *quest, const struct round *round)
{
	const struct balance_group *group = quest->group;
	struct balance_member *member;
	size_t i;

	for (i = 0; i < group->count; i++)
		quest->seats[i].eligible = is_eligible(quest, &group->members[i], round);
	while ((i = pick(quest)) < group->count) {
		member = &group->members[i];
		if (round->open || group->limit.fails == 0 ||
		    balance_health_claim(&member->record->health, &group->limit, quest->now))
			return member;
		quest->seats[i].eligible = false;
	}
	return NULL;
}

/* A server that a hook before this one has chosen for this attempt; NULL when none has. */
static const struct balance_member *
chosen_already(struct weir_exchange *x, const struct state *state)
{
	const struct balance_group *group = state->group;
	const struct weir_server *server = weir_server(x);
	size_t i = server != NULL ? weir_server_index(server) : group->count;

	if (i >= group->count || group->members[i].server != server || server == state->last)
		return NULL;
	return &group->members[i];
}

static const struct balance_member *
find_member(struct weir_exchange *x, const struct state *state)
{
	const struct balance_table *table = weir_generation_state(x);
	const struct balance_member *member = chosen_already(x, state);
	struct quest quest = {
		.x = x,
		.group = state->group,
		.seats = table->desks[weir_thread_number(x)].seats + state->group->first,
		.now = weir_now(),
		.again = state->last != NULL,
	};

	for (size_t i = 0; member == NULL && i < sizeof(rounds) / sizeof(*rounds); i++) {
		member = search(&quest, &rounds[i]);
		if (member != NULL && rounds[i].open)
			weir_count(x, OPENINGS, 1);
	}
	return member;
}

static struct balance_budget *
budget_of(struct weir_exchange *x, const struct balance_group *group)
{
	const struct balance_table *table = weir_generation_state(x);

	return &table->desks[weir_thread_number(x)].budgets[group - table->groups];
}

static enum weir_verdict
choose(struct weir_exchange *x, const void *settings, void *s)
{
	const struct balance_table *table = weir_generation_state(x);
	const struct weir_upstream *upstream = weir_upstream(x);
	const struct balance_member *member;
	struct state *state = s;

	(void)settings;
	release(x, state);
	if (upstream == NULL)
		return WEIR_NEXT;
	state->group = &table->groups[weir_upstream_index(upstream)];
	member = find_member(x, state);
	if (member == NULL) {
		weir_fail(x, 503, "upstream %s has no server to try", weir_upstream_name(upstream));
		return WEIR_FAIL;
	}
	if (state->last == NULL)
		balance_budget_earn(budget_of(x, state->group), (unsigned)state->group->settings->retry_budget);
	state->last = member->server;
	state->probing = balance_health_is_out(&member->record->health);
	hold(x, state, member);
	weir_choose_server(x, member->server);
	return WEIR_NEXT;
}

/* --- what became of it ------------------------------------------------------------------------------- */

static bool
has_another(struct weir_exchange *x, const struct balance_group *group)
{
	for (size_t i = 0; i < group->count; i++) {
		const struct weir_server *server = group->members[i].server;

		if (weir_server_weight(server) > 0 && !weir_server_was_tried(x, server))
			return true;
	}
	return false;
}

/* Try another server, if the request, the settings and the budget allow it. */
static enum weir_verdict
try_again(struct weir_exchange *x, struct state *state)
{
	const struct balance_group *group = state->group;

	if (state->retries >= group->settings->retries || !weir_may_retry(x) || !has_another(x, group))
		return WEIR_NEXT;
	if (!balance_budget_spend(budget_of(x, group), weir_now())) {
		weir_count(x, DENIALS, 1);
		return WEIR_NEXT;
	}
	weir_count(x, RETRIES, 1);
	state->retries++;
	release(x, state);
	return WEIR_RETRY;
}

static void
note_failure(struct weir_exchange *x, const struct state *state)
{
	const struct balance_group *group = state->group;
	const struct balance_member *member = state->member;

	weir_count(x, FAILURES, 1);
	if (!balance_health_fail(&member->record->health, &group->limit, weir_now()))
		return;
	weir_count(x, OUTAGES, 1);
	weir_log(WEIR_LOG_WARNING, "upstream %s: server %s is out for %lld ms after %u failures",
		weir_upstream_name(group->upstream), weir_server_name(member->server),
		(long long)group->limit.time, group->limit.fails);
}

/* No answer came. A pooled connection that the server has closed meanwhile is no failure of the server. */
static enum weir_verdict
judge_failure(struct weir_exchange *x, const void *settings, void *s)
{
	enum weir_peer_failure failure = weir_peer_failure(x);
	const struct balance_reasons *retry_on;
	struct state *state = s;

	(void)settings;
	if (state->member == NULL)
		return WEIR_NEXT;
	if (failure != WEIR_PEER_CLOSED || !weir_peer_reused(x))
		note_failure(x, state);
	retry_on = &state->group->settings->retry_on;
	if (failure == WEIR_PEER_TIMEOUT ? retry_on->timeout : retry_on->error)
		return try_again(x, state);
	return WEIR_NEXT;
}

static enum weir_verdict
judge_response(struct weir_exchange *x, const void *settings, void *s)
{
	struct state *state = s;

	(void)settings;
	if (state->member == NULL)
		return WEIR_NEXT;
	if (balance_reasons_have(&state->group->settings->retry_on, weir_status(x))) {
		note_failure(x, state);
		return try_again(x, state);
	}
	if (state->probing) {
		balance_health_recover(&state->member->record->health);
		weir_log(WEIR_LOG_NOTICE, "upstream %s: server %s is in again",
			weir_upstream_name(state->group->upstream), weir_server_name(state->member->server));
	}
	state->probing = false;
	return WEIR_NEXT;
}

static enum weir_verdict
finish(struct weir_exchange *x, const void *settings, void *s)
{
	(void)settings;
	release(x, s);
	return WEIR_NEXT;
}

/* --- building ---------------------------------------------------------------------------------------- */

static void
build(struct weir_build *b, void *generation, void *previous)
{
	balance_table_build(b, generation, previous);
}

static void
drop(void *generation)
{
	balance_table_drop(generation);
}

/* --- options ----------------------------------------------------------------------------------------- */

static const char *const policies[] = {
	[ROUND_ROBIN] = "round_robin", [LEAST_CONNECTIONS] = "least_connections", [TWO_CHOICES] = "two_choices",
	[HASH] = "hash", [RANDOM] = "random", NULL
};

#define AT(member) offsetof(struct balance_settings, member), .in = WEIR_IN_MODULE | WEIR_IN_UPSTREAM

static const struct weir_option options[] = {
	{ "balance", WEIR_CHOICE, AT(policy), .bare = true, .choices = policies, .initial = "round_robin",
	  .doc = "How a server is chosen." },
	{ "hash", WEIR_TEMPLATE, AT(hash), .initial = "${client_address}",
	  .doc = "The key of `balance = hash`: requests with equal keys go to one server." },
	{ "max_fails", WEIR_INTEGER, AT(max_fails), .initial = "3", .max = BALANCE_FAILS_MOST,
	  .doc = "A server that fails so often within fail_time is out for that long; 0: never." },
	{ "fail_time", WEIR_DURATION, AT(fail_time), .initial = "10s", .min = 100, .max = 86400000,
	  .doc = "How long failures count, and how long a server is out before one request probes it." },
	{ "retries", WEIR_INTEGER, AT(retries), .initial = "2", .max = 10,
	  .doc = "On how many other servers a request is tried at most." },
	{ "retry_budget", WEIR_INTEGER, AT(retry_budget), .initial = "20", .max = 100,
	  .doc = "Retries may be so many percent of the requests, beside a few a second that are free." },
	{ "retry_on", WEIR_CUSTOM, AT(retry_on), .initial = "error timeout",
	  .size = sizeof(struct balance_reasons), .parse = balance_reasons_parse,
	  .doc = "What is a failure that may be tried again: error, timeout, statuses from 400 to 599; or off." },
	{ .name = NULL }
};

static const struct weir_metric metrics[] = {
	[FAILURES] = { "failures_total", .doc = "Attempts that failed, by the servers' fault." },
	[OUTAGES] = { "outages_total", .doc = "Times that a server was taken out." },
	[OPENINGS] = { "openings_total", .doc = "Attempts at a server that was out, since all were." },
	[RETRIES] = { "retries_total", .doc = "Requests tried again on another server." },
	[DENIALS] = { "denials_total", .doc = "Retries that the budget did not allow." },
	{ .name = NULL }
};

static const struct weir_verb verbs[] = {
	{ "servers", "[UPSTREAM]", balance_show_servers,
	  "Show servers with state, failures and requests under way." },
	{ .name = NULL }
};

WEIR_MODULE(balance) = {
	WEIR_ABI,
	.summary = "Choose the server of an upstream, see which ones fail, and try again on another.",
	.options = options,
	.metrics = metrics,
	.verbs = verbs,
	.settings_size = sizeof(struct balance_settings),
	.generation_size = sizeof(struct balance_table),
	.request_size = sizeof(struct state),
	.order = WEIR_CLASS_FIRST,
	.build = build,
	.drop = drop,
	.hooks = {
		[WEIR_PHASE_PEER] = choose,
		[WEIR_PHASE_FAILED] = judge_failure,
		[WEIR_PHASE_UPSTREAM_RESPONSE] = judge_response,
		[WEIR_PHASE_LOG] = finish,
	},
};
