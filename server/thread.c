/* SPDX-License-Identifier: Apache-2.0 */
/*
 * thread: the event threads, from start to join, and the messages between them and the main thread.
 *
 * A message to a thread (take a generation, drain, stop) and its answer lie in struct thread itself: sending one
 * can not fail. A hold lies in memory that the main thread took before it published, for the same reason.
 */
#include "thread.h"

#include <assert.h>
#include <event2/event.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "buffer.h"
#include "clients.h"
#include "exchange.h"
#include "generation.h"
#include "listener.h"
#include "log.h"
#include "pool.h"
#include "resolver.h"
#include "wait.h"

enum { KEEP_EXCHANGES = 1024, KEEP_HEADS = 256, KEEP_BODIES = 16 };

static _Thread_local struct thread *current;
static struct threads *all_threads;

struct thread *
thread_current(void)
{
	return current;
}

struct thread *
thread_number(unsigned number)
{
	return all_threads != NULL && number < all_threads->count ? &all_threads->list[number] : NULL;
}

unsigned
weir_thread_index(const struct weir_thread *t)
{
	return t->number;
}

/* --- holds ------------------------------------------------------------------------------------------------------ */

static void
tick_hold(struct thread *t, struct hold *h)
{
	const struct generation *g = h->generation;

	for (size_t i = 0; i < g->module_count; i++)
		if (g->modules[i]->contract->tick != NULL)
			g->modules[i]->contract->tick(&t->public, g->module_states[i], thread_module_state(t, g->modules[i]));
}

static void
tick(evutil_socket_t fd, short what, void *argument)
{
	struct thread *t = argument;

	(void)fd;
	(void)what;
	for (struct hold *h = t->holds; h != NULL; h = h->next)
		tick_hold(t, h);
}

static void
on_released(struct message *m, void *owner)
{
	struct hold *h = (struct hold *)((char *)m - offsetof(struct hold, released));
	struct threads *all = owner;
	struct generation *g = h->generation;

	g->holds[h->thread->public.number] = NULL;
	free(h);
	assert(g->holders > 0);
	if (--g->holders == 0 && all->released != NULL)
		all->released(g, all->argument);
}

static void
let_go(struct thread *t, struct hold *h)
{
	struct hold **link = &t->holds;

	while (*link != h)
		link = &(*link)->next;
	*link = h->next;
	tick_hold(t, h);
	h->released.run = on_released;
	inbox_post(&t->all->main, &h->released);
}

/* Only the thread itself writes: no more than a load and a store. */
static unsigned
count(struct hold *h, int change)
{
	unsigned exchanges = atomic_load_explicit(&h->exchanges, memory_order_relaxed) + (unsigned)change;

	atomic_store_explicit(&h->exchanges, exchanges, memory_order_relaxed);
	return exchanges;
}

struct hold *
thread_hold(struct thread *t)
{
	count(t->holds, 1);
	return t->holds;
}

void
thread_release(struct thread *t, struct hold *h)
{
	assert(h->exchanges > 0);
	if (count(h, -1) == 0 && h != t->holds)
		let_go(t, h);
}

/* --- modules' structs of a thread -------------------------------------------------------------------------------- */

void *
thread_module_state(struct thread *t, const struct module *m)
{
	return m->index < t->met_count ? t->met[m->index].state : NULL;
}

/* Meet the modules that this thread has not met yet. */
static bool
meet_modules(struct thread *t, const struct generation *g)
{
	for (size_t i = 0; i < g->module_count; i++) {
		const struct module *m = g->modules[i];
		struct met *met = t->met;

		if (m->index < t->met_count)
			continue;
		met = realloc(met, (m->index + 1) * sizeof(*met));
		if (met == NULL)
			return false;
		memset(met + t->met_count, 0, (m->index + 1 - t->met_count) * sizeof(*met));
		t->met = met;
		t->met_count = m->index + 1;
	}
	for (size_t i = 0; i < g->module_count; i++) {
		const struct module *m = g->modules[i];
		const struct weir_module *contract = m->contract;

		if (t->met[m->index].state != NULL)
			continue;
		t->met[m->index].module = m;
		t->met[m->index].state = calloc(1, contract->thread_size + 1);
		if (t->met[m->index].state == NULL)
			return false;
		if (contract->thread_start != NULL && !contract->thread_start(&t->public, t->met[m->index].state))
			weir_log(WEIR_LOG_ERROR, "module %s could not start on thread %u", m->name, t->public.number);
	}
	return true;
}

