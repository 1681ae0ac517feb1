/* SPDX-License-Identifier: Apache-2.0 */
/*
 * overlay: what an operator has changed in the running process.
 */
#include "overlay.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "ini.h"
#include "report.h"

enum { BUCKETS_LEAST = 64, TEXT_LEAST = 96, FILE_ROOM = 160 };

/* --- sections -------------------------------------------------------------------------------------------- */

static const char *
find_kind(const char *kind)
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
	struct overlay_section *section = find_kind(kind) != NULL ? calloc(1, sizeof(*section)) : NULL;

	if (section == NULL)
		return NULL;
	section->kind = find_kind(kind);
	if (!add_text(&section, name))
		overlay_section_free(&section);
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
overlay_section_fits(const struct overlay_section *section, char *why, size_t room, const char **key)
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
		fprintf(to, "%s=%s\n", one, value);
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

/* --- the set --------------------------------------------------------------------------------------------- */

static size_t
hash(const char *kind, const char *name)
{
	uint64_t value = 14695981039346656037u ^ (unsigned char)*kind;

	for (; *name != '\0'; name++)
		value = (value ^ (unsigned char)*name) * 1099511628211u;
	return (size_t)(value ^ value >> 32);
}

/* The link that leads to the section, or to the end of its bucket. */
static struct overlay_section **
find_link(const struct overlay *o, const char *kind, const char *name)
{
	struct overlay_section **link = &o->buckets[hash(kind, name) & (o->bucket_count - 1)];

	while (*link != NULL && (strcmp((*link)->kind, kind) != 0 || strcmp(overlay_name(*link), name) != 0))
		link = &(*link)->same_hash;
	return link;
}

static bool
grow(struct overlay *o)
{
	size_t count = o->bucket_count * 2;
	struct overlay_section **buckets = calloc(count, sizeof(struct overlay_section *)), **bucket;

	if (buckets == NULL)
		return false;
	free(o->buckets);
	o->buckets = buckets;
	o->bucket_count = count;
	for (struct overlay_section *s = o->first; s != NULL; s = s->next) {
		bucket = &buckets[hash(s->kind, overlay_name(s)) & (count - 1)];
		s->same_hash = *bucket;
		*bucket = s;
	}
	return true;
}

struct overlay *
overlay_new(const char *file)
{
	struct overlay *o = calloc(1, sizeof(*o));

	if (o == NULL)
		return NULL;
	o->file = file;
	o->bucket_count = BUCKETS_LEAST;
	if ((o->buckets = calloc(o->bucket_count, sizeof(struct overlay_section *))) == NULL)
		overlay_free(&o);
	return o;
}

void
overlay_free(struct overlay **overlay)
{
	struct overlay *o = *overlay;
	struct overlay_section *section;

	if (o == NULL)
		return;
	overlay_commit(o);
	while ((section = o->first) != NULL) {
		o->first = section->next;
		free(section);
	}
	free(o->buckets);
	free(o->steps);
	free(o);
	*overlay = NULL;
}

struct overlay_section *
overlay_find(const struct overlay *o, const char *kind, const char *name)
{
	return *find_link(o, kind, name);
}

struct overlay_section *
overlay_find_kept(const struct overlay *o, const char *kind, const char *name)
{
	struct overlay_section *section = overlay_find(o, kind, name);

	if (section != NULL && !section->fresh)
		return section;
	for (size_t i = 0; i < o->step_count; i++) {
		section = o->steps[i].was;
		if (section != NULL && !section->fresh && strcmp(section->kind, kind) == 0 &&
			strcmp(overlay_name(section), name) == 0)
			return section;
	}
	return NULL;
}

/* Behind what was its neighbour, or at the end. */
static void
enlist(struct overlay *o, struct overlay_section *section, struct overlay_section *behind)
{
	section->previous = behind;
	section->next = behind != NULL ? behind->next : o->first;
	*(behind != NULL ? &behind->next : &o->first) = section;
	*(section->next != NULL ? &section->next->previous : &o->last) = section;
}

static void
delist(struct overlay *o, struct overlay_section *section)
{
	*(section->previous != NULL ? &section->previous->next : &o->first) = section->next;
	*(section->next != NULL ? &section->next->previous : &o->last) = section->previous;
}

/* Let `is` stand where `was` stands; one of the two may be NULL. A section that was taken out keeps its
 * neighbour in mind, and is put back behind it: steps are undone in their reverse order. */
