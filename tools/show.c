/* SPDX-License-Identifier: Apache-2.0 */
/*
 * show: a JSON document for a human reader: names beside values, lists of objects as tables.
 */
#include "show.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { COLUMNS_MOST = 32, SCALAR = 512 };

struct column {
	const char *name;
	int width;
	bool number;		/* all values are: set to the right */
};

void
show_text(FILE *to, const char *text)
{
	for (; *text != '\0'; text++)
		putc((unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text, to);
}

static bool
is_flat(const json_t *value)
{
	return !json_is_object(value) && !json_is_array(value);
}

/* A value without members as text; NULL or none is "-". */
static const char *
scalar(const json_t *value, char buffer[SCALAR])
{
	if (json_is_string(value))
		return json_string_value(value)[0] != '\0' ? json_string_value(value) : "-";
	if (json_is_integer(value))
		snprintf(buffer, SCALAR, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	else if (json_is_real(value))
		snprintf(buffer, SCALAR, "%.6g", json_real_value(value));
	else if (json_is_boolean(value))
		strcpy(buffer, json_is_true(value) ? "yes" : "no");
	else
		strcpy(buffer, value == NULL || json_is_null(value) ? "-" : "…");
	return buffer;
}

/* Characters, not bytes. */
static int
width_of(const char *text)
{
	int width = 0;

	for (; *text != '\0'; text++)
		width += ((unsigned char)*text & 0xc0) != 0x80;
	return width;
}

static void
show_padded(FILE *to, const char *text, int width, bool right)
{
	int blanks = width - width_of(text);

	if (right)
		fprintf(to, "%*s", blanks > 0 ? blanks : 0, "");
	show_text(to, text);
	if (!right)
		fprintf(to, "%*s", blanks > 0 ? blanks : 0, "");
}

/* The columns of a list of objects, in the order in which names first stand in it. */
static unsigned
find_columns(const json_t *list, struct column *columns)
{
	char buffer[SCALAR];
	unsigned count = 0, i;
	const char *name;
	const json_t *row, *value;
	size_t index;

	json_array_foreach(list, index, row) {
		json_object_foreach((json_t *)(uintptr_t)row, name, value) {
			for (i = 0; i < count && strcmp(columns[i].name, name) != 0; i++)
				;
			if (i == COLUMNS_MOST)
				continue;
			if (i == count)
				columns[count++] = (struct column){ name, width_of(name), true };
			if (width_of(scalar(value, buffer)) > columns[i].width)
				columns[i].width = width_of(scalar(value, buffer));
			columns[i].number &= json_is_number(value);
		}
	}
	return count;
}

static void
show_table(FILE *to, const json_t *list, int indent)
{
	struct column columns[COLUMNS_MOST];
	unsigned count = find_columns(list, columns);
	char buffer[SCALAR];
	const json_t *row;
	size_t index;

	fprintf(to, "%*s", indent, "");
	for (unsigned i = 0; i < count; i++) {
		show_padded(to, columns[i].name, i + 1 < count || columns[i].number ? columns[i].width : 0,
			columns[i].number);
		fputs(i + 1 < count ? "  " : "\n", to);
	}
	json_array_foreach(list, index, row) {
		fprintf(to, "%*s", indent, "");
		for (unsigned i = 0; i < count; i++) {
			const json_t *value = json_object_get(row, columns[i].name);

			show_padded(to, scalar(value, buffer),
				i + 1 < count || columns[i].number ? columns[i].width : 0, columns[i].number);
			fputs(i + 1 < count ? "  " : "\n", to);
		}
	}
}

static bool
is_table(const json_t *list)
{
	const json_t *row;
	size_t index;

	json_array_foreach(list, index, row)
		if (!json_is_object(row))
			return false;
	return json_array_size(list) > 0;
}

static void show_indented(FILE *, const json_t *, int indent);

static void
show_object(FILE *to, const json_t *object, int indent)
{
	char buffer[SCALAR];
	const json_t *value;
	const char *name;
	int width = 0;

	json_object_foreach((json_t *)(uintptr_t)object, name, value)
		if (is_flat(value) && width_of(name) > width)
			width = width_of(name);
	json_object_foreach((json_t *)(uintptr_t)object, name, value) {
		fprintf(to, "%*s", indent, "");
		show_padded(to, name, is_flat(value) ? width : 0, false);
		if (is_flat(value)) {
			fputs("  ", to);
			show_text(to, scalar(value, buffer));
		} else if (json_object_size(value) + json_array_size(value) == 0) {
			fputs(": none", to);
		}
		putc('\n', to);
		if (!is_flat(value))
			show_indented(to, value, indent + 2);
	}
}

static void
show_indented(FILE *to, const json_t *value, int indent)
{
	char buffer[SCALAR];
	const json_t *one;
	size_t index;

	if (json_is_object(value)) {
		show_object(to, value, indent);
	} else if (json_is_array(value) && is_table(value)) {
		show_table(to, value, indent);
	} else if (json_is_array(value)) {
		json_array_foreach(value, index, one)
			show_indented(to, one, indent);
	} else {
		fprintf(to, "%*s", indent, "");
		show_text(to, scalar(value, buffer));
		putc('\n', to);
	}
}

void
show(FILE *to, const json_t *document)
{
	show_indented(to, document, 0);
}
