/* SPDX-License-Identifier: Apache-2.0 */
/*
 * generation: the whole configuration as one immutable thing.
 *
 * The steps are: read the files, the process' own settings, lay over what was changed since, load and order the modules,
 * their defaults, the sections with their chains, what nobody used, and last the modules' own `build`. After an error the
 * steps go on as far as they can be trusted, so that all errors are seen; a module's `build` runs only when all settings are
 * sound. All or nothing: a failed build is dropped as a served one would be.
 */
#include "generation.h"
#include "config.h"
#include "credential.h"
#include "loader.h"
#include "option.h"
#include "overlay.h"
#include "report.h"
#include "section.h"
#include "slot.h"
#include "state.h"
#include "thread.h"

#include <assert.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

_Static_assert((int)LOADER_METRICS_MAX <= (int)METRIC_CELLS, "threads have room for all modules' metrics");

/* What the steps of one build share. */
struct steps {
	struct weir_build build;
	struct sections sections;
	struct modules *loaded;
	const struct generation *previous;
	bool missing;			/* a module could not be loaded */
	bool sound;			/* all settings can be relied on */
	const struct generation_source *source;
	unsigned errors;		/* of the report, before */
};

static void *
take(struct steps *steps, size_t count, size_t size)
{
	void *memory = arena_array(&steps->build.generation->arena, count, size);

	if (memory == NULL)
		steps->build.failed = true;
	return memory;
}

/* --- the process ---------------------------------------------------------------------------------------- */

static unsigned
count_cpus(void)
{
	cpu_set_t *set;
	unsigned count = 0;

	/* The kernel refuses a set that is smaller than its own. */
	for (int cpus = 1024; count == 0 && cpus <= 1 << 16; cpus *= 2) {
		if ((set = CPU_ALLOC(cpus)) == NULL)
			break;
		if (sched_getaffinity(0, CPU_ALLOC_SIZE(cpus), set) == 0)
			count = (unsigned)CPU_COUNT_S(CPU_ALLOC_SIZE(cpus), set);
		CPU_FREE(set);
	}
	if (count > THREADS_MAX)
		count = THREADS_MAX;
	return count > 0 ? count : 1;
}

static bool
read_process(struct steps *steps)
{
	struct generation *generation = steps->build.generation;
	struct config_section *section = config_find(generation->config, "weir", NULL);

	/* No module is there yet; whoever asks sees none. */
	if ((steps->sections.owners = take(steps, 1, sizeof(*steps->sections.owners))) == NULL ||
		!section_fill_core(&steps->sections, weir_options, sizeof(generation->settings), section,
			&generation->settings))
		return false;
	if (generation->threads == 0)
		generation->threads = (unsigned)generation->settings.threads;
	if (generation->threads == 0)
		generation->threads = count_cpus();
	return true;
}

/* --- what is left over ---------------------------------------------------------------------------------- */

/* A key that may be one of a module's which is not there would be called unknown, and mislead. */
static void
excuse_missing(struct config_section *section, const struct modules *loaded)
{
	const char *dot;
	char name[64];

	if (strcmp(section->kind, "weir") == 0 ||
	    (strcmp(section->kind, "module") == 0 && loader_find(loaded, section->name) != NULL))
		return;
	for (struct config_entry *entry = section->entries; entry != NULL; entry = entry->next) {
		dot = strchr(entry->key, '.');
		if (dot == NULL || (size_t)(dot - entry->key) >= sizeof(name)) {
			entry->used = true;
			continue;
		}
		memcpy(name, entry->key, (size_t)(dot - entry->key));
		name[dot - entry->key] = '\0';
		entry->used |= loader_find(loaded, name) == NULL;
	}
}

