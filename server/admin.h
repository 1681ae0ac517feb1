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
struct evhttp;
struct process;
struct report;

/* Listen on the socket of the process's configuration, if that names one: then process->admin is set.
 * False, with the report saying why, when it cannot be had. */
bool admin_open(struct process *, struct report *);

/* Bounds of what is taken, and methods: of any that speaks the calls. */
void admin_bound(struct evhttp *);

/* The listening socket; -1 where there is none. */
int admin_descriptor(const struct admin *);

/* In a process that takes over, calls are only accepted from here on. */
void admin_accept(struct admin *);

/* Another process has the socket and its file: accept no more; calls that are here are answered. */
void admin_release(struct admin *);

/* Stop listening, close connections, remove the socket's file. */
void admin_free(struct admin **);

#endif
