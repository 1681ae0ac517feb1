/* SPDX-License-Identifier: Apache-2.0 */
/*
 * routing_table: a whole table of routes or upstreams, read straight into sections.
 *
 * A section is gathered as an overlay has it, in one text, and then copied into memory of its size. Two members of one name are
 * no JSON here (as where the library reads it): the keys of a section are few and compared, the sections' names are hashed.
 */
#include "routing_table.h"

#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "courtesy.h"
#include "overlay.h"

enum { TEXT_ROOM = 1 << 14, KEYS_MOST = 32, DIGITS_MOST = 15, SLOTS_LEAST = 256 };

struct reader {
	const char *at, *end;
	const char *kind;
	struct routing_table *table;
	struct overlay_section **last;		/* of the table */
	struct overlay_section **slots;		/* the table's sections by hash, at most half full */
	size_t slot_count;

	/* The section at hand. */
	uint32_t keys[KEYS_MOST];		/* where in the text */
	unsigned key_count, count;		/* count: of the entries */
	uint32_t size;
	char text[TEXT_ROOM];
};

/* --- the text --------------------------------------------------------------------------------------------- */

/* The next byte that is no blank; NUL at the end. */
static char
peek(struct reader *r)
{
	while (r->at < r->end && (*r->at == ' ' || *r->at == '\n' || *r->at == '\t' || *r->at == '\r'))
		r->at++;
	return r->at < r->end ? *r->at : '\0';
}

static bool
pass(struct reader *r, char c)
{
	if (peek(r) != c)
		return false;
	r->at++;
	return true;
}

/* Behind a member or an item: is there another? Else the bracket is closed, or *good is false. */
static bool
goes_on(struct reader *r, char close, bool *good)
{
	if (pass(r, ','))
		return true;
	*good &= pass(r, close);
	return false;
}

/* A text without escapes, of which the quotes are not part. */
static bool
read_text(struct reader *r, const char **text, size_t *length)
{
	if (!pass(r, '"'))
		return false;
	*text = r->at;
	while (r->at < r->end && *r->at >= ' ' && *r->at <= '~' && *r->at != '"' && *r->at != '\\')
		r->at++;
	*length = (size_t)(r->at - *text);
	return r->at < r->end && *r->at++ == '"';
}

/* A whole number from 0 on, in its one spelling. */
static bool
read_digits(struct reader *r, const char **text, size_t *length)
{
	peek(r);
	*text = r->at;
	while (r->at < r->end && *r->at >= '0' && *r->at <= '9')
		r->at++;
	*length = (size_t)(r->at - *text);
	return *length > 0 && *length <= DIGITS_MOST && (**text != '0' || *length == 1) &&
		r->at < r->end && strchr(",]} \t\r\n", *r->at) != NULL && *r->at != '\0';
}

static bool
read_word(struct reader *r, const char *word)
{
	size_t length = strlen(word);

	if ((size_t)(r->end - r->at) <= length || memcmp(r->at, word, length) != 0)
		return false;
	r->at += length;
	return true;
}

/* --- a section -------------------------------------------------------------------------------------------- */

static bool
append(struct reader *r, const char *text, size_t length)
{
	if (length >= TEXT_ROOM - r->size)
		return false;
	memcpy(r->text + r->size, text, length);
	r->size += (uint32_t)length;
	r->text[r->size++] = '\0';
	return true;
}

/* What is no text is written as section_json does. */
static bool
read_value(struct reader *r, const char *key, size_t key_length)
{
	const char *value = NULL;
	size_t length;
	bool good;

	switch (peek(r)) {
	case '"':
		good = read_text(r, &value, &length);
		break;
	case 't':
		good = read_word(r, "true");
		value = "yes";
		length = 3;
		break;
	case 'f':
		good = read_word(r, "false");
		value = "no";
		length = 2;
		break;
	default:
		good = read_digits(r, &value, &length);
	}
	r->count++;
	return good && append(r, key, key_length) && append(r, value, length);
}

static bool
read_values(struct reader *r, const char *key, size_t key_length)
{
	bool good = true;

	if (!pass(r, '['))
		return read_value(r, key, key_length);
	do
		good = read_value(r, key, key_length);
	while (good && goes_on(r, ']', &good));
	return good;
}

/* Not before in this section; it is appended next. */
static bool
note_key(struct reader *r, const char *key, size_t length)
{
	for (unsigned i = 0; i < r->key_count; i++)
		if (strncmp(r->text + r->keys[i], key, length) == 0 && r->text[r->keys[i] + length] == '\0')
			return false;
	if (r->key_count == KEYS_MOST)
		return false;
	r->keys[r->key_count++] = r->size;
	return true;
}

