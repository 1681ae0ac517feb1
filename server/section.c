/* SPDX-License-Identifier: Apache-2.0 */
/*
 * section: from the [upstream], [route] and [listen] sections to their structs in a generation.
 *
 * A module's `check` and `needed` see settings only while nothing is wrong with them: a module must not have
 * to fear a required option that is missing.
 */
#include "section.h"
#include "chain.h"
#include "config.h"
#include "courtesy.h"
#include "loader.h"
#include "option_claims.h"
#include "report.h"

#include <string.h>

/* The sections of one kind, one after another. */
struct walk {
	struct sections *sections;
	struct config_section *at;
	const char *kind;
	bool used[LOADER_MODULES_MAX];		/* by slot: the section at hand has the module's hooks */
	bool is_plain;				/* it sets nothing that hooks look at */

	/* The last chain of such a section, and what it was made for. */
	bool plain_used[LOADER_MODULES_MAX];
	const struct chain *plain;

	struct option_claims claims;
	enum { IDLE_UNKNOWN, IDLE_UNUSED, IDLE_USED } idle[LOADER_MODULES_MAX];	/* by slot: what a section without its keys has */
};

bool
section_sound(const struct sections *sections)
{
	return sections->build->report->errors == sections->errors && !sections->build->failed;
}

static bool
next_section(struct walk *walk)
{
	walk->at = walk->at != NULL ? walk->at->next_of_kind :
		config_find(walk->sections->build->generation->config, walk->kind, NULL);
	courtesy_step();
	return walk->at != NULL;
}

static size_t
count_kind(const struct sections *sections, const char *kind)
{
	struct walk walk = { .sections = (struct sections *)(uintptr_t)sections, .kind = kind };
	size_t count = 0;

	while (next_section(&walk))
		count++;
	return count;
}

static void *
take(struct sections *sections, size_t count, size_t size)
{
	void *memory = arena_array(&sections->build->generation->arena, count, size);

	if (memory == NULL)
		sections->build->failed = true;
	return memory;
}

/* --- the core's options --------------------------------------------------------------------------------- */

/* The core's table for a kind of section becomes owners[0], with its defaults. */
static bool
own_core(struct sections *sections, const struct weir_option *options, size_t size)
{
	sections->build->module = NULL;
	sections->owners[0] = (struct option_owner){ .options = options, .size = size };
	return option_defaults(sections->build, &sections->owners[0]);
}

bool
section_fill_core(struct sections *sections, const struct weir_option *options, size_t size,
	struct config_section *section, void *settings)
{
	if (!own_core(sections, options, size))
		return false;
	option_fill(sections->build, &sections->owners[0], section, settings);
	return true;
}

void
section_check_unused(struct sections *sections, const char *kind, const struct weir_option *options)
{
	struct walk walk = { .sections = sections, .kind = kind };
	size_t modules = sections->build->generation->module_count;

	sections->owners[0] = (struct option_owner){ .options = options };
	while (next_section(&walk)) {
		if (options != NULL)
			option_check_section(sections->build, sections->owners, modules + 1, walk.at);
		else
			option_check_section(sections->build, sections->owners + 1, modules, walk.at);
	}
}

/* --- the modules' options and hooks --------------------------------------------------------------------- */

/* Who owns which key in sections of the kind. */
static bool
look_at_owners(struct walk *walk)
{
	struct generation *generation = walk->sections->build->generation;
	size_t count = generation->module_count + 1;

	option_check_owners(walk->sections->build, walk->sections->owners, count, walk->kind);
	return option_claims_build(&walk->claims, &generation->arena, walk->sections->owners, count, walk->kind);
}

