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
	uint8_t minor;			/* HTTP/1.minor as received */
	enum target_form form;
	const char *path;		/* normalised (RFC 3986, 6.2.2), without the query; "*" or, for CONNECT, "" */
	const char *query;		/* as received, without '?'; NULL when there is no '?' */
	const char *authority;		/* host[:port], lower case, from absolute-form or Host; "" when a 1.0 request has none */
	const char *host;		/* without port and without brackets' change: "[::1]" stays */
	int port;			/* as given, -1 when not given */
	struct fields fields;		/* as received, minus nothing; Host is in it */
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
	enum framing framing;
	uint64_t length;
	bool keep_alive;
};

/* Start an empty list in this arena; room for `capacity` is taken at the first field. */
void fields_init(struct fields *, struct arena *);

/* The id of a name, any case. */
enum field_id field_identify(const char *name, size_t length);

/* The first field of this name (any case) or id at or after *from; NULL when there is none. from may be NULL;
 * otherwise it is moved behind the hit, so that a loop sees every field of the name. */
struct field *fields_find(const struct fields *, const char *name, size_t length, unsigned *from);
struct field *fields_find_id(const struct fields *, enum field_id);

/* Append. Name and value are borrowed and must be valid and outlive the list. False without memory. */
bool fields_add(struct fields *, const char *name, size_t name_length, const char *value, size_t value_length);

/* Replace the first of this name and drop the others, or append. False without memory. */
bool fields_set(struct fields *, const char *name, size_t name_length, const char *value, size_t value_length);

/* Drop every field of the name; says how many. Order of the others is kept. */
unsigned fields_remove(struct fields *, const char *name, size_t length);
unsigned fields_remove_id(struct fields *, enum field_id);

/* Is this token (any case) a member of a comma-separated list value? RFC 9110, 5.6.1. */
bool text_has_token(const char *value, const char *token);

/*
 * Remove what belongs to one connection only (RFC 9110, 7.6.1): Connection, the fields that it nominates,
 * Keep-Alive, Proxy-Connection, TE, Trailer stays, Transfer-Encoding, Upgrade, and (requests) Proxy-Authorization,
 * (responses) Proxy-Authenticate. Returns false, with nothing removed, when Connection nominates a field that
 * must not be removed so (Host, X-Forwarded-*, Forwarded, Via, Content-Length, Authorization, Cookie and the like): *why says which.
 */
bool fields_strip_hop_by_hop(struct fields *, bool request, const char **why);

/* RFC 9110 syntax: a token (5.6.2); a field value (5.5) of visible characters, spaces and tabs, none at the ends. */
bool text_is_token(const char *, size_t);
bool text_is_field_value(const char *, size_t);

enum method method_identify(const char *, size_t);
/* RFC 9110, 9.2.2: may be sent twice without harm (GET, HEAD, OPTIONS, TRACE, PUT, DELETE). */
bool method_is_idempotent(enum method);
/* RFC 9110, 9.2.1. */
bool method_is_safe(enum method);
/* The registered reason phrase, "Unknown" for others. */
const char *status_reason(int status);

#endif
