/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vary: which of the responses to one key suits a request.
 *
 * A variant reads "accept-encoding=br,gzip" LF "cookie" LF: a field that is there with what it says, and one
 * that is not.
 */
#include "vary.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MEMBERS_MOST 32			/* of a list that is put in order; a longer one keeps its own */

static bool
is_space(char c)
{
	return c == ' ' || c == '\t';
}

static bool
is_token(char c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
		(c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/* --- Vary ----------------------------------------------------------------------------------------------- */

static bool
add_name(struct cache_names *names, unsigned *count, const char *name, size_t length)
{
	size_t comma = names->length == 0;

	if (cache_names_has(names, name, length))
		return true;
	if (names->length + comma + length + 1 > CACHE_NAMES_MOST - 1)
		return false;
	if (comma)
		names->text[names->length++] = ',';
	for (size_t i = 0; i < length; i++)
		names->text[names->length++] = lower(name[i]);
	names->text[names->length++] = ',';
	++*count;
	return true;
}

bool
cache_vary_add(struct cache_names *names, unsigned *count, const char *value, size_t size)
{
	const char *at = value, *end = value + size, *name;

	while (at < end) {
		if (is_space(*at) || *at == ',') {
			at++;
			continue;
		}
		for (name = at; at < end && is_token(*at); at++)
			;
		if (at == name || (at == name + 1 && *name == '*') || (at < end && !is_space(*at) && *at != ','))
			return false;
		if (!add_name(names, count, name, (size_t)(at - name)))
			return false;
	}
	return true;
}

struct piece {
	const char *at;
	size_t length;
};

static int
compare(const void *a, const void *b)
{
	const struct piece *x = a, *y = b;
	size_t shorter = x->length < y->length ? x->length : y->length;
	int order = memcmp(x->at, y->at, shorter);

	return order != 0 ? order : (x->length > y->length) - (x->length < y->length);
}

/* Split at commas; false when there are more than fit. */
static bool
split(const char *text, size_t size, struct piece *pieces, size_t most, size_t *count)
{
	const char *at = text, *end = text + size;

	for (*count = 0; at < end; ) {
		const char *comma = memchr(at, ',', (size_t)(end - at));
		size_t length = (size_t)((comma != NULL ? comma : end) - at);

		if (length > 0 && *count == most)
			return false;
		if (length > 0)
			pieces[(*count)++] = (struct piece){ at, length };
		at += length + 1;
	}
	return true;
}

void
cache_vary_write(const struct cache_names *names, char *to)
{
	struct piece pieces[CACHE_NAMES_MOST / 2];
	size_t count;

	split(names->text, names->length, pieces, CACHE_NAMES_MOST / 2, &count);
	qsort(pieces, count, sizeof(*pieces), compare);
	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			*to++ = ',';
		memcpy(to, pieces[i].at, pieces[i].length);
		to += pieces[i].length;
	}
	*to = '\0';
}

/* --- variants ------------------------------------------------------------------------------------------- */

struct writer {
	char *start, *at, *end;
	bool full;
};

static void
put(struct writer *w, const char *text, size_t length)
{
	if ((size_t)(w->end - w->at) < length) {
		w->full = true;
		return;
	}
	memcpy(w->at, text, length);
	w->at += length;
}

/* All values of a field, joined; false when it is not there. */
static bool
put_values(struct writer *w, cache_field_reader *read, void *argument, const char *name)
{
	unsigned position = 0, count = 0;
	const char *value;

	while (!w->full && (value = read(argument, name, &position)) != NULL) {
		put(w, ",", count++ > 0);
		put(w, value, strlen(value));
	}
	return count > 0;
}

/* A weight of 1 at the end means what none means. */
static size_t
without_full_weight(const char *member, size_t length)
{
	static const char *const ones[] = { ";q=1.000", ";q=1.00", ";q=1.0", ";q=1.", ";q=1" };

	for (size_t i = 0; i < sizeof(ones) / sizeof(*ones); ) {
		size_t one = strlen(ones[i]);

		if (length > one && memcmp(member + length - one, ones[i], one) == 0) {
			length -= one;
			i = 0;
		} else {
			i++;
		}
	}
	return length;
}

/* In lower case, without white space around commas and semicolons, and without weights of 1. In place;
 * returns the new length. */
static size_t
normalise(char *text, size_t length)
{
	char *to = text, *member = text;

	for (size_t i = 0; i < length; i++) {
		char c = text[i];

		if (is_space(c)) {
			while (i + 1 < length && is_space(text[i + 1]))
				i++;
			if (to == text || to[-1] == ',' || to[-1] == ';' || i + 1 == length ||
				text[i + 1] == ',' || text[i + 1] == ';')
				continue;
			c = ' ';
		} else if (c == ',') {
			to = member + without_full_weight(member, (size_t)(to - member));
			member = to + 1;
		}
		*to++ = lower(c);
	}
	return (size_t)(member - text) + without_full_weight(member, (size_t)(to - member));
}

/* Put the members of a list in order, each once; but leave one alone that has quoted strings, in which all
 * counts. */
static void
put_in_order(struct writer *w, char *list, size_t length)
{
	struct piece pieces[MEMBERS_MOST];
	char copy[CACHE_VARIANT_MOST];
	size_t count;

	if (memchr(list, '"', length) != NULL)
		return;
	length = normalise(list, length);
	w->at = list + length;
	if (length > sizeof(copy))
		return;
	memcpy(copy, list, length);
	if (!split(copy, length, pieces, MEMBERS_MOST, &count))
		return;
	qsort(pieces, count, sizeof(*pieces), compare);
	w->at = list;
	for (size_t i = 0; i < count; i++) {
		if (i > 0 && compare(&pieces[i - 1], &pieces[i]) == 0)
			continue;
		put(w, ",", i > 0);
		put(w, pieces[i].at, pieces[i].length);
	}
}

/* Does a member of Accept-Encoding allow its coding: is its weight above 0? */
static bool
is_wanted(const struct piece *member, size_t name)
{
	const char *weight = member->at + name, *end = member->at + member->length;

	if (end - weight < 4 || memcmp(weight, ";q=0", 4) != 0)
		return true;
	for (weight += 4; weight < end; weight++)
		if (*weight >= '1' && *weight <= '9')
			return true;
	return false;
}

/* What normalised members say of a coding: 1 wanted, 0 not wanted, -1 nothing. */
static int
says_of(const struct piece *members, size_t count, const char *coding, size_t length)
{
	for (size_t i = 0; i < count; i++) {
		const char *semicolon = memchr(members[i].at, ';', members[i].length);
		size_t name = semicolon != NULL ? (size_t)(semicolon - members[i].at) : members[i].length;

		if (name == length && memcmp(members[i].at, coding, length) == 0)
			return is_wanted(&members[i], name);
	}
	return -1;
}

size_t
cache_vary_coding(const char *accept_encoding, const char *codings, const char **coding)
{
	struct piece members[MEMBERS_MOST];
	char text[1024];
	size_t length = accept_encoding != NULL ? strlen(accept_encoding) : 0, count;

	if (length > 0 && length <= sizeof(text)) {
		memcpy(text, accept_encoding, length);
		length = normalise(text, length);
		split(text, length, members, MEMBERS_MOST, &count);
		while (*codings != '\0') {
			size_t one = strcspn(codings, " ");
			int said = says_of(members, count, codings, one);

			if (one > 0 && (said > 0 || (said < 0 && says_of(members, count, "*", 1) > 0))) {
				*coding = codings;
				return one;
			}
			codings += one + (codings[one] == ' ');
		}
	}
	*coding = "identity";
	return strlen("identity");
}

static bool
is_list(const char *name)
{
	return strcmp(name, "accept") == 0 || strcmp(name, "accept-encoding") == 0 ||
		strcmp(name, "accept-language") == 0 || strcmp(name, "accept-charset") == 0;
}

/* One field of the variant, where w->at stands. */
static void
put_field(struct writer *w, const char *name, cache_field_reader *read, void *argument, const char *codings)
{
	char *value;
	const char *coding;
	size_t length;
	bool there;

	put(w, name, strlen(name));
	put(w, "=", 1);
	value = w->at;
	there = put_values(w, read, argument, name);
	if (w->full)
		return;
	if (codings != NULL && strcmp(name, "accept-encoding") == 0) {
		put(w, "", 1);
		if (w->full)
			return;
		length = cache_vary_coding(there ? value : NULL, codings, &coding);
		w->at = value;
		put(w, coding, length);
	} else if (!there) {
		w->at = value - 1;
	} else if (is_list(name)) {
		put_in_order(w, value, (size_t)(w->at - value));
	}
	put(w, "\n", 1);
}

size_t
cache_vary_variant(char *to, size_t room, const char *names, cache_field_reader *read, void *argument,
	const char *codings)
{
	struct writer w = {
		.start = to, .at = to, .end = to + (room < CACHE_VARIANT_MOST ? room : CACHE_VARIANT_MOST)
	};
	char name[CACHE_NAMES_MOST];

	while (*names != '\0' && !w.full) {
		size_t length = strcspn(names, ",");

		if (length >= sizeof(name))
			return 0;
		memcpy(name, names, length);
		name[length] = '\0';
		put_field(&w, name, read, argument, codings);
		names += length + (names[length] == ',');
	}
	return w.full ? 0 : (size_t)(w.at - to);
}
