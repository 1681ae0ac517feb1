/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config_file: a config from weir.ini and conf.d.
 *
 * A file is read whole, because it is small and must not change under the parser, and given to ini_read();
 * what comes back is copied into the config's arena. Here sections get their sense as sections: their kind
 * exists, they have a name or not, no two are the same. Keys are for others to judge (option.h).
 */
#include "config.h"
#include "ini.h"
#include "report.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BYTES_MOST ((size_t)16 << 20)	/* of all files */
#define FILES_MOST 1000

struct reading {
	struct config *config;
	struct report *report;
	const char *file;
	struct config_section *section;		/* where entries go; NULL: they are thrown away */
	size_t bytes;
	bool no_memory;
	bool full;		/* too much of something: reported, and nothing more is read */
};

/* The number of a kind, CONFIG_KINDS when there is none such (reported). */
static size_t
find_kind(struct reading *reading, const struct ini_line *line)
{
	const char *nearest;
	size_t i = 0;

	while (i < CONFIG_KINDS && strcmp(config_kinds[i], line->kind) != 0)
		i++;
	if (i < CONFIG_KINDS)
		return i;
	if ((nearest = report_nearest(line->kind, config_kinds)) != NULL)
		report_error(reading->report, reading->file, line->line,
			"unknown section kind `%s`, did you mean `%s`?", line->kind, nearest);
	else
		report_error(reading->report, reading->file, line->line,
			"unknown section kind `%s`: there are weir, listen, certificate, module, "
			"upstream and route", line->kind);
	return CONFIG_KINDS;
}

static bool
check_header(struct reading *reading, const struct ini_line *line, size_t kind)
{
	const struct config_section *first;

	if (kind == CONFIG_KINDS)
		return false;
	if (kind == 0 && *line->name != '\0') {
		report_error(reading->report, reading->file, line->line,
			"`[weir %s]`: [weir] has no name", line->name);
		return false;
	}
	if (kind != 0 && *line->name == '\0') {
		report_error(reading->report, reading->file, line->line,
			"`[%s]` has no name, write `[%s NAME]`", line->kind, line->kind);
		return false;
	}
	if ((first = config_find(reading->config, line->kind, line->name)) != NULL) {
		report_error(reading->report, reading->file, line->line,
			"duplicate section `[%s%s%s]`, first at %s:%u",
			line->kind, *line->name != '\0' ? " " : "", line->name, first->file, first->line);
		return false;
	}
	return true;
}

static bool
take_header(struct reading *reading, const struct ini_line *line)
{
	struct config *config = reading->config;

	reading->section = NULL;
	if (!check_header(reading, line, find_kind(reading, line)))
		return true;
	if (config->section_count == CONFIG_SECTIONS_MOST) {
		report_error(reading->report, reading->file, line->line,
			"more than %d sections", CONFIG_SECTIONS_MOST);
		return !(reading->full = true);
	}
	reading->section = config_add_section(config, line->kind, line->name, reading->file, line->line);
	return reading->section != NULL || !(reading->no_memory = true);
}

static bool
take_line(void *context, const struct ini_line *line)
{
	struct reading *reading = context;

	if (line->key == NULL)
		return take_header(reading, line);
	if (reading->section == NULL)
		return true;
	if (reading->config->entry_count == CONFIG_ENTRIES_MOST) {
		report_error(reading->report, reading->file, line->line, "more than %d keys", CONFIG_ENTRIES_MOST);
		return !(reading->full = true);
	}
	return config_add_entry(reading->config, reading->section, line->key, line->value, reading->file,
		line->line) || !(reading->no_memory = true);
}

