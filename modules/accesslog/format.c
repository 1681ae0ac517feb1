/* SPDX-License-Identifier: Apache-2.0 */
/*
 * format: what stands in a line.
 *
 * Combined is what Apache and nginx call by that name, byte for byte. JSON always has the same keys; what there
 * is none of is null. A format of the operator's is cut at its variables, so that each value can be escaped by
 * itself: a client can forge neither a line nor the end of a quoted value.
 */
#include "format.h"

#include <stdio.h>
#include <time.h>

/* Bytes of a value, before escaping; what is longer is cut. */
#define TARGET_MOST 8192
#define FIELD_MOST 1024
#define NAME_MOST 255

void
accesslog_clock_set(struct accesslog_clock *clock, int64_t second)
{
	time_t now = (time_t)second;
	struct tm parts;
	size_t used;

	localtime_r(&now, &parts);
	strftime(clock->combined, sizeof(clock->combined), "[%d/%b/%Y:%H:%M:%S %z]", &parts);
	used = strftime(clock->rfc3339, sizeof(clock->rfc3339), "%Y-%m-%dT%H:%M:%S%z", &parts);
	memmove(clock->rfc3339 + used - 1, clock->rfc3339 + used - 2, 3);	/* +0000 to +00:00 */
	clock->rfc3339[used - 2] = ':';
	clock->second = second;
}

/* --- compiling --------------------------------------------------------------------------------------- */

/* The next piece of a format: ${variable}, $$, or what stands before the next dollar. */
static size_t
next_piece(const char *text)
{
	const char *end;

	if (text[0] != '$')
		return strcspn(text, "$");
	if (text[1] == '$')
		return 2;
	end = strchr(text, '}');
	return end != NULL ? (size_t)(end - text) + 1 : strlen(text);
}

static void
compile_piece(struct weir_build *build, struct accesslog_piece *piece, const char *text, size_t length)
{
	piece->text = weir_build_printf(build, "%.*s", (int)length, text);
	piece->length = length;
	if (piece->text == NULL || *text != '$')
		return;
	piece->length = 1;
	if (text[1] != '$')
		piece->value = weir_build_template(build, piece->text);
}

const char *
accesslog_format_parse(struct weir_build *build, const char *text, void *value)
{
	struct accesslog_format *format = value;
	size_t count = 0;

	*format = (struct accesslog_format){ .kind = FORMAT_OWN };
	if (strcmp(text, "combined") == 0)
		format->kind = FORMAT_COMBINED;
	else if (strcmp(text, "json") == 0)
		format->kind = FORMAT_JSON;
	if (format->kind != FORMAT_OWN)
		return NULL;
	for (const char *at = text; *at != '\0'; at += next_piece(at))
		count++;
	format->pieces = weir_build_alloc(build, count + 1, sizeof(*format->pieces));
	if (format->pieces == NULL)
		return "no memory";
	for (; *text != '\0'; text += next_piece(text))
		compile_piece(build, &format->pieces[format->count++], text, next_piece(text));
	return NULL;		/* a variable that nobody knows was reported already */
}

/* --- combined ---------------------------------------------------------------------------------------- */

static void
put_address(struct weir_exchange *x, struct line *line)
{
	const struct sockaddr *address = weir_client_address(x);
	char text[64];

	if (!accesslog_ipv4(line, address))
		accesslog_value(line, weir_address_text(address, text), sizeof(text), LINE_TEXT);
}

static void
put_version(struct line *line, int version)
{
	char text[] = { (char)('0' + version / 10 % 10), '.', (char)('0' + version % 10) };

	line_add(line, text, sizeof(text));
}

/* A value between quotes; "-" when there is none. */
static void
put_quoted(struct line *line, const char *value)
{
	LINE_ADD(line, " \"");
	accesslog_value(line, value != NULL && *value != '\0' ? value : "-", FIELD_MOST, LINE_TEXT);
	LINE_ADD(line, "\"");
}

/* GET / HTTP/1.1; "-" for a request that could not be read. */
static void
put_request(struct weir_exchange *x, struct line *line)
{
	const char *method = weir_method(x);

	LINE_ADD(line, " \"");
	if (method != NULL && *method != '\0') {
		accesslog_value(line, method, NAME_MOST, LINE_TEXT);
		LINE_ADD(line, " ");
		accesslog_value(line, weir_original_target(x), TARGET_MOST, LINE_TEXT);
		LINE_ADD(line, " HTTP/");
		put_version(line, weir_version(x));
	} else {
		LINE_ADD(line, "-");
	}
	LINE_ADD(line, "\" ");
}

