/* SPDX-License-Identifier: Apache-2.0 */
/*
 * upgrade: another binary takes this one's place, and no connection is lost.
 *
 * This is the side of the process that hands over; upgrade.h draws the whole. All of it runs on the main thread, by
 * events: nobody waits for the new process.
 */
#include "upgrade.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "admin.h"
#include "admin_port.h"
#include "command.h"
#include "generation.h"
#include "log.h"
#include "notify.h"
#include "process.h"
#include "reload.h"
#include "takeover.h"

enum { SAID_MOST = 8192, LINE_MOST = 512, WHY_MOST = 256 };

struct upgrade {
	struct process *process;
	char *binary;			/* absolute */
	pid_t pid;			/* of the new process; 0: none is under way */
	int channel, output;		/* -1: none */
	bool handed;			/* it serves */
	struct event *begin;		/* activated for each request: many at once become one */
	struct event *answered, *heard, *deadline, *child;
	struct upgrade_waiter *waiters;
	int64_t began;
	char why[WHY_MOST];		/* it is being ended; "" as long as it is not */
	char said[SAID_MOST];		/* the beginning of its stderr */
	size_t said_length;
	char line[LINE_MOST];		/* of its stderr, not yet whole */
	size_t line_length;
};

/* --- how it ends ----------------------------------------------------------------------------------------------------- */

static void
tell(struct upgrade *u, const struct upgrade_outcome *outcome)
{
	struct upgrade_waiter *waiter;

	while ((waiter = u->waiters) != NULL) {
		u->waiters = waiter->next;
		waiter->told(waiter, outcome);
	}
}

static void
let_event_go(struct event **event)
{
	if (*event != NULL)
		event_free(*event);
	*event = NULL;
}

