/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admin_calls: what can be asked on the admin socket, and the answers.
 *
 * All but /metrics and /healthz speak JSON; an error is {"error": "…"}. 400: the request makes no sense; 404
 * and 405: there is no such thing, or not with that method; 409: not while the process ends; 422: understood
 * and refused.
 */
#include "admin_calls.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "generation.h"
#include "loader.h"
#include "log.h"
#include "metrics.h"
#include "process.h"
#include "reload.h"
#include "reply.h"
#include "takeover.h"
#include "upgrade.h"

enum { ARGUMENTS_MOST = 64 };

static const char modules_path[] = "/v1/modules/";

/* --- sending -------------------------------------------------------------------------------------------- */

static void
send_text(struct evhttp_request *request, int code, const char *type, const char *text)
{
	struct evbuffer *body = evbuffer_new();

	evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Type", type);
	if (body == NULL || evbuffer_add(body, text, strlen(text)) != 0)
		evhttp_send_reply(request, 503, NULL, NULL);
	else
		evhttp_send_reply(request, code, NULL, body);
	if (body != NULL)
		evbuffer_free(body);
}

/* Takes the document. */
static void
send_json(struct evhttp_request *request, int code, json_t *document)
{
	char *text = document != NULL ? json_dumps(document, JSON_COMPACT) : NULL;

	json_decref(document);
	if (text == NULL)
		evhttp_send_reply(request, 503, NULL, NULL);
	else
		send_text(request, code, "application/json", text);
	free(text);
}

static void send_error(struct evhttp_request *, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void
send_error(struct evhttp_request *request, int code, const char *format, ...)
{
	char text[REPLY_ERROR];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	send_json(request, code, json_pack("{so}", "error", reply_string(text)));
}

/* Who changes something is logged; the kernel says who it is. */
static void
log_caller(struct evhttp_request *request, const char *what)
{
	struct evhttp_connection *connection = evhttp_request_get_connection(request);
	int fd = bufferevent_getfd(evhttp_connection_get_bufferevent(connection));
	struct ucred peer = { .pid = -1, .uid = (uid_t)-1 };
	socklen_t length = sizeof(peer);

	getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length);
	weir_log(WEIR_LOG_NOTICE, "admin socket: user number %ld (process %ld) asks: %s", (long)peer.uid,
		(long)peer.pid, what);
}

/* --- status --------------------------------------------------------------------------------------------- */

static json_t *
list_listeners(const struct process *p)
{
	json_t *list = json_array();

	for (const struct socket_set *set = p->sockets.first; set != NULL; set = set->next)
		if (set->wanted)
			json_array_append_new(list, json_pack("{so, so, sb}",
				"address", reply_string(set->text),
				"listen", reply_string(p->current->listens[set->listen].name),
				"inherited", (int)set->inherited));
	return list;
}

static void
add_count(json_t *status, const char *name, const struct threads *t, enum counter counter)
{
	json_object_set_new(status, name, json_integer((json_int_t)threads_count(t, counter)));
}

static void
show_status(struct process *p, struct evhttp_request *request)
{
	const struct threads *t = &p->threads;
	json_t *status = json_pack("{sI, ss, sI, sI, si, si, sb, sb}",
		"pid", (json_int_t)getpid(), "version", PACKAGE_VERSION,
		"uptime", (json_int_t)((weir_now() - p->started) / 1000),
		"generation", (json_int_t)p->current->number, "generations", (int)p->living_count,
		"threads", (int)t->count, "ready", (int)p->ready, "draining", (int)p->stopping);

	json_object_set_new(status, "configuration", reply_string(p->current->path));
	if (takeover_predecessor(p) != 0)
		json_object_set_new(status, "predecessor", json_integer((json_int_t)takeover_predecessor(p)));
	add_count(status, "connections", t, COUNT_CLIENT_CONNECTIONS);
	add_count(status, "accepted", t, COUNT_CLIENT_ACCEPTED);
	add_count(status, "requests", t, COUNT_REQUESTS);
	add_count(status, "requests_active", t, COUNT_REQUESTS_ACTIVE);
	json_object_set_new(status, "reloads", json_integer((json_int_t)p->reload.done));
	json_object_set_new(status, "reload_failures", json_integer((json_int_t)p->reload.failed));
	json_object_set_new(status, "listeners", list_listeners(p));
	send_json(request, 200, status);
}

