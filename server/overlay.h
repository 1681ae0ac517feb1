/* SPDX-License-Identifier: Apache-2.0 */
/*
 * overlay: what an operator has changed in the running process: [route] and [upstream] sections that replace
 * those of the files, come beside them, or take them away.
 *
 * It knows sections as texts only; what they mean is judged by the build of the generation that they become
 * part of, exactly as for the files. A change is put in, tried, and then kept (commit) or undone (roll back).
 * Sections are written here as an INI file could hold them, so that all of it can be saved and exported. Main
 * thread.
 */
#ifndef WEIR_SERVER_OVERLAY_H
#define WEIR_SERVER_OVERLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct config;
struct report;

struct overlay_section {
	struct overlay_section *next, *previous;	/* in the order in which they came */
	struct overlay_section *same_hash;
	const char *kind;	/* "route" or "upstream" */
	bool deleted;		/* there shall be no such section, whatever the files say */
	bool fresh;		/* of the change under way */
	uint32_t hash;		/* of kind and name (config.h) */
	unsigned line;		/* in the state file; 0: not written yet */
	unsigned count;		/* of the entries */
	uint32_t size, room;	/* of the text */
	char text[];		/* the name, then key and value of each entry, each ending in NUL */
};

/* One step of the change under way: what stood there, and what stands there now; NULL: nothing. */
struct overlay_step {
	struct overlay_section *was, *is;
};

struct overlay {
	struct overlay_section *first, *last;
	struct overlay_section **buckets;
	size_t count, bucket_count;
	struct overlay_step *steps;
	size_t step_count, step_room;
	const char *file;		/* where it is kept, for messages; NULL: nowhere */
	uint64_t revision;		/* changes so far */
	bool kept;			/* the file is there */
};

/* `file` is kept, not copied. NULL without memory. */
struct overlay *overlay_new(const char *file);
void overlay_free(struct overlay **);

/* One of the two kinds, as sections have it; NULL: there is no such. */
const char *overlay_kind(const char *);

/* A section that is not put in yet; kind is copied as one of the two. NULL without memory, or where there is no
 * such kind. */
struct overlay_section *overlay_section_new(const char *kind, const char *name);
void overlay_section_free(struct overlay_section **);

/* The same of a text that is laid out as the section's shall be, with so many entries; the kind is one that there is. NULL
 * without memory. */
struct overlay_section *overlay_section_of(const char *kind, const char *text, uint32_t size, unsigned count);

/* Append an entry; false without memory, then the section is as it was. It may move. */
bool overlay_section_add(struct overlay_section **, const char *key, const char *value);

/* Could an INI file hold the section, so that the same comes back? Else `why` says what is in the way, and
 * *key, where not NULL, at which key (it is the section's). */
bool overlay_section_fits(const struct overlay_section *, char *why, size_t room, const char **key);

/* The two ways to know: by its bytes alone, which never says yes where the other would not; and by an INI file. */
bool overlay_section_is_plain(const struct overlay_section *);
bool overlay_section_comes_back(const struct overlay_section *, char *why, size_t room, const char **key);

static inline const char *
overlay_name(const struct overlay_section *section)
{
	return section->text;
}

/* The entries one after another: *at begins as NULL. False at the end. */
bool overlay_next(const struct overlay_section *, const char **at, const char **key, const char **value);

struct overlay_section *overlay_find(const struct overlay *, const char *kind, const char *name);

/* The one that is kept, whatever the change under way has put in its place. */
struct overlay_section *overlay_find_kept(const struct overlay *, const char *kind, const char *name);

/* Steps of a change: put a section in, in the place of one with its kind and name (taken over in every case);
 * have none, so that the files' holds again. False without memory. */
bool overlay_put(struct overlay *, struct overlay_section *);
bool overlay_drop(struct overlay *, const char *kind, const char *name);

/* Keep the steps since the last of these two, or undo them. */
void overlay_commit(struct overlay *);
void overlay_roll_back(struct overlay *);

/* What holds: the files with the overlay on top, as a config that shares the files' entries. NULL without memory or
 * past a bound (reported). */
struct config *overlay_apply(const struct overlay *, struct config *files, struct report *);

#endif
