/* SPDX-License-Identifier: Apache-2.0 */
/*
 * template: text with ${variables}, compiled when a generation is built and written out per exchange.
 *
 * "${host}${path}" becomes a short list of pieces, each a literal or a function; ${request.NAME},
 * ${upstream_request.NAME} and ${response.NAME} are fields; "$$" is a dollar. The core's variables stand in
 * variable.c; modules declare more.
 */
#ifndef WEIR_SERVER_TEMPLATE_H
#define WEIR_SERVER_TEMPLATE_H

#include <stddef.h>
#include <weir/module.h>

struct template_piece {
	enum { TEMPLATE_LITERAL, TEMPLATE_FIELD, TEMPLATE_CORE, TEMPLATE_MODULE } kind;
	const char *text;		/* the literal, or the field's name */
	size_t length;
	enum weir_message message;	/* of a field */
	const char *(*value)(struct weir_exchange *);	/* of the core's */
	const struct weir_variable *variable;		/* of a module's */
	unsigned slot;
};

struct weir_template {
	const char *source;		/* as written */
	const struct template_piece *pieces;
	size_t count;
};

/* The core's variables: name, function, doc; ends with a NULL name (variable.c). */
struct variable {
	const char *name;
	const char *(*value)(struct weir_exchange *);
	const char *doc;
};
extern const struct variable variables[];

#endif
