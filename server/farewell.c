/* SPDX-License-Identifier: Apache-2.0 */
/*
 * farewell: what becomes of requests and WebSockets under way on a route that was taken away.
 */
#include "farewell.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "clients.h"
#include "inbox.h"
#include "log.h"
#include "process.h"

/* One thread's part: there and back. */
struct part {
	struct message message;
	struct farewell *whole;
	unsigned cut;
};

struct farewell {
	struct farewell *next;
	struct process *process;
	struct event *timer;
	char *route;		/* NULL: any */
	unsigned away;		/* parts that are with their threads */
	struct part parts[];
};

static void
destroy(struct farewell *f)
{
	struct farewell **link = &f->process->farewells;

	while (*link != f)
		link = &(*link)->next;
	*link = f->next;
	if (f->timer != NULL)
		event_free(f->timer);
	free(f->route);
	free(f);
}

static void
on_back(struct message *m, void *owner)
{
	struct farewell *f = ((struct part *)m)->whole;
	unsigned cut = 0;

	(void)owner;
	if (--f->away > 0)
		return;
	for (unsigned i = 0; i < f->process->threads.count; i++)
		cut += f->parts[i].cut;
	if (cut > 0)
		weir_log(WEIR_LOG_NOTICE, "%u requests under way on routes that are gone were cut", cut);
	destroy(f);
}

static void
on_thread(struct message *m, void *owner)
{
	struct part *part = (struct part *)m;
	struct thread *t = owner;

	part->cut = clients_close_departed(t, part->whole->route);
	m->run = on_back;
	inbox_post(&t->all->main, m);
}

static void
due(evutil_socket_t fd, short what, void *argument)
{
	struct farewell *f = argument;
	struct threads *all = &f->process->threads;

	(void)fd;
	(void)what;
	f->away = all->count;
	for (unsigned i = 0; i < all->count; i++) {
		f->parts[i].whole = f;
		f->parts[i].message.run = on_thread;
		inbox_post(&all->list[i].inbox, &f->parts[i].message);
	}
}

bool
farewell_say(struct process *p, const char *route, int64_t after)
{
	struct timeval time = { .tv_sec = after / 1000, .tv_usec = after % 1000 * 1000 };
	struct farewell *f = calloc(1, sizeof(*f) + p->threads.count * sizeof(struct part));

	if (f == NULL)
		return false;
	f->process = p;
	f->next = p->farewells;
	p->farewells = f;
	f->timer = evtimer_new(p->base, due, f);
	if (f->timer != NULL && (route == NULL || (f->route = strdup(route)) != NULL) &&
		event_add(f->timer, &time) == 0)
		return true;
	destroy(f);
	return false;
}

void
farewell_forget_all(struct process *p)
{
	while (p->farewells != NULL)
		destroy(p->farewells);
}
