/* SPDX-License-Identifier: Apache-2.0 */
/*
 * said: what a report says, for scenes about errors.
 */
#ifndef WEIR_TESTS_SAID_H
#define WEIR_TESTS_SAID_H

#include "server/report.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

/* How many lines of the report contain the text? */
static inline unsigned
count_said(const struct report *report, const char *text)
{
	unsigned count = 0;

	for (const struct report_line *line = report->first; line != NULL; line = line->next)
		count += strstr(line->text, text) != NULL;
	return count;
}

/* Fail, showing the whole report, unless one line contains the text. */
static inline void
assert_said(const struct report *report, const char *text)
{
	if (count_said(report, text) > 0)
		return;
	report_print(report, stderr);
	fail_msg("nothing in the report says: %s", text);
}

/* Fail, showing it, unless the report is empty. */
static inline void
assert_silent(const struct report *report)
{
	if (report->errors + report->warnings == 0)
		return;
	report_print(report, stderr);
	fail_msg("the report should be empty");
}

#endif
