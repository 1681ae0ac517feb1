/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenes for the loader: what is wrong with a module is said in words that help.
 *
 * FIXTURES is the folder of the shared objects built from tests/unit/modules. Scenes that change a file work
 * on a copy in a folder of their own.
 */
#include "said.h"
#include "server/contract.h"
#include "server/loader.h"
#include "server/search.h"

#include <elf.h>
#include <fcntl.h>
#include <ltdl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct scene {
	struct modules *modules;
	struct report report;
	char folder[64];		/* of this scene; searched first */
};

/* A module that is linked into this program, as all are in a static build. */
WEIR_MODULE(linked) = {
	WEIR_ABI,
	.summary = "Linked into the program.",
};

static const lt_dlsymlist linked_in[] = {
	{ "@PROGRAM@", NULL },
	{ "linked.a", NULL },
	{ "linked_LTX_weir_module", (void *)(uintptr_t)&linked_LTX_weir_module },
	{ NULL, NULL }
};

static int
begin(void **state)
{
	struct scene *scene = calloc(1, sizeof(*scene));
	const char *folders[] = { scene->folder, FIXTURES, NULL };

	strcpy(scene->folder, "/tmp/weir-loader-XXXXXX");
	report_init(&scene->report);
	if (mkdtemp(scene->folder) == NULL || (scene->modules = loader_new(folders, &scene->report)) == NULL)
		return -1;
	*state = scene;
	return 0;
}

static int
end(void **state)
{
	struct scene *scene = *state;
	char command[128];

	loader_free(&scene->modules);
	assert_null(scene->modules);
	report_free(&scene->report);
	snprintf(command, sizeof(command), "rm -rf '%s'", scene->folder);
	assert_int_equal(system(command), 0);
	free(scene);
	return 0;
}

static struct module *
load(struct scene *scene, const char *name)
{
	return loader_load(scene->modules, name, NULL, "weir.ini", 7, &scene->report);
}

/* The module is refused in one line that contains all of these texts. */
static void
assert_refused(struct scene *scene, const char *name, const char *found, const char *wanted, const char *cure)
{
	assert_null(load(scene, name));
	assert_said(&scene->report, found);
	assert_said(&scene->report, wanted);
	assert_said(&scene->report, cure);
	assert_int_equal(scene->report.errors, 1);
	assert_string_equal(scene->report.first->file, "weir.ini");
	assert_int_equal(scene->report.first->line, 7);
	assert_null(loader_find(scene->modules, name));
	assert_int_equal(scene->modules->count, 0);
}

static char *
path_in(const struct scene *scene, const char *file, char path[256])
{
	snprintf(path, 256, "%s/%s", scene->folder, file);
	return path;
}

static void
write_file(const char *path, const char *bytes, size_t length)
{
	int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	assert_true(file >= 0);
	assert_int_equal(write(file, bytes, length), length);
	close(file);
}

/* Put a copy of a fixture into the scene's folder, under this name, as a new file. */
static void
copy_fixture(const struct scene *scene, const char *fixture, const char *name)
{
	char command[512];

	snprintf(command, sizeof(command), "cp '%s/%s' '%s/.new' && mv '%s/.new' '%s/%s'", FIXTURES, fixture,
		scene->folder, scene->folder, scene->folder, name);
	assert_int_equal(system(command), 0);
}

/* --- what loads ----------------------------------------------------------------------------------------- */

static void
a_good_module_is_loaded_once(void **state)
{
	struct scene *scene = *state;
	struct module *module = load(scene, "good");

	assert_silent(&scene->report);
	assert_non_null(module);
	assert_string_equal(module->name, "good");
	assert_string_equal(module->file, FIXTURES "/good.so");
	assert_string_equal(module->contract->summary, "A module as it should be.");
	assert_int_equal(module->index, 0);
	assert_int_equal(module->metrics, 2);
	assert_int_equal(scene->modules->metric_cells, 2);
	assert_ptr_equal(load(scene, "good"), module);
	assert_ptr_equal(loader_find(scene->modules, "good"), module);
	assert_int_equal(scene->modules->count, 1);
	assert_silent(&scene->report);
}

