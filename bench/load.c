/* SPDX-License-Identifier: Apache-2.0 */
/*
 * load: the client side of bench/run.
 *
 * N keep-alive connections in one thread, each with one request in flight, until a number of requests is
 * answered. It first opens and warms the connections, prints "ready" and waits for a line on stdin, so that
 * what the caller samples before and after is the steady state alone. Then it runs and prints a line of JSON.
 *
 *     --close     a new connection for each request, closed when the answer is there; the request does not say
 *                 so in Connection, as a proxy that passes that on would end its upstream connection too
 *     --rate      so many requests a second, in equal steps; latency is from when a request was due
 *     --windows   with --rate, and without end: each further line on stdin is answered by a line of JSON about the
 *                 time since the last one; the end of stdin ends it
 *     --hosts     the Host is one of so many names by chance, h000000.example.com and so on
 *     --idle      one request on each connection, one after the other; after the line on stdin it says how
 *                 many of the connections are still open
 *     --tls       TLS 1.3 (AES-128-GCM, X25519), whatever the certificate; its handshakes count to the latency
 *     --resume    with --tls and --close: take the session up again by the last ticket that came; "resumed" in
 *                 the line of JSON says how often the server agreed
 *
 * Every response is checked for its status, and its body is counted to the end by Content-Length; it is
 * dropped in the kernel (MSG_TRUNC), so that the client costs little beside the proxy under test. A
 * connection that the server closed between two responses is replaced, and counted. Latency is from the first
 * byte sent to the last one received, kept in a histogram of 64 steps for each power of two (1.6 %).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <gnutls/gnutls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define HEAD_SIZE 8192
#define SINK_SIZE (1 << 20)
#define BODY_MAX (1 << 26)
#define BATCH 256
#define STEPS 64
#define BUCKETS (STEPS * 59)

struct conn {
	int fd;
	bool busy, head_done;
	uint64_t begun;
	size_t sent, used;
	uint64_t body_left;
	gnutls_session_t tls;           /* NULL: plain */
	gnutls_datum_t ticket;          /* what the last connection was given; no data: nothing */
	bool shaken, dry;               /* the handshake is done; the socket had no more */
	char in[HEAD_SIZE + 1];
};

static struct options {
	int port, connections, timeout, warmup;
	uint64_t requests, body, rate;
	unsigned hosts;
	const char *path;
	bool close, idle, tls, resume, windows;
} opt = { .connections = 64, .requests = 10000, .timeout = 60, .warmup = 20, .path = "/" };

static struct conn *conns;
static int epoll;
static char request[2048], *body, sink[SINK_SIZE];
static size_t request_len;
static char *host_digits;		/* in the request; NULL: always the same host */
static struct conn **resting;		/* a ring of connections whose turn is yet to come */
static size_t rest_first, rest_count;
static uint64_t next_turn;
static uint64_t started, answered, goal, errors, reconnects, bytes, resumed, deadline;
static uint64_t window_begun, window_first;	/* its time, and how many answers came before it */
static gnutls_certificate_credentials_t credentials;
static gnutls_priority_t priorities;
static uint64_t histogram[BUCKETS];

static void
die(const char *what)
{
	fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
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
record(uint64_t ns)
{
	unsigned shift = 0;

	while (ns >> shift >= 2 * STEPS)
		shift++;
	histogram[shift * STEPS + (ns >> shift)]++;
}

/* The middle of the bucket that holds the given share of all answers, in microseconds. */
static double
quantile(double share)
{
	uint64_t total = 0, sum = 0;
	unsigned i, shift;

	for (i = 0; i < BUCKETS; i++)
		total += histogram[i];
	for (i = 0; i < BUCKETS - 1; i++) {
		sum += histogram[i];
		if (sum > 0 && (double)sum >= share * (double)total)
			break;
	}
	shift = i < 2 * STEPS ? 0 : i / STEPS - 1;
	return ((double)(i - shift * STEPS) + 0.5) * (double)(1ULL << shift) / 1000;
}

/* The head of a usual browser, cut to ten fields. */
static void
build_request(void)
{
	int n = snprintf(request, sizeof(request),
	    "%s %s HTTP/1.1\r\n"
	    "Host: %s.example.com\r\n"
	    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:115.0) Gecko/20100101 Firefox/115.0\r\n"
	    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
	    "Accept-Language: en-GB,en;q=0.7,de;q=0.3\r\n"
	    "Accept-Encoding: gzip, deflate, br\r\n"
	    "Referer: https://www.example.com/shop/category/index.html\r\n"
	    "Cookie: session=6f1ed002ab5595859014ebf0951522d9; theme=light; consent=yes\r\n"
	    "Cache-Control: no-cache\r\n"
	    "Sec-Fetch-Mode: navigate\r\n",
	    opt.body > 0 ? "POST" : "GET", opt.path, opt.hosts > 0 ? "h000000" : "www");

	if (n < 0 || (size_t)n > sizeof(request) - 128)
		die("the path is too long");
	request_len = (size_t)n;
	if (opt.body > 0)
		request_len += (size_t)sprintf(request + request_len, "Content-Length: %llu\r\n",
		    (unsigned long long)opt.body);
	request_len += (size_t)sprintf(request + request_len, "\r\n");
	if (opt.hosts > 0)
		host_digits = strstr(request, "Host: h") + 7;
	body = calloc(1, opt.body + 1);
	if (body == NULL)
		die("calloc");
}