/* The settings of one module for the section; whether they are its own and not the defaults. */
static bool
parse_module(struct walk *walk, unsigned slot, const void **settings)
{
	struct weir_build *build = walk->sections->build;
	const struct option_owner *owner = &walk->sections->owners[1 + slot];
	const struct module *module = build->generation->modules[slot];
	unsigned errors = build->report->errors;
	bool own;

	build->module = module;
	build->slot = slot;
	*settings = option_parse(build, owner, walk->at, &own);
	if (own && module->contract->check != NULL && *settings != NULL && build->report->errors == errors)
		module->contract->check(build, (void *)(uintptr_t)*settings);
	if (strcmp(walk->kind, "upstream") != 0 && strcmp(walk->kind, "certificate") != 0)
		walk->used[slot] = option_enabled(build, owner, walk->at) && option_complete(owner, walk->at);
	build->module = NULL;
	return own;
}

/* The same for a section without any key of the module: what became of the last one becomes of all, and only what is wrong
 * is said for each. */
static void
parse_idle(struct walk *walk, unsigned slot, const void **settings)
{
	unsigned errors = walk->sections->build->report->errors;

	if (walk->idle[slot] != IDLE_UNKNOWN) {
		*settings = walk->sections->owners[1 + slot].defaults;
		walk->used[slot] = walk->idle[slot] == IDLE_USED;
		return;
	}
	parse_module(walk, slot, settings);
	if (walk->sections->build->report->errors == errors)
		walk->idle[slot] = walk->used[slot] ? IDLE_USED : IDLE_UNUSED;
}

/* The settings of all modules by slot: an array of the section's own, or the generation's where it sets
 * nothing. */
static const void **
parse_modules(struct walk *walk)
{
	struct generation *generation = walk->sections->build->generation;
	const void *settings[LOADER_MODULES_MAX], **copy;
	size_t size = generation->module_count * sizeof(*settings);
	bool any = false, own, concerned[1 + LOADER_MODULES_MAX];

	walk->is_plain = true;
	memset(concerned, 0, 1 + generation->module_count);
	option_claims_mark(&walk->claims, walk->at, concerned);
	for (unsigned slot = 0; slot < generation->module_count; slot++) {
		if (!concerned[1 + slot]) {
			parse_idle(walk, slot, &settings[slot]);
			continue;
		}
		own = parse_module(walk, slot, &settings[slot]);
		any |= own;
		walk->is_plain &= !own || generation->modules[slot]->contract->hooks_alike;
	}
	if (!any)
		return generation->module_settings;
	if ((copy = take(walk->sections, generation->module_count, sizeof(*copy))) != NULL)
		memcpy(copy, settings, size);
	return copy;
}

/* Of the section at hand, shared by those that are alike. NULL where something is wrong, which is reported, or the settings
 * are not sound. */
static const struct chain *
lay_chain(struct walk *walk, const void **settings, enum weir_phase begin)
{
	struct generation *generation = walk->sections->build->generation;
	size_t size = generation->module_count * sizeof(*walk->used);
	struct chain *chain;

	if (!section_sound(walk->sections))
		return NULL;
	if (walk->is_plain && walk->plain != NULL && memcmp(walk->used, walk->plain_used, size) == 0)
		return walk->plain;
	if ((chain = take(walk->sections, 1, sizeof(*chain))) == NULL)
		return NULL;
	if (!chain_build(chain, generation, settings, walk->used, begin)) {
		walk->sections->build->failed = true;
		return NULL;
	}
	generation->hook_count += chain->first[WEIR_PHASES];
	if (walk->is_plain) {
		memcpy(walk->plain_used, walk->used, size);
		walk->plain = chain;
	}
	return chain;
}

/* --- upstreams ------------------------------------------------------------------------------------------ */

bool
section_name_upstreams(struct sections *sections)
{
	struct generation *generation = sections->build->generation;
	size_t count = count_kind(sections, "upstream");
	struct weir_upstream *upstreams = take(sections, count, sizeof(*upstreams));
	struct walk walk = { .sections = sections, .kind = "upstream" };

	generation->upstreams = take(sections, count, sizeof(struct weir_upstream *));
	if (upstreams == NULL || generation->upstreams == NULL)
		return false;
	for (unsigned i = 0; next_section(&walk); i++) {
		upstreams[i] =
			(struct weir_upstream){ .name = walk.at->name, .section = walk.at, .index = i };
		generation->upstreams[i] = &upstreams[i];
	}
	generation->upstream_count = count;
	return true;
}

