/* SPDX-License-Identifier: Apache-2.0 */
/*
 * option_check: keys that nobody owns, and keys that two own.
 *
 * By now every owner has marked its lines as used. For the rest we look what the operator may have meant: a
 * key that exists but not in this kind of section, a module that is not loaded, a slip of the fingers.
 */
#include "option_key.h"
#include "arena.h"
#include "config.h"
#include "generation.h"
#include "report.h"

#include <string.h>

/* A search for what an unused line may have meant. */
struct search {
	struct weir_build *build;
	const struct option_owner *owners;
	size_t count;
	const struct config_section *section;
	const struct config_entry *entry;
	unsigned kind;
};

/* Is this an owner whose keys could stand in the section? In [module NAME] only that module's can. */
static bool
has_part(const struct option_owner *owner, const struct config_section *section, unsigned kind)
{
	if (owner->options == NULL && owner->module == NULL)
		return false;
	return kind != WEIR_IN_MODULE || (owner->module != NULL && strcmp(owner->module, section->name) == 0);
}

/* "[module cache], [route]": where an option may stand. */
static const char *
list_places(struct arena *arena, const struct option_owner *owner, const struct weir_option *option)
{
	static const char *const names[] = { "module", "route", "upstream", "listen", "certificate" };
	const char *all = "";

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]) && all != NULL; i++) {
		if ((option_places(option) & 1u << i) != 0)
			all = arena_printf(arena, "%s%s[%s %s]", all, *all != '\0' ? " or " : "", names[i],
				i == 0 ? owner->module : "NAME");
	}
	return all != NULL ? all : "";
}

/* The key belongs to a module, but not here. */
static bool
is_misplaced(const struct search *search, struct arena *arena)
{
	const struct weir_option *option;
	const struct option_owner *owner;

	for (size_t i = 0; i < search->count; i++) {
		owner = &search->owners[i];
		option = owner->module != NULL ? owner->options : NULL;
		for (; option != NULL && option->name != NULL; option++) {
			if (option_may_stand(owner, option, search->kind) ||
			    !has_part(owner, search->section, search->kind) ||
			    !option_has_key(owner, option, search->kind, search->entry->key))
				continue;
			report_error(search->build->report, search->entry->file, search->entry->line,
				"`%s` may stand only in %s", search->entry->key,
				list_places(arena, owner, option));
			return true;
		}
	}
	return false;
}

/* The key is NAME.something, and there is no module NAME. */
static bool
is_of_absent_module(const struct search *search, char name[OPTION_KEY_ROOM])
{
	const char *dot = strchr(search->entry->key, '.');
	size_t length = dot != NULL ? (size_t)(dot - search->entry->key) : 0;

	if (length == 0 || length >= OPTION_KEY_ROOM || search->kind == WEIR_IN_MODULE)
		return false;
	memcpy(name, search->entry->key, length);
	name[length] = '\0';
	for (size_t i = 0; i < search->count; i++)
		if (search->owners[i].module != NULL && strcmp(search->owners[i].module, name) == 0)
			return false;
	return true;
}

static size_t
count_options(const struct search *search)
{
	const struct weir_option *option;
	size_t count = 0;

	for (size_t i = 0; i < search->count; i++, count++)
		for (option = search->owners[i].options; option != NULL && option->name != NULL; option++)
			count++;
	return count;
}

/* Append the key of one option, if that can stand in the section. */
static void
add_key(const struct search *search, struct arena *arena, const struct option_owner *owner,
	const struct weir_option *option, const char **keys, size_t *count)
{
	char text[OPTION_KEY_ROOM];
	const char *key;

	if (!option_may_stand(owner, option, search->kind))
		return;
	key = option_key(owner, option, search->kind, text);
	if ((key = arena_copy(arena, key, strlen(key))) != NULL)
		keys[(*count)++] = key;
}

/* The nearest key of those that could stand there. */
static const char *
nearest_key(const struct search *search, struct arena *arena)
{
	const char **keys = arena_array(arena, count_options(search) + 1, sizeof(*keys));
	const struct weir_option *option;
	size_t count = 0;

	if (keys == NULL)
		return NULL;
	for (size_t i = 0; i < search->count; i++) {
		const struct option_owner *owner = &search->owners[i];

		if (!has_part(owner, search->section, search->kind))
			continue;
		for (option = owner->options; option != NULL && option->name != NULL; option++)
			add_key(search, arena, owner, option, keys, &count);
		if (owner->module != NULL)
			add_key(search, arena, owner, &option_enable, keys, &count);
	}
	return report_nearest(search->entry->key, keys);
}