/* From all that were ever met: a reload may have left a module out, and it works on in this thread. */
static void
part_from_modules(struct thread *t)
{
	for (unsigned i = 0; i < t->met_count; i++) {
		const struct met *met = &t->met[i];

		if (met->state != NULL && met->module->contract->thread_stop != NULL)
			met->module->contract->thread_stop(&t->public, met->state);
		free(met->state);
	}
	free(t->met);
	t->met = NULL;
	t->met_count = 0;
}

/* --- messages ------------------------------------------------------------------------------------------------- */

static void
on_taken(struct message *m, void *owner)
{
	struct threads *all = owner;

	(void)m;
	if (--all->taking == 0 && all->taken != NULL)
		all->taken(all->argument);
}

static void
set_tick(struct thread *t, const struct generation *g)
{
	static const struct timeval second = { 1, 0 };
	bool wanted = false;

	for (size_t i = 0; i < g->module_count; i++)
		wanted |= g->modules[i]->contract->tick != NULL;
	if (wanted && !event_pending(t->tick, EV_TIMEOUT, NULL))
		event_add(t->tick, &second);
}

/* On the event thread: from here on, new requests are served by the new generation. */
static void
take(struct message *m, void *owner)
{
	struct thread *t = owner;
	struct hold *old = t->holds, *h = t->taking;

	(void)m;
	turn_end(&t->turn);	/* who came before is served by the old one, and by its listeners */
	if (!meet_modules(t, h->generation))
		weir_log(WEIR_LOG_ERROR, "thread %u has no memory for the modules' structs", t->public.number);
	h->next = old;
	t->holds = h;
	set_tick(t, h->generation);
	listener_update(t, t->sockets, h->generation);
	if (old != NULL && old->exchanges == 0)
		let_go(t, old);
	t->taken_at = exchange_clock();
	t->taken.run = on_taken;
	inbox_post(&t->all->main, &t->taken);
}

bool
threads_prepare(struct threads *all, struct generation *g)
{
	if (g->holds == NULL && (g->holds = calloc(all->count, sizeof(struct hold *))) == NULL)
		return false;
	g->hold_count = all->count;
	for (unsigned i = 0; i < all->count; i++) {
		if (g->holds[i] == NULL && (g->holds[i] = calloc(1, sizeof(struct hold))) == NULL)
			return false;
		g->holds[i]->generation = g;
		g->holds[i]->thread = &all->list[i];
	}
	return true;
}

bool
threads_publish(struct threads *all, struct generation *g, const struct sockets *sockets)
{
	assert(all->taking == 0);
	if (!threads_prepare(all, g))
		return false;
	g->holders = all->taking = all->count;
	g->begun = weir_now();
	atomic_store_explicit(&all->connection_limit, g->settings.connections, memory_order_relaxed);
	all->published_at = exchange_clock();
	for (unsigned i = 0; i < all->count; i++) {
		struct thread *t = &all->list[i];

		t->taking = g->holds[i];
		t->sockets = sockets;
		t->take.run = take;
		inbox_post(&t->inbox, &t->take);
	}
	return true;
}

int64_t
threads_took(const struct threads *all)
{
	uint64_t last = all->published_at;

	for (unsigned i = 0; i < all->count; i++)
		if (all->list[i].taken_at > last)
			last = all->list[i].taken_at;
	return (int64_t)((last - all->published_at) / 1000);
}

static void
listen_now(struct message *m, void *owner)
{
	struct thread *t = owner;

	(void)m;
	turn_end(&t->turn);
	listener_update(t, t->sockets, t->holds->generation);
	t->taken.run = on_taken;
	inbox_post(&t->all->main, &t->taken);
}

