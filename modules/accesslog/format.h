/* SPDX-License-Identifier: Apache-2.0 */
/*
 * format: what stands in a line.
 */
#ifndef ACCESSLOG_FORMAT_H
#define ACCESSLOG_FORMAT_H

#include <weir/module.h>

#include "line.h"

/* The time as text, made once a second on each thread. */
struct accesslog_clock {
	int64_t second;
	char combined[32];		/* [22/Nov/2026:20:00:00 +0000] */
	char rfc3339[32];		/* 2026-11-22T20:00:00+00:00 */
};

void accesslog_clock_set(struct accesslog_clock *, int64_t second);

/* A piece of the operator's own format: a literal text, or a value. */
struct accesslog_piece {
	const char *text;
	size_t length;
	const struct weir_template *value;	/* NULL: a literal */
};

struct accesslog_format {
	enum { FORMAT_COMBINED, FORMAT_JSON, FORMAT_OWN } kind;
	struct accesslog_piece *pieces;
	size_t count;
};

/* An option's parse function: "combined", "json", or a text with ${variables}. */
const char *accesslog_format_parse(struct weir_build *, const char *text, void *format);

/* Write the line of this exchange, newline and all; `escape` is for the values of an own format. */
void accesslog_format_write(struct weir_exchange *, const struct accesslog_format *, enum line_escape,
	const struct accesslog_clock *, struct line *);

#endif
