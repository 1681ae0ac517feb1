/* SPDX-License-Identifier: Apache-2.0 */
/*
 * order: in which order modules' hooks run, the same in every phase.
 *
 * It follows from what modules say of themselves and from what the operator writes, never from the order of
 * loading or of files: first the class, then before and after, which may reach over classes (whoever says it
 * moves), then the operator's `order` lines, which overrule both; then the name.
 */
#ifndef WEIR_SERVER_ORDER_H
#define WEIR_SERVER_ORDER_H

#include <stdbool.h>
#include <stddef.h>

#include "arena.h"

struct module;
struct report;

/* A line of the operator's: "a b c". */
struct order_line {
	const char *text;
	const char *file;
	unsigned line;
};

/*
 * Sort the modules. False after reporting a cycle, or a name in a line that is no module's; they are in some
 * order then. A before or after that names a module which is not there means nothing.
 */
bool order_modules(struct module **modules, size_t count, const struct order_line *lines, size_t line_count,
	struct report *);

#endif
