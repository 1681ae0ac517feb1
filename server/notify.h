/* SPDX-License-Identifier: Apache-2.0 */
/*
 * notify: what a service manager is told, and what it hands over (sd_notify and LISTEN_FDS, without
 * libsystemd).
 *
 * Where nobody listens, nothing happens. Main thread.
 */
#ifndef WEIR_SERVER_NOTIFY_H
#define WEIR_SERVER_NOTIFY_H

#include <stdbool.h>

enum { NOTIFY_FIRST = 3 };	/* the number of the first descriptor that is handed over */

/* Send lines like "READY=1\nSTATUS=serving". False when they could not be sent; true as well when nobody
 * wants them. */
bool notify_send(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same with RELOADING=1 and the time of day that the manager wants with it. */
bool notify_reloading(void);

/* How many descriptors were handed over to this process, from NOTIFY_FIRST on. They are then closed on
 * exec, and a second call finds none. */
unsigned notify_descriptors(void);

#endif
