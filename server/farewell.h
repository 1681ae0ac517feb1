/* SPDX-License-Identifier: Apache-2.0 */
/*
 * farewell: what becomes of requests and WebSockets under way on a route that was taken away.
 *
 * They keep the generation in which their route still is, for as long as they last. Where the operator wants an
 * end, a farewell waits the time that he gave them, and then has each event thread cut what is left. A route of this
 * name that has come back meanwhile saves them. Main thread.
 */
#ifndef WEIR_SERVER_FAREWELL_H
#define WEIR_SERVER_FAREWELL_H

#include <stdbool.h>
#include <stdint.h>

struct process;

/* In so many milliseconds, cut what is under way on routes that are there no more: the one of this name, or all where
 * it is NULL. False without memory. */
bool farewell_say(struct process *, const char *route, int64_t after);

/* Forget those that wait; when the threads have ended. */
void farewell_forget_all(struct process *);

#endif
