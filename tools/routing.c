/* SPDX-License-Identifier: Apache-2.0 */
/*
 * routing: weirctl's commands about routes, upstreams and servers.
 *
 * KEY=VALUE words become the members of a section; a key that comes twice a list, KEY- takes it away.
 */
#include "routing.h"

#include <getopt.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "show.h"

enum { TARGET = 2048, FILE_MOST = 64 << 20 };

const char routing_help[] =
	"\n"
	"  routes [NAME]               all routes, or the keys of one\n"
	"  routes set NAME KEY=VALUE … | KEY-    change keys, or take them away\n"
	"  routes add NAME KEY=VALUE …           make a route, or give one other keys\n"
	"  routes delete NAME\n"
	"  routes patch FILE           many at once: {\"routes\": {NAME: {…}}}; null deletes\n"
	"  routes replace FILE         these and no others\n"
	"  upstreams …                 the same for upstreams\n"
	"  servers UPSTREAM            its servers\n"
	"  servers UPSTREAM add | set | drain | remove ADDRESS [weight=N] [backup=yes|no]\n"
	"  revert [routes | upstreams NAME …]    back to what the files say, all or some\n"
	"  export [--all]              what was changed (or every route and upstream) as INI\n"
	"\n"
	"  Of those that change something:\n"
	"      --revision N    only if nothing was changed since this revision (exit code 4)\n"
	"      --dry-run       check, but change nothing\n"
	"      --close WHEN    end what is under way on routes that are taken away: now, or\n"
	"                      after a time like 30s\n"
	"      --not-durable   without state_dir: let a restart forget it\n"
	"\n";

/* A command under way. */
struct work {
	const struct ask *ask;
	int count;		/* words after the options were taken out; words[0] is the command */
	char **words;
	char query[512];
	bool all;
};

static int
usage(const char *what)
{
	fprintf(stderr, "weirctl: %s; weirctl -h lists the commands\n", what);
	return USAGE;
}

/* --- what is asked for ------------------------------------------------------------------------------------ */

static void
add_query(struct work *w, const char *name, const char *value)
{
	size_t length = strlen(w->query);

	snprintf(w->query + length, sizeof(w->query) - length, "%s%s=%s", length == 0 ? "?" : "&", name, value);
}

/* Is it safe in a query as it stands? */
static bool
is_plain(const char *text)
{
	return strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == strlen(text) &&
		strlen(text) < 64;
}

static bool
take_options(struct work *w)
{
	static const struct option options[] = {
		{ "revision", required_argument, NULL, 'r' }, { "dry-run", no_argument, NULL, 'd' },
		{ "close", required_argument, NULL, 'c' }, { "not-durable", no_argument, NULL, 'n' },
		{ "all", no_argument, NULL, 'a' }, { NULL, 0, NULL, 0 }
	};
	int option;

	optind = 0;	/* GNU: begin anew */
	while ((option = getopt_long(w->count, w->words, "", options, NULL)) != -1) {
		if (option == '?')
			return false;
		if (optarg != NULL && !is_plain(optarg)) {
			fprintf(stderr, "weirctl: `%s` is no number, and no time either\n", optarg);
			return false;
		}
		if (option == 'r')
			add_query(w, "revision", optarg);
		else if (option == 'c')
			add_query(w, "close", optarg);
		else if (option == 'd')
			add_query(w, "dry_run", "yes");
		else if (option == 'n')
			add_query(w, "durable", "no");
		else
			w->all = true;
	}
	w->words += optind - 1;
	w->count -= optind - 1;
	return true;
}

static void
add_encoded(char *target, const char *text)
{
	size_t length = strlen(target);

	for (; *text != '\0' && length + 4 < TARGET / 2; text++) {
		char one[2] = { *text, '\0' };

		length += (size_t)(is_plain(one) ? sprintf(target + length, "%s", one) :
			sprintf(target + length, "%%%02X", (unsigned char)*text));
	}
}

/* "/v1/routes/NAME?…" */
static const char *
make_target(const struct work *w, char *target, const char *path, const char *name, const char *server)
{
	snprintf(target, TARGET, "/v1/%s", path);
	if (name != NULL) {
		strcat(target, "/");
		add_encoded(target, name);
	}
	if (server != NULL)
		strcat(target, "/servers");
	if (server != NULL && *server != '\0') {
		strcat(target, "/");
		add_encoded(target, server);
	}
	if (strlen(target) + strlen(w->query) < TARGET)
		strcat(target, w->query);
	return target;
}