/* --- TLS, as thin as it can be ------------------------------------------------------------------ */

static void
tls_prepare(void)
{
	if (gnutls_certificate_allocate_credentials(&credentials) < 0
	    || gnutls_priority_init(&priorities, "NORMAL:-VERS-ALL:+VERS-TLS1.3:-GROUP-ALL:+GROUP-X25519:"
	        "-CIPHER-ALL:+AES-128-GCM", NULL) < 0)
		die("GnuTLS");
}

static ssize_t
pull(gnutls_transport_ptr_t pointer, void *to, size_t room)
{
	struct conn *c = pointer;
	ssize_t n = recv(c->fd, to, room, 0);

	c->dry = n < 0;
	if (n < 0)
		gnutls_transport_set_errno(c->tls, errno);
	return n;
}

static ssize_t
push(gnutls_transport_ptr_t pointer, const void *from, size_t length)
{
	struct conn *c = pointer;
	ssize_t n = send(c->fd, from, length, MSG_NOSIGNAL);

	if (n < 0)
		gnutls_transport_set_errno(c->tls, errno);
	return n;
}

static void
tls_begin(struct conn *c)
{
	if (gnutls_init(&c->tls, GNUTLS_CLIENT | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL) < 0)
		die("GnuTLS");
	gnutls_priority_set(c->tls, priorities);
	gnutls_credentials_set(c->tls, GNUTLS_CRD_CERTIFICATE, credentials);
	gnutls_server_name_set(c->tls, GNUTLS_NAME_DNS, "www.example.com", 15);
	gnutls_transport_set_ptr(c->tls, c);
	gnutls_transport_set_pull_function(c->tls, pull);
	gnutls_transport_set_push_function(c->tls, push);
	if (c->ticket.data != NULL)
		gnutls_session_set_data(c->tls, c->ticket.data, c->ticket.size);
	c->shaken = false;
}

static void
hang_up(struct conn *c)
{
	if (c->tls != NULL) {
		if (opt.resume && c->shaken && (gnutls_session_get_flags(c->tls) & GNUTLS_SFLAGS_SESSION_TICKET)) {
			gnutls_free(c->ticket.data);
			c->ticket = (gnutls_datum_t){ NULL, 0 };
			gnutls_session_get_data2(c->tls, &c->ticket);
		}
		if (c->shaken)
			gnutls_bye(c->tls, GNUTLS_SHUT_WR);
		gnutls_deinit(c->tls);
		c->tls = NULL;
	}
	close(c->fd);
	c->fd = -1;
}

/* Go on with the handshake; true when it is done. One that fails shows as an end of the connection, which is read next. */
static bool
shake(struct conn *c)
{
	int result;

	do
		result = gnutls_handshake(c->tls);
	while (result == GNUTLS_E_INTERRUPTED);
	if (result < 0)
		return false;
	c->shaken = true;
	resumed += gnutls_session_is_resumed(c->tls) != 0;
	return true;
}

/* GnuTLS' result as recv and send have it. */
static ssize_t
as_errno(ssize_t n)
{
	if (n >= 0)
		return n;
	errno = n == GNUTLS_E_AGAIN ? EAGAIN : n == GNUTLS_E_INTERRUPTED ? EINTR : ECONNRESET;
	return -1;
}

static ssize_t
take(struct conn *c, void *to, size_t room, int flags)
{
	ssize_t n;

	if (c->tls == NULL)
		return recv(c->fd, to, room, flags);
	do {                            /* after a ticket it says "again", though more may be there */
		c->dry = false;
		n = gnutls_record_recv(c->tls, to, room);
	} while (n == GNUTLS_E_AGAIN && !c->dry);
	return as_errno(n);
}

