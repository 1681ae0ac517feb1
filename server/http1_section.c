/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http1_section: field lines, and the framing that they declare.
 *
 * One pass: a name's end is where no token goes on, a value's where a control character stands. Nearly every line is read by
 * blocks (read_plain_field); what is not plain, or is wrong, or stands at the very end, is read by read_field, which knows all.
 */
#include "http1_section.h"
#include "text_block.h"

#include <string.h>

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* The bytes from `name` on are no field name and colon: say why. */
static bool
refuse_name(struct http1_cursor *c, const char *name)
{
	if (is_blank(*c->at))
		return http1_refuse(c, 400, c->at == name ? "folded line (obs-fold)" :
			"white space before a colon");
	if (*c->at == ':')
		return http1_refuse(c, 400, "empty field name");
	if (*c->at == '\n')
		return http1_refuse(c, 400, "bare LF");
	if (*c->at == '\r')
		return http1_refuse(c, 400, "field line without a colon");
	return http1_refuse(c, 400, "field name is not a token");
}

static inline void
note(struct field *field, const char *name, size_t name_length, const char *value, const char *end)
{
	field->name = name;
	field->name_length = (uint16_t)name_length;
	field->value = value;
	field->value_length = (uint32_t)(end - value);
	field->id = (uint8_t)field_identify(name, name_length);
}

#ifdef TEXT_BLOCKS
/* The first place that may end a name, or a value; NULL where too little is left for a block. */
static inline const char *
skip_name(const char *at, const char *last)
{
	for (unsigned stop; at <= last; at += TEXT_BLOCK)
		if ((stop = text_uncommon(text_block(at))) != 0)
			return at + __builtin_ctz(stop);
	return NULL;
}

static inline const char *
skip_value(const char *at, const char *last)
{
	for (unsigned stop; at <= last; at += TEXT_BLOCK)
		if ((stop = text_breaks(text_block(at))) != 0)
			return at + __builtin_ctz(stop);
	return NULL;
}

/* A name of letters, digits and dashes, a colon and a space, a value without blanks around it or tabs in it, and a block more
 * behind it: false if the line is any other, and nothing is done then. */
static inline bool
read_plain_field(struct http1_cursor *c, struct field *field)
{
	const char *const name = c->at, *const last = c->end - TEXT_BLOCK - 1;	/* so that a byte more is there */
	const char *colon = skip_name(name, last), *value, *end;

	if (colon == NULL || memcmp(colon, ": ", 2) != 0 || colon == name || colon - name > UINT8_MAX)
		return false;
	value = colon + 2;
	end = skip_value(value, last);
	if (end == NULL || memcmp(end, "\r\n", 2) != 0 || end == value || *value == ' ' || end[-1] == ' ')
		return false;
	note(field, name, (size_t)(colon - name), value, end);
	c->at = end + 2;
	return true;
}
#endif

/* Read one field line into the room that *field is. */
static bool
read_field(struct http1_cursor *c, struct field *field)
{
	const char *name = c->at, *at = text_skip_token(name, c->end), *value, *last;

	c->at = at;
	if (at == c->end)
		return http1_starve(c);
	if (*at != ':' || at == name)
		return refuse_name(c, name);
	if (at - name > UINT16_MAX)
		return http1_refuse(c, 431, "field name is too long");
	for (value = at + 1; value < c->end && is_blank(*value); value++)
		;
	last = c->at = text_skip_field(value, c->end);
	if (!http1_take_crlf(c))
		return false;
	while (last > value && is_blank(last[-1]))
		last--;
	note(field, name, (size_t)(at - name), value, last);
	return true;
}

static inline void
note_place(struct http1_section *section, struct fields *fields, const struct field *field)
{
	fields_note(fields, field);
	if (field->id != FIELD_OTHER && section->count[field->id]++ == 0)
		section->first[field->id] = (uint16_t)(fields->count - 1);
}

