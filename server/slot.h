/* SPDX-License-Identifier: Apache-2.0 */
/*
 * slot: the modules of a generation, each at its place in the order of hooks.
 */
#ifndef WEIR_SERVER_SLOT_H
#define WEIR_SERVER_SLOT_H

#include "section.h"

struct modules;

/* Load the modules of the [module] sections and put them in order, with the places of their request states.
 * *missing tells that some could not be loaded. False without memory; what is wrong is reported. */
bool slot_load(struct sections *, struct modules *, bool *missing);

/* Make the owners of options for them, and fill and check the defaults. Upstreams must have their names
 * already. */
bool slot_prepare(struct sections *);

#endif
