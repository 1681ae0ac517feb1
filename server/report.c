/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report: what is wrong with a configuration, all of it.
 *
 * Lines are kept in the order in which they were found, and printed in that of their places. A hopeless input
 * (a binary handed in as weir.ini, say) must not fill memory or the terminal: past KEPT_LINES errors or
 * warnings they are only counted.
 */
#include "report.h"

#include <stdlib.h>
#include <string.h>

#define KEPT_LINES 1000
#define LONGEST_WORD 64

void
report_init(struct report *report)
{
	*report = (struct report){ .first = NULL };
	report->last = &report->first;
}

void
report_free(struct report *report)
{
	struct report_line *line;

	while ((line = report->first) != NULL) {
		report->first = line->next;
		free(line);
	}
	report_init(report);
}

/* A line with its text, and a copy of the file's name behind that: a failed build may free the
 * configuration before its report is read. */
static struct report_line *
make_line(const char *file, const char *format, va_list arguments)
{
	size_t file_size = file != NULL ? strlen(file) + 1 : 0;
	struct report_line *line;
	va_list again;
	int length;

	va_copy(again, arguments);
	length = vsnprintf(NULL, 0, format, again);
	va_end(again);
	if (length < 0 || (line = malloc(sizeof(*line) + (size_t)length + 1 + file_size)) == NULL)
		return NULL;
	vsnprintf(line->text, (size_t)length + 1, format, arguments);
	line->file = file != NULL ? memcpy(line->text + length + 1, file, file_size) : NULL;
	return line;
}

void
report_add(struct report *report, bool warning, const char *file, unsigned number, const char *format,
	va_list arguments)
{
	struct report_line *line;

	unsigned *count = warning ? &report->warnings : &report->errors;

	if (++*count > KEPT_LINES || (line = make_line(file, format, arguments)) == NULL)
		return;
	line->next = NULL;
	line->line = number;
	line->warning = warning;
	*report->last = line;
	report->last = &line->next;
}

void
report_error(struct report *report, const char *file, unsigned line, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	report_add(report, false, file, line, format, arguments);
	va_end(arguments);
}

void
report_warning(struct report *report, const char *file, unsigned line, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	report_add(report, true, file, line, format, arguments);
	va_end(arguments);
}

static void
print_line(const struct report_line *line, FILE *to)
{
	if (line->file != NULL && line->line != 0)
		fprintf(to, "%s:%u: ", line->file, line->line);
	else if (line->file != NULL)
		fprintf(to, "%s: ", line->file);
	fprintf(to, "%s: %s\n", line->warning ? "warning" : "error", line->text);
}

static bool
is_same_file(const struct report_line *a, const struct report_line *b)
{
	return a->file == b->file || (a->file != NULL && b->file != NULL && strcmp(a->file, b->file) == 0);
}

/* Where a line goes among those sorted so far: behind all of its file that do not lie below it. */
static size_t
find_place(const struct report_line *const *sorted, size_t count, const struct report_line *line)
{
	size_t place = count;

	while (place > 0 && !is_same_file(sorted[place - 1], line))
		place--;
	if (place == 0)
		return count;
	while (place > 0 && is_same_file(sorted[place - 1], line) && sorted[place - 1]->line > line->line)
		place--;
	return place;
}

/* The passes of a build find errors here and there; an operator goes through a file from its top. */
void
report_print(const struct report *report, FILE *to)
{
	const struct report_line *sorted[2 * KEPT_LINES];
	size_t count = 0, place;

	for (const struct report_line *line = report->first; line != NULL; line = line->next) {
		place = find_place(sorted, count, line);
		memmove(&sorted[place + 1], &sorted[place], (count - place) * sizeof(sorted[0]));
		sorted[place] = line;
		count++;
	}
	for (size_t i = 0; i < count; i++)
		print_line(sorted[i], to);
	if (count < report->errors + report->warnings)
		fprintf(to, "and %zu more\n", report->errors + report->warnings - count);
}

static unsigned
least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* Edits from a to b, where swapping two neighbours is one edit; both at most LONGEST_WORD long. */
static unsigned
distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
	unsigned rows[3][LONGEST_WORD + 1];
	unsigned *before = rows[0], *above = rows[1], *row = rows[2], *spare;

	for (size_t j = 0; j <= b_length; j++)
		above[j] = (unsigned)j;
	for (size_t i = 1; i <= a_length; i++) {
		row[0] = (unsigned)i;
		for (size_t j = 1; j <= b_length; j++) {
			row[j] = least(least(above[j], row[j - 1]) + 1,
				above[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				row[j] = least(row[j], before[j - 2] + 1);
		}
		spare = before;
		before = above;
		above = row;
		row = spare;
	}
	return above[b_length];
}

const char *
report_nearest(const char *word, const char *const *names)
{
	size_t length = strlen(word), name_length;
	unsigned bound, found;
	const char *nearest = NULL;

	if (length == 0 || length > LONGEST_WORD)
		return NULL;
	/* A third of the word may be wrong; more than that suggests nothing. */
	bound = (unsigned)(length + 2) / 3 + 1;
	for (; *names != NULL; names++) {
		name_length = strlen(*names);
		if (name_length > LONGEST_WORD)
			continue;
		found = distance(word, length, *names, name_length);
		if (found < bound && found < length) {
			bound = found;
			nearest = *names;
		}
	}
	return nearest;
}
