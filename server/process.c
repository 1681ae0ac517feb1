/* SPDX-License-Identifier: Apache-2.0 */
/*
 * process: the main thread's life: start, signals, drain, end.
 *
 * Start: read the configuration (as the user to become), bind what it names, drop privileges, start the
 * threads, publish. What fails until then is printed to stderr and ends the process with 1; afterwards the
 * error log is the place. A generation is freed when `released` says that no thread holds it.
 */
#include "process.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <inttypes.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "admin.h"
#include "admin_port.h"
#include "command.h"
#include "farewell.h"
#include "generation.h"
#include "hot.h"
#include "loader.h"
#include "log.h"
#include "notify.h"
#include "offload.h"
#include "reload.h"
#include "takeover.h"
#include "upgrade.h"

/* Two refreshes (refresh.c) may hang on files that nobody lets go; what else is handed in has the others. */
enum { LIVING_MOST = 1024, OFFLOAD_THREADS = 4, TRIM_SECTIONS = 1000 };

/* --- generations ---------------------------------------------------------------------------------------- */

bool
process_add_generation(struct process *p, struct generation *g)
{
	struct generation **living;

	if (p->living_count == LIVING_MOST)
		return false;
	living = realloc(p->living, (p->living_count + 1) * sizeof(*living));
	if (living == NULL)
		return false;
	p->living = living;
	living[p->living_count++] = g;
	return true;
}

/* malloc keeps what lies between pieces that are in use, and many generations would make that much. */
static void
trim(evutil_socket_t fd, short what, void *argument)
{
	(void)fd;
	(void)what;
	(void)argument;
#ifdef __GLIBC__
	malloc_trim(0);
#endif
}

void
process_trim(struct process *p)
{
	static const struct timeval moment = { .tv_usec = 500000 };

	if (!event_pending(p->trim, EV_TIMEOUT, NULL))
		event_add(p->trim, &moment);
}

/* No thread holds it any more. */
static void
released(struct generation *g, void *argument)
{
	struct process *p = argument;

	for (unsigned i = 0; i < p->living_count; i++)
		if (p->living[i] == g) {
			p->living[i] = p->living[--p->living_count];
			break;
		}
	weir_log(WEIR_LOG_DEBUG, "generation %" PRIu64 " has served its last request", g->number);
	if (p->current == g)
		p->current = NULL;
	if (p->base != NULL && g->route_count + g->upstream_count >= TRIM_SECTIONS)
		process_trim(p);
	generation_free(&g);
}

void
process_log_addresses(struct process *p)
{
	for (struct socket_set *set = p->sockets.first; set != NULL; set = set->next) {
		if (set->wanted && !set->told)
			weir_log(WEIR_LOG_NOTICE, "listening on %s", set->text);
		set->told = set->wanted;
	}
}

/* Every thread serves. */
static void
be_ready(struct process *p)
{
	p->ready = true;
	process_log_addresses(p);
	notify_send("READY=1\nMAINPID=%ld\nSTATUS=serving generation %" PRIu64, (long)getpid(),
		p->current->number);
	reading_watch(p);
	reload_resume(p);
}

static void
taken(void *argument)
{
	struct process *p = argument;

	if (p->ready)
		reload_taken(p);
	else if (takeover_waits(p))
		takeover_ready(p);
	else
		be_ready(p);
}

/* --- the end -------------------------------------------------------------------------------------------- */

static void
drained(void *argument)
{
	struct process *p = argument;

	event_base_loopexit(p->base, NULL);	/* after what is ready now: an answer on the admin socket, say */
}

static void
drain_timed_out(evutil_socket_t fd, short what, void *argument)
{
	struct process *p = argument;

	(void)fd;
	(void)what;
	weir_log(WEIR_LOG_WARNING,
		"%" PRIu64 " connections were open at the end of drain_timeout and are closed",
		threads_count(&p->threads, COUNT_CLIENT_CONNECTIONS));
	event_base_loopbreak(p->base);
}

