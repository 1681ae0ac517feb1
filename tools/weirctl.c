/* SPDX-License-Identifier: Apache-2.0 */
/*
 * weirctl: speak to a running Weir over its admin socket.
 *
 * What is not a command of its own is a module's verb: what verbs there are is the server's knowledge, not
 * this program's. Exit codes: 0 done, 1 the server refused, 2 usage, 3 the server cannot be reached or is none, 4 somebody
 * else has changed something meanwhile, 5 the answer could not be printed.
 */
#include <getopt.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "routing.h"
#include "show.h"

static const char usage[] =
	"usage: weirctl [-s SOCKET] [--json] status | generations | reload | upgrade | stop | modules | metrics\n"
	"       weirctl [-s SOCKET] [--json] routes | upstreams | servers | revert | export …\n"
	"       weirctl [-s SOCKET] [--json] MODULE VERB [ARGUMENT …]\n";

static const char help[] =
	"\n"
	"  status    what runs, since when, where it listens\n"
	"  generations   which configurations still serve requests, and how many\n"
	"  reload    read the configuration anew, and wait until every thread uses it\n"
	"  upgrade   start the installed binary anew; it takes over, this process drains\n"
	"  stop      serve running requests to their end, then end\n"
	"  modules   what is loaded, and its verbs\n"
	"  metrics   all counters, as Prometheus reads them\n"
	"%s"
	"  MODULE VERB [ARGUMENT …]   a verb of a module, as `weirctl modules` lists them\n"
	"\n"
	"  -s, --socket SOCKET   the admin socket (" WEIR_RUNDIR "/admin.sock)\n"
	"      --json            print the server's JSON\n"
	"  -V, --version         print the version\n"
	"  -h, --help            print this\n";

static void
show_duration(long long seconds)
{
	if (seconds >= 86400)
		printf("%lldd %lldh\n", seconds / 86400, seconds % 86400 / 3600);
	else if (seconds >= 3600)
		printf("%lldh %lldm\n", seconds / 3600, seconds % 3600 / 60);
	else if (seconds >= 60)
		printf("%lldm %llds\n", seconds / 60, seconds % 60);
	else
		printf("%llds\n", seconds);
}

static void
show_status(const json_t *status)
{
	const char *state = json_is_true(json_object_get(status, "draining")) ? "draining"
		: json_is_true(json_object_get(status, "ready")) ? "serving" : "starting";

	printf("weir %s, process %lld, %s\n", ask_text(status, "version"), ask_number(status, "pid"), state);
	if (ask_number(status, "predecessor") > 0)
		printf("former         process %lld still drains\n", ask_number(status, "predecessor"));
	fputs("configuration  ", stdout);
	show_text(stdout, ask_text(status, "configuration"));
	printf(", generation %lld, revision %lld", ask_number(status, "generation"), ask_number(status, "revision"));
	if (ask_number(status, "generations") > 1)
		printf(" (%lld older ones still have requests)", ask_number(status, "generations") - 1);
	fputs("\nuptime         ", stdout);
	show_duration(ask_number(status, "uptime"));
	printf("threads        %lld\n", ask_number(status, "threads"));
	printf("connections    %lld open, %lld accepted\n", ask_number(status, "connections"),
		ask_number(status, "accepted"));
	printf("requests       %lld running, %lld in all\n", ask_number(status, "requests_active"),
		ask_number(status, "requests"));
	printf("reloads        %lld, and %lld refused\n", ask_number(status, "reloads"),
		ask_number(status, "reload_failures"));
	if (json_array_size(json_object_get(status, "listeners")) > 0) {
		putchar('\n');
		show(stdout, json_object_get(status, "listeners"));
	}
}

/* "changed [route a] [route b] and 3 more" */
static void
show_changes(const json_t *changes, const char *what)
{
	const json_t *list = json_object_get(changes, what), *names = json_object_get(list, "names"), *name;
	long long count = ask_number(list, "count");
	size_t index;

	if (count == 0)
		return;
	printf("%-8s", what);
	json_array_foreach(names, index, name) {
		if (index == 10)
			break;
		putchar(' ');
		show_text(stdout, json_string_value(name));
	}
	if (count > (long long)index)
		printf(" and %lld more", count - (long long)index);
	putchar('\n');
}

static void
show_reload(const json_t *answer)
{
	static const char *const kinds[] = { "added", "removed", "changed", "opened", "closed" };

	ask_show_messages(stderr, answer);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		show_changes(json_object_get(answer, "changes"), kinds[i]);
	printf("generation %lld serves, after %.1f ms\n", ask_number(answer, "generation"),
		(double)ask_number(answer, "microseconds") / 1000);
}

static void
show_upgrade(const json_t *answer)
{
	ask_show_output(answer);
	printf("process %lld serves, after %lld ms; the former one drains\n", ask_number(answer, "pid"),
		ask_number(answer, "milliseconds"));
}

