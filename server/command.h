/* SPDX-License-Identifier: Apache-2.0 */
/*
 * command: what the command line asks for, and all answers to it but serving (process.h).
 */
#ifndef WEIR_SERVER_COMMAND_H
#define WEIR_SERVER_COMMAND_H

#include <stdbool.h>
#include <stdio.h>

/* Exit codes. */
enum { COMMAND_GOOD = 0, COMMAND_BAD = 1, COMMAND_USAGE = 2 };

/* More folders than this are a mistake. */
#define COMMAND_FOLDERS_MOST 64

struct command {
	enum {
		COMMAND_SERVE,
		COMMAND_CHECK,		/* -t */
		COMMAND_VALUES,		/* -T */
		COMMAND_MODULES,	/* -m [NAME] */
		COMMAND_CHAIN,		/* --chain */
		COMMAND_VERSION,	/* -V */
		COMMAND_HELP		/* -h */
	} action;
	const char *path;		/* of the configuration file */
	bool path_given;		/* by -c, and not the built-in one */
	const char *folders[COMMAND_FOLDERS_MOST + 1];	/* of -M; NULL ends them */
	const char *module;		/* of -m; NULL: all */
	char **arguments;		/* as the process got them; NULL ends them */
};

/* Understand the command line; false after saying on `to` what is wrong with it. The texts stay the
 * caller's. */
bool command_parse(struct command *, int count, char **arguments, FILE *to);

/* Do what is asked, except to serve: answers go to `to`, errors to `errors`. The exit code. */
int command_run(const struct command *, FILE *to, FILE *errors);

#endif
