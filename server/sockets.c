/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sockets: the listening sockets of the process, opened and closed by the main thread (see listener.h).
 *
 * TCP_NODELAY is set here, once: sockets that accept() returns inherit it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "config.h"
#include "generation.h"
#include "listener.h"
#include "report.h"
#include <weir/module.h>

bool
sockets_same_address(const struct weir_address *a, const struct sockaddr *b)
{
	if (a->socket.any.sa_family != b->sa_family)
		return false;
	if (b->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)b;

		return a->socket.in.sin_port == in->sin_port && a->socket.in.sin_addr.s_addr == in->sin_addr.s_addr;
	}
	if (b->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)b;

		return a->socket.in6.sin6_port == in6->sin6_port && a->socket.in6.sin6_scope_id == in6->sin6_scope_id
			&& memcmp(&a->socket.in6.sin6_addr, &in6->sin6_addr, sizeof(in6->sin6_addr)) == 0;
	}
	return strcmp(a->socket.un.sun_path, ((const struct sockaddr_un *)b)->sun_path) == 0;
}

/* "127.0.0.1:8080", with the port that the kernel chose where 0 was asked for. */
static void
name_set(struct socket_set *set)
{
	struct weir_address bound = { 0 };
	socklen_t length = sizeof(bound.socket);
	char host[64];

	if (set->address.socket.any.sa_family == AF_UNIX) {
		snprintf(set->text, sizeof(set->text), "unix:%s", set->address.socket.un.sun_path);
		return;
	}
	getsockname(set->sockets[0], &bound.socket.any, &length);
	weir_address_text(&bound.socket.any, host);
	if (bound.socket.any.sa_family == AF_INET6)
		snprintf(set->text, sizeof(set->text), "[%s]:%u", host, ntohs(bound.socket.in6.sin6_port));
	else
		snprintf(set->text, sizeof(set->text), "%s:%u", host, ntohs(bound.socket.in.sin_port));
}

/* The file of a Unix socket goes with it, unless somebody else still listens there. */
static void
close_set(struct socket_set *set)
{
	bool ours = set->address.socket.any.sa_family == AF_UNIX && !set->inherited && !set->lent;

	if (ours && set->count > 0 && set->sockets[0] >= 0)
		unlink(set->address.socket.un.sun_path);
	for (unsigned i = 0; i < set->count; i++)
		if (set->sockets[i] >= 0)
			close(set->sockets[i]);
	free(set->sockets);
	free(set);
}

static struct socket_set *
new_set(const struct weir_address *address, unsigned count)
{
	struct socket_set *set = calloc(1, sizeof(*set));

	if (set == NULL)
		return NULL;
	set->address = *address;
	set->address.host = NULL;	/* the text is the generation's; sets outlive it */
	set->count = count;
	set->sockets = malloc(count * sizeof(*set->sockets));
	if (set->sockets == NULL) {
		free(set);
		return NULL;
	}
	for (unsigned i = 0; i < count; i++)
		set->sockets[i] = -1;
	return set;
}

/* A Unix socket's file that nobody listens on any more is in the way of bind. */
static void
remove_stale(const struct sockaddr_un *un, socklen_t length)
{
	struct stat status;
	int fd;

	if (stat(un->sun_path, &status) != 0 || !S_ISSOCK(status.st_mode))
		return;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);	/* a full queue is a live one: no waiting */
	if (fd < 0)
		return;
	if (connect(fd, (const struct sockaddr *)un, length) != 0 && errno == ECONNREFUSED)
		unlink(un->sun_path);
	close(fd);
}

/* A bound, listening socket; -1 with errno. Without `share` another listener on the address is an error: SO_REUSEPORT alone would
 * let two servers of one user take turns with the same clients, unnoticed. */
static int
open_socket(const struct weir_address *address, bool share, int backlog)
{
	int family = address->socket.any.sa_family, on = 1, error;
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -1;
	if (family != AF_UNIX) {
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		if (family == AF_INET6)
			setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
		if (share && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) != 0)
			goto failed;
	}
	if (bind(fd, &address->socket.any, address->length) != 0 || (backlog > 0 && listen(fd, backlog) != 0))
		goto failed;
	return fd;
failed:
	error = errno;
	close(fd);
	errno = error;
	return -1;
}

static bool
open_unix(struct socket_set *set, const struct listen_settings *settings)
{
	remove_stale(&set->address.socket.un, set->address.length);
	set->sockets[0] = open_socket(&set->address, false, (int)settings->backlog);
	if (set->sockets[0] < 0)
		return false;
	if (settings->socket_mode != 0 && chmod(set->address.socket.un.sun_path, (mode_t)settings->socket_mode) != 0)
		return false;
	return true;
}

static bool
open_tcp(struct socket_set *set, const struct listen_settings *settings)
{
	struct weir_address address = set->address;
	socklen_t length = sizeof(address.socket);
	int probe = open_socket(&address, false, 0);

	if (probe < 0)
		return false;
	close(probe);
	for (unsigned i = 0; i < set->count; i++) {
		set->sockets[i] = open_socket(&address, true, (int)settings->backlog);
		if (set->sockets[i] < 0)
			return false;
		if (i == 0)	/* port 0: the others take the port that this one got */
			getsockname(set->sockets[0], &address.socket.any, &length);
	}
	return true;
}

/* --- sockets handed over ---------------------------------------------------------------------------------------- */

