/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenes for the overlay: sections on top of files, changes that are kept or undone, and what an INI file could hold.
 */
#include "server/config.h"
#include "server/ini.h"
#include "server/overlay.h"
#include "server/report.h"
#include "server/state.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static struct overlay *overlay;
static struct config *files;

static void
add_file_section(const char *kind, const char *name, const char *value)
{
	struct config_section *section = config_add_section(files, kind, name, "weir.ini", 1);

	assert_non_null(section);
	assert_true(config_add_entry(files, section, "key", value, "weir.ini", 2));
}

static int
begin(void **state)
{
	(void)state;
	overlay = overlay_new("routing.ini");
	files = config_new();
	assert_non_null(overlay);
	assert_non_null(files);
	add_file_section("route", "a", "files");
	add_file_section("module", "m", "files");
	add_file_section("route", "b", "files");
	return 0;
}

static int
end(void **state)
{
	(void)state;
	overlay_free(&overlay);
	config_free(&files);
	return 0;
}

static void
put(const char *name, const char *value)
{
	struct overlay_section *section = overlay_section_new("route", name);

	assert_non_null(section);
	if (value != NULL)
		assert_true(overlay_section_add(&section, "key", value));
	section->deleted = value == NULL;
	assert_true(overlay_put(overlay, section));
}

/* "a=files b=files ": the routes that hold, in their order. */
static const char *
routes(void)
{
	static char text[4096];
	struct report report;
	struct config *config;
	size_t length = 0;

	report_init(&report);
	config = overlay_apply(overlay, files, &report);
	assert_non_null(config);
	*text = '\0';
	for (const struct config_section *s = config_find(config, "route", NULL); s != NULL; s = s->next_of_kind)
		length += (size_t)snprintf(text + length, sizeof(text) - length, "%s=%s ", s->name, s->entries->value);
	assert_non_null(config_find(config, "module", "m"));
	config_free(&config);
	report_free(&report);
	return text;
}

static void
sections_replace_come_beside_and_take_away(void **state)
{
	(void)state;
	put("b", "hot");
	put("c", "hot");
	put("a", NULL);
	assert_string_equal(routes(), "b=hot c=hot ");
	assert_true(overlay_drop(overlay, "route", "a"));
	assert_string_equal(routes(), "a=files b=hot c=hot ");
}

static void
a_change_that_is_rolled_back_leaves_what_was_there_in_its_order(void **state)
{
	(void)state;
	put("x", "1");
	put("y", "1");
	put("z", "1");
	overlay_commit(overlay);
	assert_true(overlay_drop(overlay, "route", "y"));
	assert_true(overlay_drop(overlay, "route", "x"));
	put("z", "2");
	put("y", "2");
	put("new", "2");
	assert_true(overlay_drop(overlay, "route", "new"));
	assert_string_equal(routes(), "a=files b=files z=2 y=2 ");
	overlay_roll_back(overlay);
	assert_string_equal(routes(), "a=files b=files x=1 y=1 z=1 ");
	assert_int_equal(overlay->count, 3);
}

/* What state_print writes, without line breaks. */
static const char *
printed(void)
{
	static char text[256];
	FILE *to = fmemopen(text, sizeof(text), "w");

	assert_non_null(to);
	state_print(overlay, to);
	fclose(to);
	for (char *c = text; *c != '\0'; c++)
		*c = *c == '\n' ? ' ' : *c;
	return text;
}

static void
a_change_under_way_does_not_show_in_what_is_kept(void **state)
{
	char before[256];

	(void)state;
	put("x", "1");
	put("y", "1");
	overlay_commit(overlay);
	snprintf(before, sizeof(before), "%s", printed());
	put("x", "2");
	put("x", "3");
	put("new", "2");
	assert_true(overlay_drop(overlay, "route", "y"));
	assert_null(strstr(printed(), "[route new]"));
	assert_non_null(strstr(printed(), "[route x]"));
	assert_non_null(strstr(printed(), "[route y]"));
	assert_int_equal(strlen(printed()), strlen(before));
	assert_null(overlay_find_kept(overlay, "route", "new"));
	assert_false(overlay_find_kept(overlay, "route", "x")->fresh);
	assert_non_null(overlay_find_kept(overlay, "route", "y"));
	overlay_roll_back(overlay);
	assert_string_equal(printed(), before);
}

static void
thousands_are_found_by_name(void **state)
{
	char name[16];

	(void)state;
	for (int i = 0; i < 5000; i++) {
		snprintf(name, sizeof(name), "r%d", i);
		put(name, "1");
	}
	overlay_commit(overlay);
	assert_int_equal(overlay->count, 5000);
	assert_string_equal(overlay_name(overlay_find(overlay, "route", "r4711")), "r4711");
	assert_null(overlay_find(overlay, "upstream", "r4711"));
	assert_true(overlay_drop(overlay, "route", "r4711"));
	overlay_commit(overlay);
	assert_null(overlay_find(overlay, "route", "r4711"));
}

