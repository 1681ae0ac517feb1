/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http1_response: heads of responses (RFC 9112, 4 and 6), held to the same rules as requests.
 *
 * Whatever is wrong is 502: an origin that can be read in two ways is as dangerous to those who share its
 * connection as such a client is.
 */
#include "http1_section.h"

#include <assert.h>

struct status_line {
	const char *reason;
	size_t reason_length;
};

/* " 200 OK"; the space before an empty reason may be missing. */
static bool
read_status(struct http1_cursor *c, struct response *r, struct status_line *line)
{
	const char *at = c->at;

	if (at < c->end && *at != ' ')
		return http1_refuse(c, 400, "malformed status line");
	if (c->end - at < 5)
		return http1_starve(c);
	if (at[1] < '1' || at[1] > '5' || !text_is_digit((unsigned char)at[2]) ||
	    !text_is_digit((unsigned char)at[3]))
		return http1_refuse(c, 400, "malformed status code");
	r->status = 100 * (at[1] - '0') + 10 * (at[2] - '0') + (at[3] - '0');
	if (at[4] != ' ' && at[4] != '\r')
		return http1_refuse(c, 400, "malformed status code");
	line->reason = at[4] == ' ' ? at + 5 : at + 4;
	c->at = text_skip_field(line->reason, c->end);
	line->reason_length = (size_t)(c->at - line->reason);
	return http1_take_crlf(c);
}

/* Is there never a body behind this head, whatever its fields say (RFC 9112, 6.3)? */
static bool
is_bodiless(const struct response *r, enum method method)
{
	return method == METHOD_HEAD || r->status < 200 || r->status == 204 || r->status == 304 ||
		(method == METHOD_CONNECT && r->status < 300);
}

static bool
understand_framing(struct http1_cursor *c, struct response *r, enum method method,
	const struct http1_section *section)
{
	enum framing declared;
	bool announced;

	if (!http1_read_framing(c, &r->fields, section, r->minor, &declared, &r->length))
		return false;
	announced = declared == FRAMING_CHUNKED || r->length > 0;
	r->has_length = declared == FRAMING_LENGTH;
	if (!is_bodiless(r, method)) {
		r->framing = declared == FRAMING_NONE ? FRAMING_CLOSE : declared;
		r->keep_alive = r->keep_alive && r->framing != FRAMING_CLOSE;
		return true;
	}
	r->framing = FRAMING_NONE;
	/* What comes next on the connection would be read in two ways. */
	if (r->status < 200 && announced)
		return http1_refuse(c, 400, "1xx with a body");
	if (r->status == 204 && announced)
		r->keep_alive = false;
	if (r->status == 101 || (method == METHOD_CONNECT && r->status / 100 == 2))
		r->keep_alive = false;
	return true;
}

static bool
read_response(struct http1_cursor *c, struct response *r, enum method method)
{
	struct status_line line = { NULL, 0 };
	struct http1_section section;
	struct http1_connection connection;

	if (!http1_read_version(c, &r->minor) || !read_status(c, r, &line) ||
	    !http1_read_section(c, &r->fields, &section))
		return false;
	connection = http1_read_connection(&r->fields, &section);
	r->keep_alive = !connection.close && (r->minor > 0 || connection.keep_alive);
	if (!understand_framing(c, r, method, &section))
		return false;
	http1_seal_strings(&r->fields);
	((char *)(uintptr_t)line.reason)[line.reason_length] = '\0';
	r->reason = line.reason;
	return true;
}

int
http1_parse_response(struct response *r, enum method method, char *head, size_t length, size_t seen,
	const struct http1_limits *limits, struct arena *arena, const char **why)
{
	struct http1_cursor c;

	assert(seen <= length && limits->head_size <= INT32_MAX);
	response_init(r, arena);
	http1_begin(&c, head, length, limits);
	c.response = true;
	if (http1_may_be_whole(&c, length, seen, SIZE_MAX) && read_response(&c, r, method))
		return (int)(c.at - head);
	response_init(r, arena);
	return http1_answer(&c, length, why);
}
