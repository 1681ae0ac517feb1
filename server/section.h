/* SPDX-License-Identifier: Apache-2.0 */
/*
 * section: from the [upstream], [route] and [listen] sections to their structs in a generation.
 *
 * Each gets the core's settings, the modules' settings by slot and (not upstreams) its chain. A section that
 * sets nothing of any module shares the defaults, and one that sets nothing that hooks look at shares its chain with
 * the others like it: 100,000 plain routes cost one chain.
 */
#ifndef WEIR_SERVER_SECTION_H
#define WEIR_SERVER_SECTION_H

#include "generation.h"
#include "option.h"

/*
 * A build's owners of options: the core's for the kind of section at hand, then the modules' by slot.
 * `errors` is how many the report had before sections were understood: while it has no more, settings can be
 * relied on.
 */
struct sections {
	struct weir_build *build;
	struct option_owner *owners;	/* owners[0] is the core's; owners[1 + slot] a module's */
	unsigned errors;
};

/* Nothing was wrong so far with what settings, and so modules, rely on. */
bool section_sound(const struct sections *);

/* Make the structs of all upstreams with name, section and index, so that references to them can be
 * resolved. */
bool section_name_upstreams(struct sections *);

/* Fill them; make and fill those of routes and listeners. False without memory; what is wrong is reported. */
bool section_fill_upstreams(struct sections *);
bool section_fill_routes(struct sections *);
bool section_fill_listens(struct sections *);
bool section_fill_certificates(struct sections *);	/* before the listeners */

/* Fill a struct of the core's own from a section, NULL: from the defaults. */
bool section_fill_core(
	struct sections *, const struct weir_option *, size_t size, struct config_section *, void *settings);

/* Report what no one has used in the sections of a kind. */
void section_check_unused(struct sections *, const char *kind, const struct weir_option *);

#endif
