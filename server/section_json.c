/* SPDX-License-Identifier: Apache-2.0 */
/*
 * section_json: sections of the configuration as JSON, and back.
 *
 * Only what a text can hold is looked at here, and whether the text could stand in an INI file; what keys there are
 * and what they mean is the build's business.
 */
#include "section_json.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "config.h"
#include "overlay.h"
#include "reply.h"
#include "report.h"

/* --- from a section --------------------------------------------------------------------------------------- */

/* A key's second line makes a list of its value. */
static bool
add_value(json_t *object, const char *key, const char *value)
{
	json_t *is = json_object_get(object, key), *list = is;

	if (is == NULL)
		return json_object_set_new(object, key, reply_string(value)) == 0;
	if (!json_is_array(is)) {
		list = json_array();
		json_array_append(list, is);
		if (json_object_set_new(object, key, list) != 0)
			return false;
	}
	return json_array_append_new(list, reply_string(value)) == 0;
}

json_t *
section_json(const struct config_section *section)
{
	json_t *object = json_object();

	for (const struct config_entry *entry = section->entries; entry != NULL; entry = entry->next)
		if (!add_value(object, entry->key, entry->value)) {
			json_decref(object);
			return NULL;
		}
	return object;
}

bool
section_patch(json_t *object, const json_t *patch)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)patch, key, value) {
		if (json_is_null(value))
			json_object_del(object, key);
		else if (json_object_set(object, key, value) != 0)
			return false;
	}
	return true;
}

/* --- to a section ----------------------------------------------------------------------------------------- */

struct writing {
	const char *kind, *name;
	struct overlay_section *section;	/* NULL: no memory, which is reported */
	struct report *report;
};

static void __attribute__((format(printf, 3, 4)))
refuse(const struct writing *w, const char *key, const char *format, ...)
{
	char place[256];
	va_list arguments;

	snprintf(place, sizeof(place), "[%s %s]%s%s", w->kind, w->name, *key != '\0' ? " " : "", key);
	va_start(arguments, format);
	report_add(w->report, false, place, 0, format, arguments);
	va_end(arguments);
}

static void
write_text(struct writing *w, const char *key, const char *value)
{
	if (w->section == NULL || overlay_section_add(&w->section, key, value))
		return;
	overlay_section_free(&w->section);
	refuse(w, key, "no memory");
}

static void
write_value(struct writing *w, const char *key, const json_t *value)
{
	char number[32];

	if (json_is_string(value)) {
		write_text(w, key, json_string_value(value));
	} else if (json_is_integer(value)) {
		snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT, json_integer_value(value));
		write_text(w, key, number);
	} else if (json_is_boolean(value)) {
		write_text(w, key, json_is_true(value) ? "yes" : "no");
	} else {
		refuse(w, key, "`%s`: a text, a whole number, true, false or a list of these is expected", key);
	}
}

static void
write_member(struct writing *w, const char *key, const json_t *value)
{
	const json_t *one;
	size_t index;

	if (!json_is_array(value)) {
		write_value(w, key, value);
		return;
	}
	if (json_array_size(value) == 0)
		refuse(w, key, "`%s`: an empty list; leave the key out", key);
	json_array_foreach(value, index, one)
		write_value(w, key, one);
}

struct overlay_section *
section_from_json(const char *kind, const char *name, const json_t *object, struct report *report)
{
	struct writing w = { .kind = kind, .name = name, .report = report };
	const char *key, *bad;
	unsigned errors = report->errors;
	json_t *value;
	char why[512];

	if (!json_is_object(object)) {
		refuse(&w, "", "an object with the keys of the section is expected");
		return NULL;
	}
	if (*name == '\0') {
		refuse(&w, "", "a section needs a name");
		return NULL;
	}
	if ((w.section = overlay_section_new(kind, name)) == NULL)
		refuse(&w, "", "no memory");
	json_object_foreach((json_t *)(uintptr_t)object, key, value)
		write_member(&w, key, value);
	if (w.section != NULL && report->errors == errors &&
		!overlay_section_fits(w.section, why, sizeof(why), &bad))
		refuse(&w, bad != NULL ? bad : "", "%s", why);
	if (report->errors != errors)
		overlay_section_free(&w.section);
	return w.section;
}
