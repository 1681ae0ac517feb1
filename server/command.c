/* SPDX-License-Identifier: Apache-2.0 */
/*
 * command: what the command line asks for, and all answers to it but serving.
 *
 * Nothing here opens a socket or writes a file: modules are told that their build is only a check.
 */
#include "command.h"
#include "generation.h"
#include "loader.h"
#include "manual.h"
#include "report.h"

#include <event2/event.h>
#include <getopt.h>
#include <gnu/libc-version.h>
#include <jansson.h>
#include <string.h>
#include <unistd.h>

#ifndef WEIR_SYSCONFDIR
#error "WEIR_SYSCONFDIR is the folder of the installed weir.ini"
#endif
#ifndef PACKAGE_VERSION
#error "PACKAGE_VERSION is Weir's version"
#endif

static const char usage[] =
	"usage: weir [-c FILE] [-M DIR]... [-t | -T | -m [NAME] | --chain | -V | -h]\n";

static const char help[] =
	"Serve HTTP as FILE and the conf.d beside it say, in the foreground.\n"
	"\n"
	"  -c FILE    the configuration (" WEIR_SYSCONFDIR "/weir.ini)\n"
	"  -M DIR     look for modules in DIR first; may be repeated\n"
	"  -t         check the configuration and exit\n"
	"  -T         print the values that hold, each with its origin, and exit\n"
	"  -m [NAME]  list the modules that are there, or print the manual of one;\n"
	"             of Weir's own sections with NAME weir, listen, upstream or route\n"
	"  --chain    print which hooks run in which order, by listener and route\n"
	"  -V         print versions\n"
	"  -h         print this\n"
	"\n"
	"Exit codes: 0 good, 1 bad configuration, 2 usage.\n";

/* --- the command line ----------------------------------------------------------------------------------- */

static bool __attribute__((format(printf, 2, 3)))
refuse(FILE *to, const char *format, ...)
{
	va_list arguments;

	fputs("weir: ", to);
	va_start(arguments, format);
	vfprintf(to, format, arguments);
	va_end(arguments);
	fprintf(to, "\n%s", usage);
	return false;
}

static bool
add_folder(struct command *command, const char *folder, FILE *to)
{
	size_t count = 0;

	while (command->folders[count] != NULL)
		count++;
	if (count == COMMAND_FOLDERS_MOST)
		return refuse(to, "more than %d folders by -M", COMMAND_FOLDERS_MOST);
	command->folders[count] = folder;
	return true;
}

static bool
set_action(struct command *command, int letter, FILE *to)
{
	static const char letters[] = "-tTmCVh";	/* in the order of the actions */

	if (command->action != COMMAND_SERVE && command->action != strchr(letters, letter) - letters)
		return refuse(to, "only one of -t, -T, -m, --chain, -V and -h at a time");
	command->action = (unsigned)(strchr(letters, letter) - letters);
	return true;
}

static bool
take_option(struct command *command, int letter, char **arguments, FILE *to)
{
	switch (letter) {
	case 'c':
		command->path = optarg;
		command->path_given = true;
		return true;
	case 'M':
		return add_folder(command, optarg, to);
	case ':':
		return refuse(to, "%s needs a value", arguments[optind - 1]);
	case '?':
		return refuse(to, "unknown option %s", arguments[optind - 1]);
	default:
		return set_action(command, letter, to);
	}
}

bool
command_parse(struct command *command, int count, char **arguments, FILE *to)
{
	static const struct option longer[] = {
		{ "chain", no_argument, NULL, 'C' },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 }
	};
	int letter;

	*command = (struct command){ .path = WEIR_SYSCONFDIR "/weir.ini", .arguments = arguments };
	optind = 0;	/* GNU: begin anew, whatever was parsed before */
	while ((letter = getopt_long(count, arguments, ":c:M:tTmVh", longer, NULL)) != -1) {
		if (!take_option(command, letter, arguments, to))
			return false;
	}
	if (command->action == COMMAND_MODULES && optind < count)
		command->module = arguments[optind++];
	if (optind < count)
		return refuse(to, "unexpected `%s`", arguments[optind]);
	return true;
}

/* --- answers -------------------------------------------------------------------------------------------- */

static void
print_counts(const struct command *command, const struct generation *generation, FILE *to)
{
	fprintf(to, "%s: configuration is good: ", command->path);
	fprintf(to, "listeners %zu, upstreams %zu, routes %zu, modules %zu, hooks %u\n",
		generation->listen_count, generation->upstream_count, generation->route_count,
		generation->module_count, generation->hook_count);
}

