/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reload: another generation from the files takes the place of the one that serves.
 */
#include "reload.h"

#include <event2/event.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "command.h"
#include "difference.h"
#include "generation.h"
#include "hot.h"
#include "log.h"
#include "notify.h"
#include "process.h"
#include "report.h"
#include "upgrade.h"

int64_t
reload_clock(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void
log_report(const struct report *report)
{
	for (const struct report_line *line = report->first; line != NULL; line = line->next) {
		enum weir_level level = line->warning ? WEIR_LOG_WARNING : WEIR_LOG_ERROR;

		if (line->file != NULL && line->line != 0)
			weir_log(level, "%s:%u: %s", line->file, line->line, line->text);
		else if (line->file != NULL)
			weir_log(level, "%s: %s", line->file, line->text);
		else
			weir_log(level, "%s", line->text);
	}
}

/* Tell all who wait; one of them may ask again. */
static void
tell(struct process *p, const struct reload_outcome *outcome)
{
	struct reload_waiter *waiter;

	while ((waiter = p->reload.waiters) != NULL) {
		p->reload.waiters = waiter->next;
		waiter->told(waiter, outcome);
	}
}

static void
end(struct process *p, bool done)
{
	struct reload_outcome outcome = {
		.generation = p->current,
		.report = &p->reload.report,
		.difference = done ? p->reload.difference : NULL,
		.done = done,
		.microseconds = reload_clock() - p->reload.began,
	};

	log_report(&p->reload.report);
	if (done)
		weir_log(WEIR_LOG_NOTICE,
			"generation %" PRIu64 " serves, %" PRId64 ".%03d ms after the reload began",
			p->current->number, outcome.microseconds / 1000, (int)(outcome.microseconds % 1000));
	else
		weir_log(WEIR_LOG_ERROR,
			"the configuration was not reloaded; generation %" PRIu64 " serves on",
			p->current->number);
	if (!p->stopping)
		notify_send("READY=1\nSTATUS=serving generation %" PRIu64 "%s", p->current->number,
			done ? "" : "; the last reload failed");
	*(done ? &p->reload.done : &p->reload.failed) += 1;
	tell(p, &outcome);
	report_free(&p->reload.report);
	difference_free(&p->reload.difference);
}

static bool
differ(const char *a, const char *b)
{
	return strcmp(a != NULL ? a : "", b != NULL ? b : "") != 0;
}

static bool
differ_resolver(const struct weir_list *a, const struct weir_list *b)
{
	const struct weir_address *left = a->items, *right = b->items;

	if (a->count != b->count)
		return true;
	for (size_t i = 0; i < a->count; i++)
		if (left[i].length != right[i].length ||
			memcmp(&left[i].socket, &right[i].socket, left[i].length) != 0)
			return true;
	return false;
}

/* What was changed but takes effect only in a new process. */
static void
warn_of_old(const struct process *p, const struct generation *g, struct report *report)
{
	const struct weir_settings *was = &p->start, *is = &g->settings;
	const struct {
		const char *name;
		bool changed;
	} settings[] = {
		{ "threads", is->threads != was->threads },
		{ "pin_cpus", is->pin_cpus != was->pin_cpus },
		{ "user", differ(is->user, was->user) },
		{ "group", differ(is->group, was->group) },
		{ "admin", differ(is->admin, was->admin) },
		{ "admin_address", is->admin_address.length != was->admin_address.length ||
			memcmp(&is->admin_address.socket, &was->admin_address.socket, is->admin_address.length) != 0 },
		{ "admin_token", differ(is->admin_token, was->admin_token) },
		{ "memory", is->memory != was->memory },
		{ "state_dir", differ(is->state_dir, was->state_dir) },
		{ "resolver", differ_resolver(&is->resolver, &was->resolver) },
	};

	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
		if (settings[i].changed)
			report_warning(report, g->path, 0, "`%s` in [weir] has changed; that needs a restart or an upgrade",
				settings[i].name);
}

/* The log follows a reload; where its new target cannot be had, the old one stays. */
static void
move_log(const struct generation *old, const struct generation *g, struct report *report)
{
	if (!differ(old->settings.error_log, g->settings.error_log) &&
		old->settings.log_level == g->settings.log_level)
		return;
	if (!log_open(g->settings.error_log, (enum weir_level)g->settings.log_level))
		report_warning(report, g->path, 0, "cannot open `error_log = %s` (%m); the old one stays",
			g->settings.error_log);
}

/* What has changed; and where routes have, that counts as a revision, so that nobody changes them believing the former
 * ones to be there. */
static void
compare(struct process *p, const struct generation *g, const struct socket_set *first)
{
	p->reload.difference = difference_of(p->current->config, g->config);
	if (p->reload.difference == NULL)
		return;
	difference_add_sockets(p->reload.difference, &p->sockets, first);
	if (p->reload.difference->routing)
		hot_count_reload(p, &p->reload.report);
}

/* All that publishing may want for; its sockets last, since they take clients in once they are open. */
static bool
prepare(struct process *p, struct generation *g, struct report *report)
{
	if (threads_prepare(&p->threads, g))
		return sockets_open(&p->sockets, g, report);
	report_error(report, NULL, 0, "no memory to publish the generation");
	return false;
}

/* False with errors in the report; then nothing has changed. Takes the generation. */
static bool
publish(struct process *p, struct generation *g, struct report *report)
{
	const struct socket_set *first = p->sockets.first;

	if (!process_add_generation(p, g)) {
		report_error(report, NULL, 0, "no memory for another generation");
		generation_free(&g);
		return false;
	}
	if (!prepare(p, g, report)) {
		p->living_count--;
		generation_free(&g);
		return false;
	}
	threads_publish(&p->threads, g, &p->sockets);
	certificates_judge(&g->certificates, report);
	move_log(p->current, g, report);
	compare(p, g, first);
	p->current = g;
	return true;
}

/* Its certificates and keys are there, or are not. */
static void
is_read(struct process *p, struct generation *g, bool good)
{
	if (good && !p->stopping && publish(p, g, &p->reload.report))
		return;
	if (!good || p->stopping)
		generation_free(&g);
	p->reload.publishing = false;
	end(p, false);
	reload_resume(p);
}

/* False with errors in the report. */
static bool
build(struct process *p, struct report *report)
{
	struct generation_source source = { .path = p->command->path, .overlay = p->hot.overlay, .later = true };
	struct generation *g =
		generation_build_from(&source, p->modules, p->current, p->threads.count, report);

	if (g == NULL)
		return false;
	warn_of_old(p, g, report);
	switch (reading_begin(p, g, REFRESH_ALL, report, is_read)) {
	case READING_WAITS:
		return true;
	case READING_DONE:
		return publish(p, g, report);
	default:
		generation_free(&g);
		return false;
	}
}

/* True when it is under way: its files are being read, or threads are taking it over. */
static bool
begin_reload(struct process *p)
{
	p->reload.wanted = false;
	p->reload.waiters = p->reload.asked;
	p->reload.asked = NULL;
	if (p->stopping) {
		tell(p, &(struct reload_outcome){ .generation = p->current });
		return false;
	}
	p->reload.began = reload_clock();
	notify_reloading();
	report_init(&p->reload.report);
	if (build(p, &p->reload.report))
		return true;
	end(p, false);
	return false;
}

/* What was asked for, until something is to be taken over: one at a time, reloads first. */
static void
begin(evutil_socket_t fd, short what, void *argument)
{
	struct process *p = argument;

	(void)fd;
	(void)what;
	while (p->ready && !p->reload.publishing && !upgrade_is_under_way(p) && (p->reload.wanted || p->hot.queue != NULL))
		p->reload.publishing = p->reload.wanted ? begin_reload(p) : hot_begin(p);
}

void
reload_taken(struct process *p)
{
	sockets_sweep(&p->sockets);
	process_log_addresses(p);
	p->reload.publishing = false;
	if (p->hot.changing)
		hot_taken(p);
	else
		end(p, true);
	reading_watch(p);
	reload_resume(p);
}

bool
reload_is_asked(const struct process *p)
{
	return p->reload.wanted;
}

void
reload_resume(struct process *p)
{
	event_active(p->reload.begin, EV_TIMEOUT, 0);
}

bool
reload_init(struct process *p)
{
	return (p->reload.begin = event_new(p->base, -1, 0, begin, p)) != NULL;
}

void
reload_free(struct process *p)
{
	if (p->reload.begin != NULL)
		event_free(p->reload.begin);
	p->reload.begin = NULL;
	difference_free(&p->reload.difference);
}

void
reload_ask(struct process *p, struct reload_waiter *waiter)
{
	struct reload_waiter **last = &p->reload.asked;

	if (waiter != NULL) {
		while (*last != NULL)
			last = &(*last)->next;
		waiter->next = NULL;
		*last = waiter;
	}
	p->reload.wanted = true;
	event_active(p->reload.begin, EV_TIMEOUT, 0);
}

static void
take_out(struct reload_waiter **list, const struct reload_waiter *waiter)
{
	for (; *list != NULL; list = &(*list)->next)
		if (*list == waiter) {
			*list = waiter->next;
			return;
		}
}

void
reload_forget(struct process *p, struct reload_waiter *waiter)
{
	take_out(&p->reload.waiters, waiter);
	take_out(&p->reload.asked, waiter);
}
