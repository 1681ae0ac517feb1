/* SPDX-License-Identifier: Apache-2.0 */
/*
 * route: choose the route of a request by its host, path, method and fields.
 *
 * The patterns of all routes lie in one index (index.h) that `build` makes and all threads read; where routes
 * share a pattern, their conditions are asked in order. There are no regular expressions: which route wins is
 * seen from the patterns alone, not from where they stand.
 */
#include <weir/module.h>

#include "index.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATTERN_MOST 1024		/* bytes; a line of the configuration is shorter */

struct settings {			/* of a route */
	struct weir_list match;		/* struct patterns */
	struct weir_list method;	/* struct words */
	struct weir_list field;		/* struct field */
	const char *conditions;		/* all of these, in one order and spelling; "": none */
	unsigned count;			/* of the conditions */
};

struct patterns {			/* one line of `match` */
	struct route_pattern *items;
	size_t count;
};

struct words {				/* one line of `method` */
	const char **items;
	size_t count;
};

struct field {				/* one line of `match_field` */
	const char *name;
	const char *value;		/* NULL: any */
};

struct table {				/* one a generation */
	struct route_index *index;
};

enum { UNMATCHED };

/* --- reading the options ----------------------------------------------------------------------------- */

/* The next word of a line; NULL at its end. */
static const char *
next_word(const char **text, size_t *length)
{
	const char *word = *text + strspn(*text, " \t");

	*length = strcspn(word, " \t");
	*text = word + *length;
	return *length > 0 ? word : NULL;
}

static size_t
count_words(const char *text)
{
	size_t count = 0, length;

	while (next_word(&text, &length) != NULL)
		count++;
	return count;
}

/* Copied into one piece, out of room that is used again. */
static bool
keep_texts(struct weir_build *build, struct route_pattern *pattern)
{
	size_t host = strlen(pattern->host) + 1, path = strlen(pattern->path) + 1;
	char *text = weir_build_alloc(build, 1, host + path);

	if (text == NULL)
		return false;
	pattern->host = memcpy(text, pattern->host, host);
	pattern->path = memcpy(text + host, pattern->path, path);
	return true;
}

static const char *
read_pattern(struct weir_build *build, const char *word, size_t length, struct route_pattern *pattern)
{
	char room[ROUTE_PATTERN_ROOM(PATTERN_MOST)];
	const char *why = "it is too long";

	if (length <= PATTERN_MOST)
		why = route_pattern_read(pattern, word, length, room);
	if (why != NULL)
		return weir_build_printf(build, "`%.*s`: %s", (int)length, word, why);
	return keep_texts(build, pattern) ? NULL : "no memory";
}

static const char *
parse_match(struct weir_build *build, const char *text, void *value)
{
	struct patterns *patterns = value;
	const char *word, *why = NULL;
	size_t length;

	patterns->items = weir_build_alloc(build, count_words(text), sizeof(*patterns->items));
	if (patterns->items == NULL)
		return "no memory";
	while (why == NULL && (word = next_word(&text, &length)) != NULL)
		why = read_pattern(build, word, length, &patterns->items[patterns->count++]);
	return patterns->count > 0 ? why : "a pattern is expected, HOST/PATH";
}

static bool
is_token(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c <= ' ' || c >= 0x7f || strchr("\"(),/:;<=>?@[\\]{}", c) != NULL)
			return false;
	}
	return length > 0;
}

static const char *
parse_method(struct weir_build *build, const char *text, void *value)
{
	struct words *methods = value;
	const char *word;
	size_t length;

	methods->items = weir_build_alloc(build, count_words(text), sizeof(*methods->items));
	if (methods->items == NULL)
		return "no memory";
	while ((word = next_word(&text, &length)) != NULL) {
		if (!is_token(word, length))
			return weir_build_printf(build, "`%.*s` is no method", (int)length, word);
		for (size_t i = 0; i < length; i++)
			if (word[i] >= 'a' && word[i] <= 'z')
				return weir_build_printf(build, "`%.*s` is not in upper case", (int)length, word);
		methods->items[methods->count++] = weir_build_printf(build, "%.*s", (int)length, word);
	}
	return methods->count > 0 ? NULL : "a method is expected, or several";
}

