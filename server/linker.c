/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linker: how libltdl opens a shared object for us.
 *
 * libltdl answers "file not found" to most failures and binds symbols when they are first called, on an event
 * thread. Its own loader is taken out for this one, which binds all at once, keeps dlerror's words, and closes
 * nothing.
 */
#include "linker.h"

#include <dlfcn.h>
#include <ltdl.h>
#include <stdio.h>
#include <stdlib.h>

static char last_error[1024];

const char *
linker_error(void)
{
	return last_error;
}

static lt_module
open_object(lt_user_data data, const char *path, lt_dladvise advise)
{
	void *object;
	const char *error;

	(void)data, (void)advise;
	if (path == NULL || path[0] != '/')
		return NULL;
	if ((object = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE)) == NULL) {
		error = dlerror();
		snprintf(last_error, sizeof(last_error), "%s", error != NULL ? error : "unknown error");
	}
	return object;
}

static int
keep_object(lt_user_data data, lt_module object)
{
	(void)data, (void)object;
	return 0;
}

static void *
find_symbol(lt_user_data data, lt_module object, const char *name)
{
	(void)data;
	return dlsym(object, name);
}

/* libltdl frees the table of a loader when it ends. */
bool
linker_start(void)
{
	lt_dlvtable *table = calloc(1, sizeof(*table));

	if (table == NULL)
		return false;
	table->name = "weir";
	table->module_open = open_object;
	table->module_close = keep_object;
	table->find_sym = find_symbol;
	table->priority = LT_DLLOADER_APPEND;
	free(lt_dlloader_remove("lt_dlopen"));
	if (lt_dlloader_add(table) != 0) {
		free(table);
		return false;
	}
	return true;
}
