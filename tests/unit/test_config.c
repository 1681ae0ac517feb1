/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenes for reading the configuration: which files, in which order, what a section must be, and the bounds.
 *
 * Linked with -Wl,--wrap=malloc, so that a scene can make the heap fail.
 */
#include "config_scenes.h"

#include <locale.h>

static int mallocs_until_failure = -1;	/* -1: never */

void *__real_malloc(size_t);
void *__wrap_malloc(size_t);

void *
__wrap_malloc(size_t size)
{
	if (mallocs_until_failure == 0)
		return NULL;
	if (mallocs_until_failure > 0)
		mallocs_until_failure--;
	return __real_malloc(size);
}

/* Read weir.ini and compare: each section as "kind name index file:line", each entry as " key=value
 * file:line". */
static void
assert_reads(const char *expected)
{
	struct config *config = config_read("weir.ini", &scene_report);
	char text[4096] = "";
	size_t used = 0;

	assert_non_null(config);
	for (struct config_section *section = config->sections; section != NULL; section = section->next) {
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s %s %u %s:%u\n", section->kind,
			section->name, section->index, section->file, section->line);
		for (struct config_entry *entry = section->entries; entry != NULL; entry = entry->next)
			used += (size_t)snprintf(text + used, sizeof(text) - used, " %s=%s %s:%u\n",
				entry->key, entry->value, entry->file, entry->line);
	}
	assert_string_equal(text, expected);
	config_free(&config);
	assert_null(config);
}

static void
files_are_read_in_the_order_of_the_c_locale(void **state)
{
	(void)state;
	setlocale(LC_ALL, "");
	assert_int_equal(mkdir("conf.d", 0700), 0);
	write_file("weir.ini", "[weir]\nthreads = 1\n");
	write_file("conf.d/b.ini", "[route b]\n");
	write_file("conf.d/B.ini", "[route B]\n");
	write_file("conf.d/a.ini", "[module a]\n");
	write_file("conf.d/10-x.ini", "[route x]\nupstream = u\n");
	assert_reads(
		"weir  0 weir.ini:1\n"
		" threads=1 weir.ini:2\n"
		"route x 0 conf.d/10-x.ini:1\n"
		" upstream=u conf.d/10-x.ini:2\n"
		"route B 1 conf.d/B.ini:1\n"
		"module a 0 conf.d/a.ini:1\n"
		"route b 2 conf.d/b.ini:1\n");
	assert_string_equal(said(), "");
}

static void
other_files_in_the_folder_are_left_alone(void **state)
{
	(void)state;
	assert_int_equal(mkdir("conf.d", 0700), 0);
	write_file("weir.ini", "[weir]\n");
	write_file("conf.d/.hidden.ini", "junk");
	write_file("conf.d/a.ini.dpkg-old", "junk");
	write_file("conf.d/a.ini~", "junk");
	write_file("conf.d/.ini", "junk");
	assert_reads("weir  0 weir.ini:1\n");
	assert_string_equal(said(), "");
}

static void
the_folder_may_be_missing(void **state)
{
	(void)state;
	write_file("weir.ini", "[weir]\n");
	assert_reads("weir  0 weir.ini:1\n");
	assert_string_equal(said(), "");
}

static void
paths_start_where_the_file_lies(void **state)
{
	char path[128], folder[128];
	struct config *config;

	(void)state;
	assert_int_equal(mkdir("etc", 0700), 0);
	assert_int_equal(mkdir("etc/conf.d", 0700), 0);
	write_file("etc/weir.ini", "[weir]\n");
	write_file("etc/conf.d/a.ini", "[module a]\n");
	assert_non_null(config = config_read("etc/weir.ini", &scene_report));
	snprintf(folder, sizeof(folder), "%s/etc", scene_folder);
	assert_string_equal(config->folder, folder);
	assert_string_equal(config->sections->next->file, "etc/conf.d/a.ini");
	config_free(&config);

	snprintf(path, sizeof(path), "%s/etc/weir.ini", scene_folder);
	assert_non_null(config = config_read(path, &scene_report));
	assert_string_equal(config->folder, folder);
	config_free(&config);

	assert_int_equal(chdir("etc"), 0);
	assert_non_null(config = config_read("weir.ini", &scene_report));
	assert_string_equal(config->folder, folder);
	config_free(&config);
	assert_string_equal(said(), "");
}

