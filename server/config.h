/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config: what stands in the INI files, before anyone asks what it means.
 *
 * weir.ini, then the .ini files of conf.d beside it in C-locale order, as a list of sections with their
 * entries, each with its file and line. Whoever understands an entry marks it used; what nobody used is an
 * unknown key. The config owns all texts; the generations built from it keep it alive.
 *
 * What an operator has changed in the running process lies over the files (overlay.h): then a second config
 * has the sections that hold, and shares the entries of those that the files have.
 */
#ifndef WEIR_SERVER_CONFIG_H
#define WEIR_SERVER_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "arena.h"

struct report;

struct config_entry {
	struct config_entry *next;	/* in the order of the file */
	const char *key, *value;
	const char *file;
	unsigned line;
	bool used;
};

struct config_section {
	struct config_section *next;	/* in the order of the files */
	struct config_section *next_of_kind;
	const char *kind, *name;	/* "[route admin]": "route", "admin"; name is "" for [weir] */
	const char *file;
	unsigned line;
	uint32_t hash;			/* of kind and name */
	unsigned index;			/* 0, 1, … among the sections of its kind */
	struct config_entry *entries;
	struct config_entry **last_entry;	/* config.c's, as the next one */
	struct config_section *same_hash;
};

enum { CONFIG_KINDS = 6, CONFIG_SECTIONS_MOST = 200000, CONFIG_ENTRIES_MOST = 1000000 };

extern const char *const config_kinds[];	/* "weir", …; ends with NULL */

struct config {
	struct arena arena;
	const char *folder;		/* where the first file lies; relative paths start here */
	struct config_section *sections;
	struct config *files;			/* whose entries this one shares and which it holds; NULL: none */

	/* config.c's */
	struct config_section *first_of_kind[CONFIG_KINDS], *last_of_kind[CONFIG_KINDS];
	struct config_section **last_section;
	struct config_section **buckets;	/* the sections by kind and name */
	size_t bucket_count, section_count, entry_count;
	unsigned counts[CONFIG_KINDS];
	unsigned holders;
};

/* Read the file and its conf.d (files whose name begins with a dot are left out). Errors go to the report;
 * what could be read is returned all the same, so that checking can go on. NULL only without memory
 * (reported). */
struct config *config_read(const char *path, struct report *);

/* An empty one, with one holder. NULL without memory. */
struct config *config_new(void);

/* An empty one that lies over another, and will have about so many sections. NULL without memory. */
struct config *config_over(struct config *files, size_t sections);

/* One holder more; who lets go last frees it. Main thread. */
struct config *config_hold(struct config *);
void config_free(struct config **);

/* Append a section: the kind is one that there is, and no other has this kind and name. The file's name is not
 * copied. Or append one that shares its entries with another config's. NULL without memory, or past the bound
 * (config_is_full tells which). */
struct config_section *config_add_section(struct config *, const char *kind, const char *name, const char *file,
	unsigned line);
struct config_section *config_share_section(struct config *, const struct config_section *);
bool config_add_entry(struct config *, struct config_section *, const char *key, const char *value,
	const char *file, unsigned line);
bool config_is_full(const struct config *, struct report *);

/* Nobody has used any entry: before another build from sections that were built from already. */
void config_reset(struct config *);

/* By which sections are found. */
uint32_t config_hash(const char *kind, const char *name);

/* The first section of this kind and name; name NULL: the first of the kind, and next_of_kind has the others. NULL when
 * there is none. */
struct config_section *config_find(const struct config *, const char *kind, const char *name);

#endif
