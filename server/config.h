/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config: what stands in the INI files, before anyone asks what it means.
 *
 * weir.ini, then the .ini files of conf.d beside it in C-locale order, as a list of sections with their
 * entries, each with its file and line. Whoever understands an entry marks it used; what nobody used is an
 * unknown key. The config owns all texts; the generation built from it keeps it alive.
 */
#ifndef WEIR_SERVER_CONFIG_H
#define WEIR_SERVER_CONFIG_H

#include <stdbool.h>

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
	const char *kind, *name;	/* "[route admin]": "route", "admin"; name is "" for [weir] */
	const char *file;
	unsigned line;
	unsigned index;			/* 0, 1, … among the sections of its kind */
	struct config_entry *entries;
	struct config_section *same_hash;	/* config.c's */
};

struct config {
	struct arena arena;
	const char *folder;		/* where the first file lies; relative paths start here */
	struct config_section *sections;
	struct config_section **buckets;	/* the sections by kind and name; config.c's */
	size_t bucket_count, section_count;
};

/* Read the file and its conf.d (files whose name begins with a dot are left out). Errors go to the report;
 * what could be read is returned all the same, so that checking can go on. NULL only without memory
 * (reported). */
struct config *config_read(const char *path, struct report *);
void config_free(struct config **);

/* The first section of this kind and name; name NULL: the first of the kind. NULL when there is none. */
struct config_section *config_find(const struct config *, const char *kind, const char *name);

#endif
