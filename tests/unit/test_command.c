/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenes for the command line: what it understands, what it answers, and with which exit code.
 */
#include "said.h"
#include "server/command.h"
#include "server/generation.h"
#include "server/search.h"
#include "server/template.h"

#include <stdlib.h>
#include <unistd.h>

/* No exchange is needed: the core's variables are this program's own. */
static const char *
value(struct weir_exchange *x)
{
	(void)x;
	return "value";
}

const struct variable variables[] = {
	{ "host", value, "The host that was asked for." },
	{ NULL, NULL, NULL }
};

/* Called by the fixture probe: a check must build, and then drop. */
WEIR_API void noted(const char *format, ...) __attribute__((format(printf, 1, 2)));
static char notes[1024];

void
noted(const char *format, ...)
{
	size_t length = strlen(notes);
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(notes + length, sizeof(notes) - length, format, arguments);
	va_end(arguments);
}

struct scene {
	char folder[64];	/* with weir.ini, and the fixture probe as the only module */
	char *answer, *errors;	/* of the last run */
	int code;
};

static void
run_shell(const char *format, const char *first, const char *second)
{
	char line[512];

	snprintf(line, sizeof(line), format, first, second);
	assert_int_equal(system(line), 0);
}

static int
begin(void **state)
{
	struct scene *scene = calloc(1, sizeof(*scene));

	notes[0] = '\0';
	strcpy(scene->folder, "/tmp/weir-command-XXXXXX");
	if (mkdtemp(scene->folder) == NULL)
		return -1;
	run_shell("cp '%s/probe.so' '%s/probe.so'", FIXTURES, scene->folder);
	*state = scene;
	return 0;
}

static int
end(void **state)
{
	struct scene *scene = *state;

	run_shell("rm -rf '%s'%s", scene->folder, "");
	free(scene->answer);
	free(scene->errors);
	free(scene);
	return 0;
}

static void
write_config(const struct scene *scene, const char *text)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/weir.ini", scene->folder);
	assert_non_null(file = fopen(path, "w"));
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

static bool
parse(struct command *command, char **arguments, char **said)
{
	size_t size;
	FILE *to = open_memstream(said, &size);
	int count = 0;
	bool good;

	while (arguments[count] != NULL)
		count++;
	good = command_parse(command, count, arguments, to);
	fclose(to);
	return good;
}

/* Run `weir ARGUMENT -c FOLDER/weir.ini -M FOLDER [VALUE]`. */
static void
run(struct scene *scene, const char *argument, const char *last)
{
	char path[128];
	char *arguments[] = { "weir", (char *)(uintptr_t)argument, "-c", path, "-M", scene->folder,
		(char *)(uintptr_t)last, NULL };
	FILE *to, *errors;
	struct command command;
	size_t size;

	snprintf(path, sizeof(path), "%s/weir.ini", scene->folder);
	free(scene->answer);
	free(scene->errors);
	assert_true(parse(&command, arguments, &scene->errors));
	free(scene->errors);
	to = open_memstream(&scene->answer, &size);
	errors = open_memstream(&scene->errors, &size);
	scene->code = command_run(&command, to, errors);
	fclose(to);
	fclose(errors);
}

static void
assert_contains(const char *text, const char *part)
{
	if (strstr(text, part) == NULL)
		fail_msg("nothing says \"%s\" in:\n%s", part, text);
}

/* --- what is understood --------------------------------------------------------------------------------- */

static void
without_options_it_serves_the_installed_configuration(void **state)
{
	char *arguments[] = { "weir", NULL };
	struct command command;
	char *said;

	(void)state;
	assert_true(parse(&command, arguments, &said));
	assert_int_equal(command.action, COMMAND_SERVE);
	assert_string_equal(command.path, WEIR_SYSCONFDIR "/weir.ini");
	assert_false(command.path_given);
	assert_null(command.folders[0]);
	assert_ptr_equal(command.arguments, arguments);
	free(said);
}

static void
options_may_come_in_any_order(void **state)
{
	char *arguments[] = { "weir", "-M", "a", "-m", "cache", "-c", "my.ini", "-M", "b", NULL };
	struct command command;
	char *said;

	(void)state;
	assert_true(parse(&command, arguments, &said));
	assert_int_equal(command.action, COMMAND_MODULES);
	assert_string_equal(command.module, "cache");
	assert_string_equal(command.path, "my.ini");
	assert_true(command.path_given);
	assert_string_equal(command.folders[0], "a");
	assert_string_equal(command.folders[1], "b");
	assert_null(command.folders[2]);
	free(said);
}

