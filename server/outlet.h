/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outlet: what still has to be written to a socket.
 *
 * Bytes go to the kernel at once; only what it does not take is kept, by reference where it lies in a buffer, and that is
 * what stops the flow behind it. An outlet owns the buffers that are queued in it.
 */
#ifndef WEIR_SERVER_OUTLET_H
#define WEIR_SERVER_OUTLET_H

#include <stdbool.h>
#include <stddef.h>

struct buffer;
struct thread;
struct tls;
struct wire;

struct outlet {
	struct buffer *first, **last;
	size_t queued;
	struct tls *tls;	/* sealed what is queued; NULL: nothing is, or it is plain */
};

enum outlet_result {
	OUTLET_SENT,	/* the kernel has it all */
	OUTLET_QUEUED,	/* some is kept: wait until the socket can be written, then outlet_flush */
	OUTLET_BROKEN,	/* the other side is gone, or there is no memory to keep it */
	OUTLET_REFUSED	/* (filter_send) a body hook failed: nothing of it was sent */
};

void outlet_init(struct outlet *);
void outlet_free(struct outlet *);

/* Send a head and then a buffer. The head lies in t->scratch (so that a small body can be put behind it) or elsewhere;
 * length 0: none. The buffer is taken over in every case and *body becomes NULL; body may be NULL. */
enum outlet_result outlet_send(struct outlet *, struct thread *, struct wire *, const char *head, size_t length,
	struct buffer **body);

/* Only queue a copy of head and buffer, in few pieces; for a wire without TLS. The buffer is taken over. False without
 * memory: then nothing has changed but that. */
bool outlet_gather(struct outlet *, struct thread *, const char *head, size_t length, struct buffer **body);

/* Take the queue over, oldest first, from one that is empty afterwards; and put it in front of nothing, into an empty one. */
struct buffer *outlet_give(struct outlet *);
void outlet_take(struct outlet *, struct buffer *);

/* Queue a copy, behind the last buffer's bytes where that has room; a new one has at least `size` bytes. False without memory. */
bool outlet_copy(struct outlet *, struct thread *, const char *bytes, size_t length, size_t size);

/* What is queued was sealed by this session, which is told when the queue is empty. */
void outlet_belongs(struct outlet *, struct tls *);

/* Send what is queued. */
enum outlet_result outlet_flush(struct outlet *, struct wire *);

#endif
