/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenes for the INI reader: what is taken comes back exact and with its line; all else is refused by name
 * and place.
 */
#include "config_scenes.h"
#include "server/ini.h"

#include <stdint.h>

static char read_back[4096];	/* what the reader handed on, one line each */
static unsigned takes_left;

static bool
write_down(void *context, const struct ini_line *line)
{
	size_t used = strlen(read_back);

	(void)context;
	if (line->key == NULL)
		snprintf(read_back + used, sizeof(read_back) - used, "%u [%s|%s]\n", line->line, line->kind,
			line->name);
	else
		snprintf(read_back + used, sizeof(read_back) - used, "%u %s|%s\n", line->line, line->key,
			line->value);
	return --takes_left > 0;
}

/* The text in a block of exactly its size, so that a read past the end shows under a sanitizer. */
static bool
read_bytes(const char *bytes, size_t length)
{
	char *copy = malloc(length > 0 ? length : 1);
	bool whole;

	assert_non_null(copy);
	memcpy(copy, bytes, length);
	read_back[0] = '\0';
	takes_left = UINT32_MAX;
	whole = ini_read(copy, length, "weir.ini", &scene_report, write_down, NULL);
	free(copy);
	return whole;
}

#define READ(literal) read_bytes(literal, sizeof(literal) - 1)

static void
sections_and_entries_come_with_their_lines(void **state)
{
	(void)state;
	assert_true(READ("; a comment\n\n[weir]\nthreads = auto\n\n[route admin]\nmatch=example.com/*\n"
		"  ; indented comment\n   \nx.y =  z  \n"));
	assert_string_equal(read_back,
		"3 [weir|]\n"
		"4 threads|auto\n"
		"6 [route|admin]\n"
		"7 match|example.com/*\n"
		"10 x.y|z\n");
	assert_string_equal(said(), "");
}

static void
empty_and_repeated_sections_are_seen(void **state)
{
	(void)state;
	READ("[module a]\n[module b]\n[module a]");
	assert_string_equal(read_back, "1 [module|a]\n2 [module|b]\n3 [module|a]\n");
	assert_string_equal(said(), "");
}

static void
a_value_keeps_what_only_looks_special(void **state)
{
	(void)state;
	READ("[a b]\nurl = http://h:80/?a=b;c=d#e\nquoted = \"x\"\nempty =\ncolon = a : b\nhash = a # b\n"
		"utf8 = \xc3\xa4\xff\n");
	assert_string_equal(read_back,
		"1 [a|b]\n"
		"2 url|http://h:80/?a=b;c=d#e\n"
		"3 quoted|\"x\"\n"
		"4 empty|\n"
		"5 colon|a : b\n"
		"6 hash|a # b\n"
		"7 utf8|\xc3\xa4\xff\n");
	assert_string_equal(said(), "");
}

static void
comments_end_a_line_after_white_space_only(void **state)
{
	(void)state;
	READ("[a b] ; one\nk = v ; two ; three\nl = v\t; tab\nm = v;w\nn = ; nothing\n#o = p\n;q = r\n"
		"[c d] ; [e f]\n");
	assert_string_equal(read_back, "1 [a|b]\n2 k|v\n3 l|v\n4 m|v;w\n5 n|\n8 [c|d]\n");
	assert_string_equal(said(), "");
}

static void
crlf_and_a_byte_order_mark_are_taken(void **state)
{
	(void)state;
	READ("\xef\xbb\xbf[a b]\r\nk = v\r\n\r\nl = w");
	assert_string_equal(read_back, "1 [a|b]\n2 k|v\n4 l|w\n");
	assert_string_equal(said(), "");
}

static void
a_line_of_199_bytes_is_whole_and_one_of_200_is_refused(void **state)
{
	char text[512], expected[512];
	int head = snprintf(text, sizeof(text), "[a b]\nk = ");

	(void)state;
	memset(text + head, 'x', 195);
	strcpy(text + head + 195, "\nl = 2\n");
	read_bytes(text, strlen(text));
	snprintf(expected, sizeof(expected), "1 [a|b]\n2 k|%.195s\n3 l|2\n", text + head);
	assert_string_equal(read_back, expected);
	assert_string_equal(said(), "");

	memset(text + head, 'x', 196);
	strcpy(text + head + 196, "\nl = 2\n");
	read_bytes(text, strlen(text));
	assert_string_equal(read_back, "1 [a|b]\n3 l|2\n");
	assert_string_equal(said(), "weir.ini:2: error: the line is 200 bytes long, the limit is 199\n");
}

static void
a_long_comment_is_too_long_as_well(void **state)
{
	char text[300];

	(void)state;
	memset(text, ';', sizeof(text));
	read_bytes(text, sizeof(text));
	assert_string_equal(said(), "weir.ini:1: error: the line is 300 bytes long, the limit is 199\n");
}

static void
an_indented_line_is_refused_and_continues_nothing(void **state)
{
	(void)state;
	READ("[a b]\nk = v\n  w\n\tl = 1\n [c d]\n");
	assert_string_equal(read_back, "1 [a|b]\n2 k|v\n");
	assert_string_equal(said(),
		"weir.ini:3: error: the line is indented: a value stands on one line, and a key begins it\n"
		"weir.ini:4: error: the line is indented: a value stands on one line, and a key begins it\n"
		"weir.ini:5: error: the line is indented: a value stands on one line, and a key begins it\n");
}

