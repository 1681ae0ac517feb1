/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http1: the syntax of HTTP/1.1 (RFC 9112), read strictly and written plainly.
 *
 * Pure functions over memory: no sockets, no clock. Whatever two parsers could read differently is an
 * error here, in requests (400 and the like) and in responses (502). One parse serves routing and egress:
 * what was understood is what is sent on.
 */
#ifndef WEIR_SERVER_HTTP1_H
#define WEIR_SERVER_HTTP1_H

#include "message.h"

struct http1_limits {
	uint32_t head_size;	/* bytes of a head, start line and all */
	uint16_t fields;	/* field lines in a head or in trailers */
	uint32_t target_length;	/* bytes of a request target */
};

/*
 * The length of the head at the front of these bytes, its empty line included; 0 while that has not come. `seen` bytes were
 * looked at before. It finds the first CRLF CRLF and nothing else: what is wrong with the head is for the parser to say.
 */
size_t http1_head_length(const char *head, size_t length, size_t seen);

/*
 * Parse one head at [head, head + length). `seen` is how many of these bytes an earlier call that returned 0
 * was given (0 at first): a head that arrives byte by byte is scanned for its end, not parsed again. Bytes
 * are changed in place (NULs behind names and values, lower-case host) only when the head is whole and good.
 * Strings point into `head` or into the arena. Unless the head is good, the request is left as request_init
 * makes it.
 *
 * > 0: the head's length in bytes; what follows is body.   0: not whole yet.
 * < 0: minus the status to answer (400, 414, 417, 431, 505; 503 without memory; responses: 502); *why says
 *      what is wrong, in a static string for the log.
 * Leading empty lines before a request line (RFC 9112, 2.2): at most one CRLF is skipped and counts to the
 * length.
 *
 * With absolute-form and CONNECT the authority is the target's, and the Host field, which must agree, is
 * given its spelling. Host without a port agrees with a CONNECT to any port. A CONNECT with a body is
 * refused.
 */
int http1_parse_request(struct request *, char *head, size_t length, size_t seen,
	const struct http1_limits *, struct arena *, const char **why);

/*
 * The same for a response. The request's method decides the framing: an answer to HEAD, 1xx, 204, 304 and a
 * 2xx to CONNECT have no body (FRAMING_NONE); neither length nor coding is FRAMING_CLOSE. keep_alive says
 * whether the connection may carry another exchange as far as the head can tell; never after 101 or a 2xx to
 * CONNECT, nor after a 204 that announces a body.
 */
int http1_parse_response(struct response *, enum method, char *head, size_t length, size_t seen,
	const struct http1_limits *, struct arena *, const char **why);

/*
 * chunked: an incremental decoder (RFC 9112, 7.1).
 *
 * Sizes have 1 to 16 hex digits and nothing around them; extensions are checked for their syntax, without
 * white space outside quotes, and dropped: at most 1 KiB in a chunk and 16 KiB in a body. Trailers are parsed
 * at the end, within the limits of a head; fields that must not be in trailers (framing, routing,
 * authentication and the like: RFC 9110, 6.5.1) are refused. It is 400 or 502 with *why when BAD, also
 * without memory for trailers; the decoder cannot be used again then, nor after END.
 */
struct http1_chunked {
	uint64_t left;			/* of the chunk being read */
	uint32_t extensions;		/* bytes of chunk extensions so far in this body */
	uint16_t extension;		/* and in this chunk */
	uint8_t digits;			/* of the size, so far */
	uint8_t state;
	char *trailer;			/* the trailer section so far, in the arena */
	uint32_t trailer_length, trailer_capacity;
};

enum http1_chunked_result { HTTP1_CHUNKED_MORE, HTTP1_CHUNKED_END, HTTP1_CHUNKED_BAD };

void http1_chunked_init(struct http1_chunked *);

/*
 * Find the next piece of body without moving anything. Reading begins at data + *at; on return *body bytes of
 * body lie at the new data + *at, and the next call begins behind them. MORE with *body 0: all was read.
 * After END what belongs to the next message lies at data + *at.
 */
enum http1_chunked_result http1_chunked_next(struct http1_chunked *, char *data, size_t length, size_t *at,
	size_t *body, struct fields *trailers, const struct http1_limits *, struct arena *, const char **why);

/*
 * Decode all of [data, data + *length) in place: on return the first *length bytes are body and, after END,
 * *rest bytes that belong to the next message lie at data + *rest_at.
 */
enum http1_chunked_result http1_chunked_decode(struct http1_chunked *, char *data, size_t *length,
	size_t *rest_at, size_t *rest, struct fields *trailers, const struct http1_limits *, struct arena *,
	const char **why);

/*
 * Write a head for HTTP/1.1 at `to`; 0 when `room` is too small, else its length (no NUL). The fields are
 * written as they are, except Connection, Keep-Alive, Transfer-Encoding, Content-Length and Upgrade, which
 * are written from framing, length, keep_alive and upgrade alone (so a message can never carry two framings).
 * `keep_alive` false, and FRAMING_CLOSE, write "Connection: close"; true writes "Connection: keep-alive" for
 * a client of HTTP/1.0 and else nothing. An upgrade writes "Connection: upgrade" and the protocol; "close"
 * stands before it only in a response other than 101. Host is written first in a request: the field if it is
 * there, else the authority.
 *
 * 1xx and 204 never carry framing, and 1xx other than 101 no Connection. A response to HEAD, or a 304, may
 * carry the length of the body that is not sent: pass it as FRAMING_LENGTH. A reason of NULL stands for the
 * registered phrase. A client of HTTP/1.0 cannot be sent FRAMING_CHUNKED.
 */
size_t http1_write_request(char *to, size_t room, const struct request *, bool keep_alive);
size_t http1_write_response(char *to, size_t room, const struct response *, bool keep_alive, int client_minor,
	const char *upgrade);

/* The chunk header "1a2b\r\n" into `to` (at least HTTP1_CHUNK_HEADER bytes); its length. */
#define HTTP1_CHUNK_HEADER 20
size_t http1_write_chunk_header(char *to, uint64_t length);

/* The last chunk with the trailer section, "0\r\n…\r\n"; trailers may be NULL; 0 when room is too small. */
size_t http1_write_last_chunk(char *to, size_t room, const struct fields *trailers);

#endif
