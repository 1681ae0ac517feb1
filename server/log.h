/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log: the error log. A line goes out in one write, from any thread, and never waits: where the target would
 * block, or past a rate, lines are dropped and their number is logged.
 */
#ifndef WEIR_SERVER_LOG_H
#define WEIR_SERVER_LOG_H

#include <stdbool.h>
#include <weir/thread.h>

enum { LOG_RATE = 200 };	/* lines a second of each level */

/* Where lines go: "stderr", "syslog" or a file's path. False (errno) leaves the former target. Main
 * thread. */
bool log_open(const char *target, enum weir_level);

/* Open the file anew (USR1): the descriptor stays the same. Main thread. */
bool log_reopen(void);

/* Say how many lines were dropped, if any were; about once a second. Main thread. */
void log_tick(void);

#endif