static void
check_leftovers(struct steps *steps)
{
	struct config *config = steps->build.generation->config;

	for (struct config_section *section = config->sections; section != NULL; section = section->next) {
		if (steps->missing)
			excuse_missing(section, steps->loaded);
	}
	section_check_unused(&steps->sections, "weir", weir_options);
	section_check_unused(&steps->sections, "module", NULL);
	section_check_unused(&steps->sections, "upstream", upstream_options);
	section_check_unused(&steps->sections, "route", route_options);
	section_check_unused(&steps->sections, "listen", listen_options);
	section_check_unused(&steps->sections, "certificate", certificate_options);
	/* Of a file without any section something else was said already, unless it is empty: a disk was full, most likely. */
	if (config_find(config, "listen", NULL) == NULL &&
		(config->sections != NULL || steps->build.report->errors == steps->errors))
		report_error(steps->build.report, steps->build.generation->path, 0,
			"there is no [listen NAME] section: "
			"write one with `address = 127.0.0.1:8080` or the like");
}

/* --- the modules' own build ----------------------------------------------------------------------------- */

static void *
find_previous(const struct generation *previous, const struct module *module)
{
	for (size_t slot = 0; previous != NULL && slot < previous->module_count; slot++) {
		if (previous->modules[slot] == module)
			return previous->module_states[slot];
	}
	return NULL;
}

static void
build_module(struct steps *steps, unsigned slot)
{
	struct generation *generation = steps->build.generation;
	const struct module *module = generation->modules[slot];
	const struct weir_module *contract = module->contract;
	void *state = NULL;

	if (contract->generation_size > 0 && (state = take(steps, 1, contract->generation_size)) == NULL)
		return;
	generation->module_states[slot] = state;
	generation->built = slot + 1;
	if (contract->build == NULL)
		return;
	steps->build.module = module;
	steps->build.slot = slot;
	steps->build.file = generation->owners[slot].section->file;
	steps->build.line = generation->owners[slot].section->line;
	contract->build(&steps->build, state, find_previous(steps->previous, module));
	steps->build.module = NULL;
}

static void
build_modules(struct steps *steps)
{
	for (unsigned slot = 0; slot < steps->build.generation->module_count && !steps->build.failed; slot++)
		build_module(steps, slot);
}

static void
drop_modules(struct generation *generation)
{
	const struct weir_module *contract;

	while (generation->built > 0) {
		generation->built--;
		contract = generation->modules[generation->built]->contract;
		if (contract->drop != NULL)
			contract->drop(generation->module_states[generation->built]);
	}
}

/* --- beginning and end ---------------------------------------------------------------------------------- */

/* From here on the generation's sections are those that hold. */
static bool
lay_over(struct steps *steps, const struct overlay *overlay)
{
	struct generation *generation = steps->build.generation;
	struct config *files = generation->config, *config;

	if (overlay == NULL || overlay->count == 0)
		return true;
	if ((config = overlay_apply(overlay, files, steps->build.report)) == NULL)
		return false;
	generation->config = config;
	config_free(&files);
	return true;
}

/* The same with what a process would find in its state_dir. */
static bool
lay_over_state(struct steps *steps)
{
	struct generation *generation = steps->build.generation;
	struct overlay *overlay = NULL;
	const char *path;
	bool good;

	if (generation->settings.state_dir == NULL)
		return true;
	if ((path = state_path(&generation->arena, generation->settings.state_dir)) == NULL ||
	    (overlay = overlay_new(path)) == NULL)
		return false;
	good = state_read(overlay, true, steps->build.report) && lay_over(steps, overlay);
	overlay_free(&overlay);
	return good;
}

static void
run_steps(struct steps *steps)
{
	const struct generation_source *source = steps->source;

	if (!read_process(steps) ||
	    !(source->state ? lay_over_state(steps) : lay_over(steps, source->overlay)) ||
	    !slot_load(&steps->sections, steps->loaded, &steps->missing) ||
	    !section_name_upstreams(&steps->sections) || !slot_prepare(&steps->sections) ||
	    !section_fill_upstreams(&steps->sections) || !section_fill_routes(&steps->sections) ||
	    !section_fill_certificates(&steps->sections) || !section_fill_listens(&steps->sections)) {
		steps->build.failed = true;
		return;
	}
	steps->sound = section_sound(&steps->sections);
	check_leftovers(steps);
	if (steps->sound)
		build_modules(steps);
}