static const char *
parse_field(struct weir_build *build, const char *text, void *value)
{
	struct field *field = value;
	size_t length = strcspn(text, ":");
	const char *rest = text + length + (text[length] == ':');

	rest += strspn(rest, " \t");
	if (!is_token(text, length))
		return "the name of a field is expected, or `Name: value`";
	if (text[length] == ':' && *rest == '\0')
		return "the value is missing; without the colon any value will do";
	field->name = weir_build_printf(build, "%.*s", (int)length, text);
	field->value = text[length] == ':' ? weir_build_printf(build, "%s", rest) : NULL;
	return NULL;
}

/* --- the conditions of a route, in one order and spelling -------------------------------------------- */

static int
by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static const char *
lower(struct weir_build *build, const char *name)
{
	char *text = weir_build_alloc(build, 1, strlen(name) + 1);

	for (size_t i = 0; text != NULL && name[i] != '\0'; i++)
		text[i] = (char)(name[i] >= 'A' && name[i] <= 'Z' ? name[i] | 0x20 : name[i]);
	return text;
}

static size_t
gather_conditions(struct weir_build *build, const struct settings *set, const char **texts)
{
	const struct words *methods = set->method.items;
	const struct field *fields = set->field.items;
	size_t count = 0;

	for (size_t i = 0; i < set->method.count; i++)
		for (size_t j = 0; j < methods[i].count; j++, count++)
			if (texts != NULL)
				texts[count] = methods[i].items[j];
	for (size_t i = 0; i < set->field.count; i++, count++)
		if (texts != NULL)
			texts[count] = weir_build_printf(build, ":%s:%s", lower(build, fields[i].name),
			    fields[i].value != NULL ? fields[i].value : "");
	return count;
}

static void
check(struct weir_build *build, void *settings)
{
	struct settings *set = settings;
	size_t count = gather_conditions(build, set, NULL);
	const char **texts;

	set->conditions = "";
	set->count = (unsigned)((set->method.count > 0) + set->field.count);
	if (count == 0 || (texts = weir_build_alloc(build, count, sizeof(*texts))) == NULL)
		return;
	gather_conditions(build, set, texts);
	for (size_t i = 0; i < count; i++)
		if (texts[i] == NULL)
			return;		/* without memory the build fails by itself */
	qsort(texts, count, sizeof(*texts), by_text);
	for (size_t i = 0; i < count && set->conditions != NULL; i++)
		if (i == 0 || strcmp(texts[i - 1], texts[i]) != 0)
			set->conditions = weir_build_printf(build, "%s%s\n", set->conditions, texts[i]);
}

/* --- building the index ------------------------------------------------------------------------------ */

static struct route_entry
entry_of(const struct settings *set, const struct weir_route *route, size_t order)
{
	return (struct route_entry){
		.route = route,
		.conditions = set->count > 0 ? set : NULL,
		.conditions_text = set->conditions != NULL ? set->conditions : "",
		.conditions_count = set->count,
		.order = (unsigned)order,
	};
}

/* One entry for each pattern of each route; `entries` NULL only counts them. */
static size_t
gather_entries(struct weir_build *build, struct route_entry *entries)
{
	size_t count = 0;

	for (size_t i = 0; i < weir_build_routes(build); i++) {
		const struct weir_route *route = weir_build_route(build, i);
		const struct settings *set = weir_build_route_settings(build, route);
		const struct patterns *lines = set->match.items;

		for (size_t j = 0; j < set->match.count; j++) {
			for (size_t k = 0; entries != NULL && k < lines[j].count; k++) {
				entries[count + k] = entry_of(set, route, i);
				entries[count + k].pattern = &lines[j].items[k];
			}
			count += lines[j].count;
		}
	}
	return count;
}

static void *
give(void *build, size_t count, size_t size)
{
	return weir_build_alloc(build, count, size);
}

static void
step(void *build)
{
	weir_build_step(build);
}

static void
report_twins(void *build, const struct route_entry *first, const struct route_entry *second)
{
	const struct route_pattern *pattern = second->pattern;
	char port[8] = "";

	if (pattern->port != 0)
		snprintf(port, sizeof(port), ":%u", pattern->port);
	weir_build_at_route(build, second->route);
	weir_build_error(build, "routes `%s` and `%s` both match %s%s%s%s%s under the same conditions",
	    weir_route_name(first->route), weir_route_name(second->route),
	    pattern->wildcard ? "*" : "", pattern->host, port, pattern->path, pattern->below ? "/*" : "");
}

