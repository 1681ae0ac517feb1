/* SPDX-License-Identifier: Apache-2.0 */
/*
 * difference: what a reload has changed, for its operator.
 *
 * Names are kept up to a bound and all are counted. Main thread.
 */
#ifndef WEIR_SERVER_DIFFERENCE_H
#define WEIR_SERVER_DIFFERENCE_H

#include <stdbool.h>
#include <stddef.h>

#include "arena.h"

struct config;
struct sockets;

enum { DIFFERENCE_KEPT = 100 };

struct difference_list {
	const char *names[DIFFERENCE_KEPT];
	size_t count;			/* may be more than are kept */
};

struct difference {
	struct arena arena;
	struct difference_list added, removed, changed;	/* sections, as "[route a]" */
	struct difference_list opened, closed;		/* addresses */
	bool routing;			/* a route or an upstream is among them */
};

/* `before` and `now` are configs; the sets of sockets are marked as `now` wants them, and `kept` of them were there
 * before: sockets_open puts new ones first. NULL without memory. */
struct difference *difference_of(const struct config *before, const struct config *now);
void difference_add_sockets(struct difference *, const struct sockets *, const void *first_before);
void difference_free(struct difference **);

#endif
