/* SPDX-License-Identifier: Apache-2.0 */
/*
 * origin: the server behind the proxies that bench/run compares.
 *
 * It costs as little as a server can, so that a core shared with the load generator is enough to keep a
 * proxy busy: one thread, edge-triggered epoll, one recv and one writev a request, bodies out of one block of
 * memory, and request bodies dropped in the kernel (MSG_TRUNC) without a copy.
 *
 *     GET /bytes/N        N bytes; any other path is 1024 bytes
 *     POST /bytes/N       the same, after Content-Length bytes of body were swallowed
 *     GET /connections    how many connections were accepted so far, in decimal
 *     GET /slow/NAME      1024 bytes, half a second later
 *     GET /slow           how many requests of that kind there were so far, in decimal
 *
 * It trusts its clients (proxies under test) and parses only what it needs: no chunked request bodies.
 * A connection owns its struct, which is freed only after the batch of events that closed it, and not before its
 * answer would have been due.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define HEAD_SIZE 16384
#define BLOCK_SIZE (1 << 20)
#define BODY_MAX (1ULL << 40)
#define BATCH 256
#define DELAY 500                       /* milliseconds, of what is slow */

struct conn {
	int fd;
	bool dead, answering;
	bool slow;                      /* its answer is ready, and in the queue */
	uint64_t due;                   /* milliseconds */
	struct conn *next_due;
	size_t used;                    /* bytes of in[] */
	uint64_t swallow;               /* request body still to come */
	uint64_t body_left;             /* response body still to send */
	size_t head_at, head_len;
	struct conn *next_dead;
	char head[512];
	char in[HEAD_SIZE];
};

static char block[BLOCK_SIZE];
static uint64_t accepted, slow_requests;
static struct conn *first_due, **last_due = &first_due;
static struct conn *graveyard;

