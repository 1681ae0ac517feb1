/* SPDX-License-Identifier: Apache-2.0 */
/*
 * call: one HTTP request over a Unix socket, and its response, by a plain blocking socket.
 */
#include "call.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

enum { SECONDS = 60, ANSWER_MOST = 64 << 20 };

static int fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

static int
fail(const char *format, ...)
{
	va_list arguments;

	fputs("weirctl: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	return -1;
}

static const char *
cure(int error)
{
	switch (error) {
	case ENOENT:
		return "; is Weir running, and does [weir] say `admin = PATH`? -s names another socket";
	case ECONNREFUSED:
		return "; Weir does not run any more, or has another socket: -s names it";
	case EACCES:
		return "; become a member of the socket's group, or root";
	default:
		return "";
	}
}

static int
reach(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct timeval limit = { .tv_sec = SECONDS };
	int fd, error;

	if (strlen(path) >= sizeof(address.sun_path))
		return fail("%s: a socket's path has at most %zu bytes", path, sizeof(address.sun_path) - 1);
	strcpy(address.sun_path, path);
	if ((fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) < 0)
		return fail("no socket: %s", strerror(errno));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	error = errno;
	close(fd);
	return fail("cannot connect to %s: %s%s", path, strerror(error), cure(error));
}

static int
send_all(int fd, const char *bytes, size_t length)
{
	while (length > 0) {
		ssize_t sent = send(fd, bytes, length, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0 && (errno == EPIPE || errno == ECONNRESET))
			return 0;	/* it has heard enough, and may have said why */
		if (sent <= 0)
			return fail("the request could not be sent: %s", strerror(errno));
		bytes += sent;
		length -= (size_t)sent;
	}
	return 0;
}

static int
send_request(int fd, const char *method, const char *target, const char *body)
{
	size_t length = body != NULL ? strlen(body) : 0;
	char head[4096];
	int size = snprintf(head, sizeof(head), "%s %s HTTP/1.1\r\nHost: weir\r\nConnection: close\r\n"
		"Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n", method, target, length);

	if (size < 0 || (size_t)size >= sizeof(head))
		return fail("%s is too long", target);
	if (send_all(fd, head, (size_t)size) != 0)
		return -1;
	return length > 0 ? send_all(fd, body, length) : 0;
}

/* Everything up to the end of the connection, with a NUL after it; NULL after saying why not. */
static char *
receive_all(int fd, size_t *length)
{
	size_t room = 16384;
	char *bytes = malloc(room), *more;
	ssize_t received;

	*length = 0;
	while (bytes != NULL && (received = recv(fd, bytes + *length, room - *length - 1, 0)) != 0) {
		if (received < 0 && errno == EINTR)
			continue;
		if (received < 0 && errno == ECONNRESET && *length > 0)
			break;		/* it did not read all of the request; whether the answer is whole is seen later */
		if (received < 0) {
			fail("no answer: %s", errno == EAGAIN ? "it takes too long" : strerror(errno));
			free(bytes);
			return NULL;
		}
		*length += (size_t)received;
		if (room - *length > 1)
			continue;
		more = room < ANSWER_MOST ? realloc(bytes, room *= 2) : NULL;
		if (more == NULL)
			free(bytes);
		bytes = more;
	}
	if (bytes == NULL)
		fail("the answer is too long");
	else
		bytes[*length] = '\0';
	return bytes;
}

/* The Content-Length, -1 where there is none. */
static long long
length_of(const char *head)
{
	static const char name[] = "\r\nContent-Length:";

	for (const char *line = head; (line = strstr(line, "\r\n")) != NULL; line += 2)
		if (strncasecmp(line, name, sizeof(name) - 1) == 0)
			return strtoll(line + sizeof(name) - 1, NULL, 10);
	return -1;
}

static int
take_apart(char *bytes, size_t length, struct call_answer *answer)
{
	char *end = strstr(bytes, "\r\n\r\n");
	long long announced;

	if (end == NULL || sscanf(bytes, "HTTP/1.%*1[01] %3d ", &answer->status) != 1)
		return fail("what answers there does not speak HTTP");
	*end = '\0';
	announced = length_of(bytes);
	end += 4;
	answer->length = length - (size_t)(end - bytes);
	if (announced >= 0 && (unsigned long long)announced != answer->length)
		return fail("the answer was cut");
	memmove(bytes, end, answer->length + 1);
	answer->body = bytes;
	return 0;
}

int
call(const char *socket_path, const char *method, const char *target, const char *body,
	struct call_answer *answer)
{
	int fd = reach(socket_path);
	char *bytes = NULL;
	size_t length;

	*answer = (struct call_answer){ 0 };
	if (fd < 0)
		return -1;
	if (send_request(fd, method, target, body) == 0)
		bytes = receive_all(fd, &length);
	close(fd);
	if (bytes == NULL)
		return -1;
	if (take_apart(bytes, length, answer) == 0)
		return 0;
	free(bytes);
	return -1;
}
