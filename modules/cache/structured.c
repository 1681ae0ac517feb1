/* SPDX-License-Identifier: Apache-2.0 */
/*
 * structured: dictionaries of structured fields, by the parser of RFC 9651, 4.2.
 */
#include "structured.h"

#include <string.h>

struct reader {
	const char *at, *end;
};

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_lower(char c)
{
	return c >= 'a' && c <= 'z';
}

static bool
is_alpha(char c)
{
	return is_lower(c) || (c >= 'A' && c <= 'Z');
}

static bool
next_is(const struct reader *r, char c)
{
	return r->at < r->end && *r->at == c;
}

static bool
skip(struct reader *r, char c)
{
	if (!next_is(r, c))
		return false;
	r->at++;
	return true;
}

static void
skip_spaces(struct reader *r, bool tabs)
{
	while (next_is(r, ' ') || (tabs && next_is(r, '\t')))
		r->at++;
}

/* RFC 9651, 4.2.3.3 */
static bool
read_key(struct reader *r, const char **key, size_t *length)
{
	*key = r->at;
	if (r->at == r->end || !(is_lower(*r->at) || *r->at == '*'))
		return false;
	while (r->at < r->end && (is_lower(*r->at) || is_digit(*r->at) || memchr("_-.*", *r->at, 4) != NULL))
		r->at++;
	*length = (size_t)(r->at - *key);
	return true;
}

/* 4.2.4: up to fifteen digits; of decimals, twelve before the point and three behind. */
static bool
read_number(struct reader *r, struct structured_member *m)
{
	bool negative = skip(r, '-');
	unsigned digits = 0, decimals = 0;

	m->type = STRUCTURED_INTEGER;
	m->integer = 0;
	for (; r->at < r->end && is_digit(*r->at) && digits <= 15; digits++)
		m->integer = m->integer * 10 + (*r->at++ - '0');
	if (negative)
		m->integer = -m->integer;
	if (digits == 0 || digits > 15)
		return false;
	if (!skip(r, '.'))
		return true;
	m->type = STRUCTURED_OTHER;
	for (; r->at < r->end && is_digit(*r->at) && decimals <= 3; decimals++)
		r->at++;
	return digits <= 12 && decimals > 0 && decimals <= 3;
}

/* 4.2.5 */
static bool
read_string(struct reader *r, struct structured_member *m)
{
	m->type = STRUCTURED_STRING;
	m->string = ++r->at;
	while (r->at < r->end) {
		char c = *r->at++;

		if (c == '"') {
			m->string_length = (size_t)(r->at - 1 - m->string);
			return true;
		}
		if (c == '\\') {
			if (!next_is(r, '"') && !next_is(r, '\\'))
				return false;
			r->at++;
		} else if (c < 0x20 || c >= 0x7f) {
			return false;
		}
	}
	return false;
}

/* 4.2.6 */
static bool
read_token(struct reader *r, struct structured_member *m)
{
	m->type = STRUCTURED_OTHER;
	while (r->at < r->end && *r->at != '\0' &&
		(is_alpha(*r->at) || is_digit(*r->at) || strchr(":/!#$%&'*+-.^_`|~", *r->at) != NULL))
		r->at++;
	return true;
}

/* 4.2.7; whether it decodes is of no interest here. */
static bool
read_bytes(struct reader *r, struct structured_member *m)
{
	m->type = STRUCTURED_OTHER;
	for (r->at++; r->at < r->end; r->at++) {
		if (skip(r, ':'))
			return true;
		if (!is_alpha(*r->at) && !is_digit(*r->at) && memchr("+/=", *r->at, 3) == NULL)
			return false;
	}
	return false;
}

/* 4.2.8 */
static bool
read_boolean(struct reader *r, struct structured_member *m)
{
	r->at++;
	m->type = next_is(r, '1') ? STRUCTURED_TRUE : STRUCTURED_FALSE;
	return skip(r, '1') || skip(r, '0');
}

/* 4.2.9 */
static bool
read_date(struct reader *r, struct structured_member *m)
{
	r->at++;
	if (!read_number(r, m) || m->type != STRUCTURED_INTEGER)
		return false;
	m->type = STRUCTURED_OTHER;
	return true;
}

static bool
read_bare(struct reader *r, struct structured_member *m)
{
	if (r->at == r->end)
		return false;
	if (is_digit(*r->at) || *r->at == '-')
		return read_number(r, m);
	if (is_alpha(*r->at) || *r->at == '*')
		return read_token(r, m);
	switch (*r->at) {
	case '"':
		return read_string(r, m);
	case ':':
		return read_bytes(r, m);
	case '?':
		return read_boolean(r, m);
	case '@':
		return read_date(r, m);
	default:
		return false;
	}
}

/* 4.2.3.2 */
static bool
read_parameters(struct reader *r)
{
	struct structured_member unused;
	const char *key;
	size_t length;

	while (skip(r, ';')) {
		skip_spaces(r, false);
		if (!read_key(r, &key, &length) || (skip(r, '=') && !read_bare(r, &unused)))
			return false;
	}
	return true;
}

/* 4.2.1.2 */
static bool
read_inner_list(struct reader *r, struct structured_member *m)
{
	struct structured_member unused;

	r->at++;
	for (;;) {
		skip_spaces(r, false);
		if (skip(r, ')'))
			break;
		if (!read_bare(r, &unused) || !read_parameters(r) || !(next_is(r, ' ') || next_is(r, ')')))
			return false;
	}
	m->type = STRUCTURED_OTHER;
	return true;
}

static bool
read_member(struct reader *r, struct structured_member *m)
{
	memset(m, 0, sizeof(*m));
	if (!read_key(r, &m->key, &m->key_length))
		return false;
	if (skip(r, '=')) {
		if (!(next_is(r, '(') ? read_inner_list(r, m) : read_bare(r, m)))
			return false;
	}
	return read_parameters(r);
}

/* 4.2.2 */
static bool
read_dictionary(struct reader r, void (*each)(void *argument, const struct structured_member *),
	void *argument, size_t *count)
{
	struct structured_member member;

	*count = 0;
	skip_spaces(&r, false);
	while (r.end > r.at && r.end[-1] == ' ')
		r.end--;
	while (r.at < r.end) {
		if (!read_member(&r, &member))
			return false;
		++*count;
		if (each != NULL)
			each(argument, &member);
		skip_spaces(&r, true);
		if (r.at == r.end)
			return true;
		if (!skip(&r, ','))
			return false;
		skip_spaces(&r, true);
		if (r.at == r.end)
			return false;	/* a comma behind the last */
	}
	return true;
}

bool
cache_structured_dictionary(const char *text, size_t length,
	void (*each)(void *argument, const struct structured_member *), void *argument, size_t *count)
{
	struct reader r = { .at = text, .end = text + length };
	size_t ignored;

	if (!read_dictionary(r, NULL, NULL, count != NULL ? count : &ignored))
		return false;
	return each == NULL || read_dictionary(r, each, argument, &ignored);
}
