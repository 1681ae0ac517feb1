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

#include <string.h>

#include "lobby.h"
#include "reasons.h"
#include "search.h"
#include "show.h"
#include "sticky.h"
#include "table.h"
#include "watch.h"

struct state {				/* of a request */
	const struct balance_group *group;
	const struct balance_member *member;	/* the server of the running attempt; NULL: none */
	const struct weir_server *last;		/* of the last attempt; NULL before the first */
	unsigned retries;
	bool counted;			/* as under way: an errand is not, as nobody tells how it ends */
	bool probing;			/* the member was out when it was chosen */
	bool stuck;			/* it is the one that the client's cookie names */
	bool answered;			/* it did */
	bool full;			/* there was none, as those that are in had no room */
	int64_t wait_until;		/* for room; 0: it has not waited */
	struct balance_guest guest;
};

enum { FAILURES, OUTAGES, OPENINGS, RETRIES, DENIALS, OVERFLOWS, WAITS };

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
	state->counted = !weir_is_errand(x);
	if (state->counted)
		atomic_store_explicit(&load->active, balance_active(load) + 1, memory_order_relaxed);
	else if (state->group->settings->max_connections > 0)
		balance_give_room(member->record);
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
	if (state->counted) {
		atomic_store_explicit(&load->active, balance_active(load) - 1, memory_order_relaxed);
		if (state->group->settings->max_connections > 0)
			balance_give_room(state->member->record);
	}
	state->member = NULL;
	state->probing = false;
}

/* --- choosing ---------------------------------------------------------------------------------------- */

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

/* The cookie of this upstream that the client sent; NULL: none that could be ours. */
static const char *
find_mark(struct weir_exchange *x, const char *name)
{
	const char *cookies, *mark;
	unsigned position = 0;
	size_t length;

	while ((cookies = weir_field_next_named(x, WEIR_REQUEST, "Cookie", &position)) != NULL)
		if ((mark = balance_sticky_find(cookies, name, &length)) != NULL && length == BALANCE_MARK - 1)
			return mark;
	return NULL;
}

static const struct balance_member *
find_member(struct weir_exchange *x, struct state *state)
{
	const struct balance_table *table = weir_generation_state(x);
	const struct balance_settings *settings = state->group->settings;
	const struct balance_member *member = chosen_already(x, state);
	struct balance_quest quest = {
		.x = x,
		.group = state->group,
		.seats = table->desks[weir_thread_number(x)].seats + state->group->first,
		.mark = settings->sticky != NULL ? find_mark(x, settings->sticky) : NULL,
		.now = weir_now(),
		.again = state->last != NULL,
	};

	state->stuck = false;
	if (member != NULL) {	/* bounds are no business of ours then, but it counts */
		if (settings->max_connections > 0)
			atomic_fetch_add(&member->record->busy, 1);
		return member;
	}
	member = balance_search(&quest);
	state->stuck = quest.stuck;
	state->full = quest.full;
	if (member != NULL && quest.opened)
		weir_count(x, OPENINGS, 1);
	return member;
}

static struct balance_budget *
budget_of(struct weir_exchange *x, const struct balance_group *group)
{
	const struct balance_table *table = weir_generation_state(x);

	return &table->desks[weir_thread_number(x)].budgets[group - table->groups];
}

static void
wait_ended(void *argument)
{
	struct state *state = argument;

	balance_lobby_leave(&state->guest);
}

/* Until a request ends somewhere, or the time is over: then `choose` is called once more. Who was called and found the room taken
 * by another is the first to be called again. */
