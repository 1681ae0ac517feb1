/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ask: one call to the server, and its answer to a human or as JSON.
 */
#ifndef WEIR_TOOLS_ASK_H
#define WEIR_TOOLS_ASK_H

#include <jansson.h>
#include <stdbool.h>

/* Exit codes. */
enum { DONE, REFUSED, USAGE, UNREACHED, CONFLICT, UNPRINTED };

struct ask {
	const char *socket;
	bool json;		/* print what comes, as it comes; plain text as {"text": …} */
};

/* The exit code; `show_it` NULL: print what came. */
int ask_server(const struct ask *, const char *method, const char *target, const char *body,
	void (*show_it)(const json_t *));

/* Members of an answer; 0 and "" where they are not. */
long long ask_number(const json_t *, const char *name);
const char *ask_text(const json_t *, const char *name);

/* "file:line: error: text", as `weir -t` prints them. */
void ask_show_messages(FILE *, const json_t *answer);

/* What a new process wrote to its standard error while it started, to ours. */
void ask_show_output(const json_t *answer);

#endif
