/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admin_modules: the modules in the process, and what they can be asked by their verbs.
 */
#include "admin_modules.h"

#include <event2/http.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin_calls.h"
#include "admin_send.h"
#include "generation.h"
#include "loader.h"
#include "process.h"
#include "reply.h"

enum { ARGUMENTS_MOST = 64 };

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

void
admin_list_modules(struct admin_ask *ask)
{
	struct evhttp_request *request = ask->http;
	struct process *p = ask->process;
	json_t *list = json_array();

	for (unsigned i = 0; i < p->modules->count; i++)
		json_array_append_new(list, describe_module(p, p->modules->list[i]));
	admin_send_json(request, 200, json_pack("{so}", "modules", list));
}

/* {"arguments": ["…", …]}; nothing at all is no argument. The texts are the document's. False after
 * answering. */
static bool
read_arguments(struct evhttp_request *request, json_t **document, const char **arguments, int *count)
{
	json_t *list, *one;
	size_t i;

	*count = 0;
	if ((*document = admin_body(request)) == NULL)
		return false;
	list = json_object_get(*document, "arguments");
	if (!json_is_object(*document) || (list != NULL && !json_is_array(list)) ||
		json_array_size(list) > ARGUMENTS_MOST) {
		admin_send_error(request, 400, "the body is an object with a list `arguments` of at most %d texts",
			ARGUMENTS_MOST);
		return false;
	}
	if (json_object_size(*document) != (list != NULL)) {
		admin_send_error(request, 400, "only `arguments` may stand in the body");
		return false;
	}
	json_array_foreach(list, i, one) {
		if ((arguments[i] = json_string_value(one)) == NULL) {
			admin_send_error(request, 400, "argument %zu is no text", i + 1);
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
		admin_send_error(request, 503, "no memory");
		return;
	}
	good = verb->run(&reply, generation, count, arguments);
	if (!good)
		weir_reply_error(&reply, "it failed");
	text = reply_text(&reply);
	if (text != NULL)
		admin_send_text(request, reply.error[0] == '\0' ? 200 : 422, "application/json", text);
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
		admin_send_error(request, 404, "the configuration uses no module %s", module);
	} else if ((verb = find_verb(p->current->modules[slot], name)) == NULL) {
		admin_send_error(request, 404, "module %s has no verb %s", module, name);
	} else if (read_arguments(request, &document, arguments, &count)) {
		snprintf(what, sizeof(what), "%s %s, with %d arguments", module, name, count);
		admin_log_caller(request, what);
		run_verb(request, verb, p->current->module_states[slot], count, arguments);
	}
	json_decref(document);
}

void
admin_ask_module(struct admin_ask *ask)
{
	call_module(ask->process, ask->http, ask->names[0], ask->names[1]);
}