static void
drain(struct process *p, int64_t patience)
{
	int64_t timeout = p->current->settings.drain_timeout;
	struct timeval after = { .tv_sec = timeout / 1000, .tv_usec = timeout % 1000 * 1000 };

	p->stopping = true;
	weir_log(WEIR_LOG_NOTICE, "stopping; running requests have %" PRId64 " s to end", timeout / 1000);
	threads_drain(&p->threads, patience);
	event_add(p->drain_timer, &after);
}

void
process_stop(struct process *p)
{
	if (!p->retired)
		notify_send("STOPPING=1\nSTATUS=%s", p->stopping ? "ending" : "draining");
	if (p->stopping) {
		event_base_loopbreak(p->base);
		return;
	}
	upgrade_abort(p);
	drain(p, 0);
}

/* Idle clients will find the new process where they found us, but not with a request that crosses our end: each may
 * ask once more. Half of the time leaves the other half to what they ask for. */
void
process_retire(struct process *p)
{
	p->retired = true;
	drain(p, p->current->settings.drain_timeout / 2);
}

/* --- signals -------------------------------------------------------------------------------------------- */

static void
reopen_logs(struct process *p)
{
	if (!log_reopen())
		weir_log(WEIR_LOG_ERROR, "cannot open the error log anew: %s", strerror(errno));
	for (unsigned i = 0; i < p->living_count; i++) {
		const struct generation *g = p->living[i];

		for (size_t slot = 0; slot < g->module_count; slot++)
			if (g->modules[slot]->contract->reopen != NULL)
				g->modules[slot]->contract->reopen(g->module_states[slot]);
	}
	weir_log(WEIR_LOG_NOTICE, "log files were opened anew");
}

static void
signalled(evutil_socket_t number, short what, void *argument)
{
	struct process *p = argument;

	(void)what;
	if (number == SIGHUP)
		reload_ask(p, NULL);
	else if (number == SIGUSR1)
		reopen_logs(p);
	else if (number == SIGUSR2)
		upgrade_ask(p, NULL);
	else
		process_stop(p);
}

static const int numbers[PROCESS_SIGNALS] = { SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2 };

/* From here on nobody listens, and a second TERM must not cut the last moments. */
static void
block_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	for (int i = 0; i < PROCESS_SIGNALS; i++)
		sigaddset(&set, numbers[i]);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
}

static bool
watch_signals(struct process *p)
{
	for (int i = 0; i < PROCESS_SIGNALS; i++) {
		p->signals[i] = evsignal_new(p->base, numbers[i], signalled, p);
		if (p->signals[i] == NULL || event_add(p->signals[i], NULL) != 0)
			return false;
	}
	return true;
}

static void
tick(evutil_socket_t fd, short what, void *argument)
{
	(void)fd;
	(void)what;
	(void)argument;
	log_tick();
}

/* libevent's own warnings, such as those about name servers. */
static void
log_libevent(int severity, const char *text)
{
	static const enum weir_level levels[] = {
		[EVENT_LOG_DEBUG] = WEIR_LOG_DEBUG,
		[EVENT_LOG_MSG] = WEIR_LOG_NOTICE,
		[EVENT_LOG_WARN] = WEIR_LOG_WARNING,
		[EVENT_LOG_ERR] = WEIR_LOG_ERROR,
	};

	bool known = severity >= EVENT_LOG_DEBUG && severity <= EVENT_LOG_ERR;

	weir_log(known ? levels[severity] : WEIR_LOG_WARNING, "%s", text);
}

/* --- the start ------------------------------------------------------------------------------------------ */

/* Descriptors cost nothing until they are used: take as many as we may have. */
static void
raise_limits(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

/* A client takes a descriptor, and its upstream connection another one, while it is served. */
static void
check_limits(const struct generation *g, struct report *report)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY
			&& (int64_t)limit.rlim_cur < g->settings.connections)
		report_warning(report, g->path, 0,
			"`connections = %" PRId64 "` cannot be reached: this process may have %" PRIu64
			" file descriptors; raise that (LimitNOFILE= in systemd) or lower `connections`",
			g->settings.connections, (uint64_t)limit.rlim_cur);
}

