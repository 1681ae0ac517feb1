/* SPDX-License-Identifier: Apache-2.0 */
/*
 * search: the folders in which modules are looked for, one after another.
 *
 * Paths are made absolute here, since the dynamic linker searches on its own for names that are not.
 */
#include "search.h"
#include "contract.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef WEIR_MODULEDIR
#error "WEIR_MODULEDIR is the folder of installed modules"
#endif

const char *search_installed = WEIR_MODULEDIR;

const char *
search_folder(const struct search *search, size_t index)
{
	size_t count = search->path != NULL ? search->path->count : 0;

	for (const char *const *first = search->first; *first != NULL; first++, index--) {
		if (index == 0)
			return *first;
	}
	if (index < count)
		return ((const char *const *)search->path->items)[index];
	return index == count ? search_installed : NULL;
}

const char *
search_find(const struct search *search, const char *name, struct arena *arena)
{
	char path[PATH_MAX], real[PATH_MAX];
	const char *folder;
	int length;

	for (size_t i = 0; (folder = search_folder(search, i)) != NULL; i++) {
		length = snprintf(path, sizeof(path), "%s/%s.so", folder, name);
		if (length < 0 || (size_t)length >= sizeof(path) || access(path, F_OK) != 0)
			continue;
		if (path[0] != '/' && realpath(folder, real) != NULL)
			return arena_printf(arena, "%s/%s.so", real, name);
		return arena_copy(arena, path, (size_t)length);
	}
	return NULL;
}

/* Room for one more name and the NULL behind it. */
static bool
make_room(struct search_names *names)
{
	const char **list;
	size_t room = names->room * 2 + 16;

	if (names->count + 1 < names->room)
		return true;
	if ((list = arena_array(names->arena, room, sizeof(*list))) == NULL)
		return false;
	if (names->count > 0)
		memcpy(list, names->list, names->count * sizeof(*list));
	names->list = list;
	names->room = room;
	return true;
}

bool
search_add_name(struct search_names *names, const char *name)
{
	size_t at = 0;
	int order = 1;
	char *copy;

	while (at < names->count && (order = strcmp(names->list[at], name)) < 0)
		at++;
	if (at < names->count && order == 0)
		return true;
	if (!make_room(names) || (copy = arena_copy(names->arena, name, strlen(name))) == NULL)
		return false;
	memmove(names->list + at + 1, names->list + at, (names->count + 1 - at) * sizeof(*names->list));
	names->list[at] = copy;
	names->count++;
	return true;
}

/* "cache.so" to "cache"; false when the file can be no module. */
static bool
module_name_of(const char *file, char name[CONTRACT_NAME_MOST + 1])
{
	size_t length = strlen(file);

	if (length < 4 || length - 3 > CONTRACT_NAME_MOST || strcmp(file + length - 3, ".so") != 0)
		return false;
	memcpy(name, file, length - 3);
	name[length - 3] = '\0';
	return contract_is_name(name);
}

static bool
add_files_of(const char *folder, struct search_names *names)
{
	char name[CONTRACT_NAME_MOST + 1];
	DIR *list = opendir(folder);
	struct dirent *file;
	bool added = true;

	if (list == NULL)
		return true;
	while (added && (file = readdir(list)) != NULL)
		added = !module_name_of(file->d_name, name) || search_add_name(names, name);
	closedir(list);
	return added;
}

bool
search_add_files(const struct search *search, struct search_names *names)
{
	const char *folder;

	for (size_t i = 0; (folder = search_folder(search, i)) != NULL; i++) {
		if (!add_files_of(folder, names))
			return false;
	}
	return make_room(names);
}
