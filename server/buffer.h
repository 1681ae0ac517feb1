/* SPDX-License-Identifier: Apache-2.0 */
/*
 * buffer: bytes on their way from one socket to another.
 *
 * A buffer is a piece of one of the thread's slabs (small: `heads`, large: `bodies`) and is held only while bytes are in it:
 * an idle connection owns none. It has one owner, who hands it on or frees it. Room is kept in front of the first byte and
 * behind the last, so that a chunk header and a CRLF can be put around what was received and all of it
 * leaves in one send.
 */
#ifndef WEIR_SERVER_BUFFER_H
#define WEIR_SERVER_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct slab;
struct thread;
struct wire;

enum {
	BUFFER_FRONT = 24,	/* for a chunk header: 16 digits and CRLF */
	BUFFER_BACK = 16,	/* for CRLF and the last chunk */
	BUFFER_SMALL = 16 * 1024,
	BUFFER_LARGE = 512 * 1024,
	BUFFER_READ = BUFFER_LARGE - 256	/* what one recv asks for, and the longest head */
};

struct buffer {
	struct buffer *next;	/* in a queue */
	struct slab *slab;	/* NULL: a reference; its bytes lie elsewhere, and it has no room */
	char *from, *to;	/* the bytes */
	char *end;		/* where reading must stop; BUFFER_BACK bytes follow */
	char room[];
};

/* An empty buffer with at least `size` bytes of room; NULL without memory or when size is past what the large ones hold. */
struct buffer *buffer_take(struct thread *, size_t size);

/* Give it back; *b becomes NULL. NULL is fine. */
void buffer_free(struct buffer **);

/* The same with all that follow it in a queue. */
void buffer_free_all(struct buffer **);

/* Shrink: a large buffer with few bytes becomes a small one. For buffers that will be kept a while. Where there is no memory
 * it stays as it is. */
void buffer_settle(struct thread *, struct buffer **);

/* The same for what waits in a turn (turn.h). False: it is too much, or memory is short, and it shall not wait. */
bool buffer_keep(struct thread *, struct buffer **);

/* One recv behind what is in *b (NULL: into a new one). > 0: bytes; else *b is as it was and it says why. */
enum {
	BUFFER_NOTHING = 0,
	BUFFER_END = -1,
	BUFFER_RESET = -2,
	BUFFER_NO_MEMORY = -3,
	/* The connection ended though TLS had not: whoever needs its end to know a length has not got all. */
	BUFFER_CUT = -4
};
int buffer_receive(struct thread *, struct buffer **b, struct wire *);

/* After that: may there be more that no event announces, or is it likely that more is there? */
bool buffer_may_follow(const struct buffer *, const struct wire *);

static inline size_t
buffer_length(const struct buffer *b)
{
	return b == NULL ? 0 : (size_t)(b->to - b->from);
}

/* Framing behind the bytes may have passed the end. */
static inline size_t
buffer_space(const struct buffer *b)
{
	return b->to < b->end ? (size_t)(b->end - b->to) : 0;
}

#endif
