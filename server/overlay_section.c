/* SPDX-License-Identifier: Apache-2.0 */
/*
 * overlay_section: a section that an operator asks for, as texts, and whether an INI file could hold it.
 *
 * Whoever would know for sure writes it down and reads it again. Of 100,000 sections nearly all are of letters, digits and
 * the like, and a look at their bytes says as much: it may doubt where the reader would not, never the other way.
 */
#include "overlay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "ini.h"
#include "report.h"

enum { TEXT_LEAST = 96 };

const char *
overlay_kind(const char *kind)
{
	return strcmp(kind, "route") == 0 ? "route" : strcmp(kind, "upstream") == 0 ? "upstream" : NULL;
}

static bool
add_text(struct overlay_section **section, const char *text)
{
	size_t length = strlen(text) + 1, room = (*section)->room;
	struct overlay_section *grown = *section;

	if (length > UINT32_MAX / 4 || (*section)->size > UINT32_MAX / 4)
		return false;
	while ((*section)->size + length > room)
		room = room == 0 ? TEXT_LEAST : room * 2;
	if (room > (*section)->room && (grown = realloc(*section, sizeof(**section) + room)) == NULL)
		return false;
	memcpy(grown->text + grown->size, text, length);
	grown->size += (uint32_t)length;
	grown->room = (uint32_t)room;
	*section = grown;
	return true;
}

struct overlay_section *
overlay_section_new(const char *kind, const char *name)
{
	struct overlay_section *section = overlay_kind(kind) != NULL ? calloc(1, sizeof(*section)) : NULL;

	if (section == NULL)
		return NULL;
	section->kind = overlay_kind(kind);
	section->hash = config_hash(kind, name);
	if (!add_text(&section, name))
		overlay_section_free(&section);
	return section;
}

struct overlay_section *
overlay_section_of(const char *kind, const char *text, uint32_t size, unsigned count)
{
	struct overlay_section *section = malloc(sizeof(*section) + size);

	if (section == NULL)
		return NULL;
	*section = (struct overlay_section){
		.kind = overlay_kind(kind),
		.hash = config_hash(kind, text),
		.count = count,
		.size = size,
		.room = size,
	};
	memcpy(section->text, text, size);
	return section;
}

void
overlay_section_free(struct overlay_section **section)
{
	free(*section);
	*section = NULL;
}

bool
overlay_section_add(struct overlay_section **section, const char *key, const char *value)
{
	uint32_t size = (*section)->size;

	if (!add_text(section, key) || !add_text(section, value)) {
		(*section)->size = size;
		return false;
	}
	(*section)->count++;
	return true;
}

bool
overlay_next(const struct overlay_section *section, const char **at, const char **key, const char **value)
{
	const char *text = *at != NULL ? *at : section->text;

	text += strlen(text) + 1;
	if (text >= section->text + section->size)
		return false;
	*key = text;
	*value = *at = text + strlen(text) + 1;
	return true;
}

/* --- could an INI file hold it? ------------------------------------------------------------------------------ */

/* What is compared with what the INI reader makes of a section. */
struct comparison {
	const struct overlay_section *section;
	const char *at;			/* overlay_next's */
	const char *key;		/* that does not come back */
	bool header, differs;
};

static bool
compare(void *context, const struct ini_line *line)
{
	struct comparison *c = context;
	const char *value;

	if (line->key == NULL) {
		c->differs |= c->header || strcmp(line->name, overlay_name(c->section)) != 0;
		c->header = true;
	} else if (!overlay_next(c->section, &c->at, &c->key, &value)) {
		c->differs = true;
	} else {
		c->differs |= strcmp(line->key, c->key) != 0 || strcmp(line->value, value) != 0;
	}
	return !c->differs;
}

/* The reader's own words for the first line that it does not take. */
static void
explain(const struct overlay_section *section, const struct report *report, const struct comparison *c,
	char *why, size_t room, const char **key)
{
	const char *at = NULL, *value;

	*key = c->key;
	if (report->first == NULL) {
		snprintf(why, room, "blanks around a value, and what follows a `;`, would be lost in an INI file");
		return;
	}
	snprintf(why, room, "%s", report->first->text);
	*key = NULL;
	for (unsigned line = 2; line <= report->first->line; line++)
		if (!overlay_next(section, &at, key, &value))
			break;
}

static bool
has_break(const struct overlay_section *section)
{
	return memchr(section->text, '\n', section->size) != NULL ||
		memchr(section->text, '\r', section->size) != NULL;
}

bool
overlay_section_comes_back(const struct overlay_section *section, char *why, size_t room, const char **key)
{
	struct comparison comparison = { .section = section };
	const char *at = NULL, *one, *value;
	struct report report;
	size_t length = 0;
	char *text = NULL;
	FILE *to = has_break(section) ? NULL : open_memstream(&text, &length);
	bool fits;

	*key = NULL;
	if (to == NULL) {
		snprintf(why, room, has_break(section) ? "a value stands on one line" : "no memory");
		return false;
	}
	fprintf(to, "[%s %s]\n", section->kind, overlay_name(section));
	while (overlay_next(section, &at, &one, &value))
		fprintf(to, "%s=  %s\n", one, value);	/* as long as " = ", and an empty key is no blank */
	fits = fclose(to) == 0;
	report_init(&report);
	if (fits)
		ini_read(text, length, NULL, &report, compare, &comparison);
	fits = fits && report.errors == 0 && !comparison.differs && comparison.header;
	if (!fits)
		explain(section, &report, &comparison, why, room, key);
	report_free(&report);
	free(text);
	return fits;
}

/* What no reader of INI files gives a meaning of its own: in a name and a key, and in a value. */
enum { IN_KEY = 1, IN_VALUE = 2 };

static const unsigned char plain[256] = {
	[' '] = IN_VALUE, ['!' ... ','] = IN_VALUE, ['-' ... '.'] = IN_KEY | IN_VALUE, ['/'] = IN_VALUE,
	['0' ... '9'] = IN_KEY | IN_VALUE, [':'] = IN_VALUE, ['<' ... '@'] = IN_VALUE,
	['A' ... 'Z'] = IN_KEY | IN_VALUE, ['['...'^'] = IN_VALUE, ['_'] = IN_KEY | IN_VALUE, ['`'] = IN_VALUE,
	['a' ... 'z'] = IN_KEY | IN_VALUE, ['{' ... '~'] = IN_VALUE,
};

/* How long the text is; 0: it is empty, or something in it is not plain. */
static size_t
plain_length(const char *text, unsigned where)
{
	size_t length = 0;

	while ((plain[(unsigned char)text[length]] & where) != 0)
		length++;
	return text[length] == '\0' ? length : 0;
}

bool
overlay_section_is_plain(const struct overlay_section *section)
{
	size_t length = plain_length(overlay_name(section), IN_KEY), value_length;
	const char *at = NULL, *key, *value;

	if (length == 0 || length > INI_NAME_MOST)
		return false;
	while (overlay_next(section, &at, &key, &value)) {
		length = plain_length(key, IN_KEY);
		value_length = plain_length(value, IN_VALUE);
		if (length == 0 || value_length == 0 || *value == ' ' || value[value_length - 1] == ' ' ||
				length + strlen(" = ") + value_length > INI_LINE_MOST)
			return false;
	}
	return true;
}

bool
overlay_section_fits(const struct overlay_section *section, char *why, size_t room, const char **key)
{
	*key = NULL;
	return overlay_section_is_plain(section) || overlay_section_comes_back(section, why, room, key);
}
