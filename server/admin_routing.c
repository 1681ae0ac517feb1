/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admin_routing: the admin socket's calls about routes, upstreams and their servers.
 *
 * A call that changes something becomes an edit (routing_edit.h) and waits for its turn (hot.h); the others are
 * answered at once, from the generation that serves.
 */
#include "admin_routing.h"

#include <event2/buffer.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "admin_calls.h"
#include "admin_send.h"
#include "config.h"
#include "generation.h"
#include "hot.h"
#include "overlay.h"
#include "process.h"
#include "reply.h"
#include "report.h"
#include "routing_edit.h"
#include "routing_table.h"
#include "section_json.h"
#include "state.h"
#include "value.h"

enum { CLOSE_MOST = 86400000 };

/* "/v1/routes…" is about routes; what is not is about upstreams. */
static const char *
kind_of(const struct admin_ask *ask)
{
	return strncmp(ask->call->path, "/v1/routes", 10) == 0 ? "route" : "upstream";
}

static const char *
plural(const char *kind)
{
	return strcmp(kind, "route") == 0 ? "routes" : "upstreams";
}

/* --- looking ---------------------------------------------------------------------------------------------- */

static void
add_tag(struct admin_ask *ask)
{
	char tag[32];

	snprintf(tag, sizeof(tag), "\"%" PRIu64 "\"", ask->process->hot.overlay->revision);
	evhttp_add_header(evhttp_request_get_output_headers(ask->http), "ETag", tag);
}

/* A name of a file that is no UTF-8. */
static void
add_unspeakable(json_t *list, const struct config_section *section)
{
	json_t *name = reply_string(section->name);

	if (name != NULL)
		json_object_set_new(list, json_string_value(name), section_json(section));
	json_decref(name);
}

void
admin_list_sections(struct admin_ask *ask)
{
	const char *kind = kind_of(ask);
	struct config_section *section = config_find(ask->process->current->config, kind, NULL);
	json_t *list = json_object();

	for (; section != NULL; section = section->next_of_kind)
		if (json_object_set_new(list, section->name, section_json(section)) != 0)
			add_unspeakable(list, section);
	add_tag(ask);
	admin_send_json(ask->http, 200, json_pack("{sI, so}",
		"revision", (json_int_t)ask->process->hot.overlay->revision, plural(kind), list));
}

/* Where it stands now, in the words of a report. A section of the last change knows its place from before the state
 * file was written. */
static json_t *
origin_of(const struct process *p, const struct config_section *section)
{
	const struct overlay_section *over = overlay_find_kept(p->hot.overlay, section->kind, section->name);
	const char *file = over == NULL ? section->file : p->hot.file;
	unsigned line = over == NULL ? section->line : over->line;
	char number[16];
	json_t *file_text, *origin;

	if (file == NULL)
		return json_string("this process");
	snprintf(number, sizeof(number), ":%u", line);
	file_text = reply_string(file);
	origin = json_sprintf("%s%s", json_string_value(file_text), number);
	json_decref(file_text);
	return origin;
}

static json_t *
list_servers(const struct weir_upstream *upstream)
{
	json_t *list = json_array();

	for (size_t i = 0; i < upstream->server_count; i++)
		json_array_append_new(list, json_pack("{so, sI, sb}",
			"address", reply_string(upstream->servers[i].name),
			"weight", (json_int_t)upstream->servers[i].weight,
			"backup", (int)upstream->servers[i].backup));
	return list;
}

/* The section that the path names; NULL after answering. */
static const struct config_section *
find_section(struct admin_ask *ask)
{
	const char *kind = kind_of(ask);
	const struct config_section *section =
		config_find(ask->process->current->config, kind, ask->names[0]);

	if (section == NULL)
		admin_send_error(ask->http, 404, "there is no [%s %s]", kind, ask->names[0]);
	return section;
}

