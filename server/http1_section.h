/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http1_section: the field lines of a head or of trailers, read strictly (RFC 9112, 5).
 *
 * Shared by the parsers of http1 and by nobody else. Nothing is written into the bytes before
 * http1_seal_strings.
 */
#ifndef WEIR_SERVER_HTTP1_SECTION_H
#define WEIR_SERVER_HTTP1_SECTION_H

#include "http1_cursor.h"

/* What the section says to the core, found while it was read: how often each id came, and where first. */
struct http1_section {
	uint16_t count[FIELD_IDS], first[FIELD_IDS];
};

struct http1_connection {
	bool close, keep_alive, upgrade;
};

/* Read field lines up to and with the empty line. */
bool http1_read_section(struct http1_cursor *, struct fields *, struct http1_section *);

/* Put a NUL behind each name and value. */
void http1_seal_strings(const struct fields *);

/* Content-Length and Transfer-Encoding, held against each other: NONE, LENGTH or CHUNKED. */
bool http1_read_framing(struct http1_cursor *, const struct fields *, const struct http1_section *, int minor,
	enum framing *, uint64_t *length);

/* All Connection fields together. */
struct http1_connection http1_read_connection(const struct fields *, const struct http1_section *);

#endif
