/* SPDX-License-Identifier: Apache-2.0 */
/*
 * option: tables of options against sections of the configuration.
 *
 * An owner is a table with the struct that it fills: the core has one for each section kind (settings.h), a
 * module has one for all kinds. The order of a build:
 *
 *	option_defaults		once per owner: `initial` values, then the lines of its [module] section
 *	option_check_owners	once per section kind: no key has two owners
 *	option_parse		per section and owner: its own struct, or the defaults when it sets nothing
 *	option_enabled		per [route] or [listen] and module: NAME.enable
 *	option_check_section	per section, last: what no owner has used is unknown
 *
 * How a key is written: the core's and a module's bare ones plain, in [module NAME] every one plain, all else
 * NAME.key. Settings lie in the generation's arena; nothing is freed here. Errors go to the build's report,
 * and all of them do; want of memory sets build->failed. Values of WEIR_UPSTREAM are looked up in
 * generation->upstreams by name, so those must stand there, with name and section, before the first call.
 * Main thread.
 */
#ifndef WEIR_SERVER_OPTION_H
#define WEIR_SERVER_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <weir/option.h>

struct config_section;

struct option_owner {
	const char *module;			/* NULL: the core */
	const struct weir_option *options;	/* ends with a NULL name; NULL: none */
	size_t size;				/* of the settings struct */
	struct config_section *section;		/* [module NAME]; NULL for the core */
	const void *defaults;			/* what holds where a section sets nothing; NULL: size is 0 */
	bool enabled;				/* where a section does not say NAME.enable */
};

/* Fill owner->defaults from `initial` and the owner's section, and owner->enabled from its `enable`. False
 * without memory; errors in values are only reported. */
bool option_defaults(struct weir_build *, struct option_owner *);

/*
 * The settings of this owner in this section, NULL when its size is 0 or without memory. *own tells whether
 * the section sets anything: if not, the result is owner->defaults. While a line is parsed, build->file and
 * line are its own; afterwards they are the section's, ready for the module's `check`. The caller sets
 * build->module and slot.
 *
 * Required: the core's options and bare ones in every section of their kinds. A module's other ones where the
 * section sets anything of the module, unless [module NAME] has them. [module NAME] itself must have those
 * that can stand nowhere else, and all as soon as it has one: with optional keys alone it holds defaults for
 * sections that set the rest.
 */
const void *option_parse(struct weir_build *, const struct option_owner *, struct config_section *,
	bool *own);

/* The same into a struct of the caller's, for the core's own; `section` NULL: the defaults. True when the
 * section sets something. */
bool option_fill(struct weir_build *, const struct option_owner *, struct config_section *, void *settings);

/* Has every required option that may stand in this section or in the [module] section a value in one of the
 * two? Where not, the module has nothing to do there and its hooks are left out. */
bool option_complete(const struct option_owner *, const struct config_section *);

/* Is the module switched on there: NAME.enable of a [route] or [listen] section, else `enable` in [module
 * NAME], else yes. */
bool option_enabled(struct weir_build *, const struct option_owner *, struct config_section *);

/* Report bare keys with two owners in sections of this kind, at the [module] section of the later one. */
void option_check_owners(struct weir_build *, const struct option_owner *, size_t count, const char *kind);

/* Report the section's unused lines, and an empty section that makes no sense. `owners` are all whose keys
 * could stand there: the core's for its kind, and every module's. */
void option_check_section(struct weir_build *, const struct option_owner *, size_t count,
	struct config_section *);

/* `weir -m NAME`: what may be set, for a reader; the same for a manual page in roff, and as a sample
 * section. */
void option_print_doc(FILE *, const struct option_owner *, const char *kind);
void option_print_man(FILE *, const struct option_owner *, const char *kind);
void option_print_ini(FILE *, const struct option_owner *, const char *kind);

/* `weir -T`: every key of this owner that may stand in the section with its effective value and origin, as
 * INI. The section's header line is printed by the caller. `section` NULL: a [weir] that is not there.
 * `folder` is the configuration's. */
void option_print_values(FILE *, const struct option_owner *, const struct config_section *,
	const char *folder);

#endif
