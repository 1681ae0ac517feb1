/* SPDX-License-Identifier: Apache-2.0 */
/*
 * message: the fields of requests and responses, and what RFC 9110 says of methods and status codes.
 *
 * A field list is a plain array in order of arrival: heads have some ten fields, and walking ten lengths
 * is cheaper than any index. The fields that the core itself needs carry an id, so that nothing on the
 * hot path compares names.
 */
#include "message.h"
#include "arena.h"

#include <assert.h>
#include <string.h>

/* What most heads fit in; a list doubles from there. */
#define FIRST_CAPACITY 24

/* No honest Connection field nominates more; each costs a walk over the list. */
#define MOST_NOMINATIONS 32

void
request_init(struct request *r, struct arena *arena)
{
	*r = (struct request){
		.method_name = "", .path = "", .authority = "", .host = "",
		.port = -1,
		.minor = 1,
	};
	fields_init(&r->fields, arena);
	fields_init(&r->trailers, arena);
}

void
response_init(struct response *r, struct arena *arena)
{
	*r = (struct response){ .reason = "", .minor = 1 };
	fields_init(&r->fields, arena);
	fields_init(&r->trailers, arena);
}

void
fields_init(struct fields *fields, struct arena *arena)
{
	*fields = (struct fields){ .arena = arena };
}

/* The line at *at, up to *end, as a field; it is cut in place. NULL: the text is no line. */
static char *
cut_line(struct fields *fields, char *at, char *end)
{
	char *stop = memchr(at, '\r', (size_t)(end - at)), *colon = memchr(at, ':', (size_t)(end - at)), *value;

	if (stop == NULL || colon == NULL || colon > stop)
		return NULL;
	value = colon + 1 + strspn(colon + 1, " \t");
	*colon = *stop = '\0';
	return fields_add(fields, at, (size_t)(colon - at), value, (size_t)(stop - value)) ? stop + 2 : NULL;
}

bool
response_unfold(struct response *r, struct arena *arena)
{
	struct fields added = r->fields;
	char *at, *end;

	if (r->lines == NULL)
		return true;
	at = arena_copy(arena, r->lines, r->lines_length);
	if (at == NULL)
		return false;
	end = at + r->lines_length;
	r->lines = NULL;
	fields_init(&r->fields, arena);
	while (at != NULL && at < end)
		at = cut_line(&r->fields, at, end);
	for (unsigned i = 0; at != NULL && i < added.count; i++) {
		struct field *f = fields_append(&r->fields);

		if (f == NULL)
			return false;
		*f = added.list[i];
	}
	r->fields.ids |= added.ids;
	r->fields.letters |= added.letters;
	return at != NULL;
}

/* By length there are at most two candidates. */
static const struct known_name {
	const char *name;
	enum field_id id;
} known_names[][2] = {
	[2] = { { "te", FIELD_TE } },
	[4] = { { "host", FIELD_HOST }, { "date", FIELD_DATE } },
	[6] = { { "server", FIELD_SERVER }, { "expect", FIELD_EXPECT } },
	[7] = { { "upgrade", FIELD_UPGRADE }, { "trailer", FIELD_TRAILER } },
	[10] = { { "connection", FIELD_CONNECTION }, { "keep-alive", FIELD_KEEP_ALIVE } },
	[14] = { { "content-length", FIELD_CONTENT_LENGTH } },
	[16] = { { "proxy-connection", FIELD_PROXY_CONNECTION } },
	[17] = { { "transfer-encoding", FIELD_TRANSFER_ENCODING } },
	[18] = { { "proxy-authenticate", FIELD_PROXY_AUTHENTICATE } },
	[19] = { { "proxy-authorization", FIELD_PROXY_AUTHORIZATION } },
};

const uint32_t field_letters[FIELD_LENGTHS] = {
	[2] = FIELD_LETTER('t'),
	[4] = FIELD_LETTER('h') | FIELD_LETTER('d'),
	[6] = FIELD_LETTER('s') | FIELD_LETTER('e'),
	[7] = FIELD_LETTER('u') | FIELD_LETTER('t'),
	[10] = FIELD_LETTER('c') | FIELD_LETTER('k'),
	[14] = FIELD_LETTER('c'),
	[16] = FIELD_LETTER('p'),
	[17] = FIELD_LETTER('t'),
	[18] = FIELD_LETTER('p'),
	[19] = FIELD_LETTER('p'),
};

