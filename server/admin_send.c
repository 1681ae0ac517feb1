/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admin_send: answers on the admin socket, and what its calls share.
 */
#include "admin_send.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/http.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "courtesy.h"
#include "log.h"
#include "reply.h"
#include "report.h"

enum { PIECE_MOST = 1 << 16 };

/* libevent would send the body after HEAD as well, and knows no name of 422. */
void
admin_send_body(struct evhttp_request *request, int code, struct evbuffer *body)
{
	bool head = evhttp_request_get_command(request) == EVHTTP_REQ_HEAD;
	char length[24];

	if (head) {
		snprintf(length, sizeof(length), "%zu", evbuffer_get_length(body));
		evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Length", length);
	}
	evhttp_send_reply(request, code, code == 422 ? "Unprocessable Content" : NULL, head ? NULL : body);
}

void
admin_send_text(struct evhttp_request *request, int code, const char *type, const char *text)
{
	struct evbuffer *body = evbuffer_new();

	evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Type", type);
	if (body == NULL || evbuffer_add(body, text, strlen(text)) != 0)
		evhttp_send_reply(request, 503, NULL, NULL);
	else
		admin_send_body(request, code, body);
	if (body != NULL)
		evbuffer_free(body);
}

void
admin_send_json(struct evhttp_request *request, int code, json_t *document)
{
	char *text = document != NULL ? json_dumps(document, JSON_COMPACT) : NULL;

	json_decref(document);
	if (text == NULL)
		evhttp_send_reply(request, 503, NULL, NULL);
	else
		admin_send_text(request, code, "application/json", text);
	free(text);
}

void
admin_send_error(struct evhttp_request *request, int code, const char *format, ...)
{
	char text[REPLY_ERROR];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	admin_send_json(request, code, json_pack("{so}", "error", reply_string(text)));
}

void
admin_log_caller(struct evhttp_request *request, const char *what)
{
	struct evhttp_connection *connection = evhttp_request_get_connection(request);
	int fd = bufferevent_getfd(evhttp_connection_get_bufferevent(connection));
	struct ucred peer = { .pid = -1, .uid = (uid_t)-1 };
	socklen_t length = sizeof(peer);

	getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length);
	if (peer.pid <= 0) {
		weir_log(WEIR_LOG_NOTICE, "admin port: who has the token asks: %s", what);
		return;
	}
	weir_log(WEIR_LOG_NOTICE, "admin socket: user number %ld (process %ld) asks: %s", (long)peer.uid,
		(long)peer.pid, what);
}

json_t *
admin_messages(const struct report *report)
{
	json_t *list = json_array();

	for (const struct report_line *line = report->first; line != NULL; line = line->next) {
		json_t *one = json_pack("{ss, so}", "kind", line->warning ? "warning" : "error", "text",
			reply_string(line->text));

		if (line->file != NULL)
			json_object_set_new(one, "file", reply_string(line->file));
		if (line->line != 0)
			json_object_set_new(one, "line", json_integer(line->line));
		json_array_append_new(list, one);
	}
	return list;
}

char *
admin_text(struct evhttp_request *request, size_t *length)
{
	struct evbuffer *body = evhttp_request_get_input_buffer(request);
	struct evbuffer_ptr at;
	size_t piece;
	char *text;

	*length = evbuffer_get_length(body);
	if ((text = malloc(*length + 1)) == NULL || evbuffer_ptr_set(body, &at, 0, EVBUFFER_PTR_SET) != 0) {
		free(text);
		return NULL;
	}
	for (size_t done = 0; done < *length; done += piece) {
		piece = *length - done < PIECE_MOST ? *length - done : PIECE_MOST;
		evbuffer_copyout_from(body, &at, text + done, piece);
		evbuffer_ptr_set(body, &at, piece, EVBUFFER_PTR_ADD);
		courtesy_look();
	}
	text[*length] = '\0';
	return text;
}

json_t *
admin_body(struct evhttp_request *request)
{
	struct evbuffer *body = evhttp_request_get_input_buffer(request);
	size_t length = evbuffer_get_length(body);
	json_error_t error;
	json_t *document;

	if (length == 0)
		return json_object();
	document = json_loadb((const char *)evbuffer_pullup(body, -1), length, JSON_REJECT_DUPLICATES, &error);
	if (document == NULL)
		admin_send_error(request, 400, "line %d, column %d: %s", error.line, error.column, error.text);
	return document;
}
