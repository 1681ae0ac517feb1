/* SPDX-License-Identifier: Apache-2.0 */
/*
 * greet: answer requests with a greeting.
 *
 * A module as somebody else would write it, in a folder of their own: tests/third-party/check builds it against the
 * installed headers and pkg-config alone, and has an installed Weir serve with it.
 */
#include <string.h>
#include <weir/module.h>

struct settings {
	const struct weir_template *greeting;
};

static const struct weir_option options[] = {
	{ "greeting", WEIR_TEMPLATE, offsetof(struct settings, greeting), .required = true,
		.doc = "What to answer; ${variables} are filled in." },
	{ NULL }
};

static enum weir_verdict
greet(struct weir_exchange *x, const void *c, void *s)
{
	const struct settings *set = c;
	const char *text = weir_expand(x, set->greeting);

	(void)s;
	weir_respond(x, 200, "text/plain", text, strlen(text));
	return WEIR_RESPOND;
}

WEIR_MODULE(greet) = {
	WEIR_ABI,
	.summary = "Answer requests with a greeting.",
	.options = options,
	.settings_size = sizeof(struct settings),
	.hooks = {
		[WEIR_PHASE_ACCESS] = greet,
	},
};