enum field_id
field_lookup(const char *name, size_t length)
{
	const struct known_name *known;

	assert(length < sizeof(known_names) / sizeof(known_names[0]));
	known = known_names[length];
	for (int i = 0; i < 2 && known[i].name != NULL; i++)
		if ((name[0] | 0x20) == known[i].name[0] && text_same_lower(name, known[i].name, length))
			return known[i].id;
	return FIELD_OTHER;
}

static bool
is_named(const struct field *field, const char *name, size_t length, enum field_id id)
{
	if (id != FIELD_OTHER || field->id != FIELD_OTHER)
		return field->id == id;
	return field->name_length == length && text_same(field->name, name, length);
}

static bool
may_have(const struct fields *fields, unsigned ids)
{
	return (fields->ids & ids) != 0;
}

static struct field *
find_id(const struct fields *fields, enum field_id id, unsigned from)
{
	struct field *at = fields->list + from, *end = fields->list + fields->count;

	while (at != end && at->id != id)
		at++;
	return at;
}

static struct field *
find_name(const struct fields *fields, const char *name, size_t length, unsigned from)
{
	struct field *at = fields->list + from, *end = fields->list + fields->count;

	while (at != end && (at->name_length != length || !text_same(at->name, name, length)))
		at++;
	return at;
}

struct field *
fields_find(const struct fields *fields, const char *name, size_t length, unsigned *from)
{
	enum field_id id = field_identify(name, length);
	unsigned start = from != NULL ? *from : 0;
	struct field *found;

	if (start >= fields->count
		|| !(id != FIELD_OTHER ? may_have(fields, 1u << id) : (fields->letters & FIELD_LETTER(*name)) != 0))
		return NULL;
	found = id == FIELD_OTHER ? find_name(fields, name, length, start) : find_id(fields, id, start);
	if (from != NULL)
		*from = (unsigned)(found - fields->list) + (found != fields->list + fields->count);
	return found != fields->list + fields->count ? found : NULL;
}

struct field *
fields_find_id(const struct fields *fields, enum field_id id)
{
	struct field *found;

	assert(id != FIELD_OTHER);
	if (fields->count == 0 || !may_have(fields, 1u << id))
		return NULL;
	found = find_id(fields, id, 0);
	return found != fields->list + fields->count ? found : NULL;
}

bool
fields_grow(struct fields *fields)
{
	size_t capacity = fields->capacity > 0 ? 2 * (size_t)fields->capacity : FIRST_CAPACITY;
	struct field *list;

	if (capacity > UINT16_MAX)
		capacity = UINT16_MAX;
	if (fields->count == capacity)
		return false;
	list = arena_alloc(fields->arena, capacity * sizeof(*list));
	if (list == NULL)
		return false;
	if (fields->count > 0)
		memcpy(list, fields->list, fields->count * sizeof(*list));
	fields->list = list;
	fields->capacity = (uint16_t)capacity;
	return true;
}

bool
fields_add(struct fields *fields, const char *name, size_t name_length, const char *value,
	size_t value_length)
{
	struct field *field;

	assert(name[name_length] == '\0' && value[value_length] == '\0');
	if (name_length > UINT16_MAX || value_length > UINT32_MAX || (field = fields_append(fields)) == NULL)
		return false;
	*field = (struct field){
		.name = name, .name_length = (uint16_t)name_length,
		.value = value, .value_length = (uint32_t)value_length,
		.id = (uint8_t)field_identify(name, name_length),
	};
	fields_note(fields, field);
	return true;
}

/* Drop the fields of this name from index `at` on. */
static unsigned
remove_from(struct fields *fields, unsigned at, const char *name, size_t length, enum field_id id)
{
	unsigned kept = at, count = fields->count;

	for (; at < count; at++) {
		if (is_named(&fields->list[at], name, length, id))
			continue;
		if (kept != at)
			fields->list[kept] = fields->list[at];
		kept++;
	}
	fields->count = (uint16_t)kept;
	return count - kept;
}

bool
fields_set(struct fields *fields, const char *name, size_t name_length, const char *value,
	size_t value_length)
{
	unsigned after = 0;
	struct field *field = fields_find(fields, name, name_length, &after);

	assert(value[value_length] == '\0');
	if (field == NULL)
		return fields_add(fields, name, name_length, value, value_length);
	if (value_length > UINT32_MAX)
		return false;
	field->value = value;
	field->value_length = (uint32_t)value_length;
	remove_from(fields, after, name, name_length, field->id);
	return true;
}

unsigned
fields_remove(struct fields *fields, const char *name, size_t length)
{
	return remove_from(fields, 0, name, length, field_identify(name, length));
}

