/* SPDX-License-Identifier: Apache-2.0 */
/*
 * streamer: gives and takes bodies, and runs errands, as the request's field Stream orders:
 *
 *	source=HOW	answer in the phase cache from a source: three pieces of 10 bytes; HOW is whole, later (each piece is
 *			waited for), never (the second does not come), fail, empty (the second has no bytes), first (the first
 *			has none), short, long, endless (1 MiB pieces), or big (one piece of 4 MiB)
 *	length=none	without a length, and with a trailer
 *	lines=yes	with fields that are written already
 *	cache=again	wait in the phase cache, and be called again
 *	cache=keep	go on without the client
 *	store=take	take the body of the origin; answer 202. store=refuse takes no more than the first bytes; store=nothing
 *			answers nothing; store=twice takes each piece a moment later
 *	errand=HOW	in the phase access, send one: model, server (by name), slow (with a short limit), bad (malformed)
 */
#include "note.h"

#include <stdlib.h>
#include <time.h>

struct settings {
	const char *file;
};

struct feed {
	struct weir_token token;
	char how[64], id[32], file[160];
	unsigned given, calls;
	bool waited;
	uint64_t bytes;
};

struct state {
	unsigned calls;
};

static char big[4 * 1024 * 1024];

static const struct weir_option options[] = {
	{ "file", WEIR_PATH, offsetof(struct settings, file), .in = WEIR_IN_MODULE, .doc = "Where to note." },
	{ .name = NULL }
};

static struct feed *
new_feed(struct weir_exchange *x, const struct settings *set, const char *how)
{
	struct feed *feed = calloc(1, sizeof(*feed));

	if (feed == NULL)
		abort();
	snprintf(feed->how, sizeof(feed->how), "%s", how);
	snprintf(feed->id, sizeof(feed->id), "%s", id_of(x));
	snprintf(feed->file, sizeof(feed->file), "%s", set->file);
	return feed;
}

/* --- sources ---------------------------------------------------------------------------------------------------------- */

static void
wake(void *argument)
{
	struct feed *feed = argument;
	const struct timespec soon = { 0, 2000000 };

	nanosleep(&soon, NULL);
	weir_resume(feed->token, WEIR_NEXT);
}

static void
cancelled(void *argument)
{
	struct feed *feed = argument;

	note(feed->file, "%s streamer cancel", feed->id);
}

static enum weir_verdict
give(struct weir_exchange *x, void *argument, struct weir_chunk *chunk)
{
	struct feed *feed = argument;
	bool waits = strcmp(feed->how, "later") == 0 || (strcmp(feed->how, "never") == 0 && feed->given > 0);

	if (waits && feed->calls++ % 2 == 0) {
		feed->token = weir_wait(x, 20000, WEIR_FAIL, cancelled, feed);
		if (strcmp(feed->how, "later") == 0 && !weir_offload(wake, feed))
			return WEIR_FAIL;
		return WEIR_WAIT;
	}
	if (strcmp(feed->how, "big") == 0 || strcmp(feed->how, "endless") == 0) {
		*chunk = (struct weir_chunk){ big, feed->how[0] == 'b' ? sizeof(big) : 1024 * 1024, feed->how[0] == 'b' };
		return WEIR_NEXT;
	}
	if (strcmp(feed->how, "fail") == 0 && feed->given == 1)
		return WEIR_FAIL;
	*chunk = (struct weir_chunk){ "0123456789", 10, ++feed->given == 3 };
	if (strcmp(feed->how, feed->given == 1 ? "first" : "empty") == 0)
		chunk->length = 0;
	if (strcmp(feed->how, "short") == 0)
		chunk->last = feed->given == 2;
	if (strcmp(feed->how, "long") == 0)
		chunk->length = 10 + (feed->given == 3), chunk->data = "0123456789+";
	if (chunk->last)
		weir_add_field(x, WEIR_TRAILERS, "Given", "all");
	return WEIR_NEXT;
}

static void
release(void *argument)
{
	struct feed *feed = argument;

	note(feed->file, "%s streamer release", feed->id);
	free(feed);
}

