/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chain: which hooks run for a section, laid out flat.
 *
 * A route's chain begins with the phase `route`, a listener's with `accept`: it holds until a route is
 * chosen, and to the end where none is. What a section does not use is not in its chain and costs nothing.
 */
#ifndef WEIR_SERVER_CHAIN_H
#define WEIR_SERVER_CHAIN_H

#include <stdio.h>

#include "generation.h"

/* The name of a phase as modules and operators write it. */
const char *chain_phase_name(enum weir_phase);

/* Does the module have a hook in this phase? */
bool chain_has_hook(const struct weir_module *, enum weir_phase);

/* Lay out the hooks of the modules with used[slot], from the phase `begin` on. The generation has its
 * modules, settings by slot and places of request states. False without memory. */
bool chain_build(struct chain *, struct generation *, const void *const *settings, const bool *used,
	enum weir_phase begin);

/* The same of those modules whose hooks of the phase peer run for errands to a named server, and no other phase. */
bool chain_build_errands(struct chain *, struct generation *, const void *const *settings);

/* A line a hook: phase, module, and the section that its settings come from with file and line. */
void chain_print(FILE *, const struct chain *, const struct generation *, const struct config_section *);

#endif
