/* SPDX-License-Identifier: Apache-2.0 */
/*
 * slot: the modules of a generation, each at its place in the order of hooks.
 *
 * The place is what everything by module is indexed with: settings, states, owners of options.
 */
#include "slot.h"
#include "config.h"
#include "loader.h"
#include "order.h"
#include "report.h"
#include "template.h"

#include <assert.h>
#include <string.h>

/* States of requests begin at multiples of this. */
#define STATE_ALIGNMENT 16

static void *
take(struct sections *sections, size_t count, size_t size)
{
	void *memory = arena_array(&sections->build->generation->arena, count, size);

	if (memory == NULL)
		sections->build->failed = true;
	return memory;
}

/* The next [module NAME] behind this one; NULL begins. */
static struct config_section *
next_module(const struct config *config, struct config_section *section)
{
	return section != NULL ? section->next_of_kind : config_find(config, "module", NULL);
}

static bool
load_modules(struct sections *sections, struct modules *loaded, bool *missing)
{
	struct generation *generation = sections->build->generation;
	struct config_section *section = NULL;
	struct module *module;
	size_t count = 0;

	while ((section = next_module(generation->config, section)) != NULL)
		count++;
	if ((generation->modules = take(sections, count, sizeof(struct module *))) == NULL)
		return false;
	while ((section = next_module(generation->config, section)) != NULL) {
		module = loader_load(loaded, section->name, &generation->settings.module_path,
			section->file, section->line, sections->build->report);
		if (module != NULL)
			generation->modules[generation->module_count++] = module;
		else
			*missing = true;
	}
	return true;
}

/* The operator's `order` lines, in the order of the file; their number is that of the list in [weir]. */
static size_t
collect_order(const struct generation *generation, struct order_line *lines)
{
	const char *const *texts = generation->settings.order.items;
	const struct config_section *section = config_find(generation->config, "weir", NULL);
	const struct config_entry *entry = section != NULL ? section->entries : NULL;
	size_t count = 0;

	for (; entry != NULL && count < generation->settings.order.count; entry = entry->next) {
		if (strcmp(entry->key, "order") == 0 && texts[count] != NULL) {
			lines[count] = (struct order_line){ texts[count], entry->file, entry->line };
			count++;
		}
	}
	return count;
}

static bool
order_slots(struct sections *sections, bool missing)
{
	struct generation *generation = sections->build->generation;
	struct order_line *lines = take(sections, generation->settings.order.count, sizeof(*lines));
	size_t count;

	if (lines == NULL)
		return false;
	/* Lines that name a module which failed to load would be reported as well, to no use. */
	count = missing ? 0 : collect_order(generation, lines);
	order_modules(generation->modules, generation->module_count, lines, count, sections->build->report);
	return true;
}

static bool
lay_out_states(struct sections *sections)
{
	struct generation *generation = sections->build->generation;
	uint32_t *places = take(sections, generation->module_count, sizeof(*places));

	if (places == NULL)
		return false;
	for (size_t slot = 0; slot < generation->module_count; slot++) {
		size_t size = generation->modules[slot]->contract->request_size;

		places[slot] = size == 0 ? HOOK_STATELESS : (uint32_t)generation->request_size;
		generation->request_size += (size + STATE_ALIGNMENT - 1) & ~(size_t)(STATE_ALIGNMENT - 1);
	}
	generation->request_states = places;
	return true;
}

bool
slot_load(struct sections *sections, struct modules *loaded, bool *missing)
{
	return load_modules(sections, loaded, missing) && order_slots(sections, *missing) &&
		lay_out_states(sections);
}

/* Who has this variable, before the module in this slot? NULL: nobody. */
static const char *
find_variable(const struct generation *generation, size_t slot, const char *name)
{
	const struct weir_variable *own;

	for (const struct variable *v = variables; v->name != NULL; v++) {
		if (strcmp(v->name, name) == 0)
			return "Weir itself";
	}
	for (size_t i = 0; i < slot; i++) {
		own = generation->modules[i]->contract->variables;
		for (; own != NULL && own->name != NULL; own++) {
			if (strcmp(own->name, name) == 0)
				return generation->modules[i]->name;
		}
	}
	return NULL;
}

static void
check_variables(struct sections *sections, size_t slot, const struct config_section *section)
{
	const struct module *module = sections->build->generation->modules[slot];
	const struct weir_variable *own = module->contract->variables;
	const char *other;

	for (; own != NULL && own->name != NULL; own++) {
		if ((other = find_variable(sections->build->generation, slot, own->name)) != NULL)
			report_error(sections->build->report, section->file, section->line,
				"module %s has a variable ${%s}, and so has %s: "
				"only one of the two can be loaded",
				module->name, own->name, other);
	}
}

static bool
fill_defaults(struct sections *sections, unsigned slot)
{
	struct generation *generation = sections->build->generation;
	const struct module *module = generation->modules[slot];
	const struct weir_module *contract = module->contract;
	struct option_owner *owner = &sections->owners[1 + slot];
	unsigned errors = sections->build->report->errors;

	*owner = (struct option_owner){
		.module = module->name,
		.options = contract->options,
		.size = contract->settings_size,
		.section = config_find(generation->config, "module", module->name),
	};
	assert(owner->section != NULL);
	check_variables(sections, slot, owner->section);
	sections->build->module = module;
	sections->build->slot = slot;
	if (!option_defaults(sections->build, owner))
		return false;
	generation->module_settings[slot] = owner->defaults;
	sections->build->file = owner->section->file;
	sections->build->line = owner->section->line;
	if (contract->check != NULL && owner->defaults != NULL && sections->build->report->errors == errors &&
	    option_complete(owner, owner->section))
		contract->check(sections->build, (void *)(uintptr_t)owner->defaults);
	return true;
}

bool
slot_prepare(struct sections *sections)
{
	struct generation *generation = sections->build->generation;
	size_t count = generation->module_count;

	if ((sections->owners = take(sections, count + 1, sizeof(*sections->owners))) == NULL ||
	    (generation->module_settings = take(sections, count, sizeof(void *))) == NULL ||
	    (generation->module_states = take(sections, count, sizeof(void *))) == NULL)
		return false;
	generation->owners = sections->owners + 1;
	for (unsigned slot = 0; slot < count; slot++) {
		if (!fill_defaults(sections, slot))
			return false;
	}
	sections->build->module = NULL;
	return true;
}
