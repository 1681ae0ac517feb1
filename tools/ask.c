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
refused(const json_t *document, const struct call_answer *answer)
{
	ask_show_messages(stderr, document);
	ask_show_output(document);
	fputs("weirctl: ", stderr);
	if (ask_text(document, "error")[0] != '\0')
		show_text(stderr, ask_text(document, "error"));
	else
		fprintf(stderr, "the server answers %d", answer->status);
	putc('\n', stderr);
	return REFUSED;
}

/* As it came; what is no JSON becomes a member of an object. */
static void
print_json(const json_t *document, const struct call_answer *answer)
{
	json_t *object = NULL;
	char *text = NULL;

	if (document == NULL) {
		object = answer->status < 300 ? json_pack("{ss#}", "text", answer->body, (int)answer->length) :
			json_pack("{so}", "error", json_sprintf("the server answers %d", answer->status));
		text = json_dumps(object, JSON_COMPACT);
	}
	fputs(document != NULL ? answer->body : text != NULL ? text : "{}", stdout);
	if (document == NULL || answer->body[answer->length - 1] != '\n')
		putchar('\n');
	free(text);
	json_decref(object);
}

static int
print(const struct ask *ask, const json_t *document, const struct call_answer *answer, void (*show_it)(const json_t *))
{
	bool good = answer->status >= 200 && answer->status < 300;

	if (good && show_it != NULL && !json_is_object(document)) {
		fputs("weirctl: what answers there is no Weir\n", stderr);
		return UNREACHED;
	}
	if (ask->json)
		print_json(document, answer);
	else if (!good)
		refused(document, answer);
	else if (show_it != NULL)
		show_it(document);
	else
		fwrite(answer->body, 1, answer->length, stdout);
	return good ? DONE : answer->status == 412 ? CONFLICT : REFUSED;
}

int
ask_server(const struct ask *ask, const char *method, const char *target, const char *body,
	void (*show_it)(const json_t *))
{
	struct call_answer answer;
	json_t *document;
	int code;

	if (call(ask->socket, method, target, body, &answer) != 0)
		return UNREACHED;
	document = json_loadb(answer.body, answer.length, 0, NULL);
	code = print(ask, document, &answer, show_it);
	json_decref(document);
	free(answer.body);
	if (fflush(stdout) == 0 && !ferror(stdout))
		return code;
	perror("weirctl: the answer cannot be printed");
	return code == DONE ? UNPRINTED : code;
}
