/* SPDX-License-Identifier: Apache-2.0 */
/*
 * file: where lines go, and a buffer for each thread on the way there.
 *
 * Lines of several threads must not mix, nor may half a line stand alone when a disk is full or a reader is
 * slow. So threads take turns to write, and while the rest of a line is still in some thread's buffer it is
 * nobody else's turn; the others go on collecting. A thread waits for its turn only when its buffer is full, not
 * long, and not again while that does not help: what finds no room then is dropped and counted.
 */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define SYSLOG_PATH "/dev/log"
#define SYSLOG_PREFIX "syslog"
#define LOCAL7_INFO (23 * 8 + 6)
#define PATIENCE 20000000		/* nanoseconds to wait for a turn */
#define STEP ((size_t)4096)		/* bytes to collect before what did not go is tried again */

/* --- opening and closing ----------------------------------------------------------------------------- */

static int
open_path(const char *path)
{
	return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0640);
}

static bool
connect_syslog(const struct accesslog_file *file)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	size_t length = strlen(file->path);

	if (length >= sizeof(to.sun_path)) {
		errno = ENAMETOOLONG;
		return false;
	}
	memcpy(to.sun_path, file->path, length);
	return connect(file->fd, (const struct sockaddr *)&to, sizeof(to)) == 0;
}

/* A syslog that is not there yet is tried again at each flush. */
static bool
open_file(struct accesslog_file *file)
{
	struct stat status;

	if (file->kind == FILE_SYSLOG) {
		file->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (file->fd >= 0)
			connect_syslog(file);
		return file->fd >= 0;
	}
	file->fd = file->kind == FILE_STDERR ? STDERR_FILENO : open_path(file->path);
	if (file->fd < 0 || fstat(file->fd, &status) != 0)
		return false;
	file->streams = !S_ISREG(status.st_mode);
	return true;
}

static enum accesslog_kind
kind_of(const char *name)
{
	size_t prefix = strlen(SYSLOG_PREFIX);

	if (strcmp(name, "stderr") == 0)
		return FILE_STDERR;
	if (strncmp(name, SYSLOG_PREFIX, prefix) == 0 && (name[prefix] == '\0' || name[prefix] == ':'))
		return FILE_SYSLOG;
	return FILE_PATH;
}

static const char *
path_of(const char *name)
{
	const char *colon = strchr(name, ':');

	if (kind_of(name) != FILE_SYSLOG)
		return name;
	return colon != NULL ? colon + 1 : SYSLOG_PATH;
}

struct accesslog_file *
accesslog_file_open(const char *name, unsigned threads)
{
	size_t line = alignof(struct accesslog_file);
	size_t buffers = threads * sizeof(struct accesslog_buffer);
	size_t size = sizeof(struct accesslog_file) + buffers + strlen(name) + 1;
	struct accesslog_file *file = aligned_alloc(line, (size + line - 1) / line * line);

	if (file == NULL)
		return NULL;
	memset(file, 0, sizeof(*file));
	for (unsigned i = 0; i < threads; i++) {
		/* Not their data: pages that nobody uses stay untouched. */
		memset(&file->buffers[i], 0, offsetof(struct accesslog_buffer, data));
		file->buffers[i].due = FILE_MARK;
	}
	pthread_mutex_init(&file->turn, NULL);
	file->kind = kind_of(name);
	file->path = strcpy((char *)file->buffers + buffers, path_of(name));
	file->threads = threads;
	if (open_file(file))
		return file;
	pthread_mutex_destroy(&file->turn);
	free(file);
	return NULL;
}

bool
accesslog_file_is(const struct accesslog_file *file, const char *name)
{
	return file->kind == kind_of(name) && strcmp(file->path, path_of(name)) == 0;
}

bool
accesslog_file_reopen(struct accesslog_file *file)
{
	struct stat named, open_one;
	bool done;
	int fd;

	if (file->kind != FILE_PATH)
		return true;
	if (stat(file->path, &named) == 0 && fstat(file->fd, &open_one) == 0 &&
	    named.st_dev == open_one.st_dev && named.st_ino == open_one.st_ino)
		return true;
	fd = open_path(file->path);
	if (fd < 0)
		return false;
	done = dup3(fd, file->fd, O_CLOEXEC) >= 0;
	close(fd);
	return done;
}

void
accesslog_file_close(struct accesslog_file **file)
{
	unsigned first = (*file)->torn > 0 ? (*file)->torn - 1 : 0;

	for (unsigned i = 0; i < (*file)->threads; i++)	/* who is in the middle of a line goes first */
		accesslog_file_flush(*file, (first + i) % (*file)->threads);
	if ((*file)->kind != FILE_STDERR)
		close((*file)->fd);
	pthread_mutex_destroy(&(*file)->turn);
	free(*file);
	*file = NULL;
}

/* --- writing ----------------------------------------------------------------------------------------- */

/* How many bytes may go at once. To what might block no more than a pipe takes when it takes anything, and
 * whole lines if possible, since others may write there too. */
static size_t
piece(const struct accesslog_file *file, const char *data, size_t length)
{
	const char *newline;

	if (!file->streams || length <= PIPE_BUF)
		return length;
	newline = memrchr(data, '\n', PIPE_BUF);
	return newline != NULL ? (size_t)(newline - data) + 1 : PIPE_BUF;
}

static ssize_t
write_piece(const struct accesslog_file *file, const char *data, size_t length)
{
	struct pollfd ready = { .fd = file->fd, .events = POLLOUT };

	if (file->streams && poll(&ready, 1, 0) <= 0) {
		errno = EAGAIN;
		return -1;
	}
	return write(file->fd, data, piece(file, data, length));
}

