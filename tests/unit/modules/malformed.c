/* SPDX-License-Identifier: Apache-2.0 */
/* Every mistake that the tables of a contract can hold, once. */
#include <weir/module.h>

struct settings {
	const char *text;
	int64_t number;
};

static const struct weir_option options[] = {
	{ "Upper", WEIR_TEXT, offsetof(struct settings, text), .doc = "" },
	{ "enable", WEIR_BOOL, offsetof(struct settings, text), .doc = "" },
	{ "twice", WEIR_TEXT, offsetof(struct settings, text), .doc = "" },
	{ "twice", WEIR_TEXT, offsetof(struct settings, text), .doc = "" },
	{ "strange", (enum weir_type)77, 0, .doc = "" },
	{ "beyond", WEIR_TEXT, sizeof(struct settings), .doc = "" },
	{ "wide", WEIR_NETWORK, offsetof(struct settings, number), .doc = "" },
	{ "odd", WEIR_INTEGER, 3, .doc = "" },
	{ "turned", WEIR_INTEGER, offsetof(struct settings, number), .min = 5, .max = 1, .doc = "" },
	{ "choosy", WEIR_CHOICE, offsetof(struct settings, number), .doc = "" },
	{ "custom", WEIR_CUSTOM, offsetof(struct settings, number), .doc = "" },
	{ "nowhere", WEIR_TEXT, offsetof(struct settings, text), .in = 1 << 9, .doc = "" },
	{ .name = NULL }
};

static const struct weir_metric metrics[] = {
	{ "hits", .doc = "A counter whose name does not end in _total." },
	{ "a-b", .gauge = true },
	{ "level", .gauge = true },
	{ "level", .gauge = true },
	{ .name = NULL }
};

static const struct weir_variable variables[] = {
	{ "a.b", NULL, NULL },
	{ .name = NULL }
};

static const struct weir_verb verbs[] = {
	{ "Purge", NULL, NULL, NULL },
	{ .name = NULL }
};

static enum weir_verdict
hook(struct weir_exchange *x, const void *settings, void *state)
{
	(void)x, (void)settings, (void)state;
	return WEIR_NEXT;
}

WEIR_MODULE(malformed) = {
	WEIR_ABI,
	.options = options,
	.metrics = metrics,
	.variables = variables,
	.verbs = verbs,
	.settings_size = sizeof(struct settings),
	.request_size = (size_t)1 << 40,
	.order = (enum weir_class)9,
	.hooks = {
		[WEIR_PHASE_ACCEPT] = hook,
		[WEIR_PHASE_RESPONSE_BODY] = hook,
	},
};
