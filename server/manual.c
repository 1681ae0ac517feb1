/* SPDX-License-Identifier: Apache-2.0 */
/*
 * manual: what a module can do, as its tables tell it (`weir -m NAME`).
 *
 * Everything is printed from the contract itself, so that it cannot differ from what the module does.
 */
#include "manual.h"
#include "chain.h"
#include "option.h"
#include "template.h"

#include <string.h>

static const char *
text(const char *maybe)
{
	return maybe != NULL ? maybe : "";
}

static const char *
class_name(enum weir_class class)
{
	static const char *const names[] = { "first", "early", "normal", "late", "last" };

	return names[class - WEIR_CLASS_FIRST];
}

static void
print_phases(FILE *to, const struct weir_module *contract)
{
	const char *between = "phases  ";

	for (enum weir_phase phase = 0; phase < WEIR_PHASES; phase++) {
		if (chain_has_hook(contract, phase)) {
			fprintf(to, "%s%s", between, chain_phase_name(phase));
			between = ", ";
		}
	}
	fprintf(to, "%s\norder   %s", strcmp(between, ", ") == 0 ? "" : "phases  none",
		class_name(contract->order));
	if (contract->before != NULL)
		fprintf(to, ", before %s", contract->before);
	if (contract->after != NULL)
		fprintf(to, ", after %s", contract->after);
	fputs(" (`order` in [weir] overrules it)\n", to);
}

static void
print_variables(FILE *to, const struct weir_variable *variable)
{
	if (variable == NULL || variable->name == NULL)
		return;
	fputs("\nVariables\n", to);
	for (; variable->name != NULL; variable++)
		fprintf(to, "  ${%s}  %s\n", variable->name, text(variable->doc));
}

static void
print_metrics(FILE *to, const struct module *module)
{
	const struct weir_metric *metric = module->contract->metrics;

	if (metric == NULL || metric->name == NULL)
		return;
	fputs("\nMetrics\n", to);
	for (; metric->name != NULL; metric++)
		fprintf(to, "  weir_%s_%s  %s. %s\n", module->name, metric->name,
			metric->gauge ? "Gauge" : "Counter", text(metric->doc));
}

static void
print_verbs(FILE *to, const struct module *module)
{
	const struct weir_verb *verb = module->contract->verbs;

	if (verb == NULL || verb->name == NULL)
		return;
	fputs("\nVerbs\n", to);
	for (; verb->name != NULL; verb++)
		fprintf(to, "  weirctl %s %s%s%s  %s\n", module->name, verb->name,
			verb->arguments != NULL ? " " : "", text(verb->arguments), text(verb->doc));
}

void
manual_print(FILE *to, const struct module *module)
{
	const struct option_owner owner = {
		.module = module->name,
		.options = module->contract->options,
		.size = module->contract->settings_size,
	};

	fprintf(to, "%s: %s\n\n", module->name, text(module->contract->summary));
	fprintf(to, "file    %s, ABI %u.%u\n", module->file, module->contract->abi_major,
		module->contract->abi_minor);
	print_phases(to, module->contract);
	fputs("\nOptions\n", to);
	option_print_doc(to, &owner, "module");
	print_variables(to, module->contract->variables);
	print_metrics(to, module);
	print_verbs(to, module);
}

/* --- the core ------------------------------------------------------------------------------------------- */

static const struct { const char *kind; const struct weir_option *options; } kinds[] = {
	{ "weir", weir_options },
	{ "listen", listen_options },
	{ "upstream", upstream_options },
	{ "route", route_options },
};

bool
manual_print_core(FILE *to, const char *kind)
{
	struct option_owner owner = { .module = NULL };
	size_t i = 0;

	while (i < sizeof(kinds) / sizeof(*kinds) && strcmp(kinds[i].kind, kind) != 0)
		i++;
	if (i == sizeof(kinds) / sizeof(*kinds))
		return false;
	owner.options = kinds[i].options;
	option_print_doc(to, &owner, kind);
	if (i > 0)
		return true;
	fputs("\nVariables\n", to);
	for (const struct variable *variable = variables; variable->name != NULL; variable++)
		fprintf(to, "  ${%s}  %s\n", variable->name, text(variable->doc));
	fputs("  ${request.NAME}, ${upstream_request.NAME}, ${response.NAME}  A field of that message.\n",
		to);
	return true;
}