unsigned
fields_remove_id(struct fields *fields, enum field_id id)
{
	assert(id != FIELD_OTHER);
	return may_have(fields, 1u << id) ? remove_from(fields, 0, NULL, 0, id) : 0;
}

/* Fields that are meant for the other end: nobody on the way may have them taken away. */
static const char *const end_to_end[] = {
	"authorization", "cache-control", "content-", "cookie", "date", "expect", "forwarded", "host",
	"location", "origin", "range", "set-cookie", "vary", "via", "www-authenticate",
	"x-forwarded-", "x-real-ip",
};

/* What goes whether nominated or not, one bit an id. */
static unsigned
hop_by_hop_ids(bool request)
{
	return 1u << FIELD_CONNECTION | 1u << FIELD_KEEP_ALIVE | 1u << FIELD_PROXY_CONNECTION |
		1u << FIELD_TE | 1u << FIELD_TRANSFER_ENCODING | 1u << FIELD_UPGRADE |
		(request ? 0 : 1u << FIELD_PROXY_AUTHENTICATE);
}

struct nominations {
	struct {
		const char *name;
		size_t length;
	} list[MOST_NOMINATIONS];
	unsigned count;
};

/*
 * Note what one Connection field nominates beyond what goes anyway. Returns what is wrong with it, or NULL.
 */
static const char *
nominate(struct nominations *nominated, const struct field *connection, unsigned gone)
{
	const char *at = connection->value, *end = at + connection->value_length, *name;
	size_t length;

	while (text_next_member(&at, end, &name, &length)) {
		enum field_id id = field_identify(name, length);

		if (id != FIELD_OTHER && (gone >> id & 1))
			continue;
		if (length == 5 && text_same_lower(name, "close", 5))
			continue;
		if (!text_is_token(name, length))
			return "Connection is not a list of tokens";
		if (text_is_one_of(end_to_end, sizeof(end_to_end) / sizeof(end_to_end[0]), name, length))
			return "Connection nominates a field that is not hop-by-hop";
		if (nominated->count == MOST_NOMINATIONS)
			return "Connection nominates too many fields";
		nominated->list[nominated->count].name = name;
		nominated->list[nominated->count++].length = length;
	}
	return NULL;
}

bool
fields_strip_hop_by_hop(struct fields *fields, bool request, const char **why)
{
	const unsigned gone = hop_by_hop_ids(request);
	struct nominations nominated;
	const char *wrong;
	unsigned kept = 0;

	if (!may_have(fields, gone))
		return true;
	nominated.count = 0;
	for (unsigned i = 0; i < fields->count; i++) {
		if (fields->list[i].id != FIELD_CONNECTION)
			continue;
		wrong = nominate(&nominated, &fields->list[i], gone);
		if (wrong != NULL) {
			*why = wrong;
			return false;
		}
	}
	for (unsigned i = 0; i < fields->count; i++) {
		if (gone >> fields->list[i].id & 1)
			continue;
		if (kept != i)
			fields->list[kept] = fields->list[i];
		kept++;
	}
	fields->count = (uint16_t)kept;
	fields->ids &= ~gone;
	for (unsigned i = 0; i < nominated.count; i++)
		fields_remove(fields, nominated.list[i].name, nominated.list[i].length);
	return true;
}

static const struct {
	const char *name;
	bool safe, idempotent;
} methods[] = {
	[METHOD_GET] = { "GET", true, true },
	[METHOD_HEAD] = { "HEAD", true, true },
	[METHOD_POST] = { "POST", false, false },
	[METHOD_PUT] = { "PUT", false, true },
	[METHOD_DELETE] = { "DELETE", false, true },
	[METHOD_CONNECT] = { "CONNECT", false, false },
	[METHOD_OPTIONS] = { "OPTIONS", true, true },
	[METHOD_TRACE] = { "TRACE", true, true },
	[METHOD_PATCH] = { "PATCH", false, false },
};

#define METHODS (sizeof(methods) / sizeof(methods[0]))

enum method
method_identify(const char *name, size_t length)
{
	if (length < 3 || length > 7)
		return METHOD_OTHER;
	for (unsigned i = METHOD_GET; i < METHODS; i++)
		if (name[0] == methods[i].name[0] && strlen(methods[i].name) == length &&
		    memcmp(name, methods[i].name, length) == 0)
			return (enum method)i;
	return METHOD_OTHER;
}

bool
method_is_idempotent(enum method method)
{
	return method < METHODS && methods[method].idempotent;
}

bool
method_is_safe(enum method method)
{
	return method < METHODS && methods[method].safe;
}