static void
show_health(struct process *p, struct evhttp_request *request)
{
	if (p->ready && !p->stopping)
		send_text(request, 200, "text/plain", "ok\n");
	else
		send_text(request, 503, "text/plain", p->stopping ? "draining\n" : "starting\n");
}

static void
show_metrics(struct process *p, struct evhttp_request *request)
{
	struct evbuffer *body = evbuffer_new();

	evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Type",
		"text/plain; version=0.0.4; charset=utf-8");
	if (body != NULL)
		metrics_write(body, p);
	evhttp_send_reply(request, body != NULL ? 200 : 503, NULL, body);
	if (body != NULL)
		evbuffer_free(body);
}

/* --- reload and stop ------------------------------------------------------------------------------------ */

/* A request that waits for the end of a reload. */
struct call {
	struct reload_waiter waiter;
	struct process *process;
	struct evhttp_request *request;
};

/* The client has gone, and libevent frees the request. */
static void
caller_gone(struct evhttp_connection *connection, void *argument)
{
	struct call *call = argument;

	(void)connection;
	reload_forget(call->process, &call->waiter);
	free(call);
}

static json_t *
list_report(const struct report *report)
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

static void
reloaded(struct reload_waiter *waiter, const struct reload_outcome *outcome)
{
	struct call *call = (struct call *)waiter;
	struct evhttp_request *request = call->request;
	json_t *answer;

	evhttp_connection_set_closecb(evhttp_request_get_connection(request), NULL, NULL);
	free(call);
	if (outcome->report == NULL) {
		send_error(request, 409, "the process is stopping");
		return;
	}
	answer = json_pack("{sI, sI, so}", "generation", (json_int_t)outcome->generation->number,
		"microseconds", (json_int_t)outcome->microseconds, "messages", list_report(outcome->report));
	if (!outcome->done)
		json_object_set_new(answer, "error",
			json_string("the configuration has errors; the former one serves on"));
	send_json(request, outcome->done ? 200 : 422, answer);
}

static void
reload(struct process *p, struct evhttp_request *request)
{
	struct call *call = calloc(1, sizeof(*call));

	log_caller(request, "reload");
	if (call == NULL) {
		send_error(request, 503, "no memory");
		return;
	}
	*call = (struct call){ .waiter.told = reloaded, .process = p, .request = request };
	evhttp_connection_set_closecb(evhttp_request_get_connection(request), caller_gone, call);
	reload_ask(p, &call->waiter);
}

/* A request that waits for the end of an upgrade. */
struct upgrade_call {
	struct upgrade_waiter waiter;
	struct process *process;
	struct evhttp_request *request;
};

static void
upgrade_caller_gone(struct evhttp_connection *connection, void *argument)
{
	struct upgrade_call *call = argument;

	(void)connection;
	upgrade_forget(call->process, &call->waiter);
	free(call);
}

static void
upgraded(struct upgrade_waiter *waiter, const struct upgrade_outcome *outcome)
{
	struct upgrade_call *call = (struct upgrade_call *)waiter;
	struct evhttp_request *request = call->request;
	json_t *answer = json_pack("{sI, sI, so}", "pid", (json_int_t)(outcome->pid != 0 ? outcome->pid : getpid()),
		"milliseconds", (json_int_t)outcome->milliseconds, "output", reply_string(outcome->said));

	evhttp_connection_set_closecb(evhttp_request_get_connection(request), NULL, NULL);
	free(call);
	if (outcome->pid == 0)
		json_object_set_new(answer, "error", reply_string(outcome->why));
	send_json(request, outcome->pid != 0 ? 200 : 422, answer);
}

