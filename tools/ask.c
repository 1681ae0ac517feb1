/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ask: one call to the server, and its answer to a human or as JSON.
 */
#include "ask.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "call.h"
#include "show.h"

long long
ask_number(const json_t *document, const char *name)
{
	return json_integer_value(json_object_get(document, name));
}

const char *
ask_text(const json_t *document, const char *name)
{
	const char *value = json_string_value(json_object_get(document, name));

	return value != NULL ? value : "";
}

void
ask_show_messages(FILE *to, const json_t *answer)
{
	const json_t *list = json_object_get(answer, "messages"), *one;
	size_t index;

	json_array_foreach(list, index, one) {
		if (json_object_get(one, "file") != NULL) {
			show_text(to, ask_text(one, "file"));
			if (ask_number(one, "line") > 0)
				fprintf(to, ":%lld", ask_number(one, "line"));
			fputs(": ", to);
		}
		fprintf(to, "%s: ", ask_text(one, "kind"));
		show_text(to, ask_text(one, "text"));
		putc('\n', to);
	}
}

void
ask_show_output(const json_t *answer)
{
	const char *output = ask_text(answer, "output");
	size_t length = strcspn(output, "\n");

	for (; *output != '\0'; output += length + (output[length] == '\n'), length = strcspn(output, "\n")) {
		char *line = strndup(output, length);

		show_text(stderr, line != NULL ? line : "");
		putc('\n', stderr);
		free(line);
	}
}

static int
refused(const json_t *document, int status, const char *body)
{
	ask_show_messages(stderr, document);
	ask_show_output(document);
	fputs("weirctl: ", stderr);
	if (ask_text(document, "error")[0] != '\0')
		show_text(stderr, ask_text(document, "error"));
	else
		fprintf(stderr, "the server answers %d %s", status, body);
	putc('\n', stderr);
	return REFUSED;
}

int
ask_server(const struct ask *ask, const char *method, const char *target, const char *body,
	void (*show_it)(const json_t *))
{
	struct call_answer answer;
	json_t *document;
	int code = DONE;

	if (call(ask->socket, method, target, body, &answer) != 0)
		return UNREACHED;
	document = json_loadb(answer.body, answer.length, 0, NULL);
	if (answer.status >= 400 && !ask->json)
		code = refused(document, answer.status, answer.body);
	else if (ask->json || show_it == NULL || document == NULL)
		printf("%s%s", answer.body,
			answer.length > 0 && answer.body[answer.length - 1] == '\n' ? "" : "\n");
	else
		show_it(document);
	if (answer.status >= 400)
		code = answer.status == 412 ? CONFLICT : REFUSED;
	json_decref(document);
	free(answer.body);
	if (fflush(stdout) != 0)
		perror("weirctl");
	return code;
}
