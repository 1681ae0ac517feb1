/* SPDX-License-Identifier: Apache-2.0 */
/*
 * contract: what a module says of itself, judged before anyone relies on it.
 *
 * ABI, size and name come first: if one of them is wrong, nothing behind it can be trusted and the judgement
 * ends. All that is wrong in the tables is reported at once, for whoever writes the module.
 */
#include "contract.h"
#include "report.h"

#include <stdalign.h>
#include <string.h>

/* A struct as large as this is a mistake in the module, not a need. */
#define STRUCT_MOST ((size_t)16 * 1024 * 1024)
#define ENTRIES_MOST 4096	/* of one table */

/* The length of struct weir_module in minor 0 of this major: it only grows from there. */
#define LEAST_SIZE \
	(offsetof(struct weir_module, response_body) + sizeof(((struct weir_module *)NULL)->response_body))

/* A judgement under way. */
struct check {
	const struct contract_origin *origin;
	struct report *report;
	const struct weir_module *contract;
	bool failed;
};

static void __attribute__((format(printf, 2, 3)))
refuse(struct check *check, const char *format, ...)
{
	const struct contract_origin *origin = check->origin;
	char text[512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	report_error(check->report, origin->file, origin->line, "module %s (%s) %s", origin->name,
		origin->path, text);
	check->failed = true;
}

bool
contract_is_name(const char *name)
{
	size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_");

	return name[0] >= 'a' && name[0] <= 'z' && name[length] == '\0' && length <= CONTRACT_NAME_MOST;
}

/* --- what never moves ----------------------------------------------------------------------------------- */

static void
check_abi(struct check *check)
{
	const struct weir_module *m = check->contract;

	if (m->abi_major != WEIR_ABI_MAJOR)
		refuse(check,
			"is built for ABI %u.%u, this Weir has %u.%u and loads only %u.x: "
			"build the module against this Weir's headers, or get one for ABI %u",
			m->abi_major, m->abi_minor, WEIR_ABI_MAJOR, WEIR_ABI_MINOR, WEIR_ABI_MAJOR,
			WEIR_ABI_MAJOR);
	else if (m->abi_minor > WEIR_ABI_MINOR)
		refuse(check, "is built for ABI %u.%u, this Weir has the older %u.%u: "
			"upgrade Weir, or build the module against this Weir's headers",
			m->abi_major, m->abi_minor, WEIR_ABI_MAJOR, WEIR_ABI_MINOR);
}

/* Of our own minor the size is known; an older one may be shorter, and is never longer. */
static void
check_size(struct check *check)
{
	const struct weir_module *m = check->contract;
	size_t least = m->abi_minor == WEIR_ABI_MINOR ? sizeof(*m) : LEAST_SIZE;

	if (m->size < least || m->size > sizeof(*m) || m->size % alignof(struct weir_module) != 0)
		refuse(check,
			"says that its struct weir_module takes %u bytes; "
			"for ABI %u.%u %zu to %zu were expected: begin the struct with WEIR_ABI, and build the module for "
			"this machine", m->size, m->abi_major, m->abi_minor, least, sizeof(*m));
}

/* The same for the entries of its tables: each table grows on its own. */
static void
check_entries(struct check *check)
{
	const struct weir_module *m = check->contract;
	const int minor = m->abi_minor;	/* of its own, for -Wtype-limits while ours is 0 */
	const struct { const char *name; size_t theirs, ours; } entries[] = {
		{ "weir_option", m->option_size, sizeof(struct weir_option) },
		{ "weir_metric", m->metric_size, sizeof(struct weir_metric) },
		{ "weir_variable", m->variable_size, sizeof(struct weir_variable) },
		{ "weir_verb", m->verb_size, sizeof(struct weir_verb) },
	};

	for (size_t i = 0; i < sizeof(entries) / sizeof(*entries); i++) {
		size_t theirs = entries[i].theirs, ours = entries[i].ours;

		if (theirs == ours || (minor < WEIR_ABI_MINOR && theirs >= sizeof(char *) && theirs < ours))
			continue;
		refuse(check, "says that its struct %s takes %zu bytes, %zu were expected: "
			"begin the module's struct with WEIR_ABI, and build the module for this machine",
			entries[i].name, theirs, ours);
	}
}

static void
check_module_name(struct check *check)
{
	const char *name = check->contract->name, *wanted = check->origin->name;

	if (name == NULL)
		refuse(check, "has no name: begin its struct with WEIR_ABI");
	else if (strcmp(name, wanted) != 0)
		refuse(check,
			"calls itself `%.64s`, its file and symbol `%s`: "
			"make all three the same, by WEIR_MODULE(%s) and WEIR_ABI",
			name, wanted, wanted);
}

/* --- options -------------------------------------------------------------------------------------------- */

struct kind {
	size_t size, alignment;
};

#define KIND(type) { sizeof(type), alignof(type) }

/* What an option's value takes in the settings struct; weir/option.h says which C type it is. */
static struct kind
option_kind(const struct weir_option *option)
{
	static const struct kind kinds[] = {
		[WEIR_TEXT] = KIND(const char *),
		[WEIR_BOOL] = KIND(bool),
		[WEIR_INTEGER] = KIND(int64_t),
		[WEIR_SIZE] = KIND(uint64_t),
		[WEIR_DURATION] = KIND(int64_t),
		[WEIR_CHOICE] = KIND(int),
		[WEIR_FIELD_NAME] = KIND(const char *),
		[WEIR_PATH] = KIND(const char *),
		[WEIR_TEMPLATE] = KIND(const struct weir_template *),
		[WEIR_NETWORK] = KIND(struct weir_network),
		[WEIR_ADDRESS] = KIND(struct weir_address),
		[WEIR_UPSTREAM] = KIND(const struct weir_upstream *),
	};

	if (option->repeat)
		return (struct kind)KIND(struct weir_list);
	if (option->type == WEIR_CUSTOM)
		return (struct kind){ option->size, 1 };
	return kinds[option->type];
}

static void
check_place(struct check *check, const struct weir_option *option)
{
	struct kind kind = option_kind(option);
	size_t room = check->contract->settings_size;

	if (kind.size > room || option->offset > room - kind.size)
		refuse(check, "has the option %s at bytes %zu to %zu of a settings struct of %zu: "
			"set settings_size, and give the option's offset by offsetof",
			option->name, option->offset, option->offset + kind.size, room);
	else if (option->offset % kind.alignment != 0)
		refuse(check,
			"has the option %s at the odd offset %zu: "
			"its member is not of the type that weir/option.h names",
			option->name, option->offset);
}

static void
check_bounds(struct check *check, const struct weir_option *option)
{
	const unsigned kinds =
		WEIR_IN_MODULE | WEIR_IN_ROUTE | WEIR_IN_UPSTREAM | WEIR_IN_LISTEN | WEIR_IN_CERTIFICATE;

	if (option->min > option->max)
		refuse(check, "has the option %s with min above max", option->name);
	if (option->type == WEIR_CHOICE && (option->choices == NULL || option->choices[0] == NULL))
		refuse(check, "has the option %s of type WEIR_CHOICE without choices", option->name);
	if (option->type == WEIR_CUSTOM && (option->parse == NULL || option->size == 0))
		refuse(check, "has the option %s of type WEIR_CUSTOM without parse and size", option->name);
	if ((option->in & ~kinds) != 0)
		refuse(check, "has the option %s in section kinds (0x%x) that this Weir does not know",
			option->name, option->in);
}

static bool
stands_twice(const struct weir_option *options, const struct weir_option *option)
{
	for (; options < option; options++) {
		if (strcmp(options->name, option->name) == 0)
			return true;
	}
	return false;
}

static void
check_options(struct check *check)
{
	const struct weir_option *options = check->contract->options;

	for (const struct weir_option *option = options; option != NULL && option->name != NULL; option++) {
		if (!contract_is_name(option->name))
			refuse(check, "has an option called `%.64s`: a name is [a-z][a-z0-9_]*",
				option->name);
		else if (strcmp(option->name, "enable") == 0)
			refuse(check,
				"has an option called enable: that one is Weir's own, for every module");
		if (stands_twice(options, option))
			refuse(check, "has the option %s twice", option->name);
		if ((unsigned)option->type > WEIR_CUSTOM) {
			refuse(check, "has the option %s of the unknown type %d", option->name,
				(int)option->type);
			continue;
		}
		check_bounds(check, option);
		check_place(check, option);
	}
}

/* --- the other tables ----------------------------------------------------------------------------------- */

static bool
ends_in(const char *name, const char *end)
{
	size_t length = strlen(name), end_length = strlen(end);

	return length > end_length && strcmp(name + length - end_length, end) == 0;
}

static void
check_metrics(struct check *check)
{
	const struct weir_metric *metrics = check->contract->metrics;

	for (const struct weir_metric *metric = metrics; metric != NULL && metric->name != NULL; metric++) {
		if (!contract_is_name(metric->name))
			refuse(check, "has a metric called `%.64s`: a name is [a-z][a-z0-9_]*", metric->name);
		else if (!metric->gauge && !ends_in(metric->name, "_total"))
			refuse(check,
				"has the counter %s: the name of a counter ends in _total (or set gauge)",
				metric->name);
		for (const struct weir_metric *other = metrics; other < metric; other++) {
			if (strcmp(other->name, metric->name) == 0)
				refuse(check, "has the metric %s twice", metric->name);
		}
	}
}

static void
check_variables(struct check *check)
{
	const struct weir_variable *variables = check->contract->variables;

	for (const struct weir_variable *variable = variables; variable != NULL && variable->name != NULL;
		variable++) {
		if (!contract_is_name(variable->name))
			refuse(check, "has a variable called `%.64s`: a name is [a-z][a-z0-9_]*",
				variable->name);
		if (variable->value == NULL)
			refuse(check, "has the variable %s without a function", variable->name);
		for (const struct weir_variable *other = variables; other < variable; other++) {
			if (strcmp(other->name, variable->name) == 0)
				refuse(check, "has the variable %s twice", variable->name);
		}
	}
}

static void
check_verbs(struct check *check)
{
	const struct weir_verb *verbs = check->contract->verbs;

	for (const struct weir_verb *verb = verbs; verb != NULL && verb->name != NULL; verb++) {
		if (!contract_is_name(verb->name))
			refuse(check, "has a verb called `%.64s`: a name is [a-z][a-z0-9_]*", verb->name);
		if (verb->run == NULL)
			refuse(check, "has the verb %s without a function", verb->name);
		for (const struct weir_verb *other = verbs; other < verb; other++) {
			if (strcmp(other->name, verb->name) == 0)
				refuse(check, "has the verb %s twice", verb->name);
		}
	}
}

/* --- hooks, classes and sizes --------------------------------------------------------------------------- */

/* Hooks of these phases take other arguments and have members of their own: called as a weir_hook they would
 * crash. */
static void
check_hooks(struct check *check)
{
	static const struct { enum weir_phase phase; const char *upper, *member; } own[] = {
		{ WEIR_PHASE_ACCEPT, "ACCEPT", "accept" },
		{ WEIR_PHASE_HANDSHAKE, "HANDSHAKE", "handshake" },
		{ WEIR_PHASE_REQUEST_BODY, "REQUEST_BODY", "request_body" },
		{ WEIR_PHASE_RESPONSE_BODY, "RESPONSE_BODY", "response_body" },
	};

	for (size_t i = 0; i < sizeof(own) / sizeof(*own); i++) {
		if (check->contract->hooks[own[i].phase] != NULL)
			refuse(check, "has a hook in hooks[WEIR_PHASE_%s]: that phase's hook goes into .%s",
				own[i].upper, own[i].member);
	}
}

static void
check_sizes(struct check *check)
{
	const struct weir_module *m = check->contract;
	const struct { const char *name; size_t size; } sizes[] = {
		{ "settings_size", m->settings_size },
		{ "generation_size", m->generation_size },
		{ "thread_size", m->thread_size },
		{ "connection_size", m->connection_size },
		{ "request_size", m->request_size },
	};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		if (sizes[i].size > STRUCT_MOST)
			refuse(check, "asks for %zu bytes by %s; at most %zu are given", sizes[i].size,
				sizes[i].name, STRUCT_MOST);
	}
	if (m->order < WEIR_CLASS_FIRST || m->order > WEIR_CLASS_LAST)
		refuse(check, "has the unknown class %d as its order", (int)m->order);
}