static void
show_generations(const json_t *answer)
{
	const json_t *list = json_object_get(answer, "generations"), *one, *number;
	size_t index, thread;

	puts("generation  age         routes  upstreams  requests  by thread");
	json_array_foreach(list, index, one) {
		printf("%-10lld  %-10lld  %6lld  %9lld  %8lld ", ask_number(one, "number"), ask_number(one, "age"),
			ask_number(one, "routes"), ask_number(one, "upstreams"), ask_number(one, "requests"));
		json_array_foreach(json_object_get(one, "requests_by_thread"), thread, number)
			printf(" %lld", (long long)json_integer_value(number));
		puts(json_is_true(json_object_get(one, "serving")) ? "  serving" : "");
	}
}

static void
show_stop(const json_t *answer)
{
	printf("stopping; running requests have %.1f s to end\n",
		(double)ask_number(answer, "drain_timeout") / 1000);
}

static void
show_verbs(const json_t *module)
{
	const json_t *verbs = json_object_get(module, "verbs"), *verb;
	size_t index;

	json_array_foreach(verbs, index, verb) {
		printf("  weirctl %s %s", ask_text(module, "name"), ask_text(verb, "name"));
		printf("%s%s\n      ", ask_text(verb, "arguments")[0] != '\0' ? " " : "",
			ask_text(verb, "arguments"));
		show_text(stdout, ask_text(verb, "doc"));
		putchar('\n');
	}
}

static void
show_modules(const json_t *answer)
{
	const json_t *modules = json_object_get(answer, "modules"), *module;
	json_t *table = json_array();
	size_t index;

	json_array_foreach(modules, index, module)
		json_array_append_new(table, json_pack("{ss, ss, sb, ss}", "name", ask_text(module, "name"),
			"abi", ask_text(module, "abi"),
			"used", (int)json_is_true(json_object_get(module, "used")),
			"summary", ask_text(module, "summary")));
	show(stdout, table);
	json_decref(table);
	json_array_foreach(modules, index, module)
		if (json_array_size(json_object_get(module, "verbs")) > 0) {
			putchar('\n');
			show_verbs(module);
		}
}

/* A verb may have nothing to say. */
static void
show_verb(const json_t *answer)
{
	if (json_object_size(answer) == 0)
		puts("done");
	else
		show(stdout, answer);
}

static const struct command {
	const char *name, *method, *target;
	void (*show)(const json_t *);		/* NULL: the answer is plain text */
} commands[] = {
	{ "status", "GET", "/v1/status", show_status },
	{ "generations", "GET", "/v1/generations", show_generations },
	{ "reload", "POST", "/v1/reload", show_reload },
	{ "upgrade", "POST", "/v1/upgrade", show_upgrade },
	{ "stop", "POST", "/v1/stop", show_stop },
	{ "modules", "GET", "/v1/modules", show_modules },
	{ "metrics", "GET", "/metrics", NULL },
};

static bool
is_name(const char *word)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
	size_t length = strlen(word);

	return length > 0 && length < 64 && strspn(word, letters) == length;
}

static int
ask_module(const struct ask *ask, int count, char **words)
{
	json_t *list = json_array(), *document;
	char target[160], *body;
	int code = USAGE;

	snprintf(target, sizeof(target), "/v1/modules/%s/%s", words[0], words[1]);
	for (int i = 2; i < count; i++)
		if (json_array_append_new(list, json_string(words[i])) != 0) {
			fprintf(stderr, "weirctl: argument %d is no UTF-8\n", i - 1);
			json_decref(list);
			return code;
		}
	document = json_pack("{so}", "arguments", list);
	if ((body = json_dumps(document, JSON_COMPACT)) != NULL)
		code = ask_server(ask, "POST", target, body, show_verb);
	free(body);
	json_decref(document);
	return code;
}

static int
run(const struct ask *ask, int count, char **words)
{
	for (size_t i = 0; count > 0 && i < sizeof(commands) / sizeof(commands[0]); i++) {
		const struct command *c = &commands[i];

		if (strcmp(words[0], c->name) != 0)
			continue;
		if (count == 1)
			return ask_server(ask, c->method, c->target, NULL, c->show);
		fprintf(stderr, "weirctl: %s takes no words\n", words[0]);
		return USAGE;
	}
	if (count > 0 && routing_has(words[0]))
		return routing_run(ask, count, words);
	if (count >= 2 && is_name(words[0]) && is_name(words[1]))
		return ask_module(ask, count, words);
	if (count == 1)
		fprintf(stderr, "weirctl: %s is no command, or lacks a verb\n", words[0]);
	fputs(usage, stderr);
	return USAGE;
}

int
main(int count, char **words)
{
	static const struct option options[] = {
		{ "socket", required_argument, NULL, 's' },
		{ "json", no_argument, NULL, 'j' },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 }
	};
	struct ask ask = { .socket = WEIR_RUNDIR "/admin.sock" };
	int option;

	while ((option = getopt_long(count, words, "+s:Vh", options, NULL)) != -1) {
		if (option == 's') {
			ask.socket = optarg;
		} else if (option == 'j') {
			ask.json = true;
		} else if (option == 'V') {
			printf("weirctl %s\n", PACKAGE_VERSION);
			return DONE;
		} else {
			fputs(usage, option == 'h' ? stdout : stderr);
			if (option == 'h')
				printf(help, routing_help);
			return option == 'h' ? DONE : USAGE;
		}
	}
	return run(&ask, count - optind, words + optind);
}
