/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Has a required option that may be left to the routes; its check would not survive without one.
 */
#include <weir/module.h>

#include <string.h>

void noted(const char *format, ...) __attribute__((format(printf, 1, 2)));

struct settings {
	const char *name;
};

static const struct weir_option options[] = {
	{ "name", WEIR_TEXT, offsetof(struct settings, name), .required = true, .doc = "A name." },
	{ .name = NULL }
};

static void
check(struct weir_build *build, void *settings)
{
	const struct settings *set = settings;

	(void)build;
	noted("%s has %zu letters;", set->name, strlen(set->name));
}

static enum weir_verdict
hook(struct weir_exchange *x, const void *settings, void *state)
{
	(void)x, (void)settings, (void)state;
	return WEIR_NEXT;
}

WEIR_MODULE(strict) = {
	WEIR_ABI,
	.summary = "Has a required option.",
	.options = options,
	.settings_size = sizeof(struct settings),
	.check = check,
	.hooks = { [WEIR_PHASE_ACCESS] = hook },
};