static bool
add_value(json_t *object, const char *key, json_t *value)
{
	json_t *is = json_object_get(object, key), *list = is;

	if (is == NULL)
		return json_object_set_new(object, key, value) == 0;
	if (!json_is_array(is)) {
		list = json_array();
		json_array_append(list, is);
		json_object_set_new(object, key, list);
	}
	return json_array_append_new(list, value) == 0;
}

/* KEY=VALUE or KEY-. */
static bool
add_word(json_t *object, const char *word)
{
	const char *equals = strchr(word, '=');
	size_t length = strlen(word);
	char key[256];
	bool gone = equals == NULL && length > 1 && word[length - 1] == '-';

	if (equals != NULL)
		length = (size_t)(equals - word);
	else
		length--;
	if ((equals == NULL && !gone) || length == 0 || length >= sizeof(key))
		return false;
	memcpy(key, word, length);
	key[length] = '\0';
	return gone ? json_object_set_new(object, key, json_null()) == 0 :
		add_value(object, key, json_string(equals + 1));
}

/* The words from `first` as an object; NULL after saying which is wrong. */
static json_t *
read_words(const struct work *w, int first)
{
	json_t *object = json_object();

	for (int i = first; i < w->count; i++)
		if (!add_word(object, w->words[i])) {
			fprintf(stderr, "weirctl: `%s` is neither KEY=VALUE nor KEY-\n", w->words[i]);
			json_decref(object);
			return NULL;
		}
	return object;
}

/* --- what comes ------------------------------------------------------------------------------------------- */

static void
show_change(const json_t *answer)
{
	ask_show_messages(stderr, answer);
	if (json_is_true(json_object_get(answer, "dry_run"))) {
		puts("it could be done; nothing was changed");
		return;
	}
	printf("revision %lld, generation %lld: every thread uses it after %.1f ms (%.3f ms from its publication)%s\n",
		ask_number(answer, "revision"), ask_number(answer, "generation"),
		(double)ask_number(answer, "microseconds") / 1000,
		(double)ask_number(answer, "publication_microseconds") / 1000,
		json_is_true(json_object_get(answer, "durable")) ? "" : "; a restart will forget it");
}

/* A value that may be a list, in one line. */
static json_t *
in_one_line(const json_t *value)
{
	const json_t *one;
	char *text = NULL;
	size_t length = 0, index;
	FILE *to;
	json_t *line;

	if (!json_is_array(value))
		return json_incref((json_t *)(uintptr_t)value);
	if ((to = open_memstream(&text, &length)) == NULL)
		return NULL;
	json_array_foreach(value, index, one)
		fprintf(to, "%s%s", index > 0 ? ", " : "", json_string_value(one) != NULL ? json_string_value(one) : "");
	line = fclose(to) == 0 ? json_string(text) : NULL;
	free(text);
	return line;
}

static void
show_table(const json_t *sections)
{
	json_t *table = json_array(), *row;
	const char *name, *key;
	json_t *section, *value;

	json_object_foreach((json_t *)(uintptr_t)sections, name, section) {
		row = json_pack("{ss}", "name", name);
		json_object_foreach(section, key, value)
			json_object_set_new(row, key, in_one_line(value));
		json_array_append_new(table, row);
	}
	show(stdout, table);
	json_decref(table);
}

static void
show_routes(const json_t *answer)
{
	show_table(json_object_get(answer, "routes"));
}

static void
show_upstreams(const json_t *answer)
{
	show_table(json_object_get(answer, "upstreams"));
}

static void
show_servers(const json_t *answer)
{
	show(stdout, json_object_get(answer, "servers"));
}

/* As it could stand in a file. */
static void
show_section(const json_t *answer)
{
	const char *key;
	json_t *value, *one;
	size_t index;

	fputs("; ", stdout);
	show_text(stdout, ask_text(answer, "origin"));
	printf(", revision %lld\n[%s ", ask_number(answer, "revision"),
		json_object_get(answer, "servers") != NULL ? "upstream" : "route");
	show_text(stdout, ask_text(answer, "name"));
	puts("]");
	json_object_foreach(json_object_get(answer, "settings"), key, value) {
		json_t *list = json_is_array(value) ? json_incref(value) : json_pack("[O]", value);

		json_array_foreach(list, index, one) {
			printf("%s = ", key);
			show_text(stdout, json_string_value(one));
			putchar('\n');
		}
		json_decref(list);
	}
}

