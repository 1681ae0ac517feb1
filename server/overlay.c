/* SPDX-License-Identifier: Apache-2.0 */
/*
 * overlay: what an operator has changed in the running process.
 */
#include "overlay.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "courtesy.h"
#include "report.h"

enum { BUCKETS_LEAST = 64 };

/* --- the set --------------------------------------------------------------------------------------------- */

/* The link that leads to the section, or to the end of its bucket. */
static struct overlay_section **
find_link(const struct overlay *o, const char *kind, const char *name)
{
	uint32_t hash = config_hash(kind, name);
	struct overlay_section **link = &o->buckets[hash & (o->bucket_count - 1)];

	while (*link != NULL && ((*link)->hash != hash || strcmp((*link)->kind, kind) != 0 ||
			strcmp(overlay_name(*link), name) != 0))
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
		bucket = &buckets[s->hash & (count - 1)];
		s->same_hash = *bucket;
		*bucket = s;
		courtesy_step();
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

	if (section->room > section->size && (fitted = realloc(section, sizeof(*section) + section->size)) != NULL)
		section = fitted;
	section->room = section->size;
	section->fresh = true;
	if ((o->count >= o->bucket_count && !grow(o)) || !note_step(o, was, section)) {
		free(section);
		return false;
	}
	exchange(o, was, section, false);
	courtesy_step();
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
	for (size_t i = 0; i < o->step_count; i++) {
		if (o->steps[i].is != NULL)
			o->steps[i].is->fresh = false;
		free(o->steps[i].was);
		courtesy_step();
	}
	forget_steps(o);
}

void
overlay_roll_back(struct overlay *o)
{
	while (o->step_count > 0) {
		const struct overlay_step *step = &o->steps[--o->step_count];

		exchange(o, step->is, step->was, true);
		free(step->is);
		courtesy_step();
	}
	forget_steps(o);
}

/* --- on top of the files ------------------------------------------------------------------------------------ */

/* Where a message about a section of the change under way points: at what was asked for, not at a line. Nearly none is ever
 * shown, and there is one for each key: copied together, not printed. */
static const char *
place_of(struct config *config, const struct overlay *o, const struct overlay_section *section, const char *key)
{
	const char *pieces[] = { "[", section->kind, " ", overlay_name(section), *key != '\0' ? "] " : "]", key };
	size_t lengths[sizeof(pieces) / sizeof(pieces[0])], length = 0;
	char *place, *to;

	if (!section->fresh)
		return o->file != NULL ? o->file : "admin socket";
	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++)
		length += lengths[i] = strlen(pieces[i]);
	if ((to = place = arena_text(&config->arena, length)) == NULL)
		return NULL;
	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++)
		to = (char *)memcpy(to, pieces[i], lengths[i]) + lengths[i];
	return place;
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
		over = overlay_kind(s->kind) != NULL ? overlay_find(o, s->kind, s->name) : NULL;
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
	struct config *config = config_over(files, o->count + files->section_count);
	bool good = config != NULL && add_all(config, o, files);

	if (good)
		return config;
	if (config == NULL || !config_is_full(config, report))
		report_error(report, NULL, 0, "no memory to build the configuration");
	config_free(&config);
	return NULL;
}
