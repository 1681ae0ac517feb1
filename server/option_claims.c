/* SPDX-License-Identifier: Apache-2.0 */
/*
 * option_claims: whose options the lines of a section are, by their keys.
 */
#include "option_claims.h"

#include <stdint.h>
#include <string.h>

#include "arena.h"
#include "config.h"
#include "option_key.h"

enum { SLOTS_LEAST = 64 };

static size_t
count_options(const struct option_owner *owners, size_t count)
{
	size_t options = 0;

	for (size_t i = 0; i < count; i++, options++)
		for (const struct weir_option *o = owners[i].options; o != NULL && o->name != NULL; o++)
			options++;
	return options;
}

static size_t
slot_of(const struct option_claims *claims, const char *key)
{
	uint64_t hash = 14695981039346656037u;

	for (; *key != '\0'; key++)
		hash = (hash ^ (unsigned char)*key) * 1099511628211u;
	return (hash ^ hash >> 32) & claims->mask;
}

static bool
claim(struct option_claims *claims, struct arena *arena, const struct option_owner *owners, size_t owner,
	const struct weir_option *option, unsigned kind)
{
	char room[OPTION_KEY_ROOM];
	const char *key = option_key(&owners[owner], option, kind, room);
	size_t at = slot_of(claims, key);

	if (key == room && (key = arena_copy(arena, key, strlen(key))) == NULL)
		return false;
	while (claims->slots[at].key != NULL)
		at = (at + 1) & claims->mask;
	claims->slots[at] = (struct option_claim){ key, owner };
	return true;
}

bool
option_claims_build(struct option_claims *claims, struct arena *arena, const struct option_owner *owners, size_t count,
	const char *kind)
{
	size_t size = SLOTS_LEAST, options = count_options(owners, count);

	while (size < 2 * options)
		size *= 2;
	claims->mask = size - 1;
	if ((claims->slots = arena_array(arena, size, sizeof(*claims->slots))) == NULL)
		return false;
	for (size_t i = 0; i < count; i++) {
		for (const struct weir_option *o = owners[i].options; o != NULL && o->name != NULL; o++)
			if (!claim(claims, arena, owners, i, o, option_kind(kind)))
				return false;
		if (owners[i].module != NULL && !claim(claims, arena, owners, i, &option_enable, option_kind(kind)))
			return false;
	}
	return true;
}

void
option_claims_mark(const struct option_claims *claims, const struct config_section *section, bool *concerned)
{
	for (const struct config_entry *entry = section->entries; entry != NULL; entry = entry->next)
		for (size_t at = slot_of(claims, entry->key); claims->slots[at].key != NULL; at = (at + 1) & claims->mask)
			if (*claims->slots[at].key == *entry->key && strcmp(claims->slots[at].key, entry->key) == 0)
				concerned[claims->slots[at].owner] = true;
}
