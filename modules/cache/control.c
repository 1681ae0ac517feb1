/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control: directives for caches.
 *
 * A table says what each directive does to the struct, for both kinds of fields.
 */
#include "control.h"
#include "structured.h"

#include <string.h>
#include <strings.h>

enum kind {
	FLAG,			/* set a bool */
	LIFETIME,		/* the smaller of two; what is no number is 0 */
	DEMAND,			/* the larger of two; what is no number is the most */
	OPTIONAL,		/* a lifetime whose value may be left out: then all is allowed */
	NAMES			/* a bool, or with a value a list of names */
};

static const struct directive {
	const char *name;
	enum kind kind;
	size_t offset;
} directives[] = {
	{ "immutable", FLAG, offsetof(struct cache_control, immutable) },
	{ "max-age", LIFETIME, offsetof(struct cache_control, max_age) },
	{ "max-stale", OPTIONAL, offsetof(struct cache_control, max_stale) },
	{ "min-fresh", DEMAND, offsetof(struct cache_control, min_fresh) },
	{ "must-revalidate", FLAG, offsetof(struct cache_control, must_revalidate) },
	{ "must-understand", FLAG, offsetof(struct cache_control, must_understand) },
	{ "no-cache", NAMES, offsetof(struct cache_control, no_cache) },
	{ "no-store", FLAG, offsetof(struct cache_control, no_store) },
	{ "no-transform", FLAG, offsetof(struct cache_control, no_transform) },
	{ "only-if-cached", FLAG, offsetof(struct cache_control, only_if_cached) },
	{ "private", NAMES, offsetof(struct cache_control, is_private) },
	{ "proxy-revalidate", FLAG, offsetof(struct cache_control, proxy_revalidate) },
	{ "public", FLAG, offsetof(struct cache_control, is_public) },
	{ "s-maxage", LIFETIME, offsetof(struct cache_control, s_maxage) },
	{ "stale-if-error", LIFETIME, offsetof(struct cache_control, if_error) },
	{ "stale-while-revalidate", LIFETIME, offsetof(struct cache_control, while_revalidate) },
};

void
cache_control_init(struct cache_control *control)
{
	memset(control, 0, sizeof(*control));
	control->max_age = control->s_maxage = control->max_stale = control->min_fresh = -1;
	control->while_revalidate = control->if_error = -1;
}

int64_t
cache_delta_parse(const char *text, size_t length)
{
	int64_t value = 0;

	if (length == 0)
		return -1;
	for (size_t i = 0; i < length; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -1;
		value = value * 10 + (text[i] - '0');
		if (value > CACHE_DELTA_MOST)
			value = CACHE_DELTA_MOST;
	}
	return value;
}

