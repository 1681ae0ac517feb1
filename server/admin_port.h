/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admin_port: what the admin socket offers on a TCP port of this machine too, to whoever shows the token.
 *
 * For programs that cannot speak to a Unix socket. The kernel does not say who connects there, so each request has to
 * carry `Authorization: Bearer TOKEN` (RFC 6750), the token being the first line of a file. Main thread.
 */
#ifndef WEIR_SERVER_ADMIN_PORT_H
#define WEIR_SERVER_ADMIN_PORT_H

#include <stdbool.h>

struct process;
struct report;

/* Read the token of the process's configuration, if that has an `admin_address`: then process->admin_port is set.
 * False, with the report saying why, when it cannot be used. As the user who will serve. */
bool admin_port_read(struct process *, struct report *);

/* Listen, if there is something to listen on. False when that cannot be had, as the report says. */
bool admin_port_open(struct process *, struct report *);

/* What listens; -1: nothing does. */
int admin_port_descriptor(const struct process *);

/* In a process that takes over: the same, logging what is wrong. In the one that it replaces: accept no more. */
void admin_port_accept(struct process *);
void admin_port_release(struct process *);
void admin_port_free(struct process *);

#endif