static bool
fill_servers(struct sections *sections, struct weir_upstream *upstream)
{
	const struct server_line *lines = upstream->settings.server.items;
	size_t count = upstream->settings.server.count;

	if ((upstream->servers = take(sections, count, sizeof(*upstream->servers))) == NULL)
		return false;
	for (size_t i = 0; i < count; i++)
		upstream->servers[i] = (struct weir_server){
			.upstream = upstream,
			.name = lines[i].name,
			.address = lines[i].address,
			.index = (unsigned)i,
			.weight = (unsigned)lines[i].weight,
			.backup = lines[i].backup,
		};
	upstream->server_count = count;
	return true;
}

/* The upstream of peers that a module names by itself: every setting at its default. */
static bool
fill_direct(struct sections *sections)
{
	struct generation *generation = sections->build->generation;
	struct weir_upstream *direct = take(sections, 1, sizeof(*direct));

	if (direct == NULL)
		return false;
	*direct = (struct weir_upstream){ .name = "direct", .index = (unsigned)generation->upstream_count };
	option_fill(sections->build, &sections->owners[0], NULL, &direct->settings);
	direct->module_settings = generation->module_settings;
	generation->direct = direct;
	return true;
}

bool
section_fill_upstreams(struct sections *sections)
{
	struct walk walk = { .sections = sections, .kind = "upstream" };
	struct weir_upstream *upstream;

	if (!own_core(sections, upstream_options, sizeof(struct upstream_settings)) || !fill_direct(sections))
		return false;
	if (!look_at_owners(&walk))
		return false;
	while (next_section(&walk)) {
		upstream = sections->build->generation->upstreams[walk.at->index];
		option_fill(sections->build, &sections->owners[0], walk.at, &upstream->settings);
		weir_build_at_upstream(sections->build, upstream);
		settings_finish_upstream(sections->build, &upstream->settings);
		if (!fill_servers(sections, upstream) ||
			(upstream->module_settings = parse_modules(&walk)) == NULL)
			return false;
		if (section_sound(sections) && !chain_build_errands(&upstream->errands, sections->build->generation,
				upstream->module_settings))
			return false;
	}
	return true;
}

/* --- routes and listeners ------------------------------------------------------------------------------- */

static bool
fill_route(struct walk *walk, struct weir_route *route, unsigned index)
{
	*route = (struct weir_route){ .name = walk->at->name, .section = walk->at, .index = index };
	option_fill(walk->sections->build, &walk->sections->owners[0], walk->at, &route->settings);
	if ((route->module_settings = parse_modules(walk)) == NULL)
		return false;
	route->chain = lay_chain(walk, route->module_settings, WEIR_PHASE_ROUTE);
	return !walk->sections->build->failed;
}

/* So many, from where a line begins. */
static union route_slot *
take_routes(struct sections *sections, size_t count)
{
	char *memory = take(sections, count + 1, sizeof(union route_slot));

	if (memory == NULL)
		return NULL;
	return (union route_slot *)(void *)(memory + (ROUTE_LINE - (uintptr_t)memory % ROUTE_LINE) % ROUTE_LINE);
}

bool
section_fill_routes(struct sections *sections)
{
	struct generation *generation = sections->build->generation;
	size_t count = count_kind(sections, "route");
	union route_slot *routes = take_routes(sections, count);
	struct walk walk = { .sections = sections, .kind = "route" };

	generation->routes = take(sections, count, sizeof(struct weir_route *));
	if (routes == NULL || generation->routes == NULL ||
		!own_core(sections, route_options, sizeof(struct route_settings)))
		return false;
	if (!look_at_owners(&walk))
		return false;
	for (unsigned i = 0; next_section(&walk); i++) {
		generation->routes[i] = &routes[i].route;
		if (!fill_route(&walk, &routes[i].route, i))
			return false;
	}
	generation->route_count = count;
	return true;
}