/* Three digits, 000 when there was no response. */
static void
put_status(struct line *line, int status)
{
	char text[] = { '0', '0', '0', ' ' };

	text[0] = (char)(text[0] + status / 100 % 10);
	text[1] = (char)(text[1] + status / 10 % 10);
	text[2] = (char)(text[2] + status % 10);
	line_add(line, text, sizeof(text));
}

static void
write_combined(struct weir_exchange *x, const struct accesslog_clock *clock, struct line *line)
{
	put_address(x, line);
	LINE_ADD(line, " - - ");
	line_add(line, clock->combined, strlen(clock->combined));
	put_request(x, line);
	put_status(line, weir_status(x));
	accesslog_number(line, weir_bytes_sent(x));
	put_quoted(line, weir_request_field(x, "Referer"));
	put_quoted(line, weir_request_field(x, "User-Agent"));
}

/* --- JSON -------------------------------------------------------------------------------------------- */

static void
put_string(struct line *line, const char *value, size_t most)
{
	if (value == NULL || *value == '\0') {
		LINE_ADD(line, "null");
		return;
	}
	LINE_ADD(line, "\"");
	accesslog_value(line, value, most, LINE_JSON);
	LINE_ADD(line, "\"");
}

#define PUT_STRING(line, key, value, most) (LINE_ADD(line, ",\"" key "\":"), put_string(line, value, most))
#define PUT_NUMBER(line, key, value) (LINE_ADD(line, ",\"" key "\":"), accesslog_number(line, value))

static void
put_transfer(struct weir_exchange *x, struct line *line)
{
	const char *method = weir_method(x);
	bool read = method != NULL && *method != '\0';

	PUT_STRING(line, "method", method, NAME_MOST);
	PUT_STRING(line, "target", read ? weir_original_target(x) : NULL, TARGET_MOST);
	if (read) {
		LINE_ADD(line, ",\"version\":\"");
		put_version(line, weir_version(x));
		LINE_ADD(line, "\"");
	} else {
		LINE_ADD(line, ",\"version\":null");
	}
	PUT_NUMBER(line, "status", (uint64_t)weir_status(x));
	PUT_NUMBER(line, "bytes_sent", weir_bytes_sent(x));
	PUT_NUMBER(line, "bytes_received", weir_bytes_received(x));
	LINE_ADD(line, ",\"duration_ms\":");
	accesslog_milliseconds(line, weir_elapsed(x));
}

static void
put_way(struct weir_exchange *x, struct line *line)
{
	const struct weir_route *route = weir_route(x);
	const struct weir_server *server = weir_server(x);
	const struct weir_upstream *upstream = server != NULL ? weir_upstream(x) : NULL;

	PUT_STRING(line, "host", weir_host(x), NAME_MOST);
	PUT_STRING(line, "route", route != NULL ? weir_route_name(route) : NULL, NAME_MOST);
	PUT_STRING(line, "upstream", upstream != NULL ? weir_upstream_name(upstream) : NULL, NAME_MOST);
	PUT_STRING(line, "server", server != NULL ? weir_server_name(server) : NULL, NAME_MOST);
	PUT_NUMBER(line, "attempts", weir_attempts(x));
}

static void
write_json(struct weir_exchange *x, const struct accesslog_clock *clock, struct line *line)
{
	LINE_ADD(line, "{\"time\":\"");
	line_add(line, clock->rfc3339, strlen(clock->rfc3339));
	LINE_ADD(line, "\",\"client\":\"");
	put_address(x, line);
	LINE_ADD(line, "\"");
	put_transfer(x, line);
	put_way(x, line);
	PUT_STRING(line, "referer", weir_request_field(x, "Referer"), FIELD_MOST);
	PUT_STRING(line, "user_agent", weir_request_field(x, "User-Agent"), FIELD_MOST);
	PUT_STRING(line, "failure", weir_failure(x), FIELD_MOST);
	LINE_ADD(line, "}");
}

/* --- the operator's own ------------------------------------------------------------------------------ */

static void
write_own(struct weir_exchange *x, const struct accesslog_format *format, enum line_escape escape, struct line *line)
{
	for (size_t i = 0; i < format->count; i++) {
		const struct accesslog_piece *piece = &format->pieces[i];
		const char *value;

		if (piece->value == NULL)
			accesslog_text(line, piece->text, piece->length);
		else if ((value = weir_expand(x, piece->value)) != NULL)
			accesslog_value(line, value, TARGET_MOST, escape);
	}
}

void
accesslog_format_write(struct weir_exchange *x, const struct accesslog_format *format, enum line_escape escape,
	const struct accesslog_clock *clock, struct line *line)
{
	switch (format->kind) {
	case FORMAT_COMBINED:
		write_combined(x, clock, line);
		break;
	case FORMAT_JSON:
		write_json(x, clock, line);
		break;
	case FORMAT_OWN:
		write_own(x, format, escape, line);
	}
	LINE_ADD(line, "\n");
}
