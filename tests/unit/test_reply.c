/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenes for answers to admin verbs: what a module says comes out as JSON, and its mistakes as an error.
 */
#include "server/reply.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct weir_reply reply;

static int
start(void **state)
{
	(void)state;
	return reply_init(&reply) ? 0 : -1;
}

static int
end(void **state)
{
	(void)state;
	reply_free(&reply);
	return 0;
}

static void
expect(const char *text)
{
	char *is = reply_text(&reply);

	assert_string_equal(is, text);
	free(is);
}

static void
members_come_out_in_their_order(void **state)
{
	(void)state;
	expect("{}");
	weir_reply_text(&reply, "name", "a \"b\"\n");
	weir_reply_number(&reply, "count", 3);
	weir_reply_number(&reply, "ratio", 0.5);
	weir_reply_text(&reply, "none", NULL);
	weir_reply_open_list(&reply, "servers");
	weir_reply_open(&reply, NULL);
	weir_reply_text(&reply, "host", "x");
	weir_reply_close(&reply);
	weir_reply_text(&reply, NULL, "plain");
	weir_reply_close(&reply);
	weir_reply_number(&reply, "last", -9007199254740992.0);
	expect("{\"name\":\"a \\\"b\\\"\\n\",\"count\":3,\"ratio\":0.5,\"none\":null,"
		"\"servers\":[{\"host\":\"x\"},\"plain\"],\"last\":-9007199254740992}");
}

static void
what_is_no_number_is_null(void **state)
{
	(void)state;
	weir_reply_number(&reply, "a", NAN);
	weir_reply_number(&reply, "b", INFINITY);
	weir_reply_number(&reply, "c", 1e300);
	expect("{\"a\":null,\"b\":null,\"c\":1.0000000000000001e300}");
}

static void
what_is_no_utf8_is_escaped(void **state)
{
	(void)state;
	weir_reply_text(&reply, "good", "gr\xc3\xbc\xc3\x9f");
	weir_reply_text(&reply, "bad", "gr\xfc\xdf");
	expect("{\"good\":\"gr\xc3\xbc\xc3\x9f\",\"bad\":\"gr\\\\xfc\\\\xdf\"}");
}

static void
an_error_is_all_that_is_said(void **state)
{
	(void)state;
	weir_reply_text(&reply, "half", "done");
	weir_reply_error(&reply, "no server %s", "x");
	weir_reply_error(&reply, "a later one");
	weir_reply_text(&reply, "more", "of it");
	weir_reply_open(&reply, "object");
	weir_reply_close(&reply);
	weir_reply_close(&reply);
	expect("{\"error\":\"no server x\"}");
}

static void
mistakes_become_errors(void **state)
{
	(void)state;
	weir_reply_text(&reply, NULL, "nameless");
	expect("{\"error\":\"a member of the answer has no name\"}");
	reply_free(&reply);
	assert_true(reply_init(&reply));
	weir_reply_close(&reply);
	expect("{\"error\":\"the answer is closed more often than opened\"}");
	reply_free(&reply);
	assert_true(reply_init(&reply));
	for (int i = 0; i < 1000; i++)
		weir_reply_open(&reply, "deeper");
	for (int i = 0; i < 1000; i++)
		weir_reply_close(&reply);
	expect("{\"error\":\"the answer is nested more than 16 deep\"}");
	reply_free(&reply);
	assert_true(reply_init(&reply));
	weir_reply_error(&reply, "%s", "");
	expect("{\"error\":\"it failed\"}");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(members_come_out_in_their_order, start, end),
		cmocka_unit_test_setup_teardown(what_is_no_number_is_null, start, end),
		cmocka_unit_test_setup_teardown(what_is_no_utf8_is_escaped, start, end),
		cmocka_unit_test_setup_teardown(an_error_is_all_that_is_said, start, end),
		cmocka_unit_test_setup_teardown(mistakes_become_errors, start, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
