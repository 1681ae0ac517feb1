/* SPDX-License-Identifier: Apache-2.0 */
/*
 * option: tables of options against sections of the configuration.
 *
 * The table is walked, not the section: an option finds its lines among the section's entries and marks them
 * used, so what nobody wanted shows in the end. Sections are short and tables too; 100,000 routes times ten
 * modules stay within a second.
 */
#include "option.h"
#include "option_key.h"
#include "arena.h"
#include "config.h"
#include "generation.h"
#include "report.h"
#include "value.h"

#include <assert.h>
#include <string.h>

static void *
take(struct weir_build *build, size_t count, size_t size)
{
	void *room = arena_array(&build->generation->arena, count, size);

	if (room == NULL && !build->failed) {
		build->failed = true;
		report_error(build->report, build->file, build->line, "no memory for the settings");
	}
	return room;
}

static void
point_at(struct weir_build *build, const char *file, unsigned line)
{
	build->file = file;
	build->line = line;
}

static struct weir_list *
list_at(char *settings, const struct weir_option *option)
{
	return (struct weir_list *)(void *)(settings + option->offset);
}

static void
warn_deprecated(struct weir_build *build, const struct weir_option *option, const struct config_entry *entry)
{
	if (option->deprecated != NULL)
		report_warning(build->report, entry->file, entry->line,
			"`%s` is deprecated, use %s", entry->key, option->deprecated);
}

static void
parse_single(struct weir_build *build, const struct option_owner *owner, const struct weir_option *option,
	unsigned kind, struct config_entry *entry, void *to)
{
	struct config_entry *again = entry;

	while ((again = option_next(again->next, owner, option, kind)) != NULL) {
		again->used = true;
		report_error(build->report, again->file, again->line, "duplicate key `%s`, first at %s:%u",
			again->key, entry->file, entry->line);
	}
	entry->used = true;
	warn_deprecated(build, option, entry);
	point_at(build, entry->file, entry->line);
	memset(to, 0, value_size(option));
	value_parse(build, option, entry->key, entry->value, to);
}

static void
parse_list(struct weir_build *build, const struct option_owner *owner, const struct weir_option *option,
	unsigned kind, struct config_entry *entry, struct weir_list *list)
{
	struct config_entry *at;
	size_t count = 0;
	char *item;

	for (at = entry; at != NULL; at = option_next(at->next, owner, option, kind), count++)
		at->used = true;
	*list = (struct weir_list){ .items = NULL };
	if ((item = take(build, count, value_size(option))) == NULL)
		return;
	list->items = item;
	list->count = count;
	warn_deprecated(build, option, entry);
	for (at = entry; at != NULL; at = option_next(at->next, owner, option, kind)) {
		point_at(build, at->file, at->line);
		value_parse(build, option, at->key, at->value, item);
		item += value_size(option);
	}
}

static void
parse_initial(struct weir_build *build, const struct weir_option *option, char *settings)
{
	struct weir_list *list;

	if (!option->repeat) {
		value_parse(build, option, option->name, option->initial, settings + option->offset);
		return;
	}
	list = list_at(settings, option);
	if ((list->items = take(build, 1, value_size(option))) == NULL)
		return;
	list->count = 1;
	value_parse(build, option, option->name, option->initial, list->items);
}

/* Has the option a value in its module's own section, or by itself? */
static bool
has_default(const struct option_owner *owner, const struct weir_option *option)
{
	if (option->initial != NULL)
		return true;
	return owner->section != NULL && option_may_stand(owner, option, WEIR_IN_MODULE) &&
		option_next(owner->section->entries, owner, option, WEIR_IN_MODULE) != NULL;
}

static bool
is_set(const struct option_owner *owner, const struct weir_option *option,
	const struct config_section *section, unsigned kind)
{
	return option_may_stand(owner, option, kind) &&
		option_next(section->entries, owner, option, kind) != NULL;
}

/* Is the option asked for in this section, given what else is there? */
static bool
is_wanted(const struct option_owner *owner, const struct weir_option *option, unsigned kind, bool any,
	bool any_required)
{
	if (owner->module == NULL)
		return true;
	if (kind == WEIR_IN_MODULE)
		return any_required || option_places(option) == WEIR_IN_MODULE;
	return option->bare || any;
}

