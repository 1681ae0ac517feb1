/* SPDX-License-Identifier: Apache-2.0 */
/*
 * message: a request and a response as every version of HTTP means them (RFC 9110).
 *
 * The parsers fill these, the phases read and edit them, the serialisers write them; modules never see
 * which version carried a message. Strings end in NUL and lie in the head's buffer or in the arena of
 * the exchange, which outlive the message; nothing here is freed singly.
 */
#ifndef WEIR_SERVER_MESSAGE_H
#define WEIR_SERVER_MESSAGE_H

#include "status.h"
#include "text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;

/* Fields that the core itself acts upon; all others are FIELD_OTHER and are found by name. */
enum field_id {
	FIELD_OTHER,
	FIELD_CONNECTION,
	FIELD_CONTENT_LENGTH,
	FIELD_DATE,
	FIELD_EXPECT,
	FIELD_HOST,
	FIELD_KEEP_ALIVE,
	FIELD_PROXY_AUTHENTICATE,
	FIELD_PROXY_AUTHORIZATION,
	FIELD_PROXY_CONNECTION,
	FIELD_SERVER,
	FIELD_TE,
	FIELD_TRAILER,
	FIELD_TRANSFER_ENCODING,
	FIELD_UPGRADE,
	FIELD_IDS
};

struct field {
	const char *name, *value;	/* both end in NUL; the value has no white space around it */
	uint32_t value_length;
	uint16_t name_length;
	uint8_t id;			/* enum field_id */
};

struct fields {
	struct field *list;
	uint16_t count, capacity;
	uint32_t ids;			/* those that may be in the list, one bit each: most are asked for in vain */
	uint32_t letters;		/* the same of the letters that names begin with (FIELD_LETTER) */
	struct arena *arena;		/* where the list grows */
};

enum method {
	METHOD_OTHER, METHOD_GET, METHOD_HEAD, METHOD_POST, METHOD_PUT, METHOD_DELETE,
	METHOD_CONNECT, METHOD_OPTIONS, METHOD_TRACE, METHOD_PATCH
};

/* The forms of a request target (RFC 9112, 3.2). All but CONNECT and "*" are sent on in origin-form. */
enum target_form { TARGET_ORIGIN, TARGET_ABSOLUTE, TARGET_AUTHORITY, TARGET_ASTERISK };

/* How a body's end is known (RFC 9112, 6.3). */
enum framing { FRAMING_NONE, FRAMING_LENGTH, FRAMING_CHUNKED, FRAMING_CLOSE };

struct request {
	const char *method_name;
	enum method method;
	uint8_t minor;			/* of HTTP/1: 0 or 1; later ones count as 1 */
	enum target_form form;
	const char *scheme;		/* of a target in absolute-form: "http" or "https"; else NULL */
	const char *path;		/* normalised (RFC 3986, 6.2.2), without query; "*"; CONNECT: "" */
	const char *query;		/* as received, without '?'; NULL when there is no '?' */
	const char *authority;		/* host[:port], lower case; "" when a 1.0 request has none */
	const char *host;		/* the same without the port; an address of IPv6 keeps its brackets */
	int port;			/* as given, -1 when not given */
	struct fields fields;		/* all as received; Host is in it, and says the same as authority */
	struct fields trailers;
	enum framing framing;		/* NONE, LENGTH or CHUNKED; a request is never close-delimited */
	uint64_t length;		/* with FRAMING_LENGTH */
	bool keep_alive;		/* what the client asks for, by version and Connection */
	bool expect_continue;
	const char *upgrade;		/* the Upgrade field's value if Connection names it; else NULL */
};

struct response {
	int status;
	const char *reason;
	uint8_t minor;
	struct fields fields;
	struct fields trailers;
	const char *lines;		/* more fields, as lines that go out as they are, before the others; NULL: none */
	size_t lines_length;
	enum framing framing;
	uint64_t length;		/* with FRAMING_LENGTH; of what HEAD or 304 leaves out */
	bool has_length;		/* length means something */
	bool keep_alive;
};

/* Empty messages: every string is "", so that a log may print one that never came to be. */
void request_init(struct request *, struct arena *);
void response_init(struct response *, struct arena *);

/* Start an empty list in this arena; room is taken at the first field. */
void fields_init(struct fields *, struct arena *);

/* A bit for the letter that a name begins with, any case: a is 1, b is 2, and so on; other characters share them. */
#define FIELD_LETTER(c) (1u << ((c) & 31))

/* The id of a name, any case. Of the length of most names no known one begins with their first letter. */
enum field_id field_lookup(const char *name, size_t length);

enum { FIELD_LENGTHS = 20 };

/* By length, the letters with which known names begin. */
extern const uint32_t field_letters[FIELD_LENGTHS];

static inline enum field_id
field_identify(const char *name, size_t length)
{
	return length < FIELD_LENGTHS && (field_letters[length] & FIELD_LETTER(*name)) != 0 ? field_lookup(name, length) :
		FIELD_OTHER;
}

/* What a list knows of its fields without being walked. */
static inline void
fields_note(struct fields *fields, const struct field *field)
{
	fields->ids |= 1u << field->id;
	fields->letters |= FIELD_LETTER(*field->name);
}

/* The first field of this name (any case) or id at or after *from; NULL when there is none. from may be NULL;
 * otherwise it is moved behind the hit, so that a loop sees every field of the name. */
struct field *fields_find(const struct fields *, const char *name, size_t length, unsigned *from);
struct field *fields_find_id(const struct fields *, enum field_id);

/*
 * Append. Name and value are borrowed, end in NUL, must be valid and outlive the list. False without memory.
 */
bool fields_add(struct fields *, const char *name, size_t name_length, const char *value,
	size_t value_length);

/* More room. False without memory, or at the most that a list can hold. */
bool fields_grow(struct fields *);

/* Room for one more at the end, not yet filled in; NULL without memory. For parsers, which fill it whole and note it. */
static inline struct field *
fields_append(struct fields *fields)
{
	if (fields->count == fields->capacity && !fields_grow(fields))
		return NULL;
	return &fields->list[fields->count++];
}

/* Replace the first of this name and drop the others, or append. False without memory. */
bool fields_set(struct fields *, const char *name, size_t name_length, const char *value,
	size_t value_length);

/* Drop every field of the name; says how many. Order of the others is kept. */
unsigned fields_remove(struct fields *, const char *name, size_t length);
unsigned fields_remove_id(struct fields *, enum field_id);

/*
 * Remove what belongs to one connection only (RFC 9110, 7.6.1): Connection, the fields that it nominates,
 * Keep-Alive, Proxy-Connection, TE, Transfer-Encoding, Upgrade, and Proxy-Authenticate from a response. Trailer
 * stays, and so does Proxy-Authorization: modules may ask for it, and the core removes it before an origin sees it.
 *
 * False, with nothing removed and *why set, when Connection is no list of tokens, nominates very many fields,
 * or one that is meant for the other end (Host, X-Forwarded-*, Forwarded, Via, Content-*, Authorization,
 * Cookie and the like): that would be a way to take away what others rely on.
 */
bool fields_strip_hop_by_hop(struct fields *, bool request, const char **why);

/* Make the response's lines fields like others, in front of those that are there. False without memory. */
bool response_unfold(struct response *, struct arena *);

enum method method_identify(const char *, size_t);
/* RFC 9110, 9.2.2: may be sent twice without harm (GET, HEAD, OPTIONS, TRACE, PUT, DELETE). */
bool method_is_idempotent(enum method);
/* RFC 9110, 9.2.1. */
bool method_is_safe(enum method);

#endif

