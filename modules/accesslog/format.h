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
	enum line_escape escape;	/* of an own format's values */
	struct accesslog_piece *pieces;
	size_t count;
};

/* "combined", "json", or a text with ${variables}; errors are reported to the build. */
void accesslog_format_compile(struct weir_build *, struct accesslog_format *, const char *text, enum line_escape);

/* Write the line of this exchange, newline and all. */
void accesslog_format_write(struct weir_exchange *, const struct accesslog_format *, const struct accesslog_clock *,
	struct line *);

#endif