static void
report_unknown(const struct search *search, struct arena *arena)
{
	const struct config_entry *entry = search->entry;
	struct report *report = search->build->report;
	char module[OPTION_KEY_ROOM];
	const char *nearest;

	if (is_misplaced(search, arena))
		return;
	nearest = nearest_key(search, arena);
	if (is_of_absent_module(search, module)) {
		/* If its section stands there, that the module could not be loaded is known by now. */
		if (config_find(search->build->generation->config, "module", module) != NULL)
			return;
		if (nearest != NULL)
			report_error(report, entry->file, entry->line,
				"unknown key `%s`, did you mean `%s`? Else load its module: add [module %s]",
				entry->key, nearest, module);
		else
			report_error(report, entry->file, entry->line,
				"unknown key `%s`: module `%s` is not loaded, add [module %s]",
				entry->key, module, module);
	} else if (nearest != NULL) {
		report_error(report, entry->file, entry->line, "unknown key `%s`, did you mean `%s`?",
			entry->key, nearest);
	} else {
		report_error(report, entry->file, entry->line, "unknown key `%s` in [%s%s%s]", entry->key,
			search->section->kind, *search->section->name != '\0' ? " " : "",
			search->section->name);
	}
}

/* Does some owner ask for a key in sections of this kind anyway? Then its absence was reported. */
static bool
is_required(const struct search *search)
{
	for (size_t i = 0; i < search->count; i++) {
		const struct option_owner *owner = &search->owners[i];

		for (const struct weir_option *o = owner->options; o != NULL && o->name != NULL; o++)
			if (o->required && (o->bare || owner->module == NULL) &&
			    option_may_stand(owner, o, search->kind))
				return true;
	}
	return false;
}

void
option_check_section(struct weir_build *build, const struct option_owner *owners, size_t count,
	struct config_section *section)
{
	struct search search = { build, owners, count, section, NULL, option_kind(section->kind) };
	struct arena arena;

	if (search.kind == WEIR_IN_MODULE) {
		while (count > 0 && !has_part(&owners[count - 1], section, search.kind))
			count--;
		if (count == 0)
			return;		/* it could not be loaded, which was reported */
	}
	if (section->entries == NULL && search.kind != 0 && search.kind != WEIR_IN_MODULE &&
	    !is_required(&search))
		report_error(build->report, section->file, section->line,
			"[%s %s] is empty", section->kind, section->name);
	for (struct config_entry *entry = section->entries; entry != NULL; entry = entry->next) {
		if (entry->used)
			continue;
		search.entry = entry;
		arena_init(&arena, NULL, 0);
		report_unknown(&search, &arena);
		arena_free(&arena);
	}
}

static bool
owns_plainly(const struct option_owner *owner, const char *name, unsigned kind)
{
	const struct weir_option *option = owner->options;

	for (; option != NULL && option->name != NULL; option++)
		if ((owner->module == NULL || (option->bare && option_may_stand(owner, option, kind))) &&
		    strcmp(option->name, name) == 0)
			return true;
	return false;
}

static void
check_against(struct weir_build *build, const struct option_owner *owner, const struct option_owner *others,
	size_t count, const struct weir_option *option, const char *kind)
{
	const char *file = owner->section != NULL ? owner->section->file : build->file;
	unsigned line = owner->section != NULL ? owner->section->line : build->line;

	for (size_t i = 0; i < count; i++) {
		if (&others[i] == owner || !owns_plainly(&others[i], option->name, option_kind(kind)))
			continue;
		if (others[i].module == NULL)
			report_error(build->report, file, line,
				"module `%s` claims the key `%s` of [%s], which is the core's",
				owner->module, option->name, kind);
		else if (&others[i] < owner)
			report_error(build->report, file, line,
				"modules `%s` and `%s` both claim the key `%s` of [%s]: "
				"load only one of them",
				others[i].module, owner->module, option->name, kind);
	}
}

void
option_check_owners(struct weir_build *build, const struct option_owner *owners, size_t count,
	const char *kind)
{
	for (size_t i = 0; i < count; i++) {
		const struct weir_option *option = owners[i].module != NULL ? owners[i].options : NULL;

		for (; option != NULL && option->name != NULL; option++)
			if (option->bare && option_may_stand(&owners[i], option, option_kind(kind)))
				check_against(build, &owners[i], owners, count, option, kind);
	}
}
