/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hosts: the names that need no server: numbers, the names of /etc/hosts, localhost.
 *
 * The file is kept sorted in memory and read again when it has changed. Lines that make no sense are passed
 * over, as resolvers do.
 */
#ifndef WEIR_SERVER_HOSTS_H
#define WEIR_SERVER_HOSTS_H

#include <stdbool.h>

#include "resolver.h"

enum { HOSTS_SIZE = 4 << 20, HOSTS_NAMES = 65536 };	/* what is beyond is not read */

struct hosts;

/* `path` must live as long; a missing file has no names. NULL without memory. */
struct hosts *hosts_new(const char *path);
void hosts_free(struct hosts **);

/* Read the file again if it has changed. */
void hosts_refresh(struct hosts *);

/* The addresses of a name of lower case, at most `room`, in the order of the file; how many there are. */
unsigned hosts_find(const struct hosts *, const char *name, struct resolver_address *, unsigned room);

/* A numeric address without port; false when the text is none. */
bool hosts_numeric(const char *text, struct resolver_address *);

#endif
