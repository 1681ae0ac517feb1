/* SPDX-License-Identifier: Apache-2.0 */
/*
 * option_key: where an option may stand and how its key is written there.
 */
#include "option_key.h"
#include "config.h"

#include <string.h>

static const struct {
	const char *name;
	unsigned kind;
} kinds[] = {
	{ "module", WEIR_IN_MODULE },
	{ "route", WEIR_IN_ROUTE },
	{ "upstream", WEIR_IN_UPSTREAM },
	{ "listen", WEIR_IN_LISTEN },
	{ "certificate", WEIR_IN_CERTIFICATE },
};

const struct weir_option option_enable = {
	"enable", WEIR_BOOL, 0, .in = WEIR_IN_MODULE | WEIR_IN_ROUTE | WEIR_IN_LISTEN, .initial = "yes",
	.doc = "Do the module's hooks run there?"
};

unsigned
option_kind(const char *kind)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (*kinds[i].name == *kind && strcmp(kinds[i].name, kind) == 0)
			return kinds[i].kind;
	return 0;
}

unsigned
option_places(const struct weir_option *option)
{
	return option->in != 0 ? option->in : WEIR_IN_MODULE | WEIR_IN_ROUTE;
}

bool
option_may_stand(const struct option_owner *owner, const struct weir_option *option, unsigned kind)
{
	return owner->module == NULL || (option_places(option) & kind) != 0;
}

static bool
is_plain(const struct option_owner *owner, const struct weir_option *option, unsigned kind)
{
	return owner->module == NULL || kind == WEIR_IN_MODULE || option->bare;
}

const char *
option_key(const struct option_owner *owner, const struct weir_option *option, unsigned kind,
	char to[OPTION_KEY_ROOM])
{
	if (is_plain(owner, option, kind))
		return option->name;
	snprintf(to, OPTION_KEY_ROOM, "%s.%s", owner->module, option->name);
	return to;
}

/* Has the key this module's name and a dot in front? Then *rest is what follows. */
static bool
has_prefix(const char *key, const char *module, const char **rest)
{
	while (*module != '\0' && *key == *module) {
		key++;
		module++;
	}
	*rest = key + 1;
	return *module == '\0' && *key == '.';
}

bool
option_has_key(const struct option_owner *owner, const struct weir_option *option, unsigned kind,
	const char *key)
{
	if (is_plain(owner, option, kind))
		return strcmp(key, option->name) == 0;
	return has_prefix(key, owner->module, &key) && strcmp(key, option->name) == 0;
}

/* Most keys differ in their first byte from the one that is looked for: 100,000 routes feel this. */
struct config_entry *
option_next(struct config_entry *entry, const struct option_owner *owner, const struct weir_option *option,
	unsigned kind)
{
	char first = is_plain(owner, option, kind) ? *option->name : *owner->module;

	while (entry != NULL && (*entry->key != first || !option_has_key(owner, option, kind, entry->key)))
		entry = entry->next;
	return entry;
}

bool
option_may_enable(const struct option_owner *owner, unsigned kind)
{
	return owner->module != NULL && (option_enable.in & kind) != 0;
}

const char *
option_initial(const struct weir_option *option)
{
	if (option->initial != NULL || option->repeat)
		return option->initial;
	switch (option->type) {
	case WEIR_INTEGER:
	case WEIR_SIZE:
	case WEIR_DURATION:
		return "0";
	case WEIR_BOOL:
		return "no";
	case WEIR_CHOICE:
		return option->choices[0];
	default:
		return NULL;
	}
}
