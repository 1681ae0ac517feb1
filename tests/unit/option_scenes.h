/* SPDX-License-Identifier: Apache-2.0 */
/*
 * option_scenes: a configuration and a build that is ready to meet it, without loading any module.
 */
#ifndef WEIR_TESTS_OPTION_SCENES_H
#define WEIR_TESTS_OPTION_SCENES_H

#include "config_scenes.h"
#include "server/generation.h"
#include "server/option.h"

#include <stdint.h>

static struct generation generation;
static struct weir_build build;

/* Read the text as weir.ini, and get a build ready for it. Upstreams become known by name. */
static inline void
configure(const char *text)
{
	static struct weir_upstream upstreams[4], *known[4];

	write_file("weir.ini", text);
	memset(&generation, 0, sizeof(generation));
	arena_init(&generation.arena, NULL, 0);
	generation.config = config_read("weir.ini", &scene_report);
	assert_non_null(generation.config);
	generation.upstreams = known;
	for (struct config_section *s = generation.config->sections; s != NULL; s = s->next) {
		if (strcmp(s->kind, "upstream") != 0)
			continue;
		known[generation.upstream_count] = &upstreams[generation.upstream_count];
		upstreams[generation.upstream_count++] =
			(struct weir_upstream){ .name = s->name, .section = s };
	}
	build = (struct weir_build){ .generation = &generation, .report = &scene_report, .file = "weir.ini" };
}

static inline void
unload(void)
{
	arena_free(&generation.arena);
	config_free(&generation.config);
}

static inline int
end_option_scene(void **state)
{
	unload();
	return end_scene(state);
}

#define OPTION_SCENE(name) cmocka_unit_test_setup_teardown(name, begin_scene, end_option_scene)

#endif
