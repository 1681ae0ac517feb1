/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state: the overlay as a file in `state_dir`, so that what was changed in the running process is there after a
 * restart.
 *
 * An INI text like the files it lies over, whole or not at all: written beside, synced, renamed. It ends with a
 * sum over what stands before, so that damage shows. Main thread.
 */
#ifndef WEIR_SERVER_STATE_H
#define WEIR_SERVER_STATE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

struct arena;
struct overlay;
struct report;

/* The file's name in the folder, NULL without memory. */
const char *state_path(struct arena *, const char *folder);

/* What a file holds at most: a larger one is neither read nor, so that it can be read again, written. Scenes lower it. */
extern off_t state_bytes_most;

/* Fill an empty overlay from its file; a file that is not there leaves it empty. False when it cannot be read or is
 * damaged, which the report says. `look`: that we may not read it is only a warning. */
bool state_read(struct overlay *, bool look, struct report *);

/* The same from a text. */
bool state_parse(struct overlay *, const char *text, size_t length, struct report *);

/* The sum that stands in the end of a file, of all before that. */
uint64_t state_sum(const char *text, size_t length);

enum state_result {
	STATE_WRITTEN,		/* on disk, as far as the kernel knows */
	STATE_KEPT,		/* not written: the former file is there */
	STATE_UNSURE		/* one of the two is there after a crash */
};

/* Write the overlay to its file; sets the line of each section. errno tells what was wrong. */
enum state_result state_write(struct overlay *);

/* The sections as an operator would write them. */
void state_print(const struct overlay *, FILE *);

#endif