void
admin_show_section(struct admin_ask *ask)
{
	const struct config_section *section = find_section(ask);
	const struct process *p = ask->process;
	json_t *answer;

	if (section == NULL)
		return;
	answer = json_pack("{sI, so, so, so}", "revision", (json_int_t)p->hot.overlay->revision,
		"name", reply_string(section->name), "origin", origin_of(p, section),
		"settings", section_json(section));
	if (strcmp(section->kind, "upstream") == 0)
		json_object_set_new(answer, "servers", list_servers(p->current->upstreams[section->index]));
	add_tag(ask);
	admin_send_json(ask->http, 200, answer);
}

void
admin_list_servers(struct admin_ask *ask)
{
	const struct config_section *section = find_section(ask);
	const struct process *p = ask->process;

	if (section == NULL)
		return;
	add_tag(ask);
	admin_send_json(ask->http, 200, json_pack("{sI, so}", "revision",
		(json_int_t)p->hot.overlay->revision,
		"servers", list_servers(p->current->upstreams[section->index])));
}

/* "1", "yes" and "true", or their opposites. False when it is none of them. */
static bool
read_flag(const char *text, bool *flag)
{
	*flag = strcmp(text, "1") == 0 || strcmp(text, "yes") == 0 || strcmp(text, "true") == 0;
	return *flag || strcmp(text, "0") == 0 || strcmp(text, "no") == 0 || strcmp(text, "false") == 0;
}

/* What was changed, as INI; `all=yes`: every route and upstream. */
void
admin_export(struct admin_ask *ask)
{
	struct config_section *section = ask->process->current->config->sections;
	const char *wish = admin_query(ask, "all");
	size_t length = 0;
	char *text = NULL;
	FILE *to;
	bool all = false;

	if (wish != NULL && !read_flag(wish, &all)) {
		admin_send_error(ask->http, 400, "`all` is yes or no");
		return;
	}
	if ((to = open_memstream(&text, &length)) == NULL) {
		admin_send_error(ask->http, 503, "no memory");
		return;
	}
	if (!all)
		state_print(ask->process->hot.overlay, to);
	else
		for (; section != NULL; section = section->next) {
			if (strcmp(section->kind, "route") != 0 && strcmp(section->kind, "upstream") != 0)
				continue;
			fprintf(to, "\n[%s %s]\n", section->kind, section->name);
			for (const struct config_entry *e = section->entries; e != NULL; e = e->next)
				fprintf(to, "%s = %s\n", e->key, e->value);
		}
	if (fclose(to) == 0)
		admin_send_text(ask->http, 200, "text/plain; charset=utf-8", text);
	else
		admin_send_error(ask->http, 503, "no memory");
	free(text);
}

/* --- changing --------------------------------------------------------------------------------------------- */

/* A request that waits for its change. */
struct call {
	struct hot_change change;
	struct routing_edit edit;
	struct process *process;
	struct evhttp_request *http;
};

static void
free_call(struct call *call)
{
	if (call->edit.act <= ROUTING_PATCH_ALL && (call->edit.document != NULL || call->edit.table != NULL))
		process_trim(call->process);
	routing_table_free(&call->edit.table);
	json_decref(call->edit.document);
	free(call);
}

/* The client has gone, and libevent frees the request. */
static void
caller_gone(struct evhttp_connection *connection, void *argument)
{
	struct call *call = argument;

	(void)connection;
	hot_forget(call->process, &call->change);
	free_call(call);
}

static enum hot_result
edit(struct hot_change *change, struct process *p, struct report *report)
{
	struct call *call = (struct call *)change;

	return routing_edit(&call->edit, p->current, p->hot.overlay, report);
}

static const struct {
	int code;
	const char *error;
} results[] = {
	[HOT_DONE] = { 200, NULL },
	[HOT_CONFLICT] = { 412, "the revision is another one by now; nothing was changed" },
	[HOT_MISSING] = { 404, "there is no such thing; nothing was changed" },
	[HOT_REFUSED] = { 422, "the change has errors; nothing was changed" },
	[HOT_HOMELESS] = { 409, "[weir] has no `state_dir`, so a restart would forget the change; set it, or ask with "
		"durable=no" },
	[HOT_UNWRITTEN] = { 500, "the change cannot be kept in state_dir; nothing was changed" },
	[HOT_STOPPING] = { 409, "the process is stopping" },
};

