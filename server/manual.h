/* SPDX-License-Identifier: Apache-2.0 */
/*
 * manual: what a module can do, as its tables tell it (`weir -m NAME`).
 */
#ifndef WEIR_SERVER_MANUAL_H
#define WEIR_SERVER_MANUAL_H

#include <stdbool.h>
#include <stdio.h>

struct module;

void manual_print(FILE *, const struct module *);

/* The core's own: weir, listen, upstream or route; false when the name is none of these. */
bool manual_print_core(FILE *, const char *kind);


#endif