static enum weir_verdict
await_room(struct weir_exchange *x, struct state *state)
{
	const struct balance_group *group = state->group;
	struct balance_lobby *lobby = group->lobby;
	int64_t now = weir_now();
	bool again = state->wait_until != 0;

	if (!again)
		state->wait_until = now + group->settings->pending_timeout;
	if (weir_is_errand(x) || now >= state->wait_until || !balance_lobby_book(lobby, group->settings->max_pending)) {
		weir_count(x, OVERFLOWS, 1);
		weir_fail(x, 503, "every server of upstream %s has as many requests as it may",
			weir_upstream_name(group->upstream));
		return WEIR_FAIL;
	}
	state->guest.token = weir_wait(x, state->wait_until - now, WEIR_AGAIN, wait_ended, state);
	if (state->guest.token.generation == 0) {
		balance_lobby_cancel(lobby);
		return WEIR_FAIL;
	}
	if (!again)
		weir_count(x, WAITS, 1);
	balance_lobby_sit(lobby, &state->guest, again);
	if (balance_room(group) > 0)	/* since we looked */
		balance_lobby_call(lobby);
	return WEIR_WAIT;
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
	if (upstream == NULL || weir_upstream_servers(upstream) == 0)	/* another module names the peer */
		return WEIR_NEXT;
	state->group = &table->groups[weir_upstream_index(upstream)];
	member = find_member(x, state);
	if (member == NULL && state->full)
		return await_room(x, state);
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

/* Try another server, if the request, the settings and the budget allow it. */
static enum weir_verdict
try_again(struct weir_exchange *x, struct state *state)
{
	const struct balance_group *group = state->group;

	if (state->retries >= group->settings->retries || !weir_may_retry(x) || !balance_has_another(x, group))
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
	if (balance_health_fail(&member->record->health, &group->limit, weir_now()))
		weir_count(x, OUTAGES, 1);
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
	if (state->probing)
		balance_health_recover(&state->member->record->health, weir_now());
	state->probing = false;
	state->answered = true;
	return WEIR_NEXT;
}

/* Tell the client where to come back. Here, and not at the upstream's response, as no cache may keep this field. */
static enum weir_verdict
mark_client(struct weir_exchange *x, const void *settings, void *s)
{
	const struct balance_settings *set;
	const struct state *state = s;
	const char *age = "";

	(void)settings;
	if (!state->answered || state->stuck || state->member == NULL)
		return WEIR_NEXT;
	if ((set = state->group->settings)->sticky == NULL)
		return WEIR_NEXT;
	if (set->sticky_time > 0)
		age = weir_printf(x, "; Max-Age=%lld", (long long)set->sticky_time / 1000);
	weir_add_field(x, WEIR_RESPONSE, "Set-Cookie", weir_printf(x, "%s=%s; Path=/%s; HttpOnly; SameSite=Lax%s",
		set->sticky, state->member->record->mark, age != NULL ? age : "",
		strcmp(weir_scheme(x), "https") == 0 ? "; Secure" : ""));
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

/* One thread is enough. */
static void
tick(struct weir_thread *thread, void *generation, void *watch)
{
	if (weir_thread_index(thread) == 0)
		balance_watch_tick(thread, watch, generation);
}

/* --- options ----------------------------------------------------------------------------------------- */

/* Texts for the head of a check's request: nothing may stand in them that would end the line. */
static const char *
parse_plain(struct weir_build *build, const char *text, void *value)
{
	for (const char *c = text; *c != '\0'; c++)
		if (*c <= ' ' || *c > '~')
			return "it holds no spaces and no characters beyond ASCII";
	*(const char **)value = weir_build_printf(build, "%s", text);
	return *text == '\0' ? "it is empty" : NULL;
}

static const char *
parse_target(struct weir_build *build, const char *text, void *value)
{
	return *text != '/' ? "it begins with /" : parse_plain(build, text, value);
}

static const char *
parse_body(struct weir_build *build, const char *text, void *value)
{
	*(const char **)value = weir_build_printf(build, "%s", text);
	return strlen(text) < BALANCE_BODY_MOST && *text != '\0' ? NULL : "write a text of at most 255 bytes";
}

static const char *const checkings[] = { [NO_CHECK] = "off", [CONNECT_CHECK] = "connect", [HTTP_CHECK] = "http", NULL };

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
	{ "slow_start", WEIR_DURATION, AT(slow_start), .initial = "0", .max = 86400000,
	  .doc = "How long a server that is in again, or new, takes to get its whole share; 0: none. Not with "
	  "`balance = hash`." },
	{ "max_connections", WEIR_INTEGER, AT(max_connections), .max = 16777216,
	  .doc = "Bound of the requests under way at one server; 0 for none." },
	{ "max_pending", WEIR_INTEGER, AT(max_pending), .max = 16777216,
	  .doc = "Bound of the requests that wait while every server has max_connections; beyond it the answer is 503." },
	{ "pending_timeout", WEIR_DURATION, AT(pending_timeout), .initial = "5s", .min = 1, .max = 3600000,
	  .doc = "How long they wait; then the answer is 503." },
	{ "sticky", WEIR_FIELD_NAME, AT(sticky),
	  .doc = "Name of a cookie that brings a client back to the server which answered it." },
	{ "sticky_time", WEIR_DURATION, AT(sticky_time), .max = 31536000000,
	  .doc = "How long clients keep that cookie; 0: until they end." },
	{ "check", WEIR_CHOICE, AT(check), .choices = checkings, .initial = "off",
	  .doc = "Check each server from time to time: connect (with TLS, if the upstream has it) or ask by http." },
	{ "check_interval", WEIR_DURATION, AT(check_interval), .initial = "5s", .min = 1000, .max = 86400000,
	  .doc = "Time from one check of a server to the next, give or take a tenth." },
	{ "check_timeout", WEIR_DURATION, AT(check_timeout), .initial = "2s", .min = 10, .max = 3600000,
	  .doc = "How long a check may take." },
	{ "check_rise", WEIR_INTEGER, AT(check_rise), .initial = "2", .min = 1, .max = 1000,
	  .doc = "So many good checks in a row bring a server in." },
	{ "check_fall", WEIR_INTEGER, AT(check_fall), .initial = "3", .min = 1, .max = 1000,
	  .doc = "So many bad checks in a row put a server out; the very first check decides alone." },
	{ "check_method", WEIR_FIELD_NAME, AT(check_method), .initial = "GET", .doc = "Method of `check = http`." },
	{ "check_target", WEIR_CUSTOM, AT(check_target), .initial = "/", .size = sizeof(const char *),
	  .parse = parse_target, .doc = "What `check = http` asks for: path and query." },
	{ "check_host", WEIR_CUSTOM, AT(check_host), .size = sizeof(const char *), .parse = parse_plain,
	  .doc = "The Host of `check = http`; without it and the upstream's `host`, the server's address." },
	{ "check_status", WEIR_CUSTOM, AT(check_status), .initial = "200-399",
	  .size = sizeof(struct balance_statuses), .parse = balance_statuses_parse,
	  .doc = "The good statuses: numbers and ranges." },
	{ "check_body", WEIR_CUSTOM, AT(check_body), .size = sizeof(const char *), .parse = parse_body,
	  .doc = "A text that the body must hold." },
	{ .name = NULL }
};

static const struct weir_metric metrics[] = {
	[FAILURES] = { "failures_total", .doc = "Attempts that failed, by the servers' fault." },
	[OUTAGES] = { "outages_total", .doc = "Times that a server was taken out." },
	[OPENINGS] = { "openings_total", .doc = "Attempts at a server that was out, since all were." },
	[RETRIES] = { "retries_total", .doc = "Requests tried again on another server." },
	[DENIALS] = { "denials_total", .doc = "Retries that the budget did not allow." },
	[OVERFLOWS] = { "overflows_total", .doc = "Requests refused, as every server had max_connections." },
	[WAITS] = { "waits_total", .doc = "Requests that waited for one of these to end." },
	{ .name = NULL }
};

static const struct weir_verb verbs[] = {
	{ "servers", "[UPSTREAM]", balance_show_servers,
	  "Show servers with state, failures and requests under way." },
	{ "drain", "UPSTREAM SERVER", balance_drain,
	  "Send no more requests to a server; those under way end." },
	{ "undrain", "UPSTREAM SERVER", balance_undrain, "Send it requests again." },
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
	.thread_size = sizeof(struct balance_watch),
	.request_size = sizeof(struct state),
	.order = WEIR_CLASS_FIRST,
	.build = build,
	.drop = drop,
	.tick = tick,
	.hooks = {
		[WEIR_PHASE_PEER] = choose,
		[WEIR_PHASE_FAILED] = judge_failure,
		[WEIR_PHASE_UPSTREAM_RESPONSE] = judge_response,
		[WEIR_PHASE_RESPONSE] = mark_client,
		[WEIR_PHASE_LOG] = finish,
	},
};