void
threads_listen(struct threads *all, const struct sockets *sockets)
{
	assert(all->taking == 0);
	all->taking = all->count;
	for (unsigned i = 0; i < all->count; i++) {
		struct thread *t = &all->list[i];

		t->sockets = sockets;
		t->listen.run = listen_now;
		inbox_post(&t->inbox, &t->listen);
	}
}

static void
on_drained(struct message *m, void *owner)
{
	struct threads *all = owner;

	(void)m;
	if (--all->undrained == 0 && all->drained != NULL)
		all->drained(all->argument);
}

void
thread_check_drained(struct thread *t)
{
	if (!t->draining || t->client_count > 0 || t->drained.run != NULL)
		return;
	t->drained.run = on_drained;
	inbox_post(&t->all->main, &t->drained);
}

static void
drain(struct message *m, void *owner)
{
	struct thread *t = owner;

	(void)m;
	turn_end(&t->turn);
	listener_close_all(t);
	t->draining = true;
	clients_close_idle(t, t->all->patience);
	thread_check_drained(t);
}

void
threads_drain(struct threads *all, int64_t patience)
{
	all->undrained = all->count;
	all->patience = patience;
	for (unsigned i = 0; i < all->count; i++) {
		all->list[i].drain.run = drain;
		inbox_post(&all->list[i].inbox, &all->list[i].drain);
	}
}

static void
stop(struct message *m, void *owner)
{
	struct thread *t = owner;

	(void)m;
	t->stopping = true;
	event_base_loopbreak(t->base);
}

/* --- life ----------------------------------------------------------------------------------------------------- */

static void
wind_down(struct thread *t)
{
	listener_close_all(t);
	t->draining = true;
	clients_close_all(t);
	pools_close(t);
	while (t->holds != NULL)
		let_go(t, t->holds);	/* ticks a last time, with the modules' structs */
	part_from_modules(t);
}

static void *
run(void *argument)
{
	struct thread *t = argument;

	current = t;
	while (!t->stopping && event_base_loop(t->base, EVLOOP_ONCE | EVLOOP_NO_EXIT_ON_EMPTY) == 0)
		turn_end(&t->turn);
	wind_down(t);
	return NULL;
}

static struct event_base *
new_base(void)
{
	struct event_config *config = event_config_new();
	struct event_base *base;

	if (config == NULL)
		return NULL;
	event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
	base = event_base_new_with_config(config);
	event_config_free(config);
	return base;
}

/* What `scrap` gives back, in whatever state it is. */
static bool
prepare(struct thread *t, struct threads *all, unsigned number, const struct weir_settings *settings)
{
	t->public.number = number;
	t->all = all;
	t->budget.limit = settings->memory / all->count;
	slab_init(&t->exchanges, &t->budget, EXCHANGE_SIZE, KEEP_EXCHANGES);
	slab_init(&t->heads, &t->budget, BUFFER_SMALL, KEEP_HEADS);
	slab_init(&t->bodies, &t->budget, BUFFER_LARGE, KEEP_BODIES);
	t->base = new_base();
	if (t->base == NULL || !inbox_init(&t->inbox, t->base, t))
		return false;
	t->tick = event_new(t->base, -1, EV_PERSIST, tick, t);
	t->scratch = malloc(SCRATCH_SIZE);
	t->metrics = calloc(METRIC_CELLS, sizeof(*t->metrics));
	return wheel_init(&t->wheel, t->base) && t->tick != NULL && t->scratch != NULL && t->metrics != NULL
		&& (t->resolver = resolver_new(t->base, &settings->resolver)) != NULL
		&& (t->waits = wait_table_new(t)) != NULL && pools_open(t);
}