static bool
same_address(const struct weir_address *a, const struct weir_address *b)
{
	return a->length > 0 && a->length == b->length && memcmp(&a->socket, &b->socket, a->length) == 0;
}

static void
report_shared_address(struct sections *sections, const struct listen *listen, size_t at,
	const struct listen *other)
{
	report_error(sections->build->report, listen->section->file, listen->section->line,
		"[listen %s] has an address (its number %zu) that [listen %s] at %s:%u has already",
		listen->name, at + 1, other->name, other->section->file, other->section->line);
}

/* Two listeners with one address would share its clients by chance: the kernel allows it, we do not. */
static void
check_address(struct sections *sections, const struct listen *listen, size_t at)
{
	const struct weir_address *addresses = listen->settings.address.items, *others;
	const struct generation *generation = sections->build->generation;

	for (size_t i = 0; i <= listen->index; i++) {
		const struct listen *other = &generation->listens[i];

		others = other->settings.address.items;
		for (size_t j = 0; j < (other == listen ? at : other->settings.address.count); j++) {
			if (same_address(&addresses[at], &others[j]))
				report_shared_address(sections, listen, at, other);
		}
	}
}

static bool
fill_listen(struct walk *walk, struct listen *listen, unsigned index)
{
	const struct chain *chain;

	*listen = (struct listen){ .name = walk->at->name, .section = walk->at, .index = index };
	option_fill(walk->sections->build, &walk->sections->owners[0], walk->at, &listen->settings);
	for (size_t i = 0; i < listen->settings.address.count; i++)
		check_address(walk->sections, listen, i);
	if (listen->settings.tls == LISTEN_TERMINATE && walk->sections->build->generation->certificates.count == 0)
		report_error(walk->sections->build->report, walk->at->file, walk->at->line,
			"[listen %s] has `tls = yes`, but there is no certificate: write a section [certificate NAME] with "
			"the lines `certificate` and `key`", walk->at->name);
	if ((listen->module_settings = parse_modules(walk)) == NULL)
		return false;
	if ((chain = lay_chain(walk, listen->module_settings, WEIR_PHASE_ACCEPT)) != NULL)
		listen->chain = *chain;
	return !walk->sections->build->failed;
}

bool
section_fill_listens(struct sections *sections)
{
	struct generation *generation = sections->build->generation;
	size_t count = count_kind(sections, "listen");
	struct walk walk = { .sections = sections, .kind = "listen" };

	if ((generation->listens = take(sections, count, sizeof(*generation->listens))) == NULL ||
	    !own_core(sections, listen_options, sizeof(struct listen_settings)))
		return false;
	if (!look_at_owners(&walk))
		return false;
	for (unsigned i = 0; next_section(&walk); i++) {
		if (!fill_listen(&walk, &generation->listens[i], i))
			return false;
	}
	generation->listen_count = count;
	return true;
}

/* --- certificates ---------------------------------------------------------------------------------------- */

bool
section_fill_certificates(struct sections *sections)
{
	struct certificates *all = &sections->build->generation->certificates;
	struct walk walk = { .sections = sections, .kind = "certificate" };

	all->count = count_kind(sections, walk.kind);
	if ((all->list = take(sections, all->count, sizeof(*all->list))) == NULL ||
	    !own_core(sections, certificate_options, sizeof(struct certificate_settings)))
		return false;
	if (!look_at_owners(&walk))
		return false;
	for (unsigned i = 0; next_section(&walk); i++) {
		struct certificate *c = &all->list[i];

		*c = (struct certificate){ .name = walk.at->name, .section = walk.at, .index = i };
		option_fill(sections->build, &sections->owners[0], walk.at, &c->settings);
		if ((c->module_settings = parse_modules(&walk)) == NULL)
			return false;
	}
	return certificates_prepare(sections->build);
}
