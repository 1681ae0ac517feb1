/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reading: a generation that is built but for its certificates and keys, until these are read.
 */
#include "reading.h"

#include <assert.h>
#include <event2/event.h>

#include "generation.h"
#include "process.h"

static void
is_read(struct refresh *refresh, void *argument)
{
	struct process *p = argument;
	struct generation *g = p->reading.generation;
	bool good = refresh_take(refresh, p->reading.report);

	p->reading.refresh = NULL;
	p->reading.generation = NULL;
	p->reading.told(p, g, good);
}

enum reading_result
reading_begin(struct process *p, struct generation *g, enum refresh_scope scope, struct report *report, reading_told *told)
{
	assert(p->reading.refresh == NULL);
	if (!refresh_is_needed(g, scope))
		return READING_DONE;
	p->reading.refresh = refresh_begin(p->base, &p->threads.main, g, scope, READING_PATIENCE, is_read, p);
	if (p->reading.refresh == NULL) {
		report_error(report, g->path, 0,
			"certificates and keys cannot be read now: all helpers are busy, or there is no memory");
		return READING_FAILED;
	}
	p->reading.generation = g;
	p->reading.report = report;
	p->reading.told = told;
	return READING_WAITS;
}

/* --- the watch ------------------------------------------------------------------------------------------ */

static void
wind(struct process *p)
{
	int64_t interval = p->current->settings.watch;
	struct timeval after = { .tv_sec = interval / 1000, .tv_usec = interval % 1000 * 1000 };

	if (interval > 0)
		event_add(p->reading.timer, &after);
	else
		event_del(p->reading.timer);
}

static void
is_looked_at(struct refresh *refresh, void *argument)
{
	struct process *p = argument;

	refresh_take(refresh, NULL);
	p->reading.watch = NULL;
	wind(p);
}

/* A look that takes longer than its interval is the only one: the next begins when it is over. */
static void
look(evutil_socket_t fd, short what, void *argument)
{
	struct process *p = argument;

	(void)fd;
	(void)what;
	if (p->reading.watch == NULL)
		p->reading.watch = refresh_begin(p->base, &p->threads.main, NULL, REFRESH_CHANGED, 0, is_looked_at, p);
	if (p->reading.watch == NULL)
		wind(p);
}

void
reading_watch(struct process *p)
{
	if (p->reading.timer == NULL)
		p->reading.timer = evtimer_new(p->base, look, p);
	if (p->reading.timer != NULL)
		wind(p);
}

void
reading_free(struct process *p)
{
	refresh_cancel(&p->reading.refresh);
	refresh_cancel(&p->reading.watch);
	if (p->reading.generation != NULL)
		generation_free(&p->reading.generation);
	if (p->reading.timer != NULL)
		event_free(p->reading.timer);
	p->reading.timer = NULL;
}
