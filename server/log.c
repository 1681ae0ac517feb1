/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log: the error log.
 *
 * Every target is one descriptor, and its number never changes once it is ours: another file is put under the
 * same number with dup3, so a thread that is writing meanwhile needs no lock. Syslog is a datagram socket to
 * /dev/log rather than syslog(3), which would hold every thread while the daemon is stuck.
 *
 * What a client sent may stand in a line: control bytes are written as \xHH, so that nobody can forge a line
 * or drive a terminal. Each level has a rate of its own, so that a flood of warnings hides no error.
 */
#include "log.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

enum { LINE = 2048, TEXT = 1024, LEVELS = WEIR_LOG_DEBUG + 1 };

static const struct {
	const char *name;
	int priority;
} levels[LEVELS] = {
	[WEIR_LOG_ERROR] = { "error", LOG_DAEMON | LOG_ERR },
	[WEIR_LOG_WARNING] = { "warning", LOG_DAEMON | LOG_WARNING },
	[WEIR_LOG_NOTICE] = { "notice", LOG_DAEMON | LOG_NOTICE },
	[WEIR_LOG_DEBUG] = { "debug", LOG_DAEMON | LOG_DEBUG },
};

static const struct sockaddr_un syslog_address = { .sun_family = AF_UNIX, .sun_path = "/dev/log" };

static _Atomic int descriptor = STDERR_FILENO;
static _Atomic bool to_syslog;
static _Atomic int level_shown = WEIR_LOG_NOTICE;
static char *path;			/* of a file, to open it anew; the main thread's */

static struct {
	pthread_mutex_t lock;
	int64_t second;
	unsigned lines[LEVELS];		/* in this second */
	unsigned dropped;		/* since that was logged last */
} rate = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* C1 controls stand alone, or as C2 80 to C2 9F in UTF-8; after any other lead byte these are parts of
 * letters. */
static bool
is_control(unsigned char c, unsigned char before)
{
	return c < 0x20 || c == 0x7f || (c >= 0x80 && c < 0xa0 && (before < 0x80 || before == 0xc2));
}

/* Copy text, its controls escaped; what does not fit ends in "...". Returns the length. */
static size_t
escape(char *to, size_t room, const char *text)
{
	static const char hex[] = "0123456789abcdef";
	size_t length = 0;
	unsigned char before = 0;

	for (const unsigned char *c = (const unsigned char *)text; *c != '\0'; before = *c++) {
		if (length + 4 + 3 > room) {
			memcpy(to + length, "...", 3);
			return length + 3;
		}
		if (is_control(*c, before)) {
			const char escaped[4] = { '\\', 'x', hex[*c >> 4], hex[*c & 15] };

			memcpy(to + length, escaped, 4);
			length += 4;
		} else {
			to[length++] = (char)*c;
		}
	}
	return length;
}

static size_t
prefix(char *to, size_t room, enum weir_level level)
{
	time_t now = (time_t)weir_time();
	struct tm tm;

	gmtime_r(&now, &tm);
	if (atomic_load_explicit(&to_syslog, memory_order_relaxed))
		return (size_t)snprintf(to, room, "<%d>weir[%ld]: ", levels[level].priority, (long)getpid());
	return (size_t)snprintf(to, room, "%04d-%02d-%02dT%02d:%02d:%02dZ %s: ", tm.tm_year + 1900,
		tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, levels[level].name);
}

/* False when the line could not go out now. A restarted syslog daemon has a new socket under the old name. */
static bool
send_line(const char *line, size_t length)
{
	int fd = atomic_load_explicit(&descriptor, memory_order_relaxed);
	struct pollfd writable = { .fd = fd, .events = POLLOUT };
	bool again = atomic_load_explicit(&to_syslog, memory_order_relaxed);
	ssize_t sent;

	if (poll(&writable, 1, 0) == 0)
		return false;
	while ((sent = write(fd, line, length)) < 0) {
		if (errno == EINTR)
			continue;
		if (!again ||
			connect(fd, (const struct sockaddr *)&syslog_address, sizeof(syslog_address)) < 0)
			return false;
		again = false;
	}
	return true;
}