static void
told(struct hot_change *change, const struct hot_outcome *outcome)
{
	struct call *call = (struct call *)change;
	struct evhttp_request *http = call->http;
	json_t *answer = json_pack("{sI, sI, sI, sI, sb, sb, so}", "revision", (json_int_t)outcome->revision,
		"generation", (json_int_t)outcome->generation->number,
		"microseconds", (json_int_t)outcome->microseconds,
		"publication_microseconds", (json_int_t)outcome->publication,
		"durable", (int)outcome->durable, "dry_run", (int)change->dry_run,
		"messages", admin_messages(outcome->report));

	if (results[outcome->result].error != NULL)
		json_object_set_new(answer, "error", json_string(results[outcome->result].error));
	evhttp_connection_set_closecb(evhttp_request_get_connection(http), NULL, NULL);
	free_call(call);
	admin_send_json(http, results[outcome->result].code, answer);
}

/* --- what the request says about its change --------------------------------------------------------------- */

static bool
read_revision(struct call *call, const char *text)
{
	bool quoted = *text == '"';
	char *rest;

	text += quoted;
	call->change.revision = strtoull(text, &rest, 10);
	call->change.has_revision = true;
	return *text >= '0' && *text <= '9' && strcmp(rest, quoted ? "\"" : "") == 0;
}

/* `keep`, `now` or how long. */
static const char *
read_close(struct call *call, const char *text)
{
	call->change.closes = strcmp(text, "keep") != 0;
	if (strcmp(text, "keep") == 0 || strcmp(text, "now") == 0)
		return NULL;
	if (value_duration(text, &call->change.close_after) != NULL || call->change.close_after > CLOSE_MOST)
		return "`close` is keep, now or a duration up to 1d, like 30s";
	return NULL;
}

/* NULL, or what is wrong. */
static const char *
read_query(struct call *call, const struct admin_ask *ask)
{
	const char *match = evhttp_find_header(evhttp_request_get_input_headers(ask->http), "If-Match");
	const char *revision = admin_query(ask, "revision"), *dry_run = admin_query(ask, "dry_run");
	const char *durable = admin_query(ask, "durable"), *close = admin_query(ask, "close");
	bool flag = true;

	if (match != NULL && strcmp(match, "*") != 0 && !read_revision(call, match))
		return "`If-Match` holds one revision in quotes, as `ETag` showed it";
	if (revision != NULL && !read_revision(call, revision))
		return "`revision` is a number";
	if (dry_run != NULL && !read_flag(dry_run, &call->change.dry_run))
		return "`dry_run` is yes or no";
	if (durable != NULL && !read_flag(durable, &flag))
		return "`durable` is yes or no";
	call->change.fleeting = !flag;
	return close != NULL ? read_close(call, close) : NULL;
}

/* Members of the body beside the sections. */
static const char *
read_members(struct call *call, const char *kind)
{
	json_t *document = call->edit.document, *revision = json_object_get(document, "revision"), *value;
	const char *known[] = { plural(kind), "revision", NULL }, *name;

	if (!json_is_object(json_object_get(document, plural(kind))))
		return strcmp(kind, "route") == 0 ? "the body is {\"routes\": {NAME: {…}}}" :
			"the body is {\"upstreams\": {NAME: {…}}}";
	json_object_foreach(document, name, value)
		if (strcmp(name, known[0]) != 0 && strcmp(name, known[1]) != 0)
			return strcmp(kind, "route") == 0 ? "only `routes` and `revision` may stand beside each other" :
				"only `upstreams` and `revision` may stand beside each other";
	if (revision != NULL && (!json_is_integer(revision) || json_integer_value(revision) < 0))
		return "`revision` is a number";
	if (revision != NULL) {
		call->change.has_revision = true;
		call->change.revision = (uint64_t)json_integer_value(revision);
		json_object_del(document, "revision");
	}
	return NULL;
}

