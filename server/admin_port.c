/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admin_port: what the admin socket offers on a TCP port of this machine too, to whoever shows the token.
 */
#include "admin_port.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin.h"
#include "admin_calls.h"
#include "admin_send.h"
#include "generation.h"
#include "listener.h"
#include "log.h"
#include "process.h"
#include "takeover.h"

enum { TOKEN_LEAST = 16, TOKEN_MOST = 256, BACKLOG = 64 };

struct admin_port {
	struct process *process;
	struct evhttp *http;
	struct evconnlistener *listener;	/* the http's */
	struct evhttp_bound_socket *bound;	/* by which the http knows it */
	struct weir_address address;
	char token[TOKEN_MOST + 1];
};

/* --- the token --------------------------------------------------------------------------------------------- */

/* NULL, or what is wrong with the file. */
static const char *
read_token(const char *path, char token[TOKEN_MOST + 1])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat status;
	ssize_t length;

	if (fd < 0)
		return strerror(errno);
	length = fstat(fd, &status) == 0 && S_ISREG(status.st_mode) ? read(fd, token, TOKEN_MOST + 1) : -1;
	close(fd);
	if (length < 0)
		return "it is no file that can be read";
	if ((status.st_mode & S_IROTH) != 0)
		return "everybody may read it; take that right away (chmod o-r)";
	length = length > TOKEN_MOST ? TOKEN_MOST : length;
	token[length] = '\0';
	token[strcspn(token, "\r\n")] = '\0';
	for (const char *c = token; *c != '\0'; c++)
		if (*c <= ' ' || *c > '~')
			return "its first line has to be letters, digits and marks without blanks";
	return strlen(token) >= TOKEN_LEAST ? NULL : "its first line has to have 16 bytes or more";
}

bool
admin_port_read(struct process *p, struct report *report)
{
	const struct weir_settings *s = &p->current->settings;
	const char *why;

	if (s->admin_address.length == 0)
		return true;
	if (s->admin_token == NULL) {
		report_error(report, p->current->path, 0,
			"`admin_address` needs `admin_token`, a file that holds what callers have to show");
		return false;
	}
	if ((p->admin_port = calloc(1, sizeof(*p->admin_port))) == NULL) {
		report_error(report, NULL, 0, "no memory for admin_address");
		return false;
	}
	p->admin_port->process = p;
	p->admin_port->address = s->admin_address;
	if ((why = read_token(s->admin_token, p->admin_port->token)) == NULL)
		return true;
	report_error(report, p->current->path, 0, "`admin_token = %s`: %s", s->admin_token, why);
	return false;
}

/* How long it takes says nothing about where they differ. */
static bool
is_equal(const char *shown, const char *token)
{
	size_t length = strlen(token), given = strlen(shown);
	unsigned char differs = length != given;

	for (size_t i = 0; i < length; i++)
		differs |= (unsigned char)(token[i] ^ (i < given ? shown[i] : 0));
	return differs == 0;
}

static void
handle(struct evhttp_request *request, void *argument)
{
	static const char scheme[] = "Bearer ";
	const struct admin_port *port = argument;
	const char *shown = evhttp_find_header(evhttp_request_get_input_headers(request), "Authorization");

	if (shown != NULL && strncasecmp(shown, scheme, sizeof(scheme) - 1) == 0 &&
		is_equal(shown + sizeof(scheme) - 1, port->token)) {
		admin_calls_handle(request, port->process);
		return;
	}
	evhttp_add_header(evhttp_request_get_output_headers(request), "WWW-Authenticate", "Bearer");
	admin_send_error(request, 401, shown == NULL ? "`Authorization: Bearer TOKEN` is needed, with what admin_token holds" :
		"this is not the token");
}

/* --- the port ---------------------------------------------------------------------------------------------- */