bool
contract_widen(struct arena *arena, const void **table, size_t theirs, size_t ours)
{
	size_t count = 0;
	char *copy;

	if (*table == NULL || theirs == ours)
		return true;
	while (count < ENTRIES_MOST && *(const char *const *)((const char *)*table + count * theirs) != NULL)
		count++;
	copy = arena_array(arena, count + 1, ours);
	if (copy == NULL)
		return false;
	for (size_t i = 0; i < count; i++)
		memcpy(copy + i * ours, (const char *)*table + i * theirs, theirs);
	*table = copy;
	return true;
}

/* What a module of an older minor has is less than what we know: bring it to our sizes. */
static const struct weir_module *
complete(const struct weir_module *found, struct arena *arena)
{
	struct weir_module *copy;
	const void *options, *metrics, *variables, *verbs;

	if (found->abi_minor == WEIR_ABI_MINOR)
		return found;
	if ((copy = arena_zalloc(arena, sizeof(*copy))) == NULL)
		return NULL;
	memcpy(copy, found, found->size);
	options = copy->options;
	metrics = copy->metrics;
	variables = copy->variables;
	verbs = copy->verbs;
	if (!contract_widen(arena, &options, copy->option_size, sizeof(struct weir_option)) ||
			!contract_widen(arena, &metrics, copy->metric_size, sizeof(struct weir_metric)) ||
			!contract_widen(arena, &variables, copy->variable_size, sizeof(struct weir_variable)) ||
			!contract_widen(arena, &verbs, copy->verb_size, sizeof(struct weir_verb)))
		return NULL;
	copy->options = options;
	copy->metrics = metrics;
	copy->variables = variables;
	copy->verbs = verbs;
	return copy;
}

const struct weir_module *
contract_check(const struct weir_module *found, const struct contract_origin *origin, struct arena *arena,
	struct report *report)
{
	struct check check = { .origin = origin, .report = report, .contract = found };

	check_abi(&check);
	if (!check.failed)
		check_size(&check);
	if (!check.failed)
		check_entries(&check);
	if (!check.failed)
		check_module_name(&check);
	if (check.failed)
		return NULL;
	if ((check.contract = complete(found, arena)) == NULL) {
		refuse(&check, "could not be loaded: out of memory");
		return NULL;
	}
	check_sizes(&check);
	check_options(&check);
	check_metrics(&check);
	check_variables(&check);
	check_verbs(&check);
	check_hooks(&check);
	return check.failed ? NULL : check.contract;
}
