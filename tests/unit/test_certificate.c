/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenes for the choice of a [certificate] section: by an exact name, a wildcard, or for want of both; and
 * whether a connection may be
 * asked for a host.
 */
#include "config_scenes.h"
#include "server/certificate.h"
#include "server/generation.h"
#include "server/place.h"
#include "server/terminate.h"

enum { SECTIONS_MOST = 4 };

static struct generation generation;
static struct certificate sections[SECTIONS_MOST];
static struct config_section places[SECTIONS_MOST];
static const char *hosts[SECTIONS_MOST];
static struct weir_build build;

static int
begin(void **state)
{
	memset(&generation, 0, sizeof(generation));
	memset(sections, 0, sizeof(sections));
	arena_init(&generation.arena, NULL, 0);
	generation.certificates.list = sections;
	build = (struct weir_build){ .generation = &generation, .report = &scene_report };
	return begin_scene(state);
}

static int
end(void **state)
{
	arena_free(&generation.arena);
	return end_scene(state);
}

/* A section of this name with a line `host`; NULL: without. */
static struct certificate *
section(const char *name, const char *host)
{
	size_t i = generation.certificates.count++;

	hosts[i] = host;
	places[i] = (struct config_section){ .kind = "certificate", .name = name, .file = "weir.ini" };
	places[i].line = (unsigned)(10 * (i + 1));
	sections[i] = (struct certificate){ .name = name, .section = &places[i], .index = (unsigned)i };
	sections[i].settings.host = (struct weir_list){ &hosts[i], host != NULL };
	return &sections[i];
}

/* The name of the section that is found; "-": none. */
static const char *
found(const char *host, bool strict)
{
	const struct certificate *c = certificate_find(&generation.certificates, host, strict);

	return c != NULL ? c->name : "-";
}

static void
an_exact_name_goes_before_a_wildcard_and_that_before_the_default(void **state)
{
	static const char *const nobody[] = { "a.b.one.test", "xone.test", "test", "", "one.test." };

	(void)state;
	section("other", "other.test");
	section("wild", "*.one.test \t ONE.test");
	section("exact", "a.one.test");
	assert_true(certificates_prepare(&build));
	assert_string_equal(found("a.one.test", false), "exact");
	assert_string_equal(found("b.one.test", false), "wild");
	assert_string_equal(found("one.test", false), "wild");
	for (size_t i = 0; i < sizeof(nobody) / sizeof(*nobody); i++) {
		assert_string_equal(found(nobody[i], false), "other");
		assert_string_equal(found(nobody[i], true), "-");
	}
	assert_string_equal(found(NULL, false), "other");
	assert_string_equal(found(NULL, true), "-");
}

static void
the_default_is_the_first_or_the_one_that_says_so(void **state)
{
	(void)state;
	assert_string_equal(found("any.test", false), "-");
	section("first", NULL);
	section("second", "second.test")->settings.is_default = true;
	assert_true(certificates_prepare(&build));
	assert_string_equal(found("any.test", false), "second");
	section("third", NULL)->settings.is_default = true;
	assert_true(certificates_prepare(&build));
	assert_non_null(strstr(said(), "[certificate third]: there is a default already: `second`"));
}

static void
a_wildcard_stands_above_all_that_is_deeper(void **state)
{
	(void)state;
	section("one", "*.one.test");
	section("deep", "*.b.one.test");
	assert_true(certificates_prepare(&build));
	assert_null(certificate_above(&generation.certificates, "a.one.test"));
	assert_null(certificate_above(&generation.certificates, "one.test"));
	assert_null(certificate_above(&generation.certificates, ""));
	assert_null(certificate_above(&generation.certificates, "x.y.xone.test"));
	assert_string_equal(certificate_above(&generation.certificates, "y.x.one.test")->name, "one");
	assert_string_equal(certificate_above(&generation.certificates, "z.y.b.one.test")->name, "deep");
}

static void
a_connection_serves_what_its_section_has(void **state)
{
	struct termination other = { .name = (char[]){ "other.test" }, .section = (char[]){ "other" } };
	struct termination far = { .name = (char[]){ "a.b.one.test" }, .section = (char[]){ "other" } };
	struct termination near = { .name = (char[]){ "a.one.test" }, .section = (char[]){ "one" } };
	struct termination nobody = { .section = (char[]){ "other" } };
	const struct certificates *all = &generation.certificates;

	(void)state;
	section("other", "other.test *.own.test");
	section("one", "*.one.test");
	assert_true(certificates_prepare(&build));
	assert_true(place_serves(&near, all, "a.one.test", false) && place_serves(&near, all, "b.one.test.", true));
	assert_false(place_serves(&near, all, "other.test", false) || place_serves(&near, all, "a.b.one.test", false));
	assert_true(place_serves(&other, all, "other.test", true) && place_serves(&nobody, all, "other.test", true));
	assert_true(place_serves(&other, all, "elsewhere.test", false) && place_serves(&other, all, "a.b.own.test", false));
	assert_false(place_serves(&other, all, "elsewhere.test", true) || place_serves(&other, all, "a.one.test", false));
	assert_false(place_serves(&far, all, "a.b.one.test", false) || place_serves(&far, all, "a.b.one.test.", false));
	assert_false(place_serves(&nobody, all, "a.b.one.test", false));
}

static void
names_are_checked(void **state)
{
	const char *text;

	(void)state;
	section("one", "one.test *.two.test");
	section("two", "ONE.test bad/name *.");
	assert_true(certificates_prepare(&build));
	text = said();
	assert_non_null(strstr(text, "weir.ini:20: error: [certificate two] has the host one.test, "
		"which [certificate one] at weir.ini:10"));
	assert_non_null(strstr(text, "not `bad/name`"));
}

int
main(void)
{
	const struct CMUnitTest scenes[] = {
		cmocka_unit_test_setup_teardown(an_exact_name_goes_before_a_wildcard_and_that_before_the_default, begin, end),
		cmocka_unit_test_setup_teardown(the_default_is_the_first_or_the_one_that_says_so, begin, end),
		cmocka_unit_test_setup_teardown(a_wildcard_stands_above_all_that_is_deeper, begin, end),
		cmocka_unit_test_setup_teardown(a_connection_serves_what_its_section_has, begin, end),
		cmocka_unit_test_setup_teardown(names_are_checked, begin, end),
	};

	return cmocka_run_group_tests_name("certificate", scenes, NULL, NULL);
}
