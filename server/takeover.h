/* SPDX-License-Identifier: Apache-2.0 */
/*
 * takeover: this process was started by another one to take its place (upgrade.h).
 *
 * It does all that it can fail at before it says "ready", and accepts nothing before it hears "go". If the other one dies
 * in between, somebody has to serve: then it goes on as if it had heard it.
 */
#ifndef WEIR_SERVER_TAKEOVER_H
#define WEIR_SERVER_TAKEOVER_H

#include <stdbool.h>

struct process;
struct report;

/* Take what was handed over, if anything was: then process->takeover is set and the sockets are offered. False with the
 * reason reported. */
bool takeover_begin(struct process *, struct report *);

/* Once the main loop is there. */
bool takeover_watch(struct process *);

/* The listening admin socket of the former process, and that of its admin port, the caller's from now on; -1: there is none. */
int takeover_admin(struct process *);
int takeover_port(struct process *);

/* The configuration does not want these sockets: say so with "ready". Before they are swept. */
void takeover_note_unwanted(struct process *);

/* Every thread has its generation: tell the former process. */
void takeover_ready(struct process *);

/* Has "go" not come yet? The process that is being replaced, or drains; 0: none. */
bool takeover_waits(const struct process *);
long takeover_predecessor(const struct process *);

void takeover_free(struct process *);

#endif
