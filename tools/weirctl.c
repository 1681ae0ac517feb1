/* SPDX-License-Identifier: Apache-2.0 */
/*
 * weirctl: speak to a running Weir over its admin socket.
 *
 * What is not a command of its own is a module's verb: what verbs there are is the server's knowledge, not
 * this program's. Exit codes: 0 done, 1 the server refused, 2 usage, 3 the server cannot be reached.
 */
#include <getopt.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "call.h"
#include "show.h"

enum { DONE, REFUSED, USAGE, UNREACHED };

static const char usage[] =
	"usage: weirctl [-s SOCKET] [--json] status | reload | upgrade | stop | modules | metrics\n"
	"       weirctl [-s SOCKET] [--json] MODULE VERB [ARGUMENT …]\n";

static const char help[] =
	"\n"
	"  status    what runs, since when, where it listens\n"
	"  reload    read the configuration anew, and wait until every thread uses it\n"
	"  upgrade   start the installed binary anew; it takes over, this process drains\n"
	"  stop      serve running requests to their end, then end\n"
	"  modules   what is loaded, and its verbs\n"
	"  metrics   all counters, as Prometheus reads them\n"
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

static long long
number(const json_t *document, const char *name)
{
	return json_integer_value(json_object_get(document, name));
}

static const char *
text(const json_t *document, const char *name)
{
	const char *value = json_string_value(json_object_get(document, name));

	return value != NULL ? value : "";
}

static void
show_status(const json_t *status)
{
	const char *state = json_is_true(json_object_get(status, "draining")) ? "draining"
		: json_is_true(json_object_get(status, "ready")) ? "serving" : "starting";

	printf("weir %s, process %lld, %s\n", text(status, "version"), number(status, "pid"), state);
	if (number(status, "predecessor") > 0)
		printf("former         process %lld still drains\n", number(status, "predecessor"));
	fputs("configuration  ", stdout);
	show_text(stdout, text(status, "configuration"));
	printf(", generation %lld", number(status, "generation"));
	if (number(status, "generations") > 1)
		printf(" (%lld older ones still have requests)", number(status, "generations") - 1);
	fputs("\nuptime         ", stdout);
	show_duration(number(status, "uptime"));
	printf("threads        %lld\n", number(status, "threads"));
	printf("connections    %lld open, %lld accepted\n", number(status, "connections"),
		number(status, "accepted"));
	printf("requests       %lld running, %lld in all\n", number(status, "requests_active"),
		number(status, "requests"));
	printf("reloads        %lld, and %lld refused\n", number(status, "reloads"),
		number(status, "reload_failures"));
	if (json_array_size(json_object_get(status, "listeners")) > 0) {
		putchar('\n');
		show(stdout, json_object_get(status, "listeners"));
	}
}

/* "file:line: error: text", as `weir -t` prints them. */
static void
show_messages(FILE *to, const json_t *answer)
{
	const json_t *list = json_object_get(answer, "messages"), *one;
	size_t index;

	json_array_foreach(list, index, one) {
		if (json_object_get(one, "file") != NULL) {
			show_text(to, text(one, "file"));
			if (number(one, "line") > 0)
				fprintf(to, ":%lld", number(one, "line"));
			fputs(": ", to);
		}
		fprintf(to, "%s: ", text(one, "kind"));
		show_text(to, text(one, "text"));
		putc('\n', to);
	}
}

static void
show_reload(const json_t *answer)
{
	show_messages(stderr, answer);
	printf("generation %lld serves, after %.1f ms\n", number(answer, "generation"),
		(double)number(answer, "microseconds") / 1000);
}

/* What the new process wrote to its standard error while it started. */
static void
show_output(const json_t *answer)
{
	const char *output = text(answer, "output");
	size_t length = strcspn(output, "\n");

	for (; *output != '\0'; output += length + (output[length] == '\n'), length = strcspn(output, "\n")) {
		char *line = strndup(output, length);

		show_text(stderr, line != NULL ? line : "");
		putc('\n', stderr);
		free(line);
	}
}

