/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hello: greet those who say their name.
 *
 * The client says it in a field of the request, the greeting goes into a field of the response. In between,
 * the request travels and other modules may change it; so the name is remembered when it comes in, in the
 * struct that Weir keeps for each request.
 */
#include <weir/module.h>

struct settings {		/* one for each section that sets something; read-only */
	const char *greeting, *from;
};

struct state {			/* one a request; zeroed at its start */
	const char *name;
};

static const struct weir_option options[] = {
	{ "greeting", WEIR_TEXT, offsetof(struct settings, greeting), .initial = "Hello",
	  .doc = "What to say before the name." },
	{ "from", WEIR_FIELD_NAME, offsetof(struct settings, from), .initial = "X-Name",
	  .doc = "The request's field with the name." },
	{ .name = NULL }
};

enum { GREETED };
static const struct weir_metric metrics[] = {
	[GREETED] = { "greeted_total", false, "Responses with a greeting." },
	{ .name = NULL }
};

static enum weir_verdict
remember_name(struct weir_exchange *x, const void *c, void *s)
{
	const struct settings *set = c;
	struct state *state = s;

	state->name = weir_request_field(x, set->from);
	return WEIR_NEXT;
}

static enum weir_verdict
greet(struct weir_exchange *x, const void *c, void *s)
{
	const struct settings *set = c;
	const struct state *state = s;

	if (state->name == NULL)
		return WEIR_NEXT;
	weir_set_response_field(x, "X-Hello", weir_printf(x, "%s, %s!", set->greeting, state->name));
	weir_count(x, GREETED, 1);
	return WEIR_NEXT;
}

WEIR_MODULE(hello) = {
	WEIR_ABI,
	.summary = "Greet those who say their name.",
	.options = options,
	.metrics = metrics,
	.settings_size = sizeof(struct settings),
	.request_size = sizeof(struct state),
	.hooks = {
		[WEIR_PHASE_ACCESS] = remember_name,
		[WEIR_PHASE_RESPONSE] = greet,
	},
};
