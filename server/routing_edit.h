/* SPDX-License-Identifier: Apache-2.0 */
/*
 * routing_edit: from what an operator asks for to the steps of an overlay.
 *
 * The document is judged here as far as its form goes: names, types, members that there are. Whether the result is
 * a good configuration is seen when it is built. Main thread.
 */
#ifndef WEIR_SERVER_ROUTING_EDIT_H
#define WEIR_SERVER_ROUTING_EDIT_H

#include <jansson.h>

#include "hot.h"

struct generation;
struct overlay;
struct report;
struct routing_table;

enum routing_act {
	ROUTING_REPLACE_ALL,	/* {"routes": {NAME: {…}}}: these and no others */
	ROUTING_PATCH_ALL,	/* the same; null takes a section away, an object patches or makes it */
	ROUTING_PUT,		/* the section's keys */
	ROUTING_PATCH,		/* of a section that is there */
	ROUTING_DELETE,
	ROUTING_ADD_SERVER,	/* {"address", "weight", "backup"} */
	ROUTING_PATCH_SERVER,	/* {"weight", "backup", "drain"} */
	ROUTING_DELETE_SERVER,
	ROUTING_REVERT		/* {"routes": [NAME], "upstreams": [NAME]}; {}: all */
};

struct routing_edit {
	enum routing_act act;
	const char *kind;		/* "route" or "upstream" */
	char name[256], server[256];
	json_t *document;		/* an object; NULL where there is a table */
	struct routing_table *table;	/* to replace all by; its sections are taken out */
};

/* Put the steps in. Anything but HOT_DONE: the report says why, and the caller rolls back. */
enum hot_result routing_edit(const struct routing_edit *, const struct generation *, struct overlay *,
	struct report *);

#endif
