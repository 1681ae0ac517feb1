/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shaper: does with a body what the field Body orders, as request=HOW and response=HOW:
 *
 *	inspect, shorten (half of each chunk), lengthen (each byte ten times), drop, replace (another case),
 *	append (a word behind the last), done (after the first chunk), fail[:STATUS] and respond and wait (at the second
 *	call, or the last), fail-first[:STATUS], left (begins a wait and goes on)
 *
 * With the field Announce it says beforehand that lengths will change.
 */
#include "note.h"

#include <ctype.h>
#include <stdlib.h>

struct settings {
	const char *file;
};

struct side {
	unsigned calls, lasts;
	uint64_t bytes;
};

struct state {
	struct side request, response;
};

/* A thread's, for what replaces a chunk: the core takes it over before it calls the next hook of another exchange. */
struct room {
	char *bytes;
	size_t size;
};

static const struct weir_option options[] = {
	{ "file", WEIR_PATH, offsetof(struct settings, file), .in = WEIR_IN_MODULE, .doc = "Where to note." },
	{ .name = NULL }
};

static char *
make_room(struct weir_exchange *x, size_t size)
{
	struct room *room = weir_thread_state(x);

	if (size > room->size) {
		free(room->bytes);
		room->bytes = malloc(size);
		room->size = room->bytes != NULL ? size : 0;
	}
	return room->bytes;
}

static void
thread_stop(struct weir_thread *t, void *state)
{
	(void)t;
	free(((struct room *)state)->bytes);
}

static enum weir_verdict
lengthen(struct weir_exchange *x, struct weir_chunk *chunk)
{
	char *to = make_room(x, 10 * chunk->length + 1);

	if (to == NULL)
		return WEIR_FAIL;
	for (size_t i = 0; i < chunk->length; i++)
		memset(to + 10 * i, chunk->data[i], 10);
	chunk->data = to;
	chunk->length *= 10;
	return WEIR_NEXT;
}

static enum weir_verdict
replace(struct weir_exchange *x, struct weir_chunk *chunk)
{
	char *to = make_room(x, chunk->length + 1);

	if (to == NULL)
		return WEIR_FAIL;
	for (size_t i = 0; i < chunk->length; i++)
		to[i] = (char)toupper((unsigned char)chunk->data[i]);
	chunk->data = to;
	return WEIR_NEXT;
}

static enum weir_verdict
append(struct weir_exchange *x, struct weir_chunk *chunk)
{
	char *to = make_room(x, chunk->length + 5);

	if (!chunk->last || to == NULL)
		return chunk->last ? WEIR_FAIL : WEIR_NEXT;
	memcpy(to, chunk->data, chunk->length);
	memcpy(to + chunk->length, " end.", 5);
	chunk->data = to;
	chunk->length += 5;
	return WEIR_NEXT;
}

static enum weir_verdict
end(struct weir_exchange *x, const char *how)
{
	const char *status = strchr(how, ':');

	if (status != NULL)
		weir_fail(x, atoi(status + 1), "shaper was told to fail");
	return verdict_of(how);
}

static enum weir_verdict
shape(struct weir_exchange *x, const char *how, const struct side *side, struct weir_chunk *chunk)
{
	if (strcmp(how, "lengthen") == 0)
		return lengthen(x, chunk);
	if (strcmp(how, "replace") == 0)
		return replace(x, chunk);
	if (strcmp(how, "append") == 0)
		return append(x, chunk);
	if (strcmp(how, "shorten") == 0)
		chunk->length /= 2;
	else if (strcmp(how, "drop") == 0)
		chunk->length = 0;
	else if (strcmp(how, "done") == 0)
		return WEIR_DONE;
	else if (strcmp(how, "left") == 0)
		weir_wait(x, 60000, WEIR_NEXT, NULL, NULL);
	else if (strncmp(how, "fail-first", 10) == 0 || (strcmp(how, "inspect") != 0 && (side->calls == 2 || chunk->last)))
		return end(x, how);
	return WEIR_NEXT;
}

static enum weir_verdict
on_chunk(struct weir_exchange *x, const char *phase, struct side *side, struct weir_chunk *chunk)
{
	char how[64];

	side->calls++;
	side->lasts += chunk->last;
	side->bytes += chunk->length;
	return ordered(x, "Body", phase, how) ? shape(x, how, side, chunk) : WEIR_NEXT;
}

static enum weir_verdict
on_request_body(struct weir_exchange *x, const void *settings, void *s, struct weir_chunk *chunk)
{
	struct state *state = s;

	(void)settings;
	return on_chunk(x, "request", &state->request, chunk);
}

static enum weir_verdict
on_response_body(struct weir_exchange *x, const void *settings, void *s, struct weir_chunk *chunk)
{
	struct state *state = s;

	(void)settings;
	return on_chunk(x, "response", &state->response, chunk);
}

static enum weir_verdict
announce_request(struct weir_exchange *x, const void *settings, void *s)
{
	(void)settings, (void)s;
	if (weir_request_field(x, "Announce") != NULL)
		weir_body_will_change(x, WEIR_UPSTREAM_REQUEST);
	return WEIR_NEXT;
}

static enum weir_verdict
announce_response(struct weir_exchange *x, const void *settings, void *s)
{
	(void)settings, (void)s;
	if (weir_request_field(x, "Announce") != NULL)
		weir_body_will_change(x, WEIR_RESPONSE);
	return WEIR_NEXT;
}

static enum weir_verdict
tell(struct weir_exchange *x, const void *settings, void *s)
{
	const struct settings *set = settings;
	const struct state *state = s;
	const char *failure = weir_failure(x);

	note(set->file, "%s shaper request lasts=%u calls=%u bytes=%llu", id_of(x), state->request.lasts,
		state->request.calls, (unsigned long long)state->request.bytes);
	note(set->file, "%s shaper response lasts=%u calls=%u bytes=%llu", id_of(x), state->response.lasts,
		state->response.calls, (unsigned long long)state->response.bytes);
	note(set->file, "%s shaper end status=%d failure=%s", id_of(x), weir_status(x), failure != NULL ? failure : "none");
	return WEIR_NEXT;
}

WEIR_MODULE(shaper) = {
	WEIR_ABI,
	.summary = "Changes bodies as requests order.",
	.options = options,
	.settings_size = sizeof(struct settings),
	.thread_size = sizeof(struct room),
	.request_size = sizeof(struct state),
	.thread_stop = thread_stop,
	.hooks = {
		[WEIR_PHASE_UPSTREAM_REQUEST] = announce_request,
		[WEIR_PHASE_RESPONSE] = announce_response,
		[WEIR_PHASE_LOG] = tell,
	},
	.request_body = on_request_body,
	.response_body = on_response_body,
};
