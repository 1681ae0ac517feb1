/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log: the error log. A line goes out in one write, from any thread; it never blocks a request for long:
 * past a rate, lines are dropped and their number is logged.
 */
#ifndef WEIR_SERVER_LOG_H
#define WEIR_SERVER_LOG_H

#include <stdbool.h>
#include <weir/thread.h>

/* Where lines go: "stderr", "syslog" or a file's path. False (errno) leaves the former target. Main thread. */
bool log_open(const char *target, enum weir_level);

/* Open the file anew (USR1): the descriptor stays the same. Main thread. */
bool log_reopen(void);

#endif