static char *
copy(const char *text)
{
	return text != NULL ? strdup(text) : NULL;
}

static bool
find_user(struct process *p, struct report *report)
{
	struct generation *peeked = generation_peek(p->command->path, report);
	char why[256];

	if (peeked == NULL)
		return false;
	if (!privilege_find(&p->privilege, peeked->settings.user, peeked->settings.group, why, sizeof(why)))
		report_error(report, peeked->path, 0, "%s", why);
	else if (why[0] != '\0')
		report_warning(report, peeked->path, 0, "%s", why);
	p->privilege.name = NULL;
	p->start.state_dir = copy(peeked->settings.state_dir);
	if (report->errors == 0 && ((peeked->settings.user != NULL &&
		(p->privilege.name = strdup(peeked->settings.user)) == NULL) ||
		(peeked->settings.state_dir != NULL && p->start.state_dir == NULL)))
		report_error(report, NULL, 0, "no memory");
	generation_free(&peeked);
	return report->errors == 0;
}

/* Without memory for it a reload warns of a change that there is not. */
static void
remember_start(struct process *p)
{
	const struct weir_settings *s = &p->current->settings;
	size_t size = s->resolver.count * sizeof(struct weir_address);
	const char *state_dir = p->start.state_dir;

	p->start = *s;
	p->start.state_dir = state_dir;
	p->start.user = copy(s->user);
	p->start.group = copy(s->group);
	p->start.admin = copy(s->admin);
	p->start.admin_token = copy(s->admin_token);
	p->start.admin_address.host = NULL;
	p->start.resolver.items = size > 0 ? malloc(size) : NULL;
	if (p->start.resolver.items != NULL)
		memcpy(p->start.resolver.items, s->resolver.items, size);
	else
		p->start.resolver.count = 0;
}

static void
forget_start(struct process *p)
{
	free((char *)(uintptr_t)p->start.user);
	free((char *)(uintptr_t)p->start.group);
	free((char *)(uintptr_t)p->start.admin);
	free((char *)(uintptr_t)p->start.admin_token);
	free((char *)(uintptr_t)p->start.state_dir);
	free(p->start.resolver.items);
	free((char *)(uintptr_t)p->privilege.name);
}

/* All that touches files: done as the user who will do it at a reload. */
static bool
read_configuration(struct process *p, struct report *report)
{
	struct generation_source source = { .path = p->command->path };
	struct generation *g;

	if (!find_user(p, report))
		return false;
	if (!privilege_lend(&p->privilege)) {
		report_error(report, NULL, 0, "cannot act as user %s: %s", p->privilege.name,
			strerror(errno));
		return false;
	}
	if ((p->modules = loader_new(p->command->folders, report)) == NULL)
		return false;
	if (!hot_open(p, p->start.state_dir, report))
		return false;
	source.overlay = p->hot.overlay;
	if ((g = generation_build_from(&source, p->modules, NULL, 0, report)) == NULL)
		return false;
	p->current = g;
	if (!process_add_generation(p, g)) {
		report_error(report, NULL, 0, "no memory");
		return false;
	}
	remember_start(p);
	check_limits(g, report);
	if (!admin_port_read(p, report))
		return false;
	if (!log_open(g->settings.error_log, (enum weir_level)g->settings.log_level))
		report_error(report, g->path, 0, "cannot open `error_log = %s`: %s", g->settings.error_log,
			strerror(errno));
	if (!privilege_return(&p->privilege))
		report_error(report, NULL, 0, "cannot become root again to bind: %s", strerror(errno));
	return report->errors == 0;
}

static bool
prepare_loop(struct process *p, struct report *report)
{
	static const struct timeval second = { 1, 0 };

	p->base = event_base_new();
	if (p->base != NULL) {
		p->tick = event_new(p->base, -1, EV_PERSIST, tick, p);
		p->trim = evtimer_new(p->base, trim, p);
		p->drain_timer = evtimer_new(p->base, drain_timed_out, p);
	}
	if (p->tick != NULL && p->trim != NULL && p->drain_timer != NULL && event_add(p->tick, &second) == 0 &&
		reload_init(p) && upgrade_init(p) && takeover_watch(p) && watch_signals(p))
		return true;
	report_error(report, NULL, 0, "no memory or no descriptors for the main loop");
	return false;
}

