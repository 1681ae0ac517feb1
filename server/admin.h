/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admin: the Unix socket that weirctl and other local programs speak to, in HTTP and JSON (docs/operations.md
 * lists it).
 *
 * Who may connect is said by the file's mode and group; who changed something is logged. It runs on the main
 * thread, so nothing asked here takes time from traffic.
 */
#ifndef WEIR_SERVER_ADMIN_H
#define WEIR_SERVER_ADMIN_H

#include <stdbool.h>

struct admin;
struct process;
struct report;

/* Listen on the socket of the process's configuration, if that names one: then process->admin is set.
 * False, with the report saying why, when it cannot be had. */
bool admin_open(struct process *, struct report *);

/* Stop listening, close connections, remove the socket's file. */
void admin_free(struct admin **);

#endif