static void
a_module_linked_into_the_program_needs_no_file(void **state)
{
	struct scene *scene = *state;
	struct module *module = load(scene, "linked");

	assert_silent(&scene->report);
	assert_non_null(module);
	assert_ptr_equal(module->contract, &linked_LTX_weir_module);
	assert_string_equal(module->file, "preloaded");
	assert_ptr_equal(load(scene, "linked"), module);
	assert_silent(&scene->report);
}

static void
a_linked_module_comes_before_a_file_of_its_name(void **state)
{
	struct scene *scene = *state;

	copy_fixture(scene, "good.so", "linked.so");
	assert_ptr_equal(load(scene, "linked")->contract, &linked_LTX_weir_module);
}

static void
folders_of_the_configuration_come_after_those_of_the_command_line(void **state)
{
	struct scene *scene = *state;
	const char *items[] = { scene->folder };
	struct weir_list path = { items, 1 };
	const char *none[] = { NULL };

	loader_free(&scene->modules);
	scene->modules = loader_new(none, &scene->report);
	copy_fixture(scene, "good.so", "good.so");
	assert_non_null(loader_load(scene->modules, "good", &path, NULL, 0, &scene->report));
	assert_silent(&scene->report);
	assert_true(strncmp(scene->modules->list[0]->file, scene->folder, strlen(scene->folder)) == 0);
}

static void
names_of_all_that_could_be_loaded_are_listed_in_order(void **state)
{
	struct scene *scene = *state;
	struct arena arena;
	const char **names;
	size_t count = 0, good = 0, linked = 0;

	arena_init(&arena, NULL, 0);
	copy_fixture(scene, "good.so", "good.so");
	copy_fixture(scene, "good.so", "Not-a-Name.so");
	names = loader_names(scene->modules, NULL, &arena);
	for (; names[count] != NULL; count++) {
		good += strcmp(names[count], "good") == 0;
		linked += strcmp(names[count], "linked") == 0;
		assert_string_not_equal(names[count], "Not-a-Name");
		if (count > 0)
			assert_true(strcmp(names[count - 1], names[count]) < 0);
	}
	assert_int_equal(good, 1);
	assert_int_equal(linked, 1);
	arena_free(&arena);
}

/* --- what does not -------------------------------------------------------------------------------------- */

static void
a_missing_file_names_the_folders_and_the_nearest_module(void **state)
{
	struct scene *scene = *state;

	assert_refused(scene, "goood", "no goood.so in /tmp/weir-loader-", FIXTURES, "did you mean `good`?");
	assert_said(&scene->report, "/nonexistent/weir (no such folder)");
	assert_said(&scene->report, "module_path or -M");
}

static void
a_name_that_could_be_a_path_is_never_looked_for(void **state)
{
	struct scene *scene = *state;

	assert_refused(
		scene, "../good", "`../good` cannot be a module's name", "lower-case letter", "digits and _");
}

static void
another_major_is_refused(void **state)
{
	assert_refused(
		*state, "abi_major", "built for ABI 2.7", "this Weir has 1.0", "against this Weir's headers");
}

static void
a_newer_minor_is_refused(void **state)
{
	assert_refused(*state, "abi_minor", "built for ABI 1.1", "the older 1.0", "upgrade Weir");
}

static void
a_struct_too_small_is_refused(void **state)
{
	assert_refused(*state, "too_small", "takes 64 bytes", "were expected", "WEIR_ABI");
}

static void
a_struct_too_large_is_refused(void **state)
{
	assert_refused(*state, "too_large", "for ABI 1.0", "were expected", "WEIR_ABI");
}