static void
scrap(struct thread *t)
{
	if (t->base == NULL)
		return;
	pools_free(t);
	resolver_free(&t->resolver);
	free(t->metrics);
	free(t->scratch);
	if (t->tick != NULL)
		event_free(t->tick);
	listener_free_all(t);
	wheel_free(&t->wheel);
	inbox_free(&t->inbox);
	wait_table_free(&t->waits);
	slab_free(&t->exchanges);
	slab_free(&t->heads);
	slab_free(&t->bodies);
	event_base_free(t->base);
	t->base = NULL;
}

/* Put the thread on the CPU whose turn it is among those that this process may use. */
static void
pin(pthread_t thread, unsigned number)
{
	cpu_set_t may, one;
	unsigned turn;

	if (sched_getaffinity(0, sizeof(may), &may) != 0 || CPU_COUNT(&may) == 0)
		return;
	turn = number % (unsigned)CPU_COUNT(&may);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &may) && turn-- == 0) {
			CPU_ZERO(&one);
			CPU_SET(cpu, &one);
			pthread_setaffinity_np(thread, sizeof(one), &one);
			return;
		}
}

static bool
launch(struct thread *t, bool pinned)
{
	sigset_t all, before;
	char name[16];
	int error;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	error = pthread_create(&t->id, NULL, run, t);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (error != 0) {
		weir_log(WEIR_LOG_ERROR, "cannot start thread %u: %s", t->public.number, strerror(error));
		return false;
	}
	snprintf(name, sizeof(name), "weir/%u", t->public.number);
	pthread_setname_np(t->id, name);
	if (pinned)
		pin(t->id, t->public.number);
	t->all->running++;
	return true;
}

bool
threads_start(struct threads *all, unsigned count, const struct weir_settings *settings, struct event_base *main_base)
{
	bool good = true;

	assert(count > 0 && count <= THREADS_MAX);
	if (!inbox_init(&all->main, main_base, all))
		return false;
	all->list = calloc(count, sizeof(*all->list));
	if (all->list == NULL) {
		inbox_free(&all->main);
		return false;
	}
	all->count = count;
	all_threads = all;
	atomic_store(&all->connection_limit, settings->connections);
	for (unsigned i = 0; good && i < count; i++)
		good = prepare(&all->list[i], all, i, settings);
	if (!good)
		weir_log(WEIR_LOG_ERROR, "no memory or no descriptors for %u threads", count);
	for (unsigned i = 0; good && i < count; i++)
		good = launch(&all->list[i], settings->pin_cpus);
	if (!good)
		threads_stop(all);
	return good;
}

void
threads_stop(struct threads *all)
{
	for (unsigned i = 0; i < all->running; i++) {
		all->list[i].stop.run = stop;
		inbox_post(&all->list[i].inbox, &all->list[i].stop);
	}
	for (unsigned i = 0; i < all->running; i++)
		pthread_join(all->list[i].id, NULL);
	inbox_free(&all->main);	/* runs what the threads still had to say */
	for (unsigned i = 0; i < all->count; i++)
		scrap(&all->list[i]);
	pools_close_shelf();
	free(all->list);
	all->list = NULL;
	all->count = all->running = 0;
	all_threads = NULL;
}

uint64_t
threads_count(const struct threads *all, enum counter which)
{
	uint64_t sum = which == COUNT_RESUMED_LATE ? wait_late_elsewhere() : 0;

	for (unsigned i = 0; i < all->count; i++)
		sum += counter_read(&all->list[i].counters, which);
	return sum;
}

int64_t
threads_metric(const struct threads *all, unsigned cell)
{
	int64_t sum = 0;

	for (unsigned i = 0; i < all->count && cell < METRIC_CELLS; i++)
		sum += atomic_load_explicit(&all->list[i].metrics[cell], memory_order_relaxed);
	return sum;
}

const char *
thread_date(struct thread *t)
{
	int64_t now = weir_time();
	struct tm tm;

	if (now != t->date_time) {
		time_t seconds = (time_t)now;

		gmtime_r(&seconds, &tm);
		strftime(t->date, sizeof(t->date), "%a, %d %b %Y %H:%M:%S GMT", &tm);
		t->date_time = now;
	}
	return t->date;
}
