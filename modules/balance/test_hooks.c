/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenes for balance's hooks against a fake core: where requests go, what failures do, when one is tried again,
 * and that what is under way is counted exactly once.
 */
#include "fake.h"
#include "table.h"

#include <setjmp.h>
#include <stddef.h>
#include <cmocka.h>

extern const struct weir_module balance_LTX_weir_module;
static const struct weir_module *const module = &balance_LTX_weir_module;

enum { FAILURES, OUTAGES, OPENINGS, RETRIES, DENIALS, OVERFLOWS, WAITS };	/* the module's metrics */

/* A stage: an upstream, the settings, and the generation made of both. Servers are "a", "b", … */
struct stage {
	struct weir_upstream upstream;
	struct balance_settings settings;
	struct weir_build build;
	struct balance_table table;
};

/* "a1 b1 c0 d1*": names of one letter, weights of one digit, backups with an asterisk. */
static void
set_servers(struct stage *stage, const char *servers)
{
	static const char *const names[] = { "a", "b", "c", "d", "e", "f", "g", "h" };

	stage->upstream = (struct weir_upstream){ .name = "origin" };
	for (const char *at = servers; at[0] != '\0' && at[1] != '\0'; at += strcspn(at, " "), at += *at == ' ') {
		struct weir_server *server = &stage->upstream.servers[stage->upstream.count];

		*server = (struct weir_server){ &stage->upstream, names[at[0] - 'a'], (unsigned)stage->upstream.count,
			(unsigned)(at[1] - '0'), at[2] == '*' };
		stage->upstream.count++;
	}
}

static void
build_with(struct stage *stage, struct balance_table *previous)
{
	stage->build = (struct weir_build){ .upstream = &stage->upstream, .settings = &stage->settings };
	stage->table = (struct balance_table){ 0 };
	module->build(&stage->build, &stage->table, previous);
	assert_int_equal(stage->build.errors, 0);
}

static struct stage *
set_up(const char *servers, enum balance_policy policy)
{
	struct stage *stage = calloc(1, sizeof(*stage));

	assert_non_null(stage);
	memset(&world, 0, sizeof(world));
	world.now = 100000;
	set_servers(stage, servers);
	stage->settings = (struct balance_settings){
		.policy = (int)policy, .max_fails = 2, .fail_time = 1000, .retries = 2, .retry_budget = 100,
		.retry_on = { .error = true, .timeout = true },
	};
	build_with(stage, NULL);
	return stage;
}

static void
unbuild(struct stage *stage)
{
	module->drop(&stage->table);
	while (stage->build.pieces > 0)
		free(stage->build.memory[--stage->build.pieces]);
}

static void
tear_down(struct stage *stage)
{
	unbuild(stage);
	free(stage);
}

/* --- a request ------------------------------------------------------------------------------------------ */

struct request {
	struct weir_exchange x;
	alignas(max_align_t) char state[256];	/* the module's own */
};

static enum weir_verdict
run(struct request *request, enum weir_phase phase)
{
	return module->hooks[phase](&request->x, NULL, request->state);
}

/* Ask for a peer; the name of the server, or "none". */
static const char *
begin(struct stage *stage, struct request *request)
{
	assert_true(module->request_size <= sizeof(request->state));
	memset(request, 0, sizeof(*request));
	request->x.generation = &stage->table;
	request->x.upstream = &stage->upstream;
	request->x.may_retry = true;
	request->x.key = "key";
	return run(request, WEIR_PHASE_PEER) == WEIR_NEXT ? request->x.server->name : "none";
}

/* The core starts each choice without a server. */
static const char *
begin_again(struct request *request)
{
	request->x.server = NULL;
	return run(request, WEIR_PHASE_PEER) == WEIR_NEXT ? request->x.server->name : "none";
}

static enum weir_verdict
break_off(struct request *request, enum weir_peer_failure failure)
{
	request->x.failure = failure;
	return run(request, WEIR_PHASE_FAILED);
}

static enum weir_verdict
answer(struct request *request, int status)
{
	request->x.status = status;
	return run(request, WEIR_PHASE_UPSTREAM_RESPONSE);
}

static void
end(struct request *request)
{
	assert_int_equal(run(request, WEIR_PHASE_LOG), WEIR_NEXT);
}

/* A whole request that is answered 200. */
static const char *
ask(struct stage *stage)
{
	struct request request;
	const char *server = begin(stage, &request);

	if (strcmp(server, "none") != 0)
		assert_int_equal(answer(&request, 200), WEIR_NEXT);
	end(&request);
	return server;
}

/* Requests that fail at this server and are not tried again. */
static void
fail_at(struct stage *stage, const char *server, int times)
{
	for (int tries = 0; times > 0; tries++) {
		struct request request;

		assert_true(tries < 100);
		if (strcmp(begin(stage, &request), server) == 0) {
			request.x.may_retry = false;
			assert_int_equal(break_off(&request, WEIR_PEER_REFUSED), WEIR_NEXT);
			times--;
		}
		end(&request);
	}
}

