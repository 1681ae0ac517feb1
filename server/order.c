/* SPDX-License-Identifier: Apache-2.0 */
/*
 * order: in which order modules' hooks run, the same in every phase.
 *
 * A matrix holds who must come before whom and who says so. The operator's lines are entered first; what a module
 * says is dropped where they lead the other way, alone or together with what other modules say. Then the modules are
 * taken out one by one: of those that nobody left must come before, the one with the least rank and name. The rank
 * is the class, except that a module with a before or after takes over the rank of the module that it names, if its
 * own would lead away.
 */
#include "order.h"
#include "generation.h"
#include "report.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Who says that one module comes before another; FROM_LINE + i is the operator's line i. */
enum { NOBODY, THE_FIRST, THE_SECOND, FROM_LINE };

struct sort {
	struct module **modules;
	size_t count;
	const struct order_line *lines;
	size_t line_count;
	struct report *report;
	uint16_t *says;		/* count * count: says[a * count + b]: who says that a comes before b */
	bool *leads;		/* count * count: by the operator's lines, over any number of steps */
	int *ranks;
	bool *taken;
	bool failed;
};

static int
compare_modules(const void *a, const void *b)
{
	const struct module *first = *(struct module *const *)a, *second = *(struct module *const *)b;

	if (first->contract->order != second->contract->order)
		return first->contract->order < second->contract->order ? -1 : 1;
	return strcmp(first->name, second->name);
}

/* The next name of a list separated by blanks: its length, 0 at the end. */
static size_t
next_name(const char **text)
{
	*text += strspn(*text, " \t");
	return strcspn(*text, " \t");
}

static size_t
find_module(const struct sort *sort, const char *name, size_t length)
{
	size_t i = 0;

	while (i < sort->count &&
		(strncmp(sort->modules[i]->name, name, length) != 0 ||
			sort->modules[i]->name[length] != '\0'))
		i++;
	return i;
}

/* --- what the operator says ----------------------------------------------------------------------------- */

static void
report_stranger(struct sort *sort, const struct order_line *line, const char *name, size_t length)
{
	const char **names = calloc(sort->count + 1, sizeof(*names));
	char *word = strndup(name, length);
	const char *nearest = NULL;

	sort->failed = true;
	if (names != NULL && word != NULL) {
		for (size_t i = 0; i < sort->count; i++)
			names[i] = sort->modules[i]->name;
		nearest = report_nearest(word, names);
	}
	if (nearest != NULL)
		report_error(sort->report, line->file, line->line,
			"`order` names `%.*s`, which is not loaded; did you mean `%s`?", (int)length, name,
			nearest);
	else
		report_error(sort->report, line->file, line->line,
			"`order` names `%.*s`, which is not loaded: write [module %.*s], or take it out",
			(int)length, name, (int)length, name);
	free(names);
	free(word);
}

/* Each name of a line comes before the next one. */
static void
enter_line(struct sort *sort, size_t number)
{
	const struct order_line *line = &sort->lines[number];
	const char *name = line->text;
	size_t last = sort->count, at, length;

	for (; (length = next_name(&name)) != 0; name += length) {
		if ((at = find_module(sort, name, length)) == sort->count) {
			report_stranger(sort, line, name, length);
			continue;
		}
		if (last != sort->count && sort->says[last * sort->count + at] == NOBODY) {
			sort->says[last * sort->count + at] = (uint16_t)(FROM_LINE + number);
			sort->leads[last * sort->count + at] = true;
			if (sort->ranks[at] < sort->ranks[last])
				sort->ranks[at] = sort->ranks[last];
		}
		last = at;
	}
}

static void
close_leads(struct sort *sort)
{
	size_t n = sort->count;

	for (size_t through = 0; through < n; through++) {
		for (size_t from = 0; from < n; from++) {
			if (!sort->leads[from * n + through])
				continue;
			for (size_t to = 0; to < n; to++)
				sort->leads[from * n + to] |= sort->leads[through * n + to];
		}
	}
}

/* --- what modules say ----------------------------------------------------------------------------------- */

static void
enter(struct sort *sort, size_t first, size_t second, uint16_t who)
{
	uint16_t *says = &sort->says[first * sort->count + second];

	if (first != second && *says == NOBODY && !sort->leads[second * sort->count + first])
		*says = who;
}

static void
enter_module(struct sort *sort, size_t at)
{
	const struct weir_module *contract = sort->modules[at]->contract;
	const char *name;
	size_t other, length;

	for (name = contract->before; name != NULL && (length = next_name(&name)) != 0; name += length) {
		if ((other = find_module(sort, name, length)) != sort->count)
			enter(sort, at, other, THE_FIRST);
	}
	for (name = contract->after; name != NULL && (length = next_name(&name)) != 0; name += length) {
		if ((other = find_module(sort, name, length)) != sort->count)
			enter(sort, other, at, THE_SECOND);
	}
}

/* One step of ranks being taken over; whether anything changed. */
static bool
move_ranks(struct sort *sort)
{
	size_t n = sort->count;
	bool moved = false;

	for (size_t i = 0; i < n * n; i++) {
		int *first = &sort->ranks[i / n], *second = &sort->ranks[i % n];

		if (sort->says[i] == NOBODY || *first <= *second)
			continue;
		if (sort->says[i] == THE_FIRST)
			*first = *second;
		else
			*second = *first;
		moved = true;
	}
	return moved;
}

/* --- sorting -------------------------------------------------------------------------------------------- */

/* Must one that is not taken yet come before it? Which; count when none. */
static size_t
find_obstacle(const struct sort *sort, size_t at)
{
	size_t other = 0;

	while (other < sort->count && (sort->taken[other] || sort->says[other * sort->count + at] == NOBODY))
		other++;
	return other;
}

