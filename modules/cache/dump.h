/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dump: the hot set in a file, from a clean stop to the next start.
 *
 * Hot is what was asked for more than once. The file is of this machine: numbers stand as they lie in memory.
 * Each record ends with a checksum, and the file with a last record, so that what is damaged is seen; nothing
 * of a damaged record, nor behind it, is used. A file is read once: it is removed before, since what happens
 * after (purges, writes at the origin) it does not know.
 */
#ifndef CACHE_DUMP_H
#define CACHE_DUMP_H

#include "key.h"
#include "store.h"

#include <stdio.h>

/* Write all that is hot and of use at `now` to PATH.new, sync it, and let it take the place of PATH.
 * False, and errno: PATH is as it was. *count: how many objects. */
bool cache_dump_write(struct cache_store *, const char *path, int64_t now, size_t *count);

enum cache_dump_result { CACHE_DUMP_READ, CACHE_DUMP_DAMAGED, CACHE_DUMP_NONE };

/* Remove the file and add what is in it, where nothing of the same name is stored; names are hashed anew.
 * NONE, and errno, where it cannot be opened. */
enum cache_dump_result cache_dump_read(
	struct cache_store *, const struct cache_secret *, const char *path, int64_t now, size_t *count);

/* The same from an open file. */
enum cache_dump_result cache_dump_load(
	struct cache_store *, const struct cache_secret *, FILE *, int64_t now, size_t *count);

#endif
