/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenes for the alphabet of HTTP: each set is compared, byte by byte, with how the RFC spells it.
 */
#include "server/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const char alphanumeric[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

static bool
one_of(int c, const char *set)
{
	return c != '\0' && strchr(set, c) != NULL;
}

static void
every_byte_is_in_the_sets_of_the_rfc(void **state)
{
	(void)state;
	for (int c = 0; c < 256; c++) {
		bool letter = one_of(c, alphanumeric);
		bool visible = c > 0x20 && c < 0x7f;
		unsigned char byte = (unsigned char)c;

		assert_int_equal(text_is(byte, TEXT_TOKEN), letter || one_of(c, "!#$%&'*+-.^_`|~"));
		assert_int_equal(text_is(byte, TEXT_FIELD), visible || c == ' ' || c == '\t' || c >= 0x80);
		assert_int_equal(text_is(byte, TEXT_TARGET), visible && c != '#');
		assert_int_equal(text_is(byte, TEXT_PATH), visible && !one_of(c, "#?%\\"));
		assert_int_equal(text_is(byte, TEXT_UNRESERVED), letter || one_of(c, "-._~"));
		assert_int_equal(text_is(byte, TEXT_HOST), letter || one_of(c, "-._~!$&'()*+;="));
		assert_int_equal(text_is(byte, TEXT_HEX), one_of(c, "0123456789abcdefABCDEF"));
		assert_int_equal(text_is_digit(byte), one_of(c, "0123456789"));
		assert_int_equal(text_lower(byte), c >= 'A' && c <= 'Z' ? c + 32 : c);
	}
}

static void
hexadecimal_digits_have_values(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 16; i++) {
		assert_int_equal(text_hex((unsigned char)"0123456789abcdef"[i]), i);
		assert_int_equal(text_hex((unsigned char)"0123456789ABCDEF"[i]), i);
	}
}

static void
names_are_equal_but_for_case(void **state)
{
	(void)state;
	assert_true(text_same("Content-Type", "cONTENT-tYPE", 12));
	assert_false(text_same("a@", "a`", 2));		/* differ in the bit of case, but are no letters */
	assert_true(text_same_lower("ETag", "etag", 4));
	assert_false(text_same_lower("etag", "ETag", 4));
	assert_true(text_same("", "x", 0));
}

static void
names_are_looked_up_in_a_list(void **state)
{
	static const char *const list[] = { "x-all-", "only" };

	(void)state;
	assert_true(text_is_one_of(list, 2, "Only", 4));
	assert_false(text_is_one_of(list, 2, "only-", 5));
	assert_false(text_is_one_of(list, 2, "onl", 3));
	assert_true(text_is_one_of(list, 2, "X-All-of-them", 13));
	assert_true(text_is_one_of(list, 2, "x-all-", 6));
	assert_false(text_is_one_of(list, 2, "x-all", 5));
}

static void
tokens_and_values_are_told_from_others(void **state)
{
	(void)state;
	assert_true(text_is_token("X-Token_1", 9));
	assert_false(text_is_token("", 0));
	assert_false(text_is_token("a b", 3));
	assert_false(text_is_token("a:", 2));
	assert_false(text_is_token("a\0b", 3));
	assert_false(text_is_token("\xc3\xa9", 2));
	assert_true(text_is_field_value("", 0));
	assert_true(text_is_field_value("a \t b", 5));
	assert_true(text_is_field_value("\xc3\xa9", 2));
	assert_false(text_is_field_value(" a", 2));
	assert_false(text_is_field_value("a\t", 2));
	assert_false(text_is_field_value("a\r\nb", 4));
	assert_false(text_is_field_value("a\0b", 3));
	assert_false(text_is_field_value("a\x7f", 2));
}

/* Sixteen at a time, the first and the last ones, or singly: whatever the length, a walk stops where the sets say. */
static void
a_walk_stops_at_the_first_byte_outside_of_the_set(void **state)
{
	(void)state;
	for (size_t length = 1; length <= 36; length++) {
		char *text = malloc(length);		/* no byte more: what lies behind is not looked at */

		assert_non_null(text);
		memset(text, 'a', length);
		for (size_t place = 0; place < length; place++) {
			for (int c = 0; c < 256; c++) {
				size_t token = text_is((unsigned char)c, TEXT_TOKEN) ? length : place;
				size_t field = text_is((unsigned char)c, TEXT_FIELD) ? length : place;

				text[place] = (char)c;
				assert_int_equal(text_skip_token(text, text + length) - text, token);
				assert_int_equal(text_skip_field(text, text + length) - text, field);
			}
			text[place] = 'a';
		}
		free(text);
	}
}

static void
lists_have_members(void **state)
{
	static const char list[] = " ,a,, bc\t,\td e ,";
	const char *at = list, *member;
	size_t length;

	(void)state;
	assert_true(text_next_member(&at, list + strlen(list), &member, &length));
	assert_memory_equal(member, "a", length);
	assert_true(text_next_member(&at, list + strlen(list), &member, &length));
	assert_int_equal(length, 2);
	assert_memory_equal(member, "bc", length);
	assert_true(text_next_member(&at, list + strlen(list), &member, &length));
	assert_int_equal(length, 3);
	assert_memory_equal(member, "d e", length);
	assert_false(text_next_member(&at, list + strlen(list), &member, &length));
	assert_false(text_next_member(&at, list + strlen(list), &member, &length));
}

static void
a_token_is_found_in_a_list_as_a_whole(void **state)
{
	(void)state;
	assert_true(text_has_token("close", "close"));
	assert_true(text_has_token("Keep-Alive, Upgrade", "upgrade"));
	assert_true(text_has_token("a,\tCLOSE ,b", "close"));
	assert_false(text_has_token("", "close"));
	assert_false(text_has_token("closed, not-close, clos", "close"));
	assert_false(text_has_token("close now", "close"));
	assert_true(text_list_has("close, upgrade", 5, "close"));
	assert_false(text_list_has("close, upgrade", 5, "upgrade"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_byte_is_in_the_sets_of_the_rfc),
		cmocka_unit_test(hexadecimal_digits_have_values),
		cmocka_unit_test(names_are_equal_but_for_case),
		cmocka_unit_test(names_are_looked_up_in_a_list),
		cmocka_unit_test(tokens_and_values_are_told_from_others),
		cmocka_unit_test(a_walk_stops_at_the_first_byte_outside_of_the_set),
		cmocka_unit_test(lists_have_members),
		cmocka_unit_test(a_token_is_found_in_a_list_as_a_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