static void
what_cannot_be_read_is_named(void **state)
{
	(void)state;
	assert_reads("");
	assert_string_equal(said(), "weir.ini: error: cannot be read: No such file or directory\n");

	assert_int_equal(mkdir("weir.ini", 0700), 0);
	assert_reads("");
	assert_string_equal(said(), "weir.ini: error: cannot be read: it is a directory\n");

	assert_int_equal(rmdir("weir.ini"), 0);
	assert_int_equal(mkfifo("weir.ini", 0600), 0);
	assert_reads("");
	assert_string_equal(said(), "weir.ini: error: cannot be read: it is not a regular file\n");
}

static void
every_unreadable_file_of_the_folder_is_named(void **state)
{
	(void)state;
	assert_int_equal(mkdir("conf.d", 0700), 0);
	assert_int_equal(mkdir("conf.d/a.ini", 0700), 0);
	assert_int_equal(symlink("nowhere", "conf.d/b.ini"), 0);
	write_file("weir.ini", "[weir]\n");
	write_file("conf.d/c.ini", "[module c]\n");
	assert_reads("weir  0 weir.ini:1\nmodule c 0 conf.d/c.ini:1\n");
	assert_string_equal(said(),
		"conf.d/a.ini: error: cannot be read: it is a directory\n"
		"conf.d/b.ini: error: cannot be read: No such file or directory\n");
}

static void
a_folder_that_is_none_is_named(void **state)
{
	(void)state;
	write_file("weir.ini", "[weir]\n");
	write_file("conf.d", "");
	assert_reads("weir  0 weir.ini:1\n");
	assert_string_equal(said(), "conf.d: error: cannot be read: Not a directory\n");
}

static void
a_section_stands_once_over_all_files(void **state)
{
	(void)state;
	assert_int_equal(mkdir("conf.d", 0700), 0);
	write_file("weir.ini", "[weir]\n[route a]\nk = 1\n[module a]\n[weir]\nk = 2\n");
	write_file("conf.d/x.ini", "\n[route a]\nk = 3\n[route b]\nk = 4\n");
	assert_reads(
		"weir  0 weir.ini:1\n"
		"route a 0 weir.ini:2\n"
		" k=1 weir.ini:3\n"
		"module a 0 weir.ini:4\n"
		"route b 1 conf.d/x.ini:4\n"
		" k=4 conf.d/x.ini:5\n");
	assert_string_equal(said(),
		"weir.ini:5: error: duplicate section `[weir]`, first at weir.ini:1\n"
		"conf.d/x.ini:2: error: duplicate section `[route a]`, first at weir.ini:2\n");
}

static void
a_file_does_not_go_on_with_the_section_of_the_one_before(void **state)
{
	(void)state;
	assert_int_equal(mkdir("conf.d", 0700), 0);
	write_file("weir.ini", "[route a]\n");
	write_file("conf.d/x.ini", "k = 3\n");
	assert_reads("route a 0 weir.ini:1\n");
	assert_string_equal(said(), "conf.d/x.ini:1: error: the key `k` stands before the first section\n");
}

static void
unknown_kinds_and_wrong_names_are_refused(void **state)
{
	(void)state;
	write_file("weir.ini", "[rout a]\nk = 1\n[Route a]\n[http]\n[weir x]\n[route]\nk = 1\n");
	assert_reads("");
	assert_string_equal(said(),
		"weir.ini:1: error: unknown section kind `rout`, did you mean `route`?\n"
		"weir.ini:3: error: unknown section kind `Route`, did you mean `route`?\n"
		"weir.ini:4: error: unknown section kind `http`: there are weir, listen, certificate, "
		"module, upstream and route\n"
		"weir.ini:5: error: `[weir x]`: [weir] has no name\n"
		"weir.ini:6: error: `[route]` has no name, write `[route NAME]`\n");
}

