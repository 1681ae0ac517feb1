/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls: records in, records out.
 *
 * GnuTLS asks for a record's head and then for its body; one recv brings many records, so what it pulls is served from the
 * thread's scratch, which is empty again when a read ends: no more is received than fits the reader's buffer when opened, and
 * GnuTLS itself keeps the piece of a record that has not come whole. During the handshake it pulls from the socket just what
 * it asks for, so that what follows stays there and is announced by an event.
 *
 * What it pushes goes to the socket at once; several records of one write are gathered first. What the socket does not take
 * lies in the outlet that is being written, and from then on all records go behind it.
 */
#include "tls.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "buffer.h"
#include "outlet.h"
#include "thread.h"
#include "wire.h"

/* Of a record that GnuTLS holds in part already. */
#define HELD (TLS_RECORD + 2048)

struct tls {
	gnutls_session_t session;
	struct tls *under;		/* NULL: the socket */
	int fd;
	struct outlet *queue;		/* has records that are not sent; NULL: none has */
	struct outlet *into;		/* during a write: where such records go */
	struct thread *thread;		/* during a read or a write */
	const char *from, *to;		/* during a read: received, and not pulled yet */
	struct buffer *early;		/* received before the session began */
	size_t room;			/* during a read: how much may be received */
	bool dry;			/* during a read: nothing more can be pulled now */
	bool shaken;			/* the handshake is done */
	bool gather;			/* during a write: several records follow each other */
	bool broken;			/* nothing may be written any more */
	bool finished;			/* we have said that we are */
	bool owes;			/* we would, but the socket is full */
	bool ended;			/* they have, and it was not reported yet */
};

/* --- pull ----------------------------------------------------------------------------------------------------------- */

static ssize_t
nothing(struct tls *tls, int error)
{
	gnutls_transport_set_errno(tls->session, error);
	return -1;
}

static size_t
serve(char *to, size_t size, const char **from, const char *end)
{
	size_t left = (size_t)(end - *from), part = size < left ? size : left;

	memcpy(to, *from, part);
	*from += part;
	return part;
}

static ssize_t
serve_early(struct tls *tls, char *to, size_t size)
{
	const char *from = tls->early->from;
	size_t part = serve(to, size, &from, tls->early->to);

	tls->early->from += part;
	if (tls->early->from == tls->early->to)
		buffer_free(&tls->early);
	return (ssize_t)part;
}

static ssize_t
receive(struct tls *tls, char *to, size_t size)
{
	ssize_t got;

	do
		got = recv(tls->fd, to, size, 0);
	while (got < 0 && errno == EINTR);
	tls->dry = got <= 0;
	return got < 0 ? nothing(tls, errno) : got;
}

/* From the session around this one. */
static ssize_t
pull_inside(struct tls *tls, char *to, size_t size)
{
	ssize_t got;

	tls->under->dry = false;
	do
		got = gnutls_record_recv(tls->under->session, to, size);
	while (got == GNUTLS_E_INTERRUPTED || (got == GNUTLS_E_AGAIN && !tls->under->dry));
	tls->dry = got <= 0;
	if (got >= 0)
		return got;
	return got == GNUTLS_E_PREMATURE_TERMINATION ? 0 : nothing(tls, got == GNUTLS_E_AGAIN ? EAGAIN : ECONNRESET);
}

static ssize_t
pull(gnutls_transport_ptr_t pointer, void *to, size_t size)
{
	struct tls *tls = pointer;

	if (tls->early != NULL)
		return serve_early(tls, to, size);
	if (tls->under != NULL)
		return pull_inside(tls, to, size);
	if (tls->thread == NULL || !tls->shaken)
		return receive(tls, to, size);
	if (tls->from == tls->to) {
		ssize_t got;

		if (tls->room == 0) {
			tls->dry = true;
			return nothing(tls, EAGAIN);
		}
		got = receive(tls, tls->thread->scratch, tls->room);
		tls->room = 0;
		if (got <= 0)
			return got;
		tls->from = tls->thread->scratch;
		tls->to = tls->from + got;
	}
	return (ssize_t)serve(to, size, &tls->from, tls->to);
}

/* --- push ----------------------------------------------------------------------------------------------------------- */

/* Keep what comes after the first `sent` bytes of the vector. */
static bool
keep(struct tls *tls, const giovec_t *vector, int count, size_t sent)
{
	struct outlet *o = tls->queue != NULL ? tls->queue : tls->into;

	for (int i = 0; i < count; i++) {
		const char *bytes = vector[i].iov_base;
		size_t length = vector[i].iov_len, skip = sent < length ? sent : length;

		sent -= skip;
		if (!outlet_copy(o, tls->thread, bytes + skip, length - skip, tls->gather ? BUFFER_READ : 0))
			return false;
	}
	if (tls->queue == NULL)
		outlet_belongs(o, tls);
	tls->queue = o;
	return true;
}