/* --- the commands ----------------------------------------------------------------------------------------- */

/* Sends the document, which is taken; NULL: it could not be made, which was said. */
static int
send(const struct work *w, const char *method, const char *target, json_t *document)
{
	char *body = document != NULL ? json_dumps(document, JSON_COMPACT) : NULL;
	int code = body != NULL ? ask_server(w->ask, method, target, body, show_change) : USAGE;

	free(body);
	json_decref(document);
	return code;
}

static int
send_file(const struct work *w, const char *method, const char *target, const char *name)
{
	FILE *from = strcmp(name, "-") == 0 ? stdin : fopen(name, "re");
	json_error_t error;
	json_t *document;

	if (from == NULL) {
		perror(name);
		return USAGE;
	}
	document = json_loadf(from, JSON_REJECT_DUPLICATES, &error);
	if (from != stdin)
		fclose(from);
	if (document == NULL)
		fprintf(stderr, "%s:%d: column %d: %s\n", name, error.line, error.column, error.text);
	return send(w, method, target, document);
}

/* The module that balances has the verb `servers`, whatever it is called. */
static char balancer[64];

static void
find_balancer(const json_t *answer)
{
	const json_t *modules = json_object_get(answer, "modules"), *module, *verb;
	size_t i, j;

	json_array_foreach(modules, i, module) {
		if (!json_is_true(json_object_get(module, "used")))
			continue;
		json_array_foreach(json_object_get(module, "verbs"), j, verb)
			if (strcmp(ask_text(verb, "name"), "servers") == 0)
				snprintf(balancer, sizeof(balancer), "%s", ask_text(module, "name"));
	}
}

/* How the servers are: of one upstream, or of all. */
static int
show_states(const struct work *w, const char *upstream)
{
	json_t *arguments = upstream != NULL ? json_pack("{s[s]}", "arguments", upstream) : NULL;
	char *body = arguments != NULL ? json_dumps(arguments, JSON_COMPACT) : NULL, target[TARGET];
	int code = ask_server(w->ask, "GET", "/v1/modules", NULL, find_balancer);

	if (code == DONE && balancer[0] != '\0') {
		putchar('\n');
		snprintf(target, sizeof(target), "/v1/modules/%s/servers", balancer);
		code = ask_server(w->ask, "POST", target, body, show_servers);
	}
	free(body);
	json_decref(arguments);
	return code;
}

/* One section, or all; of upstreams with the state of their servers, unless a program reads it. */
static int
show_sections(const struct work *w, const char *path, const char *name)
{
	bool upstreams = strcmp(path, "upstreams") == 0;
	char target[TARGET];
	int code = ask_server(w->ask, "GET", make_target(w, target, path, name, NULL), NULL,
		name != NULL ? show_section : upstreams ? show_upstreams : show_routes);

	return code == DONE && upstreams && !w->ask->json ? show_states(w, name) : code;
}

/* routes and upstreams */
static int
run_sections(struct work *w)
{
	const char *path = w->words[0], *verb = w->count > 1 ? w->words[1] : "", *name = w->count > 2 ? w->words[2] : NULL;
	char target[TARGET];

	if (w->count <= 2)
		return show_sections(w, path, w->count == 2 ? verb : NULL);
	if (strcmp(verb, "set") == 0 && w->count > 3)
		return send(w, "PATCH", make_target(w, target, path, name, NULL), read_words(w, 3));
	if (strcmp(verb, "add") == 0 && w->count > 3)
		return send(w, "PUT", make_target(w, target, path, name, NULL), read_words(w, 3));
	if (strcmp(verb, "delete") == 0 && w->count == 3)
		return ask_server(w->ask, "DELETE", make_target(w, target, path, name, NULL), NULL, show_change);
	if (strcmp(verb, "patch") == 0 && w->count == 3)
		return send_file(w, "PATCH", make_target(w, target, path, NULL, NULL), name);
	if (strcmp(verb, "replace") == 0 && w->count == 3)
		return send_file(w, "PUT", make_target(w, target, path, NULL, NULL), name);
	return usage("no such command, or words are missing");
}

