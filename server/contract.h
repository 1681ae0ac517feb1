/* SPDX-License-Identifier: Apache-2.0 */
/*
 * contract: what a module says of itself, judged before anyone relies on it.
 *
 * A module is written and built elsewhere, perhaps against an older Weir. Its struct is checked from the
 * fields that never move (ABI, size, name) to the tables, and a shorter one of an older minor is completed
 * with zeros, so that the rest of the core sees one shape only.
 */
#ifndef WEIR_SERVER_CONTRACT_H
#define WEIR_SERVER_CONTRACT_H

#include <stdbool.h>
#include <weir/module.h>

#include "arena.h"

struct report;

/* Where a contract comes from, for the messages. */
struct contract_origin {
	const char *name;	/* the module that was asked for */
	const char *path;	/* of its file, or "preloaded" */
	const char *file;	/* the configuration's line that asks for it */
	unsigned line;
};

/* The longest name of a module. */
#define CONTRACT_NAME_MOST 48

/* [a-z][a-z0-9_]*, within CONTRACT_NAME_MOST: the names of modules, options, metrics, variables and verbs. */
bool contract_is_name(const char *);

/* The contract in full size, `found` itself or a completed copy in the arena; NULL after reporting what is
 * wrong. */
const struct weir_module *contract_check(
	const struct weir_module *found, const struct contract_origin *, struct arena *, struct report *);

/*
 * Make *table one whose entries are of our size, in the arena, the missing ends zero. Every entry begins with its name, and NULL
 * ends the table. A table that is NULL or of our size already stays. False without memory.
 */
bool contract_widen(struct arena *, const void **table, size_t theirs, size_t ours);

#endif
