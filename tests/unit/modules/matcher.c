/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns plain keys: `match` in every route, where it is required, and `balance` in upstreams.
 */
#include <weir/module.h>

void noted(const char *format, ...) __attribute__((format(printf, 1, 2)));

struct settings {
	const char *match;
	int balance;
};

struct state {
	bool matched;
};

static const char *const ways[] = { "turns", "random", NULL };

static const struct weir_option options[] = {
	{ "match", WEIR_TEXT, offsetof(struct settings, match), .required = true, .bare = true,
		.in = WEIR_IN_ROUTE, .doc = "What to match." },
	{ "balance", WEIR_CHOICE, offsetof(struct settings, balance), .choices = ways, .bare = true,
		.in = WEIR_IN_MODULE | WEIR_IN_UPSTREAM, .initial = "turns", .doc = "How to balance." },
	{ .name = NULL }
};

static void
build(struct weir_build *b, void *generation, void *previous)
{
	(void)generation, (void)previous;
	for (size_t i = 0; i < weir_build_upstreams(b); i++) {
		const struct weir_upstream *upstream = weir_build_upstream(b, i);
		const struct settings *set = weir_build_upstream_settings(b, upstream);

		noted("%s balances %zu servers by %s;", weir_upstream_name(upstream),
			weir_upstream_servers(upstream), ways[set->balance]);
	}
}

static enum weir_verdict
hook(struct weir_exchange *x, const void *settings, void *state)
{
	(void)x, (void)settings, (void)state;
	return WEIR_NEXT;
}

WEIR_MODULE(matcher) = {
	WEIR_ABI,
	.summary = "Owns the plain keys match and balance.",
	.options = options,
	.settings_size = sizeof(struct settings),
	.request_size = sizeof(struct state),
	.build = build,
	.hooks = {
		[WEIR_PHASE_ROUTE] = hook,
		[WEIR_PHASE_PEER] = hook,
	},
};
