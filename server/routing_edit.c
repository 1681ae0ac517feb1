/* SPDX-License-Identifier: Apache-2.0 */
/*
 * routing_edit: from what an operator asks for to the steps of an overlay.
 */
#include "routing_edit.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "courtesy.h"
#include "generation.h"
#include "overlay.h"
#include "report.h"
#include "routing_table.h"
#include "section_json.h"

/* An edit at work. */
struct work {
	const struct routing_edit *edit;
	const struct generation *generation;	/* that serves now */
	struct overlay *overlay;
	struct report *report;
};

static enum hot_result no_memory(const struct work *w)
{
	report_error(w->report, NULL, 0, "no memory for the change");
	return HOT_REFUSED;
}

static enum hot_result __attribute__((format(printf, 2, 3)))
refuse(const struct work *w, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	report_add(w->report, false, NULL, 0, format, arguments);
	va_end(arguments);
	return HOT_REFUSED;
}

/* The nearest of the names of a kind, to free(). */
static const char **
names_of(const struct generation *g, const char *kind)
{
	const char **names = calloc(g->config->section_count + 1, sizeof(*names));
	size_t count = 0;

	for (const struct config_section *s = g->config->sections; names != NULL && s != NULL; s = s->next)
		if (strcmp(s->kind, kind) == 0)
			names[count++] = s->name;
	return names;
}

static enum hot_result
missing(const struct work *w, const char *kind, const char *name)
{
	const char **names = names_of(w->generation, kind);
	const char *nearest = names != NULL ? report_nearest(name, names) : NULL;

	if (nearest != NULL)
		refuse(w, "there is no [%s %s], did you mean `%s`?", kind, name, nearest);
	else
		refuse(w, "there is no [%s %s]", kind, name);
	free(names);
	return HOT_MISSING;
}

/* --- one section ------------------------------------------------------------------------------------------ */

static enum hot_result
put(const struct work *w, const char *kind, const char *name, const json_t *object)
{
	struct overlay_section *section = section_from_json(kind, name, object, w->report);

	if (section == NULL)
		return HOT_REFUSED;
	return overlay_put(w->overlay, section) ? HOT_DONE : no_memory(w);
}

static enum hot_result
patch(const struct work *w, const struct config_section *section, const json_t *object)
{
	json_t *whole = section_json(section);
	enum hot_result result = HOT_REFUSED;

	if (!json_is_object(object))
		result = put(w, section->kind, section->name, object);	/* which says what is wrong */
	else if (whole == NULL || !section_patch(whole, object))
		result = no_memory(w);
	else
		result = put(w, section->kind, section->name, whole);
	json_decref(whole);
	return result;
}

/* Away with it; where the files have it, that they have to be overruled is to be remembered. */
static enum hot_result
delete(const struct work *w, const char *kind, const char *name)
{
	struct overlay_section *none;

	if (config_find(w->generation->config, kind, name) == NULL)
		return missing(w, kind, name);
	if (config_find(generation_files(w->generation), kind, name) == NULL)
		return overlay_drop(w->overlay, kind, name) ? HOT_DONE : no_memory(w);
	if ((none = overlay_section_new(kind, name)) == NULL)
		return no_memory(w);
	none->deleted = true;
	return overlay_put(w->overlay, none) ? HOT_DONE : no_memory(w);
}

/* --- a whole table ---------------------------------------------------------------------------------------- */

static const json_t *
table_of(const struct work *w)
{
	return json_object_get(w->edit->document, strcmp(w->edit->kind, "route") == 0 ? "routes" : "upstreams");
}

/* The worse of two: all sections are looked at, so that all errors are seen. */
static enum hot_result
worse(enum hot_result a, enum hot_result b)
{
	return a != HOT_DONE ? a : b;
}

/* What was put in is fresh; what is not, was not in the table. */
static enum hot_result
replace_by_table(const struct work *w, struct routing_table *table)
{
	enum hot_result result = HOT_DONE;
	struct overlay_section *over;

	while ((over = table->first) != NULL) {
		table->first = over->next;
		if (!overlay_put(w->overlay, over))
			return no_memory(w);
	}
	for (const struct config_section *s = w->generation->config->sections; s != NULL; s = s->next) {
		courtesy_step();
		if (strcmp(s->kind, w->edit->kind) != 0)
			continue;
		over = overlay_find(w->overlay, s->kind, s->name);
		if (over == NULL || !over->fresh)
			result = worse(result, delete(w, s->kind, s->name));
	}
	return result;
}

