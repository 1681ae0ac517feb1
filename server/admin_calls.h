/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admin_calls: what can be asked on the admin socket, as one table.
 *
 * docs/openapi.json describes the same for users; a test holds the two together.
 */
#ifndef WEIR_SERVER_ADMIN_CALLS_H
#define WEIR_SERVER_ADMIN_CALLS_H

#include <event2/http.h>
#include <event2/keyvalq_struct.h>

struct process;

enum { ADMIN_NAMES = 2, ADMIN_NAME_ROOM = 256, ADMIN_QUERY = 8 };

/* A call under way, while its function runs. */
struct admin_ask {
	struct process *process;
	struct evhttp_request *http;
	const struct admin_call *call;
	struct evkeyvalq query;		/* only names that the call knows */
	char names[ADMIN_NAMES][ADMIN_NAME_ROOM];	/* what stands in the path at {…}, decoded */
};

struct admin_call {
	const char *method, *path;		/* "/v1/routes/{name}" */
	void (*answer)(struct admin_ask *);	/* answers, now or later */
	const char *query[ADMIN_QUERY];		/* names of what may stand there; ends with NULL */
};

extern const struct admin_call admin_calls[];	/* ends with a NULL method */

/* Answer a request, now or later; `process` is the struct process. */
void admin_calls_handle(struct evhttp_request *, void *process);

/* A value of the query; NULL when it is not there. */
const char *admin_query(const struct admin_ask *, const char *name);

#endif
