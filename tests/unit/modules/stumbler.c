/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Builds last, and always fails to. It has no option and no struct of its own.
 */
#include <weir/module.h>

void noted(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void
build(struct weir_build *b, void *generation, void *previous)
{
	noted("build stumbler%s;", generation == NULL && previous == NULL ? "" : " with something");
	weir_build_error(b, "it cannot be done");
}

static void
drop(void *generation)
{
	(void)generation;
	noted("drop stumbler;");
}

WEIR_MODULE(stumbler) = {
	WEIR_ABI,
	.summary = "Always fails to build.",
	.order = WEIR_CLASS_LAST,
	.build = build,
	.drop = drop,
};
