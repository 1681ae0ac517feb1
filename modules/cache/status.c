/* SPDX-License-Identifier: Apache-2.0 */
/*
 * status: what the cache did with a request, as Cache-Status tells it.
 */
#include "status.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct writer {
	char *to;
	size_t room, at;
};

/* Whole, or not at all. */
static void __attribute__((format(printf, 2, 3)))
put(struct writer *w, const char *format, ...)
{
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(w->to + w->at, w->room - w->at, format, arguments);
	va_end(arguments);
	if (length > 0 && (size_t)length < w->room - w->at)
		w->at += (size_t)length;
	w->to[w->at] = '\0';
}

/* A string of structured fields: printable ASCII, with quotes and backslashes escaped (RFC 9651, 3.3.3). */
static void
put_key(struct writer *w, const char *key, size_t length)
{
	char text[CACHE_STATUS_MOST];
	size_t at = 0;

	for (size_t i = 0; i < length; i++) {
		if (key[i] < 0x20 || key[i] == 0x7f || at + 2 >= sizeof(text))
			return;
		if (key[i] == '"' || key[i] == '\\')
			text[at++] = '\\';
		text[at++] = key[i];
	}
	put(w, "; key=\"%.*s\"", (int)at, text);
}

size_t
cache_status_write(char *to, size_t room, const char *before, const char *cache, const struct cache_outcome *outcome)
{
	static const char *const forwards[] = { NULL, "bypass", "method", "uri-miss", "vary-miss", "request",
		"stale", "partial" };
	struct writer w = { .to = to, .room = room };

	to[0] = '\0';
	if (before != NULL)
		put(&w, "%s, ", before);
	put(&w, "%s", cache);
	if (outcome->forward == CACHE_FORWARD_NONE)
		put(&w, "; hit");
	else
		put(&w, "; fwd=%s", forwards[outcome->forward]);
	if (outcome->forward_status > 0)
		put(&w, "; fwd-status=%d", outcome->forward_status);
	if (outcome->has_ttl)
		put(&w, "; ttl=%" PRId64, outcome->ttl);
	if (outcome->stored)
		put(&w, "; stored");
	if (outcome->collapsed)
		put(&w, "; collapsed");
	if (outcome->detail != NULL)
		put(&w, "; detail=%s", outcome->detail);
	if (outcome->key != NULL)
		put_key(&w, outcome->key, outcome->key_length);
	return w.at;
}
