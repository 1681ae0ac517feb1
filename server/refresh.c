/* SPDX-License-Identifier: Apache-2.0 */
/*
 * refresh: files of certificates and keys are read on the helper pool while the main thread and traffic go on.
 *
 * The helper sees of a credential only its paths, which never change, and copies of the rest. The struct is the
 * main thread's again when its message has come; before, it is freed by nobody.
 */
#include "refresh.h"

#include <assert.h>
#include <event2/event.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <weir/thread.h>

#include "credential.h"
#include "generation.h"
#include "inbox.h"
#include "report.h"

enum { STUCK_MOST = 2 };

static unsigned stuck;		/* refreshes that are over and hold a helper nevertheless */

struct item {
	struct credential *credential;
	const struct credential_use *use;	/* NULL in REFRESH_CHANGED */
	struct file_stamp stamps[CREDENTIAL_PARTS], broken[CREDENTIAL_PARTS];
	bool is_there, is_broken;
	struct credential_reading *reading;	/* NULL: its files were not read */
};

struct refresh {
	enum refresh_scope scope;
	size_t count;
	struct file_limit limit;
	atomic_bool cancelled;
	atomic_size_t at;			/* the item that the helper is at */
	atomic_bool lacks_memory;
	struct event *timer;
	refresh_told *told;			/* NULL: nobody wants to know */
	void *argument;
	bool late;				/* told without having been read to the end */
	struct inbox *main;
	struct message message;
	struct item items[];
};

/* --- the helper ----------------------------------------------------------------------------------------- */

/* A file that is none, a FIFO say, is asked only when somebody wants it anew. */
static bool
is_plain(const struct file_stamp stamps[CREDENTIAL_PARTS])
{
	for (unsigned part = 0; part < CREDENTIAL_PARTS; part++)
		if (stamps[part].error == 0 && stamps[part].mode != 0 && !S_ISREG(stamps[part].mode))
			return false;
	return true;
}

static bool
is_to_be_read(const struct refresh *refresh, const struct item *item)
{
	char *const *paths = item->credential->paths;

	switch (refresh->scope) {
	case REFRESH_NEW:
		return !item->is_there;
	case REFRESH_ALL:
		return !item->is_there || item->is_broken || !credential_is_fresh(item->stamps, paths);
	default:
		return item->is_there && (item->is_broken ? is_plain(item->broken) && !credential_is_fresh(item->broken, paths) :
			is_plain(item->stamps) && !credential_is_fresh(item->stamps, paths));
	}
}

static void
over(struct message *message, void *owner);

static void
work(void *argument)
{
	struct refresh *refresh = argument;

	for (size_t i = 0; i < refresh->count && !atomic_load(&refresh->cancelled); i++) {
		struct item *item = &refresh->items[i];

		atomic_store(&refresh->at, i);
		if (!is_to_be_read(refresh, item))
			continue;
		if ((item->reading = malloc(sizeof(*item->reading))) == NULL) {
			atomic_store(&refresh->lacks_memory, true);
			break;
		}
		credential_read(item->credential->kind, item->credential->paths, &refresh->limit, item->reading);
	}
	refresh->message.run = over;
	inbox_post(refresh->main, &refresh->message);
}

/* --- beginning and end ---------------------------------------------------------------------------------- */

static void
destroy(struct refresh *refresh)
{
	for (size_t i = 0; i < refresh->count; i++) {
		struct item *item = &refresh->items[i];

		if (item->reading != NULL && item->reading->content != NULL)
			item->credential->kind->free(item->reading->content);
		free(item->reading);
		credential_let_go(item->credential);
	}
	if (refresh->timer != NULL)
		event_free(refresh->timer);
	free(refresh);
}

/* The helper has done with it. */
static void
over(struct message *message, void *owner)
{
	struct refresh *refresh = (struct refresh *)((char *)message - offsetof(struct refresh, message));

	(void)owner;
	if (refresh->told != NULL)
		refresh->told(refresh, refresh->argument);
	else
		stuck--;
	destroy(refresh);
}

/* The helper still waits for a file: it will come back some time, and be expected by nobody. */
static void
timed_out(evutil_socket_t fd, short what, void *argument)
{
	struct refresh *refresh = argument;
	refresh_told *told = refresh->told;

	(void)fd;
	(void)what;
	refresh->told = NULL;
	refresh->late = true;
	stuck++;
	atomic_store(&refresh->cancelled, true);
	told(refresh, refresh->argument);
}

void
refresh_cancel(struct refresh **refresh)
{
	if (*refresh == NULL)
		return;
	stuck++;
	(*refresh)->told = NULL;
	atomic_store(&(*refresh)->cancelled, true);
	if ((*refresh)->timer != NULL)
		event_del((*refresh)->timer);
	*refresh = NULL;
}

static void
add_item(struct refresh *refresh, struct credential *credential, const struct credential_use *use)
{
	struct item *item = &refresh->items[refresh->count++];

	*item = (struct item){
		.credential = credential,
		.use = use,
		.is_there = atomic_load(&credential->content) != NULL,
		.is_broken = credential->is_broken,
	};
	memcpy(item->stamps, credential->stamps, sizeof(item->stamps));
	memcpy(item->broken, credential->broken, sizeof(item->broken));
	credential_acquire(credential);
}

