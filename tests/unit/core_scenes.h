/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core_scenes: generations from the text of an INI file, without a module, for scenes about what serves
 * them.
 *
 * On top of config_scenes.h: a scene has a folder of its own. Generations are the scene's to free, before
 * the loader.
 */
#ifndef WEIR_TESTS_CORE_SCENES_H
#define WEIR_TESTS_CORE_SCENES_H

#include "config_scenes.h"
#include "server/generation.h"
#include "server/loader.h"

#define ROUTE "[route all]\ntotal_timeout = 1h\n"

static struct modules *core_modules;

static inline int
begin_core(void **state)
{
	static const char *const folders[] = { NULL };

	if (begin_scene(state) != 0)
		return -1;
	core_modules = loader_new(folders, &scene_report);
	return core_modules != NULL ? 0 : -1;
}

static inline int
end_core(void **state)
{
	loader_free(&core_modules);
	return end_scene(state);
}

static inline struct generation *
generation_of(const char *text, unsigned threads)
{
	struct generation *g;

	write_file("weir.ini", text);
	g = generation_build("weir.ini", core_modules, NULL, threads, &scene_report);
	if (g == NULL)
		fail_msg("%s", said());
	return g;
}

#endif