static void
close_one(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void
forget_child(struct upgrade *u)
{
	let_event_go(&u->answered);
	let_event_go(&u->heard);
	let_event_go(&u->deadline);
	let_event_go(&u->child);
	close_one(&u->channel);
	close_one(&u->output);
	u->pid = 0;
}

static void
fail(struct upgrade *u, const char *why)
{
	struct upgrade_outcome outcome = { .why = why, .said = u->said, .milliseconds = weir_now() - u->began };

	forget_child(u);
	weir_log(WEIR_LOG_ERROR, "the upgrade failed: %s; process %ld serves on", why, (long)getpid());
	tell(u, &outcome);
	reload_resume(u->process);
}

/* --- what the new process says --------------------------------------------------------------------------------------- */

static void
log_line(struct upgrade *u)
{
	u->line[u->line_length] = '\0';
	if (u->line_length > 0)
		weir_log(WEIR_LOG_NOTICE, "process %ld: %s", (long)u->pid, u->line);
	u->line_length = 0;
}

static void
keep_said(struct upgrade *u, const char *text, size_t length)
{
	size_t room = sizeof(u->said) - 1 - u->said_length;

	if (length > room)
		length = room;
	memcpy(u->said + u->said_length, text, length);
	u->said_length += length;
	u->said[u->said_length] = '\0';
}

/* All that is there; false at its end. */
static bool
read_output(struct upgrade *u)
{
	char text[4096];
	ssize_t length;

	while ((length = read(u->output, text, sizeof(text))) > 0) {
		keep_said(u, text, (size_t)length);
		for (ssize_t i = 0; i < length; i++) {
			if (text[i] != '\n')
				u->line[u->line_length++] = text[i];
			if (text[i] == '\n' || u->line_length == sizeof(u->line) - 1)
				log_line(u);
		}
	}
	return length < 0 && (errno == EAGAIN || errno == EINTR);
}

static void
heard(evutil_socket_t fd, short what, void *argument)
{
	struct upgrade *u = argument;

	(void)fd;
	(void)what;
	if (!read_output(u))
		let_event_go(&u->heard);
}

/* --- handing over ---------------------------------------------------------------------------------------------------- */

/* Is the set among those that the new process has no use for: "ready FD FD …"? */
static bool
is_unwanted(const struct socket_set *set, const char *list)
{
	char *end;

	for (long fd = strtol(list, &end, 10); end != list; fd = strtol(list, &end, 10)) {
		if (fd == set->sockets[0])
			return true;
		list = end;
	}
	return false;
}

static void
hand_over(struct upgrade *u, const char *unwanted)
{
	struct process *p = u->process;
	struct upgrade_outcome outcome = { .pid = u->pid, .said = u->said, .milliseconds = weir_now() - u->began };

	if (send(u->channel, UPGRADE_GO, sizeof(UPGRADE_GO) - 1, MSG_NOSIGNAL) < 0)
		return;		/* it has just died, as we shall hear */
	u->handed = true;
	let_event_go(&u->deadline);
	for (struct socket_set *set = p->sockets.first; set != NULL; set = set->next)
		set->lent = set->wanted && !is_unwanted(set, unwanted);
	notify_send("MAINPID=%ld\nSTATUS=process %ld serves, process %ld drains", (long)u->pid, (long)u->pid,
		(long)getpid());
	admin_release(p->admin);
	admin_port_release(p);
	weir_log(WEIR_LOG_NOTICE, "process %ld has taken over, %" PRId64 " ms after it was started", (long)u->pid,
		outcome.milliseconds);
	if (reload_is_asked(p))
		kill(u->pid, SIGHUP);	/* it may have read the files too early */
	tell(u, &outcome);
	process_retire(p);
	reload_resume(p);
}

static void
answered(evutil_socket_t fd, short what, void *argument)
{
	struct upgrade *u = argument;
	char message[UPGRADE_MESSAGE + 1];
	ssize_t length = recv(fd, message, sizeof(message) - 1, MSG_DONTWAIT);

	(void)what;
	if (length < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (length <= 0) {
		let_event_go(&u->answered);	/* how it ended is its exit code's to tell, or the deadline's */
		return;
	}
	message[length] = '\0';
	if (strncmp(message, UPGRADE_READY, sizeof(UPGRADE_READY) - 1) == 0 && u->why[0] == '\0' && !u->handed)
		hand_over(u, message + sizeof(UPGRADE_READY) - 1);
}

static void
end_child(struct upgrade *u, const char *why)
{
	if (u->why[0] == '\0')
		snprintf(u->why, sizeof(u->why), "%s", why);
	kill(u->pid, SIGKILL);
}

static void
deadline_passed(evutil_socket_t fd, short what, void *argument)
{
	struct upgrade *u = argument;
	char why[WHY_MOST];

	(void)fd;
	(void)what;
	answered(u->channel, EV_READ, u);	/* if it says so just now, it is in time */
	if (u->handed)
		return;
	snprintf(why, sizeof(why), "%s was not ready after upgrade_timeout and was ended", u->binary);
	end_child(u, why);
}

static void
child_ended(evutil_socket_t number, short what, void *argument)
{
	struct upgrade *u = argument;
	char why[WHY_MOST];
	int status;

	(void)number;
	(void)what;
	if (waitpid(u->pid, &status, WNOHANG) != u->pid)
		return;
	read_output(u);
	log_line(u);
	if (WIFSIGNALED(status))
		snprintf(why, sizeof(why), "%s was ended by signal %d (%s)", u->binary, WTERMSIG(status),
			strsignal(WTERMSIG(status)));
	else
		snprintf(why, sizeof(why), "%s ended with exit code %d", u->binary, WEXITSTATUS(status));
	if (!u->handed) {
		fail(u, u->why[0] != '\0' ? u->why : why);
		return;
	}
	if (status != 0)	/* else it was told to end, or has itself handed over */
		weir_log(WEIR_LOG_ERROR, "process %ld, which had taken over, is gone: %s", (long)u->pid, why);
	forget_child(u);
}

/* --- starting it ----------------------------------------------------------------------------------------------------- */

static void
inherit(posix_spawn_file_actions_t *files, int fd)
{
	posix_spawn_file_actions_adddup2(files, fd, fd);	/* onto itself: it stays open on exec */
}

static void
list_one(FILE *to, const char *name, int fd, posix_spawn_file_actions_t *files)
{
	if (fd >= 0) {
		fprintf(to, " %s=%d", name, fd);
		inherit(files, fd);
	}
}

/* The environment variable; NULL without memory. */
static char *
list_descriptors(const struct upgrade *u, int channel, int errors, posix_spawn_file_actions_t *files)
{
	const struct process *p = u->process;
	char *text = NULL, comma = '=';
	size_t size;
	FILE *to = open_memstream(&text, &size);

	if (to == NULL)
		return NULL;
	fputs(UPGRADE_VARIABLE "=", to);
	list_one(to, "channel", channel, files);
	list_one(to, "stderr", errors, files);
	list_one(to, "admin", admin_descriptor(p->admin), files);
	list_one(to, "port", admin_port_descriptor(p), files);
	fprintf(to, " listen");
	for (const struct socket_set *set = p->sockets.first; set != NULL; set = set->next)
		for (unsigned i = 0; i < set->count; i++, comma = ',') {
			fprintf(to, "%c%d%s%s", comma, set->sockets[i], sockets_is_any_port(set) ? "p" : "",
				set->inherited ? "m" : "");
			inherit(files, set->sockets[i]);
		}
	return fclose(to) == 0 ? text : NULL;
}

/* Ours with one more; what a service manager said to us alone was taken out at the start. */
static char **
extend_environment(char *variable)
{
	size_t count = 0;
	char **list;

	while (environ[count] != NULL)
		count++;
	if ((list = malloc((count + 2) * sizeof(*list))) == NULL)
		return NULL;
	memcpy(list, environ, count * sizeof(*list));
	list[count] = variable;
	list[count + 1] = NULL;
	return list;
}

/* 0 or an error number. */
static int
spawn(struct upgrade *u, int channel, int output)
{
	int errors = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1), error = ENOMEM;
	posix_spawn_file_actions_t files;
	char *variable, **environment;

	if (posix_spawn_file_actions_init(&files) == 0) {
		variable = list_descriptors(u, channel, errors, &files);
		environment = variable != NULL ? extend_environment(variable) : NULL;
		posix_spawn_file_actions_adddup2(&files, output, STDERR_FILENO);
		if (environment != NULL)
			error = posix_spawn(&u->pid, u->binary, &files, NULL, u->process->command->arguments,
				environment);
		posix_spawn_file_actions_destroy(&files);
		free(environment);
		free(variable);
	}
	if (error != 0)
		u->pid = 0;
	close_one(&errors);
	return error;
}

static bool
watch_child(struct upgrade *u)
{
	int64_t limit = u->process->current->settings.upgrade_timeout;
	struct timeval after = { .tv_sec = limit / 1000, .tv_usec = limit % 1000 * 1000 };
	struct event_base *base = u->process->base;

	u->answered = event_new(base, u->channel, EV_READ | EV_PERSIST, answered, u);
	u->heard = event_new(base, u->output, EV_READ | EV_PERSIST, heard, u);
	u->deadline = evtimer_new(base, deadline_passed, u);
	u->child = evsignal_new(base, SIGCHLD, child_ended, u);
	return u->answered != NULL && u->heard != NULL && u->deadline != NULL && u->child != NULL
		&& event_add(u->child, NULL) == 0 && event_add(u->answered, NULL) == 0
		&& event_add(u->heard, NULL) == 0 && event_add(u->deadline, &after) == 0;
}

static void
start(struct upgrade *u)
{
	int channel[2] = { -1, -1 }, output[2] = { -1, -1 }, error = 0;
	char why[WHY_MOST];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, channel) != 0
			|| pipe2(output, O_CLOEXEC) != 0 || fcntl(output[0], F_SETFL, O_NONBLOCK) != 0)
		error = errno;
	u->channel = channel[0];
	u->output = output[0];
	/* Watched before it is there, so that its end cannot be missed. */
	if (error == 0 && !watch_child(u))
		error = ENOMEM;
	if (error == 0)
		error = spawn(u, channel[1], output[1]);
	close_one(&channel[1]);
	close_one(&output[1]);
	if (error != 0) {
		snprintf(why, sizeof(why), "%s cannot be started: %s", u->binary, strerror(error));
		fail(u, why);
	}
}