static ssize_t
push_inside(struct tls *tls, const giovec_t *vector, int count)
{
	ssize_t total = 0, sent = 0;

	tls->under->thread = tls->thread;
	tls->under->into = tls->into;
	tls->under->gather = tls->gather;
	for (int i = 0; i < count && sent >= 0; i++) {
		const char *bytes = vector[i].iov_base;
		size_t left = vector[i].iov_len;

		while (left > 0 && (sent = gnutls_record_send(tls->under->session, bytes, left)) >= 0) {
			bytes += sent;
			left -= (size_t)sent;
			total += sent;
		}
	}
	tls->under->thread = NULL;
	tls->under->into = NULL;
	tls->under->gather = false;
	if (sent >= 0 || (sent == GNUTLS_E_AGAIN && total > 0))
		return total;	/* GnuTLS comes again with the rest, whose first piece the session below holds already */
	return nothing(tls, sent == GNUTLS_E_AGAIN ? EAGAIN : EPIPE);
}

static ssize_t
push(gnutls_transport_ptr_t pointer, const giovec_t *vector, int count)
{
	struct tls *tls = pointer;
	struct msghdr message = { .msg_iov = (struct iovec *)(uintptr_t)vector, .msg_iovlen = (size_t)count };
	ssize_t total = 0, sent = 0;

	if (tls->broken)
		return nothing(tls, EPIPE);
	if (tls->under != NULL)
		return push_inside(tls, vector, count);
	for (int i = 0; i < count; i++)
		total += (ssize_t)vector[i].iov_len;
	if (tls->queue == NULL && !tls->gather) {
		do
			sent = sendmsg(tls->fd, &message, MSG_NOSIGNAL);
		while (sent < 0 && errno == EINTR);
		if (sent == total || (sent > 0 && (!tls->shaken || tls->into == NULL)))
			return sent;	/* in the handshake and at the end GnuTLS comes again with the rest */
		if (sent < 0 && (tls->into == NULL || (errno != EAGAIN && errno != EWOULDBLOCK)))
			return nothing(tls, errno);
		if (sent < 0)
			sent = 0;
	}
	if ((tls->queue == NULL && tls->into == NULL) || tls->thread == NULL || !keep(tls, vector, count, (size_t)sent)) {
		tls->broken = true;
		return nothing(tls, EPIPE);
	}
	return total;
}

/* --- life ----------------------------------------------------------------------------------------------------------- */

static struct tls *
begin(struct wire *wire, bool server, struct tls *under)
{
	struct tls *tls = calloc(1, sizeof(*tls));
	unsigned flags = GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL | (server ? GNUTLS_SERVER : GNUTLS_CLIENT);

	if (tls == NULL || !wire_level(wire) || gnutls_init(&tls->session, flags) < 0) {
		free(tls);
		return NULL;
	}
	tls->under = under;
	tls->fd = wire->fd;
	gnutls_transport_set_ptr(tls->session, tls);
	gnutls_transport_set_pull_function(tls->session, pull);
	gnutls_transport_set_vec_push_function(tls->session, push);
	gnutls_handshake_set_timeout(tls->session, 0);	/* the wheel keeps the time */
	wire->tls = tls;
	return tls;
}

struct tls *
tls_begin(struct wire *wire, bool server)
{
	assert(wire->tls == NULL);
	return begin(wire, server, NULL);
}

struct tls *
tls_begin_inside(struct wire *wire, bool server)
{
	assert(wire->tls != NULL && wire->tls->shaken);
	return begin(wire, server, wire->tls);
}

gnutls_session_t
tls_session(const struct tls *tls)
{
	return tls->session;
}

void
tls_give_early(struct tls *tls, struct buffer **early)
{
	assert(tls->early == NULL);
	tls->early = *early;
	*early = NULL;
}

/* What the other side said when it ended the session, or what is wrong with what it said. */
static const char *
explain(struct tls *tls, int error)
{
	const char *alert;

	if (error == GNUTLS_E_PREMATURE_TERMINATION)
		return "the connection was closed during the handshake";
	if (error != GNUTLS_E_FATAL_ALERT_RECEIVED)
		return gnutls_strerror(error);
	alert = gnutls_alert_get_name(gnutls_alert_get(tls->session));
	return alert != NULL ? alert : "an unknown alert was received";
}