static unsigned
active(const struct stage *stage)
{
	unsigned sum = 0;

	for (size_t i = 0; i < stage->table.member_count; i++)
		for (unsigned thread = 0; thread < stage->table.threads; thread++)
			sum += balance_active(&stage->table.members[i].record->loads[thread]);
	return sum;
}

static void
assert_asked(struct stage *stage, const char *expected)
{
	char asked[64] = "";

	for (size_t i = 0; i < strlen(expected); i++)
		strcat(asked, ask(stage));
	assert_string_equal(asked, expected);
}

/* --- scenes --------------------------------------------------------------------------------------------- */

static void
each_policy_chooses_in_its_way(void **state)
{
	struct stage *stage = set_up("a2 b1", ROUND_ROBIN);
	struct request first, second;
	const char *always;

	(void)state;
	assert_asked(stage, "abaaba");
	tear_down(stage);

	stage = set_up("a1 b1", LEAST_CONNECTIONS);
	assert_string_equal(begin(stage, &first), "a");
	assert_asked(stage, "bbb");
	end(&first);
	tear_down(stage);

	stage = set_up("a1 b1", TWO_CHOICES);
	always = begin(stage, &first);
	assert_string_not_equal(begin(stage, &second), always);
	end(&first);
	end(&second);
	tear_down(stage);

	stage = set_up("a1 b1 c1", HASH);
	always = ask(stage);
	for (int i = 0; i < 10; i++)
		assert_string_equal(ask(stage), always);
	tear_down(stage);

	stage = set_up("a1 b0 c0", RANDOM);
	assert_asked(stage, "aaaa");
	tear_down(stage);
}

static void
threads_begin_their_rounds_apart(void **state)
{
	struct stage *stage = set_up("a1 b1", ROUND_ROBIN);
	struct request request;

	(void)state;
	assert_string_equal(begin(stage, &request), "a");
	end(&request);
	memset(&request, 0, sizeof(request));
	request.x = (struct weir_exchange){ .generation = &stage->table, .upstream = &stage->upstream, .thread = 1 };
	assert_string_equal(begin_again(&request), "b");
	end(&request);
	tear_down(stage);
}

static void
a_failed_request_is_tried_on_others_and_never_twice_on_one(void **state)
{
	struct stage *stage = set_up("a1 b1 c1 d1", ROUND_ROBIN);
	struct request request;
	const char *first;

	(void)state;
	assert_string_equal(begin(stage, &request), "a");
	assert_int_equal(active(stage), 1);
	assert_int_equal(break_off(&request, WEIR_PEER_REFUSED), WEIR_RETRY);
	assert_int_equal(active(stage), 0);
	assert_string_equal(begin_again(&request), "b");
	assert_int_equal(break_off(&request, WEIR_PEER_TIMEOUT), WEIR_RETRY);
	assert_string_equal(begin_again(&request), "c");
	assert_int_equal(break_off(&request, WEIR_PEER_REFUSED), WEIR_NEXT);	/* two retries, no more */
	end(&request);
	end(&request);
	assert_int_equal(active(stage), 0);
	assert_int_equal(world.counts[RETRIES], 2);
	assert_int_equal(world.counts[FAILURES], 3);
	tear_down(stage);

	stage = set_up("a1 b1", HASH);
	first = begin(stage, &request);
	assert_int_equal(break_off(&request, WEIR_PEER_REFUSED), WEIR_RETRY);
	assert_string_not_equal(begin_again(&request), first);		/* though the key is its */
	end(&request);
	tear_down(stage);

	stage = set_up("a1", ROUND_ROBIN);
	begin(stage, &request);
	assert_int_equal(break_off(&request, WEIR_PEER_REFUSED), WEIR_NEXT);	/* there is no other */
	end(&request);
	tear_down(stage);
}

static void
what_is_not_safe_to_send_again_is_not(void **state)
{
	struct stage *stage = set_up("a1 b1", ROUND_ROBIN);
	struct request request;

	(void)state;
	begin(stage, &request);
	request.x.may_retry = false;
	assert_int_equal(break_off(&request, WEIR_PEER_CLOSED), WEIR_NEXT);
	end(&request);
	assert_int_equal(world.counts[RETRIES], 0);
	tear_down(stage);
}

static void
only_the_named_reasons_are_tried_again(void **state)
{
	struct stage *stage = set_up("a1 b1 c1", ROUND_ROBIN);
	struct request request;

	(void)state;
	unbuild(stage);
	memset(&stage->settings.retry_on, 0, sizeof(stage->settings.retry_on));
	assert_null(balance_reasons_parse(&stage->build, " timeout  503 ", &stage->settings.retry_on));
	build_with(stage, NULL);
	begin(stage, &request);
	assert_int_equal(break_off(&request, WEIR_PEER_REFUSED), WEIR_NEXT);
	end(&request);
	begin(stage, &request);
	assert_int_equal(break_off(&request, WEIR_PEER_TIMEOUT), WEIR_RETRY);
	begin_again(&request);
	assert_int_equal(answer(&request, 503), WEIR_RETRY);
	begin_again(&request);
	assert_int_equal(answer(&request, 502), WEIR_NEXT);
	end(&request);
	assert_int_equal(active(stage), 0);
	tear_down(stage);
}