static void
each_action_has_its_option(void **state)
{
	static const struct { char *option; int action; } actions[] = {
		{ "-t", COMMAND_CHECK }, { "-T", COMMAND_VALUES }, { "-m", COMMAND_MODULES },
		{ "--chain", COMMAND_CHAIN },
		{ "-V", COMMAND_VERSION }, { "--version", COMMAND_VERSION }, { "-h", COMMAND_HELP }, { "--help", COMMAND_HELP },
	};
	struct command command;
	char *said;

	(void)state;
	for (size_t i = 0; i < sizeof(actions) / sizeof(*actions); i++) {
		char *arguments[] = { "weir", actions[i].option, NULL };

		assert_true(parse(&command, arguments, &said));
		assert_int_equal(command.action, actions[i].action);
		assert_string_equal(said, "");
		free(said);
	}
}

static void
what_makes_no_sense_is_refused_with_the_usage(void **state)
{
	static char *wrong[][5] = {
		{ "weir", "-x" }, { "weir", "--chian" }, { "weir", "-c" }, { "weir", "-t", "-T" },
		{ "weir", "serve" },
		{ "weir", "-t", "extra" }, { "weir", "-m", "a", "b" }, { "weir", "--chain=x" },
	};
	static const char *const said_of[] = {
		"unknown option -x", "unknown option --chian", "-c needs a value", "only one of -t",
		"unexpected `serve`",
		"unexpected `extra`", "unexpected `b`", "unknown option --chain=x",
	};
	struct command command;
	char *said;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		assert_false(parse(&command, wrong[i], &said));
		assert_contains(said, said_of[i]);
		assert_contains(said, "usage: weir ");
		free(said);
	}
}

static void
folders_past_the_bound_are_refused(void **state)
{
	char *arguments[2 + COMMAND_FOLDERS_MOST + 1 + 1] = { "weir" };
	struct command command;
	char *said;

	(void)state;
	for (int i = 0; i <= COMMAND_FOLDERS_MOST; i++)
		arguments[1 + i] = "-M/tmp";
	assert_false(parse(&command, arguments, &said));
	assert_contains(said, "more than 64 folders");
	free(said);
}

/* --- what is answered ----------------------------------------------------------------------------------- */

static void
a_good_configuration_is_called_good_without_side_effects(void **state)
{
	struct scene *scene = *state;

	write_config(scene,
		"[listen web]\naddress = 127.0.0.1:8080\n[module probe]\n[route r]\nprobe.word = x\n");
	run(scene, "-t", NULL);
	assert_int_equal(scene->code, COMMAND_GOOD);
	assert_contains(scene->answer,
		"/weir.ini: configuration is good: listeners 1, upstreams 0, routes 1, modules 1, hooks 5\n");
	assert_string_equal(scene->errors, "");
	assert_string_equal(notes, "check good;check x;build probe 1 (check);drop probe 1;");
}

static void
a_bad_configuration_shows_all_its_errors(void **state)
{
	struct scene *scene = *state;

	write_config(scene, "[listen web]\naddress = nowhere\n[module probe]\nlimit = 1000\n");
	run(scene, "-t", NULL);
	assert_int_equal(scene->code, COMMAND_BAD);
	assert_string_equal(scene->answer, "");
	assert_contains(scene->errors, "/weir.ini:2: error: ");
	assert_contains(scene->errors, "/weir.ini:4: error: ");
}

static void
a_configuration_that_is_not_there_is_bad(void **state)
{
	struct scene *scene = *state;

	run(scene, "-t", NULL);
	assert_int_equal(scene->code, COMMAND_BAD);
	assert_contains(scene->errors, "weir.ini: error: cannot be read: No such file or directory");
}

static void
values_are_shown_with_their_origin(void **state)
{
	struct scene *scene = *state;

	write_config(scene, "[listen web]\naddress = 127.0.0.1:8080\n[module probe]\nlimit = 9\n");
	run(scene, "-T", NULL);
	assert_int_equal(scene->code, COMMAND_GOOD);
	assert_contains(scene->answer, "[weir]\n");
	assert_contains(scene->answer, "[module probe]\n");
	assert_contains(scene->answer, "\nlimit = 9 ");
	assert_contains(scene->answer, "/weir.ini:4\n");
}

static void
the_chain_is_shown(void **state)
{
	struct scene *scene = *state;

	write_config(scene, "[listen web]\naddress = 127.0.0.1:8080\n[module probe]\n");
	run(scene, "--chain", NULL);
	assert_int_equal(scene->code, COMMAND_GOOD);
	assert_contains(scene->answer, "[listen web] ");
	assert_contains(scene->answer, "  access             probe            [module probe] ");
}

static void
modules_are_listed_with_their_summary(void **state)
{
	struct scene *scene = *state;

	write_config(scene, "[weir]\nthreads = 1\n");
	run(scene, "-m", NULL);
	assert_int_equal(scene->code, COMMAND_GOOD);
	assert_string_equal(scene->answer, "probe            Notes what the core does with it.\n");
}

