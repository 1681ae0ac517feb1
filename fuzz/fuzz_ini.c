/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_ini: any bytes as weir.ini, from the reader to the settings and back to text.
 *
 * Whatever is handed on must stand so in the line that it claims to come from, whole; and when nothing was
 * reported, every line that is neither blank nor a comment must have been handed on. Then the core's tables
 * and one of all types meet the sections.
 */
#include "server/config.h"
#include "server/generation.h"
#include "server/ini.h"
#include "server/option.h"
#include "server/report.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define must(condition) ((condition) ? (void)0 : abort())	/* unlike assert it is there in every build */

struct everything {
	const char *text, *field, *path;
	bool flag;
	int64_t number, duration;
	uint64_t size;
	int choice;
	struct weir_network network;
	struct weir_address address;
	const struct weir_upstream *upstream;
	struct weir_list sizes;
};

#define AT(member) offsetof(struct everything, member)

static const char *const choices[] = { "one", "two", NULL };

static const struct weir_option options[] = {
	{ "text", WEIR_TEXT, AT(text), .secret = true },
	{ "field", WEIR_FIELD_NAME, AT(field), .required = true },
	{ "path", WEIR_PATH, AT(path), .initial = "p" },
	{ "flag", WEIR_BOOL, AT(flag), .deprecated = "another" },
	{ "number", WEIR_INTEGER, AT(number), .min = -10, .max = 10 },
	{ "duration", WEIR_DURATION, AT(duration), .initial = "1s" },
	{ "size", WEIR_SIZE, AT(size), .max = 1 << 20 },
	{ "choice", WEIR_CHOICE, AT(choice), .choices = choices },
	{ "network", WEIR_NETWORK, AT(network), .doc = "Doc." },
	{ "address", WEIR_ADDRESS, AT(address), .in = WEIR_IN_UPSTREAM },
	{ "upstream", WEIR_UPSTREAM, AT(upstream), .doc = "Doc." },
	{ "sizes", WEIR_SIZE, AT(sizes), .repeat = true, .bare = true, .in = WEIR_IN_ROUTE },
	{ .name = NULL }
};

/* --- the reader ----------------------------------------------------------------------------------------- */

struct input {
	const char *at, *end;	/* what follows the line last handed on */
	unsigned line;
	bool missed;		/* a line with something in it was passed over */
};

/* The next line without its end, byte order mark and comment. */
static bool
next_line(struct input *input, const char **line, size_t *length)
{
	const char *newline;

	if (input->at == input->end)
		return false;
	newline = memchr(input->at, '\n', (size_t)(input->end - input->at));
	*line = input->at;
	*length = (size_t)((newline != NULL ? newline : input->end) - input->at);
	input->at = newline != NULL ? newline + 1 : input->end;
	if (input->line++ == 0 && *length >= 3 && memcmp(*line, "\xef\xbb\xbf", 3) == 0) {
		*line += 3;
		*length -= 3;
	}
	if (*length > 0 && (*line)[*length - 1] == '\r')
		(*length)--;
	for (size_t i = 0; i < *length; i++)
		if ((*line)[i] == ';' && (i == 0 || (*line)[i - 1] == ' ' || (*line)[i - 1] == '\t'))
			*length = i;
	while (*length > 0 && ((*line)[*length - 1] == ' ' || (*line)[*length - 1] == '\t'))
		(*length)--;
	return true;
}

static bool
says_something(const char *line, size_t length)
{
	while (length > 0 && (*line == ' ' || *line == '\t')) {
		line++;
		length--;
	}
	return length > 0 && *line != '#';
}

