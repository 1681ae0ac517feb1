/* SPDX-License-Identifier: Apache-2.0 */
/*
 * header: remove, set and add fields of the request to the origin and of the response to the client.
 *
 * The request is edited in the phase upstream_request, so other modules see what the client sent, and
 * each retry is edited afresh; the response in the phase response, whoever made it, so edits are never
 * cached. In each, all removals come first, then what is set, then what is added; and late, to see what
 * other modules did.
 *
 * Which names are allowed is settled when the configuration is checked. What a variable writes into a
 * value is checked by the core, which fails a request with a control character in it.
 */
#include <string.h>
#include <strings.h>
#include <weir/module.h>

struct edit {
	const char *name;
	const struct weir_template *value;	/* NULL in a removal */
};

struct edits {
	struct weir_list remove, set, add;	/* struct edit */
};

struct settings {
	struct edits request, response;
};

/* Take a name. Those of the connection and of framing (RFC 9110, 7.6.1 and 8.6) belong to the core. */
static const char *
take_name(struct weir_build *build, const char *text, size_t length, struct edit *edit)
{
	static const char token[] = "!#$%&'*+-.^_`|~0123456789"
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	static const char *const framing[] = { "Connection", "Content-Length", "Keep-Alive",
		"Proxy-Connection", "TE", "Trailer", "Transfer-Encoding", "Upgrade", NULL };

	if (length == 0 || strspn(text, token) < length)
		return "the name of a field has letters, digits and !#$%&'*+-.^_`|~ only";
	for (const char *const *known = framing; *known != NULL; known++)
		if (strlen(*known) == length && strncasecmp(*known, text, length) == 0)
			return "this field frames messages and connections: only the server itself writes it";
	if (length == strlen("Host") && strncasecmp("Host", text, length) == 0)
		return "Host says where a request goes: set `host` in the [upstream] section instead";
	edit->name = weir_build_printf(build, "%.*s", (int)length, text);
	return NULL;
}

static const char *
parse_name(struct weir_build *build, const char *text, void *value)
{
	return take_name(build, text, strlen(text), value);
}

static const char *
parse_field(struct weir_build *build, const char *text, void *value)
{
	struct edit *edit = value;
	size_t name = strcspn(text, ": \t");
	const char *template = text + name + 1;

	if (text[name] != ':')
		return "a field is written `Name: value`";
	edit->value = weir_build_template(build, template + strspn(template, " \t"));
	return take_name(build, text, name, edit);
}

#define EDIT(NAME, WHERE, PARSE) \
	NAME, WEIR_CUSTOM, offsetof(struct settings, WHERE), .repeat = true, \
	.size = sizeof(struct edit), .parse = PARSE

static const struct weir_option options[] = {
	{ EDIT("request_remove", request.remove, parse_name),
	  .doc = "A field that the origin shall not see." },
	{ EDIT("request_set", request.set, parse_field),
	  .doc = "`Name: value` for the origin, replacing all of that name; it may hold ${variables}." },
	{ EDIT("request_add", request.add, parse_field),
	  .doc = "`Name: value` for the origin, beside those that are there; it may hold ${variables}." },
	{ EDIT("response_remove", response.remove, parse_name),
	  .doc = "A field that the client shall not see." },
	{ EDIT("response_set", response.set, parse_field),
	  .doc = "`Name: value` for the client, replacing all of that name; it may hold ${variables}." },
	{ EDIT("response_add", response.add, parse_field),
	  .doc = "`Name: value` for the client, beside those that are there; it may hold ${variables}." },
	{ .name = NULL }
};

static void
apply(struct weir_exchange *x, enum weir_message message, const struct edits *edits)
{
	const struct edit *remove = edits->remove.items, *set = edits->set.items, *add = edits->add.items;

	for (size_t i = 0; i < edits->remove.count; i++)
		weir_remove_field(x, message, remove[i].name);
	for (size_t i = 0; i < edits->set.count; i++)
		weir_set_field(x, message, set[i].name, weir_expand(x, set[i].value));
	for (size_t i = 0; i < edits->add.count; i++)
		weir_add_field(x, message, add[i].name, weir_expand(x, add[i].value));
}

static enum weir_verdict
edit_request(struct weir_exchange *x, const void *c, void *s)
{
	(void)s;
	apply(x, WEIR_UPSTREAM_REQUEST, &((const struct settings *)c)->request);
	return WEIR_NEXT;
}

static enum weir_verdict
edit_response(struct weir_exchange *x, const void *c, void *s)
{
	(void)s;
	apply(x, WEIR_RESPONSE, &((const struct settings *)c)->response);
	return WEIR_NEXT;
}

static bool
needed(const void *c, enum weir_phase phase)
{
	const struct settings *set = c;
	const struct edits *edits = phase == WEIR_PHASE_RESPONSE ? &set->response : &set->request;

	return edits->remove.count + edits->set.count + edits->add.count > 0;
}

WEIR_MODULE(header) = {
	WEIR_ABI,
	.summary = "Remove, set and add fields of requests and responses.",
	.options = options,
	.settings_size = sizeof(struct settings),
	.order = WEIR_CLASS_LATE,
	.needed = needed,
	.hooks = {
		[WEIR_PHASE_UPSTREAM_REQUEST] = edit_request,
		[WEIR_PHASE_RESPONSE] = edit_response,
	},
};