static void
reasons_are_words_and_statuses(void **state)
{
	static const char *const bad[] = { "errors", "50", "600", "200", "5xx", "error,timeout", "-502" };
	struct weir_build build = { 0 };
	struct balance_reasons reasons = { 0 };

	(void)state;
	assert_null(balance_reasons_parse(&build, "off", &reasons));
	assert_false(reasons.error || reasons.timeout || balance_reasons_have(&reasons, 502));
	assert_null(balance_reasons_parse(&build, "error 400 599", &reasons));
	assert_true(reasons.error && balance_reasons_have(&reasons, 400) && balance_reasons_have(&reasons, 599));
	assert_false(balance_reasons_have(&reasons, 0) || balance_reasons_have(&reasons, 600));
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_non_null(balance_reasons_parse(&build, bad[i], &reasons));
	while (build.pieces > 0)
		free(build.memory[--build.pieces]);
}

static void
the_budget_ends_a_storm(void **state)
{
	struct stage *stage = set_up("a1 b1", ROUND_ROBIN);
	struct request request;
	int retried = 0;

	(void)state;
	unbuild(stage);
	stage->settings.retry_budget = 10;
	stage->settings.max_fails = 0;
	build_with(stage, NULL);
	for (int i = 0; i < 100; i++) {
		begin(stage, &request);
		retried += break_off(&request, WEIR_PEER_REFUSED) == WEIR_RETRY;
		end(&request);
	}
	assert_int_equal(retried, 10 + BALANCE_BUDGET_FREE);
	assert_int_equal(world.counts[DENIALS], 100 - retried);
	tear_down(stage);
}

static void
a_server_that_fails_is_out_until_a_probe_succeeds(void **state)
{
	struct stage *stage = set_up("a1 b1", ROUND_ROBIN);
	struct request probe;

	(void)state;
	fail_at(stage, "a", 2);
	assert_int_equal(world.counts[OUTAGES], 1);
	assert_asked(stage, "bbbb");
	world.now += 1000;
	while (strcmp(begin(stage, &probe), "a") != 0)
		end(&probe);
	assert_asked(stage, "bbbb");		/* while the probe is under way */
	answer(&probe, 200);
	end(&probe);
	assert_non_null(strchr("ab", *ask(stage)));
	assert_string_not_equal(ask(stage), ask(stage));
	tear_down(stage);
}

static void
backups_are_for_when_all_others_are_out(void **state)
{
	struct stage *stage = set_up("a1 b1*", ROUND_ROBIN);

	(void)state;
	assert_asked(stage, "aaa");
	fail_at(stage, "a", 2);
	assert_asked(stage, "bbb");
	world.now += 1000;
	assert_asked(stage, "aaa");		/* the first of these was the probe */
	tear_down(stage);
}

static void
when_all_are_out_all_are_tried(void **state)
{
	struct stage *stage = set_up("a1 b1", ROUND_ROBIN);

	(void)state;
	fail_at(stage, "a", 2);
	fail_at(stage, "b", 2);
	assert_int_equal(world.counts[OPENINGS], 0);
	assert_true(strcmp(ask(stage), "none") != 0);	/* it succeeds, so its server is in again */
	assert_int_equal(world.counts[OPENINGS], 1);
	ask(stage);
	assert_int_equal(world.counts[OPENINGS], 1);
	tear_down(stage);
}

static void
a_drained_server_gets_nothing(void **state)
{
	struct stage *stage = set_up("a0 b1", LEAST_CONNECTIONS);

	(void)state;
	assert_asked(stage, "bbb");
	tear_down(stage);
	stage = set_up("a0", ROUND_ROBIN);
	assert_string_equal(ask(stage), "none");
	tear_down(stage);
}

static void
a_pooled_connection_that_went_away_is_no_failure(void **state)
{
	struct stage *stage = set_up("a1 b1", ROUND_ROBIN);
	struct request request;

	(void)state;
	for (int i = 0; i < 10; i++) {
		begin(stage, &request);
		request.x.reused = true;
		break_off(&request, WEIR_PEER_CLOSED);
		end(&request);
	}
	assert_int_equal(world.counts[FAILURES], 0);
	assert_int_equal(world.counts[OUTAGES], 0);
	tear_down(stage);
}

