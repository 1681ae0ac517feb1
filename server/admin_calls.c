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
#include <event2/event.h>
#include <event2/http.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>
#include <unistd.h>

#include "admin_modules.h"
#include "admin_routing.h"
#include "admin_send.h"
#include "difference.h"
#include "generation.h"
#include "overlay.h"
#include "metrics.h"
#include "process.h"
#include "reload.h"
#include "reply.h"
#include "report.h"
#include "takeover.h"
#include "upgrade.h"

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

/* What each generation still holds: a tunnel or a slow answer keeps one for as long as it lasts. */
static json_t *
describe_generation(const struct process *p, const struct generation *g)
{
	json_t *threads = json_array();
	json_int_t sum = 0;

	for (unsigned i = 0; i < g->hold_count; i++) {
		json_int_t one = g->holds[i] == NULL ? 0 :
			atomic_load_explicit(&g->holds[i]->exchanges, memory_order_relaxed);

		json_array_append_new(threads, json_integer(one));
		sum += one;
	}
	return json_pack("{sI, sb, sI, sI, sI, sI, so}", "number", (json_int_t)g->number,
		"serving", (int)(g == p->current), "age", (json_int_t)((weir_now() - g->begun) / 1000),
		"routes", (json_int_t)g->route_count, "upstreams", (json_int_t)g->upstream_count,
		"requests", sum, "requests_by_thread", threads);
}

static int
by_number(const void *a, const void *b)
{
	const struct generation *one = *(struct generation *const *)a, *other = *(struct generation *const *)b;

	return (one->number > other->number) - (one->number < other->number);
}

static void
show_generations(struct admin_ask *ask)
{
	struct process *p = ask->process;
	json_t *list = json_array();

	qsort(p->living, p->living_count, sizeof(struct generation *), by_number);
	for (unsigned i = 0; i < p->living_count; i++)
		json_array_append_new(list, describe_generation(p, p->living[i]));
	admin_send_json(ask->http, 200, json_pack("{so}", "generations", list));
}

static void
add_count(json_t *status, const char *name, const struct threads *t, enum counter counter)
{
	json_object_set_new(status, name, json_integer((json_int_t)threads_count(t, counter)));
}

static void
show_status(struct admin_ask *ask)
{
	struct evhttp_request *request = ask->http;
	struct process *p = ask->process;
	const struct threads *t = &p->threads;
	json_t *status = json_pack("{sI, ss, sI, sI, si, si, sb, sb}",
		"pid", (json_int_t)getpid(), "version", PACKAGE_VERSION,
		"uptime", (json_int_t)((weir_now() - p->started) / 1000),
		"generation", (json_int_t)p->current->number, "generations", (int)p->living_count,
		"threads", (int)t->count, "ready", (int)p->ready, "draining", (int)p->stopping);

	json_object_set_new(status, "configuration", reply_string(p->current->path));
	if (takeover_predecessor(p) != 0)
		json_object_set_new(status, "predecessor", json_integer((json_int_t)takeover_predecessor(p)));
	json_object_set_new(status, "revision", json_integer((json_int_t)p->hot.overlay->revision));
	add_count(status, "connections", t, COUNT_CLIENT_CONNECTIONS);
	add_count(status, "accepted", t, COUNT_CLIENT_ACCEPTED);
	add_count(status, "requests", t, COUNT_REQUESTS);
	add_count(status, "requests_active", t, COUNT_REQUESTS_ACTIVE);
	json_object_set_new(status, "reloads", json_integer((json_int_t)p->reload.done));
	json_object_set_new(status, "reload_failures", json_integer((json_int_t)p->reload.failed));
	json_object_set_new(status, "listeners", list_listeners(p));
	admin_send_json(request, 200, status);
}

static void
show_health(struct admin_ask *ask)
{
	struct evhttp_request *request = ask->http;
	struct process *p = ask->process;
	if (p->ready && !p->stopping)
		admin_send_text(request, 200, "text/plain", "ok\n");
	else
		admin_send_text(request, 503, "text/plain", p->stopping ? "draining\n" : "starting\n");
}

