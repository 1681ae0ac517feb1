/* SPDX-License-Identifier: Apache-2.0 */
/*
 * template: text with ${variables}, compiled when a generation is built and written out per exchange.
 *
 * This is the half for the main thread: from text to pieces. A name is looked up among the core's variables,
 * then among those of the generation's modules (no name is in both: see generation.c).
 */
#include "template.h"
#include "generation.h"
#include "report.h"
#include "text.h"

#include <string.h>

struct compile {
	struct weir_build *build;
	struct template_piece *pieces;
	size_t count;
};

static void
add_literal(struct compile *c, const char *text, size_t length)
{
	struct template_piece *last = c->count > 0 ? &c->pieces[c->count - 1] : NULL;

	/* The "$" and the "b" of "a$$b" stand side by side in the copy: one literal. */
	if (last != NULL && last->kind == TEMPLATE_LITERAL && last->text + last->length == text)
		last->length += length;
	else if (length > 0)
		c->pieces[c->count++] =
			(struct template_piece){ .kind = TEMPLATE_LITERAL, .text = text, .length = length };
}

static bool
add_field(struct compile *c, const char *name)
{
	static const struct { const char *prefix; enum weir_message message; } messages[] = {
		{ "request.", WEIR_REQUEST },
		{ "upstream_request.", WEIR_UPSTREAM_REQUEST },
		{ "response.", WEIR_RESPONSE },
	};
	const char *field;

	for (size_t i = 0; i < sizeof(messages) / sizeof(*messages); i++) {
		if (strncmp(name, messages[i].prefix, strlen(messages[i].prefix)) != 0)
			continue;
		field = name + strlen(messages[i].prefix);
		if (!text_is_token(field, strlen(field)))
			return false;
		c->pieces[c->count++] = (struct template_piece){ .kind = TEMPLATE_FIELD,
			.text = field, .length = strlen(field), .message = messages[i].message };
		return true;
	}
	return false;
}

static bool
add_core(struct compile *c, const char *name)
{
	for (const struct variable *v = variables; v->name != NULL; v++) {
		if (strcmp(v->name, name) == 0) {
			c->pieces[c->count++] =
				(struct template_piece){ .kind = TEMPLATE_CORE, .value = v->value };
			return true;
		}
	}
	return false;
}

static bool
add_module(struct compile *c, const char *name)
{
	const struct generation *generation = c->build->generation;
	const struct weir_variable *v;

	for (unsigned slot = 0; slot < generation->module_count; slot++) {
		v = generation->modules[slot]->contract->variables;
		for (; v != NULL && v->name != NULL; v++) {
			if (strcmp(v->name, name) == 0) {
				c->pieces[c->count++] = (struct template_piece){
					.kind = TEMPLATE_MODULE, .variable = v, .slot = slot
				};
				return true;
			}
		}
	}
	return false;
}

/* The nearest name that would be right; NULL when none is near. */
static const char *
nearest_variable(const struct compile *c, const char *name)
{
	const struct generation *generation = c->build->generation;
	const char *names[512];
	size_t count = 0, most = sizeof(names) / sizeof(*names) - 1;
	const struct weir_variable *own;

	for (const struct variable *v = variables; v->name != NULL && count < most; v++)
		names[count++] = v->name;
	for (size_t i = 0; i < generation->module_count; i++) {
		own = generation->modules[i]->contract->variables;
		for (; own != NULL && own->name != NULL && count < most; own++)
			names[count++] = own->name;
	}
	names[count] = NULL;
	return report_nearest(name, names);
}

static bool
add_variable(struct compile *c, const char *name)
{
	const char *nearest;

	if (add_field(c, name) || add_core(c, name) || add_module(c, name))
		return true;
	if ((nearest = nearest_variable(c, name)) != NULL)
		weir_build_error(c->build, "there is no variable ${%s}; did you mean ${%s}?", name, nearest);
	else
		weir_build_error(c->build,
			"there is no variable ${%s}; fields are ${request.NAME}, "
			"${upstream_request.NAME} and ${response.NAME}, "
			"and others belong to modules, which must be loaded",
			name);
	return false;
}

/* One "$…" at `at`, which is cut up in place; the place behind it, NULL after reporting an error. */
static char *
compile_dollar(struct compile *c, char *at)
{
	char *end;

	if (at[1] == '$') {
		add_literal(c, at + 1, 1);
		return at + 2;
	}
	if (at[1] != '{') {
		weir_build_error(c->build,
			"a $ stands alone at `%.16s`: write ${NAME} for a variable, $$ for a dollar", at);
		return NULL;
	}
	if ((end = strchr(at, '}')) == NULL) {
		weir_build_error(c->build, "`%.32s` has no closing }", at);
		return NULL;
	}
	*end = '\0';
	return add_variable(c, at + 2) ? end + 1 : NULL;
}

/* At most one piece begins at each dollar, one follows it, and one comes first. */
static bool
take_room(struct compile *c, const char *text)
{
	size_t dollars = 0;

	while ((text = strchr(text, '$')) != NULL) {
		dollars++;
		text++;
	}
	c->pieces = arena_array(&c->build->generation->arena, 2 * dollars + 1, sizeof(*c->pieces));
	return c->pieces != NULL;
}

const struct weir_template *
weir_build_template(struct weir_build *build, const char *text)
{
	struct arena *arena = &build->generation->arena;
	struct weir_template *template = arena_zalloc(arena, sizeof(*template));
	struct compile c = { .build = build };
	char *at = arena_copy(arena, text, strlen(text));
	size_t length;

	if (template == NULL || at == NULL ||
		(template->source = arena_copy(arena, text, strlen(text))) == NULL || !take_room(&c, text)) {
		build->failed = true;
		return NULL;
	}
	for (; *at != '\0'; at += length) {
		length = strcspn(at, "$");
		add_literal(&c, at, length);
		if (at[length] == '$') {
			if ((at = compile_dollar(&c, at + length)) == NULL)
				return NULL;
			length = 0;
		}
	}
	template->pieces = c.pieces;
	template->count = c.count;
	return template;
}
