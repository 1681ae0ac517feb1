/* SPDX-License-Identifier: Apache-2.0 */
/*
 * show: a JSON document for a human reader: names beside values, lists of objects as tables.
 *
 * Nothing of it can drive a terminal: control characters are shown as '?'.
 */
#ifndef WEIR_TOOLS_SHOW_H
#define WEIR_TOOLS_SHOW_H

#include <jansson.h>
#include <stdio.h>

void show(FILE *, const json_t *);

/* A text without control characters. */
void show_text(FILE *, const char *);

#endif