static void
upgrade(struct process *p, struct evhttp_request *request)
{
	struct upgrade_call *call = calloc(1, sizeof(*call));

	log_caller(request, "upgrade");
	if (call == NULL) {
		send_error(request, 503, "no memory");
		return;
	}
	*call = (struct upgrade_call){ .waiter.told = upgraded, .process = p, .request = request };
	evhttp_connection_set_closecb(evhttp_request_get_connection(request), upgrade_caller_gone, call);
	upgrade_ask(p, &call->waiter);
}

static void
stop_answered(struct evhttp_request *request, void *argument)
{
	(void)request;
	process_stop(argument);
}

static void
stop(struct process *p, struct evhttp_request *request)
{
	log_caller(request, "stop");
	/* Ending at once would cut the answer. */
	evhttp_request_set_on_complete_cb(request, stop_answered, p);
	send_json(request, 200, json_pack("{sb, sI}", "draining", 1, "drain_timeout",
		(json_int_t)(p->stopping ? 0 : p->current->settings.drain_timeout)));
}

/* --- modules -------------------------------------------------------------------------------------------- */

static bool
find_slot(const struct generation *g, const char *name, size_t *slot)
{
	for (*slot = 0; *slot < g->module_count; ++*slot)
		if (strcmp(g->modules[*slot]->name, name) == 0)
			return true;
	return false;
}

static json_t *
describe_module(const struct process *p, const struct module *m)
{
	json_t *verbs = json_array();
	size_t slot;

	for (const struct weir_verb *verb = m->contract->verbs; verb != NULL && verb->name != NULL; verb++)
		json_array_append_new(verbs, json_pack("{ss, so, so}", "name", verb->name,
			"arguments", reply_string(verb->arguments != NULL ? verb->arguments : ""),
			"doc", reply_string(verb->doc != NULL ? verb->doc : "")));
	return json_pack("{ss, so, so, so, sb, so}", "name", m->name,
		"summary", reply_string(m->contract->summary != NULL ? m->contract->summary : ""),
		"file", reply_string(m->file),
		"abi", json_sprintf("%d.%d", m->contract->abi_major, m->contract->abi_minor),
		"used", (int)find_slot(p->current, m->name, &slot), "verbs", verbs);
}

static void
show_modules(struct process *p, struct evhttp_request *request)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < p->modules->count; i++)
		json_array_append_new(list, describe_module(p, p->modules->list[i]));
	send_json(request, 200, json_pack("{so}", "modules", list));
}

/* {"arguments": ["…", …]}; nothing at all is no argument. The texts are the document's. False after
 * answering. */
static bool
read_arguments(struct evhttp_request *request, json_t **document, const char **arguments, int *count)
{
	struct evbuffer *body = evhttp_request_get_input_buffer(request);
	size_t length = evbuffer_get_length(body), i;
	json_t *list, *one;
	json_error_t error;

	*count = 0;
	*document = NULL;
	if (length == 0)
		return true;
	*document = json_loadb((const char *)evbuffer_pullup(body, -1), length, JSON_REJECT_DUPLICATES,
		&error);
	if (*document == NULL) {
		send_error(request, 400, "line %d, column %d: %s", error.line, error.column, error.text);
		return false;
	}
	list = json_object_get(*document, "arguments");
	if (!json_is_object(*document) || (list != NULL && !json_is_array(list)) ||
		json_array_size(list) > ARGUMENTS_MOST) {
		send_error(request, 400, "the body is an object with a list `arguments` of at most %d texts",
			ARGUMENTS_MOST);
		return false;
	}
	json_array_foreach(list, i, one) {
		if ((arguments[i] = json_string_value(one)) == NULL) {
			send_error(request, 400, "argument %zu is no text", i + 1);
			return false;
		}
		*count = (int)i + 1;
	}
	return true;
}