static void
count_dropped(unsigned lines)
{
	pthread_mutex_lock(&rate.lock);
	rate.dropped += lines;
	pthread_mutex_unlock(&rate.lock);
}

static void
write_line(enum weir_level level, const char *text)
{
	char line[LINE];
	size_t length = prefix(line, sizeof(line), level);

	length += escape(line + length, sizeof(line) - length - 1, text);
	if (!atomic_load_explicit(&to_syslog, memory_order_relaxed))
		line[length++] = '\n';
	if (!send_line(line, length))
		count_dropped(1);
}

/* May a line of this level go out in this second? */
static bool
admit(enum weir_level level)
{
	int64_t second = weir_now() / 1000;
	bool admitted;

	pthread_mutex_lock(&rate.lock);
	if (rate.second != second) {
		rate.second = second;
		memset(rate.lines, 0, sizeof(rate.lines));
	}
	admitted = rate.lines[level] < LOG_RATE;
	if (admitted)
		rate.lines[level]++;
	else
		rate.dropped++;
	pthread_mutex_unlock(&rate.lock);
	return admitted;
}

void
log_tick(void)
{
	char text[64];
	unsigned dropped;

	pthread_mutex_lock(&rate.lock);
	dropped = rate.dropped;
	rate.dropped = 0;
	pthread_mutex_unlock(&rate.lock);
	if (dropped == 0)
		return;
	snprintf(text, sizeof(text), "%u lines of this log were dropped", dropped);
	write_line(WEIR_LOG_WARNING, text);
}

void
weir_log(enum weir_level level, const char *format, ...)
{
	int error = errno;
	char text[TEXT];
	va_list arguments;

	assert(level >= WEIR_LOG_ERROR && level <= WEIR_LOG_DEBUG);
	if ((int)level <= atomic_load_explicit(&level_shown, memory_order_relaxed) && admit(level)) {
		errno = error;		/* for %m */
		va_start(arguments, format);
		if (vsnprintf(text, sizeof(text), format, arguments) >= (int)sizeof(text))
			strcpy(text + sizeof(text) - 4, "...");
		va_end(arguments);
		write_line(level, text);
	}
	errno = error;
}

/* --- targets -------------------------------------------------------------------------------------------- */

static int
open_syslog(void)
{
	int error, fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || connect(fd, (const struct sockaddr *)&syslog_address, sizeof(syslog_address)) == 0)
		return fd;
	error = errno;
	close(fd);
	errno = error;
	return -1;
}

/* Not to hang on a FIFO that nobody reads. */
static int
open_file(const char *name)
{
	return open(name, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);
}

/* Put an open descriptor, ours to close, under the number that threads write to. */
static bool
install(int fd)
{
	int number = atomic_load(&descriptor);
	bool good = true;

	if (number == STDERR_FILENO) {
		atomic_store(&descriptor, fd);
		return true;
	}
	if (dup3(fd, number, O_CLOEXEC) < 0)
		good = false;
	close(fd);
	return good;
}

bool
log_open(const char *target, enum weir_level level)
{
	bool use_stderr = strcmp(target, "stderr") == 0, use_syslog = strcmp(target, "syslog") == 0;
	char *name = NULL;
	int fd;

	if (use_stderr)
		fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	else
		fd = use_syslog ? open_syslog() : open_file(target);
	if (fd < 0 || (!use_stderr && !use_syslog && (name = strdup(target)) == NULL)) {
		if (fd >= 0)
			close(fd);
		return false;
	}
	if (!install(fd)) {
		free(name);
		return false;
	}
	free(path);
	path = name;
	atomic_store(&to_syslog, use_syslog);
	atomic_store(&level_shown, (int)level);
	return true;
}

bool
log_reopen(void)
{
	int fd;

	if (path == NULL)
		return true;
	return (fd = open_file(path)) >= 0 && install(fd);
}