static ssize_t
give(struct conn *c, const struct iovec iov[2])
{
	if (c->tls == NULL)
		return writev(c->fd, iov, 2);
	return as_errno(gnutls_record_send(c->tls, iov[iov[0].iov_len == 0].iov_base, iov[iov[0].iov_len == 0].iov_len));
}

/* --- connections and requests -------------------------------------------------------------------- */

static void
dial(struct conn *c)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	    .sin_port = htons((uint16_t)opt.port) };
	struct epoll_event ev = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = c };
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		die("connect");
	if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0 || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) < 0
	    || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &ev) < 0)
		die("socket options");
	c->fd = fd;
	if (opt.tls)
		tls_begin(c);
}

static void
send_request(struct conn *c)
{
	if (c->tls != NULL && !c->shaken && !shake(c))
		return;
	while (c->sent < request_len + opt.body) {
		size_t head = c->sent < request_len ? request_len - c->sent : 0;
		size_t skip = c->sent > request_len ? c->sent - request_len : 0;
		struct iovec iov[2] = { { request + request_len - head, head }, { body, opt.body - skip } };
		ssize_t n = give(c, iov);

		if (n >= 0)
			c->sent += (size_t)n;
		else if (errno == EAGAIN)
			return;
		else if (errno != EINTR)
			break;              /* the answer, or the end of the connection, is read next */
	}
}

/* The next request is for another host. It goes out whole, or the rest of it would be for a third. */
static void
choose_host(void)
{
	static uint64_t state = 88172645463325252u;
	unsigned host;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	host = (unsigned)(state >> 16) % opt.hosts;
	for (int i = 5; i >= 0; i--, host /= 10)
		host_digits[i] = (char)('0' + host % 10);
}

static void
start(struct conn *c)
{
	c->busy = false;
	if (started == goal)
		return;
	started++;
	if (c->fd < 0)
		dial(c);
	c->busy = true;
	c->head_done = false;
	c->sent = c->used = 0;
	c->begun = now();
	if (host_digits != NULL)
		choose_host();
	send_request(c);
}

/*
 * The connection died under a request. A server may close a kept connection between two requests: then the
 * request is sent once more on a new one. When bytes of an answer had come, it counts as an error.
 */
static void
redo(struct conn *c, bool failed)
{
	hang_up(c);
	if (!c->busy)
		return;
	if (failed) {
		errors++;
		answered++;
		start(c);
		return;
	}
	if (++reconnects > goal) {
		fprintf(stderr, "load: the server closes connections without an answer\n");
		exit(1);
	}
	started--;
	start(c);
}

static void
finish(struct conn *c)
{
	record(now() - c->begun);
	answered++;
	if (opt.close)
		hang_up(c);
	c->busy = false;
	if (opt.rate > 0)
		resting[(rest_first + rest_count++) % (size_t)opt.connections] = c;
	else if (!opt.idle)
		start(c);
}

/* With a rate: begin what is due. How long to wait for the next turn, -1 for ever. */
static int64_t
take_turns(void)
{
	uint64_t step = opt.rate > 0 ? 1000000000u / opt.rate : 0, time = step > 0 ? now() : 0;

	if (step == 0)
		return -1;
	for (; rest_count > 0 && next_turn <= time; next_turn += step) {
		struct conn *c = resting[rest_first];

		rest_first = (rest_first + 1) % (size_t)opt.connections;
		rest_count--;
		start(c);
		c->begun = next_turn;	/* what came late counts as late */
	}
	return rest_count > 0 ? (int64_t)(next_turn - time) : -1;
}

/* Status and length of the head in in[], which ends at `end`; what follows it is body. */
static void
take_head(struct conn *c, char *end)
{
	static const char name[] = "\r\nContent-Length:";
	char *length;
	size_t have;

	*end = '\0';
	length = strcasestr(c->in, name);
	if (strncmp(c->in, "HTTP/1.1 2", 10) != 0 || length == NULL) {
		if (errors++ == 0)
			fprintf(stderr, "load: unwanted answer:\n%s\n", c->in);
	}
	c->body_left = length != NULL ? strtoull(length + sizeof(name) - 1, NULL, 10) : 0;
	have = c->used - (size_t)(end + 4 - c->in);
	if (have > c->body_left) {
		fprintf(stderr, "load: more bytes than Content-Length said\n");
		exit(1);
	}
	c->body_left -= have;
	c->head_done = true;
}

