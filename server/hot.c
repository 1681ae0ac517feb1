/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hot: a change of routes and upstreams in the running process, one after another.
 *
 * The order is what makes a change safe: build, take the memory for publishing, write the state file, publish. From
 * the write on nothing can fail, so that what is on disk and what serves are the same.
 */
#include "hot.h"

#include <errno.h>
#include <event2/event.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "config.h"
#include "farewell.h"
#include "generation.h"
#include "log.h"
#include "overlay.h"
#include "process.h"
#include "reload.h"
#include "state.h"

bool
hot_open(struct process *p, const char *state_dir, struct report *report)
{
	arena_init(&p->hot.arena, NULL, 0);
	if (state_dir != NULL && (p->hot.file = state_path(&p->hot.arena, state_dir)) == NULL) {
		report_error(report, NULL, 0, "no memory");
		return false;
	}
	if ((p->hot.overlay = overlay_new(p->hot.file)) == NULL) {
		report_error(report, NULL, 0, "no memory");
		return false;
	}
	return p->hot.file == NULL || state_read(p->hot.overlay, false, report);
}

void
hot_close(struct process *p)
{
	if (p->hot.changing)
		report_free(&p->hot.report);
	overlay_free(&p->hot.overlay);
	arena_free(&p->hot.arena);
}

/* A file is written only where there is one: the files alone need none. */
void
hot_count_reload(struct process *p, struct report *report)
{
	p->hot.overlay->revision++;
	if (p->hot.overlay->kept && state_write(p->hot.overlay) != STATE_WRITTEN)
		report_warning(report, p->hot.file, 0, "cannot be written: %s; the revision may go back after a restart",
			strerror(errno));
}

static void
tell(struct process *p, struct hot_change *change, enum hot_result result, const struct report *report)
{
	struct hot_outcome outcome = {
		.result = result,
		.generation = p->current,
		.report = report,
		.revision = p->hot.overlay->revision,
		.durable = p->hot.file != NULL,
		.microseconds = reload_clock() - p->hot.began,
		.publication = result == HOT_DONE && !change->dry_run ? threads_took(&p->threads) : 0,
	};

	change->told(change, &outcome);
}

/* Nothing has changed. */
static void
undo(struct process *p, struct generation **g)
{
	overlay_roll_back(p->hot.overlay);
	generation_free(g);
}

/* What publishing needs, so that it cannot fail after the state file was written. */
static bool
prepare(struct process *p, struct generation *g, struct report *report)
{
	if (process_add_generation(p, g)) {
		if (threads_prepare(&p->threads, g) && sockets_open(&p->sockets, g, report))
			return true;
		p->living_count--;
	}
	if (report->errors == 0)
		report_error(report, NULL, 0, "no memory to publish the generation");
	return false;
}

/* The state file has the change, or is as it was. */
static bool
keep(struct process *p, struct report *report)
{
	struct overlay *o = p->hot.overlay;
	enum state_result result = STATE_WRITTEN;

	o->revision++;
	if (p->hot.file != NULL)
		result = state_write(o);
	if (result == STATE_WRITTEN)
		return true;
	report_error(report, p->hot.file, 0, "cannot be written: %s; nothing was changed", strerror(errno));
	o->revision--;
	overlay_roll_back(o);
	if (result == STATE_UNSURE)
		state_write(o);		/* as well as it can be done */
	return false;
}

static enum hot_result
publish(struct process *p, struct generation *g, struct report *report)
{
	if (!prepare(p, g, report)) {
		undo(p, &g);
		return HOT_REFUSED;
	}
	if (!keep(p, report)) {
		p->living_count--;
		sockets_open(&p->sockets, p->current, report);
		generation_free(&g);
		return HOT_UNWRITTEN;
	}
	overlay_commit(p->hot.overlay);
	threads_publish(&p->threads, g, &p->sockets);
	p->current = g;
	return HOT_DONE;
}

/* It is built and read. */
static enum hot_result
conclude(struct process *p, struct generation *g, struct report *report)
{
	if (!p->hot.dry_run)
		return publish(p, g, report);
	undo(p, &g);
	return HOT_DONE;
}