static void
begin(evutil_socket_t fd, short what, void *argument)
{
	static const struct timeval moment = { .tv_usec = 10000 };
	struct process *p = argument;
	struct upgrade *u = p->upgrade;

	(void)fd;
	(void)what;
	if (p->stopping) {
		tell(u, &(struct upgrade_outcome){ .why = "the process is stopping", .said = "" });
		return;
	}
	if (u->pid != 0)
		return;
	if (!p->ready || p->reload.publishing) {
		event_add(u->begin, &moment);
		return;
	}
	u->began = weir_now();
	u->handed = false;
	u->why[0] = u->said[0] = '\0';
	u->said_length = u->line_length = 0;
	weir_log(WEIR_LOG_NOTICE, "upgrade: starting %s", u->binary);
	start(u);
}

/* --- life ------------------------------------------------------------------------------------------------------------ */

/* As it was called, so that a link to another version is followed; by the kernel's word where the shell has searched. */
static char *
find_binary(const char *called)
{
	char *folder, *path = NULL;

	if (strchr(called, '/') == NULL)
		return realpath("/proc/self/exe", NULL);
	if (called[0] == '/')
		return strdup(called);
	if ((folder = getcwd(NULL, 0)) != NULL && asprintf(&path, "%s/%s", folder, called) < 0)
		path = NULL;
	free(folder);
	return path;
}

bool
upgrade_init(struct process *p)
{
	struct upgrade *u = p->upgrade = calloc(1, sizeof(*u));

	if (u == NULL)
		return false;
	u->process = p;
	u->channel = u->output = -1;
	u->binary = find_binary(p->command->arguments[0]);
	u->begin = event_new(p->base, -1, 0, begin, p);
	return u->binary != NULL && u->begin != NULL;
}

void
upgrade_free(struct process *p)
{
	struct upgrade *u = p->upgrade;

	if (u == NULL)
		return;
	upgrade_abort(p);
	forget_child(u);
	let_event_go(&u->begin);
	free(u->binary);
	free(u);
	p->upgrade = NULL;
}

void
upgrade_ask(struct process *p, struct upgrade_waiter *waiter)
{
	if (waiter != NULL) {
		waiter->next = p->upgrade->waiters;
		p->upgrade->waiters = waiter;
	}
	event_active(p->upgrade->begin, EV_TIMEOUT, 0);
}

void
upgrade_forget(struct process *p, struct upgrade_waiter *waiter)
{
	for (struct upgrade_waiter **link = &p->upgrade->waiters; *link != NULL; link = &(*link)->next)
		if (*link == waiter) {
			*link = waiter->next;
			return;
		}
}

void
upgrade_abort(struct process *p)
{
	struct upgrade *u = p->upgrade;

	if (u != NULL && u->pid != 0 && !u->handed)
		end_child(u, "the process is stopping");
}

bool
upgrade_is_under_way(const struct process *p)
{
	return (p->upgrade != NULL && p->upgrade->pid != 0 && !p->upgrade->handed) || takeover_waits(p);
}
