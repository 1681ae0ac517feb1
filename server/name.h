/* SPDX-License-Identifier: Apache-2.0 */
/*
 * name: host names as keys: their one form, and a table of a bounded number of them, the least recently used
 * out first.
 *
 * What is kept for a name embeds struct name, and is the caller's to allocate and free.
 */
#ifndef WEIR_SERVER_NAME_H
#define WEIR_SERVER_NAME_H

#include <stdbool.h>
#include <stdint.h>

enum { NAME_LENGTH = 253, NAME_BUCKETS = 1024 };

struct name {
	struct name *next;		/* in its bucket */
	struct name *newer, *older;	/* by last use */
	unsigned holds;			/* while there are any, it is not evicted */
	char text[NAME_LENGTH + 1];
};

struct name_table {
	struct name *buckets[NAME_BUCKETS];
	struct name *newest, *oldest;
	unsigned count;
	uint64_t seed;			/* of the hash, so that nobody can fill one bucket */
};

/* Lower case, no dot at the end. False when the text can be no host name and no number. */
bool name_normalise(const char *text, char to[NAME_LENGTH + 1]);

void name_table_init(struct name_table *);

/* The name of this normal form, now the one used last; NULL when it is not there. */
struct name *name_find(struct name_table *, const char *text);

/* Add one that is not there, with its text set. */
void name_add(struct name_table *, struct name *);
void name_remove(struct name_table *, struct name *);

/* The least recently used one without holds; NULL when all are held. */
struct name *name_oldest(const struct name_table *);

#endif