/* Its certificates and keys are there, or are not. */
static void
is_read(struct process *p, struct generation *g, bool good)
{
	struct hot_change *change = p->hot.running;
	enum hot_result result = p->stopping ? HOT_STOPPING : HOT_REFUSED;

	if (good && !p->stopping)
		result = conclude(p, g, &p->hot.report);
	else
		undo(p, &g);
	if (result == HOT_DONE && !p->hot.dry_run)
		return;
	p->hot.running = NULL;
	p->hot.changing = p->reload.publishing = false;
	if (change != NULL)
		tell(p, change, result, &p->hot.report);
	report_free(&p->hot.report);
	reload_resume(p);
}

static enum hot_result
try(struct process *p, struct hot_change *change, struct report *report)
{
	struct generation_source source = {
		.path = p->command->path,
		.files = generation_files(p->current),
		.overlay = p->hot.overlay,
		.later = true,
		.check = change->dry_run,
	};
	enum hot_result result = change->edit(change, p, report);
	struct generation *g = NULL;

	if (result == HOT_DONE && report->errors == 0) {
		g = generation_build_from(&source, p->modules, p->current, p->threads.count, report);
		result = HOT_REFUSED;
	}
	switch (g != NULL ? reading_begin(p, g, REFRESH_NEW, report, is_read) : READING_FAILED) {
	case READING_WAITS:
		return HOT_READING;
	case READING_DONE:
		return conclude(p, g, report);
	default:
		undo(p, &g);
		return result == HOT_DONE ? HOT_REFUSED : result;
	}
}

static enum hot_result
run(struct process *p, struct hot_change *change, struct report *report)
{
	if (p->stopping)
		return HOT_STOPPING;
	if (change->has_revision && change->revision != p->hot.overlay->revision)
		return HOT_CONFLICT;
	if (p->hot.file == NULL && !change->fleeting && !change->dry_run)
		return HOT_HOMELESS;
	return try(p, change, report);
}

bool
hot_begin(struct process *p)
{
	struct hot_change *change = p->hot.queue;
	enum hot_result result;

	if (change == NULL)
		return false;
	p->hot.queue = change->next;
	p->hot.began = reload_clock();
	p->hot.dry_run = change->dry_run;
	report_init(&p->hot.report);
	result = run(p, change, &p->hot.report);
	if (result == HOT_READING || (result == HOT_DONE && !change->dry_run)) {
		p->hot.running = change;
		p->hot.closes = change->closes;
		p->hot.close_after = change->close_after;
		memcpy(p->hot.route, change->route, sizeof(p->hot.route));
		return p->hot.changing = true;
	}
	tell(p, change, result, &p->hot.report);
	report_free(&p->hot.report);
	return false;
}

void
hot_taken(struct process *p)
{
	struct hot_change *change = p->hot.running;

	p->hot.running = NULL;
	p->hot.changing = false;
	weir_log(WEIR_LOG_NOTICE, "generation %" PRIu64 " serves: revision %" PRIu64 " of routes and upstreams",
		p->current->number, p->hot.overlay->revision);
	if (p->hot.closes && !farewell_say(p, p->hot.route[0] != '\0' ? p->hot.route : NULL, p->hot.close_after))
		report_warning(&p->hot.report, NULL, 0, "no memory to end what is under way on routes that are gone");
	if (change != NULL)
		tell(p, change, HOT_DONE, &p->hot.report);
	report_free(&p->hot.report);
}

void
hot_ask(struct process *p, struct hot_change *change)
{
	struct hot_change **last = &p->hot.queue;

	while (*last != NULL)
		last = &(*last)->next;
	change->next = NULL;
	*last = change;
	event_active(p->reload.begin, EV_TIMEOUT, 0);
}

void
hot_forget(struct process *p, struct hot_change *change)
{
	struct hot_change **link = &p->hot.queue;

	if (p->hot.running == change)
		p->hot.running = NULL;
	while (*link != NULL && *link != change)
		link = &(*link)->next;
	if (*link != NULL)
		*link = change->next;
}
