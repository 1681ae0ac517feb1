/* SPDX-License-Identifier: Apache-2.0 */
/*
 * relay: a proxy that parses nothing, the floor of what bench/run measures.
 *
 * Each client connection gets one upstream connection for its life, and bytes are copied between the two: an
 * epoll_wait now and then, one recv and one send each way. What a real proxy costs above it is its parsing,
 * its pool and its features. One buffer serves all connections; only bytes that a slow receiver did not take
 * are copied aside, and its sender is not read from until they are gone.
 *
 * usage: relay UPSTREAM_PORT [BUFFER_BYTES]    prints its own port, which the kernel chose
 *
 * Two struct sides make a pair; the pair is freed after the batch of events that closed it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define BATCH 256

struct side {
	int fd;
	struct side *peer;
	char *pending;                  /* bytes that this socket did not take yet */
	size_t at, len;
};

struct pair {
	struct side client, origin;
	bool dead;
	struct pair *next_dead;
};

static int epoll;
static struct sockaddr_in upstream = { .sin_family = AF_INET };
static char *buffer;
static size_t buffer_size = 65536;
static struct pair *graveyard;

static void
die(const char *what)
{
	fprintf(stderr, "relay: %s: %s\n", what, strerror(errno));
	exit(1);
}

static struct pair *
pair_of(struct side *s)
{
	return (struct pair *)(s < s->peer ? s : s->peer);
}

static void
bury(struct pair *p)
{
	if (p->dead)
		return;
	close(p->client.fd);
	close(p->origin.fd);
	p->dead = true;
	p->next_dead = graveyard;
	graveyard = p;
}

static void
empty_graveyard(void)
{
	while (graveyard != NULL) {
		struct pair *p = graveyard;

		graveyard = p->next_dead;
		free(p->client.pending);
		free(p->origin.pending);
		free(p);
	}
}

static void
watch(struct side *s, int op, unsigned events)
{
	struct epoll_event ev = { .events = events, .data.ptr = s };

	if (epoll_ctl(epoll, op, s->fd, &ev) < 0)
		die("epoll_ctl");
}

/* What this side wants: its own bytes unless the peer is full, and room when it is itself full. */
static void
rewatch(struct side *s)
{
	watch(s, EPOLL_CTL_MOD, (s->peer->pending == NULL ? EPOLLIN : 0) | (s->pending != NULL ? EPOLLOUT : 0));
}

static void
set_aside(struct side *to, const char *bytes, size_t len)
{
	to->pending = malloc(len);
	if (to->pending == NULL)
		die("malloc");
	memcpy(to->pending, bytes, len);
	to->at = 0;
	to->len = len;
	rewatch(to);
	rewatch(to->peer);
}

static void
copy_bytes(struct side *from)
{
	struct side *to = from->peer;
	ssize_t sent, got = recv(from->fd, buffer, buffer_size, 0);

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		bury(pair_of(from));
		return;
	}
	sent = send(to->fd, buffer, (size_t)got, MSG_NOSIGNAL);
	if (sent < 0 && errno != EAGAIN) {
		bury(pair_of(from));
		return;
	}
	if (sent < 0)
		sent = 0;
	if (sent < got)
		set_aside(to, buffer + sent, (size_t)(got - sent));
}

static void
flush_pending(struct side *to)
{
	ssize_t n = send(to->fd, to->pending + to->at, to->len - to->at, MSG_NOSIGNAL);

	if (n < 0) {
		if (errno != EAGAIN && errno != EINTR)
			bury(pair_of(to));
		return;
	}
	to->at += (size_t)n;
	if (to->at < to->len)
		return;
	free(to->pending);
	to->pending = NULL;
	rewatch(to);
	rewatch(to->peer);
}

static void
handle(struct side *s, unsigned events)
{
	if (!pair_of(s)->dead && s->pending != NULL && (events & (EPOLLOUT | EPOLLERR | EPOLLHUP)))
		flush_pending(s);
	if (!pair_of(s)->dead && s->peer->pending == NULL && (events & (EPOLLIN | EPOLLERR | EPOLLHUP)))
		copy_bytes(s);
}

/* The connect blocks, as on loopback it is done when the call returns; all that follows does not. */
static int
dial(void)
{
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr *addr = (struct sockaddr *)&upstream;

	if (fd < 0)
		die("socket");
	if (connect(fd, addr, sizeof(upstream)) < 0 || fcntl(fd, F_SETFL, O_NONBLOCK) < 0) {
		close(fd);
		return -1;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

static void
adopt(int client, int origin)
{
	struct pair *p = calloc(1, sizeof(*p));

	if (p == NULL)
		die("calloc");
	p->client = (struct side){ .fd = client, .peer = &p->origin };
	p->origin = (struct side){ .fd = origin, .peer = &p->client };
	watch(&p->client, EPOLL_CTL_ADD, EPOLLIN);
	watch(&p->origin, EPOLL_CTL_ADD, EPOLLIN);
}

static void
accept_all(int listener)
{
	for (;;) {
		int one = 1, origin, client = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (client < 0 && errno == EAGAIN)
			return;
		if (client < 0)
			die("accept");
		setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		origin = dial();
		if (origin < 0) {
			close(client);
			continue;
		}
		adopt(client, origin);
	}
}

static int
listen_anywhere(void)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(addr);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, len) < 0 || listen(fd, 4096) < 0
	    || getsockname(fd, (struct sockaddr *)&addr, &len) < 0)
		die("listen");
	printf("%d\n", ntohs(addr.sin_port));
	fflush(stdout);
	return fd;
}

static void
run(int listener)
{
	struct epoll_event events[BATCH];

	for (;;) {
		int n = epoll_wait(epoll, events, BATCH, -1);

		if (n < 0 && errno != EINTR)
			die("epoll_wait");
		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr == NULL)
				accept_all(listener);
			else
				handle(events[i].data.ptr, events[i].events);
		}
		empty_graveyard();
	}
}

int
main(int argc, char **argv)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int listener;

	if (argc < 2 || argc > 3 || (argc == 3 && atol(argv[2]) < 1024)) {
		fprintf(stderr, "usage: relay UPSTREAM_PORT [BUFFER_BYTES]\n");
		return 2;
	}
	if (argc == 3)
		buffer_size = (size_t)atol(argv[2]);
	upstream.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	upstream.sin_port = htons((uint16_t)atoi(argv[1]));
	buffer = malloc(buffer_size);
	listener = listen_anywhere();
	epoll = epoll_create1(EPOLL_CLOEXEC);
	if (buffer == NULL || epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &ev) < 0)
		die("start");
	run(listener);
}
