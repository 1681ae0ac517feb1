/* SPDX-License-Identifier: Apache-2.0 */
/*
 * value: the text of one option as the C value that its type asks for.
 *
 * One parser a type; each returns NULL, or what is wrong: a fixed text, or one from the build's arena.
 * REPORTED stands for a fault that was reported where it was found. Nothing is rounded, cut or guessed: a
 * number that does not fit and a unit that is not there are errors.
 */
#include "value.h"
#include "arena.h"
#include "config.h"
#include "generation.h"
#include "report.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

typedef const char *parser(struct weir_build *, const struct weir_option *, const char *text, void *to);

struct unit {
	const char *name;
	int64_t factor;
};

static const struct unit size_units[] = {
	{ "T", INT64_C(1) << 40 }, { "G", 1 << 30 }, { "M", 1 << 20 }, { "K", 1 << 10 }, { "", 1 },
	{ NULL, 0 }
};
static const struct unit duration_units[] = {
	{ "d", 86400000 }, { "h", 3600000 }, { "m", 60000 }, { "s", 1000 }, { "ms", 1 }, { NULL, 0 }
};

static const char REPORTED[] = "reported";
static const char TOO_LARGE[] = "the number is too large";

static const char *
no_memory(struct weir_build *build)
{
	build->failed = true;
	return "no memory";
}

static const char *
copy(struct weir_build *build, const char *text, void *to)
{
	return (*(const char **)to = arena_copy(&build->generation->arena, text, strlen(text))) != NULL ?
		NULL : no_memory(build);
}

const char *
value_number_text(enum weir_type type, int64_t number, char to[VALUE_NUMBER_ROOM])
{
	const struct unit *unit = type == WEIR_SIZE ? size_units : duration_units;

	if (number == 0 || (type != WEIR_SIZE && type != WEIR_DURATION)) {
		snprintf(to, VALUE_NUMBER_ROOM, "%" PRId64, number);
		return to;
	}
	while (number % unit->factor != 0)
		unit++;
	snprintf(to, VALUE_NUMBER_ROOM, "%" PRId64 "%s", number / unit->factor, unit->name);
	return to;
}

void
value_bounds(const struct weir_option *option, int64_t *min, int64_t *max)
{
	*min = option->min;
	*max = option->max <= option->min ? INT64_MAX : option->max;
}

static const char *
check_bounds(struct weir_build *build, const struct weir_option *option, int64_t number)
{
	char least[VALUE_NUMBER_ROOM], most[VALUE_NUMBER_ROOM];
	const char *why;
	int64_t min, max;

	value_bounds(option, &min, &max);
	if (number >= min && number <= max)
		return NULL;
	value_number_text(option->type, min, least);
	value_number_text(option->type, max, most);
	if (max == INT64_MAX)
		why = arena_printf(&build->generation->arena, "the least is %s", least);
	else
		why = arena_printf(&build->generation->arena,
			"out of range, it goes from %s to %s", least, most);
	return why != NULL ? why : no_memory(build);
}

/* Read digits; *rest is what follows them. */
static const char *
parse_digits(const char *text, int64_t *number, const char **rest)
{
	*number = 0;
	for (; *text >= '0' && *text <= '9'; text++)
		if (__builtin_mul_overflow(*number, 10, number) ||
		    __builtin_add_overflow(*number, *text - '0', number))
			return TOO_LARGE;
	*rest = text;
	return NULL;
}

static const char *
parse_integer(struct weir_build *build, const struct weir_option *option, const char *text, void *to)
{
	bool negative = *text == '-';
	const char *digits = text + negative, *rest, *why;
	int64_t number;

	if ((why = parse_digits(digits, &number, &rest)) != NULL)
		return why;
	if (rest == digits || *rest != '\0')
		return "not a whole number";
	*(int64_t *)to = negative ? -number : number;
	return check_bounds(build, option, *(int64_t *)to);
}