static enum weir_verdict
on_cache(struct weir_exchange *x, const void *settings, void *state)
{
	static const char lines[] = "Date: Thu, 01 Jan 2026 00:00:00 GMT\r\nFirst:  one\r\nSecond: two\r\n";
	struct state *s = state;
	char how[64], word[64];

	if (ordered(x, "Stream", "cache", word)) {
		if (strcmp(word, "keep") == 0)
			weir_keep_going(x);
		else if (s->calls++ == 0)
			return weir_resume(weir_wait(x, 20000, WEIR_FAIL, NULL, NULL), WEIR_AGAIN) ? WEIR_WAIT : WEIR_FAIL;
		else
			weir_respond(x, 200, "text/plain", "again", 5);
		return strcmp(word, "keep") == 0 ? WEIR_NEXT : WEIR_RESPOND;
	}
	if (!ordered(x, "Stream", "source", how))
		return WEIR_NEXT;
	weir_respond_source(x, 200, ordered(x, "Stream", "length", word) ? -1 : strcmp(how, "big") == 0 ? (int64_t)sizeof(big)
		: strcmp(how, "endless") == 0 ? INT64_MAX : 30, give, release, new_feed(x, settings, how));
	if (ordered(x, "Stream", "lines", word)) {
		weir_respond_lines(x, lines, sizeof(lines) - 1);
		weir_add_field(x, WEIR_RESPONSE, "Added", "yes");
		if (strcmp(word, "edit") == 0)
			weir_set_response_field(x, "second", "three");
	}
	return WEIR_RESPOND;
}

/* --- sinks ------------------------------------------------------------------------------------------------------------ */

static enum weir_verdict
take(struct weir_exchange *x, void *argument, const struct weir_chunk *chunk)
{
	struct feed *feed = argument;

	if (strcmp(feed->how, "twice") == 0 && !feed->waited) {	/* each piece is given twice, a moment apart */
		feed->waited = true;
		return weir_wait(x, 1, WEIR_NEXT, NULL, NULL).generation != 0 ? WEIR_WAIT : WEIR_FAIL;
	}
	feed->waited = false;
	feed->bytes += chunk->length;
	return strcmp(feed->how, "refuse") != 0 ? WEIR_NEXT : WEIR_FAIL;
}

static void
end(struct weir_exchange *x, void *argument)
{
	struct feed *feed = argument;
	const char *failure = weir_failure(x), *trailer = weir_field(x, WEIR_TRAILERS, "Last");

	note(feed->file, "%s streamer end %d %llu %s%s%s", feed->id, weir_status(x), (unsigned long long)feed->bytes,
		failure != NULL ? failure : "whole", trailer != NULL ? " " : "", trailer != NULL ? trailer : "");
	free(feed);
}

static enum weir_verdict
on_store(struct weir_exchange *x, const void *settings, void *state)
{
	char how[64];
	struct weir_sink sink = { .take = take, .end = end };

	(void)state;
	if (weir_errand_argument(x) != NULL) {
		note(((const struct settings *)settings)->file, "%s streamer knows its errand", id_of(x));
		return WEIR_NEXT;
	}
	if (!ordered(x, "Stream", "store", how))
		return WEIR_NEXT;
	sink.argument = new_feed(x, settings, how);
	if (!weir_take_body(x, &sink, 20000)) {
		free(sink.argument);
		return WEIR_FAIL;
	}
	if (strcmp(how, "nothing") == 0)
		return WEIR_NEXT;
	weir_respond(x, 202, "text/plain", "taken", 5);
	return WEIR_RESPOND;
}

/* --- errands ---------------------------------------------------------------------------------------------------------- */

static enum weir_verdict
on_access(struct weir_exchange *x, const void *settings, void *state)
{
	char how[64];
	struct weir_errand errand = { .limit = 20000, .sink = { .take = take, .end = end } };

	(void)state;
	if (weir_is_errand(x) || !ordered(x, "Stream", "errand", how))
		return WEIR_NEXT;
	errand.sink.argument = new_feed(x, settings, how);
	if (strcmp(how, "slow") == 0)
		errand.limit = 100;
	if (strcmp(how, "server") == 0) {
		errand.upstream = weir_upstream(x);
		errand.server = weir_upstream_server(errand.upstream, weir_upstream_servers(errand.upstream) - 1);
		errand.method = "HEAD";
		errand.authority = "probe.test";
		errand.target = "/probe?it";
		errand.fields = "Why: health\r\n";
	} else if (strcmp(how, "bad") == 0) {
		errand.target = "no target";
	}
	if (!weir_send_errand(weir_exchange_thread(x), strcmp(how, "server") == 0 ? NULL : x, &errand)) {
		note(((const struct settings *)settings)->file, "%s streamer errand refused", id_of(x));
		free(errand.sink.argument);
	}
	return WEIR_NEXT;
}

WEIR_MODULE(streamer) = {
	WEIR_ABI,
	.summary = "Gives and takes bodies as requests order it.",
	.options = options,
	.settings_size = sizeof(struct settings),
	.request_size = sizeof(struct state),
	.hooks = { [WEIR_PHASE_ACCESS] = on_access, [WEIR_PHASE_CACHE] = on_cache, [WEIR_PHASE_STORE] = on_store },
};
