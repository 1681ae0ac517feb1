/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loader: from a module's name to its contract in memory, by libltdl.
 *
 * libltdl's loader for shared objects is replaced by ours (linker.c); its other one, for modules linked into
 * the program, stays, and what it holds is opened at the start. A refusal says what was found, what was wanted
 * and what to do.
 */
#include "loader.h"
#include "contract.h"
#include "linker.h"
#include "object.h"
#include "report.h"
#include "search.h"

#include <errno.h>
#include <limits.h>
#include <ltdl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct preloaded {
	struct preloaded *next;
	const char *name;
	lt_dlhandle handle;
};

/* A file whose code is in memory although its module was refused: no second look at that path gives another
 * one. */
struct refused {
	struct refused *next;
	const char *path;
	struct object_identity identity;
};

/* What only the loader knows of a module. */
struct entry {
	struct module module;
	struct object_identity identity;	/* zero: preloaded */
};

/* A load under way. */
struct load {
	struct modules *modules;
	struct report *report;
	struct search search;
	struct contract_origin origin;
	struct object_identity identity;
};

/* --- modules linked into the program -------------------------------------------------------------------- */

static struct modules *preloading;	/* to whom preloaded modules are handed while they are opened */

static int
keep_preloaded(lt_dlhandle handle)
{
	struct modules *modules = preloading;
	struct preloaded *preloaded = arena_zalloc(&modules->arena, sizeof(*preloaded));
	const lt_dlinfo *info = lt_dlgetinfo(handle);

	if (preloaded == NULL ||
		(preloaded->name = arena_copy(&modules->arena, info->name, strlen(info->name))) == NULL)
		return 1;
	preloaded->handle = handle;
	preloaded->next = modules->preloaded;
	modules->preloaded = preloaded;
	return 0;
}

static const struct preloaded *
find_preloaded(const struct modules *modules, const char *name)
{
	const struct preloaded *preloaded = modules->preloaded;

	while (preloaded != NULL && strcmp(preloaded->name, name) != 0)
		preloaded = preloaded->next;
	return preloaded;
}

/* --- beginning and end ---------------------------------------------------------------------------------- */

/* Folders are kept absolute: the process may leave its working directory. One that is not there stays as it
 * is, for the messages. */
static bool
keep_folders(struct modules *modules, const char *const *folders)
{
	char real[PATH_MAX];
	const char *folder;
	size_t count = 0;

	while (folders[count] != NULL)
		count++;
	if ((modules->folders = arena_array(&modules->arena, count + 1, sizeof(*modules->folders))) == NULL)
		return false;
	for (size_t i = 0; i < count; i++) {
		folder = realpath(folders[i], real) != NULL ? real : folders[i];
		if ((modules->folders[i] = arena_copy(&modules->arena, folder, strlen(folder))) == NULL)
			return false;
	}
	return true;
}

struct modules *
loader_new(const char *const *folders, struct report *report)
{
	struct modules *modules = calloc(1, sizeof(*modules));

	if (modules == NULL) {
		report_error(report, NULL, 0, "modules cannot be loaded: out of memory");
		return NULL;
	}
	arena_init(&modules->arena, NULL, 0);
	preloading = modules;
	if (lt_dlinit() != 0 || !linker_start() || !keep_folders(modules, folders) ||
	    (modules->list = calloc(LOADER_MODULES_MAX + 1, sizeof(*modules->list))) == NULL) {
		report_error(report, NULL, 0,
			"modules cannot be loaded: libltdl does not start, or memory is out");
		loader_free(&modules);
	} else if (lt_dlpreload_open(NULL, keep_preloaded) != 0 && modules->preloaded != NULL) {
		report_error(report, NULL, 0,
			"modules cannot be loaded: those linked into this program are damaged");
		loader_free(&modules);
	}
	preloading = NULL;
	return modules;
}

void
loader_free(struct modules **modules)
{
	if (*modules == NULL)
		return;
	lt_dlexit();
	free((*modules)->list);
	arena_free(&(*modules)->arena);
	free(*modules);
	*modules = NULL;
}

struct module *
loader_find(const struct modules *modules, const char *name)
{
	for (unsigned i = 0; i < modules->count; i++) {
		if (strcmp(modules->list[i]->name, name) == 0)
			return modules->list[i];
	}
	return NULL;
}

