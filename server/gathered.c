/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gathered: from the end of a response to the socket, without an exchange. See gathered.h.
 */
#include "gathered.h"

#include "buffer.h"
#include "client.h"
#include "outlet.h"
#include "thread.h"

/* Milliseconds without progress. The kernel tells of progress when a third of its room is free again. */
enum { PATIENCE = 10 * 1000 };

static enum outlet_result
flush(struct weir_connection *c)
{
	struct outlet out;
	enum outlet_result result;

	outlet_init(&out);
	outlet_take(&out, c->gathered);
	result = outlet_flush(&out, &c->wire);
	c->gathered = outlet_give(&out);
	return result;
}

/* Have its event tell when it can be written to, or read from. False when that cannot be had. */
static bool
watch(struct weir_connection *c, short what)
{
	if (c->behind)
		event_del(&c->read);
	else
		client_want(c, false);
	c->behind = false;
	c->wire.edge = NULL;
	event_assign(&c->read, c->thread->base, c->wire.fd, (short)(what | EV_PERSIST), event_get_callback(&c->read), c);
	if (what == EV_READ)
		return true;
	c->behind = event_add(&c->read, NULL) == 0;
	return c->behind;
}

static void
send_all(struct weir_connection *c)
{
	switch (flush(c)) {
	case OUTLET_SENT:
		if (c->behind && watch(c, EV_READ))
			client_caught_up(c);
		else if (c->eof)
			client_drop(c);
		break;
	case OUTLET_QUEUED:
		deadline_set(&c->deadline, &c->thread->wheel, PATIENCE);
		if (c->behind || watch(c, EV_WRITE))
			break;
		/* fall through */
	default:
		counter_add(&c->thread->counters, COUNT_CLIENT_GONE, 1);
		client_drop(c);
	}
}

static void
turn_ends(void *owner)
{
	struct weir_connection *c = owner;

	if (c->gathered != NULL)	/* else the next exchange has it already */
		send_all(c);
}

bool
gathered_may(struct weir_connection *c)
{
	return client_has_next(c) || (!c->eof && turn_join(&c->thread->turn, TURN_SEND, &c->places, turn_ends, c));
}

void
gathered_go_on(struct weir_connection *c)
{
	send_all(c);
}

void
gathered_end(struct weir_connection *c)
{
	turn_leave(&c->thread->turn, &c->places);
	if (c->behind)
		event_del(&c->read);
	else if (c->gathered != NULL)
		flush(c);
	buffer_free_all(&c->gathered);
}