static void
exchange(struct overlay *o, struct overlay_section *was, struct overlay_section *is, bool back)
{
	struct overlay_section *any = was != NULL ? was : is, **link, *behind;

	assert(any != NULL);
	link = find_link(o, any->kind, overlay_name(any));
	behind = was != NULL || back ? any->previous : o->last;
	assert(*link == was);
	if (was != NULL)
		delist(o, was);
	if (is != NULL) {
		is->same_hash = was != NULL ? was->same_hash : NULL;
		enlist(o, is, behind);
	}
	*link = is != NULL ? is : was->same_hash;
	o->count += (size_t)(is != NULL) - (size_t)(was != NULL);
}

static bool
note_step(struct overlay *o, struct overlay_section *was, struct overlay_section *is)
{
	struct overlay_step *steps;
	size_t room = o->step_room == 0 ? 16 : o->step_room * 2;

	if (o->step_count == o->step_room) {
		if ((steps = realloc(o->steps, room * sizeof(*steps))) == NULL)
			return false;
		o->steps = steps;
		o->step_room = room;
	}
	o->steps[o->step_count++] = (struct overlay_step){ was, is };
	return true;
}

bool
overlay_put(struct overlay *o, struct overlay_section *section)
{
	struct overlay_section *was = overlay_find(o, section->kind, overlay_name(section)), *fitted;

	if ((fitted = realloc(section, sizeof(*section) + section->size)) != NULL)
		section = fitted;
	section->room = section->size;
	section->fresh = true;
	if ((o->count >= o->bucket_count && !grow(o)) || !note_step(o, was, section)) {
		free(section);
		return false;
	}
	exchange(o, was, section, false);
	return true;
}

bool
overlay_drop(struct overlay *o, const char *kind, const char *name)
{
	struct overlay_section *was = overlay_find(o, kind, name);

	if (was == NULL)
		return true;
	if (!note_step(o, was, NULL))
		return false;
	exchange(o, was, NULL, false);
	return true;
}

static void
forget_steps(struct overlay *o)
{
	o->step_count = o->step_room = 0;
	free(o->steps);
	o->steps = NULL;
}

void
overlay_commit(struct overlay *o)
{
	for (size_t i = 0; i < o->step_count; i++)
		if (o->steps[i].is != NULL)
			o->steps[i].is->fresh = false;
	for (size_t i = 0; i < o->step_count; i++)
		free(o->steps[i].was);
	forget_steps(o);
}

void
overlay_roll_back(struct overlay *o)
{
	while (o->step_count > 0) {
		const struct overlay_step *step = &o->steps[--o->step_count];

		exchange(o, step->is, step->was, true);
		free(step->is);
	}
	forget_steps(o);
}

/* --- on top of the files ------------------------------------------------------------------------------------ */

/* Where a message about a section of the change under way points: at what was asked for, not at a line. */
static const char *
place_of(struct config *config, const struct overlay *o, const struct overlay_section *section, const char *key)
{
	if (section->fresh)
		return arena_printf(&config->arena, "[%s %s]%s%s", section->kind, overlay_name(section),
			*key != '\0' ? " " : "", key);
	return o->file != NULL ? o->file : "admin socket";
}

static bool
add(struct config *config, const struct overlay *o, const struct overlay_section *section)
{
	const char *at = NULL, *key = "", *value, *file = place_of(config, o, section, "");
	unsigned line = section->fresh ? 0 : section->line;
	struct config_section *made = NULL;

	if (file != NULL)
		made = config_add_section(config, section->kind, overlay_name(section), file, line);
	while (made != NULL && overlay_next(section, &at, &key, &value)) {
		if (section->fresh)
			file = place_of(config, o, section, key);
		if (line > 0)
			line++;
		if (file == NULL || !config_add_entry(config, made, key, value, file, line))
			return false;
	}
	return made != NULL;
}

static bool
add_all(struct config *config, const struct overlay *o, struct config *files)
{
	const struct overlay_section *over;
	bool good = true;

	for (struct config_section *s = files->sections; good && s != NULL; s = s->next) {
		over = find_kind(s->kind) != NULL ? overlay_find(o, s->kind, s->name) : NULL;
		if (over == NULL)
			good = config_share_section(config, s) != NULL;
		else if (!over->deleted)
			good = add(config, o, over);
	}
	for (over = o->first; good && over != NULL; over = over->next)
		if (!over->deleted && config_find(files, over->kind, overlay_name(over)) == NULL)
			good = add(config, o, over);
	return good;
}

struct config *
overlay_apply(const struct overlay *o, struct config *files, struct report *report)
{
	struct config *config = config_over(files);
	bool good = config != NULL && add_all(config, o, files);

	if (good)
		return config;
	if (config == NULL || !config_is_full(config, report))
		report_error(report, NULL, 0, "no memory to build the configuration");
	config_free(&config);
	return NULL;
}
