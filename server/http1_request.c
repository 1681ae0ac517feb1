/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http1_request: heads of requests (RFC 9112, 3 and 6), read strictly.
 *
 * Parsing leaves the bytes alone and notes where things are; when all is found good the strings are sealed
 * in place, which cannot fail.
 */
#include "arena.h"
#include "http1_section.h"
#include "target.h"

#include <assert.h>
#include <string.h>

#define METHOD_MOST 32

/*
 * A request line is no longer than its target and this: method, spaces, version, CRLF, an empty line before.
 */
#define LINE_REST (METHOD_MOST + 16)

/* What the request line and Host say, before it is known that all is good. */
struct asked {
	const char *method, *target, *path, *query;	/* query: NULL when there is none */
	size_t method_length, target_length, path_length, query_length;
	struct authority authority;
	struct field *host;				/* NULL: no Host field */
	bool copy_authority;				/* it is not followed by a byte that may become NUL */
};

/* Exactly one space, after which comes something else. */
static bool
take_space(struct http1_cursor *c, const char *otherwise)
{
	if (c->at == c->end)
		return http1_starve(c);
	if (*c->at != ' ')
		return *c->at == '\r' || *c->at == '\n' ? http1_refuse(c, 400, "malformed start line") :
			http1_refuse(c, 400, otherwise);
	c->at++;
	return true;
}

static bool
read_method(struct http1_cursor *c, struct asked *asked)
{
	asked->method = c->at;
	c->at = text_skip_token(c->at, c->end);
	asked->method_length = (size_t)(c->at - asked->method);
	if (asked->method_length > METHOD_MOST)
		return http1_refuse(c, 400, "method is too long");
	if (asked->method_length == 0 && c->at < c->end)
		return http1_refuse(c, 400, "no method");
	return take_space(c, "method is not a token");
}

static bool
read_target(struct http1_cursor *c, struct asked *asked)
{
	size_t left = (size_t)(c->end - c->at), most = c->limits->target_length;
	const char *last = left > most ? c->at + most : c->end;

	asked->target = c->at;
	while (c->at < last && text_is((unsigned char)*c->at, TEXT_TARGET))
		c->at++;
	asked->target_length = (size_t)(c->at - asked->target);
	if (c->at < c->end && text_is((unsigned char)*c->at, TEXT_TARGET))
		return http1_refuse(c, 414, "target is too long");
	if (asked->target_length == 0 && c->at < c->end)
		return http1_refuse(c, 400, "no target");
	return take_space(c, "forbidden character in the target");
}

static bool
read_request_line(struct http1_cursor *c, struct request *r, struct asked *asked)
{
	if (c->at < c->end && *c->at == '\r' && !http1_take_crlf(c))
		return false;
	return read_method(c, asked) && read_target(c, asked) && http1_read_version(c, &r->minor) &&
		http1_take_crlf(c);
}

/* Host, into asked->authority; a 1.0 request may have none. */
static bool
read_host(struct http1_cursor *c, const struct request *r, const struct http1_section *section,
	struct asked *asked)
{
	const char *wrong;

	if (section->count[FIELD_HOST] > 1)
		return http1_refuse(c, 400, "several Host fields");
	if (section->count[FIELD_HOST] == 0)
		return r->minor == 0 || http1_refuse(c, 400, "no Host");
	asked->host = &r->fields.list[section->first[FIELD_HOST]];
	wrong = authority_parse(&asked->authority, asked->host->value, asked->host->value_length);
	return wrong == NULL || http1_refuse(c, 400, wrong);
}

/* Split [at, at + length), which is "/path?query" or "", and check the path. */
static bool
read_path(struct http1_cursor *c, struct request *r, struct asked *asked, const char *at, size_t length,
	struct arena *arena)
{
	const char *mark = memchr(at, '?', length), *wrong;
	bool plain;
	char *normal;

	asked->path = at;
	asked->path_length = mark != NULL ? (size_t)(mark - at) : length;
	if (mark != NULL) {
		asked->query = mark + 1;
		asked->query_length = length - asked->path_length - 1;
	}
	if (asked->path_length == 0) {
		r->path = r->method == METHOD_OPTIONS && mark == NULL ? "*" : "/";
		return true;
	}
	wrong = path_check(at, asked->path_length, &plain);
	if (wrong == NULL && !plain) {
		normal = arena_alloc(arena, asked->path_length + 1);
		if (normal == NULL)
			return http1_refuse(c, 503, "no memory for the path");
		wrong = path_normalise(normal, at, asked->path_length);
		r->path = normal;
	} else {
		r->path = at;
	}
	return wrong == NULL || http1_refuse(c, 400, wrong);
}

/*
 * The target's own authority takes the place of Host's, with which it must agree. Without a default (CONNECT,
 * whose target always has a port) a Host that has no port leaves it open.
 */
static bool
take_authority(struct http1_cursor *c, struct asked *asked, const char *text, size_t length, int default_port)
{
	struct authority own;
	const char *wrong = authority_parse(&own, text, length);

	if (wrong != NULL)
		return http1_refuse(c, 400, wrong);
	if (default_port < 0)
		default_port = own.port;
	if (asked->host != NULL && !authority_same(&own, &asked->authority, default_port))
		return http1_refuse(c, 400, "Host is not the target's");
	asked->authority = own;
	return true;
}

