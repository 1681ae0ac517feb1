/* SPDX-License-Identifier: Apache-2.0 */
/*
 * main: the program weir.
 *
 * Not part of the core's library, so that tests can bring a main of their own. In a static build libtool
 * writes the table of modules that are linked in, which only the program can hand to libltdl.
 */
#include "command.h"
#include "process.h"

#ifdef WEIR_STATIC_MODULES
#include <ltdl.h>
#endif

int
main(int count, char **arguments)
{
	struct command command;

#ifdef WEIR_STATIC_MODULES
	LTDL_SET_PRELOADED_SYMBOLS();
#endif
	if (!command_parse(&command, count, arguments, stderr))
		return COMMAND_USAGE;
	if (command.action == COMMAND_SERVE)
		return process_run(&command);
	return command_run(&command, stdout, stderr);
}