static void
sections_are_found_among_many(void **state)
{
	FILE *file = fopen("weir.ini", "w");
	struct config *config;
	char name[16];

	(void)state;
	for (int i = 0; i < 10000; i++)
		fprintf(file, "[route r%d]\nk = %d\n", i, i);
	fclose(file);
	assert_non_null(config = config_read("weir.ini", &scene_report));
	for (int i = 0; i < 10000; i += 7) {
		snprintf(name, sizeof(name), "r%d", i);
		assert_int_equal(config_find(config, "route", name)->index, i);
	}
	assert_null(config_find(config, "route", "r10000"));
	assert_null(config_find(config, "module", "r1"));
	assert_null(config_find(config, "weir", NULL));
	assert_string_equal(config_find(config, "route", NULL)->name, "r0");
	config_free(&config);
	assert_string_equal(said(), "");
}

static void
all_files_together_are_bounded(void **state)
{
	size_t size = (size_t)9 << 20;
	char *text = malloc(size);

	(void)state;
	memset(text, '\n', size);
	assert_int_equal(mkdir("conf.d", 0700), 0);
	write_bytes("weir.ini", text, size);
	write_bytes("conf.d/a.ini", text, size);
	write_file("conf.d/b.ini", "[route b]\n");
	free(text);
	assert_reads("");
	assert_string_equal(said(), "conf.d/a.ini: error: the configuration is larger than 16 MiB\n");
}

static void
sections_are_bounded(void **state)
{
	FILE *file = fopen("weir.ini", "w");
	struct config *config;

	(void)state;
	for (int i = 0; i <= 200000; i++)
		fprintf(file, "[route %d]\n", i);
	fclose(file);
	assert_non_null(config = config_read("weir.ini", &scene_report));
	assert_int_equal(config->section_count, 200000);
	config_free(&config);
	assert_string_equal(said(), "weir.ini:200001: error: more than 200000 sections\n");
}

static void
without_memory_there_is_no_configuration_and_no_leak(void **state)
{
	struct config *config;
	int enough;

	(void)state;
	assert_int_equal(mkdir("conf.d", 0700), 0);
	write_file("weir.ini", "[weir]\nthreads = 1\n[route a]\n");
	write_file("conf.d/a.ini", "[route b]\nk = v\n");
	for (enough = 0; enough < 1000; enough++) {
		mallocs_until_failure = enough;
		config = config_read("weir.ini", &scene_report);
		mallocs_until_failure = -1;
		if (config != NULL)
			break;
		assert_true(scene_report.errors > 0);
		report_free(&scene_report);
	}
	assert_in_range(enough, 2, 999);
	assert_non_null(config);
	config_free(&config);
	config_free(&config);
	assert_string_equal(said(), "");
}

int
main(void)
{
	const struct CMUnitTest scenes[] = {
		SCENE(files_are_read_in_the_order_of_the_c_locale),
		SCENE(other_files_in_the_folder_are_left_alone),
		SCENE(the_folder_may_be_missing),
		SCENE(paths_start_where_the_file_lies),
		SCENE(what_cannot_be_read_is_named),
		SCENE(every_unreadable_file_of_the_folder_is_named),
		SCENE(a_folder_that_is_none_is_named),
		SCENE(a_section_stands_once_over_all_files),
		SCENE(a_file_does_not_go_on_with_the_section_of_the_one_before),
		SCENE(unknown_kinds_and_wrong_names_are_refused),
		SCENE(sections_are_found_among_many),
		SCENE(all_files_together_are_bounded),
		SCENE(sections_are_bounded),
		SCENE(without_memory_there_is_no_configuration_and_no_leak),
	};

	return cmocka_run_group_tests(scenes, NULL, NULL);
}
