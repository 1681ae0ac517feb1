/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wire: the ways in which a connection ends, and a look at what it brings.
 */
#include "wire.h"

#include <errno.h>
#include <event2/event_struct.h>
#include <sys/socket.h>
#include <unistd.h>

#include "buffer.h"
#include "tls.h"

void
wire_assign(struct wire *w, struct event *read, struct event_base *base, bool edge, event_callback_fn call, void *owner)
{
	/* With edges, the end must be told apart: no edge follows it. */
	event_assign(read, base, w->fd, EV_READ | EV_PERSIST | (edge ? EV_ET | EV_CLOSED : 0), call, owner);
	w->edge = edge ? read : NULL;
}

bool
wire_level(struct wire *w)
{
	struct event *read = w->edge;
	bool added;

	if (read == NULL)
		return true;
	added = (read->ev_evcallback.evcb_flags & EVLIST_INSERTED) != 0;
	event_del(read);
	wire_assign(w, read, event_get_base(read), false, event_get_callback(read), event_get_callback_arg(read));
	return !added || event_add(read, NULL) == 0;
}

void
wire_close(struct wire *w)
{
	tls_end(&w->tls, true);
	if (w->fd >= 0)
		close(w->fd);
	w->fd = -1;
	w->edge = NULL;
}

void
wire_cut(struct wire *w)
{
	struct linger at_once = { 1, 0 };

	tls_end(&w->tls, false);
	setsockopt(w->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
}

bool
wire_end(struct wire *w)
{
	return (w->tls == NULL || tls_finish(w->tls)) && shutdown(w->fd, SHUT_WR) == 0;
}

int
wire_peek(const struct wire *w)
{
	char byte;
	ssize_t got = recv(w->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

	if (got >= 0)
		return got > 0 ? 1 : BUFFER_END;
	return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? BUFFER_NOTHING : BUFFER_RESET;
}

bool
wire_has_more(const struct wire *w)
{
	return w->tls != NULL && tls_has_more(w->tls);
}
