/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config: sections and entries, and how they are found. config_file.c makes them from files.
 */
#include "config.h"
#include "courtesy.h"
#include "report.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

const char *const config_kinds[] = { "weir", "listen", "certificate", "module", "upstream", "route", NULL };
_Static_assert(sizeof(config_kinds) / sizeof(config_kinds[0]) == CONFIG_KINDS + 1, "each kind is counted");

uint32_t
config_hash(const char *kind, const char *name)
{
	uint64_t value = 14695981039346656037u;	/* FNV-1a: the operator is no adversary */

	for (; *kind != '\0'; kind++)
		value = (value ^ (unsigned char)*kind) * 1099511628211u;
	for (; *name != '\0'; name++)
		value = (value ^ (unsigned char)*name) * 1099511628211u;
	return (uint32_t)(value ^ value >> 32);
}

enum { BUCKETS_LEAST = 64 };

static void
put_in_bucket(struct config *config, struct config_section *section)
{
	struct config_section **bucket = &config->buckets[section->hash & (config->bucket_count - 1)];

	section->same_hash = *bucket;
	*bucket = section;
}

/* Keep at least as many buckets as sections. The old array stays in the arena: all of them together are
 * less than the new. */
static bool
grow_buckets(struct config *config, size_t sections)
{
	size_t count = config->bucket_count == 0 ? BUCKETS_LEAST : config->bucket_count;
	struct config_section **buckets;

	while (count < sections)
		count *= 2;
	buckets = arena_array(&config->arena, count, sizeof(struct config_section *));
	if (buckets == NULL)
		return false;
	config->buckets = buckets;
	config->bucket_count = count;
	for (struct config_section *section = config->sections; section != NULL; section = section->next) {
		put_in_bucket(config, section);
		courtesy_step();
	}
	return true;
}

/* The number of a kind, CONFIG_KINDS when there is none such. */
static size_t
number_of(const char *kind)
{
	size_t i = 0;

	while (i < CONFIG_KINDS && (*config_kinds[i] != *kind || strcmp(config_kinds[i], kind) != 0))
		i++;
	return i;
}

struct config_section *
config_find(const struct config *config, const char *kind, const char *name)
{
	struct config_section *section;
	uint32_t hash;

	if (name == NULL)
		return number_of(kind) < CONFIG_KINDS ? config->first_of_kind[number_of(kind)] : NULL;
	if (config->bucket_count == 0)
		return NULL;
	hash = config_hash(kind, name);
	section = config->buckets[hash & (config->bucket_count - 1)];
	while (section != NULL && (section->hash != hash || strcmp(section->kind, kind) != 0 ||
			strcmp(section->name, name) != 0))
		section = section->same_hash;
	return section;
}

static struct config_section *
append(struct config *config, struct config_section *section, size_t kind)
{
	if (config->section_count >= config->bucket_count && !grow_buckets(config, config->section_count + 1))
		return NULL;
	section->kind = config_kinds[kind];
	section->index = config->counts[kind]++;
	put_in_bucket(config, section);
	config->section_count++;
	*config->last_section = section;
	config->last_section = &section->next;
	*(config->last_of_kind[kind] != NULL ? &config->last_of_kind[kind]->next_of_kind :
		&config->first_of_kind[kind]) = section;
	config->last_of_kind[kind] = section;
	courtesy_step();
	return section;
}

struct config_section *
config_add_section(struct config *config, const char *kind, const char *name, const char *file, unsigned line)
{
	struct config_section *section;

	if (config->section_count == CONFIG_SECTIONS_MOST ||
	    (section = arena_zalloc(&config->arena, sizeof(*section))) == NULL ||
	    (section->name = arena_copy(&config->arena, name, strlen(name))) == NULL)
		return NULL;
	section->file = file;
	section->line = line;
	section->hash = config_hash(kind, name);
	section->last_entry = &section->entries;
	return append(config, section, number_of(kind));
}

struct config_section *
config_share_section(struct config *config, const struct config_section *other)
{
	struct config_section *section;

	if (config->section_count == CONFIG_SECTIONS_MOST ||
	    (section = arena_alloc(&config->arena, sizeof(*section))) == NULL)
		return NULL;
	*section = *other;
	section->next = section->next_of_kind = NULL;
	return append(config, section, number_of(other->kind));
}

bool
config_add_entry(struct config *config, struct config_section *section, const char *key, const char *value,
	const char *file, unsigned line)
{
	struct arena *arena = &config->arena;
	struct config_entry *entry;

	if (config->entry_count == CONFIG_ENTRIES_MOST || (entry = arena_zalloc(arena, sizeof(*entry))) == NULL ||
	    (entry->key = arena_copy(arena, key, strlen(key))) == NULL ||
	    (entry->value = arena_copy(arena, value, strlen(value))) == NULL)
		return false;
	config->entry_count++;
	entry->file = file;
	entry->line = line;
	*section->last_entry = entry;
	section->last_entry = &entry->next;
	return true;
}

bool
config_is_full(const struct config *config, struct report *report)
{
	if (config->section_count == CONFIG_SECTIONS_MOST)
		report_error(report, NULL, 0, "more than %d sections", CONFIG_SECTIONS_MOST);
	else if (config->entry_count == CONFIG_ENTRIES_MOST)
		report_error(report, NULL, 0, "more than %d keys", CONFIG_ENTRIES_MOST);
	else
		return false;
	return true;
}

void
config_reset(struct config *config)
{
	for (struct config_section *section = config->sections; section != NULL; section = section->next)
		for (struct config_entry *entry = section->entries; entry != NULL; entry = entry->next)
			entry->used = false;
}

struct config *
config_new(void)
{
	struct config *config = calloc(1, sizeof(*config));

	if (config == NULL)
		return NULL;
	arena_init(&config->arena, NULL, 0);
	config->last_section = &config->sections;
	config->holders = 1;
	return config;
}

struct config *
config_over(struct config *files, size_t sections)
{
	struct config *config = config_new();

	if (config == NULL || !grow_buckets(config, sections < CONFIG_SECTIONS_MOST ? sections : CONFIG_SECTIONS_MOST)) {
		config_free(&config);
		return NULL;
	}
	config->files = config_hold(files);
	config->folder = files->folder;
	return config;
}

struct config *
config_hold(struct config *config)
{
	config->holders++;
	return config;
}

void
config_free(struct config **config)
{
	struct config *c = *config;

	*config = NULL;
	if (c == NULL || --c->holders > 0)
		return;
	config_free(&c->files);
	arena_free(&c->arena);
	free(c);
}
