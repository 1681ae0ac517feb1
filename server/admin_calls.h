/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admin_calls: what can be asked on the admin socket, and the answers.
 */
#ifndef WEIR_SERVER_ADMIN_CALLS_H
#define WEIR_SERVER_ADMIN_CALLS_H

struct evhttp_request;

/* Answer a request, now or later; `process` is the struct process. */
void admin_calls_handle(struct evhttp_request *, void *process);

#endif