/* The set of sockets that were handed over for this very address. */
static struct socket_set *
find_bound(const struct sockets *all, const struct sockaddr *address)
{
	for (struct socket_set *set = all->first; set != NULL; set = set->next) {
		struct weir_address bound = { 0 };
		socklen_t length = sizeof(bound.socket);

		if (getsockname(set->sockets[0], &bound.socket.any, &length) == 0 && sockets_same_address(&bound, address))
			return set;
	}
	return NULL;
}

static struct socket_set *
add_socket(struct socket_set *set, int fd)
{
	int *sockets = realloc(set->sockets, (set->count + 1) * sizeof(*sockets));

	if (sockets == NULL)
		return NULL;
	set->sockets = sockets;
	sockets[set->count++] = fd;
	return set;
}

static struct socket_set *
add_set(struct sockets *all, const struct weir_address *address, int fd)
{
	struct socket_set *set = new_set(address, 1);

	if (set == NULL)
		return NULL;
	set->sockets[0] = fd;
	name_set(set);
	set->next = all->first;
	return all->first = set;
}

struct socket_set *
sockets_adopt(struct sockets *all, int fd)
{
	struct weir_address address = { 0 };
	socklen_t size = sizeof(int);
	struct socket_set *set = NULL;
	int listening = 0;

	address.length = sizeof(address.socket);
	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) == 0 && listening
			&& getsockname(fd, &address.socket.any, &address.length) == 0) {
		set = find_bound(all, &address.socket.any);
		set = set != NULL ? add_socket(set, fd) : add_set(all, &address, fd);
	}
	if (set == NULL) {
		close(fd);
		return NULL;
	}
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	return set;
}

void
sockets_mark_any_port(struct socket_set *set)
{
	if (set->address.socket.any.sa_family == AF_INET6)
		set->address.socket.in6.sin6_port = 0;
	else if (set->address.socket.any.sa_family == AF_INET)
		set->address.socket.in.sin_port = 0;
}

bool
sockets_is_any_port(const struct socket_set *set)
{
	sa_family_t family = set->address.socket.any.sa_family;

	return (family == AF_INET && set->address.socket.in.sin_port == 0)
		|| (family == AF_INET6 && set->address.socket.in6.sin6_port == 0);
}

/* --- opening and closing -------------------------------------------------------------------------------------------- */

static struct socket_set *
find_set(const struct sockets *all, const struct weir_address *address)
{
	for (struct socket_set *set = all->first; set != NULL; set = set->next)
		if (sockets_same_address(address, &set->address.socket.any))
			return set;
	return NULL;
}

static bool
open_address(struct sockets *all, const struct weir_address *address, const struct listen *listen, struct report *report)
{
	struct socket_set *set;
	bool good;

	if (find_set(all, address) != NULL)
		return true;
	set = new_set(address, address->socket.any.sa_family == AF_UNIX ? 1 : all->threads);
	if (set == NULL) {
		report_error(report, NULL, 0, "no memory for the sockets of [listen %s]", listen->name);
		return false;
	}
	good = address->socket.any.sa_family == AF_UNIX ? open_unix(set, &listen->settings) : open_tcp(set, &listen->settings);
	if (!good) {
		report_error(report, listen->section->file, listen->section->line, "[listen %s] cannot listen on %s: %s%s",
			listen->name, address->host != NULL ? address->host : address->socket.un.sun_path, strerror(errno),
			errno == EADDRINUSE ? "; stop the other server or choose another port"
			: errno == EACCES ? "; ports below 1024 need root or CAP_NET_BIND_SERVICE" : "");
		close_set(set);
		return false;
	}
	name_set(set);
	set->next = all->first;
	all->first = set;
	return true;
}

/* All are open: these are the generation's. */
static void
mark_wanted(struct sockets *all, const struct generation *g)
{
	for (struct socket_set *set = all->first; set != NULL; set = set->next)
		set->wanted = false;
	for (size_t i = 0; i < g->listen_count; i++) {
		const struct weir_list *addresses = &g->listens[i].settings.address;

		for (size_t j = 0; j < addresses->count; j++) {
			struct socket_set *set = find_set(all, (const struct weir_address *)addresses->items + j);

			set->wanted = true;
			set->listen = g->listens[i].index;
		}
	}
}

bool
sockets_open(struct sockets *all, const struct generation *g, struct report *report)
{
	struct socket_set *before = all->first, *set;
	bool good = true;

	for (size_t i = 0; i < g->listen_count; i++) {
		const struct weir_list *addresses = &g->listens[i].settings.address;

		for (size_t j = 0; j < addresses->count; j++)
			good &= open_address(all, (const struct weir_address *)addresses->items + j, &g->listens[i], report);
	}
	if (good) {
		mark_wanted(all, g);
		return true;
	}
	while (all->first != before) {	/* what was opened just now; the rest is as it was */
		set = all->first;
		all->first = set->next;
		close_set(set);
	}
	return false;
}

void
sockets_sweep(struct sockets *all)
{
	struct socket_set **link = &all->first;

	while (*link != NULL) {
		struct socket_set *set = *link;

		if (set->wanted) {
			link = &set->next;
			continue;
		}
		*link = set->next;
		close_set(set);
	}
}

void
sockets_close(struct sockets *all)
{
	while (all->first != NULL) {
		struct socket_set *set = all->first;

		all->first = set->next;
		close_set(set);
	}
}