static bool
check_line(void *context, const struct ini_line *taken)
{
	struct input *input = context;
	const char *line = NULL;
	size_t length = 0, key, value;

	while (input->line < taken->line) {
		must(next_line(input, &line, &length));
		input->missed |= input->line < taken->line && says_something(line, length);
	}
	must(line != NULL && length <= INI_LINE_MOST && memchr(line, '\0', length) == NULL);
	must(strlen(taken->kind) <= INI_NAME_MOST && strlen(taken->name) <= INI_NAME_MOST);
	if (taken->key == NULL) {
		must(line[0] == '[' && line[length - 1] == ']');
		key = 1 + strspn(line + 1, " \t");
		must(memmem(line, length, taken->kind, strlen(taken->kind)) == line + key);
		must(memmem(line, length, taken->name, strlen(taken->name)) != NULL);
		return true;
	}
	key = strlen(taken->key);
	value = strlen(taken->value);
	must(key > 0 && key + 1 + value <= length);
	must(memcmp(line, taken->key, key) == 0 && memcmp(line + length - value, taken->value, value) == 0);
	for (size_t i = key; i < length - value; i++)
		must(line[i] == ' ' || line[i] == '\t' || line[i] == '=');
	return true;
}

static void
check_reader(const char *text, size_t size)
{
	struct input input = { text, text + size, 0, false };
	struct report report;
	const char *line;
	size_t length;

	report_init(&report);
	must(ini_read(text, size, "weir.ini", &report, check_line, &input));
	while (next_line(&input, &line, &length))
		input.missed |= says_something(line, length);
	must(report.errors > 0 || !input.missed);
	report_free(&report);
}

/* --- from the file to the settings ---------------------------------------------------------------------- */

static void
check_section(struct weir_build *build, struct option_owner *owners, struct config_section *section,
	FILE *nowhere)
{
	bool own;

	for (size_t i = 0; i < 2; i++) {
		if (strcmp(section->kind, "module") != 0)
			must(option_parse(build, &owners[i], section, &own) != NULL || owners[i].size == 0 ||
				build->failed);
		option_complete(&owners[i], section);
		option_print_values(nowhere, &owners[i], section, build->generation->config->folder);
	}
	if (strcmp(section->kind, "route") == 0)
		option_enabled(build, &owners[1], section);
	option_check_section(build, owners, 2, section);
}

static void
check_options(struct generation *generation, struct report *report, FILE *nowhere)
{
	static const struct {
		const char *kind;
		const struct weir_option *options;
		size_t size;
	} core[] = {
		{ "weir", weir_options, sizeof(struct weir_settings) },
		{ "listen", listen_options, sizeof(struct listen_settings) },
		{ "upstream", upstream_options, sizeof(struct upstream_settings) },
		{ "route", route_options, sizeof(struct route_settings) },
		{ "certificate", NULL, 0 },
		{ "module", NULL, 0 },
	};
	struct weir_build build = { .generation = generation, .report = report, .file = "weir.ini" };
	struct option_owner owners[2] = {
		[1] = { "m", options, sizeof(struct everything),
			config_find(generation->config, "module", "m"), NULL, false },
	};

	must(option_defaults(&build, &owners[1]));
	for (size_t i = 0; i < sizeof(core) / sizeof(core[0]); i++) {
		owners[0] = (struct option_owner){ .options = core[i].options, .size = core[i].size };
		must(option_defaults(&build, &owners[0]));
		for (struct config_section *s = generation->config->sections; s != NULL; s = s->next)
			if (strcmp(s->kind, core[i].kind) == 0)
				check_section(&build, owners, s, nowhere);
	}
	/* All is used or was complained of. */
	for (struct config_section *s = generation->config->sections; s != NULL; s = s->next)
		for (struct config_entry *e = s->entries; e != NULL; e = e->next)
			must(e->used || report->errors > 0 ||
				(strcmp(s->kind, "module") == 0 && strcmp(s->name, "m") != 0));
}

static void
check_configuration(const char *path, FILE *nowhere)
{
	struct generation generation = { .number = 1 };
	struct report report;

	report_init(&report);
	arena_init(&generation.arena, NULL, 0);
	generation.config = config_read(path, &report);
	must(generation.config != NULL);
	check_options(&generation, &report, nowhere);
	report_print(&report, nowhere);
	arena_free(&generation.arena);
	config_free(&generation.config);
	report_free(&report);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static FILE *nowhere;
	char path[64];
	int file = memfd_create("weir.ini", MFD_CLOEXEC);

	if (nowhere == NULL)
		must((nowhere = fopen("/dev/null", "w")) != NULL);
	must(file >= 0 && write(file, data, size) == (ssize_t)size);
	check_reader((const char *)data, size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	check_configuration(path, nowhere);
	close(file);
	return 0;
}
