/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http1_cursor: a walk over the bytes of a head, which remembers why it stopped.
 *
 * Shared by the parsers of http1 and by nobody else. Readers return false when they must stop: the status is
 * set then, or 0 when only more bytes are needed.
 */
#ifndef WEIR_SERVER_HTTP1_CURSOR_H
#define WEIR_SERVER_HTTP1_CURSOR_H

#include "http1.h"

struct http1_cursor {
	const char *at, *end;
	const struct http1_limits *limits;
	const char *why;
	int status;			/* of what was refused; 0: the bytes ended too early */
	bool response;			/* whatever is wrong with a response is 502 */
};

/* Begin at a head of which length bytes are there; nothing past the limit of a head is looked at. */
void http1_begin(struct http1_cursor *, const char *head, size_t length, const struct http1_limits *);

/*
 * Is there reason to parse, when a call that was given `seen` bytes found the head unfinished? Looks at new
 * bytes only. Also true once when the bytes pass start_line, the most that a start line may take.
 */
bool http1_may_be_whole(struct http1_cursor *, size_t length, size_t seen, size_t start_line);

/* What the parser returns when it did not come to a good end. */
int http1_answer(struct http1_cursor *, size_t length, const char **why) __attribute__((cold));

/* Stop: with a status that a response turns into 502, or because more bytes are needed. Both return false. */
bool http1_refuse(struct http1_cursor *, int status, const char *why) __attribute__((cold));
bool http1_starve(struct http1_cursor *) __attribute__((cold));

/* There is no CRLF: what stands there is named in the refusal. */
bool http1_miss_crlf(struct http1_cursor *) __attribute__((cold));

/* Take exactly CRLF. */
static inline bool
http1_take_crlf(struct http1_cursor *c)
{
	if (c->end - c->at < 2 || c->at[0] != '\r' || c->at[1] != '\n')
		return http1_miss_crlf(c);
	c->at += 2;
	return true;
}

/* "HTTP/1.x"; *minor is 0 or 1. */
bool http1_read_version(struct http1_cursor *, uint8_t *minor);

#endif
