/* SPDX-License-Identifier: Apache-2.0 */
/*
 * generation_print: a generation for its operator: what holds (`weir -T`), and what runs (`weir --chain`).
 */
#include "chain.h"
#include "config.h"
#include "generation.h"
#include "option.h"


/* --- values --------------------------------------------------------------------------------------------- */

/* "; file:line" and "[kind name]". */
static void
print_header(FILE *to, const struct config_section *section)
{
	fprintf(to, "\n; %s:%u\n[%s%s%s]\n", section->file, section->line, section->kind,
		*section->name != '\0' ? " " : "", section->name);
}

/* The values of the core's table, then those of each module that may stand there. */
static void
print_section(FILE *to, const struct generation *generation, const struct config_section *section,
	const struct weir_option *options)
{
	const struct option_owner core = { .options = options };

	print_header(to, section);
	option_print_values(to, &core, section, generation->config->folder);
	for (size_t slot = 0; slot < generation->module_count; slot++)
		option_print_values(to, &generation->owners[slot], section, generation->config->folder);
}

static void
print_process(FILE *to, const struct generation *generation)
{
	const struct config_section *section = config_find(generation->config, "weir", NULL);
	const struct option_owner core = { .options = weir_options };

	if (section != NULL)
		print_header(to, section);
	else
		fputs("\n[weir]\n", to);
	option_print_values(to, &core, section, generation->config->folder);
}

void
generation_print_settings(const struct generation *generation, FILE *to)
{
	fprintf(to, "; the effective values of %s\n", generation->path);
	print_process(to, generation);
	for (size_t slot = 0; slot < generation->module_count; slot++) {
		print_header(to, generation->owners[slot].section);
		option_print_values(to, &generation->owners[slot], generation->owners[slot].section,
			generation->config->folder);
	}
	for (size_t i = 0; i < generation->listen_count; i++)
		print_section(to, generation, generation->listens[i].section, listen_options);
	for (size_t i = 0; i < generation->certificates.count; i++)
		print_section(to, generation, generation->certificates.list[i].section, certificate_options);
	for (size_t i = 0; i < generation->upstream_count; i++)
		print_section(to, generation, generation->upstreams[i]->section, upstream_options);
	for (size_t i = 0; i < generation->route_count; i++)
		print_section(to, generation, generation->routes[i]->section, route_options);
}

/* --- chains --------------------------------------------------------------------------------------------- */

static void
print_chain(FILE *to, const struct generation *generation, const struct config_section *section,
	const struct chain *chain)
{
	fprintf(to, "[%s %s] %s:%u\n", section->kind, section->name, section->file, section->line);
	if (chain->first[WEIR_PHASES] == 0)
		fputs("  no hooks\n", to);
	chain_print(to, chain, generation, section);
}

void
generation_print_chain(const struct generation *generation, FILE *to)
{
	fputs("A listener's chain holds until a route is chosen, and to the end where none is.\n", to);
	for (size_t i = 0; i < generation->listen_count; i++)
		print_chain(to, generation, generation->listens[i].section, &generation->listens[i].chain);
	for (size_t i = 0; i < generation->route_count; i++)
		print_chain(to, generation, generation->routes[i]->section, generation->routes[i]->chain);
}
