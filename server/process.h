/* SPDX-License-Identifier: Apache-2.0 */
/*
 * process: the main thread's life: start, signals, reload, drain, end.
 */
#ifndef WEIR_SERVER_PROCESS_H
#define WEIR_SERVER_PROCESS_H

struct command;

/* Serve until told to stop; the exit code of the process. */
int process_run(const struct command *);

#endif