static void
show_upgrade(const json_t *answer)
{
	show_output(answer);
	printf("process %lld serves, after %lld ms; the former one drains\n", number(answer, "pid"),
		number(answer, "milliseconds"));
}

static void
show_stop(const json_t *answer)
{
	printf("stopping; running requests have %.1f s to end\n",
		(double)number(answer, "drain_timeout") / 1000);
}

static void
show_verbs(const json_t *module)
{
	const json_t *verbs = json_object_get(module, "verbs"), *verb;
	size_t index;

	json_array_foreach(verbs, index, verb) {
		printf("  weirctl %s %s", text(module, "name"), text(verb, "name"));
		printf("%s%s\n      ", text(verb, "arguments")[0] != '\0' ? " " : "",
			text(verb, "arguments"));
		show_text(stdout, text(verb, "doc"));
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
		json_array_append_new(table, json_pack("{ss, ss, sb, ss}", "name", text(module, "name"),
			"abi", text(module, "abi"),
			"used", (int)json_is_true(json_object_get(module, "used")),
			"summary", text(module, "summary")));
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
	{ "reload", "POST", "/v1/reload", show_reload },
	{ "upgrade", "POST", "/v1/upgrade", show_upgrade },
	{ "stop", "POST", "/v1/stop", show_stop },
	{ "modules", "GET", "/v1/modules", show_modules },
	{ "metrics", "GET", "/metrics", NULL },
};

static int
refused(const json_t *document, int status, const char *body)
{
	show_messages(stderr, document);
	show_output(document);
	fputs("weirctl: ", stderr);
	if (text(document, "error")[0] != '\0')
		show_text(stderr, text(document, "error"));
	else
		fprintf(stderr, "the server answers %d %s", status, body);
	putc('\n', stderr);
	return REFUSED;
}

/* `show_it` NULL: print what came. */
static int
ask(const char *socket, bool json, const char *method, const char *target, const char *body,
	void (*show_it)(const json_t *))
{
	struct call_answer answer;
	json_t *document;
	int code = DONE;

	if (call(socket, method, target, body, &answer) != 0)
		return UNREACHED;
	document = json_loadb(answer.body, answer.length, 0, NULL);
	if (answer.status >= 400 && !json)
		code = refused(document, answer.status, answer.body);
	else if (json || show_it == NULL || document == NULL)
		printf("%s%s", answer.body,
			answer.length > 0 && answer.body[answer.length - 1] == '\n' ? "" : "\n");
	else
		show_it(document);
	if (answer.status >= 400)
		code = REFUSED;
	json_decref(document);
	free(answer.body);
	if (fflush(stdout) != 0)
		perror("weirctl");
	return code;
}

static bool
is_name(const char *word)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
	size_t length = strlen(word);

	return length > 0 && length < 64 && strspn(word, letters) == length;
}

static int
ask_module(const char *socket, bool json, int count, char **words)
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
		code = ask(socket, json, "POST", target, body, show_verb);
	free(body);
	json_decref(document);
	return code;
}

static int
run(const char *socket, bool json, int count, char **words)
{
	for (size_t i = 0; count == 1 && i < sizeof(commands) / sizeof(commands[0]); i++) {
		const struct command *c = &commands[i];

		if (strcmp(words[0], c->name) == 0)
			return ask(socket, json, c->method, c->target, NULL, c->show);
	}
	if (count >= 2 && is_name(words[0]) && is_name(words[1]))
		return ask_module(socket, json, count, words);
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
	const char *socket = WEIR_RUNDIR "/admin.sock";
	bool json = false;
	int option;

	while ((option = getopt_long(count, words, "+s:Vh", options, NULL)) != -1) {
		if (option == 's') {
			socket = optarg;
		} else if (option == 'j') {
			json = true;
		} else if (option == 'V') {
			printf("weirctl %s\n", PACKAGE_VERSION);
			return DONE;
		} else {
			fputs(usage, option == 'h' ? stdout : stderr);
			if (option == 'h')
				fputs(help, stdout);
			return option == 'h' ? DONE : USAGE;
		}
	}
	return run(socket, json, count - optind, words + optind);
}
