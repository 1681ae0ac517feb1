/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ini: one INI text as headers and entries, each with its line, nothing cut and nothing guessed.
 *
 * inih does the parsing, fed through its stream interface by a reader of ours. Left alone it cuts long lines
 * and names, joins indented lines to the one above, hides empty sections, takes what follows a broken header
 * for the section before, and depends on how it was compiled. The reader refuses what inih would read so,
 * hands it plain `key=value` lines only, and checks that what comes back is what went in.
 */
#ifndef WEIR_SERVER_INI_H
#define WEIR_SERVER_INI_H

#include <stdbool.h>
#include <stddef.h>

struct report;

#define INI_LINE_MOST 199	/* bytes of a line without its end */
#define INI_NAME_MOST 48	/* bytes of a section's kind, and of its name */

/* A section's header (key NULL) or one of its entries. The texts are the reader's: copy what shall stay. */
struct ini_line {
	const char *kind, *name;	/* name is "" when there is none */
	const char *key, *value;
	unsigned line;
};

/* Takes one line; false ends the reading. */
typedef bool ini_take(void *context, const struct ini_line *);

/* Read a text; what is wrong with it goes to the report, and reading goes on. After a broken header, lines
 * are checked but not handed on up to the next header. False when `take` ended it. */
bool ini_read(const char *text, size_t length, const char *file, struct report *, ini_take *, void *context);

#endif
