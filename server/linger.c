/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linger: the end of a client's connection that has been told something last. See linger.h.
 */
#include "linger.h"

#include "buffer.h"
#include "client.h"
#include "thread.h"
#include "tls.h"

enum { LINGER_TIME = 2000, LINGER_BYTES = 1024 * 1024, OWE_TIME = 50, OWE_ROUNDS = 200 };	/* milliseconds */

static void
wait_to_say_it(struct weir_connection *c)
{
	if (c->owed++ >= OWE_ROUNDS) {
		client_drop(c);
		return;
	}
	client_want(c, false);
	c->lingering = true;
	deadline_set(&c->deadline, &c->thread->wheel, OWE_TIME);
}

bool
linger_owes(struct weir_connection *c)
{
	if (c->wire.tls == NULL || tls_finish(c->wire.tls) || !tls_owes(c->wire.tls))
		return false;
	wait_to_say_it(c);
	return true;
}

void
linger_begin(struct weir_connection *c)
{
	buffer_free(&c->in);
	if (!c->eof && !c->gone && linger_owes(c))
		return;
	if (c->eof || c->gone || !wire_end(&c->wire) || !client_want(c, true)) {
		client_drop(c);
		return;
	}
	c->lingering = true;
	c->seen = 0;
	deadline_set(&c->deadline, &c->thread->wheel, LINGER_TIME);
}

void
linger_read(struct weir_connection *c)
{
	struct buffer *b = NULL;
	int got = buffer_receive(c->thread, &b, &c->wire);

	buffer_free(&b);
	if (got > 0)
		c->seen += (uint32_t)got;
	if (got < 0 || c->seen > LINGER_BYTES)
		client_drop(c);
}

void
linger_expire(struct weir_connection *c)
{
	if (c->wire.tls != NULL && tls_owes(c->wire.tls))
		linger_begin(c);
	else
		client_drop(c);
}