static const char *
parse_size(struct weir_build *build, const struct weir_option *option, const char *text, void *to)
{
	const struct unit *unit = size_units;
	const char *rest, *why;
	int64_t number;

	if ((why = parse_digits(text, &number, &rest)) != NULL)
		return why;
	while (unit->name != NULL && strcasecmp(unit->name, rest) != 0)
		unit++;
	if (rest == text || unit->name == NULL)
		return "not a size: write bytes, or a number with K, M, G or T, like 16K";
	if (__builtin_mul_overflow(number, unit->factor, &number))
		return TOO_LARGE;
	*(uint64_t *)to = (uint64_t)number;
	return check_bounds(build, option, number);
}

const char *
value_duration(const char *text, int64_t *milliseconds)
{
	const struct unit *unit = duration_units;
	const char *rest, *why;
	int64_t number;

	if ((why = parse_digits(text, &number, &rest)) != NULL)
		return why;
	while (unit->name != NULL && strcmp(unit->name, rest) != 0)
		unit++;
	if (rest == text || (unit->name == NULL && (number != 0 || *rest != '\0')))
		return "not a duration: write a number with ms, s, m, h or d, like 5s";
	return __builtin_mul_overflow(number, unit->name != NULL ? unit->factor : 1, milliseconds) ?
		TOO_LARGE : NULL;
}

static const char *
parse_duration(struct weir_build *build, const struct weir_option *option, const char *text, void *to)
{
	const char *why = value_duration(text, to);

	return why != NULL ? why : check_bounds(build, option, *(int64_t *)to);
}

static const char *
parse_bool(struct weir_build *build, const struct weir_option *option, const char *text, void *to)
{
	static const char *const yes[] = { "yes", "on", "true" }, *const no[] = { "no", "off", "false" };

	(void)build;
	(void)option;
	for (size_t i = 0; i < 3; i++) {
		if (strcmp(text, yes[i]) == 0 || strcmp(text, no[i]) == 0) {
			*(bool *)to = strcmp(text, yes[i]) == 0;
			return NULL;
		}
	}
	return "write yes or no";
}

static const char *
parse_choice(struct weir_build *build, const struct weir_option *option, const char *text, void *to)
{
	const char *nearest = report_nearest(text, option->choices), *all = "", *why;
	size_t i = 0;

	for (; option->choices[i] != NULL; i++) {
		if (strcmp(text, option->choices[i]) == 0) {
			*(int *)to = (int)i;
			return NULL;
		}
	}
	for (i = 0; option->choices[i] != NULL && all != NULL; i++)
		all = arena_printf(&build->generation->arena, "%s%s%s",
			all, *all != '\0' ? ", " : "", option->choices[i]);
	if (all == NULL)
		return no_memory(build);
	if (nearest != NULL)
		why = arena_printf(&build->generation->arena,
			"did you mean `%s`? There are %s", nearest, all);
	else
		why = arena_printf(&build->generation->arena, "there are %s", all);
	return why != NULL ? why : no_memory(build);
}

static const char *
parse_text(struct weir_build *build, const struct weir_option *option, const char *text, void *to)
{
	(void)option;
	for (const char *at = text; *at != '\0'; at++)
		if ((unsigned char)*at < ' ' || *at == 0x7f)
			return "it holds a tab or another control character";
	return copy(build, text, to);
}

static const char *
parse_field_name(struct weir_build *build, const struct weir_option *option, const char *text, void *to)
{
	(void)option;
	if (*text == '\0' || text[strspn(text, "!#$%&'*+-.^_`|~0123456789"
			"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")] != '\0')
		return "not the name of a field";
	return copy(build, text, to);
}

const char *
value_path(struct weir_build *build, const char *text)
{
	struct generation *generation = build->generation;
	const char *path;

	if (*text == '/' || *text == '\0')
		path = arena_copy(&generation->arena, text, strlen(text));
	else
		path = arena_printf(&generation->arena, "%s/%s", generation->config->folder, text);
	if (path == NULL)
		no_memory(build);
	return path;
}

static const char *
parse_path(struct weir_build *build, const struct weir_option *option, const char *text, void *to)
{
	(void)option;
	return (*(const char **)to = value_path(build, text)) != NULL ? NULL : "no memory";
}

