/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Wants what others have: the plain key `match` of the module matcher, the variable of the module probe.
 */
#include <weir/module.h>

struct settings {
	const char *match;
};

static const struct weir_option options[] = {
	{ "match", WEIR_TEXT, offsetof(struct settings, match), .bare = true, .in = WEIR_IN_ROUTE,
		.doc = "What to match." },
	{ .name = NULL }
};

static const char *
word_of(struct weir_exchange *x, const void *settings, void *state)
{
	(void)x, (void)settings, (void)state;
	return NULL;
}

static const struct weir_variable variables[] = {
	{ "probe_word", word_of, "Another word." },
	{ .name = NULL }
};

WEIR_MODULE(rival) = {
	WEIR_ABI,
	.summary = "Wants what others have.",
	.options = options,
	.variables = variables,
	.settings_size = sizeof(struct settings),
	.order = WEIR_CLASS_LATE,
};