const char **
loader_names(const struct modules *modules, const struct weir_list *path, struct arena *arena)
{
	struct search search = { modules->folders, path };
	struct search_names names = { .arena = arena };

	for (const struct preloaded *preloaded = modules->preloaded; preloaded != NULL;
		preloaded = preloaded->next) {
		if (!search_add_name(&names, preloaded->name))
			return NULL;
	}
	return search_add_files(&search, &names) ? names.list : NULL;
}

/* --- refusals ------------------------------------------------------------------------------------------- */

static void __attribute__((format(printf, 2, 3)))
refuse(const struct load *load, const char *format, ...)
{
	va_list arguments;
	char text[2048];

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	report_error(load->report, load->origin.file, load->origin.line, "module %s %s",
		load->origin.name, text);
}

static const char *
folder_state(const char *folder)
{
	if (access(folder, R_OK | X_OK) == 0)
		return "";
	return errno == ENOENT ? " (no such folder)" : " (unreadable)";
}

static void
refuse_missing(const struct load *load)
{
	char folders[1024] = "";
	const char *folder, *nearest = NULL;
	const char **names;
	struct arena arena;
	size_t at = 0;

	for (size_t i = 0; (folder = search_folder(&load->search, i)) != NULL && at < sizeof(folders); i++)
		at += (size_t)snprintf(folders + at, sizeof(folders) - at, "%s%s%s", i > 0 ? ", " : "",
			folder, folder_state(folder));
	arena_init(&arena, NULL, 0);
	if ((names = loader_names(load->modules, load->search.path, &arena)) != NULL)
		nearest = report_nearest(load->origin.name, names);
	refuse(load,
		"was not found: no %s.so in %s; %s%s%sinstall it, or name its folder by module_path or -M",
		load->origin.name, folders, nearest != NULL ? "did you mean `" : "",
		nearest != NULL ? nearest : "", nearest != NULL ? "`? Otherwise " : "");
	arena_free(&arena);
}

static void
refuse_unlinked(const struct load *load)
{
	const char *error = linker_error();
	const char *cure = "build the module for this machine and this Weir";

	if (strstr(error, "undefined symbol: weir_") != NULL)
		cure = "the module needs a newer Weir: upgrade it, or build the module for this one";
	else if (strstr(error, "undefined symbol") != NULL)
		cure = "link the module with the library that defines the symbol";
	else if (strstr(error, "cannot open shared object file") != NULL)
		cure = "install the library that is missing";
	refuse(load, "cannot be linked: %s; %s", error, cure);
}

static void
refuse_unnamed(const struct load *load)
{
	const char *name = load->origin.name;
	char other[256];

	if (object_module_name(load->origin.path, other, sizeof(other)))
		refuse(load,
			"(%s) has no symbol %s_LTX_weir_module: it is built as the module %s; "
			"rename the file to %s.so, or write WEIR_MODULE(%s) in its source",
			load->origin.path, name, other, other, name);
	else
		refuse(load,
			"(%s) has no symbol %s_LTX_weir_module: "
			"it is no module of Weir, or does not export it; end its source with WEIR_MODULE(%s) = { WEIR_ABI, … }",
			load->origin.path, name, name);
}

static struct refused *
find_refused(const struct modules *modules, const char *path)
{
	struct refused *refused = modules->refused;

	while (refused != NULL && strcmp(refused->path, path) != 0)
		refused = refused->next;
	return refused;
}

static void
remember_refused(const struct load *load)
{
	struct refused *refused;

	if (find_refused(load->modules, load->origin.path) != NULL ||
	    (refused = arena_zalloc(&load->modules->arena, sizeof(*refused))) == NULL)
		return;
	refused->path = load->origin.path;
	refused->identity = load->identity;
	refused->next = load->modules->refused;
	load->modules->refused = refused;
}

/* --- loading -------------------------------------------------------------------------------------------- */