static void
anothers_choice_is_kept_and_counted(void **state)
{
	struct stage *stage = set_up("a1 b1 c1", ROUND_ROBIN);
	struct request request = { .x = { .generation = &stage->table, .upstream = &stage->upstream, .may_retry = true } };

	(void)state;
	request.x.server = &stage->upstream.servers[2];
	assert_int_equal(run(&request, WEIR_PHASE_PEER), WEIR_NEXT);
	assert_string_equal(request.x.server->name, "c");
	assert_int_equal(active(stage), 1);
	assert_int_equal(break_off(&request, WEIR_PEER_REFUSED), WEIR_RETRY);
	assert_string_not_equal(begin_again(&request), "c");
	end(&request);
	tear_down(stage);
}

static void
a_route_without_upstream_is_left_alone(void **state)
{
	struct stage *stage = set_up("a1", ROUND_ROBIN);
	struct request request = { .x = { .generation = &stage->table } };

	(void)state;
	assert_int_equal(run(&request, WEIR_PHASE_PEER), WEIR_NEXT);
	assert_int_equal(break_off(&request, WEIR_PEER_REFUSED), WEIR_NEXT);
	assert_int_equal(answer(&request, 502), WEIR_NEXT);
	end(&request);
	tear_down(stage);
}

static void
a_reload_forgets_neither_health_nor_load(void **state)
{
	struct stage *old = set_up("a1 b1 c1", LEAST_CONNECTIONS);
	struct stage *new = calloc(1, sizeof(*new));
	struct request request;

	(void)state;
	assert_non_null(new);
	fail_at(old, "a", 2);
	assert_string_equal(begin(old, &request), "b");
	new->settings = old->settings;
	set_servers(new, "d1 c1 b1 a1");
	build_with(new, &old->table);
	assert_int_equal(active(new), 1);
	assert_asked(new, "dcdc");		/* a is out, b has a request */
	answer(&request, 200);
	end(&request);
	tear_down(old);
	assert_int_equal(active(new), 0);
	assert_non_null(strchr("bcd", *ask(new)));
	tear_down(new);
}

static void
the_verb_shows_each_server(void **state)
{
	struct stage *stage = set_up("a1 b3* c0", ROUND_ROBIN);
	const struct weir_verb *verb = &module->verbs[0];
	struct request request;

	(void)state;
	fail_at(stage, "a", 2);
	begin(stage, &request);
	assert_string_equal(verb->name, "servers");
	assert_true(verb->run(NULL, &stage->table, 1, (const char *[]){ "origin" }));
	assert_string_equal(world.reply,
		"upstream=origin server=a weight=1 role=primary state=out fails=2 active=0 requests=2 "
		"upstream=origin server=b weight=3 role=backup state=in fails=0 active=1 requests=1 "
		"upstream=origin server=c weight=0 role=primary state=drained fails=0 active=0 requests=0 ");
	assert_false(verb->run(NULL, &stage->table, 1, (const char *[]){ "nobody" }));
	end(&request);
	tear_down(stage);
}

/* --- bounds, slow starts, cookies, drains ---------------------------------------------------------------- */

static void
rebuild(struct stage *stage)
{
	unbuild(stage);
	build_with(stage, NULL);
}

static void
a_full_server_is_passed_over_and_full_ones_are_no_outage(void **state)
{
	struct stage *stage = set_up("a1 b1 c1*", ROUND_ROBIN);
	struct request first, second, third, fourth;

	(void)state;
	stage->settings.max_connections = 1;
	rebuild(stage);
	assert_string_equal(begin(stage, &first), "a");
	assert_string_equal(begin(stage, &second), "b");
	assert_string_equal(begin(stage, &third), "c");		/* the backup */
	assert_string_equal(begin(stage, &fourth), "none");
	assert_int_equal(fourth.x.failed, 503);
	assert_int_equal(world.counts[OVERFLOWS], 1);
	assert_int_equal(world.counts[OPENINGS], 0);
	end(&fourth);
	end(&second);
	assert_string_equal(ask(stage), "b");
	assert_int_equal(break_off(&first, WEIR_PEER_REFUSED), WEIR_RETRY);	/* it leaves its room at once */
	assert_string_equal(begin_again(&first), "b");
	end(&first);
	end(&third);
	for (size_t i = 0; i < stage->table.member_count; i++)
		assert_int_equal(stage->table.members[i].record->busy, 0);
	tear_down(stage);
}

static enum weir_verdict
ask_for_room(struct stage *stage, struct request *request)
{
	memset(request, 0, sizeof(*request));
	request->x = (struct weir_exchange){ .generation = &stage->table, .upstream = &stage->upstream, .may_retry = true };
	return run(request, WEIR_PHASE_PEER);
}

