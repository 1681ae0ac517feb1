/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A table of routes for scenes, as the module would gather them: patterns are added, the index is built, and asked.
 */
#ifndef ROUTE_TEST_TABLE_H
#define ROUTE_TEST_TABLE_H

#include "index.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

struct table {
	struct route_entry *entries;
	struct route_pattern *patterns;
	char *texts;			/* room for the patterns */
	size_t count, capacity, used;
	struct route_index *index;
	void *memory[16];		/* what the index took */
	unsigned pieces, clashes, steps;
	const char *clash[2];		/* the routes of the last clash */
};

#define ROOM_EACH 512

static inline struct table
table_of(size_t capacity)
{
	struct table table = { .capacity = capacity };

	table.entries = calloc(capacity, sizeof(*table.entries));
	table.patterns = calloc(capacity, sizeof(*table.patterns));
	table.texts = malloc(capacity * ROOM_EACH);
	assert_true(table.entries != NULL && table.patterns != NULL && table.texts != NULL);
	return table;
}

static inline void
table_drop(struct table *table)
{
	while (table->pieces > 0)
		free(table->memory[--table->pieces]);
	free(table->entries);
	free(table->patterns);
	free(table->texts);
}

/* "METHOD": the only condition that these scenes know, and its own text; NULL: none. */
static inline void
add_with(struct table *table, const char *text, const char *route, const char *method)
{
	size_t i = table->count++;
	const char *why;

	assert_true(i < table->capacity && ROUTE_PATTERN_ROOM(strlen(text)) <= ROOM_EACH);
	why = route_pattern_read(&table->patterns[i], text, strlen(text), table->texts + i * ROOM_EACH);
	if (why != NULL)
		fail_msg("%s: %s", text, why);
	table->entries[i] = (struct route_entry){
		.pattern = &table->patterns[i],
		.route = route,
		.conditions = method,
		.conditions_text = method != NULL ? method : "",
		.conditions_count = method != NULL,
		.order = (unsigned)i,
	};
}

static inline void
add(struct table *table, const char *text)
{
	add_with(table, text, text, NULL);
}

static inline void *
give(void *with, size_t count, size_t size)
{
	struct table *table = with;

	assert_true(table->pieces < 16);
	return table->memory[table->pieces++] = calloc(count, size);
}

static inline void
note_clash(void *with, const struct route_entry *a, const struct route_entry *b)
{
	struct table *table = with;

	table->clashes++;
	table->clash[0] = a->route;
	table->clash[1] = b->route;
}

static inline void
note_step(void *with)
{
	struct table *table = with;

	table->steps++;
}

static inline void
build(struct table *table)
{
	struct route_index_needs needs = { give, note_clash, note_step, table, 0x9e3779b97f4a7c15 };

	table->index = route_index_build(table->entries, table->count, &needs);
	assert_non_null(table->index);
}

static inline bool
is_method(const void *conditions, void *with)
{
	return strcmp(conditions, with) == 0;
}

static inline const char *
find_method(const struct table *table, const char *host, uint16_t port, const char *path, const char *method)
{
	char asked[16];
	struct route_question question = { .host = host, .port = port, .path = path, .fits = is_method, .with = asked };
	const char *route;

	snprintf(asked, sizeof(asked), "%s", method);
	route = route_index_find(table->index, &question);
	return route != NULL ? route : "none";
}

static inline const char *
find(const struct table *table, const char *host, const char *path)
{
	return find_method(table, host, 0, path, "GET");
}

#endif
