/* SPDX-License-Identifier: Apache-2.0 */
/*
 * option_print: a table for its readers: on a terminal, as a manual page, as a sample section.
 *
 * All three say the same from the same table, so that no document can differ from what the parser takes.
 */
#include "option_key.h"
#include "value.h"

#include <stdlib.h>
#include <string.h>

#define WIDTH 80
#define NAMES_MOST 24		/* the widest column of names; longer ones get a line of their own */

typedef void printer(FILE *, const struct option_owner *, const struct weir_option *);

static const char *const type_names[] = {
	[WEIR_TEXT] = "Text",
	[WEIR_BOOL] = "Yes or no",
	[WEIR_INTEGER] = "Number",
	[WEIR_SIZE] = "Size",
	[WEIR_DURATION] = "Duration",
	[WEIR_CHOICE] = "One of",
	[WEIR_FIELD_NAME] = "Field name",
	[WEIR_PATH] = "Path",
	[WEIR_TEMPLATE] = "Text with ${variables}",
	[WEIR_NETWORK] = "Address range",
	[WEIR_ADDRESS] = "Host:port",
	[WEIR_UPSTREAM] = "Name of an [upstream]",
	[WEIR_CUSTOM] = "Value",
};

static void
print_range(FILE *to, const struct weir_option *option)
{
	char least[VALUE_NUMBER_ROOM], most[VALUE_NUMBER_ROOM];
	int64_t min, max;

	if (option->type != WEIR_INTEGER && option->type != WEIR_SIZE && option->type != WEIR_DURATION)
		return;
	value_bounds(option, &min, &max);
	value_number_text(option->type, min, least);
	value_number_text(option->type, max, most);
	if (max != INT64_MAX)
		fprintf(to, " from %s to %s", least, most);
	else if (min != 0)
		fprintf(to, ", %s or more", least);
}

/* "Size from 1K to 256K; default 16K; may be repeated." */
static void
print_facts(FILE *to, const struct option_owner *owner, const struct weir_option *option)
{
	const char *initial = option_initial(option);

	(void)owner;
	fputs(type_names[option->type], to);
	if (option->type == WEIR_CHOICE)
		for (size_t i = 0; option->choices[i] != NULL; i++)
			fprintf(to, "%s%s", i > 0 ? ", " : " ", option->choices[i]);
	print_range(to, option);
	if (option->required)
		fputs("; required", to);
	else if (initial != NULL)
		fprintf(to, "; default %s", *initial != '\0' ? initial : "empty");
	if (option->repeat)
		fputs("; may be repeated", to);
	if (option->secret)
		fputs("; never shown", to);
	if (option->deprecated != NULL)
		fprintf(to, "; deprecated, use %s", option->deprecated);
	fputc('.', to);
}

/* "In [module cache]; in [route NAME] as cache.size." Nothing for the core, whose tables belong to one
 * kind. */
static void
print_places(FILE *to, const struct option_owner *owner, const struct weir_option *option)
{
	static const char *const kinds[] = { "route", "upstream", "listen", "certificate" };
	unsigned places = option_places(option);
	char key[OPTION_KEY_ROOM];
	const char *between = "In ";

	if (owner->module == NULL)
		return;
	if ((places & WEIR_IN_MODULE) != 0) {
		fprintf(to, "%s[module %s]", between, owner->module);
		between = "; in ";
	}
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if ((places & option_kind(kinds[i])) == 0)
			continue;
		fprintf(to, "%s[%s NAME] as %s", between, kinds[i],
			option_key(owner, option, option_kind(kinds[i]), key));
		between = "; in ";
	}
	fputc('.', to);
}

/* What `print` says of an option, as one text; the caller frees it. NULL without memory. */
static char *
collect(const struct option_owner *owner, const struct weir_option *option, printer *print)
{
	char *text = NULL;
	size_t length = 0;
	FILE *memory = open_memstream(&text, &length);

	if (memory == NULL)
		return NULL;
	print(memory, owner, option);
	if (fclose(memory) == 0)
		return text;
	free(text);
	return NULL;
}

/* Words wrapped to the width; `first` begins the first line and `rest` the others. */
static void
print_wrapped(FILE *to, const char *first, const char *rest, const char *text)
{
	const char *prefix = first;
	size_t column = 0, word;

	for (; *(text += strspn(text, " ")) != '\0'; text += word) {
		word = strcspn(text, " ");
		if (column > 0 && column + 1 + word > WIDTH) {
			fputc('\n', to);
			column = 0;
		}
		if (column == 0) {
			fputs(prefix, to);
			column = strlen(prefix);
			prefix = rest;
		} else {
			fputc(' ', to);
			column++;
		}
		fprintf(to, "%.*s", (int)word, text);
		column += word;
	}
	if (column > 0)
		fputc('\n', to);
}

static void
print_collected(FILE *to, const char *first, const char *rest, const struct option_owner *owner,
	const struct weir_option *option, printer *print)
{
	char *text = collect(owner, option, print);

	if (text != NULL)
		print_wrapped(to, first, rest, text);
	free(text);
}

