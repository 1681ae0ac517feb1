/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crowd: many clients that ask for one thing at the same moment, for the rows crowd of bench/run.
 *
 *     crowd --port N [--connections N] [--timeout S]
 *
 * It opens all its connections, prints "ready", and then takes paths from stdin, one a line. For each it sends one GET on every
 * connection, as fast as one thread can, and prints a line of JSON when all are answered: how many were, how many of them not
 * as they should be, and when the median and the last answer was whole, in milliseconds from the first byte sent.
 * The connections stay from path to path; one that the server closed is opened again before the next, and counts as an error
 * when it was still to be answered. It ends with stdin.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define HEAD_SIZE 4096
#define BATCH 256

struct client {
	int fd;				/* -1: none */
	bool waits;			/* for an answer */
	bool head_done;
	size_t used;
	uint64_t body_left;
	char in[HEAD_SIZE + 1];
};

static int port, count = 10000, timeout = 60, epoll;
static struct client *clients;
static uint64_t *times;			/* of the answers of this round, in the order in which they came */
static int answered, errors;
static uint64_t begun, deadline;
static char sink[1 << 16];

static void
die(const char *what)
{
	fprintf(stderr, "crowd: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t
now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void
dial(struct client *c)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	    .sin_port = htons((uint16_t)port) };
	struct epoll_event ev = { .events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data.ptr = c };
	int one = 1;

	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		die("connect");
	if (fcntl(c->fd, F_SETFL, O_NONBLOCK) < 0 || setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) < 0
	    || epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &ev) < 0)
		die("socket options");
}

/* Its request was answered, well or not. */
static void
finish(struct client *c, const char *wrong)
{
	if (wrong != NULL && errors++ == 0)
		fprintf(stderr, "crowd: %s\n%s\n", wrong, c->used > 0 ? c->in : "");
	c->waits = false;
	times[answered++] = now() - begun;
}

static void
lose(struct client *c)
{
	close(c->fd);
	c->fd = -1;
	if (c->waits)
		finish(c, "a connection ended before its answer");
}

static void
take_head(struct client *c, char *end)
{
	static const char name[] = "\r\nContent-Length:";
	char *length;
	size_t have;

	end[2] = '\0';
	length = strcasestr(c->in, name);
	if (strncmp(c->in, "HTTP/1.1 200", 12) != 0 || length == NULL) {
		finish(c, "unwanted answer:");
		lose(c);
		return;
	}
	c->body_left = strtoull(length + sizeof(name) - 1, NULL, 10);
	have = c->used - (size_t)(end + 4 - c->in);
	if (have > c->body_left) {
		finish(c, "more bytes than Content-Length said:");
		lose(c);
		return;
	}
	c->body_left -= have;
	c->head_done = true;
}

/* What the socket has, to the end of the answer. */
static void
receive(struct client *c)
{
	while (c->fd >= 0) {
		char *to = c->head_done ? sink : c->in + c->used, *end;
		size_t room = c->head_done ? sizeof(sink) : HEAD_SIZE - c->used;
		ssize_t n = recv(c->fd, to, room, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0 || !c->waits) {
			lose(c);
			return;
		}
		if (c->head_done) {
			c->body_left -= (uint64_t)n < c->body_left ? (uint64_t)n : c->body_left;
		} else {
			c->used += (size_t)n;
			c->in[c->used] = '\0';
			end = strstr(c->in, "\r\n\r\n");
			if (end != NULL)
				take_head(c, end);
			else if (c->used == HEAD_SIZE)
				lose(c);
		}
		if (c->waits && c->head_done && c->body_left == 0)
			finish(c, NULL);
	}
}

static void
ask(struct client *c, const char *request, size_t length)
{
	c->waits = true;
	c->head_done = false;
	c->used = 0;
	if (send(c->fd, request, length, MSG_NOSIGNAL) != (ssize_t)length)
		lose(c);
}

static void
await_answers(void)
{
	struct epoll_event events[BATCH];

	while (answered < count) {
		int n = epoll_wait(epoll, events, BATCH, 1000);

		if (n < 0 && errno != EINTR)
			die("epoll_wait");
		for (int i = 0; i < n; i++)
			receive(events[i].data.ptr);
		if (now() > deadline) {
			fprintf(stderr, "crowd: %d of %d answers after %d s\n", answered, count, timeout);
			exit(1);
		}
	}
}

static void
run(const char *path)
{
	char request[2048];
	int length = snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: www.example.com\r\nUser-Agent: crowd\r\n"
	    "Accept: */*\r\nAccept-Encoding: gzip, br\r\n\r\n", path);

	if (length >= (int)sizeof(request))
		die("the path is too long");
	for (int i = 0; i < count; i++)
		if (clients[i].fd < 0)
			dial(&clients[i]);
	answered = errors = 0;
	begun = now();
	deadline = begun + (uint64_t)timeout * 1000000000u;
	for (int i = 0; i < count; i++)
		ask(&clients[i], request, (size_t)length);
	await_answers();
	printf("{\"answers\": %d, \"errors\": %d, \"median_ms\": %.2f, \"last_ms\": %.2f}\n", answered, errors,
	    (double)times[answered / 2] / 1e6, (double)times[answered - 1] / 1e6);
	fflush(stdout);
}

static void
parse_options(int argc, char **argv)
{
	static const struct option names[] = {
		{ "port", required_argument, NULL, 'p' }, { "connections", required_argument, NULL, 'c' },
		{ "timeout", required_argument, NULL, 't' }, { NULL, 0, NULL, 0 },
	};

	for (int o; (o = getopt_long(argc, argv, "", names, NULL)) != -1;)
		switch (o) {
		case 'p': port = atoi(optarg); break;
		case 'c': count = atoi(optarg); break;
		case 't': timeout = atoi(optarg); break;
		default: port = 0;
		}
	if (port < 1 || port > 65535 || count < 1 || count > 100000 || timeout < 1 || optind != argc) {
		fprintf(stderr, "usage: crowd --port N [--connections N] [--timeout S]\n");
		exit(2);
	}
}

int
main(int argc, char **argv)
{
	char path[1024];

	parse_options(argc, argv);
	signal(SIGPIPE, SIG_IGN);
	epoll = epoll_create1(EPOLL_CLOEXEC);
	clients = calloc((size_t)count, sizeof(*clients));
	times = calloc((size_t)count, sizeof(*times));
	if (epoll < 0 || clients == NULL || times == NULL)
		die("start");
	for (int i = 0; i < count; i++)
		dial(&clients[i]);
	printf("ready\n");
	fflush(stdout);
	while (fgets(path, sizeof(path), stdin) != NULL) {
		path[strcspn(path, "\n")] = '\0';
		run(path);
	}
	return 0;
}