static size_t
count_items(const struct generation *generation)
{
	size_t count = 0;

	if (generation == NULL)
		for (const struct credential *c = credential_first(); c != NULL; c = c->next_of_all)
			count++;
	else
		for (const struct credential_use *use = generation->uses; use != NULL; use = use->next)
			count++;
	return count;
}

bool
refresh_is_needed(const struct generation *generation, enum refresh_scope scope)
{
	const struct credential_use *use = generation->uses;

	while (scope == REFRESH_NEW && use != NULL && atomic_load(&use->credential->content) != NULL)
		use = use->next;
	return use != NULL;
}

static bool
set_timer(struct refresh *refresh, struct event_base *base, int64_t patience)
{
	struct timeval after = { .tv_sec = patience / 1000, .tv_usec = patience % 1000 * 1000 };

	if (patience == 0)
		return true;
	refresh->timer = evtimer_new(base, timed_out, refresh);
	return refresh->timer != NULL && event_add(refresh->timer, &after) == 0;
}

struct refresh *
refresh_begin(struct event_base *base, struct inbox *inbox, const struct generation *generation, enum refresh_scope scope,
	int64_t patience, refresh_told *told, void *argument)
{
	size_t count = count_items(generation);
	struct refresh *refresh = NULL;

	assert((generation == NULL) == (scope == REFRESH_CHANGED));
	if (stuck < STUCK_MOST)
		refresh = calloc(1, sizeof(*refresh) + count * sizeof(refresh->items[0]));
	if (refresh == NULL)
		return NULL;
	refresh->scope = scope;
	refresh->main = inbox;
	refresh->told = told;
	refresh->argument = argument;
	refresh->limit.cancelled = &refresh->cancelled;
	if (generation == NULL)
		for (struct credential *c = credential_first(); c != NULL; c = c->next_of_all)
			add_item(refresh, c, NULL);
	else
		for (const struct credential_use *use = generation->uses; use != NULL; use = use->next)
			add_item(refresh, use->credential, use);
	if (set_timer(refresh, base, patience) && weir_offload(work, refresh))
		return refresh;
	destroy(refresh);
	return NULL;
}

/* --- what came of it ------------------------------------------------------------------------------------ */

static void
log_notes(const struct credential *credential, const struct credential_notes *notes, const char *then)
{
	char text[CREDENTIAL_LINE];

	for (unsigned i = 0; i < notes->count; i++)
		weir_log(notes->list[i].warning ? WEIR_LOG_WARNING : WEIR_LOG_ERROR, "%s%s",
			credential_line(credential, &notes->list[i], text), notes->list[i].warning ? "" : then);
}

/* A fault is told once, until the files change again. */
static bool
is_told(const struct item *item)
{
	if (!item->is_broken)
		return false;
	for (unsigned part = 0; part < CREDENTIAL_PARTS; part++)
		if (file_has_changed(&item->broken[part], &item->reading->stamps[part]))
			return false;
	return true;
}

static void
take_change(struct item *item)
{
	struct credential *credential = item->credential;
	struct credential_notes notes = { .count = 0 };
	bool changed;

	if (item->reading->notes.errors > 0) {
		if (!is_told(item))
			log_notes(credential, &item->reading->notes, "; what it held before is used on");
		credential_take(credential, item->reading);
		return;
	}
	changed = credential_take(credential, item->reading);
	if (!changed && !item->is_broken)
		return;
	weir_log(WEIR_LOG_NOTICE, "%s %s: %s", credential->kind->parts[0], credential->paths[0],
		changed ? "it has changed, and is used as it is now" : "it is whole again");
	credential->kind->judge(atomic_load(&credential->content), credential->stamps, &notes);
	log_notes(credential, &notes, "");
}

static void
take_use(const struct refresh *refresh, struct item *item, size_t at, struct report *report)
{
	struct credential *credential = item->credential;
	struct credential_notes notes = { .count = 0 };

	if (refresh->late && at >= atomic_load(&refresh->at)) {
		if (at == atomic_load(&refresh->at))
			credential_note(&notes, 0, false, "it, or what belongs to it, could not be read in time; who keeps it "
				"back?");
		credential_report(item->use, &notes, report);
		return;
	}
	if (item->reading != NULL && item->reading->notes.errors > 0) {
		credential_report(item->use, &item->reading->notes, report);
		return;
	}
	if (item->reading != NULL)
		credential_take(credential, item->reading);
	if (atomic_load(&credential->content) == NULL)
		return;
	credential->kind->judge(atomic_load(&credential->content), credential->stamps, &notes);
	credential_report(item->use, &notes, report);
}

bool
refresh_take(struct refresh *refresh, struct report *report)
{
	unsigned errors = report != NULL ? report->errors : 0;

	if (atomic_load(&refresh->lacks_memory) && report != NULL)
		report_error(report, NULL, 0, "no memory to read certificates and keys");
	for (size_t i = 0; i < refresh->count; i++) {
		struct item *item = &refresh->items[i];

		if (refresh->scope != REFRESH_CHANGED)
			take_use(refresh, item, i, report);
		else if (item->reading != NULL && (!refresh->late || i < atomic_load(&refresh->at)))
			take_change(item);
	}
	return report == NULL || report->errors == errors;
}
