/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admin_send: answers on the admin socket, and what its calls share.
 */
#ifndef WEIR_SERVER_ADMIN_SEND_H
#define WEIR_SERVER_ADMIN_SEND_H

#include <jansson.h>

struct evbuffer;
struct evhttp_request;
struct report;

/* The head alone after HEAD. The buffer stays the caller's. */
void admin_send_body(struct evhttp_request *, int code, struct evbuffer *body);
void admin_send_text(struct evhttp_request *, int code, const char *type, const char *text);
void admin_send_json(struct evhttp_request *, int code, json_t *);	/* takes the document */
void admin_send_error(struct evhttp_request *, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The lines of a report as a list: kind, file, line, text. A new reference. */
json_t *admin_messages(const struct report *);

/* Who changes something is logged; the kernel says who it is. */
void admin_log_caller(struct evhttp_request *, const char *what);

/* The body, ended by a NUL, to free(); it stays where it is. NULL without memory. */
char *admin_text(struct evhttp_request *, size_t *length);

/* The body as JSON, a new reference: NULL after answering. An empty body is an empty object. */
json_t *admin_body(struct evhttp_request *);

#endif