static void
requests_wait_for_room_in_their_order(void **state)
{
	struct stage *stage = set_up("a1", ROUND_ROBIN);
	struct request first, second, third, fourth, fifth;

	(void)state;
	stage->settings.max_connections = 1;
	stage->settings.max_pending = 3;
	stage->settings.pending_timeout = 5000;
	rebuild(stage);
	assert_string_equal(begin(stage, &first), "a");
	assert_int_equal(ask_for_room(stage, &second), WEIR_WAIT);
	assert_int_equal(second.x.deadline, 5000);
	assert_int_equal(ask_for_room(stage, &third), WEIR_WAIT);
	assert_int_equal(ask_for_room(stage, &fourth), WEIR_WAIT);
	assert_int_equal(ask_for_room(stage, &fifth), WEIR_FAIL);
	assert_int_equal(fifth.x.failed, 503);
	assert_int_equal(world.resumed, 0);
	end(&first);
	assert_int_equal(world.resumed, second.x.token);
	assert_string_equal(ask(stage), "a");		/* who comes just then may be quicker */
	assert_int_equal(world.resumed, third.x.token);	/* and calls the next */
	assert_string_equal(begin(stage, &first), "a");
	assert_int_equal(run(&third, WEIR_PHASE_PEER), WEIR_WAIT);
	world.now += 3000;
	assert_int_equal(run(&second, WEIR_PHASE_PEER), WEIR_WAIT);
	assert_int_equal(second.x.deadline, 2000);
	third.x.cancel(third.x.argument);		/* its client has gone */
	end(&first);
	assert_int_equal(world.resumed, second.x.token);
	assert_string_equal(begin_again(&second), "a");
	end(&second);
	assert_int_equal(world.resumed, fourth.x.token);
	assert_int_equal(world.counts[WAITS], 3);
	assert_string_equal(begin(stage, &first), "a");
	world.now += 5000;				/* its time is over */
	assert_int_equal(run(&fourth, WEIR_PHASE_PEER), WEIR_FAIL);
	assert_int_equal(fourth.x.failed, 503);
	end(&first);
	assert_int_equal(stage->table.groups[0].lobby->count, 0);
	assert_int_equal(stage->table.members[0].record->busy, 0);
	tear_down(stage);
}

/* Its room is nobody's end of a request. */
static void
who_waits_is_called_when_a_server_is_in_again(void **state)
{
	static const char *const arguments[] = { "origin", "b" };
	struct stage *stage = set_up("a1 b1", ROUND_ROBIN);
	struct weir_thread thread = { 0 };
	struct balance_watch watch = { 0 };
	struct request first, second;

	(void)state;
	stage->settings.max_connections = 1;
	stage->settings.max_pending = 1;
	stage->settings.pending_timeout = 5000;
	rebuild(stage);
	assert_true(module->verbs[1].run(NULL, &stage->table, 2, arguments));
	assert_string_equal(begin(stage, &first), "a");
	assert_int_equal(ask_for_room(stage, &second), WEIR_WAIT);
	module->tick(&thread, &stage->table, &watch);
	assert_int_equal(world.resumed, 0);
	assert_true(module->verbs[2].run(NULL, &stage->table, 2, arguments));
	module->tick(&thread, &stage->table, &watch);
	assert_int_equal(world.resumed, second.x.token);
	assert_string_equal(begin_again(&second), "b");
	end(&first);
	end(&second);
	tear_down(stage);
}

/* Room that a request of the new generation gives back calls who waits in the old one. */
static void
a_reload_keeps_who_waits(void **state)
{
	struct stage *old = set_up("a1", ROUND_ROBIN);
	struct stage *new = calloc(1, sizeof(*new));
	struct request first, second;

	(void)state;
	assert_non_null(new);
	old->settings.max_connections = 1;
	old->settings.max_pending = 1;
	old->settings.pending_timeout = 5000;
	rebuild(old);
	new->settings = old->settings;
	set_servers(new, "b0 a1");
	build_with(new, &old->table);
	assert_string_equal(begin(new, &first), "a");
	assert_int_equal(ask_for_room(old, &second), WEIR_WAIT);
	end(&first);
	assert_int_equal(world.resumed, second.x.token);
	assert_string_equal(begin_again(&second), "a");
	end(&second);
	tear_down(old);
	tear_down(new);
}

static unsigned
share_of_a(struct stage *stage, unsigned requests)
{
	unsigned count = 0;

	for (unsigned i = 0; i < requests; i++)
		count += *ask(stage) == 'a';
	return count;
}

static void
a_server_that_comes_back_starts_slowly(void **state)
{
	struct stage *stage = set_up("a1 b1", ROUND_ROBIN);
	unsigned share;

	(void)state;
	stage->settings.slow_start = 10000;
	rebuild(stage);
	assert_int_equal(share_of_a(stage, 100), 50);
	fail_at(stage, "a", 2);
	world.now += 1001;
	while (*ask(stage) != 'a')	/* the probe */
		;
	world.now += 1000;
	share = share_of_a(stage, 110);
	assert_in_range(share, 9, 11);		/* 10 to 100 */
	world.now += 4000;
	share = share_of_a(stage, 150);
	assert_in_range(share, 49, 51);		/* 50 to 100 */
	world.now += 5000;
	assert_int_equal(share_of_a(stage, 100), 50);
	tear_down(stage);
}

