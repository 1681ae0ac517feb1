/* SPDX-License-Identifier: Apache-2.0 */
/*
 * offload: a few threads for what would block an event thread (weir_offload in weir/thread.h).
 *
 * One bounded queue under one lock; work is taken in the order in which it was handed in. Started and stopped by the
 * main thread; stopping runs what is queued, so that nobody waits for a resume that never comes.
 */
#ifndef WEIR_SERVER_OFFLOAD_H
#define WEIR_SERVER_OFFLOAD_H

#include <stdbool.h>

/* False (logged) when not one thread can be had. */
bool offload_start(unsigned threads);
void offload_stop(void);

#endif