static void
control_characters_are_refused(void **state)
{
	(void)state;
	READ("[a b]\nk = a\0b\nl = a\rb\nm = \x1b[0m\nn = \x7f\no = a\tb\n; \a\n");
	assert_string_equal(read_back, "1 [a|b]\n6 o|a\tb\n");
	assert_string_equal(said(),
		"weir.ini:2: error: control character 0x00 at column 6\n"
		"weir.ini:3: error: control character 0x0d at column 6\n"
		"weir.ini:4: error: control character 0x1b at column 5\n"
		"weir.ini:5: error: control character 0x7f at column 5\n"
		"weir.ini:7: error: control character 0x07 at column 3\n");
}

static void
after_a_broken_header_nothing_lands_in_the_section_before(void **state)
{
	(void)state;
	READ("[a b]\nk = 1\n[unclosed\nl = 2\nno value\n[c d]\nm = 3\n");
	assert_string_equal(read_back, "1 [a|b]\n2 k|1\n6 [c|d]\n7 m|3\n");
	assert_string_equal(said(),
		"weir.ini:3: error: the section header has no `]`\n"
		"weir.ini:5: error: `no value` has no value, write `no value = …`\n");
}

static void
bad_headers_are_refused(void **state)
{
	(void)state;
	READ("[a b] junk\n[a]]\n[]\n[ ]\n[a b c]\n[a [b]\n[ route  x ]\n");
	assert_string_equal(read_back, "7 [route|x]\n");
	assert_string_equal(said(),
		"weir.ini:1: error: `junk` stands after the section header\n"
		"weir.ini:2: error: `]` stands after the section header\n"
		"weir.ini:3: error: the section header is empty\n"
		"weir.ini:4: error: the section header is empty\n"
		"weir.ini:5: error: `b c`: the name of a section is one word\n"
		"weir.ini:6: error: `[b`: the name of a section is one word\n");
}

static void
a_name_of_48_bytes_is_whole_and_one_of_49_is_refused(void **state)
{
	char text[128], expected[128];

	(void)state;
	snprintf(text, sizeof(text), "[certificate %048d]\nk=v", 1);
	read_bytes(text, strlen(text));
	snprintf(expected, sizeof(expected), "1 [certificate|%048d]\n2 k|v\n", 1);
	assert_string_equal(read_back, expected);
	assert_string_equal(said(), "");

	snprintf(text, sizeof(text), "[route %049d]\n[%049d x]", 1, 1);
	read_bytes(text, strlen(text));
	assert_string_equal(read_back, "");
	assert_string_equal(said(),
		"weir.ini:1: error: the name of the section is 49 bytes long, the limit is 48\n"
		"weir.ini:2: error: the kind of the section is 49 bytes long, the limit is 48\n");
}

static void
bad_keys_are_refused(void **state)
{
	(void)state;
	READ("[a b]\nhost:port = 1\nk : v\nk\n= v\na b = c\n\xc3\xa4 = 1\n");
	assert_string_equal(read_back, "1 [a|b]\n");
	assert_string_equal(said(),
		"weir.ini:2: error: `:` does not end a key, write `host = …`\n"
		"weir.ini:3: error: `:` does not end a key, write `k = …`\n"
		"weir.ini:4: error: `k` has no value, write `k = …`\n"
		"weir.ini:5: error: there is no key before `=`\n"
		"weir.ini:6: error: `a b` is not a key: keys are letters, digits, `_`, `-` and `.`\n"
		"weir.ini:7: error: `\xc3\xa4` is not a key: keys are letters, digits, `_`, `-` and `.`\n");
}

static void
a_key_before_the_first_section_is_refused(void **state)
{
	(void)state;
	READ("k = v\n[a b]\n");
	assert_string_equal(read_back, "2 [a|b]\n");
	assert_string_equal(said(), "weir.ini:1: error: the key `k` stands before the first section\n");
}

static void
nothing_at_all_is_a_legal_text(void **state)
{
	(void)state;
	assert_true(READ(""));
	assert_true(READ("\n\n"));
	assert_true(READ("\xef\xbb\xbf"));
	assert_string_equal(read_back, "");
	assert_string_equal(said(), "");
}

static void
reading_ends_when_nobody_takes(void **state)
{
	static const char text[] = "[a b]\nk = 1\nl = 2\n";

	(void)state;
	read_back[0] = '\0';
	takes_left = 2;
	assert_false(ini_read(text, sizeof(text) - 1, "weir.ini", &scene_report, write_down, NULL));
	assert_string_equal(read_back, "1 [a|b]\n2 k|1\n");
	assert_string_equal(said(), "");
}

int
main(void)
{
	const struct CMUnitTest scenes[] = {
		SCENE(sections_and_entries_come_with_their_lines),
		SCENE(empty_and_repeated_sections_are_seen),
		SCENE(a_value_keeps_what_only_looks_special),
		SCENE(comments_end_a_line_after_white_space_only),
		SCENE(crlf_and_a_byte_order_mark_are_taken),
		SCENE(a_line_of_199_bytes_is_whole_and_one_of_200_is_refused),
		SCENE(a_long_comment_is_too_long_as_well),
		SCENE(an_indented_line_is_refused_and_continues_nothing),
		SCENE(control_characters_are_refused),
		SCENE(after_a_broken_header_nothing_lands_in_the_section_before),
		SCENE(bad_headers_are_refused),
		SCENE(a_name_of_48_bytes_is_whole_and_one_of_49_is_refused),
		SCENE(bad_keys_are_refused),
		SCENE(a_key_before_the_first_section_is_refused),
		SCENE(nothing_at_all_is_a_legal_text),
		SCENE(reading_ends_when_nobody_takes),
	};

	return cmocka_run_group_tests(scenes, NULL, NULL);
}
