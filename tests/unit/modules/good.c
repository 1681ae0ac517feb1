/* SPDX-License-Identifier: Apache-2.0 */
/* A module as it should be: one of everything. */
#include <weir/module.h>

struct settings {
	const char *text;
	int64_t number;
};

static const struct weir_option options[] = {
	{ "text", WEIR_TEXT, offsetof(struct settings, text), .doc = "Some text." },
	{ "number", WEIR_INTEGER, offsetof(struct settings, number), .initial = "3", .max = 10,
		.doc = "A small number." },
	{ .name = NULL }
};

static const struct weir_metric metrics[] = {
	{ "hits_total", .doc = "How often." },
	{ "level", .gauge = true, .doc = "How high." },
	{ .name = NULL }
};

static enum weir_verdict
go_on(struct weir_exchange *x, const void *settings, void *state)
{
	(void)x, (void)settings, (void)state;
	return WEIR_NEXT;
}

WEIR_MODULE(good) = {
	WEIR_ABI,
	.summary = "A module as it should be.",
	.options = options,
	.metrics = metrics,
	.settings_size = sizeof(struct settings),
	.hooks = {
		[WEIR_PHASE_REQUEST] = go_on,
		[WEIR_PHASE_LOG] = go_on,
	},
};
