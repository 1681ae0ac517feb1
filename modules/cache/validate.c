/* SPDX-License-Identifier: Apache-2.0 */
/*
 * validate: entity tags, conditions, and the merge of heads.
 */
#include "validate.h"

#include "date.h"

#include <string.h>
#include <strings.h>

static bool
is_weak(const char *etag, size_t length)
{
	return length >= 2 && etag[0] == 'W' && etag[1] == '/';
}

bool
cache_etag_is_valid(const char *etag, size_t length)
{
	if (is_weak(etag, length)) {
		etag += 2;
		length -= 2;
	}
	if (length < 2 || etag[0] != '"' || etag[length - 1] != '"')
		return false;
	for (size_t i = 1; i < length - 1; i++) {
		unsigned char c = (unsigned char)etag[i];

		if (c <= 0x20 || c == '"' || c == 0x7f)
			return false;
	}
	return true;
}

bool
cache_etag_is_same(const char *a, size_t a_length, const char *b, size_t b_length)
{
	return a_length == b_length && memcmp(a, b, a_length) == 0 && !is_weak(a, a_length);
}

bool
cache_etag_is_like(const char *a, size_t a_length, const char *b, size_t b_length)
{
	size_t skip_a = is_weak(a, a_length) ? 2 : 0, skip_b = is_weak(b, b_length) ? 2 : 0;

	return a_length - skip_a == b_length - skip_b && memcmp(a + skip_a, b + skip_b, a_length - skip_a) == 0;
}

/* The next entity tag of a list, which is not a list of tokens: a tag may hold commas. False: at the end,
 * or malformed. */
static bool
next_etag(const char **at, const char *end, const char **etag, size_t *length)
{
	const char *start, *quote;

	while (*at < end && (**at == ' ' || **at == '\t' || **at == ','))
		++*at;
	start = *at;
	quote = start + (is_weak(start, (size_t)(end - start)) ? 2 : 0);
	if (quote >= end || *quote != '"')
		return false;
	quote = memchr(quote + 1, '"', (size_t)(end - quote - 1));
	if (quote == NULL)
		return false;
	*etag = start;
	*length = (size_t)(quote + 1 - start);
	*at = quote + 1;
	return true;
}

static bool
matches_any(const struct cache_text *list, const char *etag)
{
	const char *at = list->at, *end = at + list->length, *one;
	size_t length;

	if (list->length == 1 && *at == '*')
		return true;
	if (etag == NULL)
		return false;
	while (next_etag(&at, end, &one, &length))
		if (cache_etag_is_like(one, length, etag, strlen(etag)))
			return true;
	return false;
}

/* If-Modified-Since is left out of account where there is If-None-Match (RFC 9110, 13.1.3). Without
 * Last-Modified the cache compares with Date (RFC 9111, 4.3.2). */
bool
cache_is_not_modified(const struct cache_request *request, const struct cache_validators *stored, int64_t now)
{
	int64_t since;

	if (request->if_none_match.at != NULL)
		return matches_any(&request->if_none_match, stored->etag);
	if (request->if_modified_since.at == NULL)
		return false;
	since = cache_date_parse(request->if_modified_since.at, request->if_modified_since.length, now);
	if (since < 0 || since > now)
		return false;
	if (stored->modified >= 0)
		return stored->modified <= since;
	return stored->date >= 0 && stored->date <= since;
}

/* A date is a strong validator only if the representation cannot have changed twice within it: Date is a
 * minute later (RFC 9110, 8.8.2.2 has a second where the clock is known to be the same, which it is not
 * here). */
#define STRONG_AFTER 60

bool
cache_if_range_holds(const struct cache_request *request, const struct cache_validators *stored, int64_t now)
{
	const struct cache_text *range = &request->if_range;
	int64_t date;

	if (range->at == NULL)
		return true;
	if (cache_etag_is_valid(range->at, range->length))
		return stored->etag != NULL &&
			cache_etag_is_same(range->at, range->length, stored->etag, strlen(stored->etag));
	date = cache_date_parse(range->at, range->length, now);
	return date >= 0 && date == stored->modified && stored->date >= stored->modified + STRONG_AFTER;
}

/* A strong tag must be the same; a weak one, or a date, like it; and where the 304 has no validator, the
 * one that was asked about is meant. */
bool
cache_is_selected(const struct cache_validators *stored, const struct cache_response *fresh)
{
	const struct cache_text *etag = &fresh->etag;

	if (etag->at != NULL && stored->etag == NULL)
		return false;
	if (etag->at != NULL && is_weak(etag->at, etag->length))
		return cache_etag_is_like(etag->at, etag->length, stored->etag, strlen(stored->etag));
	if (etag->at != NULL)
		return cache_etag_is_same(etag->at, etag->length, stored->etag, strlen(stored->etag));
	if (fresh->modified >= 0 && stored->modified >= 0)
		return fresh->modified == stored->modified;
	return true;
}

/* --- heads ---------------------------------------------------------------------------------------------- */

/* The line at *at, without its end; false when there is no other. */
static bool
next_line(const char **at, const char *end, const char **line, size_t *length, size_t *name_length)
{
	const char *feed = *at < end ? memchr(*at, '\n', (size_t)(end - *at)) : NULL, *colon;

	if (feed == NULL)
		return false;
	*line = *at;
	*length = (size_t)(feed + 1 - *at);
	colon = memchr(*line, ':', *length);
	*name_length = colon != NULL ? (size_t)(colon - *line) : 0;
	*at = feed + 1;
	return true;
}

static bool
has_name(const char *lines, size_t size, const char *name, size_t length)
{
	const char *at = lines, *end = lines + size, *line;
	size_t line_length, name_length;

	while (next_line(&at, end, &line, &line_length, &name_length))
		if (name_length == length && strncasecmp(line, name, length) == 0)
			return true;
	return false;
}

/* What tells of the body that is stored (RFC 9111, 3.2). */
static bool
is_of_body(const char *name, size_t length)
{
	static const char *const names[] = { "Content-Encoding", "Content-Length", "Content-Range", "Content-Type" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (strlen(names[i]) == length && strncasecmp(names[i], name, length) == 0)
			return true;
	return false;
}

static bool
put(char **to, const char *end, const char *line, size_t length)
{
	if ((size_t)(end - *to) < length)
		return false;
	memcpy(*to, line, length);
	*to += length;
	return true;
}

size_t
cache_merge_lines(char *to, size_t room, const char *stored, size_t stored_length, const char *fresh,
	size_t fresh_length)
{
	const char *start = to, *end = to + room, *at, *line;
	size_t length, name;

	for (at = stored; next_line(&at, stored + stored_length, &line, &length, &name); )
		if (is_of_body(line, name) || !has_name(fresh, fresh_length, line, name))
			if (!put(&to, end, line, length))
				return SIZE_MAX;
	for (at = fresh; next_line(&at, fresh + fresh_length, &line, &length, &name); )
		if (!is_of_body(line, name) && !put(&to, end, line, length))
			return SIZE_MAX;
	return (size_t)(to - start);
}