static enum hot_result
replace_all(const struct work *w)
{
	const json_t *table = table_of(w);
	enum hot_result result = HOT_DONE;
	const char *name;
	json_t *object;

	for (const struct config_section *s = w->generation->config->sections; s != NULL; s = s->next)
		if (strcmp(s->kind, w->edit->kind) == 0 && json_object_get(table, s->name) == NULL)
			result = worse(result, delete(w, s->kind, s->name));
	json_object_foreach((json_t *)(uintptr_t)table, name, object)
		result = worse(result, put(w, w->edit->kind, name, object));
	return result;
}

static enum hot_result
patch_all(const struct work *w)
{
	enum hot_result result = HOT_DONE, one;
	const char *kind = w->edit->kind, *name;
	const struct config_section *section;
	json_t *object;

	json_object_foreach((json_t *)(uintptr_t)table_of(w), name, object) {
		section = config_find(w->generation->config, kind, name);
		if (json_is_null(object))
			one = delete(w, kind, name);
		else
			one = section != NULL ? patch(w, section, object) : put(w, kind, name, object);
		result = worse(result, one);
	}
	return result;
}

/* --- servers ---------------------------------------------------------------------------------------------- */

/* Is the first word of a `server` line this address? */
static bool
is_server(const char *line, const char *address)
{
	size_t length = strlen(address);

	return strncmp(line, address, length) == 0 && strchr(" \t", line[length]) != NULL;
}

/* The list of `server` lines of an upstream, in an object of its own; NULL without memory. */
static json_t *
servers_of(json_t *upstream)
{
	json_t *is = json_object_get(upstream, "server"), *list = json_array();

	if (json_is_array(is))
		json_array_extend(list, is);
	else if (is != NULL)
		json_array_append(list, is);
	return json_object_set_new(upstream, "server", list) == 0 ? list : NULL;
}

/* Where in the list it stands; its size when it does not. */
static size_t
find_server(const json_t *list, const char *address)
{
	size_t i = 0;

	while (i < json_array_size(list) && !is_server(json_string_value(json_array_get(list, i)), address))
		i++;
	return i;
}

/* Members of a server: "address" only where it is added. */
static enum hot_result
check_server(const struct work *w)
{
	static const char *const adding[] = { "address", "weight", "backup", NULL };
	static const char *const changing[] = { "weight", "backup", "drain", NULL };
	const char *const *known = w->edit->act == ROUTING_ADD_SERVER ? adding : changing;
	const char *name, *nearest;
	json_t *value;
	size_t i;

	json_object_foreach(w->edit->document, name, value) {
		for (i = 0; known[i] != NULL && strcmp(known[i], name) != 0; i++)
			;
		nearest = known[i] == NULL ? report_nearest(name, known) : NULL;
		if (nearest != NULL)
			return refuse(w, "unknown member `%s`, did you mean `%s`?", name, nearest);
		if (known[i] == NULL)
			return refuse(w, "unknown member `%s`", name);
		if (strcmp(name, "weight") == 0 ? !json_is_integer(value) :
			strcmp(name, "address") == 0 ? !json_is_string(value) : !json_is_boolean(value))
			return refuse(w, "`%s` is %s", name, strcmp(name, "weight") == 0 ? "a number" :
				strcmp(name, "address") == 0 ? "a text" : "true or false");
	}
	return HOT_DONE;
}

/* The line again with another weight, or as a backup or not; all else as it was. */
static json_t *
change_line(const char *line, const json_t *document)
{
	const json_t *backup = json_object_get(document, "backup"), *weight = json_object_get(document, "weight");
	bool drain = json_is_true(json_object_get(document, "drain"));
	char *words = strdup(line), *rest = NULL, *text = NULL;
	size_t length = 0;
	FILE *to = words != NULL ? open_memstream(&text, &length) : NULL;
	json_t *changed = NULL;

	for (char *word = to != NULL ? strtok_r(words, " \t", &rest) : NULL; word != NULL;
		word = strtok_r(NULL, " \t", &rest)) {
		if ((strncmp(word, "weight=", 7) == 0 && (drain || weight != NULL)) ||
			(strcmp(word, "backup") == 0 && backup != NULL))
			continue;
		fprintf(to, "%s%s", ftell(to) > 0 ? " " : "", word);
	}
	if (to != NULL && (drain || weight != NULL))
		fprintf(to, " weight=%" JSON_INTEGER_FORMAT, drain ? 0 : json_integer_value(weight));
	if (to != NULL && json_is_true(backup))
		fputs(" backup", to);
	if (to != NULL && fclose(to) == 0)
		changed = json_string(text);
	free(text);
	free(words);
	return changed;
}