static bool
read_absolute(struct http1_cursor *c, struct request *r, struct asked *asked, struct arena *arena)
{
	const char *target = asked->target, *end = target + asked->target_length, *at;
	bool tls = asked->target_length >= 8 && text_same_lower(target, "https://", 8);

	if (!tls && !(asked->target_length >= 7 && text_same_lower(target, "http://", 7)))
		return http1_refuse(c, 400, "malformed target");
	r->form = TARGET_ABSOLUTE;
	r->scheme = tls ? "https" : "http";
	target += tls ? 8 : 7;
	for (at = target; at < end && *at != '/' && *at != '?'; at++)
		;
	asked->copy_authority = true;
	return take_authority(c, asked, target, (size_t)(at - target), tls ? 443 : 80) &&
		read_path(c, r, asked, at, (size_t)(end - at), arena);
}

static bool
read_authority(struct http1_cursor *c, struct request *r, struct asked *asked)
{
	r->form = TARGET_AUTHORITY;
	if (!take_authority(c, asked, asked->target, asked->target_length, -1))
		return false;
	return asked->authority.port >= 0 || http1_refuse(c, 400, "CONNECT without a port");
}

/* Which form the target has, and what it says (RFC 9112, 3.2). */
static bool
understand_target(struct http1_cursor *c, struct request *r, struct asked *asked, struct arena *arena)
{
	if (r->method == METHOD_CONNECT)
		return read_authority(c, r, asked);
	if (asked->target[0] == '/') {
		r->form = TARGET_ORIGIN;
		return read_path(c, r, asked, asked->target, asked->target_length, arena);
	}
	if (asked->target_length == 1 && asked->target[0] == '*') {
		r->form = TARGET_ASTERISK;
		r->path = "*";
		return r->method == METHOD_OPTIONS || http1_refuse(c, 400, "asterisk-form is for OPTIONS");
	}
	return read_absolute(c, r, asked, arena);
}

/* Connection, Expect and Upgrade. */
static bool
understand_options(struct http1_cursor *c, struct request *r, const struct http1_section *section)
{
	struct http1_connection connection = http1_read_connection(&r->fields, section);
	unsigned left = section->count[FIELD_EXPECT];
	const struct field *field;

	r->keep_alive = !connection.close && (r->minor > 0 || connection.keep_alive);
	for (unsigned i = section->first[FIELD_EXPECT]; left > 0; i++) {
		field = &r->fields.list[i];
		if (field->id != FIELD_EXPECT)
			continue;
		left--;
		if (field->value_length != 12 || !text_same_lower(field->value, "100-continue", 12))
			return http1_refuse(c, 417, "unknown expectation");
		r->expect_continue = r->minor > 0 && r->framing != FRAMING_NONE;
	}
	if (connection.upgrade && r->minor > 0 && section->count[FIELD_UPGRADE] > 0)
		r->upgrade = r->fields.list[section->first[FIELD_UPGRADE]].value;
	return true;
}

/* Strings that cannot be sealed in place. The last thing that may fail. */
static bool
copy_authority(struct http1_cursor *c, struct request *r, const struct asked *asked, struct arena *arena)
{
	const struct authority *a = &asked->authority;

	if (a->length == 0)
		return true;
	r->port = a->port;
	r->authority = asked->copy_authority ? arena_copy(arena, a->text, a->length) : a->text;
	r->host = a->host_length < a->length ? arena_copy(arena, a->text, a->host_length) : r->authority;
	if (r->authority == NULL || r->host == NULL)
		return http1_refuse(c, 503, "no memory for the host");
	return true;
}

static void
lower(const char *text, size_t length)
{
	char *at = (char *)(uintptr_t)text;

	for (size_t i = 0; i < length; i++)
		at[i] = (char)text_lower((unsigned char)at[i]);
}

static void
seal(const char *text, size_t length)
{
	((char *)(uintptr_t)text)[length] = '\0';
}

static void
seal_request(struct request *r, struct asked *asked)
{
	const struct authority *a = &asked->authority;

	http1_seal_strings(&r->fields);
	r->method_name = asked->method;
	seal(asked->method, asked->method_length);
	seal(asked->target, asked->target_length);
	if (r->path == asked->path)
		seal(asked->path, asked->path_length);
	r->query = asked->query;
	if (a->length == 0)
		return;
	seal(r->authority, a->length);
	lower(r->authority, a->length);
	if (r->host != r->authority)
		lower(r->host, a->host_length);
	if (asked->host != NULL) {
		asked->host->value = r->authority;
		asked->host->value_length = (uint32_t)a->length;
	}
}

static bool
read_request(struct http1_cursor *c, struct request *r, struct arena *arena)
{
	struct asked asked = { .host = NULL };
	struct http1_section section;

	if (!read_request_line(c, r, &asked) || !http1_read_section(c, &r->fields, &section))
		return false;
	r->method = method_identify(asked.method, asked.method_length);
	if (!http1_read_framing(c, &r->fields, &section, r->minor, &r->framing, &r->length))
		return false;
	if (r->method == METHOD_CONNECT && (r->framing == FRAMING_CHUNKED || r->length > 0))
		return http1_refuse(c, 400, "CONNECT with a body");
	if (!read_host(c, r, &section, &asked) || !understand_target(c, r, &asked, arena) ||
	    !understand_options(c, r, &section) || !copy_authority(c, r, &asked, arena))
		return false;
	seal_request(r, &asked);
	return true;
}

int
http1_parse_request(struct request *r, char *head, size_t length, size_t seen,
	const struct http1_limits *limits, struct arena *arena, const char **why)
{
	struct http1_cursor c;

	assert(seen <= length && limits->head_size <= INT32_MAX);
	request_init(r, arena);
	http1_begin(&c, head, length, limits);
	if (http1_may_be_whole(&c, length, seen, (size_t)limits->target_length + LINE_REST) &&
	    read_request(&c, r, arena))
		return (int)(c.at - head);
	request_init(r, arena);
	return http1_answer(&c, length, why);
}
