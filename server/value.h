/* SPDX-License-Identifier: Apache-2.0 */
/*
 * value: the text of one option as the C value that its type asks for.
 */
#ifndef WEIR_SERVER_VALUE_H
#define WEIR_SERVER_VALUE_H

#include <weir/option.h>

/* Bytes of one value: what a settings struct, or an item of its list, holds. */
size_t value_size(const struct weir_option *);

/* Parse the text into *to, which is zeroed. False after reporting it, at the build's file and line, as a
 * fault of `key`. */
bool value_parse(struct weir_build *, const struct weir_option *, const char *key, const char *text,
	void *to);

/* An absolute path: a relative one starts at the configuration's folder; "" stays. NULL without memory
 * (reported). */
const char *value_path(struct weir_build *, const char *text);

/* "16K", "5s", "10": a number as an operator would write it for an option of this type. */
#define VALUE_NUMBER_ROOM 32
const char *value_number_text(enum weir_type, int64_t number, char to[VALUE_NUMBER_ROOM]);

/* A duration in milliseconds; NULL, or what is wrong (static). */
const char *value_duration(const char *text, int64_t *milliseconds);

/* The bounds of a number. */
void value_bounds(const struct weir_option *, int64_t *min, int64_t *max);

#endif