static enum hot_result
change_servers(const struct work *w, json_t *list)
{
	const struct routing_edit *e = w->edit;
	const char *address = e->act == ROUTING_ADD_SERVER ?
		json_string_value(json_object_get(e->document, "address")) : e->server;
	size_t at = address != NULL ? find_server(list, address) : 0;
	bool is_there = at < json_array_size(list);
	int failed = 0;

	if (address == NULL || *address == '\0' || strpbrk(address, " \t") != NULL)
		return refuse(w, "`address` is expected, like 10.0.0.1:80");
	if (e->act == ROUTING_ADD_SERVER && is_there)
		return refuse(w, "[upstream %s] has a server %s already", e->name, address);
	if (e->act != ROUTING_ADD_SERVER && !is_there) {
		refuse(w, "[upstream %s] has no server %s", e->name, address);
		return HOT_MISSING;
	}
	if (json_object_get(e->document, "drain") == json_false() && json_object_get(e->document, "weight") == NULL)
		return refuse(w, "`drain` ends with a `weight`");
	if (json_is_true(json_object_get(e->document, "drain")) && json_object_get(e->document, "weight") != NULL)
		return refuse(w, "a server that drains has no `weight`: name one of the two");
	if (e->act == ROUTING_ADD_SERVER)
		failed = json_array_append_new(list, change_line(address, e->document));
	else if (e->act == ROUTING_PATCH_SERVER)
		failed = json_array_set_new(list, at,
			change_line(json_string_value(json_array_get(list, at)), e->document));
	else
		failed = json_array_remove(list, at);
	return failed == 0 ? HOT_DONE : no_memory(w);
}

static enum hot_result
edit_servers(const struct work *w)
{
	const struct config_section *section = config_find(w->generation->config, "upstream", w->edit->name);
	enum hot_result result = check_server(w);
	json_t *whole, *list;

	if (result != HOT_DONE)
		return result;
	if (section == NULL)
		return missing(w, "upstream", w->edit->name);
	whole = section_json(section);
	list = whole != NULL ? servers_of(whole) : NULL;
	result = list != NULL ? change_servers(w, list) : no_memory(w);
	if (result == HOT_DONE && json_array_size(list) == 0)
		json_object_del(whole, "server");
	if (result == HOT_DONE)
		result = put(w, "upstream", section->name, whole);
	json_decref(whole);
	return result;
}

/* --- back to the files ------------------------------------------------------------------------------------ */

static enum hot_result
revert_all(const struct work *w)
{
	while (w->overlay->first != NULL)
		if (!overlay_drop(w->overlay, w->overlay->first->kind, overlay_name(w->overlay->first)))
			return no_memory(w);
	return HOT_DONE;
}

static enum hot_result
revert_list(const struct work *w, const char *kind, const json_t *list)
{
	const json_t *one;
	size_t index;

	if (!json_is_array(list))
		return refuse(w, "`%ss` is a list of names", kind);
	json_array_foreach(list, index, one) {
		const char *name = json_string_value(one);

		if (name == NULL)
			return refuse(w, "`%ss` is a list of names", kind);
		if (overlay_find(w->overlay, kind, name) == NULL) {
			refuse(w, "[%s %s] is as the files say", kind, name);
			return HOT_MISSING;
		}
		if (!overlay_drop(w->overlay, kind, name))
			return no_memory(w);
	}
	return HOT_DONE;
}

static enum hot_result
revert(const struct work *w)
{
	enum hot_result result = HOT_DONE;
	const char *name;
	json_t *list;

	if (json_object_size(w->edit->document) == 0)
		return revert_all(w);
	json_object_foreach(w->edit->document, name, list) {
		if (strcmp(name, "routes") == 0)
			result = worse(result, revert_list(w, "route", list));
		else if (strcmp(name, "upstreams") == 0)
			result = worse(result, revert_list(w, "upstream", list));
		else
			result = refuse(w, "unknown member `%s`: there are `routes` and `upstreams`", name);
	}
	return result;
}

static enum hot_result
patch_one(const struct work *w)
{
	const struct config_section *section = config_find(w->generation->config, w->edit->kind, w->edit->name);

	return section != NULL ? patch(w, section, w->edit->document) : missing(w, w->edit->kind, w->edit->name);
}

enum hot_result
routing_edit(const struct routing_edit *e, const struct generation *g, struct overlay *o, struct report *report)
{
	struct work w = { e, g, o, report };

	switch (e->act) {
	case ROUTING_REPLACE_ALL:
		return e->table != NULL ? replace_by_table(&w, e->table) : replace_all(&w);
	case ROUTING_PATCH_ALL:
		return patch_all(&w);
	case ROUTING_PUT:
		return put(&w, e->kind, e->name, e->document);
	case ROUTING_PATCH:
		return patch_one(&w);
	case ROUTING_DELETE:
		return delete(&w, e->kind, e->name);
	case ROUTING_ADD_SERVER:
	case ROUTING_PATCH_SERVER:
	case ROUTING_DELETE_SERVER:
		return edit_servers(&w);
	case ROUTING_REVERT:
		return revert(&w);
	}
	return HOT_REFUSED;
}