static struct module *
keep_module(struct load *load, const struct weir_module *contract)
{
	struct modules *modules = load->modules;
	struct entry *entry = arena_zalloc(&modules->arena, sizeof(*entry));
	unsigned metrics = 0;

	while (contract->metrics != NULL && metrics <= LOADER_METRICS_MAX &&
		contract->metrics[metrics].name != NULL)
		metrics++;
	if (entry == NULL) {
		refuse(load, "could not be loaded: out of memory");
		return NULL;
	}
	if (modules->count >= LOADER_MODULES_MAX || metrics > LOADER_METRICS_MAX - modules->metric_cells) {
		refuse(load, "is one too many: a process holds %d modules with %d metrics together",
			LOADER_MODULES_MAX, LOADER_METRICS_MAX);
		return NULL;
	}
	entry->module = (struct module){
		.contract = contract,
		.name = contract->name,
		.file = load->origin.path,
		.index = modules->count,
		.metrics = metrics,
		.first_metric = modules->metric_cells,
	};
	entry->identity = load->identity;
	modules->metric_cells += metrics;
	modules->list[modules->count++] = &entry->module;
	return &entry->module;
}

/* The object is in memory: take its contract, if it keeps one. */
static struct module *
take_contract(struct load *load, lt_dlhandle handle)
{
	const struct weir_module *found = lt_dlsym(handle, "weir_module"), *contract;
	struct module *module = NULL;

	if (found == NULL)
		refuse_unnamed(load);
	else if ((contract = contract_check(found, &load->origin, &load->modules->arena, load->report)) !=
		NULL)
		module = keep_module(load, contract);
	if (module == NULL)
		remember_refused(load);
	return module;
}

static struct module *
load_file(struct load *load)
{
	const struct refused *refused = find_refused(load->modules, load->origin.path);
	lt_dlhandle handle;
	const char *wrong;
	bool writable;

	if ((wrong = object_inspect(load->origin.path, &load->identity, &writable)) != NULL) {
		refuse(load,
			"cannot be loaded: %s: %s; "
			"a shared object is wanted, built with -shared, that this process may read",
			load->origin.path, wrong);
		return NULL;
	}
	if (refused != NULL && !object_same(&refused->identity, &load->identity)) {
		refuse(load,
			"(%s) was refused before and its file has changed since, "
			"but this process still holds the refused code: restart Weir to load the new file",
			load->origin.path);
		return NULL;
	}
	if (writable)
		report_warning(load->report, load->origin.file, load->origin.line,
			"module %s (%s) may be changed by every user of this machine: chmod o-w it",
			load->origin.name, load->origin.path);
	if ((handle = lt_dlopen(load->origin.path)) == NULL) {
		refuse_unlinked(load);
		return NULL;
	}
	return take_contract(load, handle);
}

/* The first code stays. Say so when the file that a new process would load is another one. */
static void
warn_of_change(struct load *load, const struct module *module)
{
	const struct entry *entry = (const struct entry *)module;
	const char *what = NULL;
	bool writable;

	if (find_preloaded(load->modules, module->name) != NULL)
		return;
	if ((load->origin.path = search_find(&load->search, module->name, &load->modules->arena)) == NULL)
		what = "is no longer where it was loaded from";
	else if (strcmp(load->origin.path, module->file) != 0)
		what = "is now found elsewhere first";
	else if (object_inspect(module->file, &load->identity, &writable) != NULL ||
	    !object_same(&entry->identity, &load->identity))
		what = "has changed on disk since it was loaded";
	if (what != NULL)
		report_warning(load->report, load->origin.file, load->origin.line,
			"module %s (%s) %s; "
			"the code loaded first keeps running: restart or upgrade Weir to change it",
			module->name, load->origin.path != NULL ? load->origin.path : module->file, what);
}

struct module *
loader_load(struct modules *modules, const char *name, const struct weir_list *path, const char *file,
	unsigned line, struct report *report)
{
	struct load load = { modules, report, { modules->folders, path }, { name, NULL, file, line }, { 0 } };
	struct module *module = loader_find(modules, name);
	const struct preloaded *preloaded;

	if (module != NULL) {
		warn_of_change(&load, module);
		return module;
	}
	if (!contract_is_name(name)) {
		report_error(report, file, line, "`%s` cannot be a module's name: write a lower-case letter, "
			"then letters, digits and _, at most %d in all", name, CONTRACT_NAME_MOST);
		return NULL;
	}
	if ((preloaded = find_preloaded(modules, name)) != NULL) {
		load.origin.path = "preloaded";
		return take_contract(&load, preloaded->handle);
	}
	if ((load.origin.path = search_find(&load.search, name, &modules->arena)) == NULL) {
		refuse_missing(&load);
		return NULL;
	}
	return load_file(&load);
}