static bool
read_entries(struct reader *r)
{
	const char *key;
	size_t length;
	bool good = pass(r, '{');

	if (!good || pass(r, '}'))
		return good;
	do
		good = read_text(r, &key, &length) && note_key(r, key, length) && pass(r, ':') &&
			read_values(r, key, length);
	while (good && goes_on(r, '}', &good));
	return good;
}

/* --- the table -------------------------------------------------------------------------------------------- */

/* The slot of the section's name, or the empty one where it would stand. */
static struct overlay_section **
find_slot(struct reader *r, const struct overlay_section *section)
{
	size_t at = section->hash & (r->slot_count - 1);

	while (r->slots[at] != NULL && (r->slots[at]->hash != section->hash ||
			strcmp(overlay_name(r->slots[at]), overlay_name(section)) != 0))
		at = (at + 1) & (r->slot_count - 1);
	return &r->slots[at];
}

static bool
grow(struct reader *r)
{
	size_t count = r->slot_count == 0 ? SLOTS_LEAST : r->slot_count * 2;
	struct overlay_section **slots = calloc(count, sizeof(struct overlay_section *));

	if (slots == NULL)
		return false;
	free(r->slots);
	r->slots = slots;
	r->slot_count = count;
	for (struct overlay_section *s = r->table->first; s != NULL; s = s->next) {
		*find_slot(r, s) = s;
		courtesy_step();
	}
	return true;
}

/* The section at hand becomes the table's last; not, if there is one of its name or it is not plain. */
static bool
add_section(struct reader *r)
{
	struct overlay_section *section = overlay_section_of(r->kind, r->text, r->size, r->count), **slot = NULL;

	if (section != NULL && overlay_section_is_plain(section) && r->table->count < CONFIG_SECTIONS_MOST &&
			(r->table->count < r->slot_count / 2 || grow(r)))
		slot = find_slot(r, section);
	if (slot == NULL || *slot != NULL) {
		overlay_section_free(&section);
		return false;
	}
	*slot = *r->last = section;
	r->last = &section->next;
	r->table->count++;
	courtesy_step();
	return true;
}

static bool
read_section(struct reader *r)
{
	const char *name;
	size_t length;

	r->size = r->key_count = r->count = 0;
	return read_text(r, &name, &length) && append(r, name, length) && pass(r, ':') && read_entries(r) &&
		add_section(r);
}

static bool
read_sections(struct reader *r)
{
	bool good = pass(r, '{');

	if (!good || pass(r, '}'))
		return good;
	do
		good = read_section(r);
	while (good && goes_on(r, '}', &good));
	return good;
}

static bool
read_revision(struct reader *r)
{
	const char *text;
	size_t length;

	if (r->table->has_revision || !read_digits(r, &text, &length))
		return false;
	r->table->has_revision = true;
	r->table->revision = strtoull(text, NULL, 10);
	return true;
}

static bool
read_member(struct reader *r, bool *has_table)
{
	const char *table = r->kind[0] == 'r' ? "routes" : "upstreams", *name;
	size_t length;
	bool is_table;

	if (!read_text(r, &name, &length) || !pass(r, ':'))
		return false;
	is_table = length == strlen(table) && memcmp(name, table, length) == 0;
	if (!is_table)
		return length == strlen("revision") && memcmp(name, "revision", length) == 0 && read_revision(r);
	if (*has_table)
		return false;
	*has_table = true;
	return read_sections(r);
}

static bool
read_document(struct reader *r)
{
	bool has_table = false, good = pass(r, '{');

	if (!good)
		return false;
	do
		good = read_member(r, &has_table);
	while (good && goes_on(r, '}', &good));
	return good && has_table && peek(r) == '\0' && r->at == r->end;
}

struct routing_table *
routing_table_read(const char *kind, const char *text, size_t length)
{
	struct reader *r = calloc(1, sizeof(*r));
	struct routing_table *table = calloc(1, sizeof(*table));

	if (r != NULL && table != NULL) {
		*r = (struct reader){ .at = text, .end = text + length, .kind = kind, .table = table, .last = &table->first };
		if (!read_document(r))
			routing_table_free(&table);
		free(r->slots);
	} else {
		routing_table_free(&table);
	}
	free(r);
	return table;
}

void
routing_table_free(struct routing_table **table)
{
	struct overlay_section *section;

	if (*table == NULL)
		return;
	while ((section = (*table)->first) != NULL) {
		(*table)->first = section->next;
		overlay_section_free(&section);
		courtesy_step();
	}
	free(*table);
	*table = NULL;
}
