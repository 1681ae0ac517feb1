/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outlet: one send where one will do, and a queue for the rest.
 */
#include "outlet.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "buffer.h"
#include "thread.h"
#include "tls.h"
#include "wire.h"

enum { SMALL_BODY = 8 * 1024, VECTORS = 16 };

void
outlet_init(struct outlet *o)
{
	o->first = NULL;
	o->last = &o->first;
	o->queued = 0;
	o->tls = NULL;
}

void
outlet_free(struct outlet *o)
{
	while (o->first != NULL) {
		struct buffer *b = o->first;

		o->first = b->next;
		buffer_free(&b);
	}
	if (o->tls != NULL)
		tls_forget_outlet(o->tls, o->queued == 0);
	outlet_init(o);
}

static void
append(struct outlet *o, struct buffer **b)
{
	(*b)->next = NULL;
	*o->last = *b;
	o->last = &(*b)->next;
	o->queued += buffer_length(*b);
	*b = NULL;
}

/* The buffer at the end of the queue, if bytes may be put behind its own; NULL. */
static struct buffer *
last_of(const struct outlet *o)
{
	struct buffer *last = o->first == NULL ? NULL : (struct buffer *)((char *)o->last - offsetof(struct buffer, next));

	return last != NULL && last->slab != NULL ? last : NULL;
}

bool
outlet_gather(struct outlet *o, struct thread *t, const char *head, size_t length, struct buffer **body)
{
	size_t rest = buffer_length(*body);
	struct buffer *last = last_of(o);

	if (last == NULL || buffer_space(last) < length + rest) {	/* all of it or nothing */
		last = buffer_take(t, length + rest < BUFFER_SMALL / 2 ? BUFFER_SMALL / 2 : length + rest);
		if (last == NULL)
			return false;
		append(o, &(struct buffer *){ last });
	}
	memcpy(last->to, head, length);
	if (rest > 0)
		memcpy(last->to + length, (*body)->from, rest);
	last->to += length + rest;
	o->queued += length + rest;
	buffer_free(body);
	return true;
}

struct buffer *
outlet_give(struct outlet *o)
{
	struct buffer *first = o->first;

	outlet_init(o);
	return first;
}

void
outlet_take(struct outlet *o, struct buffer *first)
{
	while (first != NULL) {
		struct buffer *b = first;

		first = b->next;
		append(o, &b);
	}
}

bool
outlet_copy(struct outlet *o, struct thread *t, const char *bytes, size_t length, size_t size)
{
	struct buffer *last = last_of(o);

	while (length > 0) {
		size_t part;

		if (last == NULL || buffer_space(last) == 0) {
			last = buffer_take(t, length > size ? length < BUFFER_READ ? length : BUFFER_READ : size);
			if (last == NULL)
				return false;
			append(o, &(struct buffer *){ last });
		}
		part = length < buffer_space(last) ? length : buffer_space(last);
		memcpy(last->to, bytes, part);
		last->to += part;
		o->queued += part;
		bytes += part;
		length -= part;
	}
	return true;
}

void
outlet_belongs(struct outlet *o, struct tls *tls)
{
	o->tls = tls;
}

/* What sendmsg took; 0 when the socket is full, -1 when it is broken. */
static ssize_t
send_vector(int fd, struct iovec *vector, size_t count)
{
	struct msghdr message = { .msg_iov = vector, .msg_iovlen = count };
	ssize_t sent;

	do
		sent = count == 1 ? send(fd, vector->iov_base, vector->iov_len, MSG_NOSIGNAL)
			: sendmsg(fd, &message, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return 0;
	return sent;
}

static enum outlet_result
keep(struct outlet *o, struct thread *t, const char *head, size_t length, struct buffer **body)
{
	bool kept = outlet_copy(o, t, head, length, 0);

	if (kept && body != NULL && buffer_length(*body) > 0) {
		buffer_settle(t, body);
		append(o, body);
	}
	if (body != NULL)
		buffer_free(body);
	return kept ? OUTLET_QUEUED : OUTLET_BROKEN;
}

/* The queue holds what was sealed: what comes now is sealed and put behind it. */
static enum outlet_result
send_sealed(struct outlet *o, struct thread *t, struct wire *wire, const char *head, size_t length, struct buffer **body)
{
	bool idle = o->queued == 0;

	if (!tls_write(wire->tls, t, o, head, length, body))
		return OUTLET_BROKEN;
	if (o->queued == 0)
		return OUTLET_SENT;
	return idle ? outlet_flush(o, wire) : OUTLET_QUEUED;
}

enum outlet_result
outlet_send(struct outlet *o, struct thread *t, struct wire *wire, const char *head, size_t length, struct buffer **body)
{
	size_t rest = body == NULL ? 0 : buffer_length(*body);
	struct iovec vector[2];
	size_t count = 0;
	ssize_t sent;

	if (wire->tls != NULL)
		return send_sealed(o, t, wire, head, length, body);
	if (o->queued > 0)
		return keep(o, t, head, length, body);
	if (head == t->scratch && rest > 0 && rest <= SMALL_BODY && length + rest <= SCRATCH_SIZE) {
		memcpy(t->scratch + length, (*body)->from, rest);
		length += rest;
		buffer_free(body);
		rest = 0;
	}
	if (length > 0)
		vector[count++] = (struct iovec){ (void *)head, length };
	if (rest > 0)
		vector[count++] = (struct iovec){ (*body)->from, rest };
	sent = count == 0 ? 0 : send_vector(wire->fd, vector, count);
	if (sent == (ssize_t)(length + rest) || sent < 0) {
		if (body != NULL)
			buffer_free(body);
		return sent < 0 ? OUTLET_BROKEN : OUTLET_SENT;
	}
	if ((size_t)sent >= length) {
		(*body)->from += (size_t)sent - length;
		return keep(o, t, NULL, 0, body);
	}
	return keep(o, t, head + sent, length - (size_t)sent, body);
}

/* Take `sent` bytes off the front of the queue. */
static void
consume(struct outlet *o, size_t sent)
{
	o->queued -= sent;
	while (o->first != NULL && sent >= buffer_length(o->first)) {
		struct buffer *b = o->first;

		sent -= buffer_length(b);
		o->first = b->next;
		buffer_free(&b);
	}
	if (o->first == NULL)
		o->last = &o->first;
	else
		o->first->from += sent;
}

enum outlet_result
outlet_flush(struct outlet *o, struct wire *wire)
{
	while (o->first != NULL) {
		struct iovec vector[VECTORS];
		size_t count = 0, length = 0;
		ssize_t sent;

		for (struct buffer *b = o->first; b != NULL && count < VECTORS; b = b->next) {
			vector[count++] = (struct iovec){ b->from, buffer_length(b) };
			length += buffer_length(b);
		}
		sent = send_vector(wire->fd, vector, count);
		if (sent < 0)
			return OUTLET_BROKEN;
		consume(o, (size_t)sent);
		if ((size_t)sent < length)
			return OUTLET_QUEUED;
	}
	if (o->tls != NULL) {
		tls_forget_outlet(o->tls, true);
		o->tls = NULL;
	}
	return OUTLET_SENT;
}