static void
a_new_server_starts_slowly_but_not_all_at_the_start(void **state)
{
	struct stage *old = set_up("b1", ROUND_ROBIN);
	struct stage *new = calloc(1, sizeof(*new));
	unsigned share;

	(void)state;
	assert_non_null(new);
	old->settings.slow_start = 10000;
	rebuild(old);
	assert_int_equal(balance_health_share(&old->table.members[0].record->health, 10000, world.now), 100);
	new->settings = old->settings;
	set_servers(new, "a1 b1");
	build_with(new, &old->table);
	share = share_of_a(new, 110);
	assert_in_range(share, 9, 11);
	tear_down(old);
	tear_down(new);
}

static void
a_cookie_brings_the_client_back(void **state)
{
	struct stage *stage = set_up("a1 b1", ROUND_ROBIN);
	struct request request;
	char cookie[64];

	(void)state;
	stage->settings.sticky = "home";
	stage->settings.sticky_time = 3600000;
	rebuild(stage);
	assert_string_equal(begin(stage, &request), "a");
	assert_int_equal(answer(&request, 200), WEIR_NEXT);
	assert_int_equal(run(&request, WEIR_PHASE_RESPONSE), WEIR_NEXT);
	assert_non_null(strstr(request.x.set_cookie, "; Path=/; Max-Age=3600; HttpOnly; SameSite=Lax; Secure"));
	snprintf(cookie, sizeof(cookie), "x=home=; %.21s", request.x.set_cookie);
	end(&request);
	for (int i = 0; i < 5; i++) {
		memset(&request, 0, sizeof(request));
		request.x = (struct weir_exchange){ .generation = &stage->table, .upstream = &stage->upstream,
			.may_retry = true, .cookie = cookie };
		assert_string_equal(begin_again(&request), "a");
		answer(&request, 200);
		run(&request, WEIR_PHASE_RESPONSE);
		assert_string_equal(request.x.set_cookie, "");
		end(&request);
	}
	fail_at(stage, "a", 2);		/* then another one has it, and is named */
	memset(&request, 0, sizeof(request));
	request.x = (struct weir_exchange){ .generation = &stage->table, .upstream = &stage->upstream, .cookie = cookie };
	assert_string_equal(begin_again(&request), "b");
	answer(&request, 200);
	run(&request, WEIR_PHASE_RESPONSE);
	assert_int_equal(strncmp(request.x.set_cookie, "home=", 5), 0);
	end(&request);
	tear_down(stage);
}

/* Neither what nobody answered, nor what did not come from an upstream. */
static void
no_cookie_without_an_answer(void **state)
{
	struct stage *stage = set_up("a1", ROUND_ROBIN);
	struct request request;

	(void)state;
	stage->settings.sticky = "home";
	rebuild(stage);
	begin(stage, &request);
	assert_int_equal(break_off(&request, WEIR_PEER_REFUSED), WEIR_NEXT);
	run(&request, WEIR_PHASE_RESPONSE);
	assert_string_equal(request.x.set_cookie, "");
	end(&request);
	memset(&request, 0, sizeof(request));
	run(&request, WEIR_PHASE_RESPONSE);
	assert_string_equal(request.x.set_cookie, "");
	tear_down(stage);
}

static bool
order(struct stage *stage, const char *verb, const char *server)
{
	for (const struct weir_verb *v = module->verbs; v->name != NULL; v++)
		if (strcmp(v->name, verb) == 0)
			return v->run(NULL, &stage->table, 2, (const char *[]){ "origin", server });
	return false;
}

static void
an_operator_drains_a_server(void **state)
{
	struct stage *old = set_up("a1 b1", ROUND_ROBIN);
	struct stage *new = calloc(1, sizeof(*new));
	struct request request;

	(void)state;
	assert_non_null(new);
	assert_string_equal(begin(old, &request), "a");
	assert_true(order(old, "drain", "a"));
	assert_asked(old, "bbb");
	assert_int_equal(answer(&request, 200), WEIR_NEXT);	/* what runs there ends there */
	end(&request);
	new->settings = old->settings;
	set_servers(new, "a1 b1");
	build_with(new, &old->table);		/* a reload changes nothing about it */
	assert_asked(new, "bbb");
	assert_true(order(new, "drain", "b"));
	assert_string_equal(ask(new), "none");	/* not even if there is no other */
	assert_true(order(new, "undrain", "a"));
	assert_asked(new, "aaa");
	assert_false(order(new, "drain", "nobody"));
	tear_down(old);
	tear_down(new);
}

/* --- the log -------------------------------------------------------------------------------------------- */

static unsigned
lines(void)
{
	unsigned count = 0;

	for (const char *c = world.log; *c != '\0'; c++)
		count += *c == '\n';
	return count;
}