static void
what_an_ini_file_could_not_hold_is_told(void **state)
{
	static const struct {
		const char *name, *key, *value, *said;
	} cases[] = {
		{ "a", "key", "value", NULL },
		{ "a", "key", "x;y # z", NULL },
		{ "a", "key", "x ; y", "would be lost" },
		{ "a", "key", " x", "would be lost" },
		{ "a", "key", "x\ny = 1", "one line" },
		{ "a", "key", "x\x01", "control character" },
		{ "a", "", "x", "no key" },
		{ "a", "k y", "x", "is not a key" },
		{ "a", "[x]", "x", "header" },
		{ "a b", "key", "x", "one word" },
		{ "a]", "key", "x", "stands after" },
	};
	char why[256];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct overlay_section *section = overlay_section_new("route", cases[i].name);
		const char *key;

		assert_non_null(section);
		assert_true(overlay_section_add(&section, cases[i].key, cases[i].value));
		*why = '\0';
		assert_int_equal(overlay_section_fits(section, why, sizeof(why), &key), cases[i].said == NULL);
		if (cases[i].said != NULL && strstr(why, cases[i].said) == NULL)
			fail_msg("`%s`: `%s`", cases[i].value, why);
		overlay_section_free(&section);
	}
	assert_null(overlay_section_new("listen", "a"));
}

/* Every byte alone and at either end of a text, in a name, a key and a value, and every length. */
static struct overlay_section *
make_case(unsigned number)
{
	char texts[3][256] = { "a", "key", "value" }, many[256] = { 0 };
	unsigned where = number % 3, byte = number / 3 % 256, shape = number / 768;
	struct overlay_section *section;

	if (shape < 4)
		snprintf(texts[where], sizeof(texts[where]), "%s%c%s", shape & 1 ? "x" : "", (int)byte, shape & 2 ? "x" : "");
	else
		snprintf(texts[where], sizeof(texts[where]), "%.*s", (int)byte, (char *)memset(many, 'x', 255));
	section = overlay_section_new("route", texts[0]);
	assert_non_null(section);
	assert_true(overlay_section_add(&section, texts[1], texts[2]));
	return section;
}

static void
what_looks_plain_comes_back_from_an_ini_file(void **state)
{
	unsigned plain = 0;

	(void)state;
	for (unsigned number = 0; number < 5 * 768; number++) {
		struct overlay_section *section = make_case(number);
		const char *key;
		char why[256];

		if (overlay_section_is_plain(section)) {
			plain++;
			if (!overlay_section_comes_back(section, why, sizeof(why), &key))
				fail_msg("[route %s], %u: %s", overlay_name(section), number, why);
		}
		overlay_section_free(&section);
	}
	assert_in_range(plain, 1000, 2000);
}

/* What state_print writes, to free(). */
static char *
printed_whole(void)
{
	char *text = NULL;
	size_t length;
	FILE *to = open_memstream(&text, &length);

	assert_non_null(to);
	state_print(overlay, to);
	assert_int_equal(fclose(to), 0);
	return text;
}

/* The longest value that is taken is one with which the process starts again. */
static void
what_fits_is_read_from_the_state_file(void **state)
{
	char value[256], many[256] = { 0 }, why[256];
	const char *key;
	unsigned taken = 0;

	(void)state;
	for (unsigned length = 185; length < 200; length++) {
		struct overlay_section *section = overlay_section_new("route", "x");
		char *text, *line;

		snprintf(value, sizeof(value), "%.*s", (int)length, (char *)memset(many, ',', 255));
		assert_true(section != NULL && overlay_section_add(&section, "key", value));
		if (!overlay_section_fits(section, why, sizeof(why), &key)) {
			overlay_section_free(&section);
			continue;
		}
		taken++;
		assert_true(overlay_put(overlay, section));
		overlay_commit(overlay);
		assert_non_null(text = printed_whole());
		for (line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n"))
			assert_in_range(strlen(line), 1, INI_LINE_MOST);
		free(text);
	}
	assert_int_equal(taken, INI_LINE_MOST - strlen("key = ") - 185 + 1);
}

/* What is acknowledged is there after the next start. */
static void
what_could_not_be_read_again_is_not_written(void **state)
{
	char folder[] = "/tmp/weir-overlay-XXXXXX", path[64];
	const off_t most = state_bytes_most;
	struct report report;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/routing.ini", folder);
	overlay->file = path;
	put("a", "kept");
	overlay_commit(overlay);
	assert_int_equal(state_write(overlay), STATE_WRITTEN);
	state_bytes_most = 400;
	put("b", "a value that is long enough to make the whole longer than four hundred bytes, with all that stands around it: "
		"a head that says what the file is, a name, a key and the sum of all the bytes, by which it is known as whole");
	overlay_commit(overlay);
	assert_int_equal(state_write(overlay), STATE_KEPT);
	assert_int_equal(errno, EFBIG);
	overlay_free(&overlay);
	overlay = overlay_new(path);
	report_init(&report);
	assert_true(state_read(overlay, false, &report));
	assert_string_equal(routes(), "a=kept b=files ");
	state_bytes_most = 100;
	assert_false(state_read(overlay, false, &report));
	report_free(&report);
	state_bytes_most = most;
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(folder), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(sections_replace_come_beside_and_take_away, begin, end),
		cmocka_unit_test_setup_teardown(a_change_that_is_rolled_back_leaves_what_was_there_in_its_order, begin, end),
		cmocka_unit_test_setup_teardown(a_change_under_way_does_not_show_in_what_is_kept, begin, end),
		cmocka_unit_test_setup_teardown(thousands_are_found_by_name, begin, end),
		cmocka_unit_test_setup_teardown(what_an_ini_file_could_not_hold_is_told, begin, end),
		cmocka_unit_test(what_looks_plain_comes_back_from_an_ini_file),
		cmocka_unit_test_setup_teardown(what_fits_is_read_from_the_state_file, begin, end),
		cmocka_unit_test_setup_teardown(what_could_not_be_read_again_is_not_written, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
