/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenes for a table of routes that is read without the JSON library: what it takes, and what it leaves to the library.
 */
#include "server/overlay.h"
#include "server/routing_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* "a key=value key=value; b" of the sections; NULL: the table is not taken. */
static const char *
sections_of(const char *text, const char *kind)
{
	static char said[4096];
	char *copy = strdup(text);	/* without room behind it, for the sanitizers */
	struct routing_table *table = routing_table_read(kind, copy, strlen(text));
	FILE *to = fmemopen(said, sizeof(said), "w");
	const char *at, *key, *value;

	free(copy);
	assert_non_null(to);
	for (const struct overlay_section *s = table != NULL ? table->first : NULL; s != NULL; s = s->next) {
		fprintf(to, "%s%s", s != table->first ? "; " : "", overlay_name(s));
		assert_string_equal(s->kind, kind);
		for (at = NULL; overlay_next(s, &at, &key, &value);)
			fprintf(to, " %s=%s", key, value);
	}
	if (table != NULL && table->has_revision)
		fprintf(to, " at %llu", (unsigned long long)table->revision);
	fputc('\0', to);
	fclose(to);
	if (table == NULL)
		return NULL;
	routing_table_free(&table);
	return said;
}

static void
plain_tables_are_read(void **state)
{
	static const char *const cases[][2] = {
		{ "{\"routes\":{}}", "" },
		{ "{\"routes\": {\"a\": {\"match\": \"*/*\", \"upstream\": \"o\"}, \"b\": {}}}", "a match=*/* upstream=o; b" },
		{ " {\n\t\"routes\" :\r\n{ \"a\" : { \"k\" : [ \"x y\" , \"z\" ] , \"l\":true,\"m\":false } } } \n",
			"a k=x y k=z l=yes m=no" },
		{ "{\"revision\": 17, \"routes\": {\"a\": {\"n\": 0, \"m\": [5, 60]}}}", "a n=0 m=5 m=60 at 17" },
		{ "{\"routes\": {\"a\": {\"key\": \"v\", \"ke\": \"v\"}}, \"revision\":0}", "a key=v ke=v at 0" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *said = sections_of(cases[i][0], "route");

		if (said == NULL)
			fail_msg("not taken: %s", cases[i][0]);
		assert_string_equal(said, cases[i][1]);
	}
	assert_string_equal(sections_of("{\"upstreams\": {\"u\": {\"server\": [\"[::1]:80 backup\"]}}}", "upstream"),
		"u server=[::1]:80 backup");
}

static void
what_is_not_plain_is_left_to_the_library(void **state)
{
	static const char *const cases[] = {
		"", "{", "{}", "[]", "{\"routes\": 1}", "{\"routes\": {}", "{\"routes\": {}} x", "{\"routes\": {},}",
		"{\"upstreams\": {}}", "{\"routes\": {}, \"routes\": {}}", "{\"routes\": {}, \"other\": 1}",
		"{\"routes\": {}, \"revision\": -1}", "{\"routes\": {}, \"revision\": 1.5}", "{\"routes\": {}, \"revision\": 1",
		"{\"revision\": 1, \"revision\": 1, \"routes\": {}}", "{\"revision\": 1}", "{'routes': {}}",
		"{\"routes\": {\"a\": null}}", "{\"routes\": {\"a\": {\"k\": null}}}", "{\"routes\": {\"a\": {\"k\": {}}}}",
		"{\"routes\": {\"a\": {\"k\": []}}}", "{\"routes\": {\"a\": {\"k\": [\"x\",]}}}",
		"{\"routes\": {\"a\": {\"k\": [[1]]}}}",
		"{\"routes\": {\"a\": {\"k\": \"x\"}, \"a\": {\"k\": \"x\"}}}",
		"{\"routes\": {\"a\": {\"k\": \"x\", \"k\": \"x\"}}}",
		"{\"routes\": {\"a\": {\"k\": \"x\",}}}", "{\"routes\": {\"a\": {\"k\" \"x\"}}}", "{\"routes\": {\"a\" {}}}",
		"{\"routes\": {\"a\": {\"k\": \"\\u0041\"}}}", "{\"routes\": {\"a\": {\"k\": \"\xc3\xbc\"}}}",
		"{\"routes\": {\"a\": {\"k\": \"x ; y\"}}}", "{\"routes\": {\"a\": {\"k\": \" x\"}}}",
		"{\"routes\": {\"a b\": {\"k\": \"x\"}}}",
		"{\"routes\": {\"\": {\"k\": \"x\"}}}", "{\"routes\": {\"a\": {\"\": \"x\"}}}",
		"{\"routes\": {\"a\": {\"k\": \"\"}}}",
		"{\"routes\": {\"a\": {\"k\": \"x\ny\"}}}", "{\"routes\": {\"a\": {\"k\": 01}}}",
		"{\"routes\": {\"a\": {\"k\": -1}}}",
		"{\"routes\": {\"a\": {\"k\": 1.0}}}", "{\"routes\": {\"a\": {\"k\": 1e3}}}",
		"{\"routes\": {\"a\": {\"k\": 1234567890123456}}}",
		"{\"routes\": {\"a\": {\"k\": truex}}}", "{\"routes\": {\"a\": {\"k\": tru}}}",
		"{\"routes\": {\"a\": {\"k\": true",
		"{\"routes\": {\"a\": {\"k\": \"x", "{\"routes\": {\"a\": {\"k\": 1", "{\"routes\" {}}",
		"\xef\xbb\xbf{\"routes\": {}}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (sections_of(cases[i], "route") != NULL)
			fail_msg("taken: %s", cases[i]);
	}
}

/* A NUL is a byte like another, and no end. */
static void
the_end_is_where_the_text_ends(void **state)
{
	static const char text[] = "{\"routes\": {\"a\": {\"k\": 1\0}}}", behind[] = "{\"routes\": {}}\0{";
	struct routing_table *table;

	(void)state;
	assert_null(routing_table_read("route", text, sizeof(text) - 1));
	assert_null(routing_table_read("route", behind, sizeof(behind) - 1));
	assert_non_null(table = routing_table_read("route", behind, strlen(behind)));
	routing_table_free(&table);
}

/* More than the reader has room for is the library's, whatever it is that is too much. */
static void
thousands_of_names_and_long_sections(void **state)
{
	char *text = NULL;
	struct routing_table *table;
	size_t length;

	(void)state;
	for (unsigned shape = 0; shape < 5; shape++) {
		FILE *to = open_memstream(&text, &length);

		assert_non_null(to);
		fputs("{\"routes\": {\"r\": {\"k\": [\"x\"", to);
		for (unsigned i = 0; i < 2000 && shape == 1; i++)
			fputs(", \"12345678\"", to);
		fputs("]", to);
		for (unsigned i = 0; i < 31 + (shape == 2); i++)
			fprintf(to, ", \"k%u\": 1", i);
		fputs("}", to);
		for (unsigned i = 0; i < 3000; i++)
			fprintf(to, ", \"r%u\": {}", shape == 3 && i == 2999 ? 4 : i);
		fprintf(to, ", \"%0*d\": {}}}", shape == 4 ? 49 : 48, 0);
		assert_int_equal(fclose(to), 0);
		table = routing_table_read("route", text, length);
		assert_int_equal(table != NULL, shape == 0);
		if (table != NULL)
			assert_int_equal(table->count, 3002);
		routing_table_free(&table);
		free(text);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_tables_are_read),
		cmocka_unit_test(what_is_not_plain_is_left_to_the_library),
		cmocka_unit_test(the_end_is_where_the_text_ends),
		cmocka_unit_test(thousands_of_names_and_long_sections),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