/* One recv. False when the socket has no more for now. */
static bool
receive(struct conn *c)
{
	size_t room = !c->head_done ? HEAD_SIZE - c->used : c->body_left < SINK_SIZE ? c->body_left : SINK_SIZE;
	ssize_t n = take(c, c->head_done ? sink : c->in + c->used, room, c->head_done ? MSG_TRUNC : 0);
	char *end;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return errno == EINTR;
	if (n <= 0) {
		redo(c, c->used > 0 || opt.close);
		return false;
	}
	bytes += (uint64_t)n;
	if (c->head_done) {
		c->body_left -= (uint64_t)n;
		return true;
	}
	c->used += (size_t)n;
	c->in[c->used] = '\0';
	end = strstr(c->in, "\r\n\r\n");
	if (end != NULL)
		take_head(c, end);
	else if (c->used == HEAD_SIZE)
		redo(c, true);
	return true;
}

static void
handle(struct conn *c, unsigned events)
{
	if (!c->busy) {
		if (c->fd >= 0 && (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)))
			redo(c, false);
		return;
	}
	if (c->sent < request_len + opt.body && ((events & EPOLLOUT) || (c->tls != NULL && !c->shaken)))
		send_request(c);
	if (c->tls != NULL && !c->shaken && !(events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)))
		return;
	while (c->busy && c->fd >= 0 && (events & ~(unsigned)EPOLLOUT)) {
		if (!receive(c))
			return;
		if (c->head_done && c->body_left == 0) {
			finish(c);
			return;
		}
	}
}

static void
forget(void)
{
	memset(histogram, 0, sizeof(histogram));
	errors = reconnects = bytes = resumed = 0;
}

static void
report(uint64_t begun, uint64_t count)
{
	double seconds = (double)(now() - begun) / 1e9;

	printf("{\"requests\": %llu, \"errors\": %llu, \"reconnects\": %llu, \"bytes\": %llu, \"seconds\": %.6f, "
	    "\"resumed\": %llu, \"rps\": %.1f, \"p50_us\": %.1f, \"p90_us\": %.1f, \"p99_us\": %.1f, \"p999_us\": %.1f}\n",
	    (unsigned long long)count, (unsigned long long)errors, (unsigned long long)reconnects,
	    (unsigned long long)bytes, seconds, (unsigned long long)resumed, (double)count / seconds, quantile(0.5),
	    quantile(0.9), quantile(0.99), quantile(0.999));
	fflush(stdout);
}

/* A line on stdin ends a window, the end of stdin ends all. */
static void
end_window(void)
{
	char line[64];

	if (read(STDIN_FILENO, line, sizeof(line)) <= 0)
		exit(0);
	report(window_begun, answered - window_first);
	forget();
	window_begun = now();
	window_first = answered;
	deadline = window_begun + (uint64_t)opt.timeout * 1000000000u;
}

/* Events until `answered` reaches the goal; no longer than the deadline. */
static void
pump(void)
{
	struct epoll_event events[BATCH];

	while (answered < goal) {
		int64_t wait = take_turns();
		struct timespec limit = { wait < 0 ? 1 : wait / 1000000000, wait < 0 ? 0 : wait % 1000000000 };
		int n = epoll_pwait2(epoll, events, BATCH, &limit, NULL);

		if (n < 0 && errno != EINTR)
			die("epoll_wait");
		for (int i = 0; i < n; i++)
			if (events[i].data.ptr != NULL)
				handle(events[i].data.ptr, events[i].events);
			else
				end_window();
		if (now() > deadline) {
			fprintf(stderr, "load: timeout: %llu of %llu answers after %d s\n",
			    (unsigned long long)answered, (unsigned long long)goal, opt.timeout);
			exit(1);
		}
	}
}

static void
run_batch(uint64_t requests)
{
	started = answered = 0;
	goal = requests;
	next_turn = now();
	rest_first = rest_count = 0;
	for (int i = 0; i < opt.connections; i++)
		if (opt.rate > 0)
			resting[rest_count++] = &conns[i];
		else if (!conns[i].busy)
			start(&conns[i]);
	pump();
}

static void
wait_for_go(void)
{
	char line[16];

	printf("ready\n");
	fflush(stdout);
	if (fgets(line, sizeof(line), stdin) == NULL)
		exit(1);
	deadline = now() + (uint64_t)opt.timeout * 1000000000u;
}

