/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clients: a thread's connections from clients, as many as it has. See clients.h.
 */
#include "clients.h"

#include <string.h>

#include "client.h"
#include "config.h"
#include "exchange.h"
#include "generation.h"
#include "listener.h"
#include "thread.h"

enum { FIRST_REQUEST_TIME = 500 };	/* milliseconds that a drain gives who has not asked for anything yet */

/* Not longer than it could have been idle without a drain. */
static int64_t
patience_with(const struct weir_connection *c, int64_t patience)
{
	int64_t most = patience;

	if (c->listener->listen != NULL)
		most = c->requests == 0 ? c->listener->listen->settings.head_timeout
			: c->listener->listen->settings.keepalive_timeout;
	return most < patience ? most : patience;
}

void
clients_close_idle(struct thread *t, int64_t patience)
{
	struct weir_connection *next;

	for (struct weir_connection *c = t->clients; c != NULL; c = next) {
		next = c->next;
		if (c->exchange != NULL || c->in != NULL || c->lingering || c->behind)
			continue;
		if (client_has_unread(c))
			event_active(&c->read, EV_READ, 0);	/* a request is here already: it is still answered */
		else if (patience > 0)
			deadline_set(&c->deadline, &t->wheel, patience_with(c, patience));
		else if (c->requests == 0)
			deadline_set(&c->deadline, &t->wheel, FIRST_REQUEST_TIME);	/* and one is on its way */
		else
			client_drop(c);
	}
}

void
clients_close_of(struct thread *t, const struct listener *l)
{
	struct weir_connection *next;

	for (struct weir_connection *c = t->clients; c != NULL; c = next) {
		next = c->next;
		if (c->listener == l && c->exchange == NULL && !c->behind)
			client_drop(c);
	}
}

/* Is it served on a route that is gone by now, and that is meant? */
static bool
has_departed(const struct weir_exchange *x, const char *name)
{
	const struct generation *now = x->thread->holds->generation;

	return x->generation != now && x->route != NULL && (name == NULL || strcmp(name, x->route->name) == 0) &&
		config_find(now->config, "route", x->route->name) == NULL;
}

unsigned
clients_close_departed(struct thread *t, const char *route)
{
	struct weir_connection *next;
	unsigned count = 0;

	for (struct weir_connection *c = t->clients; c != NULL; c = next) {
		next = c->next;
		if (c->exchange == NULL || !has_departed(c->exchange, route))
			continue;
		exchange_abort(c->exchange, "its route was taken away");
		count++;
	}
	return count;
}

void
clients_close_all(struct thread *t)
{
	while (t->clients != NULL) {
		struct weir_connection *c = t->clients;

		if (c->exchange != NULL)
			exchange_abort(c->exchange, "the server stops");	/* resets the client */
		else
			client_drop(c);
	}
}