/* A whole table that is plain; false where it is to be read as JSON. */
static bool
read_table(struct call *call, struct evhttp_request *http)
{
	struct evbuffer *body = evhttp_request_get_input_buffer(http);
	size_t length;
	char *text = admin_text(http, &length);

	if (text != NULL)
		call->edit.table = routing_table_read(call->edit.kind, text, length);
	free(text);
	if (call->edit.table == NULL)
		return false;
	evbuffer_drain(body, length);
	call->change.has_revision |= call->edit.table->has_revision;
	if (call->edit.table->has_revision)
		call->change.revision = call->edit.table->revision;
	return true;
}

/* Nobody who sends a wish in a body shall believe it heard where it was not looked at. NULL, or what is wrong. */
static const char *
check_body(const struct admin_ask *ask, enum routing_act act)
{
	bool has_body = evbuffer_get_length(evhttp_request_get_input_buffer(ask->http)) > 0;

	if (act == ROUTING_DELETE || act == ROUTING_DELETE_SERVER)
		return has_body ? "DELETE takes no body: what it is to heed stands in the query" : NULL;
	return has_body || act == ROUTING_REVERT ? NULL : "a body in JSON is needed, with Content-Length or chunked";
}

static bool
read_call(struct call *call, struct admin_ask *ask, enum routing_act act)
{
	const char *why = read_query(call, ask);

	call->edit.act = act;
	call->edit.kind = kind_of(ask);
	memcpy(call->edit.name, ask->names[0], sizeof(call->edit.name));
	memcpy(call->edit.server, ask->names[1], sizeof(call->edit.server));
	if (act == ROUTING_DELETE)
		memcpy(call->change.route, ask->names[0], sizeof(call->change.route));
	if (act == ROUTING_REPLACE_ALL && why == NULL && read_table(call, ask->http))
		return true;
	if (why == NULL)
		why = check_body(ask, act);
	if (why == NULL && (call->edit.document = admin_body(ask->http)) == NULL)
		return false;
	if (why == NULL && !json_is_object(call->edit.document))
		why = "the body is an object";
	else if (why == NULL && act <= ROUTING_PATCH_ALL)
		why = read_members(call, call->edit.kind);
	if (why != NULL)
		admin_send_error(ask->http, 400, "%s", why);
	return why == NULL;
}

static void
begin(struct admin_ask *ask, enum routing_act act)
{
	struct call *call = calloc(1, sizeof(*call));
	char what[ADMIN_NAME_ROOM + 64];

	if (call == NULL) {
		admin_send_error(ask->http, 503, "no memory");
		return;
	}
	call->process = ask->process;
	call->http = ask->http;
	call->change.edit = edit;
	call->change.told = told;
	if (!read_call(call, ask, act)) {
		free_call(call);
		return;
	}
	snprintf(what, sizeof(what), "%s %s %s", ask->call->method, ask->call->path, ask->names[0]);
	admin_log_caller(ask->http, what);
	evhttp_connection_set_closecb(evhttp_request_get_connection(ask->http), caller_gone, call);
	hot_ask(ask->process, &call->change);
}

void
admin_replace_sections(struct admin_ask *ask)
{
	begin(ask, ROUTING_REPLACE_ALL);
}

void
admin_patch_sections(struct admin_ask *ask)
{
	begin(ask, ROUTING_PATCH_ALL);
}

void
admin_put_section(struct admin_ask *ask)
{
	begin(ask, ROUTING_PUT);
}

void
admin_patch_section(struct admin_ask *ask)
{
	begin(ask, ROUTING_PATCH);
}

void
admin_delete_section(struct admin_ask *ask)
{
	begin(ask, ROUTING_DELETE);
}

void
admin_add_server(struct admin_ask *ask)
{
	begin(ask, ROUTING_ADD_SERVER);
}

void
admin_patch_server(struct admin_ask *ask)
{
	begin(ask, ROUTING_PATCH_SERVER);
}

void
admin_delete_server(struct admin_ask *ask)
{
	begin(ask, ROUTING_DELETE_SERVER);
}

void
admin_revert(struct admin_ask *ask)
{
	begin(ask, ROUTING_REVERT);
}
