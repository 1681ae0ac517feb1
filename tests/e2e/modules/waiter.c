/* SPDX-License-Identifier: Apache-2.0 */
/*
 * waiter: waits where the request's field Wait orders it, as PHASE=HOW:
 *
 *	now	resumed before the hook has returned
 *	twice	the same, two times
 *	soon	resumed by the helper pool after a few milliseconds
 *	thread	resumed by a thread of the module's own
 *	held	resumed by the verb `waiter resume`, again and again: the first time counts
 *	never	its deadline passes
 *	respond	now, with a response that is set
 *
 * The field Deadline gives milliseconds, Late the verdict when they have passed, Resume the verdict otherwise.
 * What was held stays in a list until the process ends, so that its tokens can be used when they are spent.
 */
#include "note.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

struct settings {
	const char *file;
};

struct held {
	struct held *next;
	struct weir_token token;
	enum weir_verdict verdict;
	char id[32], file[160];
};

/* One event thread's own thread. */
struct thread {
	pthread_t id;
	pthread_mutex_t lock;
	pthread_cond_t arrived;
	struct held *jobs;
	bool running, stopping;
};

static struct {
	pthread_mutex_t lock;
	struct held *first;
} all = { .lock = PTHREAD_MUTEX_INITIALIZER };

static const struct weir_option options[] = {
	{ "file", WEIR_PATH, offsetof(struct settings, file), .in = WEIR_IN_MODULE, .doc = "Where to note." },
	{ .name = NULL }
};

static void
cancelled(void *argument)
{
	struct held *held = argument;

	note(held->file, "%s waiter cancel", held->id);
}

static void
resume(struct held *held)
{
	bool won = weir_resume(held->token, held->verdict);

	note(held->file, "%s waiter %s", held->id, won ? "resumed" : "late");
}

static void
resume_soon(void *argument)
{
	struct held *held = argument;
	const struct timespec soon = { 0, 3000000 };

	nanosleep(&soon, NULL);
	resume(held);
}

/* --- a thread of its own ---------------------------------------------------------------------------------------------- */

static void *
work(void *argument)
{
	struct thread *t = argument;

	pthread_mutex_lock(&t->lock);
	while (!t->stopping) {
		struct held *jobs = t->jobs;

		if (jobs == NULL) {
			pthread_cond_wait(&t->arrived, &t->lock);
			continue;
		}
		t->jobs = NULL;
		pthread_mutex_unlock(&t->lock);
		for (struct held *next; jobs != NULL; jobs = next) {
			next = jobs->next;
			resume_soon(jobs);
			free(jobs);
		}
		pthread_mutex_lock(&t->lock);
	}
	pthread_mutex_unlock(&t->lock);
	return NULL;
}

static bool
thread_start(struct weir_thread *wt, void *state)
{
	struct thread *t = state;

	(void)wt;
	pthread_mutex_init(&t->lock, NULL);
	pthread_cond_init(&t->arrived, NULL);
	t->running = pthread_create(&t->id, NULL, work, t) == 0;
	return t->running;
}

static void
thread_stop(struct weir_thread *wt, void *state)
{
	struct thread *t = state;

	(void)wt;
	if (!t->running)
		return;
	pthread_mutex_lock(&t->lock);
	t->stopping = true;
	pthread_cond_signal(&t->arrived);
	pthread_mutex_unlock(&t->lock);
	pthread_join(t->id, NULL);
	for (struct held *job; (job = t->jobs) != NULL; free(job))
		t->jobs = job->next;
}

static void
hand_over(struct thread *t, struct held *held)
{
	pthread_mutex_lock(&t->lock);
	held->next = t->jobs;
	t->jobs = held;
	pthread_cond_signal(&t->arrived);
	pthread_mutex_unlock(&t->lock);
}

/* --- waiting ---------------------------------------------------------------------------------------------------------- */

static void
hold(struct held *held)
{
	pthread_mutex_lock(&all.lock);
	held->next = all.first;
	all.first = held;
	pthread_mutex_unlock(&all.lock);
}

static enum weir_verdict
verdict_field(struct weir_exchange *x, const char *name, enum weir_verdict otherwise)
{
	const char *word = weir_request_field(x, name);

	return word != NULL ? verdict_of(word) : otherwise;
}

static void
order_resume(struct weir_exchange *x, struct held *held, const char *how)
{
	if (strcmp(how, "now") == 0 || strcmp(how, "twice") == 0 || strcmp(how, "respond") == 0)
		resume(held);
	if (strcmp(how, "twice") == 0)
		resume(held);
	if (strcmp(how, "soon") == 0)
		weir_offload(resume_soon, held);
	if (strcmp(how, "thread") == 0)
		hand_over(weir_thread_state(x), held);
}

static enum weir_verdict
on_phase(struct weir_exchange *x, const void *settings, const void *state, const char *phase)
{
	const struct settings *set = settings;
	const char *deadline = weir_request_field(x, "Deadline");
	struct held *held;
	char how[64];

	(void)state;
	if (!ordered(x, "Wait", phase, how) || (held = calloc(1, sizeof(*held))) == NULL)
		return WEIR_NEXT;
	if (strcmp(how, "respond") == 0)
		weir_respond(x, 418, "text/plain", "waited", 6);
	snprintf(held->id, sizeof(held->id), "%s", id_of(x));
	snprintf(held->file, sizeof(held->file), "%s", set->file);
	held->verdict = verdict_field(x, "Resume", WEIR_NEXT);
	held->token = weir_wait(x, deadline != NULL ? atoi(deadline) : 60000, verdict_field(x, "Late", WEIR_NEXT),
		strcmp(how, "thread") == 0 ? NULL : cancelled, held);
	if (strcmp(how, "thread") != 0)
		hold(held);	/* before the scene can hear of it, and resume it */
	note(set->file, "%s waiter waits %s", id_of(x), phase);
	order_resume(x, held, how);
	return WEIR_WAIT;
}

EACH_PHASE(DEFINE_HOOK)

static bool
resume_held(struct weir_reply *reply, void *generation, int count, const char *const *arguments)
{
	unsigned resumed = 0, late = 0;

	(void)generation;
	pthread_mutex_lock(&all.lock);
	for (struct held *h = all.first; h != NULL; h = h->next)
		if (count == 0 || strcmp(arguments[0], h->id) == 0)
			*(weir_resume(h->token, h->verdict) ? &resumed : &late) += 1;
	pthread_mutex_unlock(&all.lock);
	weir_reply_number(reply, "resumed", resumed);
	weir_reply_number(reply, "late", late);
	return true;
}

static const struct weir_verb verbs[] = {
	{ "resume", "[ID]", resume_held, "Resume what is held." },
	{ .name = NULL }
};

WEIR_MODULE(waiter) = {
	WEIR_ABI,
	.summary = "Waits where requests order it.",
	.options = options,
	.verbs = verbs,
	.settings_size = sizeof(struct settings),
	.thread_size = sizeof(struct thread),
	.thread_start = thread_start,
	.thread_stop = thread_stop,
	.hooks = { EACH_PHASE(NAME_HOOK) },
};