static struct generation *
start(const struct generation_source *source, const struct generation *previous, unsigned threads,
	struct report *report)
{
	struct generation *generation = calloc(1, sizeof(*generation));
	const char *path = source->path;

	if (generation == NULL) {
		report_error(report, path, 0, "no memory to build the configuration");
		return NULL;
	}
	arena_init(&generation->arena, NULL, 0);
	generation->number = previous != NULL ? previous->number + 1 : 1;
	generation->threads = threads;
	generation->last_use = &generation->uses;
	if (source->files != NULL)
		config_reset(generation->config = config_hold(source->files));
	else
		generation->config = config_read(path, report);
	if (generation->config == NULL ||
	    (generation->path = arena_copy(&generation->arena, path, strlen(path))) == NULL)
		generation_free(&generation);
	return generation;
}

/* All or nothing: NULL, with nothing left of it, when there was any error. */
static struct generation *
finish(struct steps *steps, unsigned errors)
{
	struct generation *generation = steps->build.generation;
	struct report *report = steps->build.report;

	if (steps->build.failed && report->errors == errors)
		report_error(report, generation->path, 0, "no memory to build the configuration");
	if (!steps->build.failed && report->errors == errors && !steps->source->later)
		credential_read_all(generation, report);
	if (!steps->build.failed && report->errors == errors && !steps->source->later)
		certificates_judge(&generation->certificates, report);
	if (steps->build.failed || report->errors != errors)
		generation_free(&generation);
	return generation;
}

struct generation *
generation_build_from(const struct generation_source *source, struct modules *loaded,
	const struct generation *previous, unsigned threads, struct report *report)
{
	struct steps steps = {
		.build = { .report = report, .check = source->check, .file = source->path },
		.loaded = loaded,
		.previous = previous,
		.source = source,
		.errors = report->errors,
	};
	unsigned errors = report->errors;

	if ((steps.build.generation = start(source, previous, threads, report)) == NULL)
		return NULL;
	steps.sections = (struct sections){ .build = &steps.build, .errors = report->errors };
	run_steps(&steps);
	return finish(&steps, errors);
}

struct generation *
generation_build(const char *path, struct modules *loaded, const struct generation *previous,
	unsigned threads, struct report *report)
{
	return generation_build_from(&(struct generation_source){ .path = path }, loaded, previous, threads, report);
}

struct generation *
generation_check(const char *path, struct modules *loaded, struct report *report)
{
	struct generation_source source = { .path = path, .state = true, .check = true };

	return generation_build_from(&source, loaded, NULL, 0, report);
}

struct generation *
generation_peek(const char *path, struct report *report)
{
	struct generation_source source = { .path = path, .check = true };
	struct steps steps = { .build = { .report = report, .check = true, .file = path }, .source = &source };
	unsigned errors = report->errors;

	if ((steps.build.generation = start(&source, NULL, 0, report)) == NULL)
		return NULL;
	steps.sections = (struct sections){ .build = &steps.build, .errors = report->errors };
	if (!read_process(&steps))
		steps.build.failed = true;
	return finish(&steps, errors);
}

struct config *
generation_files(const struct generation *generation)
{
	return generation->config->files != NULL ? generation->config->files : generation->config;
}

void
generation_free(struct generation **generation)
{
	if (*generation == NULL)
		return;
	assert((*generation)->holders == 0);
	drop_modules(*generation);
	credential_release(*generation);
	for (unsigned i = 0; i < (*generation)->hold_count; i++)
		free((*generation)->holds[i]);		/* it was never published */
	free((*generation)->holds);
	config_free(&(*generation)->config);
	arena_free(&(*generation)->arena);
	free(*generation);
	*generation = NULL;
}
