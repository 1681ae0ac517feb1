/* SPDX-License-Identifier: Apache-2.0 */
/*
 * call: one HTTP request over a Unix socket, and its response, by a plain blocking socket.
 *
 * As much HTTP as Weir's admin socket speaks: a status line, fields, a body with a length or up to the end.
 */
#ifndef WEIR_TOOLS_CALL_H
#define WEIR_TOOLS_CALL_H

#include <stddef.h>

struct call_answer {
	int status;		/* of HTTP */
	char *body;		/* ends in NUL; free() it */
	size_t length;
};

/* -1 after saying on stderr why there is no answer; `body` may be NULL. */
int call(const char *socket_path, const char *method, const char *target, const char *body,
	struct call_answer *);

#endif