static bool
is_token(unsigned char c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
		(c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool
is_space(char c)
{
	return c == ' ' || c == '\t';
}

bool
cache_names_has(const struct cache_names *names, const char *name, size_t length)
{
	const char *at = names->text, *end = names->text + names->length;

	while (end - at > (ptrdiff_t)length + 1) {
		const char *comma = memchr(at + 1, ',', (size_t)(end - at - 1));

		if ((size_t)(comma - at - 1) == length && strncasecmp(at + 1, name, length) == 0)
			return true;
		at = comma;
	}
	return false;
}

static bool
add_name(struct cache_names *names, const char *name, size_t length)
{
	size_t comma = names->length == 0;

	if (names->length + comma + length + 1 > CACHE_NAMES_MOST)
		return false;
	if (comma)
		names->text[names->length++] = ',';
	for (size_t i = 0; i < length; i++) {
		char c = name[i];

		names->text[names->length++] = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
	}
	names->text[names->length++] = ',';
	return true;
}

/* "Set-Cookie, X-User": false when it is no list of names, or too long. Then the whole response is meant. */
static bool
add_names(struct cache_names *names, const char *text, size_t length)
{
	const char *at = text, *end = text + length, *name;
	bool any = false;

	while (at < end) {
		if (is_space(*at) || *at == ',') {
			at++;
			continue;
		}
		for (name = at; at < end && is_token((unsigned char)*at); at++)
			;
		if (at == name || (at < end && !is_space(*at) && *at != ',') ||
			!add_name(names, name, (size_t)(at - name)))
			return false;
		any = true;
	}
	return any;
}

static void
lower(int64_t *value, int64_t to)
{
	if (*value < 0 || to < *value)
		*value = to;
}

/* What a directive says: with a value of so many bytes (NULL: none), and its number, -1 when it is none. */
static void
obey(struct cache_control *control, const struct directive *d, const char *value, size_t length, int64_t number)
{
	void *target = (char *)control + d->offset;
	int64_t *seconds = target;
	bool *flag = target;

	switch (d->kind) {
	case FLAG:
		*flag = true;
		break;
	case LIFETIME:
		lower(seconds, number >= 0 ? number : 0);
		break;
	case DEMAND:
		if (number < 0)
			number = CACHE_DELTA_MOST;
		*seconds = number > *seconds ? number : *seconds;
		break;
	case OPTIONAL:
		lower(seconds, value == NULL ? INT64_MAX : number >= 0 ? number : 0);
		break;
	case NAMES:
		if (value == NULL || !add_names(&control->unnamed, value, length))
			*flag = true;
		break;
	}
}

static const struct directive *
find_directive(const char *name, size_t length)
{
	for (size_t i = 0; i < sizeof(directives) / sizeof(*directives); i++)
		if (strlen(directives[i].name) == length && strncasecmp(directives[i].name, name, length) == 0)
			return &directives[i];
	return NULL;
}

/* --- Cache-Control -------------------------------------------------------------------------------------- */

/* A quoted string from its first quote; its end, behind the last, or NULL when there is none: nobody knows
 * then what the rest was to mean. */
static const char *
skip_quoted(const char *at, const char *end)
{
	for (at++; at < end; at++) {
		if (*at == '"')
			return at + 1;
		if (*at == '\\')
			at++;
	}
	return NULL;
}

/* The value behind "=": token or quoted string; returns what follows, NULL when a quote never ends. */
static const char *
read_value(const char *at, const char *end, const char **value, size_t *length)
{
	const char *start = at;

	if (at < end && *at == '"') {
		at = skip_quoted(start, end);
		*value = start + 1;
		*length = at != NULL ? (size_t)(at - start - 2) : 0;
		return at;
	}
	while (at < end && *at != ',' && !is_space(*at))
		at++;
	*value = start;
	*length = (size_t)(at - start);
	return at;
}

/* On to the next comma that stands outside of quotes. */
static const char *
skip_rest(const char *at, const char *end)
{
	while (at != NULL && at < end && *at != ',')
		at = *at == '"' ? skip_quoted(at, end) : at + 1;
	return at;
}

void
cache_control_parse(struct cache_control *control, const char *text, size_t size)
{
	const char *at = text, *end = text + size, *name, *value;
	const struct directive *directive;
	size_t length, name_length;

	control->present = true;
	while (at != NULL && at < end) {
		if (is_space(*at) || *at == ',') {
			at++;
			continue;
		}
		for (name = at; at < end && is_token((unsigned char)*at); at++)
			;
		name_length = (size_t)(at - name);
		value = NULL;
		length = 0;
		if (at < end && *at == '=')
			at = read_value(at + 1, end, &value, &length);
		directive = find_directive(name, name_length);
		if (directive != NULL)
			obey(control, directive, value, length,
				value != NULL ? cache_delta_parse(value, length) : -1);
		at = skip_rest(at, end);
	}
	if (at == NULL)
		control->no_store = true;
}

/* --- targeted fields ------------------------------------------------------------------------------------ */

/* A later member of the same name stands in place of an earlier one (RFC 9651, 3.2), and one of a type
 * that the directive does not have is as if it were not there. */
static void
obey_member(void *argument, const struct structured_member *m)
{
	struct cache_control *control = argument;
	const struct directive *d = find_directive(m->key, m->key_length);
	bool number = m->type == STRUCTURED_INTEGER && m->integer >= 0;
	void *target;

	if (d == NULL)
		return;
	target = (char *)control + d->offset;
	if (d->kind == FLAG || (d->kind == NAMES && m->type != STRUCTURED_STRING)) {
		*(bool *)target = m->type == STRUCTURED_TRUE;
	} else if (d->kind == NAMES) {
		obey(control, d, m->string, m->string_length, -1);
	} else {
		*(int64_t *)target = -1;
		if (number)
			obey(control, d, "", 0, m->integer < CACHE_DELTA_MOST ? m->integer : CACHE_DELTA_MOST);
	}
}

bool
cache_control_parse_targeted(struct cache_control *control, const char *value, size_t length)
{
	size_t count;

	if (!cache_structured_dictionary(value, length, NULL, NULL, &count) || count == 0)
		return false;
	control->present = true;
	return cache_structured_dictionary(value, length, obey_member, control, NULL);
}