/* The newline included. */
static ssize_t
line_length(const char *data, size_t length)
{
	return (const char *)memchr(data, '\n', length) + 1 - data;
}

/* One datagram a line: <priority>time tag: text. A daemon that was restarted is connected to anew. */
static ssize_t
send_line(const struct accesslog_file *file, char *data, size_t length, struct iovec *header)
{
	ssize_t line = line_length(data, length);
	struct iovec pieces[] = { *header, { data, (size_t)line - 1 } };
	struct msghdr message = { .msg_iov = pieces, .msg_iovlen = 2 };
	ssize_t sent = sendmsg(file->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);

	bool lost = sent < 0 && (errno == ECONNREFUSED || errno == ENOTCONN || errno == ECONNRESET);

	if (lost && connect_syslog(file))
		sent = sendmsg(file->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	return sent < 0 ? -1 : line;
}

static void
syslog_header(char *to, size_t size)
{
	time_t now = time(NULL);
	struct tm parts;
	char text[32];

	localtime_r(&now, &parts);
	strftime(text, sizeof(text), "%b %e %H:%M:%S", &parts);
	snprintf(to, size, "<%d>%s weir: ", LOCAL7_INFO, text);
}

/* Send lines until all are gone or it goes no further; how much is gone. errno is 0, or what went wrong. */
static size_t
send_out(const struct accesslog_file *file, struct accesslog_buffer *buffer)
{
	char text[64];
	struct iovec header = { text, 0 };
	size_t done = 0;
	ssize_t sent;

	syslog_header(text, sizeof(text));
	header.iov_len = strlen(text);
	while (done < buffer->used) {
		sent = send_line(file, buffer->data + done, buffer->used - done, &header);
		if (sent < 0 && errno == EMSGSIZE) {	/* too long for a datagram */
			sent = line_length(buffer->data + done, buffer->used - done);
			buffer->dropped++;
		}
		if (sent < 0)
			return done;
		done += (size_t)sent;
	}
	errno = 0;
	return done;
}

/* The same for bytes. */
static size_t
write_out(const struct accesslog_file *file, const struct accesslog_buffer *buffer)
{
	size_t done = 0;
	ssize_t wrote;

	while (done < buffer->used) {
		wrote = write_piece(file, buffer->data + done, buffer->used - done);
		if (wrote < 0 && errno == EINTR)
			continue;
		if (wrote < 0)
			return done;
		done += (size_t)wrote;
	}
	errno = 0;
	return done;
}

static bool
take_turn(struct accesslog_file *file, unsigned thread)
{
	struct accesslog_buffer *buffer = &file->buffers[thread];
	struct timespec until;

	if (pthread_mutex_trylock(&file->turn) != 0) {
		if (!accesslog_buffer_is_full(buffer) || buffer->stuck)
			return false;
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += PATIENCE;
		until.tv_sec += until.tv_nsec / 1000000000;
		until.tv_nsec %= 1000000000;
		if (pthread_mutex_timedlock(&file->turn, &until) != 0)
			return false;
	}
	if (file->torn == 0 || file->torn == thread + 1)
		return true;
	pthread_mutex_unlock(&file->turn);
	return false;
}

/* Note whether it works; 1 or -1 when that has changed. A reader that is merely slow is no failure. */
static int
note(struct accesslog_file *file, struct accesslog_buffer *buffer, int error)
{
	bool failed = error != 0, news = failed != file->failing;

	if (error == EAGAIN)
		return 0;
	buffer->errors += failed;
	file->failing = failed;
	return !news ? 0 : failed ? 1 : -1;
}

/* In the thread's turn. */
static int
write_buffer(struct accesslog_file *file, unsigned thread)
{
	struct accesslog_buffer *buffer = &file->buffers[thread];
	size_t done = file->kind == FILE_SYSLOG ? send_out(file, buffer) : write_out(file, buffer);
	int error = errno;

	if (done > 0)
		file->torn = buffer->data[done - 1] != '\n' ? thread + 1 : 0;
	buffer->used -= done;
	memmove(buffer->data, buffer->data + done, buffer->used);
	return error;
}

int
accesslog_file_flush(struct accesslog_file *file, unsigned thread)
{
	struct accesslog_buffer *buffer = &file->buffers[thread];
	int error = 0, news = 0;

	if (buffer->used > 0 && take_turn(file, thread)) {
		error = write_buffer(file, thread);
		news = note(file, buffer, error);
		pthread_mutex_unlock(&file->turn);
	}
	buffer->stuck = accesslog_buffer_is_full(buffer);
	buffer->due = buffer->used + STEP > FILE_MARK ? buffer->used + STEP : FILE_MARK;
	errno = error;
	return news;
}

/* --- lines ------------------------------------------------------------------------------------------- */

bool
accesslog_file_begin(struct accesslog_file *file, unsigned thread, struct line *line)
{
	struct accesslog_buffer *buffer = &file->buffers[thread];
	size_t room = FILE_BUFFER - LINE_RESERVE - buffer->used;

	if (accesslog_buffer_is_full(buffer)) {
		if (++buffer->dropped % 16 == 0)
			buffer->due = 0;	/* see whether it goes again, but not for every line */
		return false;
	}
	line->at = buffer->data + buffer->used;
	line->end = line->at + (room < FILE_LINE ? room : FILE_LINE);
	return true;
}

void
accesslog_file_end(struct accesslog_file *file, unsigned thread, const struct line *line)
{
	struct accesslog_buffer *buffer = &file->buffers[thread];

	buffer->used = (size_t)(line->at - buffer->data);
	assert(buffer->used <= FILE_BUFFER && line->at[-1] == '\n');
}