static int
bind_to(const struct weir_address *address, bool shared)
{
	int fd = socket(address->socket.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1;

	if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
		(!shared || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) == 0) &&
		bind(fd, &address->socket.any, address->length) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

/* A process that takes over shares the port for a moment with the one that it replaces; nobody else shall. */
static int
take_port(const struct weir_address *address, bool takes_over)
{
	int alone = takes_over ? -1 : bind_to(address, false);

	if (!takes_over && alone < 0)
		return -1;
	if (alone >= 0)
		close(alone);
	return bind_to(address, true);
}

/* What the process that this one replaces listens on, if it is where this one shall: so no caller is lost between the two. */
static int
inherit_port(struct process *p, const struct weir_address *wanted)
{
	struct weir_address bound = { .length = sizeof(bound.socket) }, address = *wanted;
	int fd = takeover_port(p);

	if (fd < 0)
		return -1;
	if (getsockname(fd, &bound.socket.any, &bound.length) == 0) {
		if (address.socket.in.sin_port == 0)	/* of IPv6 it lies at the same place */
			address.socket.in.sin_port = bound.socket.in.sin_port;
		if (sockets_same_address(&address, &bound.socket.any))
			return fd;
	}
	close(fd);
	return -1;
}

static void
log_port(int fd)
{
	struct weir_address bound = { .length = sizeof(bound.socket) };

	if (getsockname(fd, &bound.socket.any, &bound.length) != 0)
		return;
	weir_log(WEIR_LOG_NOTICE, "the admin port is %u", ntohs(bound.socket.any.sa_family == AF_INET6 ?
		bound.socket.in6.sin6_port : bound.socket.in.sin_port));
}

/* False with errno. */
static bool
listen_there(struct admin_port *port, bool takes_over)
{
	struct event_base *base = port->process->base;
	int fd = takes_over ? inherit_port(port->process, &port->address) : -1;

	if (fd < 0 && (fd = take_port(&port->address, takes_over)) < 0)
		return false;
	errno = ENOMEM;
	port->http = evhttp_new(base);
	port->listener = evconnlistener_new(base, NULL, NULL, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, BACKLOG, fd);
	if (port->listener == NULL)
		close(fd);
	if (port->http == NULL || port->listener == NULL)
		return false;
	admin_bound(port->http);
	evhttp_set_gencb(port->http, handle, port);
	log_port(fd);
	return (port->bound = evhttp_bind_listener(port->http, port->listener)) != NULL;
}

bool
admin_port_open(struct process *p, struct report *report)
{
	if (p->admin_port == NULL || takeover_waits(p) || listen_there(p->admin_port, false))
		return true;
	report_error(report, p->current->path, 0, "`admin_address` cannot be listened on: %s", strerror(errno));
	return false;
}

int
admin_port_descriptor(const struct process *p)
{
	return p->admin_port != NULL && p->admin_port->bound != NULL ?
		(int)evhttp_bound_socket_get_fd(p->admin_port->bound) : -1;
}

void
admin_port_accept(struct process *p)
{
	if (p->admin_port != NULL && p->admin_port->http == NULL && !listen_there(p->admin_port, true))
		weir_log(WEIR_LOG_ERROR, "`admin_address` cannot be listened on: %s", strerror(errno));
}

void
admin_port_release(struct process *p)
{
	struct admin_port *port = p->admin_port;

	if (port == NULL || port->bound == NULL)
		return;
	evhttp_del_accept_socket(port->http, port->bound);	/* the new process has it, or nobody listens there */
	port->bound = NULL;
	port->listener = NULL;
}

void
admin_port_free(struct process *p)
{
	struct admin_port *port = p->admin_port;

	if (port == NULL)
		return;
	if (port->http != NULL)
		evhttp_free(port->http);	/* with the listener */
	else if (port->listener != NULL)
		evconnlistener_free(port->listener);
	explicit_bzero(port->token, sizeof(port->token));
	free(port);
	p->admin_port = NULL;
}
