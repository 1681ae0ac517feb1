/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metrics: all counters as Prometheus reads them (text format 0.0.4): the core's, the process's, the
 * modules'.
 */
#ifndef WEIR_SERVER_METRICS_H
#define WEIR_SERVER_METRICS_H

struct evbuffer;
struct process;

void metrics_write(struct evbuffer *, const struct process *);

#endif