/* Open for reading and tell the size; -1 after reporting. It may be a pipe: that must not block. */
static int
open_file(struct reading *reading, size_t *size)
{
	int fd = open(reading->file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	const char *why = NULL;
	struct stat status;

	if (fd < 0 || fstat(fd, &status) != 0)
		why = strerror(errno);
	else if (S_ISDIR(status.st_mode))
		why = "it is a directory";
	else if (!S_ISREG(status.st_mode))
		why = "it is not a regular file";
	if (why == NULL) {
		*size = (size_t)status.st_size;
		return fd;
	}
	report_error(reading->report, reading->file, 0, "cannot be read: %s", why);
	if (fd >= 0)
		close(fd);
	return -1;
}

/* Read up to size bytes; what was appended meanwhile is left for the next reload. */
static bool
read_whole(struct reading *reading, int fd, char *to, size_t *size)
{
	size_t done = 0;
	ssize_t got;

	while (done < *size && (got = read(fd, to + done, *size - done)) != 0) {
		if (got > 0) {
			done += (size_t)got;
		} else if (errno != EINTR) {
			report_error(reading->report, reading->file, 0,
				"cannot be read: %s", strerror(errno));
			return false;
		}
	}
	*size = done;
	return true;
}

static bool
read_file(struct reading *reading, const char *path)
{
	size_t size = 0;
	char *text = NULL;
	int fd;

	reading->file = path;
	if ((fd = open_file(reading, &size)) < 0)
		return false;
	if (size > BYTES_MOST - reading->bytes) {
		report_error(reading->report, path, 0,
			"the configuration is larger than %zu MiB", BYTES_MOST >> 20);
		reading->full = true;
	} else if ((text = malloc(size + 1)) == NULL) {
		reading->no_memory = true;
	} else if (read_whole(reading, fd, text, &size)) {
		reading->bytes += size;
		ini_read(text, size, path, reading->report, take_line, reading);
	}
	close(fd);
	free(text);
	return true;
}

static int
wanted(const struct dirent *entry)
{
	size_t length = strlen(entry->d_name);

	return entry->d_name[0] != '.' && length > 4 && strcmp(entry->d_name + length - 4, ".ini") == 0;
}

/* In the order of the C locale, whatever ours is. */
static int
by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static void
read_folder(struct reading *reading, const char *folder)
{
	struct dirent **names = NULL;
	int count = scandir(folder, &names, wanted, by_name);
	const char *path;

	if (count < 0 && errno != ENOENT)
		report_error(reading->report, folder, 0, "cannot be read: %s", strerror(errno));
	if (count > FILES_MOST) {
		report_error(reading->report, folder, 0, "more than %d files", FILES_MOST);
		reading->full = true;
	}
	for (int i = 0; i < count; i++) {
		if (!reading->full && !reading->no_memory) {
			path = arena_printf(&reading->config->arena, "%s/%s", folder, names[i]->d_name);
			reading->no_memory = path == NULL;
			if (path != NULL)
				read_file(reading, path);
		}
		free(names[i]);
	}
	free(names);
}

/* Where `path` lies, with its last slash: "" or "/etc/weir/". */
static const char *
cut_folder(struct arena *arena, const char *path)
{
	const char *slash = strrchr(path, '/');

	return arena_copy(arena, path, slash != NULL ? (size_t)(slash - path) + 1 : 0);
}

/* The same as an absolute path without it, so that a later chdir changes nothing. */
static const char *
make_absolute(struct arena *arena, const char *folder)
{
	int length = (int)strlen(folder) - 1;
	char *here;
	const char *path;

	if (*folder == '/')
		return arena_printf(arena, "%.*s", length > 0 ? length : 1, folder);
	if ((here = getcwd(NULL, 0)) == NULL)
		return arena_copy(arena, ".", 1);
	if (length >= 0)
		path = arena_printf(arena, "%s/%.*s", here, length, folder);
	else
		path = arena_copy(arena, here, strlen(here));
	free(here);
	return path;
}

static void
read_all(struct reading *reading, const char *given)
{
	struct config *config = reading->config;
	const char *path = arena_copy(&config->arena, given, strlen(given));
	const char *folder = cut_folder(&config->arena, given);
	const char *more = folder != NULL ? arena_printf(&config->arena, "%sconf.d", folder) : NULL;

	config->folder = folder != NULL ? make_absolute(&config->arena, folder) : NULL;
	if (path == NULL || more == NULL || config->folder == NULL) {
		reading->no_memory = true;
		return;
	}
	if (read_file(reading, path) && !reading->full && !reading->no_memory)
		read_folder(reading, more);
}

struct config *
config_read(const char *path, struct report *report)
{
	struct reading reading = { .config = config_new(), .report = report };

	if (reading.config != NULL)
		read_all(&reading, path);
	if (reading.config == NULL || reading.no_memory) {
		report_error(report, path, 0, "no memory to read the configuration");
		config_free(&reading.config);
	}
	return reading.config;
}
