/* SPDX-License-Identifier: Apache-2.0 */
/*
 * view_field: the fields of an exchange's messages as modules see them (weir/exchange.h).
 *
 * What a module sets is held to the same rules as what a peer sends: a bad name or value fails the request, and what belongs
 * to the core (framing, and Host of a request) is left as it is and counted.
 */
#include <string.h>

#include "exchange.h"
#include "target.h"
#include "text.h"

static struct fields *
fields_of(struct weir_exchange *x, enum weir_message which)
{
	switch (which) {
	case WEIR_REQUEST:
		return &x->request.fields;
	case WEIR_UPSTREAM_REQUEST:
		return &x->sent.fields;
	case WEIR_TRAILERS:
		return &x->response.trailers;
	default:
		x->refused_memory |= !response_unfold(&x->response, &x->arena);
		return &x->response.fields;
	}
}

const char *
weir_field(struct weir_exchange *x, enum weir_message which, const char *name)
{
	const struct field *f = fields_find(fields_of(x, which), name, strlen(name), NULL);

	return f == NULL ? NULL : f->value;
}

bool
weir_field_next(struct weir_exchange *x, enum weir_message which, unsigned *position, const char **name, const char **value)
{
	const struct fields *fields = fields_of(x, which);

	if (*position >= fields->count)
		return false;
	*name = fields->list[*position].name;
	*value = fields->list[*position].value;
	++*position;
	return true;
}

const char *
weir_field_next_named(struct weir_exchange *x, enum weir_message which, const char *name, unsigned *position)
{
	const struct field *f = fields_find(fields_of(x, which), name, strlen(name), position);

	return f == NULL ? NULL : f->value;
}

/* Framing and connection management are the core's alone: two framings would be two messages. */
static bool
is_ours(enum field_id id)
{
	return id == FIELD_CONNECTION || id == FIELD_CONTENT_LENGTH || id == FIELD_TRANSFER_ENCODING
		|| id == FIELD_KEEP_ALIVE || id == FIELD_UPGRADE;
}

/* May the module edit this field of this message now? Tells the name's length and id. */
static bool
may_edit(struct weir_exchange *x, enum weir_message which, const char *name, size_t *length, enum field_id *id)
{
	*length = strlen(name);
	*id = field_identify(name, *length);
	if (!text_is_token(name, *length) || *length > UINT16_MAX) {
		view_refuse(x, "field name", "it is no token");
		return false;
	}
	if (!is_ours(*id) && (which < WEIR_RESPONSE || x->responded) &&
			(which != WEIR_UPSTREAM_REQUEST || x->sent.fields.arena != NULL))
		return true;
	counter_add(&x->thread->counters, COUNT_FIELD_REFUSED, 1);
	return false;
}

/* The same of a field that is there, and goes. */
static bool
may_lose(struct weir_exchange *x, enum weir_message which, const struct field *field)
{
	if (!is_ours(field->id) && !(field->id == FIELD_HOST && which < WEIR_RESPONSE) && (which < WEIR_RESPONSE || x->responded))
		return true;
	counter_add(&x->thread->counters, COUNT_FIELD_REFUSED, 1);
	return false;
}

/* A copy of the value, without white space around it; NULL when it is bad, or without memory. */
static const char *
copy_value(struct weir_exchange *x, const char *value, size_t *length)
{
	if (value == NULL) {
		counter_add(&x->thread->counters, COUNT_FIELD_REFUSED, 1);
		return NULL;
	}
	while (*value == ' ' || *value == '\t')
		value++;
	*length = strlen(value);
	while (*length > 0 && (value[*length - 1] == ' ' || value[*length - 1] == '\t'))
		--*length;
	if (!text_is_field_value(value, *length)) {
		view_refuse(x, "field value", "it has control characters");
		return NULL;
	}
	return weir_copy(x, value, *length);
}

void
weir_add_field(struct weir_exchange *x, enum weir_message which, const char *name, const char *value)
{
	size_t name_length, length;
	enum field_id id;

	if (!may_edit(x, which, name, &name_length, &id))
		return;
	if (id == FIELD_HOST && which < WEIR_RESPONSE) {
		counter_add(&x->thread->counters, COUNT_FIELD_REFUSED, 1);
		return;
	}
	value = copy_value(x, value, &length);
	if (value != NULL && !fields_add(which == WEIR_RESPONSE ? &x->response.fields : fields_of(x, which), name, name_length,
			value, length))
		x->refused_memory = true;
}

void
weir_set_field(struct weir_exchange *x, enum weir_message which, const char *name, const char *value)
{
	size_t name_length, length;
	struct authority parsed;
	enum field_id id;
	const char *why;
	bool host;

	if (!may_edit(x, which, name, &name_length, &id))
		return;
	host = id == FIELD_HOST && which < WEIR_RESPONSE;
	if (host && which == WEIR_REQUEST && value != NULL) {
		weir_set_authority(x, value);
		return;
	}
	value = copy_value(x, value, &length);
	if (value == NULL)
		return;
	if (host && (why = authority_parse(&parsed, value, length)) != NULL) {
		view_refuse(x, "Host", why);
		return;
	}
	if (!fields_set(fields_of(x, which), name, name_length, value, length))
		x->refused_memory = true;
}

void
weir_remove_field(struct weir_exchange *x, enum weir_message which, const char *name)
{
	enum field_id id;
	size_t length;

	if (!may_edit(x, which, name, &length, &id))
		return;
	if (id == FIELD_HOST && which < WEIR_RESPONSE)
		counter_add(&x->thread->counters, COUNT_FIELD_REFUSED, 1);
	else
		fields_remove(fields_of(x, which), name, length);
}

/* A letter in lower case, an underscore as the dash that CGI makes of it. */
static unsigned char
dashed(char letter)
{
	return text_lower((unsigned char)(letter == '_' ? '-' : letter));
}

/* The name, any case and with '_' for '-', is one of the list, or begins with one that ends in '-'. */
static bool
is_listed(const struct field *field, const char *const *names)
{
	for (; *names != NULL; names++) {
		size_t length = strlen(*names), i = 0;
		bool prefix = length > 0 && (*names)[length - 1] == '-';

		if (prefix ? field->name_length < length : field->name_length != length)
			continue;
		while (i < length && dashed(field->name[i]) == (unsigned char)(*names)[i])
			i++;
		if (i == length)
			return true;
	}
	return false;
}

/* One bit for each letter with which a name of the list begins. */
static uint32_t
first_letters(const char *const *names)
{
	uint32_t letters = 0;

	for (; *names != NULL; names++)
		letters |= FIELD_LETTER(**names);
	return letters;
}

void
weir_remove_fields(struct weir_exchange *x, enum weir_message which, const char *const *names)
{
	const uint32_t letters = first_letters(names);
	struct fields *fields = fields_of(x, which);
	unsigned kept = 0;

	if ((fields->letters & letters) == 0)
		return;
	for (unsigned i = 0; i < fields->count; i++) {
		struct field *field = &fields->list[i];

		if ((letters & FIELD_LETTER(*field->name)) != 0 && is_listed(field, names) && may_lose(x, which, field))
			continue;
		if (kept != i)
			fields->list[kept] = *field;
		kept++;
	}
	fields->count = (uint16_t)kept;
}