static void
build_index(struct weir_build *build, void *generation, void *previous)
{
	struct route_index_needs needs = { give, report_twins, step, build, weir_random() };
	struct table *table = generation;
	size_t count = gather_entries(build, NULL);
	struct route_entry *entries = calloc(count + 1, sizeof(*entries));

	(void)previous;
	if (entries == NULL) {
		weir_build_error(build, "no memory for an index of %zu patterns", count);
		return;
	}
	gather_entries(build, entries);
	table->index = route_index_build(entries, count, &needs);
	free(entries);
}

/* --- choosing ---------------------------------------------------------------------------------------- */

static bool
has_method(const struct settings *set, const char *method)
{
	const struct words *lines = set->method.items;

	for (size_t i = 0; i < set->method.count; i++)
		for (size_t j = 0; j < lines[i].count; j++)
			if (strcmp(lines[i].items[j], method) == 0)
				return true;
	return set->method.count == 0;
}

static bool
has_field(struct weir_exchange *x, const struct field *field)
{
	const char *value;
	unsigned position = 0;

	while ((value = weir_field_next_named(x, WEIR_REQUEST, field->name, &position)) != NULL)
		if (field->value == NULL || strcmp(value, field->value) == 0)
			return true;
	return false;
}

static bool
fits(const void *conditions, void *with)
{
	const struct settings *set = conditions;
	const struct field *fields = set->field.items;

	if (!has_method(set, weir_method(with)))
		return false;
	for (size_t i = 0; i < set->field.count; i++)
		if (!has_field(with, &fields[i]))
			return false;
	return true;
}

/* The port that the request names, or that its scheme means. */
static uint16_t
port_of(struct weir_exchange *x)
{
	const char *authority = weir_authority(x);
	const char *bracket = strrchr(authority, ']');
	const char *colon = strchr(bracket != NULL ? bracket : authority, ':');

	if (colon != NULL && colon[1] != '\0')
		return (uint16_t)strtoul(colon + 1, NULL, 10);
	return strcmp(weir_scheme(x), "https") == 0 ? 443 : 80;
}

static enum weir_verdict
choose(struct weir_exchange *x, const void *settings, void *state)
{
	const struct table *table = weir_generation_state(x);
	struct route_question question = {
		.host = weir_host(x),
		.port = route_index_has_ports(table->index) ? port_of(x) : 0,
		.path = weir_path(x),
		.fits = fits,
		.with = x,
	};
	const struct weir_route *route = route_index_find(table->index, &question);

	(void)settings, (void)state;
	if (route == NULL) {
		weir_count(x, UNMATCHED, 1);
		weir_fail(x, 404, "no route matches %s%s", question.host, question.path);
		return WEIR_FAIL;
	}
	weir_choose_route(x, route);
	return WEIR_NEXT;
}

static const struct weir_option options[] = {
	{ "match", WEIR_CUSTOM, offsetof(struct settings, match), .required = true, .repeat = true,
	  .bare = true, .in = WEIR_IN_ROUTE, .size = sizeof(struct patterns), .parse = parse_match,
	  .doc = "Requests that take this route: patterns HOST/PATH, separated by blanks. HOST is a name, "
	         "*.suffix or *, with :PORT if need be; PATH is exact, or ends in /* for itself and all below." },
	{ "method", WEIR_CUSTOM, offsetof(struct settings, method), .repeat = true, .bare = true,
	  .in = WEIR_IN_ROUTE, .size = sizeof(struct words), .parse = parse_method,
	  .doc = "Only requests with one of these methods." },
	{ "match_field", WEIR_CUSTOM, offsetof(struct settings, field), .repeat = true, .bare = true,
	  .in = WEIR_IN_ROUTE, .size = sizeof(struct field), .parse = parse_field,
	  .doc = "Only requests with this field, `Name` or `Name: value`; of several lines all must hold." },
	{ .name = NULL }
};

static const struct weir_metric metrics[] = {
	[UNMATCHED] = { "unmatched_total", .doc = "Requests that no route matched." },
	{ .name = NULL }
};

WEIR_MODULE(route) = {
	WEIR_ABI,
	.summary = "Choose the route of a request by host, path, method and fields.",
	.options = options,
	.metrics = metrics,
	.settings_size = sizeof(struct settings),
	.generation_size = sizeof(struct table),
	.hooks_alike = true,
	.check = check,
	.build = build_index,
	.hooks = { [WEIR_PHASE_ROUTE] = choose },
};