static void
a_module_that_cannot_be_loaded_is_listed_and_reported(void **state)
{
	struct scene *scene = *state;

	write_config(scene, "[weir]\nthreads = 1\n");
	run_shell("cp '%s/abi_major.so' '%s/abi_major.so'", FIXTURES, scene->folder);
	run(scene, "-m", NULL);
	assert_int_equal(scene->code, COMMAND_BAD);
	assert_contains(scene->answer, "abi_major        (cannot be loaded)\nprobe ");
	assert_contains(scene->errors, "is built for ABI 2.7");
}

static void
folders_of_the_configuration_count_for_modules(void **state)
{
	struct scene *scene = *state;
	char text[256];

	snprintf(text, sizeof(text), "[weir]\nmodule_path = %s\n", FIXTURES);
	write_config(scene, text);
	run(scene, "-m", "good");
	assert_int_equal(scene->code, COMMAND_GOOD);
	assert_contains(scene->answer, "good: A module as it should be.\n");
}

static void
the_manual_of_a_module_tells_all_its_tables(void **state)
{
	struct scene *scene = *state;

	write_config(scene, "[weir]\nthreads = 1\n");
	run(scene, "-m", "probe");
	assert_int_equal(scene->code, COMMAND_GOOD);
	assert_contains(scene->answer, "probe: Notes what the core does with it.\n");
	assert_contains(scene->answer, "/probe.so, ABI 1.0\n");
	assert_contains(scene->answer, "phases  request, access, log\n");
	assert_contains(scene->answer, "order   normal, after matcher (");
	assert_contains(scene->answer, "  limit  ");
	assert_contains(scene->answer, "  ${probe_word}  The word.\n");
	assert_contains(scene->answer,
		"  weir_probe_probes_total  Counter. How often something was probed.\n");
	assert_contains(scene->answer, "  weirctl probe show [WORD]  Show the word.\n");
}

static void
the_manuals_of_the_core_are_its_own_tables(void **state)
{
	struct scene *scene = *state;

	write_config(scene, "[weir]\nthreads = 1\n");
	run(scene, "-m", "weir");
	assert_contains(scene->answer, "[weir]\n");
	assert_contains(scene->answer, "  threads ");
	assert_contains(scene->answer, "  ${host}  The host that was asked for.\n");
	run(scene, "-m", "listen");
	assert_contains(scene->answer, "[listen NAME]\n");
	run(scene, "-m", "upstream");
	assert_contains(scene->answer, "[upstream NAME]\n");
	run(scene, "-m", "route");
	assert_contains(scene->answer, "[route NAME]\n");
	assert_int_equal(scene->code, COMMAND_GOOD);
}

static void
the_manual_of_a_module_that_is_not_there_names_the_nearest(void **state)
{
	struct scene *scene = *state;

	write_config(scene, "[weir]\nthreads = 1\n");
	run(scene, "-m", "prob");
	assert_int_equal(scene->code, COMMAND_BAD);
	assert_contains(scene->errors, "did you mean `probe`?");
}

static void
versions_are_told(void **state)
{
	struct scene *scene = *state;

	run(scene, "-V", NULL);
	assert_int_equal(scene->code, COMMAND_GOOD);
	assert_contains(scene->answer, "weir " PACKAGE_VERSION "\n");
	assert_contains(scene->answer, "module ABI 1.0\n");
	assert_contains(scene->answer, "libevent 2.");
}

static void
help_tells_every_option(void **state)
{
	static const char *const options[] = { "-c FILE", "-M DIR", "-t ", "-T ", "-m [NAME]", "--chain", "-V ", "-h " };
	struct scene *scene = *state;

	run(scene, "-h", NULL);
	assert_int_equal(scene->code, COMMAND_GOOD);
	for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++)
		assert_contains(scene->answer, options[i]);
}

#define SCENE(name) cmocka_unit_test_setup_teardown(name, begin, end)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		SCENE(without_options_it_serves_the_installed_configuration),
		SCENE(options_may_come_in_any_order),
		SCENE(each_action_has_its_option),
		SCENE(what_makes_no_sense_is_refused_with_the_usage),
		SCENE(folders_past_the_bound_are_refused),
		SCENE(a_good_configuration_is_called_good_without_side_effects),
		SCENE(a_bad_configuration_shows_all_its_errors),
		SCENE(a_configuration_that_is_not_there_is_bad),
		SCENE(values_are_shown_with_their_origin),
		SCENE(the_chain_is_shown),
		SCENE(modules_are_listed_with_their_summary),
		SCENE(a_module_that_cannot_be_loaded_is_listed_and_reported),
		SCENE(folders_of_the_configuration_count_for_modules),
		SCENE(the_manual_of_a_module_tells_all_its_tables),
		SCENE(the_manuals_of_the_core_are_its_own_tables),
		SCENE(the_manual_of_a_module_that_is_not_there_names_the_nearest),
		SCENE(versions_are_told),
		SCENE(help_tells_every_option),
	};

	search_installed = "/nonexistent/weir";
	return cmocka_run_group_tests(tests, NULL, NULL);
}
