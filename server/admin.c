/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admin: the Unix socket that weirctl and other local programs speak to.
 *
 * Here is the socket and its life; what can be asked is in admin_calls.c. A file in the way is removed only
 * if it is a socket on which nobody listens: two servers never share one.
 */
#include "admin.h"

#include <errno.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "admin_calls.h"
#include "generation.h"
#include "log.h"
#include "process.h"
#include "takeover.h"

enum { BACKLOG = 64, HEADERS_MOST = 8192, BODY_MOST = 64 << 20, TIMEOUT = 10 };

struct admin {
	struct evhttp *http;
	struct evconnlistener *listener;	/* the http's, once bound */
	struct event *pause;
	struct sockaddr_un address;
	dev_t device;				/* of the socket's file: only our own is removed */
	ino_t inode;
	bool lent;				/* another Weir has it too, and answers for the file */
};

static void
pause_over(evutil_socket_t fd, short what, void *argument)
{
	struct admin *a = argument;

	(void)fd;
	(void)what;
	evconnlistener_enable(a->listener);
}

/* Out of descriptors, most likely: trying at once would only spin. */
static void
accept_failed(struct evconnlistener *listener, void *argument)
{
	static const struct timeval moment = { .tv_usec = 200000 };
	struct admin *a = argument;

	weir_log(WEIR_LOG_WARNING, "the admin socket cannot accept: %s", strerror(errno));
	if (event_add(a->pause, &moment) == 0)
		evconnlistener_disable(listener);
}

/* Is somebody listening there? Tells which process it is, 0 when that is unknown. */
static bool
is_alive(const struct sockaddr_un *address, long *pid)
{
	struct ucred peer;
	socklen_t length = sizeof(peer);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool alive = fd >= 0 &&
		(connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 || errno == EAGAIN);

	*pid = 0;
	if (alive && getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0)
		*pid = (long)peer.pid;
	if (fd >= 0)
		close(fd);
	return alive;
}

/* See to it that nothing is in the way of bind. */
static bool
clear_way(const struct sockaddr_un *address, struct report *report, const char *file)
{
	struct stat status;
	long pid;

	if (lstat(address->sun_path, &status) != 0)
		return true;
	if (!S_ISSOCK(status.st_mode))
		report_error(report, file, 0,
			"`admin = %s` is there already and is no socket; remove it or choose another path",
			address->sun_path);
	else if (is_alive(address, &pid))
		report_error(report, file, 0,
			"`admin = %s` belongs to a running process (%ld); is Weir running already? Stop it "
			"or choose another path", address->sun_path, pid);
	else
		return unlink(address->sun_path) == 0 || errno == ENOENT || errno == EACCES;
	return false;
}

static void
explain(const char *path, int error, struct report *report, const char *file)
{
	const char *slash = strrchr(path, '/');

	if (error == ENOENT)
		report_error(report, file, 0,
			"`admin = %s`: the folder %.*s does not exist; create it for the user of Weir",
			path, (int)(slash != NULL ? slash - path : 1), slash != NULL ? path : ".");
	else
		report_error(report, file, 0, "`admin = %s`: %s", path, strerror(error));
}

/* A listening socket of mode 0660; -1 with errno. The mode is there before the name is. */
static int
bind_socket(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), error = 0;
	mode_t mask = umask(0117);

	if (fd < 0 || bind(fd, (const struct sockaddr *)address, sizeof(*address)) != 0)
		error = errno;
	umask(mask);
	if (error != 0 && fd >= 0)
		close(fd);
	errno = error;
	return error == 0 ? fd : -1;
}

/* By itself evhttp closes a socket first, and takes its event away later, when the number may be another's. */
static struct bufferevent *
make_stream(struct event_base *base, void *unused)
{
	(void)unused;
	return bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);
}

void
admin_bound(struct evhttp *http)
{
	evhttp_set_bevcb(http, make_stream, NULL);
	evhttp_set_max_headers_size(http, HEADERS_MOST);
	evhttp_set_max_body_size(http, BODY_MOST);
	evhttp_set_timeout(http, TIMEOUT);
	evhttp_set_allowed_methods(http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD | EVHTTP_REQ_POST | EVHTTP_REQ_PUT |
		EVHTTP_REQ_PATCH | EVHTTP_REQ_DELETE);
}

