/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chain: which hooks run for a section, laid out flat.
 *
 * A module is asked by its `needed` once a phase and section; the answers are kept, so that counting and
 * filling agree.
 */
#include "chain.h"
#include "config.h"
#include "loader.h"
#include "option.h"

#include <assert.h>

const char *
chain_phase_name(enum weir_phase phase)
{
	static const char *const names[WEIR_PHASES] = {
		"accept", "handshake", "request", "route", "access", "cache", "peer", "connected", "failed",
		"upstream_request", "request_body", "upstream_response", "store", "response", "response_body",
		"error", "log",
	};

	return names[phase];
}

/* The hook without its settings; false when the module has none there. */
static bool
take_hook(const struct weir_module *contract, enum weir_phase phase, struct hook *hook)
{
	switch (phase) {
	case WEIR_PHASE_ACCEPT:
		hook->connection = contract->accept;
		return contract->accept != NULL;
	case WEIR_PHASE_HANDSHAKE:
		hook->connection = contract->handshake;
		return contract->handshake != NULL;
	case WEIR_PHASE_REQUEST_BODY:
		hook->chunk = contract->request_body;
		return contract->request_body != NULL;
	case WEIR_PHASE_RESPONSE_BODY:
		hook->chunk = contract->response_body;
		return contract->response_body != NULL;
	default:
		hook->call = contract->hooks[phase];
		return contract->hooks[phase] != NULL;
	}
}

bool
chain_has_hook(const struct weir_module *contract, enum weir_phase phase)
{
	struct hook hook;

	return take_hook(contract, phase, &hook);
}

static bool
is_needed(const struct module *module, const void *settings, enum weir_phase phase)
{
	const struct weir_module *contract = module->contract;

	return chain_has_hook(contract, phase) &&
		(contract->needed == NULL || contract->needed(settings, phase));
}

static void
fill_hook(struct hook *hook, const struct generation *generation, unsigned slot, enum weir_phase phase,
	const void *settings)
{
	const struct module *module = generation->modules[slot];

	take_hook(module->contract, phase, hook);
	hook->settings = settings;
	hook->module = module;
	hook->state = generation->request_states[slot];
	hook->slot = slot;
}

/* What the hooks of this slot are given in a section with these settings. */
static const void *
settings_for(const struct generation *generation, const void *const *settings, unsigned slot)
{
	return generation->modules[slot]->contract->hooks_alike ? generation->module_settings[slot] : settings[slot];
}

bool
chain_build(struct chain *chain, struct generation *generation, const void *const *settings, const bool *used,
	enum weir_phase begin)
{
	bool needed[WEIR_PHASES][LOADER_MODULES_MAX] = { { false } };
	struct hook *hooks;
	unsigned count = 0;

	assert(generation->module_count <= LOADER_MODULES_MAX);
	for (enum weir_phase phase = begin; phase < WEIR_PHASES; phase++) {
		for (unsigned slot = 0; slot < generation->module_count; slot++) {
			needed[phase][slot] =
				used[slot] && is_needed(generation->modules[slot],
					settings_for(generation, settings, slot), phase);
			count += needed[phase][slot];
		}
	}
	if ((hooks = arena_array(&generation->arena, count, sizeof(*hooks))) == NULL)
		return false;
	chain->hooks = hooks;
	count = 0;
	for (enum weir_phase phase = 0; phase < WEIR_PHASES; phase++) {
		chain->first[phase] = (uint16_t)count;
		for (unsigned slot = 0; slot < generation->module_count; slot++) {
			if (needed[phase][slot])
				fill_hook(&hooks[count++], generation, slot, phase,
					settings_for(generation, settings, slot));
		}
	}
	chain->first[WEIR_PHASES] = (uint16_t)count;
	return true;
}

bool
chain_build_errands(struct chain *chain, struct generation *generation, const void *const *settings)
{
	bool used[LOADER_MODULES_MAX] = { false };

	for (unsigned slot = 0; slot < generation->module_count; slot++)
		used[slot] = generation->modules[slot]->contract->leads_errands;
	if (!chain_build(chain, generation, settings, used, WEIR_PHASE_PEER))
		return false;
	for (enum weir_phase phase = WEIR_PHASE_PEER + 1; phase <= WEIR_PHASES; phase++)
		chain->first[phase] = chain->first[WEIR_PHASE_PEER + 1];
	return true;
}

void
chain_print(FILE *to, const struct chain *chain, const struct generation *generation,
	const struct config_section *section)
{
	const struct config_section *origin;
	const struct option_owner *owner;
	const struct hook *hook;

	for (enum weir_phase phase = 0; phase < WEIR_PHASES; phase++) {
		for (unsigned i = chain->first[phase]; i < chain->first[phase + 1]; i++) {
			hook = &chain->hooks[i];
			owner = &generation->owners[hook->slot];
			origin = hook->settings == owner->defaults ? owner->section : section;
			fprintf(to, "  %-17s  %-15s  [%s %s] %s:%u\n", chain_phase_name(phase),
				hook->module->name, origin->kind, origin->name, origin->file, origin->line);
		}
	}
}