static void
adopt_managed(struct process *p)
{
	unsigned count = notify_descriptors();

	for (unsigned i = 0; i < count; i++) {
		struct socket_set *set = sockets_adopt(&p->sockets, NOTIFY_FIRST + (int)i);

		if (set != NULL)
			set->inherited = true;
	}
}

/* What was handed over but is not in the configuration would only keep clients waiting. */
static void
close_unnamed(struct process *p, struct report *report)
{
	if (p->takeover != NULL)
		takeover_note_unwanted(p);
	for (const struct socket_set *set = p->sockets.first; set != NULL; set = set->next)
		if (!set->wanted && !set->lent)
			report_warning(report, p->current->path, 0,
				"a socket on %s was handed over, but no [listen] section has that address; "
				"it is closed", set->text);
	sockets_sweep(&p->sockets);
}

/* What may need root, and its end. */
static bool
bind_and_drop(struct process *p, struct report *report)
{
	char why[256];

	p->sockets.threads = p->current->threads;
	adopt_managed(p);
	if (!sockets_open(&p->sockets, p->current, report) || !admin_open(p, report) ||
		!admin_port_open(p, report))
		return false;
	close_unnamed(p, report);
	if (!privilege_drop(&p->privilege, why, sizeof(why))) {
		report_error(report, NULL, 0, "%s", why);
		return false;
	}
	return true;
}

/* Of a process that takes over, the threads have all but listeners until it may. */
static bool
start_threads(struct process *p, struct report *report)
{
	static const struct sockets none;
	const struct sockets *sockets = takeover_waits(p) ? &none : &p->sockets;

	p->threads.taken = taken;
	p->threads.drained = drained;
	p->threads.released = released;
	p->threads.argument = p;
	if (offload_start(OFFLOAD_THREADS) &&
		threads_start(&p->threads, p->current->threads, &p->current->settings, p->base) &&
		threads_publish(&p->threads, p->current, sockets))
		return true;
	report_error(report, NULL, 0, "cannot start the event threads");
	return false;
}

static bool
start(struct process *p, struct report *report)
{
	bool good = takeover_begin(p, report) && read_configuration(p, report) && prepare_loop(p, report)
		&& bind_and_drop(p, report) && start_threads(p, report);

	report_print(report, stderr);
	return good;
}

static void
end(struct process *p)
{
	bool published = p->current != NULL && p->current->holders > 0;

	admin_free(&p->admin);
	admin_port_free(p);
	reading_free(p);
	offload_stop();		/* what it still runs may resume exchanges */
	if (p->threads.count > 0)
		threads_stop(&p->threads);
	if (!published)
		generation_free(&p->current);
	sockets_close(&p->sockets);
	reload_free(p);
	upgrade_free(p);
	takeover_free(p);
	block_signals();
	for (int i = 0; i < PROCESS_SIGNALS; i++)
		if (p->signals[i] != NULL)
			event_free(p->signals[i]);
	if (p->tick != NULL)
		event_free(p->tick);
	if (p->trim != NULL)
		event_free(p->trim);
	if (p->drain_timer != NULL)
		event_free(p->drain_timer);
	if (p->base != NULL)
		event_base_free(p->base);
	loader_free(&p->modules);
	forget_start(p);
	farewell_forget_all(p);
	hot_close(p);
	free(p->living);
}

int
process_run(const struct command *command)
{
	struct process p = { .command = command, .started = weir_now() };
	struct report report;
	bool started;

	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);	/* a file that may grow no more is a write that fails, and no end of all */
	event_set_log_callback(log_libevent);
	raise_limits();
	report_init(&report);
	started = start(&p, &report);
	report_free(&report);
	if (started)
		event_base_dispatch(p.base);
	end(&p);
	if (started)
		weir_log(WEIR_LOG_NOTICE, "stopped");
	log_tick();
	return started ? COMMAND_GOOD : COMMAND_BAD;
}