static void
check_required(struct weir_build *build, const struct option_owner *owner,
	const struct config_section *section, bool any)
{
	unsigned kind = option_kind(section->kind);
	bool any_required = false;
	const struct weir_option *option;
	char key[OPTION_KEY_ROOM];

	for (option = owner->options; any && option->name != NULL; option++)
		any_required |= option->required && is_set(owner, option, section, kind);
	for (option = owner->options; option->name != NULL; option++) {
		if (!option->required || !option_may_stand(owner, option, kind) ||
		    !is_wanted(owner, option, kind, any, any_required) ||
		    is_set(owner, option, section, kind) || has_default(owner, option))
			continue;
		report_error(build->report, section->file, section->line, "[%s%s%s] needs `%s`",
			section->kind, *section->name != '\0' ? " " : "", section->name,
			option_key(owner, option, kind, key));
	}
}

static bool
parse_section(struct weir_build *build, const struct option_owner *owner, struct config_section *section,
	char *settings)
{
	unsigned kind = option_kind(section->kind);
	const struct weir_option *option;
	struct config_entry *entry;
	bool any = false;

	if (owner->options == NULL)
		return false;
	for (option = owner->options; option->name != NULL; option++) {
		if (!option_may_stand(owner, option, kind) ||
		    (entry = option_next(section->entries, owner, option, kind)) == NULL)
			continue;
		any = true;
		if (option->repeat)
			parse_list(build, owner, option, kind, entry, list_at(settings, option));
		else
			parse_single(build, owner, option, kind, entry, settings + option->offset);
	}
	point_at(build, section->file, section->line);
	check_required(build, owner, section, any);
	return any;
}

bool
option_defaults(struct weir_build *build, struct option_owner *owner)
{
	const struct weir_option *option = owner->options;
	struct config_entry *entry;
	char *settings = NULL;

	if (owner->section != NULL)
		point_at(build, owner->section->file, owner->section->line);
	if (owner->size > 0 && (settings = take(build, 1, owner->size)) == NULL)
		return false;
	owner->defaults = settings;
	for (; option != NULL && option->name != NULL; option++)
		if (option->initial != NULL)
			parse_initial(build, option, settings);
	owner->enabled = true;
	if (owner->section == NULL)
		return true;
	if ((entry = option_next(owner->section->entries, owner, &option_enable, WEIR_IN_MODULE)) != NULL)
		parse_single(build, owner, &option_enable, WEIR_IN_MODULE, entry, &owner->enabled);
	parse_section(build, owner, owner->section, settings);
	return true;
}

bool
option_fill(struct weir_build *build, const struct option_owner *owner, struct config_section *section,
	void *settings)
{
	assert(owner->defaults != NULL || owner->size == 0);
	if (owner->size > 0)
		memcpy(settings, owner->defaults, owner->size);
	return section != NULL && parse_section(build, owner, section, settings);
}

/* Does any line of the section belong to this owner? */
static bool
concerns(const struct option_owner *owner, const struct config_section *section)
{
	const struct weir_option *option = owner->options;
	unsigned kind = option_kind(section->kind);

	for (; option != NULL && option->name != NULL; option++)
		if (is_set(owner, option, section, kind))
			return true;
	return false;
}

const void *
option_parse(struct weir_build *build, const struct option_owner *owner, struct config_section *section,
	bool *own)
{
	void *settings;

	point_at(build, section->file, section->line);
	*own = concerns(owner, section);
	if (!*own) {
		if (owner->options != NULL)
			check_required(build, owner, section, false);
		return owner->defaults;
	}
	/* A table without a struct can only be a mistake of its module, but must not be written through. */
	if (owner->size == 0 || (settings = take(build, 1, owner->size)) == NULL)
		return NULL;
	option_fill(build, owner, section, settings);
	return settings;
}

bool
option_complete(const struct option_owner *owner, const struct config_section *section)
{
	const struct weir_option *option = owner->options;
	unsigned kind = option_kind(section->kind);

	for (; option != NULL && option->name != NULL; option++)
		if (option->required && (option_may_stand(owner, option, kind) ||
		    option_may_stand(owner, option, WEIR_IN_MODULE)) &&
		    !is_set(owner, option, section, kind) && !has_default(owner, option))
			return false;
	return true;
}

bool
option_enabled(struct weir_build *build, const struct option_owner *owner, struct config_section *section)
{
	unsigned kind = option_kind(section->kind);
	struct config_entry *entry = option_next(section->entries, owner, &option_enable, kind);
	bool enabled = owner->enabled;

	assert(option_may_enable(owner, kind));
	if (entry != NULL)
		parse_single(build, owner, &option_enable, kind, entry, &enabled);
	point_at(build, section->file, section->line);
	return enabled;
}