/* The options of a table, and then `enable` for a module; NULL at the end. */
static const struct weir_option *
option_at(const struct option_owner *owner, size_t *index, bool *enable)
{
	if (owner->options != NULL && owner->options[*index].name != NULL)
		return &owner->options[(*index)++];
	if (owner->module == NULL || *enable)
		return NULL;
	*enable = true;
	return &option_enable;
}

/* The width of the column of names. */
static size_t
measure_names(const struct option_owner *owner)
{
	const struct weir_option *option;
	size_t index = 0, widest = 0;
	bool enable = false;

	while ((option = option_at(owner, &index, &enable)) != NULL)
		if (strlen(option->name) > widest && strlen(option->name) <= NAMES_MOST)
			widest = strlen(option->name);
	return widest;
}

static const char *
doc(const struct weir_option *option)
{
	return option->doc != NULL ? option->doc : "";
}

void
option_print_doc(FILE *to, const struct option_owner *owner, const char *kind)
{
	char first[NAMES_MOST + 8], rest[NAMES_MOST + 8];
	int width = (int)measure_names(owner);
	const struct weir_option *option;
	bool enable = false;
	size_t index = 0;

	if (owner->module == NULL)
		fprintf(to, strcmp(kind, "weir") == 0 ? "[weir]\n" : "[%s NAME]\n", kind);
	snprintf(rest, sizeof(rest), "  %*s  ", width, "");
	while ((option = option_at(owner, &index, &enable)) != NULL) {
		snprintf(first, sizeof(first), "  %-*s  ", width, option->name);
		if (strlen(option->name) > (size_t)width) {
			fprintf(to, "  %s\n", option->name);
			memcpy(first, rest, sizeof(first));
		}
		print_collected(to, first, rest, owner, option, print_facts);
		print_wrapped(to, rest, rest, doc(option));
		print_collected(to, rest, rest, owner, option, print_places);
	}
}

/* A text in roff, where `-`, `\` and a dot or quote that begins a line mean something. */
static void
print_roff(FILE *to, const char *text)
{
	for (const char *at = text; *at != '\0'; at++) {
		if (*at == '\\')
			fputs("\\e", to);
		else if (*at == '-')
			fputs("\\-", to);
		else if (at == text && (*at == '.' || *at == '\''))
			fprintf(to, "\\&%c", *at);
		else
			fputc(*at, to);
	}
	fputc('\n', to);
}

void
option_print_man(FILE *to, const struct option_owner *owner, const char *kind)
{
	static printer *const printers[] = { print_facts, print_places };
	const struct weir_option *option;
	bool enable = false;
	size_t index = 0;
	char *text;

	if (owner->module == NULL)
		fprintf(to, strcmp(kind, "weir") == 0 ? ".SS [weir]\n" : ".SS [%s NAME]\n", kind);
	while ((option = option_at(owner, &index, &enable)) != NULL) {
		fputs(".TP\n.B ", to);
		print_roff(to, option->name);
		print_roff(to, doc(option));
		for (size_t i = 0; i < sizeof(printers) / sizeof(printers[0]); i++) {
			if ((text = collect(owner, option, printers[i])) != NULL && *text != '\0') {
				fputs(".br\n", to);
				print_roff(to, text);
			}
			free(text);
		}
	}
}

static void
print_sample(FILE *to, const struct option_owner *owner, const struct weir_option *option, unsigned kind)
{
	const char *initial = option_initial(option);
	char key[OPTION_KEY_ROOM];

	print_wrapped(to, "; ", "; ", doc(option));
	print_collected(to, "; ", "; ", owner, option, print_facts);
	print_collected(to, "; ", "; ", owner, option, print_places);
	fprintf(to, ";%s =%s%s\n\n", option_key(owner, option, kind, key),
		initial != NULL && *initial != '\0' ? " " : "", initial != NULL ? initial : "");
}

/* The options of which this kind of section is the first place, under a header that is commented out too. */
static void
print_samples(FILE *to, const struct option_owner *owner, const char *kind)
{
	const struct weir_option *option = owner->options;
	unsigned place = option_kind(kind), places;
	bool begun = place == WEIR_IN_MODULE;

	for (; option != NULL && option->name != NULL; option++) {
		places = option_places(option);
		if ((places & -places) != place || option->deprecated != NULL)
			continue;
		if (!begun)
			fprintf(to, ";[%s NAME]\n", kind);
		begun = true;
		print_sample(to, owner, option, place);
	}
}

/* Everything is commented out but the header, so that the sample as it stands changes nothing. */
void
option_print_ini(FILE *to, const struct option_owner *owner, const char *kind)
{
	static const char *const kinds[] = { "module", "route", "upstream", "listen", "certificate" };

	if (owner->module == NULL) {
		fprintf(to, strcmp(kind, "weir") == 0 ? "[weir]\n" : "[%s NAME]\n", kind);
		for (const struct weir_option *option = owner->options; option->name != NULL; option++)
			print_sample(to, owner, option, option_kind(kind));
		return;
	}
	fprintf(to, "[module %s]\n", owner->module);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		print_samples(to, owner, kinds[i]);
		if (i == 0)
			print_sample(to, owner, &option_enable, WEIR_IN_MODULE);
	}
}
