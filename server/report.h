/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report: what is wrong with a configuration, all of it.
 *
 * Reading, checking and building go on after an error, so that an operator sees every one at once, each with
 * file, line, cause and cure. The report belongs to one build, on the main thread.
 */
#ifndef WEIR_SERVER_REPORT_H
#define WEIR_SERVER_REPORT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

struct report_line {
	struct report_line *next;
	const char *file;	/* NULL: about no file */
	unsigned line;		/* 0: about no line */
	bool warning;
	char text[];
};

struct report {
	struct report_line *first, **last;
	unsigned errors, warnings;
};

void report_init(struct report *);
void report_free(struct report *);

/* `file` is copied. A line that finds no memory, or one too many to be read by anybody, still counts. */
void report_error(struct report *, const char *file, unsigned line, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
void report_warning(struct report *, const char *file, unsigned line, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
void report_add(struct report *, bool warning, const char *file, unsigned line, const char *format, va_list);

/* "file:line: error: text" for each: files in the order in which they came up, each from its top. */
void report_print(const struct report *, FILE *);

/* The nearest of `names` (ends with NULL) to a misspelt word, by edit distance; NULL when none is near. */
const char *report_nearest(const char *word, const char *const *names);

#endif