static void
die(const char *what)
{
	fprintf(stderr, "origin: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void
inter(struct conn *c)
{
	c->next_dead = graveyard;
	graveyard = c;
}

static void
bury(struct conn *c)
{
	if (c->dead)
		return;
	close(c->fd);
	c->dead = true;
	if (!c->slow)
		inter(c);
}

static void
empty_graveyard(void)
{
	while (graveyard != NULL) {
		struct conn *c = graveyard;

		graveyard = c->next_dead;
		free(c);
	}
}

/* The number after `name` at a line's start in a NUL-terminated head; 0 without one. */
static uint64_t
field_number(const char *head, const char *name)
{
	size_t len = strlen(name);

	for (const char *line = strchr(head, '\n'); line != NULL; line = strchr(line, '\n')) {
		line++;
		if (strncasecmp(line, name, len) == 0)
			return strtoull(line + len, NULL, 10);
	}
	return 0;
}

static uint64_t
milliseconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* All wait for the same time: who came first is due first. */
static void
delay(struct conn *c)
{
	slow_requests++;
	c->slow = true;
	c->due = milliseconds() + DELAY;
	c->next_due = NULL;
	*last_due = c;
	last_due = &c->next_due;
}

/* Fill head[] and body_left for a request whose head stands NUL-terminated in `request`. */
static void
prepare_answer(struct conn *c, const char *request)
{
	const char *path = strchr(request, ' ');
	char count[24] = "";

	c->body_left = 1024;
	if (path != NULL && strncmp(path, " /bytes/", 8) == 0)
		c->body_left = strtoull(path + 8, NULL, 10);
	if (c->body_left > BODY_MAX)
		c->body_left = BODY_MAX;
	if (path != NULL && strncmp(path, " /connections ", 14) == 0) {
		snprintf(count, sizeof(count), "%llu", (unsigned long long)accepted);
		c->body_left = 0;
	}
	if (path != NULL && strncmp(path, " /slow ", 7) == 0) {
		snprintf(count, sizeof(count), "%llu", (unsigned long long)slow_requests);
		c->body_left = 0;
	}
	if (path != NULL && strncmp(path, " /slow/", 7) == 0)
		delay(c);
	c->head_at = 0;
	c->head_len = (size_t)snprintf(c->head, sizeof(c->head),
	    "HTTP/1.1 200 OK\r\n"
	    "Date: Thu, 01 Jan 2026 00:00:00 GMT\r\n"
	    "Server: origin\r\n"
	    "Content-Type: application/octet-stream\r\n"
	    "Content-Length: %llu\r\n"
	    "Last-Modified: Wed, 31 Dec 2025 00:00:00 GMT\r\n"
	    "ETag: \"5f3c-61a0b2c4d5e6f\"\r\n"
	    "Cache-Control: max-age=60\r\n"
	    "\r\n%s",
	    (unsigned long long)(c->body_left + strlen(count)), count);
	c->answering = true;
}

/* Send what the socket takes. True when the answer is out whole. */
static bool
send_answer(struct conn *c)
{
	while (c->head_at < c->head_len || c->body_left > 0) {
		size_t head = c->head_len - c->head_at;
		size_t body = c->body_left < BLOCK_SIZE ? (size_t)c->body_left : BLOCK_SIZE;
		struct iovec iov[2] = { { c->head + c->head_at, head }, { block, body } };
		ssize_t n = writev(c->fd, iov, 2);

		if (n < 0) {
			if (errno == EINTR)
				continue;
			if (errno != EAGAIN)
				bury(c);
			return false;
		}
		head = (size_t)n < head ? (size_t)n : head;
		c->head_at += head;
		c->body_left -= (uint64_t)n - head;
	}
	c->answering = false;
	return true;
}

/* Take one request's head, and the part of its body that came with it, out of in[]. False: not whole yet. */
static bool
take_request(struct conn *c)
{
	char *end = memmem(c->in, c->used, "\r\n\r\n", 4);
	size_t head, body;

	if (end == NULL) {
		if (c->used == HEAD_SIZE)
			bury(c);
		return false;
	}
	head = (size_t)(end - c->in) + 4;
	end[2] = '\0';
	c->swallow = c->in[0] == 'P' ? field_number(c->in, "Content-Length:") : 0;
	prepare_answer(c, c->in);
	body = c->used - head;
	if (body > c->swallow)
		body = (size_t)c->swallow;
	c->swallow -= body;
	c->used -= head + body;
	memmove(c->in, c->in + head + body, c->used);
	return true;
}

/* One recv. False when there is nothing more to read now, or the connection is gone. */
static bool
receive(struct conn *c)
{
	bool drop = c->swallow > 0;
	size_t room = drop ? (c->swallow < BLOCK_SIZE ? (size_t)c->swallow : BLOCK_SIZE) : HEAD_SIZE - c->used;
	ssize_t n = recv(c->fd, drop ? block : c->in + c->used, room, drop ? MSG_TRUNC : 0);

	if (n <= 0) {
		if (n == 0 || (errno != EAGAIN && errno != EINTR))
			bury(c);
		return n < 0 && errno == EINTR;
	}
	if (drop)
		c->swallow -= (uint64_t)n;
	else
		c->used += (size_t)n;
	return true;
}

/* Go on until the socket blocks. An answer out ends it as well: edge triggering tells of what comes later. */
static void
serve(struct conn *c, bool hangup)
{
	while (!c->dead) {
		if (!c->answering && !(c->used > 0 && take_request(c))) {
			if (c->dead || !receive(c))
				return;
			continue;
		}
		while (c->swallow > 0)
			if (!receive(c))
				return;
		if (c->slow || !send_answer(c))
			return;
		if (c->used == 0 && !hangup)
			return;
	}
}

/* Send the answers whose time has come. How long until the next, in milliseconds; -1: there is none. */
static int
serve_due(void)
{
	uint64_t time = first_due != NULL ? milliseconds() : 0;
	struct conn *c;

	while ((c = first_due) != NULL && c->due <= time) {
		first_due = c->next_due;
		if (first_due == NULL)
			last_due = &first_due;
		c->slow = false;
		if (c->dead)
			inter(c);
		else
			serve(c, false);
	}
	return c == NULL ? -1 : (int)(c->due - time);
}

static void
accept_all(int epoll, int listener)
{
	for (;;) {
		int one = 1, fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		struct epoll_event ev = { .events = EPOLLIN | EPOLLOUT | EPOLLET | EPOLLRDHUP };
		struct conn *c;

		if (fd < 0 && errno == EAGAIN)
			return;
		if (fd < 0)
			die("accept");
		accepted++;
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		c = malloc(sizeof(*c));
		if (c == NULL)
			die("malloc");
		memset(c, 0, offsetof(struct conn, head));
		c->fd = fd;
		ev.data.ptr = c;
		if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &ev) < 0)
			die("epoll_ctl");
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

/* Prints its port, which the kernel chose, and serves until it is ended by a signal. */
int
main(void)
{
	struct epoll_event events[BATCH], ev = { .events = EPOLLIN };
	int epoll = epoll_create1(EPOLL_CLOEXEC), listener = listen_anywhere();

	signal(SIGPIPE, SIG_IGN);
	memset(block, 'x', sizeof(block));
	if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &ev) < 0)
		die("epoll");
	for (;;) {
		int n = epoll_wait(epoll, events, BATCH, serve_due());

		if (n < 0 && errno != EINTR)
			die("epoll_wait");
		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr == NULL)
				accept_all(epoll, listener);
			else
				serve(events[i].data.ptr, events[i].events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR));
		}
		empty_graveyard();
	}
}
