/* SPDX-License-Identifier: Apache-2.0 */
/*
 * takeover: this process was started by another one to take its place.
 */
#include "takeover.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "admin.h"
#include "admin_port.h"
#include "generation.h"
#include "log.h"
#include "process.h"
#include "upgrade.h"

struct takeover {
	int channel, errors, admin, port;	/* -1: not, or no longer */
	long predecessor;		/* 0: it has ended */
	bool waiting;			/* for "go" */
	struct event *event;
	char ready[UPGRADE_MESSAGE];	/* the message */
	size_t ready_length;
};

/* --- what was handed over ------------------------------------------------------------------------------------------ */

/* An open descriptor, which is not handed on; -1 when it is none. */
static int
descriptor(const char *text, char **end)
{
	long number = strtol(text, end, 10);

	if (*end == text || number <= STDERR_FILENO || number > 1 << 24)
		return -1;
	return fcntl((int)number, F_SETFD, FD_CLOEXEC) == 0 ? (int)number : -1;
}

/* FD[p][m],… */
static bool
adopt_all(struct sockets *all, char *list)
{
	char *rest = NULL, *end;

	for (char *one = strtok_r(list, ",", &rest); one != NULL; one = strtok_r(NULL, ",", &rest)) {
		int fd = descriptor(one, &end);
		struct socket_set *set = fd < 0 ? NULL : sockets_adopt(all, fd);

		if (set == NULL)
			return false;
		set->lent = true;
		set->inherited = strchr(end, 'm') != NULL;
		if (strchr(end, 'p') != NULL)
			sockets_mark_any_port(set);
	}
	return true;
}

static bool
take_word(struct process *p, struct takeover *t, char *word)
{
	const struct {
		const char *name;
		int *to;
	} names[] = { { "channel=", &t->channel }, { "stderr=", &t->errors }, { "admin=", &t->admin },
		{ "port=", &t->port } };
	char *end;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		size_t length = strlen(names[i].name);

		if (strncmp(word, names[i].name, length) == 0)
			return (*names[i].to = descriptor(word + length, &end)) >= 0;
	}
	return strncmp(word, "listen=", 7) != 0 || adopt_all(&p->sockets, word + 7);
}

/* Who is at the other end; 0: it is no channel. */
static long
find_predecessor(int channel)
{
	struct ucred peer = { 0 };
	socklen_t length = sizeof(peer), size = sizeof(int);
	int type = 0;

	if (getsockopt(channel, SOL_SOCKET, SO_TYPE, &type, &size) != 0 || type != SOCK_SEQPACKET
			|| getsockopt(channel, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0)
		return 0;
	return (long)peer.pid;
}

bool
takeover_begin(struct process *p, struct report *report)
{
	const char *text = getenv(UPGRADE_VARIABLE);
	char *words = text != NULL ? strdup(text) : NULL, *rest = NULL;
	struct takeover *t = text != NULL ? calloc(1, sizeof(*t)) : NULL;
	bool good = words != NULL && t != NULL;

	if (text == NULL)
		return true;
	unsetenv(UPGRADE_VARIABLE);
	p->takeover = t;
	if (t != NULL)
		*t = (struct takeover){ .channel = -1, .errors = -1, .admin = -1, .port = -1, .waiting = true };
	for (char *word = good ? strtok_r(words, " ", &rest) : NULL; good && word != NULL;
		word = strtok_r(NULL, " ", &rest))
		good = take_word(p, t, word);
	free(words);
	if (good && (t->predecessor = find_predecessor(t->channel)) != 0) {
		t->ready_length = (size_t)snprintf(t->ready, sizeof(t->ready), UPGRADE_READY);
		return true;
	}
	report_error(report, NULL, 0, "the environment has %s, but not from a Weir that hands over its sockets; unset it",
		UPGRADE_VARIABLE);
	return false;
}

int
takeover_admin(struct process *p)
{
	int fd = p->takeover != NULL ? p->takeover->admin : -1;

	if (fd >= 0)
		p->takeover->admin = -1;
	return fd;
}

int
takeover_port(struct process *p)
{
	int fd = p->takeover != NULL ? p->takeover->port : -1;

	if (fd >= 0)
		p->takeover->port = -1;
	return fd;
}

/* --- ready, and go --------------------------------------------------------------------------------------------------- */

/* Those past the message's length are not named; the former process then leaves their clients to us, who close them. */
void
takeover_note_unwanted(struct process *p)
{
	struct takeover *t = p->takeover;

	for (const struct socket_set *set = p->sockets.first; set != NULL; set = set->next)
		if (!set->wanted && set->lent && t->ready_length + 16 < sizeof(t->ready))
			t->ready_length += (size_t)snprintf(t->ready + t->ready_length,
				sizeof(t->ready) - t->ready_length, " %d", set->sockets[0]);
}

void
takeover_ready(struct process *p)
{
	struct takeover *t = p->takeover;

	event_add(t->event, NULL);
	if (send(t->channel, t->ready, t->ready_length, MSG_NOSIGNAL) < 0)
		weir_log(WEIR_LOG_WARNING, "process %ld cannot be told that this one is ready: %s", t->predecessor,
			strerror(errno));
}

/* Until now the former process has read what we wrote there. */
static void
return_to_stderr(const struct process *p)
{
	const struct weir_settings *s = &p->current->settings;

	if (p->takeover->errors < 0 || dup2(p->takeover->errors, STDERR_FILENO) < 0)
		return;
	if (strcmp(s->error_log, "stderr") == 0)
		log_open(s->error_log, (enum weir_level)s->log_level);
}

/* When every thread has its listeners, this process is ready (process.c). */
static void
go(struct process *p)
{
	p->takeover->waiting = false;
	for (struct socket_set *set = p->sockets.first; set != NULL; set = set->next)
		set->lent = false;
	threads_listen(&p->threads, &p->sockets);
	return_to_stderr(p);
	admin_accept(p->admin);
	admin_port_accept(p);
}

static void
ended(struct process *p)
{
	struct takeover *t = p->takeover;

	weir_log(WEIR_LOG_NOTICE, "the former process %ld has ended", t->predecessor);
	t->predecessor = 0;
	event_del(t->event);
	close(t->channel);
	t->channel = -1;
}

static void
heard(evutil_socket_t fd, short what, void *argument)
{
	struct process *p = argument;
	char message[UPGRADE_MESSAGE];
	ssize_t length = recv(fd, message, sizeof(message), MSG_DONTWAIT);

	(void)what;
	if (length < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (p->takeover->waiting)
		go(p);
	if (length <= 0)
		ended(p);
}

bool
takeover_watch(struct process *p)
{
	struct takeover *t = p->takeover;

	if (t == NULL)
		return true;
	t->event = event_new(p->base, t->channel, EV_READ | EV_PERSIST, heard, p);
	return t->event != NULL;
}

bool
takeover_waits(const struct process *p)
{
	return p->takeover != NULL && p->takeover->waiting;
}

long
takeover_predecessor(const struct process *p)
{
	return p->takeover != NULL ? p->takeover->predecessor : 0;
}

void
takeover_free(struct process *p)
{
	struct takeover *t = p->takeover;

	if (t == NULL)
		return;
	if (t->event != NULL)
		event_free(t->event);
	for (const int *fd = (const int[]){ t->channel, t->errors, t->admin, t->port, -2 }; *fd != -2; fd++)
		if (*fd >= 0)
			close(*fd);
	free(t);
	p->takeover = NULL;
}
