/* SPDX-License-Identifier: Apache-2.0 */
/*
 * buffer: pieces of a thread's slabs with two ends. See buffer.h for who owns what.
 */
#include "buffer.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "slab.h"
#include "thread.h"
#include "tls.h"
#include "wire.h"

struct buffer *
buffer_take(struct thread *t, size_t size)
{
	struct slab *slab = size <= t->heads.size - sizeof(struct buffer) - BUFFER_FRONT - BUFFER_BACK
		? &t->heads : &t->bodies;
	struct buffer *b;

	if (size > slab->size - sizeof(*b) - BUFFER_FRONT - BUFFER_BACK)
		return NULL;
	b = slab_take(slab);
	if (b == NULL)
		return NULL;
	b->next = NULL;
	b->slab = slab;
	b->from = b->to = b->room + BUFFER_FRONT;
	b->end = (char *)b + slab->size - BUFFER_BACK;
	return b;
}

void
buffer_free(struct buffer **b)
{
	if (*b == NULL)
		return;
	if ((*b)->slab != NULL)	/* else it only points at memory of others */
		slab_put((*b)->slab, *b);
	*b = NULL;
}

void
buffer_free_all(struct buffer **b)
{
	while (*b != NULL) {
		struct buffer *next = (*b)->next;

		buffer_free(b);
		*b = next;
	}
}

void
buffer_settle(struct thread *t, struct buffer **b)
{
	size_t length = buffer_length(*b);
	struct buffer *small;

	if (length == 0) {
		buffer_free(b);
		return;
	}
	if ((*b)->slab != &t->bodies || length > t->heads.size / 2)
		return;
	small = buffer_take(t, length);
	if (small == NULL)
		return;
	assert(small->slab == &t->heads);
	memcpy(small->to, (*b)->from, length);
	small->to += length;
	buffer_free(b);
	*b = small;
}

bool
buffer_keep(struct thread *t, struct buffer **b)
{
	if (buffer_length(*b) > TURN_MESSAGE)
		return false;
	buffer_settle(t, b);
	return (*b)->slab == &t->heads;
}

/* A large buffer with what *b holds, for reading behind it. */
static struct buffer *
enlarge(struct thread *t, const struct buffer *b)
{
	struct buffer *large = buffer_take(t, BUFFER_READ);

	if (large != NULL) {
		memcpy(large->to, b->from, buffer_length(b));
		large->to += buffer_length(b);
	}
	return large;
}

static int
why_nothing(ssize_t got)
{
	if (got == 0)
		return BUFFER_END;
	return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? BUFFER_NOTHING : BUFFER_RESET;
}

/* Where the next bytes go: *b itself, or another buffer with what it holds. NULL without memory. */
static struct buffer *
room_behind(struct thread *t, struct buffer *b, bool sealed)
{
	if (b == NULL)	/* memory is short: many slow readers shall each hold little; but a record must fit */
		return buffer_take(t, slab_is_pressed(&t->bodies) && !sealed ? BUFFER_SMALL / 2 : BUFFER_READ);
	if (b->slab != &t->bodies || buffer_space(b) < (sealed ? (size_t)TLS_ROOM : BUFFER_SMALL))
		b = enlarge(t, b);
	if (b != NULL && sealed && buffer_space(b) < TLS_ROOM)
		buffer_free(&b);
	return b;
}

bool
buffer_may_follow(const struct buffer *b, const struct wire *wire)
{
	return wire->tls == NULL ? buffer_space(b) == 0 : tls_has_more(wire->tls);
}

int
buffer_receive(struct thread *t, struct buffer **b, struct wire *wire)
{
	struct buffer *into = room_behind(t, *b, wire->tls != NULL);
	size_t space = into == NULL ? 0 : buffer_space(into);
	ssize_t got;

	if (space == 0) {
		if (into != *b)
			buffer_free(&into);
		counter_add(&t->counters, COUNT_MEMORY_REFUSED, 1);
		return BUFFER_NO_MEMORY;
	}
	if (wire->tls == NULL)
		got = recv(wire->fd, into->to, space, 0);
	else
		got = tls_read(wire->tls, t, into->to, space);
	/* More may wait, of which no edge will tell. */
	if (got > 0 && ((size_t)got == space || wire->ended) && !wire_level(wire)) {
		errno = ENOMEM;
		got = -1;
	}
	if (got <= 0) {
		int why = wire->tls == NULL ? why_nothing(got) : (int)got;

		if (into != *b)
			buffer_free(&into);
		return why;
	}
	into->to += got;
	if (*b != NULL && into != *b)
		buffer_free(b);
	*b = into;
	return (int)got;
}