static void
a_table_with_entries_of_another_size_is_refused(void **state)
{
	assert_refused(*state, "entries", "struct weir_option takes", "were expected", "WEIR_ABI");
}

static void
a_table_of_an_older_minor_gains_zeroes(void **state)
{
	const struct { const char *name; long value; } old[] = { { "a", 1 }, { "b", 2 }, { NULL, 0 } };
	const struct grown { const char *name; long value, more; } *table;
	const void *entries = old;
	struct arena arena;

	(void)state;
	arena_init(&arena, NULL, 0);
	assert_true(contract_widen(&arena, &entries, sizeof(*old), sizeof(*table)));
	table = entries;
	assert_string_equal(table[0].name, "a");
	assert_int_equal(table[1].value, 2);
	assert_int_equal(table[0].more + table[1].more + table[2].more, 0);
	assert_null(table[2].name);
	entries = old;
	assert_true(contract_widen(&arena, &entries, sizeof(*old), sizeof(*old)));
	assert_ptr_equal(entries, old);
	entries = NULL;
	assert_true(contract_widen(&arena, &entries, sizeof(*old), sizeof(*table)));
	assert_null(entries);
	arena_free(&arena);
}

static void
a_struct_without_a_name_is_refused(void **state)
{
	assert_refused(*state, "nameless", "has no name", "nameless.so", "WEIR_ABI");
}

static void
a_struct_with_another_name_is_refused(void **state)
{
	assert_refused(*state, "alias", "calls itself `somebody`", "its file and symbol `alias`",
		"WEIR_MODULE(alias)");
}

static void
a_shared_object_that_is_no_module_is_refused(void **state)
{
	assert_refused(*state, "nosymbol", "no symbol nosymbol_LTX_weir_module", "it is no module of Weir",
		"WEIR_MODULE(nosymbol)");
}

static void
a_renamed_file_is_told_its_own_name(void **state)
{
	assert_refused(*state, "renamed", "no symbol renamed_LTX_weir_module",
		"it is built as the module origin",
		"rename the file to origin.so, or write WEIR_MODULE(renamed)");
}

static void
an_undefined_symbol_is_named(void **state)
{
	assert_refused(*state, "unlinked", "cannot be linked", "undefined symbol: nobody_has_this",
		"link the module with the library");
}

static void
a_function_of_a_newer_weir_is_named(void **state)
{
	assert_refused(*state, "tomorrow", "cannot be linked", "undefined symbol: weir_of_tomorrow",
		"needs a newer Weir");
}

static void
a_missing_library_is_named(void **state)
{
	assert_refused(*state, "dependent", "cannot be linked", "vanished.so: cannot open shared object file",
		"install the library");
}

static void
a_text_file_is_refused(void **state)
{
	struct scene *scene = *state;
	char path[256];

	write_file(path_in(scene, "text.so", path), "I am no shared object, am I?\n", 29);
	assert_refused(scene, "text", path, "not a shared object (no ELF header)", "built with -shared");
}

static void
an_empty_file_is_refused(void **state)
{
	struct scene *scene = *state;
	char path[256];

	write_file(path_in(scene, "empty.so", path), "", 0);
	assert_refused(scene, "empty", path, "an empty file", "a shared object is wanted");
}

static void
a_file_cut_short_is_refused_with_the_linkers_words(void **state)
{
	struct scene *scene = *state;
	char path[256];

	copy_fixture(scene, "good.so", "cut.so");
	assert_int_equal(truncate(path_in(scene, "cut.so", path), 100), 0);
	assert_refused(scene, "cut", "cannot be linked", "cut.so", "build the module for this machine");
}

static void
an_object_file_is_refused(void **state)
{
	struct scene *scene = *state;
	const uint16_t relocatable = ET_REL;
	char path[256];
	int file;

	copy_fixture(scene, "good.so", "object.so");
	file = open(path_in(scene, "object.so", path), O_WRONLY);
	assert_int_equal(pwrite(file, &relocatable, sizeof(relocatable), offsetof(Elf64_Ehdr, e_type)),
		sizeof(relocatable));
	close(file);
	assert_refused(
		scene, "object", "an object file (.o)", "a shared object is wanted", "built with -shared");
}