static const char *
parse_template(struct weir_build *build, const struct weir_option *option, const char *text, void *to)
{
	(void)option;
	return (*(const struct weir_template **)to = weir_build_template(build, text)) != NULL ?
		NULL : REPORTED;
}

static const char *
parse_network(struct weir_build *build, const struct weir_option *option, const char *text, void *to)
{
	const char *why;

	(void)build;
	(void)option;
	return weir_parse_network(text, to, &why) ? NULL : why;
}

static const char *
parse_address(struct weir_build *build, const struct weir_option *option, const char *text, void *to)
{
	const char *why;

	(void)option;
	return weir_parse_address(build, text, -1, to, &why) ? NULL : why;
}

static const char *
suggest_upstream(struct weir_build *build, const char *text)
{
	struct generation *generation = build->generation;
	const char **names = calloc(generation->upstream_count + 1, sizeof(*names)), *nearest, *why;

	if (names == NULL)
		return no_memory(build);
	for (size_t i = 0; i < generation->upstream_count; i++)
		names[i] = generation->upstreams[i]->name;
	nearest = report_nearest(text, names);
	free(names);
	if (nearest != NULL)
		why = arena_printf(&generation->arena,
			"there is no [upstream %s], did you mean `%s`?", text, nearest);
	else
		why = arena_printf(&generation->arena, "there is no [upstream %s]", text);
	return why != NULL ? why : no_memory(build);
}

static const char *
parse_upstream(struct weir_build *build, const struct weir_option *option, const char *text, void *to)
{
	struct generation *generation = build->generation;
	const struct config_section *section = config_find(generation->config, "upstream", text);

	(void)option;
	if (section != NULL && section->index < generation->upstream_count &&
	    generation->upstreams[section->index]->section == section) {
		*(const struct weir_upstream **)to = generation->upstreams[section->index];
		return NULL;
	}
	for (size_t i = 0; i < generation->upstream_count; i++) {
		if (strcmp(generation->upstreams[i]->name, text) == 0) {
			*(const struct weir_upstream **)to = generation->upstreams[i];
			return NULL;
		}
	}
	return suggest_upstream(build, text);
}

static const char *
parse_custom(struct weir_build *build, const struct weir_option *option, const char *text, void *to)
{
	return option->parse(build, text, to);
}

static const struct {
	parser *parse;
	size_t size;
} types[] = {
	[WEIR_TEXT] = { parse_text, sizeof(const char *) },
	[WEIR_BOOL] = { parse_bool, sizeof(bool) },
	[WEIR_INTEGER] = { parse_integer, sizeof(int64_t) },
	[WEIR_SIZE] = { parse_size, sizeof(uint64_t) },
	[WEIR_DURATION] = { parse_duration, sizeof(int64_t) },
	[WEIR_CHOICE] = { parse_choice, sizeof(int) },
	[WEIR_FIELD_NAME] = { parse_field_name, sizeof(const char *) },
	[WEIR_PATH] = { parse_path, sizeof(const char *) },
	[WEIR_TEMPLATE] = { parse_template, sizeof(const struct weir_template *) },
	[WEIR_NETWORK] = { parse_network, sizeof(struct weir_network) },
	[WEIR_ADDRESS] = { parse_address, sizeof(struct weir_address) },
	[WEIR_UPSTREAM] = { parse_upstream, sizeof(const struct weir_upstream *) },
	[WEIR_CUSTOM] = { parse_custom, 0 },
};

size_t
value_size(const struct weir_option *option)
{
	assert((size_t)option->type < sizeof(types) / sizeof(types[0]));
	return option->type == WEIR_CUSTOM ? option->size : types[option->type].size;
}

bool
value_parse(struct weir_build *build, const struct weir_option *option, const char *key, const char *text,
	void *to)
{
	const char *why;

	assert((size_t)option->type < sizeof(types) / sizeof(types[0]));
	if ((why = types[option->type].parse(build, option, text, to)) == NULL)
		return true;
	if (why != REPORTED)
		report_error(build->report, build->file, build->line,
			"`%s = %s`: %s", key, option->secret ? "***" : text, why);
	return false;
}