static void
show_metrics(struct admin_ask *ask)
{
	struct evhttp_request *request = ask->http;
	struct process *p = ask->process;
	struct evbuffer *body = evbuffer_new();

	evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Type",
		"text/plain; version=0.0.4; charset=utf-8");
	if (body != NULL)
		metrics_write(body, p);
	if (body != NULL) {
		admin_send_body(request, 200, body);
		evbuffer_free(body);
	} else {
		evhttp_send_reply(request, 503, NULL, NULL);
	}
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
list_names(const struct difference_list *list)
{
	json_t *names = json_array();

	for (size_t i = 0; i < list->count && i < DIFFERENCE_KEPT; i++)
		json_array_append_new(names, reply_string(list->names[i]));
	return json_pack("{sI, so}", "count", (json_int_t)list->count, "names", names);
}

/* Of each kind of change the first hundred, and how many there are. */
static json_t *
describe_changes(const struct difference *d)
{
	return json_pack("{so, so, so, so, so}", "added", list_names(&d->added), "removed", list_names(&d->removed),
		"changed", list_names(&d->changed), "opened", list_names(&d->opened),
		"closed", list_names(&d->closed));
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
		admin_send_error(request, 409, "the process is stopping");
		return;
	}
	answer = json_pack("{sI, sI, so}", "generation", (json_int_t)outcome->generation->number,
		"microseconds", (json_int_t)outcome->microseconds, "messages", admin_messages(outcome->report));
	if (outcome->difference != NULL)
		json_object_set_new(answer, "changes", describe_changes(outcome->difference));
	if (!outcome->done)
		json_object_set_new(answer, "error",
			json_string("the configuration has errors; the former one serves on"));
	admin_send_json(request, outcome->done ? 200 : 422, answer);
}

