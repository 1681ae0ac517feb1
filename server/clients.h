/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clients: a thread's connections from clients, as many as it has, when it drains or stops, or a listener or a route goes.
 *
 * They belong to their thread, which alone calls these.
 */
#ifndef WEIR_SERVER_CLIENTS_H
#define WEIR_SERVER_CLIENTS_H

#include <stdint.h>

struct listener;
struct thread;

/* Drop those without an exchange, or, if there is patience (milliseconds), in so long. Who has asked already is answered. */
void clients_close_idle(struct thread *, int64_t patience);

/* Cut requests on routes that the thread's generation has no more: the one of this name, or all. How many. */
unsigned clients_close_departed(struct thread *, const char *route);

/* Drop every one, exchange and all (stop). */
void clients_close_all(struct thread *);

/* Drop idle ones of a listener that is gone. */
void clients_close_of(struct thread *, const struct listener *);

#endif