/* All servers fail at times: a line about each, now and then, and the last one is true. */
static void
servers_that_come_and_go_do_not_flood_the_log(void **state)
{
	struct stage *stage = set_up("a1", ROUND_ROBIN);
	struct weir_thread first = { 0 }, second = { 1 };
	struct balance_watch watch = { 0 };

	(void)state;
	for (int i = 0; i < 30; i++) {
		fail_at(stage, "a", 2);
		if (i % 2 == 0)
			ask(stage);		/* it is in again */
		module->tick(&second, &stage->table, NULL);
		module->tick(&first, &stage->table, &watch);
		world.now += 1000;
	}
	assert_in_range(lines(), 1, 4);
	ask(stage);
	world.now += 20000;
	module->tick(&first, &stage->table, &watch);
	world.log[0] = '\0';
	world.now += 20000;
	fail_at(stage, "a", 2);
	module->tick(&first, &stage->table, &watch);
	assert_string_equal(world.log, "upstream origin: server a is out: requests to it failed\n");
	ask(stage);
	world.log[0] = '\0';
	module->tick(&first, &stage->table, &watch);
	assert_string_equal(world.log, "");
	world.now += 10000;
	module->tick(&first, &stage->table, &watch);
	assert_string_equal(world.log, "upstream origin: server a is in again\n");
	tear_down(stage);
}

/* --- checks --------------------------------------------------------------------------------------------- */

static struct stage *
set_up_checked(const char *servers)
{
	struct stage *stage = set_up(servers, ROUND_ROBIN);

	stage->settings.check = HTTP_CHECK;
	stage->settings.check_method = "GET";
	stage->settings.check_target = "/health";
	stage->settings.check_interval = 5000;
	stage->settings.check_timeout = 2000;
	stage->settings.check_rise = 2;
	stage->settings.check_fall = 3;
	assert_null(balance_statuses_parse(&stage->build, "200-299 401", &stage->settings.check_status));
	rebuild(stage);
	return stage;
}

static void
tick(struct stage *stage, struct balance_watch *watch)
{
	struct weir_thread first = { 0 };

	module->tick(&first, &stage->table, watch);
}

/* Answer all checks that are under way. */
static void
answer_checks(int status, const char *body, const char *error)
{
	while (world.errands > 0) {
		const struct weir_errand *errand = &world.errand[--world.errands];
		struct weir_exchange x = { .status = status, .error = error };

		if (body != NULL && errand->sink.take != NULL)
			errand->sink.take(NULL, errand->sink.argument, &(struct weir_chunk){ body, strlen(body), true });
		errand->sink.end(&x, errand->sink.argument);
	}
}

static void
check_round(struct stage *stage, struct balance_watch *watch, int status, const char *body, const char *error)
{
	do {
		world.now += 1000;
		tick(stage, watch);
	} while (world.errands == 0);
	answer_checks(status, body, error);
}

static void
checks_bring_a_server_in_and_out(void **state)
{
	struct stage *stage = set_up_checked("a1");
	struct balance_watch watch = { 0 };
	struct balance_health *health = &stage->table.members[0].record->health;

	(void)state;
	check_round(stage, &watch, 200, NULL, NULL);
	assert_true(balance_health_is_in(health));
	for (int i = 0; i < 2; i++)
		check_round(stage, &watch, 503, NULL, NULL);
	check_round(stage, &watch, 401, NULL, NULL);
	for (int i = 0; i < 2; i++)
		check_round(stage, &watch, 0, NULL, "refused");
	assert_true(balance_health_is_in(health));
	check_round(stage, &watch, 302, NULL, NULL);
	assert_false(balance_health_is_in(health));
	tick(stage, &watch);
	assert_string_equal(world.log, "upstream origin: server a is out: it answers checks with a wrong status\n");
	assert_string_not_equal(ask(stage), "none");		/* all are out: it is tried */
	check_round(stage, &watch, 200, NULL, NULL);
	assert_false(balance_health_is_in(health));
	check_round(stage, &watch, 200, NULL, NULL);
	assert_true(balance_health_is_in(health));
	tear_down(stage);
}

static void
the_first_check_decides_alone(void **state)
{
	struct stage *stage = set_up_checked("a1 b1");
	struct balance_watch watch = { 0 };

	(void)state;
	for (int i = 0; i < 2 && world.errands < 2; i++, world.now += 1000)
		tick(stage, &watch);
	assert_int_equal(world.errands, 2);
	assert_string_equal(world.errand[0].target, "/health");
	assert_string_equal(world.errand[0].authority, "a");
	assert_int_equal(world.errand[0].limit, 2000);
	tick(stage, &watch);
	assert_int_equal(world.errands, 2);		/* one at a time */
	world.errands--;
	answer_checks(0, NULL, "refused");
	assert_asked(stage, "bbb");
	tear_down(stage);
}

static void
a_body_may_be_expected(void **state)
{
	struct stage *stage = set_up_checked("a1");
	struct balance_watch watch = { 0 };

	(void)state;
	stage->settings.check_body = "healthy";
	rebuild(stage);
	check_round(stage, &watch, 200, "I am healthy, thanks", NULL);
	assert_int_equal(stage->table.members[0].record->check.outcome, CHECK_GOOD);
	check_round(stage, &watch, 200, "I am ill", NULL);
	assert_int_equal(stage->table.members[0].record->check.outcome, CHECK_BODY);
	tear_down(stage);
}

