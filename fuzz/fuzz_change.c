/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_change: what an operator sends to the admin socket: JSON, and the changes of routes that it asks for.
 *
 * The first byte chooses what is asked for, the rest is the body. Whatever becomes of it, the config that results is
 * one that an INI file could hold, and rolling it back leaves what was there. A table that routing_table.c takes is the one that
 * the JSON library reads.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/config.h"
#include "server/generation.h"
#include "server/overlay.h"
#include "server/report.h"
#include "server/routing_edit.h"
#include "server/routing_table.h"

#define must(condition) ((condition) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static struct config *
make_files(void)
{
	static const char *const lines[][4] = {
		{ "upstream", "a", "server", "10.0.0.1:80 weight=2" }, { "upstream", "a", "server", "10.0.0.2:80" },
		{ "route", "one", "match", "one.test/*" }, { "route", "one", "upstream", "a" },
		{ "route", "two", "match", "two.test/*" }, { "module", "m", "key", "value" },
	};
	struct config *config = config_new();
	struct config_section *section;

	must(config != NULL);
	for (unsigned i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		if ((section = config_find(config, lines[i][0], lines[i][1])) == NULL)
			section = config_add_section(config, lines[i][0], lines[i][1], "weir.ini", 2 * i + 1);
		must(section != NULL);
		must(config_add_entry(config, section, lines[i][2], lines[i][3], "weir.ini", 2 * i + 2));
	}
	return config;
}

/* A table is in the body by the name of its kind, as the call checks. */
static bool
is_whole(const struct routing_edit *edit)
{
	bool all = edit->act == ROUTING_REPLACE_ALL || edit->act == ROUTING_PATCH_ALL;

	return json_is_object(edit->document) &&
		(!all || json_is_object(json_object_get(edit->document, edit->kind[0] == 'r' ? "routes" : "upstreams")));
}

static void
check_sections(const struct overlay *o)
{
	const char *key;
	char why[256];

	for (const struct overlay_section *s = o->first; s != NULL; s = s->next)
		must(s->deleted || overlay_section_comes_back(s, why, sizeof(why), &key));
}

/* All that a config has, to free(). */
static char *
print(const struct config *config)
{
	char *text = NULL;
	size_t length;
	FILE *to = open_memstream(&text, &length);

	must(to != NULL);
	for (const struct config_section *s = config->sections; s != NULL; s = s->next) {
		fprintf(to, "[%s %s]\n", s->kind, s->name);
		for (const struct config_entry *e = s->entries; e != NULL; e = e->next)
			fprintf(to, "%s=%s (%s)\n", e->key, e->value, e->file);
	}
	must(fclose(to) == 0);
	return text;
}

/* *became: all that the config has then; NULL: it is refused. */
static void
change(const struct routing_edit *edit, struct config *files, char **became)
{
	struct overlay *o = overlay_new("routing.ini");
	struct generation g = { .config = files };
	struct config *config = NULL;
	struct report report;

	must(o != NULL);
	report_init(&report);
	if (routing_edit(edit, &g, o, &report) == HOT_DONE) {
		must(report.errors == 0);
		check_sections(o);
		config = overlay_apply(o, files, &report);
		must(config != NULL);
		must(config_find(config, "module", "m") != NULL);
		*became = print(config);
	} else {
		must(report.errors > 0);
	}
	config_free(&config);
	overlay_roll_back(o);
	must(o->count == 0 && o->first == NULL && o->last == NULL);
	overlay_free(&o);
	report_free(&report);
}

/* A table that is read without the JSON library is what the library reads. */
static void
change_by_table(struct routing_edit edit, struct config *files, const char *expected, const char *text, size_t length)
{
	char *became = NULL;

	if ((edit.table = routing_table_read(edit.kind, text, length)) == NULL)
		return;
	edit.document = NULL;
	change(&edit, files, &became);
	must(expected != NULL && became != NULL && strcmp(expected, became) == 0);
	free(became);
	routing_table_free(&edit.table);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct routing_edit edit = { .name = "one", .server = "10.0.0.1:80" };
	struct config *files;
	char *became = NULL;

	if (size < 1)
		return 0;
	edit.act = (enum routing_act)(data[0] % (ROUTING_REVERT + 1));
	edit.kind = (data[0] & 0x40) != 0 || (edit.act >= ROUTING_ADD_SERVER && edit.act <= ROUTING_DELETE_SERVER) ?
		"upstream" : "route";
	if (edit.kind[0] == 'u')
		strcpy(edit.name, "a");
	edit.document = json_loadb((const char *)data + 1, size - 1, JSON_REJECT_DUPLICATES, NULL);
	files = make_files();
	if (is_whole(&edit))
		change(&edit, files, &became);
	if (edit.act == ROUTING_REPLACE_ALL)
		change_by_table(edit, files, became, (const char *)data + 1, size - 1);
	free(became);
	config_free(&files);
	json_decref(edit.document);
	return 0;
}
