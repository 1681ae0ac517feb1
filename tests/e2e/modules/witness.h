/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A module that only notes where it is called, in all phases. Those that are made of it differ in NAME and in their order.
 */
#ifndef WEIR_TESTS_WITNESS_H
#define WEIR_TESTS_WITNESS_H

#include "note.h"

struct settings {
	const char *file;
};

static const struct weir_option options[] = {
	{ "file", WEIR_PATH, offsetof(struct settings, file), .doc = "Where to note." },
	{ .name = NULL }
};

static enum weir_verdict
on_phase(struct weir_exchange *x, const void *settings, const void *state, const char *phase)
{
	const struct settings *set = settings;

	note(set->file, "%s %s %s%s", id_of(x), NAME, phase, state != NULL ? " with a state" : "");
	return WEIR_NEXT;
}

EACH_PHASE(DEFINE_HOOK)

#define WITNESS \
	WEIR_ABI, \
	.summary = "Notes where it is called.", \
	.options = options, \
	.settings_size = sizeof(struct settings), \
	.hooks = { EACH_PHASE(NAME_HOOK) }

#endif