static void
run_verb(struct evhttp_request *request, const struct weir_verb *verb, void *generation, int count,
	const char **arguments)
{
	struct weir_reply reply;
	bool good;
	char *text;

	if (!reply_init(&reply)) {
		send_error(request, 503, "no memory");
		return;
	}
	good = verb->run(&reply, generation, count, arguments);
	if (!good)
		weir_reply_error(&reply, "it failed");
	text = reply_text(&reply);
	if (text != NULL)
		send_text(request, reply.error[0] == '\0' ? 200 : 422, "application/json", text);
	else
		evhttp_send_reply(request, 503, NULL, NULL);
	free(text);
	reply_free(&reply);
}

static const struct weir_verb *
find_verb(const struct module *m, const char *name)
{
	for (const struct weir_verb *verb = m->contract->verbs; verb != NULL && verb->name != NULL; verb++)
		if (strcmp(verb->name, name) == 0)
			return verb;
	return NULL;
}

static void
call_module(struct process *p, struct evhttp_request *request, const char *module, const char *name)
{
	const char *arguments[ARGUMENTS_MOST];
	const struct weir_verb *verb;
	json_t *document = NULL;
	char what[160];
	size_t slot;
	int count;

	if (!find_slot(p->current, module, &slot)) {
		send_error(request, 404, "the configuration uses no module %s", module);
	} else if ((verb = find_verb(p->current->modules[slot], name)) == NULL) {
		send_error(request, 404, "module %s has no verb %s", module, name);
	} else if (read_arguments(request, &document, arguments, &count)) {
		snprintf(what, sizeof(what), "%s %s, with %d arguments", module, name, count);
		log_caller(request, what);
		run_verb(request, verb, p->current->module_states[slot], count, arguments);
	}
	json_decref(document);
}

/* --- which call it is ----------------------------------------------------------------------------------- */

static const struct {
	const char *path;
	bool post;
	void (*answer)(struct process *, struct evhttp_request *);
} calls[] = {
	{ "/v1/status", false, show_status },
	{ "/v1/reload", true, reload },
	{ "/v1/stop", true, stop },
	{ "/v1/upgrade", true, upgrade },
	{ "/v1/modules", false, show_modules },
	{ "/metrics", false, show_metrics },
	{ "/healthz", false, show_health },
};

static bool
method_fits(struct evhttp_request *request, bool post)
{
	enum evhttp_cmd_type method = evhttp_request_get_command(request);

	if (post ? method == EVHTTP_REQ_POST : method == EVHTTP_REQ_GET || method == EVHTTP_REQ_HEAD)
		return true;
	evhttp_add_header(evhttp_request_get_output_headers(request), "Allow", post ? "POST" : "GET, HEAD");
	send_error(request, 405, "this needs %s", post ? "POST" : "GET");
	return false;
}

/* /v1/modules/MODULE/VERB */
static bool
try_module(struct process *p, struct evhttp_request *request, const char *path)
{
	char module[64], verb[64], rest;

	if (strncmp(path, modules_path, sizeof(modules_path) - 1) != 0)
		return false;
	if (sscanf(path + sizeof(modules_path) - 1, "%63[^/]/%63[^/]%c", module, verb, &rest) != 2)
		return false;
	if (method_fits(request, true))
		call_module(p, request, module, verb);
	return true;
}

void
admin_calls_handle(struct evhttp_request *request, void *process)
{
	struct process *p = process;
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request);
	const char *path = uri != NULL ? evhttp_uri_get_path(uri) : NULL;

	if (p->stopping)	/* what comes next may be for the process that has taken over */
		evhttp_add_header(evhttp_request_get_output_headers(request), "Connection", "close");
	for (size_t i = 0; path != NULL && i < sizeof(calls) / sizeof(calls[0]); i++)
		if (strcmp(path, calls[i].path) == 0) {
			if (method_fits(request, calls[i].post))
				calls[i].answer(p, request);
			return;
		}
	if (path == NULL || !try_module(p, request, path))
		send_error(request, 404, "there is no such path");
}