static void
a_folder_is_refused(void **state)
{
	struct scene *scene = *state;
	char path[256];

	assert_int_equal(mkdir(path_in(scene, "dir.so", path), 0755), 0);
	assert_refused(scene, "dir", path, "a folder, not a file", "a shared object is wanted");
}

/* Nobody writes to the pipe: opening it to read would wait for ever. */
static void
a_pipe_is_refused_without_waiting(void **state)
{
	struct scene *scene = *state;
	char path[256];

	assert_int_equal(mkfifo(path_in(scene, "pipe.so", path), 0644), 0);
	assert_refused(scene, "pipe", path, "not a regular file", "a shared object is wanted");
}

/* Root may read everything: the scene becomes somebody else for the while. */
static void
an_unreadable_file_is_refused(void **state)
{
	struct scene *scene = *state;
	char path[256];

	copy_fixture(scene, "good.so", "secret.so");
	assert_int_equal(chmod(path_in(scene, "secret.so", path), 0), 0);
	assert_int_equal(chmod(scene->folder, 0755), 0);
	if (geteuid() == 0)
		assert_int_equal(seteuid(65534), 0);
	assert_refused(scene, "secret", path, "Permission denied", "that this process may read");
	if (getuid() == 0)
		assert_int_equal(seteuid(0), 0);
}

static void
a_file_that_all_may_write_is_a_warning(void **state)
{
	struct scene *scene = *state;
	char path[256];

	copy_fixture(scene, "good.so", "good.so");
	assert_int_equal(chmod(path_in(scene, "good.so", path), 0646), 0);
	assert_non_null(load(scene, "good"));
	assert_int_equal(scene->report.errors, 0);
	assert_said(&scene->report, "may be changed by every user of this machine");
	assert_true(scene->report.first->warning);
}

static void
every_mistake_of_a_malformed_contract_is_reported(void **state)
{
	static const char *const mistakes[] = {
		"1099511627776 bytes by request_size", "unknown class 9",
		"an option called `Upper`", "an option called enable", "the option twice twice", "strange of the unknown type 77",
		"beyond at bytes 16 to 24 of a settings struct of 16", "wide at bytes 8 to 28", "odd at the odd offset 3",
		"turned with min above max", "choosy of type WEIR_CHOICE without choices",
		"custom of type WEIR_CUSTOM without parse and size", "nowhere in section kinds (0x200)",
		"the counter hits", "a metric called `a-b`", "the metric level twice",
		"a variable called `a.b`", "the variable a.b without a function",
		"a verb called `Purge`", "the verb Purge without a function",
		"hooks[WEIR_PHASE_ACCEPT]: that phase's hook goes into .accept",
		"hooks[WEIR_PHASE_RESPONSE_BODY]: that phase's hook goes into .response_body",
	};
	struct scene *scene = *state;

	assert_null(load(scene, "malformed"));
	for (size_t i = 0; i < sizeof(mistakes) / sizeof(*mistakes); i++)
		assert_said(&scene->report, mistakes[i]);
	assert_int_equal(scene->report.errors, sizeof(mistakes) / sizeof(*mistakes));
	assert_int_equal(scene->report.warnings, 0);
}

/* --- files that change ---------------------------------------------------------------------------------- */

static void
a_file_replaced_after_loading_is_a_warning_and_the_old_code_stays(void **state)
{
	struct scene *scene = *state;
	struct module *module;

	copy_fixture(scene, "good.so", "good.so");
	module = load(scene, "good");
	copy_fixture(scene, "good.so", "good.so");
	assert_ptr_equal(load(scene, "good"), module);
	assert_int_equal(scene->report.errors, 0);
	assert_said(&scene->report, "has changed on disk since it was loaded");
	assert_said(&scene->report, "restart or upgrade Weir");
}