static bool
serve(struct admin *a, struct process *p, int fd)
{
	a->pause = evtimer_new(p->base, pause_over, a);
	a->http = evhttp_new(p->base);
	a->listener = evconnlistener_new(p->base, NULL, NULL, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC |
		(takeover_waits(p) ? LEV_OPT_DISABLED : 0), BACKLOG, fd);
	if (a->listener == NULL)
		close(fd);
	if (a->pause == NULL || a->http == NULL || a->listener == NULL)
		return false;
	evconnlistener_set_error_cb(a->listener, accept_failed);
	admin_bound(a->http);
	evhttp_set_gencb(a->http, admin_calls_handle, p);
	return evhttp_bind_listener(a->http, a->listener) != NULL;
}

static bool
set_address(struct sockaddr_un *address, const char *path, struct report *report, const char *file)
{
	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(address->sun_path)) {
		report_error(report, file, 0, "`admin = %s`: a socket's path has at most %zu bytes", path,
			sizeof(address->sun_path) - 1);
		return false;
	}
	strcpy(address->sun_path, path);
	return true;
}

static bool
take_file(struct admin *a, const struct process *p)
{
	struct stat status;

	if (p->privilege.wanted && lchown(a->address.sun_path, p->privilege.user, p->privilege.group) != 0)
		return false;
	if (lstat(a->address.sun_path, &status) != 0)
		return false;
	a->device = status.st_dev;
	a->inode = status.st_ino;
	return true;
}

/* The former process's socket, if it is on the same path; -1. */
static int
taken_over(struct admin *a, struct process *p)
{
	struct sockaddr_un address = { 0 };
	socklen_t length = sizeof(address);
	int fd = takeover_admin(p);

	if (fd < 0)
		return -1;
	if (getsockname(fd, (struct sockaddr *)&address, &length) == 0
			&& strcmp(address.sun_path, a->address.sun_path) == 0) {
		a->lent = true;
		return fd;
	}
	close(fd);
	return -1;
}

bool
admin_open(struct process *p, struct report *report)
{
	const char *path = p->current->settings.admin, *file = p->current->path;
	struct admin *a;
	int fd;

	if (path == NULL || path[0] == '\0')
		return true;
	if ((a = p->admin = calloc(1, sizeof(*a))) == NULL) {
		report_error(report, NULL, 0, "no memory for the admin socket");
		return false;
	}
	if (!set_address(&a->address, path, report, file))
		return false;
	fd = taken_over(a, p);
	if (fd < 0 && !clear_way(&a->address, report, file))
		return false;
	if ((fd < 0 && (fd = bind_socket(&a->address)) < 0) || !take_file(a, p)) {
		explain(path, errno, report, file);
		if (fd >= 0)
			close(fd);
		return false;
	}
	if (!serve(a, p, fd))
		report_error(report, file, 0, "`admin = %s` cannot be served: no memory", path);
	return report->errors == 0;
}

int
admin_descriptor(const struct admin *a)
{
	return a != NULL ? evconnlistener_get_fd(a->listener) : -1;
}

void
admin_accept(struct admin *a)
{
	if (a == NULL)
		return;
	a->lent = false;
	evconnlistener_enable(a->listener);
}

void
admin_release(struct admin *a)
{
	if (a == NULL)
		return;
	event_del(a->pause);
	evconnlistener_disable(a->listener);
	a->lent = true;
}

void
admin_free(struct admin **admin)
{
	struct admin *a = *admin;
	struct stat status;

	if (a == NULL)
		return;
	if (a->http != NULL)
		evhttp_free(a->http);		/* with the listener */
	if (a->pause != NULL)
		event_free(a->pause);
	if (!a->lent && a->inode != 0 && lstat(a->address.sun_path, &status) == 0 && status.st_dev == a->device &&
		status.st_ino == a->inode)
		unlink(a->address.sun_path);
	free(a);
	*admin = NULL;
}