/* Build the configuration without any effect, and show what is asked of it. */
static int
show_generation(const struct command *command, struct modules *modules, FILE *to, struct report *report)
{
	struct generation *generation = generation_check(command->path, modules, report);

	if (generation == NULL)
		return COMMAND_BAD;
	if (command->action == COMMAND_CHECK)
		print_counts(command, generation, to);
	else if (command->action == COMMAND_VALUES)
		generation_print_settings(generation, to);
	else
		generation_print_chain(generation, to);
	generation_free(&generation);
	return COMMAND_GOOD;
}

/* One line a module; what cannot be loaded is listed all the same, and said in the report. */
static void
list_modules(struct modules *modules, const struct weir_list *path, FILE *to, struct report *report)
{
	struct arena arena;
	const char **names;
	struct module *module;

	arena_init(&arena, NULL, 0);
	if ((names = loader_names(modules, path, &arena)) == NULL)
		report_error(report, NULL, 0, "out of memory while modules were listed");
	for (; names != NULL && *names != NULL; names++) {
		module = loader_load(modules, *names, path, NULL, 0, report);
		fprintf(to, "%-16s %s\n", *names, module == NULL ? "(cannot be loaded)" :
			module->contract->summary != NULL ? module->contract->summary : "");
	}
	arena_free(&arena);
}

static bool
is_there(const struct modules *modules, const struct weir_list *path, const char *name)
{
	struct arena arena;
	const char **names;
	bool found = false;

	arena_init(&arena, NULL, 0);
	for (names = loader_names(modules, path, &arena); names != NULL && *names != NULL && !found; names++)
		found = strcmp(*names, name) == 0;
	arena_free(&arena);
	return found;
}

/* A kind of section and a module may have one name, as route has: then both are shown. */
static void
show_manual(struct modules *modules, const struct weir_list *path, const char *name, FILE *to,
	struct report *report)
{
	bool core = manual_print_core(to, name);
	const struct module *module;

	if (core && !is_there(modules, path, name))
		return;
	if ((module = loader_load(modules, name, path, NULL, 0, report)) == NULL)
		return;
	if (core)
		fputc('\n', to);
	manual_print(to, module);
}

/* Modules, or a manual. A configuration is only read for its folders, and need not be there. */
static int
show_modules(const struct command *command, struct modules *modules, FILE *to, struct report *report)
{
	bool read = command->path_given || access(command->path, F_OK) == 0;
	struct generation *generation = NULL;
	const struct weir_list *path;

	if (read && (generation = generation_peek(command->path, report)) == NULL)
		return COMMAND_BAD;
	path = generation != NULL ? &generation->settings.module_path : NULL;
	if (command->module != NULL)
		show_manual(modules, path, command->module, to, report);
	else
		list_modules(modules, path, to, report);
	generation_free(&generation);
	return report->errors == 0 ? COMMAND_GOOD : COMMAND_BAD;
}

static int
answer(const struct command *command, FILE *to, struct report *report)
{
	struct modules *modules = loader_new(command->folders, report);
	int code = COMMAND_BAD;

	if (modules == NULL)
		return code;
	if (command->action == COMMAND_MODULES)
		code = show_modules(command, modules, to, report);
	else
		code = show_generation(command, modules, to, report);
	loader_free(&modules);
	return code;
}

static int
print_versions(FILE *to)
{
	fprintf(to, "weir %s\nmodule ABI %d.%d\n", PACKAGE_VERSION, WEIR_ABI_MAJOR, WEIR_ABI_MINOR);
	fprintf(to, "libevent %s\njansson %s\nlibc %s\n", event_get_version(), jansson_version_str(),
		gnu_get_libc_version());
	return COMMAND_GOOD;
}

int
command_run(const struct command *command, FILE *to, FILE *errors)
{
	struct report report;
	int code;

	if (command->action == COMMAND_VERSION)
		return print_versions(to);
	if (command->action == COMMAND_HELP) {
		fprintf(to, "%s%s", usage, help);
		return COMMAND_GOOD;
	}
	report_init(&report);
	code = answer(command, to, &report);
	if (fflush(to) != 0 || ferror(to)) {
		report_error(&report, NULL, 0, "the answer cannot be written");
		code = COMMAND_BAD;
	}
	report_print(&report, errors);
	report_free(&report);
	return code;
}