static void
a_file_taken_away_or_shadowed_after_loading_is_a_warning(void **state)
{
	struct scene *scene = *state;
	struct module *module = load(scene, "good");
	char path[256];

	copy_fixture(scene, "good.so", "good.so");
	assert_ptr_equal(load(scene, "good"), module);
	assert_said(&scene->report, "is now found elsewhere first");
	report_free(&scene->report);
	unlink(path_in(scene, "good.so", path));
	assert_ptr_equal(load(scene, "good"), module);
	assert_silent(&scene->report);
}

static void
a_refused_file_that_was_mended_asks_for_a_restart(void **state)
{
	struct scene *scene = *state;

	copy_fixture(scene, "abi_major.so", "mended.so");
	assert_null(load(scene, "mended"));
	assert_null(load(scene, "mended"));
	assert_int_equal(count_said(&scene->report, "no symbol mended_LTX_weir_module"), 2);
	copy_fixture(scene, "good.so", "mended.so");
	assert_null(load(scene, "mended"));
	assert_said(&scene->report, "was refused before and its file has changed since");
}

/* The linker forgets what it could not link: no restart is needed there. */
static void
a_file_that_could_not_be_linked_may_be_mended(void **state)
{
	struct scene *scene = *state;

	copy_fixture(scene, "unlinked.so", "good.so");
	assert_null(load(scene, "good"));
	copy_fixture(scene, "good.so", "good.so");
	assert_non_null(load(scene, "good"));
}

#define SCENE(name) cmocka_unit_test_setup_teardown(name, begin, end)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		SCENE(a_good_module_is_loaded_once),
		SCENE(a_module_linked_into_the_program_needs_no_file),
		SCENE(a_linked_module_comes_before_a_file_of_its_name),
		SCENE(folders_of_the_configuration_come_after_those_of_the_command_line),
		SCENE(names_of_all_that_could_be_loaded_are_listed_in_order),
		SCENE(a_missing_file_names_the_folders_and_the_nearest_module),
		SCENE(a_name_that_could_be_a_path_is_never_looked_for),
		SCENE(another_major_is_refused),
		SCENE(a_newer_minor_is_refused),
		SCENE(a_struct_too_small_is_refused),
		SCENE(a_struct_too_large_is_refused),
		SCENE(a_table_with_entries_of_another_size_is_refused),
		SCENE(a_table_of_an_older_minor_gains_zeroes),
		SCENE(a_struct_without_a_name_is_refused),
		SCENE(a_struct_with_another_name_is_refused),
		SCENE(a_shared_object_that_is_no_module_is_refused),
		SCENE(a_renamed_file_is_told_its_own_name),
		SCENE(an_undefined_symbol_is_named),
		SCENE(a_function_of_a_newer_weir_is_named),
		SCENE(a_missing_library_is_named),
		SCENE(a_text_file_is_refused),
		SCENE(an_empty_file_is_refused),
		SCENE(a_file_cut_short_is_refused_with_the_linkers_words),
		SCENE(an_object_file_is_refused),
		SCENE(a_folder_is_refused),
		SCENE(a_pipe_is_refused_without_waiting),
		SCENE(an_unreadable_file_is_refused),
		SCENE(a_file_that_all_may_write_is_a_warning),
		SCENE(every_mistake_of_a_malformed_contract_is_reported),
		SCENE(a_file_replaced_after_loading_is_a_warning_and_the_old_code_stays),
		SCENE(a_file_taken_away_or_shadowed_after_loading_is_a_warning),
		SCENE(a_refused_file_that_was_mended_asks_for_a_restart),
		SCENE(a_file_that_could_not_be_linked_may_be_mended),
	};

	lt_dlpreload_default(linked_in);
	search_installed = "/nonexistent/weir";
	return cmocka_run_group_tests(tests, NULL, NULL);
}