enum tls_result
tls_handshake(struct tls *tls, const char **why)
{
	int result;

	do
		result = gnutls_handshake(tls->session);
	while (result < 0 && result != GNUTLS_E_AGAIN && gnutls_error_is_fatal(result) == 0);
	if (result == GNUTLS_E_AGAIN)
		return gnutls_record_get_direction(tls->session) == 1 ? TLS_WRITE : TLS_READ;
	if (result < 0) {
		*why = explain(tls, result);
		gnutls_alert_send_appropriate(tls->session, result);
		tls->broken = true;
		return TLS_FAILED;
	}
	tls->shaken = true;
	return TLS_DONE;
}

static bool
may_write(const struct tls *tls)
{
	for (; tls != NULL; tls = tls->under)
		if (!tls->shaken || tls->broken || tls->queue != NULL)
			return false;
	return true;
}

bool
tls_finish(struct tls *tls)
{
	int result;

	if (tls->finished || !may_write(tls))
		return tls->finished;
	result = gnutls_bye(tls->session, GNUTLS_SHUT_WR);
	tls->finished = result == 0;
	tls->owes = result == GNUTLS_E_AGAIN;
	return tls->finished;
}

bool
tls_owes(const struct tls *tls)
{
	return tls->owes;
}

void
tls_end(struct tls **at, bool say)
{
	struct tls *tls = *at;

	if (tls == NULL)
		return;
	if (say)
		tls_finish(tls);
	gnutls_deinit(tls->session);
	buffer_free(&tls->early);
	tls_end(&tls->under, say);
	free(tls);
	*at = NULL;
}

void
tls_forget_outlet(struct tls *tls, bool sent)
{
	for (; tls != NULL; tls = tls->under) {
		tls->queue = NULL;
		tls->broken |= !sent;
	}
}

/* --- reading ---------------------------------------------------------------------------------------------------------- */

static int
why_nothing(struct tls *tls, ssize_t error)
{
	if (error == GNUTLS_E_AGAIN)
		return BUFFER_NOTHING;
	if (error == GNUTLS_E_PREMATURE_TERMINATION)
		return BUFFER_CUT;
	tls->broken = true;
	return BUFFER_RESET;
}

/* After a message of its own (a ticket, say) GnuTLS says "again" though more is there. Nobody may begin a handshake anew. */
static bool
is_over(const struct tls *tls, ssize_t result)
{
	if (result == GNUTLS_E_AGAIN)
		return tls->dry;
	return result == 0 || result == GNUTLS_E_REHANDSHAKE || gnutls_error_is_fatal((int)result) != 0;
}

int
tls_read(struct tls *tls, struct thread *t, char *to, size_t space)
{
	size_t got = 0;
	ssize_t last = 0;

	assert(space >= TLS_ROOM);
	tls->thread = t;
	tls->room = tls->early != NULL ? 0 : space - HELD < SCRATCH_SIZE ? space - HELD : SCRATCH_SIZE;
	tls->from = tls->to = NULL;
	tls->dry = false;
	while (space - got > 0) {
		last = gnutls_record_recv(tls->session, to + got, space - got);
		if (last > 0)
			got += (size_t)last;
		else if (is_over(tls, last))
			break;
	}
	assert(tls->from == tls->to || last <= 0);
	tls->thread = NULL;
	if (got > 0) {
		tls->ended = last == 0;
		return (int)got;
	}
	tls->ended = false;
	return last == 0 ? BUFFER_END : why_nothing(tls, last);
}

bool
tls_has_more(const struct tls *tls)
{
	return tls->ended || tls->early != NULL || gnutls_record_check_pending(tls->session) > 0
		|| (tls->under != NULL && tls_has_more(tls->under));
}

/* --- writing ---------------------------------------------------------------------------------------------------------- */

static bool
seal(struct tls *tls, const char *bytes, size_t length)
{
	while (length > 0) {
		ssize_t sent = gnutls_record_send(tls->session, bytes, length < TLS_RECORD ? length : TLS_RECORD);

		if (sent == GNUTLS_E_INTERRUPTED)
			continue;
		if (sent <= 0)
			return false;
		bytes += sent;
		length -= (size_t)sent;
	}
	return true;
}

bool
tls_write(struct tls *tls, struct thread *t, struct outlet *o, const char *head, size_t length, struct buffer **body)
{
	size_t rest = body == NULL ? 0 : buffer_length(*body), part = 0;
	bool good;

	if (head == t->scratch && length < TLS_RECORD && rest > 0) {	/* fill the record */
		part = rest < TLS_RECORD - length ? rest : TLS_RECORD - length;
		memcpy(t->scratch + length, (*body)->from, part);
	}
	tls->thread = t;
	tls->into = o;
	tls->gather = length + rest > TLS_RECORD;
	good = !tls->broken && seal(tls, head, length + part) && (rest == part || seal(tls, (*body)->from + part, rest - part));
	tls->thread = NULL;
	tls->into = NULL;
	tls->gather = false;
	tls->broken |= !good;
	if (body != NULL)
		buffer_free(body);
	return good;
}
