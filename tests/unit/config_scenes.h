/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config_scenes: what the tests of the configuration share.
 *
 * A scene begins in an empty folder of its own, which is the working directory too, so that messages name
 * files as an operator would; it ends with the folder removed.
 */
#ifndef WEIR_TESTS_CONFIG_SCENES_H
#define WEIR_TESTS_CONFIG_SCENES_H

#include "server/config.h"
#include "server/report.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static char scene_folder[64];
static struct report scene_report;
static char *scene_text;	/* what the last said() gave */

static inline int
begin_scene(void **state)
{
	(void)state;
	strcpy(scene_folder, "/tmp/weir-test-XXXXXX");
	report_init(&scene_report);
	return mkdtemp(scene_folder) != NULL && chdir(scene_folder) == 0 ? 0 : -1;
}

static inline int
remove_one(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
	(void)status;
	(void)kind;
	(void)walk;
	return remove(path);
}

static inline int
end_scene(void **state)
{
	(void)state;
	report_free(&scene_report);
	free(scene_text);
	scene_text = NULL;
	return chdir("/") == 0 && nftw(scene_folder, remove_one, 8, FTW_DEPTH | FTW_PHYS) == 0 ? 0 : -1;
}

static inline void
write_bytes(const char *name, const char *bytes, size_t length)
{
	FILE *file = fopen(name, "wb");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, length, file), length);
	assert_int_equal(fclose(file), 0);
}

static inline void
write_file(const char *name, const char *text)
{
	write_bytes(name, text, strlen(text));
}

/* All that was reported, as the operator sees it; empties the report. */
static inline const char *
said(void)
{
	size_t length = 0;
	FILE *memory;

	free(scene_text);
	scene_text = NULL;
	memory = open_memstream(&scene_text, &length);
	assert_non_null(memory);
	report_print(&scene_report, memory);
	assert_int_equal(fclose(memory), 0);
	report_free(&scene_report);
	return scene_text;
}

#define SCENE(name) cmocka_unit_test_setup_teardown(name, begin_scene, end_scene)

#endif
