/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenes for templates: from a text to its pieces, and what is wrong with a text.
 *
 * The core's variables are two of this program's own, so that no exchange is needed.
 */
#include "said.h"
#include "server/generation.h"
#include "server/template.h"

#include <stdlib.h>

static const char *
value(struct weir_exchange *x)
{
	(void)x;
	return "value";
}

const struct variable variables[] = {
	{ "host", value, "The host." },
	{ "path", value, "The path." },
	{ NULL, NULL, NULL }
};

static const char *
module_value(struct weir_exchange *x, const void *settings, void *state)
{
	(void)x, (void)settings, (void)state;
	return "module's";
}

static const struct weir_variable module_variables[] = {
	{ "request_id", module_value, "The request's id." },
	{ .name = NULL }
};

static const struct weir_module without = { .name = "without" };
static const struct weir_module with = { .name = "with", .variables = module_variables };

struct scene {
	struct generation generation;
	struct module modules[2], *list[2];
	struct report report;
	struct weir_build build;
};

static int
begin(void **state)
{
	struct scene *scene = calloc(1, sizeof(*scene));

	arena_init(&scene->generation.arena, NULL, 0);
	report_init(&scene->report);
	scene->modules[0].contract = &without;
	scene->modules[1].contract = &with;
	scene->list[0] = &scene->modules[0];
	scene->list[1] = &scene->modules[1];
	scene->generation.modules = scene->list;
	scene->generation.module_count = 2;
	scene->build = (struct weir_build){
		.generation = &scene->generation, .report = &scene->report, .file = "weir.ini", .line = 4
	};
	*state = scene;
	return 0;
}

static int
end(void **state)
{
	struct scene *scene = *state;

	arena_free(&scene->generation.arena);
	report_free(&scene->report);
	free(scene);
	return 0;
}

/* Compile a text that is right. */
static const struct weir_template *
compile(void **state, const char *text)
{
	struct scene *scene = *state;
	const struct weir_template *template = weir_build_template(&scene->build, text);

	assert_silent(&scene->report);
	assert_non_null(template);
	assert_string_equal(template->source, text);
	return template;
}

/* A text that is wrong: one error, at the build's line, that says so. */
static void
assert_wrong(void **state, const char *text, const char *error)
{
	struct scene *scene = *state;

	assert_null(weir_build_template(&scene->build, text));
	assert_int_equal(scene->report.errors, 1);
	assert_said(&scene->report, error);
	assert_string_equal(scene->report.first->file, "weir.ini");
	assert_int_equal(scene->report.first->line, 4);
	assert_false(scene->build.failed);
	report_free(&scene->report);
}

static void
assert_literal(const struct template_piece *piece, const char *text)
{
	assert_int_equal(piece->kind, TEMPLATE_LITERAL);
	assert_int_equal(piece->length, strlen(text));
	assert_memory_equal(piece->text, text, piece->length);
}

static void
assert_field(const struct template_piece *piece, enum weir_message message, const char *name)
{
	assert_int_equal(piece->kind, TEMPLATE_FIELD);
	assert_int_equal(piece->message, message);
	assert_string_equal(piece->text, name);
	assert_int_equal(piece->length, strlen(name));
}

static void
plain_text_is_one_piece(void **state)
{
	const struct weir_template *template = compile(state, "no variables {here}");

	assert_int_equal(template->count, 1);
	assert_literal(&template->pieces[0], "no variables {here}");
}

static void
an_empty_text_has_no_pieces(void **state)
{
	assert_int_equal(compile(state, "")->count, 0);
}

static void
two_dollars_are_one(void **state)
{
	const struct weir_template *template = compile(state, "a$$b$$$${host}");

	assert_int_equal(template->count, 4);
	assert_literal(&template->pieces[0], "a");
	assert_literal(&template->pieces[1], "$b");
	assert_literal(&template->pieces[2], "$");
	assert_literal(&template->pieces[3], "${host}");
}

static void
variables_of_the_core_and_of_modules_are_found(void **state)
{
	const struct weir_template *template = compile(state, "${host}${path} id=${request_id}");

	assert_int_equal(template->count, 4);
	assert_int_equal(template->pieces[0].kind, TEMPLATE_CORE);
	assert_ptr_equal(template->pieces[0].value, value);
	assert_int_equal(template->pieces[1].kind, TEMPLATE_CORE);
	assert_literal(&template->pieces[2], " id=");
	assert_int_equal(template->pieces[3].kind, TEMPLATE_MODULE);
	assert_ptr_equal(template->pieces[3].variable, &module_variables[0]);
	assert_int_equal(template->pieces[3].slot, 1);
}

static void
fields_of_the_three_messages_are_found(void **state)
{
	const struct weir_template *template =
		compile(state, "${request.User-Agent}${upstream_request.Host}${response.ETag}");

	assert_int_equal(template->count, 3);
	assert_field(&template->pieces[0], WEIR_REQUEST, "User-Agent");
	assert_field(&template->pieces[1], WEIR_UPSTREAM_REQUEST, "Host");
	assert_field(&template->pieces[2], WEIR_RESPONSE, "ETag");
}

static void
a_variable_that_is_not_there_is_an_error(void **state)
{
	assert_wrong(state, "x${hots}", "there is no variable ${hots}; did you mean ${host}?");
	assert_wrong(state, "${request_ids}", "did you mean ${request_id}?");
	assert_wrong(state, "${something_else_entirely}", "fields are ${request.NAME}");
	assert_wrong(state, "${}", "there is no variable ${}");
}

static void
a_field_whose_name_is_no_token_is_an_error(void **state)
{
	assert_wrong(state, "${request.}", "there is no variable ${request.}");
	assert_wrong(state, "${response.a b}", "there is no variable ${response.a b}");
	assert_wrong(state, "${reqest.host}", "there is no variable ${reqest.host}");
}

static void
a_dollar_alone_is_an_error(void **state)
{
	assert_wrong(
		state, "costs 5$", "a $ stands alone at `$`: write ${NAME} for a variable, $$ for a dollar");
	assert_wrong(state, "$host", "a $ stands alone at `$host`");
}

static void
a_variable_without_an_end_is_an_error(void **state)
{
	assert_wrong(state, "a ${host", "`${host` has no closing }");
	assert_wrong(state, "${", "`${` has no closing }");
}

#define SCENE(name) cmocka_unit_test_setup_teardown(name, begin, end)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		SCENE(plain_text_is_one_piece),
		SCENE(an_empty_text_has_no_pieces),
		SCENE(two_dollars_are_one),
		SCENE(variables_of_the_core_and_of_modules_are_found),
		SCENE(fields_of_the_three_messages_are_found),
		SCENE(a_variable_that_is_not_there_is_an_error),
		SCENE(a_field_whose_name_is_no_token_is_an_error),
		SCENE(a_dollar_alone_is_an_error),
		SCENE(a_variable_without_an_end_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
