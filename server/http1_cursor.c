/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http1_cursor: a walk over the bytes of a head.
 *
 * A head is parsed at once in the hope that it is whole, as nearly all are; only when it was not, later calls
 * look for its end in the new bytes first.
 */
#include "http1_cursor.h"

#include <string.h>

void
http1_begin(struct http1_cursor *c, const char *head, size_t length, const struct http1_limits *limits)
{
	*c = (struct http1_cursor){
		.at = head,
		.end = head + (length < limits->head_size ? length : limits->head_size),
		.limits = limits,
	};
}

bool
http1_may_be_whole(struct http1_cursor *c, size_t length, size_t seen, size_t start_line)
{
	const char *head = c->at, *at = head + seen;

	if (seen == 0 || length >= c->limits->head_size)
		return true;
	for (; (at = memchr(at, '\n', (size_t)(c->end - at))) != NULL; at++) {
		if (at == head || at[-1] != '\r')
			return http1_refuse(c, 400, "bare LF");
		if (at - head >= 3 && at[-2] == '\n' && at[-3] == '\r')
			return true;
	}
	/* Once on the way: is the start line too long already? */
	return seen <= start_line && length > start_line;
}

int
http1_answer(struct http1_cursor *c, size_t length, const char **why)
{
	if (c->status == 0 && length >= c->limits->head_size)
		http1_refuse(c, 431, "head is too large");
	*why = c->why;
	return -c->status;
}

bool
http1_refuse(struct http1_cursor *c, int status, const char *why)
{
	c->status = c->response ? 502 : status;
	c->why = why;
	return false;
}

bool
http1_starve(struct http1_cursor *c)
{
	c->status = 0;
	return false;
}

bool
http1_miss_crlf(struct http1_cursor *c)
{
	if (c->at == c->end)
		return http1_starve(c);
	if (*c->at == '\n')
		return http1_refuse(c, 400, "bare LF");
	if (*c->at == '\0')
		return http1_refuse(c, 400, "NUL in the head");
	if (*c->at != '\r')
		return http1_refuse(c, 400, "control character in the head");
	if (c->at + 1 == c->end)
		return http1_starve(c);
	return http1_refuse(c, 400, "bare CR");
}

bool
http1_read_version(struct http1_cursor *c, uint8_t *minor)
{
	const unsigned char *at = (const unsigned char *)c->at;
	size_t left = (size_t)(c->end - c->at);

	if (memcmp(at, "HTTP/", left < 5 ? left : 5) != 0)
		return http1_refuse(c, 400, "malformed version");
	if (left < 8)
		return http1_starve(c);
	if (!text_is_digit(at[5]) || at[6] != '.' || !text_is_digit(at[7]))
		return http1_refuse(c, 400, "malformed version");
	if (at[5] != '1')
		return http1_refuse(c, 505, "not HTTP/1");
	*minor = at[7] != '0';
	c->at += 8;
	return true;
}
