/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the modules of the scenes have in common: each writes what it sees into one file, a line a call, in the order of
 * the calls. A line begins with the request's field Id ("-" without one) and the module's name. They do block for that, as a
 * module must not; and take their orders from request fields, "PHASE=WORD" separated by spaces.
 */
#ifndef WEIR_TESTS_NOTE_H
#define WEIR_TESTS_NOTE_H

#include <weir/module.h>

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void note(const char *file, const char *format, ...) __attribute__((format(printf, 2, 3)));

static inline void
note(const char *file, const char *format, ...)
{
	char line[512];
	va_list arguments;
	int fd, length;

	if (file == NULL)
		return;
	va_start(arguments, format);
	length = vsnprintf(line, sizeof(line) - 1, format, arguments);
	va_end(arguments);
	if (length < 0 || length > (int)sizeof(line) - 2)
		length = (int)sizeof(line) - 2;
	line[length++] = '\n';
	fd = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd < 0)
		return;
	if (write(fd, line, (size_t)length) != length)
		weir_log(WEIR_LOG_ERROR, "the scene's file is full");
	close(fd);
}

static inline const char *
id_of(struct weir_exchange *x)
{
	const char *id = weir_request_field(x, "Id");

	return id != NULL ? id : "-";
}

/* The word that the field gives for this phase, in `word`; false: none. */
static inline bool
ordered(struct weir_exchange *x, const char *field, const char *phase, char word[64])
{
	const char *at = weir_request_field(x, field);
	size_t length = strlen(phase);

	for (; at != NULL && *at != '\0'; at += strcspn(at, " "), at += strspn(at, " "))
		if (strncmp(at, phase, length) == 0 && at[length] == '=') {
			snprintf(word, 64, "%.*s", (int)strcspn(at + length + 1, " "), at + length + 1);
			return true;
		}
	return false;
}

static inline enum weir_verdict
verdict_of(const char *word)
{
	static const char *const names[] = { "next", "done", "respond", "wait", "retry", "fail" };

	for (int i = 0; i < 6; i++)
		if (strncmp(word, names[i], strlen(names[i])) == 0)
			return (enum weir_verdict)i;
	return (enum weir_verdict)42;
}

/* All phases that take an ordinary hook, in the order of their running. */
#define EACH_PHASE(X) \
	X(request, REQUEST) X(route, ROUTE) X(access, ACCESS) X(cache, CACHE) X(peer, PEER) X(connected, CONNECTED) \
	X(failed, FAILED) X(upstream_request, UPSTREAM_REQUEST) X(upstream_response, UPSTREAM_RESPONSE) \
	X(store, STORE) X(response, RESPONSE) X(error, ERROR) X(log, LOG)

#define DEFINE_HOOK(NAME, PHASE) \
	static enum weir_verdict \
	on_##NAME(struct weir_exchange *x, const void *settings, void *state) \
	{ \
		return on_phase(x, settings, state, #NAME); \
	}

#define NAME_HOOK(NAME, PHASE) [WEIR_PHASE_##PHASE] = on_##NAME,

#endif
