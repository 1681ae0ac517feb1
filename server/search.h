/* SPDX-License-Identifier: Apache-2.0 */
/*
 * search: the folders in which modules are looked for, one after another.
 *
 * The first file of the right name counts, whatever is wrong with it: going on to the next folder would hide
 * the mistake and run other code than the operator sees.
 */
#ifndef WEIR_SERVER_SEARCH_H
#define WEIR_SERVER_SEARCH_H

#include <stddef.h>
#include <weir/option.h>

#include "arena.h"

struct search {
	const char *const *first;	/* of the command line; NULL ends them */
	const struct weir_list *path;	/* of the configuration: const char *; may be NULL */
};

/* The folder of installed modules, which comes last. Tests set another one, so as not to depend on what is
 * installed. */
extern const char *search_installed;

/* The folders in their order; NULL past the last. */
const char *search_folder(const struct search *, size_t index);

/* The absolute path of the first NAME.so, readable or not; NULL when there is none, or no memory. */
const char *search_find(const struct search *, const char *name, struct arena *);

/* Names of modules: sorted, each once, NULL behind the last. */
struct search_names {
	const char **list;
	size_t count, room;
	struct arena *arena;
};

/* Add one name; add those of all files in the folders. False without memory. */
bool search_add_name(struct search_names *, const char *name);
bool search_add_files(const struct search *, struct search_names *);

#endif
