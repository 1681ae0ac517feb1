/* SPDX-License-Identifier: Apache-2.0 */
/*
 * object: what the cache holds under a name.
 *
 * An object is one block: the struct, its tags, its fields, and all texts. Its body is another, which holds
 * the first segment as well: a small response is two blocks.
 */
#include "memory.h"
#include "object.h"
#include "store.h"

#include <string.h>
#include <strings.h>

#define FIRST_SEGMENT ((size_t)2048)	/* of a body that does not say how long it will be */

static bool
is_separator(char c)
{
	return c == ' ' || c == ',' || c == '\t';
}

/* The next tag in a list; false at its end. */
static bool
next_tag(const char **at, const char **tag, size_t *length)
{
	while (is_separator(**at))
		++*at;
	*tag = *at;
	while (**at != '\0' && !is_separator(**at))
		++*at;
	*length = (size_t)(*at - *tag);
	return *length > 0;
}

/* How many there are, and the bytes of all. */
static uint32_t
count_tags(const char *tags, size_t *bytes)
{
	const char *tag;
	uint32_t count = 0;
	size_t length;

	for (*bytes = 0; tags != NULL && count < CACHE_TAGS_MOST && next_tag(&tags, &tag, &length); count++)
		*bytes += length;
	return count;
}

/* The next line as "Name: value" CRLF; false at the end, or when it is none (*at stays). */
static bool
next_field(const char *lines, size_t length, size_t *at, struct cache_field *field)
{
	const char *line = lines + *at, *end, *colon;

	if (*at >= length)
		return false;
	end = memchr(line, '\r', length - *at);
	if (end == NULL || end + 1 >= lines + length || end[1] != '\n')
		return false;
	colon = memchr(line, ':', (size_t)(end - line));
	if (colon == NULL || colon == line || colon + 1 >= end || colon[1] != ' ')
		return false;
	field->name = (uint16_t)*at;
	field->name_length = (uint16_t)(colon - line);
	field->value = (uint16_t)(colon + 2 - lines);
	field->value_length = (uint16_t)(end - colon - 2);
	*at = (size_t)(end + 2 - lines);
	return true;
}

/* How many lines there are; false when one is malformed or they are too many. */
static bool
count_fields(const char *lines, size_t length, uint32_t *count)
{
	struct cache_field field;
	size_t at = 0;

	for (*count = 0; next_field(lines, length, &at, &field); ++*count)
		if (*count == CACHE_FIELDS_MOST)
			return false;
	return at == length;
}

static const char *
copy(char **to, const char *text, size_t length)
{
	char *start = *to;

	if (length > 0)
		memcpy(start, text, length);
	*to += length;
	return start;
}

static const char *
copy_text(char **to, const char *text)
{
	return text != NULL ? copy(to, text, strlen(text) + 1) : NULL;
}

static size_t
text_size(const char *text)
{
	return text != NULL ? strlen(text) + 1 : 0;
}

static void
fill_tags(struct cache_object *object, const char *tags, char **to)
{
	const char *tag;
	size_t length;

	for (uint32_t i = 0; i < object->tag_count && next_tag(&tags, &tag, &length); i++) {
		object->tags[i].object = object;
		object->tags[i].length = (uint32_t)length;
		object->tags[i].text = copy(to, tag, length);
	}
}

static void
fill(struct cache_object *object, const struct cache_draft *draft)
{
	struct cache_field *fields;
	size_t at = 0;
	char *to;

	object->name = draft->name;
	object->kind = draft->kind;
	object->status = draft->status;
	object->fresh = draft->fresh;
	object->date = draft->date;
	object->modified = draft->modified;
	object->epoch = draft->epoch;
	object->tags = (struct cache_tag *)(object + 1);
	object->fields = fields = (struct cache_field *)(object->tags + object->tag_count);
	to = (char *)(fields + object->field_count);
	object->name.key = copy(&to, draft->name.key, draft->name.key_length);
	object->name.variant = copy(&to, draft->name.variant, draft->name.variant_length);
	object->etag = copy_text(&to, draft->etag);
	object->vary = copy_text(&to, draft->vary);
	object->lines = copy(&to, draft->lines, draft->lines_length);
	object->lines_length = (uint32_t)draft->lines_length;
	fill_tags(object, draft->tags, &to);
	for (uint32_t i = 0; i < object->field_count; i++)
		next_field(draft->lines, draft->lines_length, &at, &fields[i]);
}

static struct cache_object *
new_head(struct cache_store *store, const struct cache_draft *draft)
{
	size_t tag_bytes, texts, size;
	uint32_t field_count, tag_count = count_tags(draft->tags, &tag_bytes);
	struct cache_object *object;

	texts = (size_t)draft->name.key_length + draft->name.variant_length + text_size(draft->etag) +
		text_size(draft->vary) + draft->lines_length + tag_bytes;
	if (texts > CACHE_HEAD_MOST || !count_fields(draft->lines, draft->lines_length, &field_count))
		return NULL;
	size = sizeof(*object) + tag_count * sizeof(struct cache_tag) +
		field_count * sizeof(struct cache_field) + texts;
	object = cache_store_take(store, NULL, size, size, NULL);
	if (object == NULL)
		return NULL;
	memset(object, 0, sizeof(*object) + tag_count * sizeof(struct cache_tag));
	object->tag_count = tag_count;
	object->field_count = field_count;
	object->bytes = cache_memory_cost(object);
	fill(object, draft);
	atomic_init(&object->references, 1);
	return object;
}

static struct cache_body *
new_body(struct cache_store *store, struct cache_object *object, int64_t announced)
{
	size_t size = announced < 0 ? FIRST_SEGMENT : CACHE_BODY_SEGMENT, least, got;
	struct cache_body *body;

	if (announced >= 0 && (uint64_t)announced < size)
		size = (size_t)announced;
	least = size < FIRST_SEGMENT ? size : FIRST_SEGMENT;
	body = cache_store_take(store, object, sizeof(*body) + size, sizeof(*body) + least, &got);
	if (body == NULL)
		return NULL;
	memset(body, 0, sizeof(*body));
	pthread_mutex_init(&body->lock, NULL);
	atomic_init(&body->references, 1);
	body->announced = announced;
	atomic_init(&body->passing_from, UINT64_MAX);
	body->first.size = (uint32_t)(got - sizeof(*body));
	body->last = &body->first;
	return body;
}

struct cache_object *
cache_object_new(struct cache_store *store, const struct cache_draft *draft)
{
	struct cache_object *object;

	if (draft->length > 0 && (uint64_t)draft->length > cache_store_object_most(store))
		return NULL;
	object = new_head(store, draft);
	if (object == NULL || draft->kind != CACHE_RESPONSE)
		return object;
	object->body = draft->body_of != NULL ? cache_store_share(store, object, draft->body_of) :
		new_body(store, object, draft->length);
	if (object->body == NULL)
		cache_object_release(store, &object);
	return object;
}

void
cache_object_release(struct cache_store *store, struct cache_object **held)
{
	struct cache_object *object = *held;

	*held = NULL;
	if (object != NULL && atomic_fetch_sub_explicit(&object->references, 1, memory_order_acq_rel) == 1)
		cache_store_bury(store, object);
}

const char *
cache_object_field(const struct cache_object *object, const char *name, size_t *length)
{
	size_t name_length = strlen(name);

	for (uint32_t i = 0; i < object->field_count; i++) {
		const struct cache_field *field = &object->fields[i];

		if (field->name_length != name_length ||
			strncasecmp(object->lines + field->name, name, name_length) != 0)
			continue;
		*length = field->value_length;
		return object->lines + field->value;
	}
	return NULL;
}
