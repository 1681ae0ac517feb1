/* SPDX-License-Identifier: Apache-2.0 */
/*
 * routing_table: a whole table of routes or upstreams as an operator sends it, read straight into sections.
 *
 * Reading 100,000 routes as JSON makes a tree of a million pieces that is walked once and thrown away: most of what replacing a
 * table costs. Nearly all tables are plain: names, keys and values of letters, digits and the like, without escapes. Those
 * are read here in one pass; whatever is not plain, or wrong, is left to the JSON library, which says what is wrong.
 */
#ifndef WEIR_SERVER_ROUTING_TABLE_H
#define WEIR_SERVER_ROUTING_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct overlay_section;

struct routing_table {
	struct overlay_section *first;	/* by `next`, in the order of the text; each fits an INI file, no two have one name */
	size_t count;
	bool has_revision;
	uint64_t revision;		/* that stands beside the table */
};

/* {"routes": {NAME: {KEY: VALUE}}, "revision": NUMBER}, or "upstreams". NULL where this cannot tell, or without memory: then it
 * is to be read as JSON, and this never takes what JSON would refuse or read otherwise. */
struct routing_table *routing_table_read(const char *kind, const char *text, size_t length);

/* With the sections that are still in it. */
void routing_table_free(struct routing_table **);

#endif
