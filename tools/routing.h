/* SPDX-License-Identifier: Apache-2.0 */
/*
 * routing: weirctl's commands about routes, upstreams and servers.
 */
#ifndef WEIR_TOOLS_ROUTING_H
#define WEIR_TOOLS_ROUTING_H

#include <stdbool.h>

struct ask;

extern const char routing_help[];

/* Is the word a command of these? Then routing_run is to be called with it as the first; the exit code. */
bool routing_has(const char *word);
int routing_run(const struct ask *, int count, char **words);

#endif