static void
hold_idle(void)
{
	int held = 0;
	char byte;

	started = answered = 0;
	goal = UINT64_MAX;
	for (int i = 0; i < opt.connections; i++) {
		start(&conns[i]);
		goal = (uint64_t)i + 1;
		pump();
		goal = UINT64_MAX;
	}
	wait_for_go();
	for (int i = 0; i < opt.connections; i++) {
		if (conns[i].fd >= 0 && conns[i].tls != NULL)
			take(&conns[i], &byte, 1, 0);   /* tickets */
		held += conns[i].fd >= 0 && recv(conns[i].fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) < 0
		    && errno == EAGAIN;
	}
	printf("{\"held\": %d, \"errors\": %llu}\n", held, (unsigned long long)errors);
}

static void
run_load(void)
{
	struct epoll_event ev = { .events = EPOLLIN };

	if ((!opt.close || opt.resume) && opt.warmup > 0)
		run_batch((uint64_t)opt.connections * (uint64_t)opt.warmup);
	forget();
	wait_for_go();
	if (opt.windows && epoll_ctl(epoll, EPOLL_CTL_ADD, STDIN_FILENO, &ev) < 0)
		die("stdin");
	window_begun = now();
	run_batch(opt.windows ? UINT64_MAX : opt.requests);
	report(window_begun, answered);
}

static void
usage(void)
{
	fprintf(stderr, "usage: load --port N [--connections N] [--requests N] [--path P] [--body BYTES]\n"
	    "            [--close] [--idle] [--rate N [--windows]] [--hosts N] [--tls] [--resume] [--warmup N] [--timeout S]\n");
	exit(2);
}

static void
parse_options(int argc, char **argv)
{
	static const struct option names[] = {
		{ "port", required_argument, NULL, 'p' }, { "connections", required_argument, NULL, 'c' },
		{ "requests", required_argument, NULL, 'n' }, { "path", required_argument, NULL, 'u' },
		{ "body", required_argument, NULL, 'b' }, { "close", no_argument, NULL, 'x' },
		{ "idle", no_argument, NULL, 'i' }, { "warmup", required_argument, NULL, 'w' },
		{ "timeout", required_argument, NULL, 't' }, { "tls", no_argument, NULL, 's' },
		{ "resume", no_argument, NULL, 'r' }, { "rate", required_argument, NULL, 'R' },
		{ "hosts", required_argument, NULL, 'H' }, { "windows", no_argument, NULL, 'W' }, { NULL, 0, NULL, 0 },
	};

	for (int o; (o = getopt_long(argc, argv, "", names, NULL)) != -1;)
		switch (o) {
		case 'p': opt.port = atoi(optarg); break;
		case 'c': opt.connections = atoi(optarg); break;
		case 'n': opt.requests = strtoull(optarg, NULL, 10); break;
		case 'u': opt.path = optarg; break;
		case 'b': opt.body = strtoull(optarg, NULL, 10); break;
		case 'x': opt.close = true; break;
		case 'i': opt.idle = true; break;
		case 'w': opt.warmup = atoi(optarg); break;
		case 't': opt.timeout = atoi(optarg); break;
		case 's': opt.tls = true; break;
		case 'r': opt.resume = true; break;
		case 'R': opt.rate = strtoull(optarg, NULL, 10); break;
		case 'H': opt.hosts = (unsigned)atoi(optarg); break;
		case 'W': opt.windows = true; break;
		default: usage();
		}
	if ((opt.windows && opt.rate == 0) || opt.port < 1 || opt.port > 65535 || opt.connections < 1 || opt.connections > 100000
	    || opt.requests < 1 || opt.body > BODY_MAX || opt.timeout < 1 || opt.hosts > 1000000 || optind != argc)
		usage();
}

int
main(int argc, char **argv)
{
	parse_options(argc, argv);
	signal(SIGPIPE, SIG_IGN);
	build_request();
	if (opt.tls)
		tls_prepare();
	epoll = epoll_create1(EPOLL_CLOEXEC);
	conns = calloc((size_t)opt.connections, sizeof(*conns));
	resting = calloc((size_t)opt.connections, sizeof(struct conn *));
	if (epoll < 0 || conns == NULL || resting == NULL)
		die("start");
	for (int i = 0; i < opt.connections; i++)
		conns[i].fd = -1;
	deadline = now() + (uint64_t)opt.timeout * 1000000000u;
	if (opt.idle)
		hold_idle();
	else
		run_load();
	return errors > 0;
}
