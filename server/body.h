/* SPDX-License-Identifier: Apache-2.0 */
/*
 * body: one message body on its way through, from one framing into another.
 *
 * Received bytes come in a buffer and leave in the same one: the framing around them is taken off in place, and the new one is
 * written in front of and behind them. No clock, no socket.
 */
#ifndef WEIR_SERVER_BODY_H
#define WEIR_SERVER_BODY_H

#include <stdbool.h>
#include <stdint.h>

#include "http1.h"

struct buffer;
struct thread;

struct body {
	enum framing in, out;
	uint64_t left;			/* with FRAMING_LENGTH: bytes that have not come yet */
	uint64_t bytes;			/* of content that came */
	uint64_t made;			/* of what hooks made of it */
	struct http1_chunked chunked;
	bool ended;			/* all of it has come */
	bool hooked;			/* modules read it */
	uint32_t done;			/* a bit for each hook that wants no more of it */
};

enum body_result { BODY_OK, BODY_BAD, BODY_NO_MEMORY };

/* A body that comes in this framing and leaves in that one. */
void body_init(struct body *, enum framing in, uint64_t length, enum framing out);

/*
 * Take content out of *in: *content is a buffer with it, or NULL where there is none yet; *in becomes what belongs to the next
 * message, or NULL. Sets `ended` when the body is whole; then trailers (chunked) are in `trailers`.
 */
enum body_result body_take(struct body *, struct thread *, struct buffer **in, struct buffer **content,
	struct fields *trailers, const struct http1_limits *, struct arena *, const char **why);

/* Put the outgoing framing around the content; with `last`, the last chunk too if it has no trailers. False where the last
 * chunk must be written apart (trailers, or nothing to write it behind). */
bool body_frame(struct body *, struct buffer *content, bool last, const struct fields *trailers);

#endif
