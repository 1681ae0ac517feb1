/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenes for the report: everything is said, with its place, in order; and a slip finds its nearest word.
 *
 * Linked with -Wl,--wrap=malloc, so that a scene can make the heap fail.
 */
#include "config_scenes.h"

static bool no_memory;

void *__real_malloc(size_t);
void *__wrap_malloc(size_t);

void *
__wrap_malloc(size_t size)
{
	return no_memory ? NULL : __real_malloc(size);
}

static void
lines_are_shown_with_their_place_in_order(void **state)
{
	(void)state;
	report_error(&scene_report, "weir.ini", 7, "unknown key `%s`", "sise");
	report_warning(&scene_report, "conf.d/a.ini", 0, "old");
	report_error(&scene_report, NULL, 0, "no file at all");
	assert_int_equal(scene_report.errors, 2);
	assert_int_equal(scene_report.warnings, 1);
	assert_string_equal(said(),
		"weir.ini:7: error: unknown key `sise`\n"
		"conf.d/a.ini: warning: old\n"
		"error: no file at all\n");
}

static void
a_file_is_gone_through_from_its_top(void **state)
{
	(void)state;
	report_error(&scene_report, "weir.ini", 7, "b");
	report_error(&scene_report, "conf.d/a.ini", 9, "x");
	report_error(&scene_report, NULL, 0, "n");
	report_error(&scene_report, "weir.ini", 3, "a");
	report_error(&scene_report, "weir.ini", 7, "c");
	report_error(&scene_report, "conf.d/a.ini", 0, "w");
	report_error(&scene_report, "weir.ini", 9, "d");
	assert_string_equal(said(),
		"weir.ini:3: error: a\n"
		"weir.ini:7: error: b\n"
		"weir.ini:7: error: c\n"
		"weir.ini:9: error: d\n"
		"conf.d/a.ini: error: w\n"
		"conf.d/a.ini:9: error: x\n"
		"error: n\n");
}

static void
a_file_name_may_die_before_the_report(void **state)
{
	char *file = strdup("gone.ini");

	(void)state;
	report_error(&scene_report, file, 1, "x");
	memset(file, 'z', strlen(file));
	free(file);
	assert_string_equal(said(), "gone.ini:1: error: x\n");
}

static void
a_line_without_memory_still_counts(void **state)
{
	(void)state;
	no_memory = true;
	report_error(&scene_report, "weir.ini", 1, "lost");
	no_memory = false;
	assert_int_equal(scene_report.errors, 1);
	assert_string_equal(said(), "and 1 more\n");
}

static void
a_flood_is_counted_and_not_kept(void **state)
{
	const char *text;

	(void)state;
	for (unsigned i = 1; i <= 5000; i++)
		report_warning(&scene_report, "weir.ini", i, "again");
	report_error(&scene_report, "weir.ini", 5001, "an error among so many warnings");
	assert_int_equal(scene_report.warnings, 5000);
	text = said();
	assert_non_null(strstr(text, "weir.ini:1000: warning: again\n"
		"weir.ini:5001: error: an error among so many warnings\n"));
	assert_non_null(strstr(text, "\nand 4000 more\n"));
}

static void
the_nearest_word_is_found(void **state)
{
	static const char *const names[] = {
		"size", "lock_timeout", "keepalive_timeout", "keepalive_requests", "a", NULL
	};

	(void)state;
	assert_string_equal(report_nearest("sise", names), "size");
	assert_string_equal(report_nearest("szie", names), "size");
	assert_string_equal(report_nearest("siz", names), "size");
	assert_string_equal(report_nearest("keepalive_timout", names), "keepalive_timeout");
	assert_string_equal(report_nearest("keep_alive_requests", names), "keepalive_requests");
	assert_string_equal(report_nearest("locktimeout", names), "lock_timeout");
}

static void
nothing_is_suggested_where_nothing_is_near(void **state)
{
	static const char *const names[] = { "size", "a", NULL };
	char long_word[300];

	(void)state;
	memset(long_word, 's', sizeof(long_word));
	long_word[sizeof(long_word) - 1] = '\0';
	assert_null(report_nearest("upstream", names));
	assert_null(report_nearest("b", names));
	assert_null(report_nearest("", names));
	assert_null(report_nearest(long_word, names));
}

int
main(void)
{
	const struct CMUnitTest scenes[] = {
		SCENE(lines_are_shown_with_their_place_in_order),
		SCENE(a_file_is_gone_through_from_its_top),
		SCENE(a_file_name_may_die_before_the_report),
		SCENE(a_line_without_memory_still_counts),
		SCENE(a_flood_is_counted_and_not_kept),
		SCENE(the_nearest_word_is_found),
		SCENE(nothing_is_suggested_where_nothing_is_near),
	};

	return cmocka_run_group_tests(scenes, NULL, NULL);
}
