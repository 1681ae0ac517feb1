/* SPDX-License-Identifier: Apache-2.0 */
/*
 * option_values: the effective values of a section, for `weir -T`.
 *
 * Values are shown as the operator wrote them, found again in the configuration the way the parser found
 * them, so nothing has to be kept for this. Only paths are shown as they are used. The output is a
 * configuration that means the same, but for secrets.
 */
#include "option_key.h"
#include "config.h"
#include "ini.h"

#include <string.h>

#define ORIGIN_COLUMN 40

/* "key = value   ; origin", or the origin on a line of its own where one line cannot hold both. */
static void
print_line(FILE *to, const char *key, const char *folder, const char *value, const char *origin)
{
	bool relative = folder != NULL && *value != '\0' && *value != '/';
	size_t length = strlen(key) + 3 + (relative ? strlen(folder) + 1 : 0) + strlen(value);
	int padding = length < ORIGIN_COLUMN ? (int)(ORIGIN_COLUMN - length) : 1;
	bool one_line = length + (size_t)padding + 2 + strlen(origin) <= INI_LINE_MOST;

	if (!one_line)
		fprintf(to, "; %s\n", origin);
	fprintf(to, "%s = %s%s%s", key, relative ? folder : "", relative ? "/" : "", value);
	if (one_line)
		fprintf(to, "%*s; %s", padding, "", origin);
	fputc('\n', to);
}

static void
print_value(FILE *to, const struct weir_option *option, const char *key, const char *folder,
	const char *value, const char *origin)
{
	bool hidden = option->secret && *value != '\0';

	if (hidden)
		print_line(to, key, NULL, "***", origin);
	else
		print_line(to, key, option->type == WEIR_PATH ? folder : NULL, value, origin);
}

/* Where the value comes from: the section, else its module's. *kind says which. */
static struct config_entry *
find_source(const struct option_owner *owner, const struct weir_option *option,
	const struct config_section *section, unsigned *kind)
{
	struct config_entry *entry = section != NULL ? section->entries : NULL;

	entry = option_next(entry, owner, option, *kind);
	if (entry != NULL || owner->section == NULL || !option_may_stand(owner, option, WEIR_IN_MODULE))
		return entry;
	*kind = WEIR_IN_MODULE;
	return option_next(owner->section->entries, owner, option, WEIR_IN_MODULE);
}

static void
print_option(FILE *to, const struct option_owner *owner, const struct weir_option *option,
	const struct config_section *section, const char *folder)
{
	unsigned kind = section != NULL ? option_kind(section->kind) : 0, source = kind;
	struct config_entry *entry = find_source(owner, option, section, &source);
	const char *initial = option_initial(option);
	char room[OPTION_KEY_ROOM], origin[512];
	const char *key = option_key(owner, option, kind, room);

	if (entry == NULL && initial == NULL)
		fprintf(to, "; %s is not set\n", key);
	else if (entry == NULL)
		print_value(to, option, key, folder, initial, "default");
	while (entry != NULL) {
		snprintf(origin, sizeof(origin), "%s:%u", entry->file, entry->line);
		print_value(to, option, key, folder, entry->value, origin);
		entry = option->repeat ? option_next(entry->next, owner, option, source) : NULL;
	}
}

void
option_print_values(FILE *to, const struct option_owner *owner, const struct config_section *section,
	const char *folder)
{
	const struct weir_option *option = owner->options;
	unsigned kind = section != NULL ? option_kind(section->kind) : 0;

	for (; option != NULL && option->name != NULL; option++)
		if (option_may_stand(owner, option, kind))
			print_option(to, owner, option, section, folder);
	if (option_may_enable(owner, kind))
		print_option(to, owner, &option_enable, section, folder);
}