bool
http1_read_section(struct http1_cursor *c, struct fields *fields, struct http1_section *section)
{
	struct field *field;

	memset(section, 0, sizeof(*section));
	while (c->at < c->end && *c->at != '\r') {
		if (fields->count >= c->limits->fields)
			return http1_refuse(c, 431, "too many fields");
		field = fields_append(fields);
		if (field == NULL)
			return http1_refuse(c, 503, "no memory for the fields");
#ifdef TEXT_BLOCKS
		if (c->end - c->at > TEXT_BLOCK && read_plain_field(c, field)) {
			note_place(section, fields, field);
			continue;
		}
#endif
		if (!read_field(c, field))
			return false;
		note_place(section, fields, field);
	}
	return http1_take_crlf(c);
}

void
http1_seal_strings(const struct fields *fields)
{
	for (unsigned i = 0; i < fields->count; i++) {
		/* They lie in the head's own bytes: a colon and a CR or blank give way. */
		((char *)(uintptr_t)fields->list[i].name)[fields->list[i].name_length] = '\0';
		((char *)(uintptr_t)fields->list[i].value)[fields->list[i].value_length] = '\0';
	}
}

static bool
read_length(struct http1_cursor *c, const struct field *field, uint64_t *length)
{
	uint64_t value = 0;

	if (field->value_length == 0)
		return http1_refuse(c, 400, "empty Content-Length");
	for (uint32_t i = 0; i < field->value_length; i++) {
		unsigned char digit = (unsigned char)field->value[i];

		if (!text_is_digit(digit))
			return http1_refuse(c, 400, "Content-Length is not a number");
		if (value > (INT64_MAX - (uint64_t)(digit - '0')) / 10)
			return http1_refuse(c, 400, "Content-Length is too large");
		value = 10 * value + (uint64_t)(digit - '0');
	}
	*length = value;
	return true;
}

bool
http1_read_framing(struct http1_cursor *c, const struct fields *fields, const struct http1_section *section,
	int minor, enum framing *framing, uint64_t *length)
{
	unsigned lengths = section->count[FIELD_CONTENT_LENGTH];
	unsigned codings = section->count[FIELD_TRANSFER_ENCODING];
	const struct field *coding;

	*framing = FRAMING_NONE;
	*length = 0;
	if (lengths == 0 && codings == 0)
		return true;
	if (lengths > 0 && codings > 0)
		return http1_refuse(c, 400, "both Content-Length and Transfer-Encoding");
	if (lengths > 1)
		return http1_refuse(c, 400, "several Content-Length fields");
	if (lengths == 1) {
		*framing = FRAMING_LENGTH;
		return read_length(c, &fields->list[section->first[FIELD_CONTENT_LENGTH]], length);
	}
	if (codings > 1)
		return http1_refuse(c, 400, "several Transfer-Encoding fields");
	if (minor == 0)
		return http1_refuse(c, 400, "Transfer-Encoding in HTTP/1.0");
	coding = &fields->list[section->first[FIELD_TRANSFER_ENCODING]];
	if (coding->value_length != 7 || !text_same_lower(coding->value, "chunked", 7))
		return http1_refuse(c, 400, "Transfer-Encoding is not \"chunked\"");
	*framing = FRAMING_CHUNKED;
	return true;
}

struct http1_connection
http1_read_connection(const struct fields *fields, const struct http1_section *section)
{
	struct http1_connection found = { false, false, false };
	unsigned left = section->count[FIELD_CONNECTION];
	const char *at, *end, *member;
	size_t length;

	for (unsigned i = section->first[FIELD_CONNECTION]; left > 0; i++) {
		if (fields->list[i].id != FIELD_CONNECTION)
			continue;
		left--;
		at = fields->list[i].value;
		end = at + fields->list[i].value_length;
		while (text_next_member(&at, end, &member, &length)) {
			if (length == 5 && text_same_lower(member, "close", 5))
				found.close = true;
			else if (length == 10 && text_same_lower(member, "keep-alive", 10))
				found.keep_alive = true;
			else if (length == 7 && text_same_lower(member, "upgrade", 7))
				found.upgrade = true;
		}
	}
	return found;
}