static void
reload(struct admin_ask *ask)
{
	struct evhttp_request *request = ask->http;
	struct process *p = ask->process;
	struct call *call = calloc(1, sizeof(*call));

	admin_log_caller(request, "reload");
	if (call == NULL) {
		admin_send_error(request, 503, "no memory");
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
	admin_send_json(request, outcome->pid != 0 ? 200 : 422, answer);
}

static void
upgrade(struct admin_ask *ask)
{
	struct evhttp_request *request = ask->http;
	struct process *p = ask->process;
	struct upgrade_call *call = calloc(1, sizeof(*call));

	admin_log_caller(request, "upgrade");
	if (call == NULL) {
		admin_send_error(request, 503, "no memory");
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
stop(struct admin_ask *ask)
{
	struct evhttp_request *request = ask->http;
	struct process *p = ask->process;
	admin_log_caller(request, "stop");
	/* Ending at once would cut the answer. */
	evhttp_request_set_on_complete_cb(request, stop_answered, p);
	admin_send_json(request, 200, json_pack("{sb, sI}", "draining", 1, "drain_timeout",
		(json_int_t)(p->stopping ? 0 : p->current->settings.drain_timeout)));
}

/* --- which call it is ----------------------------------------------------------------------------------- */

const struct admin_call admin_calls[] = {
	{ "GET", "/v1/status", show_status, { NULL } },
	{ "GET", "/v1/generations", show_generations, { NULL } },
	{ "POST", "/v1/reload", reload, { NULL } },
	{ "POST", "/v1/stop", stop, { NULL } },
	{ "POST", "/v1/upgrade", upgrade, { NULL } },
	{ "GET", "/v1/routes", admin_list_sections, { NULL } },
	{ "PUT", "/v1/routes", admin_replace_sections, ADMIN_CHANGE_QUERY },
	{ "PATCH", "/v1/routes", admin_patch_sections, ADMIN_CHANGE_QUERY },
	{ "GET", "/v1/routes/{name}", admin_show_section, { NULL } },
	{ "PUT", "/v1/routes/{name}", admin_put_section, ADMIN_CHANGE_QUERY },
	{ "PATCH", "/v1/routes/{name}", admin_patch_section, ADMIN_CHANGE_QUERY },
	{ "DELETE", "/v1/routes/{name}", admin_delete_section, ADMIN_CHANGE_QUERY },
	{ "GET", "/v1/upstreams", admin_list_sections, { NULL } },
	{ "PUT", "/v1/upstreams", admin_replace_sections, ADMIN_CHANGE_QUERY },
	{ "PATCH", "/v1/upstreams", admin_patch_sections, ADMIN_CHANGE_QUERY },
	{ "GET", "/v1/upstreams/{name}", admin_show_section, { NULL } },
	{ "PUT", "/v1/upstreams/{name}", admin_put_section, ADMIN_CHANGE_QUERY },
	{ "PATCH", "/v1/upstreams/{name}", admin_patch_section, ADMIN_CHANGE_QUERY },
	{ "DELETE", "/v1/upstreams/{name}", admin_delete_section, ADMIN_CHANGE_QUERY },
	{ "GET", "/v1/upstreams/{name}/servers", admin_list_servers, { NULL } },
	{ "POST", "/v1/upstreams/{name}/servers", admin_add_server, ADMIN_CHANGE_QUERY },
	{ "PATCH", "/v1/upstreams/{name}/servers/{server}", admin_patch_server, ADMIN_CHANGE_QUERY },
	{ "DELETE", "/v1/upstreams/{name}/servers/{server}", admin_delete_server, ADMIN_CHANGE_QUERY },
	{ "POST", "/v1/revert", admin_revert, ADMIN_CHANGE_QUERY },
	{ "GET", "/v1/export", admin_export, { "all", NULL } },
	{ "GET", "/v1/modules", admin_list_modules, { NULL } },
	{ "POST", "/v1/modules/{module}/{verb}", admin_ask_module, { NULL } },
	{ "GET", "/metrics", show_metrics, { NULL } },
	{ "GET", "/healthz", show_health, { NULL } },
	{ NULL, NULL, NULL, { NULL } }
};

static bool
is_utf8(const char *text)
{
	json_t *string = json_string(text);

	json_decref(string);
	return string != NULL;
}

/* A segment of the path, decoded. False when it is empty or too long, hides a NUL or is no UTF-8: JSON could not show it. */
static bool
decode(char room[ADMIN_NAME_ROOM], const char *segment, size_t length)
{
	char *copied = strndup(segment, length), *text;
	size_t size = 0;
	bool good = false;

	if (copied != NULL && (text = evhttp_uridecode(copied, 0, &size)) != NULL) {
		good = size > 0 && size < ADMIN_NAME_ROOM && strlen(text) == size && is_utf8(text);
		if (good)
			memcpy(room, text, size + 1);
		free(text);
	}
	free(copied);
	return good;
}

/* Does the path fit "/v1/routes/{name}"? Then the names are taken from it. */
static bool
fits(struct admin_ask *ask, const char *pattern, const char *path)
{
	unsigned count = 0;

	while (*pattern != '\0') {
		if (*pattern == '{') {
			size_t length = strcspn(path, "/");

			if (!decode(ask->names[count++], path, length))
				return false;
			pattern += strcspn(pattern, "}") + 1;
			path += length;
		} else if (*pattern++ != *path++) {
			return false;
		}
	}
	return *path == '\0';
}

static const char *
method_of(struct evhttp_request *request)
{
	switch (evhttp_request_get_command(request)) {
	case EVHTTP_REQ_GET:
	case EVHTTP_REQ_HEAD:
		return "GET";
	case EVHTTP_REQ_POST:
		return "POST";
	case EVHTTP_REQ_PUT:
		return "PUT";
	case EVHTTP_REQ_PATCH:
		return "PATCH";
	case EVHTTP_REQ_DELETE:
		return "DELETE";
	default:
		return "";
	}
}

/* The call of this path and method; or the methods that the path has, in `allowed`. */
static const struct admin_call *
find_call(struct admin_ask *ask, const char *path, char *allowed, size_t room)
{
	const char *method = method_of(ask->http);
	size_t length = 0;

	for (const struct admin_call *call = admin_calls; call->method != NULL; call++) {
		memset(ask->names, 0, sizeof(ask->names));
		if (!fits(ask, call->path, path))
			continue;
		if (strcmp(call->method, method) == 0)
			return call;
		length += (size_t)snprintf(allowed + length, room - length, "%s%s%s", length > 0 ? ", " : "",
			call->method, strcmp(call->method, "GET") == 0 ? ", HEAD" : "");
	}
	return NULL;
}

/* A misspelt name in the query would be a wish that is not heeded, and so would be one of two wishes. */
static bool
check_query(struct admin_ask *ask)
{
	const char *nearest;
	size_t i;

	for (struct evkeyval *one = ask->query.tqh_first; one != NULL; one = one->next.tqe_next) {
		for (i = 0; ask->call->query[i] != NULL && strcmp(ask->call->query[i], one->key) != 0; i++)
			;
		if (ask->call->query[i] != NULL && admin_query(ask, one->key) == one->value)
			continue;
		if (ask->call->query[i] != NULL)
			admin_send_error(ask->http, 400, "`%s` stands twice in the query", one->key);
		else if ((nearest = report_nearest(one->key, ask->call->query)) != NULL)
			admin_send_error(ask->http, 400, "unknown `%s` in the query, did you mean `%s`?", one->key,
				nearest);
		else
			admin_send_error(ask->http, 400, "unknown `%s` in the query", one->key);
		return false;
	}
	return true;
}

const char *
admin_query(const struct admin_ask *ask, const char *name)
{
	for (const struct evkeyval *one = ask->query.tqh_first; one != NULL; one = one->next.tqe_next)
		if (strcmp(one->key, name) == 0)
			return one->value;
	return NULL;
}

static void
answer(struct admin_ask *ask, const struct evhttp_uri *uri)
{
	const char *query = evhttp_uri_get_query(uri);

	TAILQ_INIT(&ask->query);
	if (query != NULL && *query != '\0' && evhttp_parse_query_str(query, &ask->query) != 0)
		admin_send_error(ask->http, 400, "the query cannot be read");
	else if (check_query(ask))
		ask->call->answer(ask);
	evhttp_clear_headers(&ask->query);
}

/* What libevent lets pass, though another reader could take it for something else; NULL: nothing. */
static const char *
find_doubt(struct evhttp_request *request)
{
	const struct evkeyval *one = evhttp_request_get_input_headers(request)->tqh_first;
	unsigned lengths = 0, matches = 0;

	for (; one != NULL; one = one->next.tqe_next) {
		if (strcasecmp(one->key, "Content-Length") == 0 &&
			(++lengths > 1 || one->value[strspn(one->value, "0123456789")] != '\0'))
			return "there is one Content-Length, of digits";
		if (strcasecmp(one->key, "Transfer-Encoding") == 0 && strcasecmp(one->value, "chunked") != 0)
			return "the one Transfer-Encoding here is chunked";
		if (strcasecmp(one->key, "If-Match") == 0 && ++matches > 1)
			return "there is one If-Match";
	}
	return NULL;
}

void
admin_calls_handle(struct evhttp_request *request, void *process)
{
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request);
	const char *path = uri != NULL ? evhttp_uri_get_path(uri) : NULL;
	struct admin_ask ask = { .process = process, .http = request };
	const char *doubt = find_doubt(request);
	char allowed[64] = "";

	if (ask.process->stopping || doubt != NULL)	/* what comes next may be for the process that has taken over */
		evhttp_add_header(evhttp_request_get_output_headers(request), "Connection", "close");
	if (doubt != NULL) {
		admin_send_error(request, 400, "%s", doubt);
	} else if (path == NULL || ((ask.call = find_call(&ask, path, allowed, sizeof(allowed))) == NULL && *allowed == '\0')) {
		admin_send_error(request, 404, "there is no such path");
	} else if (ask.call == NULL) {
		evhttp_add_header(evhttp_request_get_output_headers(request), "Allow", allowed);
		admin_send_error(request, 405, "this needs %s", allowed);
	} else {
		answer(&ask, uri);
	}
}