/* weight=N and backup=yes in the JSON that the server wants. NULL after saying what is wrong. */
static json_t *
read_server(const struct work *w)
{
	json_t *object = read_words(w, 4), *typed = object != NULL ? json_object() : NULL, *value;
	const char *name;

	json_object_foreach(object, name, value) {
		const char *text = json_string_value(value);
		char *rest = NULL;

		if (strcmp(name, "weight") == 0 && text != NULL)
			value = json_integer(strtol(text, &rest, 10));
		else if (text != NULL && (strcmp(text, "yes") == 0 || strcmp(text, "no") == 0))
			value = json_boolean(*text == 'y');
		else
			value = json_incref(value);
		if (rest != NULL && (*rest != '\0' || rest == text))
			fprintf(stderr, "weirctl: `weight=%s`: a number is expected\n", text);
		json_object_set_new(typed, name, value);
		if (rest != NULL && (*rest != '\0' || rest == text)) {
			json_decref(typed);
			typed = NULL;
			break;
		}
	}
	json_decref(object);
	return typed;
}

static int
run_servers(struct work *w)
{
	const char *upstream = w->count > 1 ? w->words[1] : NULL, *verb = w->count > 2 ? w->words[2] : "";
	const char *address = w->count > 3 ? w->words[3] : "";
	char target[TARGET];
	json_t *server;

	if (w->count == 2)
		return ask_server(w->ask, "GET", make_target(w, target, "upstreams", upstream, ""), NULL, show_servers);
	if (w->count < 4)
		return usage("servers UPSTREAM add | set | drain | remove ADDRESS");
	if (strcmp(verb, "add") == 0) {
		if ((server = read_server(w)) != NULL)
			json_object_set_new(server, "address", json_string(address));
		return send(w, "POST", make_target(w, target, "upstreams", upstream, ""), server);
	}
	make_target(w, target, "upstreams", upstream, address);
	if (strcmp(verb, "set") == 0 && w->count > 4)
		return send(w, "PATCH", target, read_server(w));
	if (strcmp(verb, "drain") == 0 && w->count == 4)
		return send(w, "PATCH", target, json_pack("{sb}", "drain", 1));
	if (strcmp(verb, "remove") == 0 && w->count == 4)
		return ask_server(w->ask, "DELETE", target, NULL, show_change);
	return usage("servers UPSTREAM add | set | drain | remove ADDRESS");
}

static int
run_revert(struct work *w)
{
	char target[TARGET];
	json_t *document = json_object(), *list;

	make_target(w, target, "revert", NULL, NULL);
	if (w->count == 1)
		return send(w, "POST", target, document);
	if (w->count == 2 || (strcmp(w->words[1], "routes") != 0 && strcmp(w->words[1], "upstreams") != 0)) {
		json_decref(document);
		return usage("revert routes NAME … or revert upstreams NAME …");
	}
	json_object_set_new(document, w->words[1], list = json_array());
	for (int i = 2; i < w->count; i++)
		if (json_array_append_new(list, json_string(w->words[i])) != 0) {
			json_decref(document);
			return usage("a name is UTF-8");
		}
	return send(w, "POST", target, document);
}

static int
run_export(struct work *w)
{
	if (w->count != 1 || w->query[0] != '\0')
		return usage("export takes --all and nothing else");
	return ask_server(w->ask, "GET", w->all ? "/v1/export?all=yes" : "/v1/export", NULL, NULL);
}

static const struct {
	const char *name;
	int (*run)(struct work *);
} commands[] = {
	{ "routes", run_sections },
	{ "upstreams", run_sections },
	{ "servers", run_servers },
	{ "revert", run_revert },
	{ "export", run_export },
};

bool
routing_has(const char *word)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(commands[i].name, word) == 0)
			return true;
	return false;
}

/* getopt takes the first word for a program's name: the command stands there. */
int
routing_run(const struct ask *ask, int count, char **words)
{
	struct work w = { .ask = ask, .count = count, .words = words };
	const char *name = words[0];

	if (!take_options(&w))
		return USAGE;
	w.words[0] = (char *)(uintptr_t)name;
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(commands[i].name, name) == 0)
			return commands[i].run(&w);
	return USAGE;
}
