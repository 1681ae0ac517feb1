/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loader: from a module's name to its contract in memory, by libltdl.
 *
 * Files are looked for here, along the command line's folders, those of the configuration and the built-in
 * one, and opened by absolute path with every symbol bound at once: libltdl's own search and its lazy loader
 * are not used. A module that was linked into the program (a static build) comes before any file. What was
 * opened once stays until the process ends, refused or not: closing a shared object while threads may have
 * run its code is not safe.
 *
 * libltdl's state belongs to the process, so there is one struct modules in it at a time. Main thread.
 */
#ifndef WEIR_SERVER_LOADER_H
#define WEIR_SERVER_LOADER_H

#include <weir/module.h>

#include "arena.h"
#include "generation.h"

struct preloaded;
struct refused;
struct report;

/* Bounds: modules in a process, and cells of their metrics in each thread. */
enum { LOADER_MODULES_MAX = 256, LOADER_METRICS_MAX = 1024 };

struct modules {
	struct module **list;		/* by index; NULL ends it */
	unsigned count;
	unsigned metric_cells;		/* of all of them together */
	struct arena arena;		/* the modules' entries and all below */
	const char **folders;		/* of the command line, absolute; NULL ends them */
	struct preloaded *preloaded;
	struct refused *refused;
};

/* Begin with no module. `folders` come first in every search; NULL ends them. NULL after reporting why. */
struct modules *loader_new(const char *const *folders, struct report *);

/* Forget all of it. The code of modules stays in memory. */
void loader_free(struct modules **);

/* The module if it is loaded. */
struct module *loader_find(const struct modules *, const char *name);

/*
 * The module, loaded now or before; NULL after reporting why not. `path` is a list of const char *: folders
 * after those of the command line. `file` and `line` are where errors point. A module whose file has changed
 * since it was loaded is the old one, with a warning.
 */
struct module *loader_load(struct modules *, const char *name, const struct weir_list *path, const char *file,
	unsigned line, struct report *);

/* The names of all modules that could be loaded, sorted, in the arena; NULL ends them. NULL without
 * memory. */
const char **loader_names(const struct modules *, const struct weir_list *path, struct arena *);

#endif