static void
connecting_may_be_enough(void **state)
{
	struct stage *stage = set_up_checked("a1");
	struct balance_watch watch = { 0 };

	(void)state;
	stage->settings.check = CONNECT_CHECK;
	rebuild(stage);
	do {
		world.now += 1000;
		tick(stage, &watch);
	} while (world.errands == 0);
	assert_true(world.errand[0].connect_only);
	answer_checks(0, NULL, NULL);
	assert_int_equal(stage->table.members[0].record->check.outcome, CHECK_GOOD);
	tear_down(stage);
}

/* A check of the old one may be under way; only the newest begins others. */
static void
a_reload_keeps_what_checks_have_shown(void **state)
{
	struct stage *old = set_up_checked("a1 b1"), *new = calloc(1, sizeof(*new)), *off = calloc(1, sizeof(*off));
	struct balance_watch watch = { 0 };

	(void)state;
	assert_non_null(new);
	assert_non_null(off);
	check_round(old, &watch, 0, NULL, "refused");
	new->settings = old->settings;
	set_servers(new, "a1 b1");
	build_with(new, &old->table);
	world.now += 60000;
	tick(new, &watch);
	tick(old, &watch);
	assert_in_range(world.errands, 1, 2);
	answer_checks(0, NULL, "refused");
	tick(new, &watch);
	assert_false(balance_health_is_in(&new->table.members[0].record->health));
	tear_down(old);
	off->settings = new->settings;
	off->settings.check = NO_CHECK;
	set_servers(off, "a1 b1");
	build_with(off, &new->table);
	assert_true(balance_health_is_in(&off->table.members[0].record->health));
	tear_down(new);
	tear_down(off);
}

static void
errands_are_not_counted_as_under_way(void **state)
{
	struct stage *stage = set_up("a1", ROUND_ROBIN);
	struct request request;

	(void)state;
	stage->settings.max_connections = 1;
	rebuild(stage);
	memset(&request, 0, sizeof(request));
	request.x = (struct weir_exchange){ .generation = &stage->table, .upstream = &stage->upstream, .errand = true };
	assert_string_equal(begin_again(&request), "a");	/* and no phase tells of its end */
	assert_int_equal(active(stage), 0);
	assert_string_equal(ask(stage), "a");
	tear_down(stage);
}

int
main(void)
{
	const struct CMUnitTest scenes[] = {
		cmocka_unit_test(each_policy_chooses_in_its_way),
		cmocka_unit_test(threads_begin_their_rounds_apart),
		cmocka_unit_test(a_failed_request_is_tried_on_others_and_never_twice_on_one),
		cmocka_unit_test(what_is_not_safe_to_send_again_is_not),
		cmocka_unit_test(only_the_named_reasons_are_tried_again),
		cmocka_unit_test(reasons_are_words_and_statuses),
		cmocka_unit_test(the_budget_ends_a_storm),
		cmocka_unit_test(a_server_that_fails_is_out_until_a_probe_succeeds),
		cmocka_unit_test(backups_are_for_when_all_others_are_out),
		cmocka_unit_test(when_all_are_out_all_are_tried),
		cmocka_unit_test(a_drained_server_gets_nothing),
		cmocka_unit_test(a_pooled_connection_that_went_away_is_no_failure),
		cmocka_unit_test(anothers_choice_is_kept_and_counted),
		cmocka_unit_test(a_route_without_upstream_is_left_alone),
		cmocka_unit_test(a_reload_forgets_neither_health_nor_load),
		cmocka_unit_test(the_verb_shows_each_server),
		cmocka_unit_test(a_full_server_is_passed_over_and_full_ones_are_no_outage),
		cmocka_unit_test(requests_wait_for_room_in_their_order),
		cmocka_unit_test(a_reload_keeps_who_waits),
		cmocka_unit_test(who_waits_is_called_when_a_server_is_in_again),
		cmocka_unit_test(a_server_that_comes_back_starts_slowly),
		cmocka_unit_test(a_new_server_starts_slowly_but_not_all_at_the_start),
		cmocka_unit_test(a_cookie_brings_the_client_back),
		cmocka_unit_test(no_cookie_without_an_answer),
		cmocka_unit_test(an_operator_drains_a_server),
		cmocka_unit_test(servers_that_come_and_go_do_not_flood_the_log),
		cmocka_unit_test(checks_bring_a_server_in_and_out),
		cmocka_unit_test(the_first_check_decides_alone),
		cmocka_unit_test(a_body_may_be_expected),
		cmocka_unit_test(connecting_may_be_enough),
		cmocka_unit_test(a_reload_keeps_what_checks_have_shown),
		cmocka_unit_test(errands_are_not_counted_as_under_way),
	};

	return cmocka_run_group_tests(scenes, NULL, NULL);
}
