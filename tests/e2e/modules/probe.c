/* SPDX-License-Identifier: Apache-2.0 */
/*
 * probe: notes every phase that it is called in, and gives the verdict that the request's field Act orders for it:
 * next, done, respond[:STATUS], retry (once; retry:always), fail[:STATUS], wait or wrong (verdicts that are refused),
 * path:PATH (a rewrite), large and crumbs (memory until there is none), left (forgets the wait that it began).
 */
#include "note.h"

#include <stdlib.h>

struct settings {
	const char *file;
	bool refuse;
	int64_t mark;
};

struct connection {
	unsigned accepted, requests;
};

struct thread {
	unsigned requests, ticks;
	bool stopped;
};

struct state {
	unsigned calls;
};

static const struct weir_option options[] = {
	{ "file", WEIR_PATH, offsetof(struct settings, file), .in = WEIR_IN_MODULE, .doc = "Where to note." },
	{ "refuse", WEIR_BOOL, offsetof(struct settings, refuse), .in = WEIR_IN_MODULE | WEIR_IN_LISTEN,
		.doc = "Refuse connections." },
	{ "mark", WEIR_INTEGER, offsetof(struct settings, mark), .doc = "Tells settings apart." },
	{ .name = NULL }
};

static const struct weir_metric metrics[] = {
	{ "accepted_total", .doc = "Connections seen." },
	{ .name = NULL }
};

static void
tick(struct weir_thread *t, void *generation, void *state)
{
	struct thread *thread = state;

	(void)generation;
	thread->ticks++;
	if (thread->stopped)
		weir_log(WEIR_LOG_ERROR, "thread %u ticks after its end", weir_thread_index(t));
}

static void
thread_stop(struct weir_thread *t, void *state)
{
	struct thread *thread = state;

	thread->stopped = true;
	weir_log(WEIR_LOG_NOTICE, "probe leaves thread %u%s", weir_thread_index(t), thread->ticks > 0 ? "" : " without a tick");
}

static enum weir_verdict
on_accept(struct weir_connection *c, const void *settings, void *state)
{
	const struct settings *set = settings;
	struct connection *connection = state;

	connection->accepted++;
	weir_connection_count(c, 0, 1);
	note(set->file, "- probe accept %s", weir_connection_listener(c));
	return set->refuse ? WEIR_FAIL : WEIR_NEXT;
}

static enum weir_verdict
on_handshake(struct weir_connection *c, const void *settings, void *state)
{
	const struct settings *set = settings;
	struct connection *connection = state;

	(void)c;
	note(set->file, "- probe handshake accepted=%u", connection->accepted);
	return WEIR_NEXT;
}

static enum weir_verdict
take_all(struct weir_exchange *x, size_t piece)
{
	while (weir_alloc(x, piece) != NULL)
		;
	return WEIR_NEXT;
}

static enum weir_verdict
act(struct weir_exchange *x, const char *word)
{
	const char *argument = strchr(word, ':');
	enum weir_verdict verdict = verdict_of(word);

	if (strcmp(word, "large") == 0)
		return take_all(x, 512 * 1024);
	if (strcmp(word, "crumbs") == 0)
		return take_all(x, 16);
	if (strcmp(word, "left") == 0) {
		weir_wait(x, 60000, WEIR_NEXT, NULL, NULL);
		return WEIR_NEXT;
	}
	if (strncmp(word, "path:", 5) == 0) {
		if (strcmp(weir_path(x), argument + 1) != 0 || strcmp(argument, ":/again") == 0)
			weir_set_path(x, argument + 1);
		return WEIR_NEXT;
	}
	if (verdict == WEIR_RETRY && argument == NULL && weir_attempts(x) > 1)
		return WEIR_NEXT;
	if (verdict == WEIR_FAIL && argument != NULL)
		weir_fail(x, atoi(argument + 1), "probe was told to fail");
	if (verdict == WEIR_RESPOND && argument != NULL)
		weir_respond(x, atoi(argument + 1), "text/plain", "from the probe", 14);
	return verdict;
}

static enum weir_verdict
on_phase(struct weir_exchange *x, const struct settings *set, struct state *state, const char *phase)
{
	char word[64];

	state->calls++;
	note(set->file, "%s probe %s", id_of(x), phase);
	return ordered(x, "Act", phase, word) ? act(x, word) : WEIR_NEXT;
}

#define ORDINARY(X) \
	X(route, ROUTE) X(access, ACCESS) X(cache, CACHE) X(peer, PEER) X(connected, CONNECTED) X(failed, FAILED) \
	X(upstream_request, UPSTREAM_REQUEST) X(upstream_response, UPSTREAM_RESPONSE) X(store, STORE) X(error, ERROR)

ORDINARY(DEFINE_HOOK)

static enum weir_verdict
on_request(struct weir_exchange *x, const void *settings, void *s)
{
	const struct settings *set = settings;
	struct connection *connection = weir_connection_state(x);
	struct thread *thread = weir_thread_state(x);
	struct state *state = s;

	note(set->file, "%s probe states request=%u connection=%u thread=%u number=%u", id_of(x), state->calls,
		connection->requests++, thread->requests++, weir_thread_number(x));
	return on_phase(x, set, state, "request");
}

static enum weir_verdict
on_response(struct weir_exchange *x, const void *settings, void *state)
{
	const struct settings *set = settings;
	char *mark = weir_printf(x, "%d", (int)set->mark);

	if (mark != NULL)
		weir_set_response_field(x, "Mark", mark);
	return on_phase(x, set, state, "response");
}

static enum weir_verdict
on_log(struct weir_exchange *x, const void *settings, void *state)
{
	const struct settings *set = settings;
	const char *failure = weir_failure(x);

	note(set->file, "%s probe end status=%d method=%s failure=%s", id_of(x), weir_status(x), weir_method(x),
		failure != NULL ? failure : "none");
	return on_phase(x, set, state, "log");
}

static enum weir_verdict
on_chunk(struct weir_exchange *x, const struct settings *set, const struct weir_chunk *chunk, const char *phase)
{
	if (chunk->last)
		note(set->file, "%s probe %s", id_of(x), phase);
	return WEIR_NEXT;
}

static enum weir_verdict
on_request_body(struct weir_exchange *x, const void *settings, void *state, struct weir_chunk *chunk)
{
	(void)state;
	return on_chunk(x, settings, chunk, "request_body");
}

static enum weir_verdict
on_response_body(struct weir_exchange *x, const void *settings, void *state, struct weir_chunk *chunk)
{
	(void)state;
	return on_chunk(x, settings, chunk, "response_body");
}

WEIR_MODULE(probe) = {
	WEIR_ABI,
	.summary = "Notes its phases, and gives the verdicts that requests order.",
	.options = options,
	.metrics = metrics,
	.settings_size = sizeof(struct settings),
	.connection_size = sizeof(struct connection),
	.thread_size = sizeof(struct thread),
	.request_size = sizeof(struct state),
	.accept = on_accept,
	.handshake = on_handshake,
	.tick = tick,
	.thread_stop = thread_stop,
	.hooks = {
		ORDINARY(NAME_HOOK)
		[WEIR_PHASE_REQUEST] = on_request,
		[WEIR_PHASE_RESPONSE] = on_response,
		[WEIR_PHASE_LOG] = on_log,
	},
	.request_body = on_request_body,
	.response_body = on_response_body,
};
