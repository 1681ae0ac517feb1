/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Notes what the core does with it, in the test program's `noted`, and can be told by its options to complain.
 */
#include <weir/module.h>

#include <string.h>

void noted(const char *format, ...) __attribute__((format(printf, 1, 2)));

struct settings {
	const char *word;		/* "bad" fails in check, "late" fails in build */
	int64_t limit;
	bool quiet;			/* the log hook is not needed */
	const struct weir_upstream *to;
	const struct weir_template *say;
};

struct shared {
	int number;			/* one more than the previous generation's */
};

struct state {
	char bytes[20];
};

static const struct weir_option options[] = {
	{ "word", WEIR_TEXT, offsetof(struct settings, word), .initial = "good",
		.in = WEIR_IN_MODULE | WEIR_IN_ROUTE | WEIR_IN_UPSTREAM | WEIR_IN_LISTEN, .doc = "A word." },
	{ "limit", WEIR_INTEGER, offsetof(struct settings, limit), .initial = "5", .min = 1, .max = 100,
		.doc = "A limit." },
	{ "quiet", WEIR_BOOL, offsetof(struct settings, quiet), .doc = "Do not log." },
	{ "to", WEIR_UPSTREAM, offsetof(struct settings, to), .doc = "An upstream." },
	{ "say", WEIR_TEMPLATE, offsetof(struct settings, say), .doc = "A text." },
	{ .name = NULL }
};

static const char *
word_of(struct weir_exchange *x, const void *settings, void *state)
{
	const struct settings *set = settings;

	(void)x, (void)state;
	return set->word;
}

static const struct weir_variable variables[] = {
	{ "probe_word", word_of, "The word." },
	{ .name = NULL }
};

static const struct weir_metric metrics[] = {
	{ "probes_total", .doc = "How often something was probed." },
	{ .name = NULL }
};

static bool
show(struct weir_reply *reply, void *generation, int count, const char *const *arguments)
{
	(void)reply, (void)generation, (void)count, (void)arguments;
	return true;
}

static const struct weir_verb verbs[] = {
	{ "show", "[WORD]", show, "Show the word." },
	{ .name = NULL }
};

static void
check(struct weir_build *build, void *settings)
{
	const struct settings *set = settings;

	noted("check %s;", set->word);
	if (strcmp(set->word, "bad") == 0)
		weir_build_error(build, "the word is bad");
}

static bool
needed(const void *settings, enum weir_phase phase)
{
	const struct settings *set = settings;

	return phase != WEIR_PHASE_LOG || !set->quiet;
}

static void
build(struct weir_build *b, void *generation, void *previous)
{
	const struct settings *set = weir_build_settings(b);
	struct shared *shared = generation;

	shared->number = previous != NULL ? ((struct shared *)previous)->number + 1 : 1;
	noted("build probe %d%s;", shared->number, weir_build_is_check(b) ? " (check)" : "");
	if (strcmp(set->word, "late") == 0)
		weir_build_error(b, "the word comes late");
	for (size_t i = 0; i < weir_build_routes(b); i++) {
		const struct weir_route *route = weir_build_route(b, i);
		const struct settings *own = weir_build_route_settings(b, route);

		weir_build_at_route(b, route);
		if (own->limit == 13)
			weir_build_warning(b, "route %s has the limit 13", weir_route_name(route));
	}
}

static void
drop(void *generation)
{
	const struct shared *shared = generation;

	noted("drop probe %d;", shared->number);
}

static enum weir_verdict
hook(struct weir_exchange *x, const void *settings, void *state)
{
	(void)x, (void)settings, (void)state;
	return WEIR_NEXT;
}

WEIR_MODULE(probe) = {
	WEIR_ABI,
	.summary = "Notes what the core does with it.",
	.options = options,
	.metrics = metrics,
	.variables = variables,
	.verbs = verbs,
	.settings_size = sizeof(struct settings),
	.generation_size = sizeof(struct shared),
	.request_size = sizeof(struct state),
	.after = "matcher",
	.check = check,
	.needed = needed,
	.build = build,
	.drop = drop,
	.hooks = {
		[WEIR_PHASE_REQUEST] = hook,
		[WEIR_PHASE_ACCESS] = hook,
		[WEIR_PHASE_LOG] = hook,
	},
};
