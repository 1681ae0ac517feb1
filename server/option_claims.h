/* SPDX-License-Identifier: Apache-2.0 */
/*
 * option_claims: whose options the lines of a section are, by their keys.
 *
 * Most sections set something of one or two modules. Asking each option of each module for its line in each of 100,000 routes
 * would be most of a build; a look at the section's own keys tells which modules it does not concern.
 */
#ifndef WEIR_SERVER_OPTION_CLAIMS_H
#define WEIR_SERVER_OPTION_CLAIMS_H

#include <stdbool.h>
#include <stddef.h>

struct arena;
struct config_section;
struct option_owner;

struct option_claim {
	const char *key;		/* NULL: the slot is empty */
	size_t owner;			/* which of the owners */
};

/* The keys of all owners in sections of one kind, by hash; two owners of one key have a slot each. */
struct option_claims {
	struct option_claim *slots;
	size_t mask;
};

/* Of so many owners; texts and slots are taken from the arena. False without memory. */
bool option_claims_build(struct option_claims *, struct arena *, const struct option_owner *, size_t count, const char *kind);

/* Set concerned[i] where a line of the section has a key of owner i, or one that owner i has elsewhere. */
void option_claims_mark(const struct option_claims *, const struct config_section *, bool *concerned);

#endif