/* The next to be taken; count when each one left waits for another. Equal ranks: the modules are sorted by
 * class and name. */
static size_t
choose(const struct sort *sort)
{
	size_t best = sort->count;

	for (size_t i = 0; i < sort->count; i++) {
		if (sort->taken[i] || find_obstacle(sort, i) != sort->count)
			continue;
		if (best == sort->count || sort->ranks[i] < sort->ranks[best] ||
			(sort->ranks[i] == sort->ranks[best] &&
				strcmp(sort->modules[i]->name, sort->modules[best]->name) < 0))
			best = i;
	}
	return best;
}

/* One step of the cycle, "a before b (…)". The last of the operator's lines in it is where the error
 * points. */
static void
print_step(const struct sort *sort, FILE *to, size_t first, size_t second, const struct order_line **line)
{
	const char *a = sort->modules[first]->name, *b = sort->modules[second]->name;
	uint16_t who = sort->says[first * sort->count + second];
	const struct order_line *own = who >= FROM_LINE ? &sort->lines[who - FROM_LINE] : NULL;

	if (own != NULL) {
		*line = *line == NULL || own > *line ? own : *line;
		fprintf(to, "%s before %s (`order`, %s:%u)", a, b, own->file, own->line);
	} else {
		fprintf(to, "%s before %s (%s says so)", a, b, who == THE_FIRST ? a : b);
	}
}

/* The steps from start to at, which are found from their end. */
static void
print_steps(const struct sort *sort, FILE *to, size_t start, size_t at, const struct order_line **line)
{
	size_t before = find_obstacle(sort, at);

	if (before != start) {
		print_steps(sort, to, start, before, line);
		fputs(", ", to);
	}
	print_step(sort, to, before, at, line);
}

/* Every module left waits for another: going back as often as there are modules ends within a cycle. */
static size_t
find_cycle(const struct sort *sort)
{
	size_t at = 0;

	while (sort->taken[at])
		at++;
	for (size_t i = 0; i < sort->count; i++)
		at = find_obstacle(sort, at);
	return at;
}

/* Where the operator has one come first, what other modules say puts another before it, round to the one that comes second:
 * the wish nearest to the line is dropped. False where the operator has no part in the cycle, or all of it is his. */
static bool
break_cycle(struct sort *sort)
{
	size_t at = find_cycle(sort), before;
	bool by_line = false;

	for (size_t i = 0; i < 2 * sort->count; i++, at = before) {
		uint16_t *says;

		before = find_obstacle(sort, at);
		says = &sort->says[before * sort->count + at];
		if (by_line && *says < FROM_LINE) {
			*says = NOBODY;
			return true;
		}
		by_line = *says >= FROM_LINE;
	}
	return false;
}

static void
report_cycle(struct sort *sort)
{
	const struct order_line *line = NULL;
	char *text = NULL;
	size_t size, at = find_cycle(sort);
	FILE *to = open_memstream(&text, &size);

	sort->failed = true;
	if (to != NULL) {
		print_steps(sort, to, at, at, &line);
		fclose(to);
	}
	report_error(sort->report, line != NULL ? line->file : NULL, line != NULL ? line->line : 0,
		"the order of modules is a cycle: %s; %s", text != NULL ? text : "out of memory",
		line != NULL ? "take one of these names out of `order`" :
			"write in [weir] which comes first, as `order = FIRST SECOND`");
	free(text);
}

static void
take_out(struct sort *sort, struct module **sorted)
{
	size_t next;

	for (size_t i = 0; i < sort->count; i++) {
		while ((next = choose(sort)) == sort->count && break_cycle(sort))
			;
		if (next == sort->count) {
			report_cycle(sort);
			return;
		}
		sort->taken[next] = true;
		sorted[i] = sort->modules[next];
	}
	memcpy(sort->modules, sorted, sort->count * sizeof(*sorted));
}

static void
sort_all(struct sort *sort, struct module **sorted)
{
	qsort(sort->modules, sort->count, sizeof(*sort->modules), compare_modules);
	for (size_t i = 0; i < sort->count; i++)
		sort->ranks[i] = sort->modules[i]->contract->order;
	for (size_t i = 0; i < sort->line_count; i++)
		enter_line(sort, i);
	close_leads(sort);
	for (size_t i = 0; i < sort->count; i++)
		enter_module(sort, i);
	/* Contradictions may move ranks for ever; the matrix decides all the same. */
	for (size_t i = 0; i < sort->count && move_ranks(sort); i++)
		;
	take_out(sort, sorted);
}

bool
order_modules(struct module **modules, size_t count, const struct order_line *lines, size_t line_count,
	struct report *report)
{
	struct sort sort = {
		.modules = modules, .count = count, .lines = lines, .line_count = line_count, .report = report
	};
	struct module **sorted = calloc(count + 1, sizeof(*sorted));

	sort.says = calloc(count * count + 1, sizeof(*sort.says));
	sort.leads = calloc(count * count + 1, sizeof(*sort.leads));
	sort.ranks = calloc(count + 1, sizeof(*sort.ranks));
	sort.taken = calloc(count + 1, sizeof(*sort.taken));
	if (sorted != NULL && sort.says != NULL && sort.leads != NULL && sort.ranks != NULL &&
		sort.taken != NULL) {
		sort_all(&sort, sorted);
	} else {
		report_error(report, NULL, 0, "out of memory while modules were put in order");
		sort.failed = true;
	}
	free(sorted);
	free(sort.says);
	free(sort.leads);
	free(sort.ranks);
	free(sort.taken);
	return !sort.failed;
}
