/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenes for the error log: one line a write, nothing forged, nothing that waits, a bounded rate.
 *
 * Linked with -Wl,--wrap=clock_gettime, so that a scene decides when the next second begins, and
 * --wrap=connect, so that /dev/log is a socket of ours.
 */
#include "server/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

static _Atomic int64_t seconds = 1795377600;	/* 2026-11-22T20:00:00Z */
static char folder[] = "/tmp/weir-log-XXXXXX";
static char file[64], moved[64], devlog[64];
static char content[256 * 1024];

int __wrap_clock_gettime(clockid_t, struct timespec *);
int __real_connect(int, const struct sockaddr *, socklen_t);
int __wrap_connect(int, const struct sockaddr *, socklen_t);

int
__wrap_clock_gettime(clockid_t clock, struct timespec *t)
{
	(void)clock;
	*t = (struct timespec){ .tv_sec = seconds };
	return 0;
}

int
__wrap_connect(int fd, const struct sockaddr *address, socklen_t length)
{
	struct sockaddr_un ours = { .sun_family = AF_UNIX };

	(void)length;
	assert_string_equal(((const struct sockaddr_un *)address)->sun_path, "/dev/log");
	strcpy(ours.sun_path, devlog);
	return __real_connect(fd, (struct sockaddr *)&ours, sizeof(ours));
}

static const char *
read_file(const char *name)
{
	FILE *f = fopen(name, "r");
	size_t length;

	assert_non_null(f);
	length = fread(content, 1, sizeof(content) - 1, f);
	content[length] = '\0';
	fclose(f);
	return content;
}

/* A log file without lines, in a new second. */
static int
fresh(void **state)
{
	(void)state;
	unlink(file);
	unlink(moved);
	seconds++;
	if (!log_open(file, WEIR_LOG_NOTICE))
		return -1;
	log_tick();
	return truncate(file, 0);
}

static unsigned
lines(const char *text, const char *what)
{
	unsigned count = 0;

	for (; (text = strstr(text, what)) != NULL; text++)
		count++;
	return count;
}

static void
a_line_has_time_level_and_text(void **state)
{
	(void)state;
	seconds = 1795377600;
	weir_log(WEIR_LOG_ERROR, "%s is %d", "answer", 42);
	weir_log(WEIR_LOG_NOTICE, "listening");
	assert_string_equal(read_file(file), "2026-11-22T20:00:00Z error: answer is 42\n"
		"2026-11-22T20:00:00Z notice: listening\n");
}

static void
what_is_finer_than_the_level_is_not_written(void **state)
{
	(void)state;
	weir_log(WEIR_LOG_DEBUG, "fine");
	assert_string_equal(read_file(file), "");
	assert_true(log_open(file, WEIR_LOG_DEBUG));
	weir_log(WEIR_LOG_DEBUG, "fine");
	assert_int_equal(lines(read_file(file), "debug: fine\n"), 1);
}

static void
nobody_can_forge_a_line(void **state)
{
	(void)state;
	weir_log(WEIR_LOG_WARNING, "from %s",
		"a\n2026-11-22T20:00:00Z error: b\r\x1b[2J\x7f\t\xc2\x9b\x9b" "31m gr\xc3\xb6\xc3\x9f" "e");
	assert_non_null(strstr(read_file(file),
		"from a\\x0a2026-11-22T20:00:00Z error: b\\x0d\\x1b[2J\\x7f\\x09\xc2\\x9b"));
	assert_non_null(strstr(content, "m gr\xc3\xb6\xc3\x9f" "e\n"));
	assert_int_equal(lines(content, "\n"), 1);
	assert_null(strchr(content, '\x1b'));
}

static void
a_long_line_is_cut_and_says_so(void **state)
{
	static char text[8000];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	weir_log(WEIR_LOG_WARNING, "%s", text);
	memset(text, '\1', sizeof(text) - 1);
	weir_log(WEIR_LOG_WARNING, "%s", text);
	assert_int_equal(lines(read_file(file), "...\n"), 2);
	assert_int_equal(lines(content, "\n"), 2);
	assert_true(strlen(content) < 4096);
}

static void
past_the_rate_lines_are_dropped_and_counted(void **state)
{
	(void)state;
	for (int i = 0; i < LOG_RATE + 50; i++)
		weir_log(WEIR_LOG_WARNING, "flood");
	weir_log(WEIR_LOG_ERROR, "still seen");	/* another level has a rate of its own */
	assert_int_equal(lines(read_file(file), "flood"), LOG_RATE);
	assert_int_equal(lines(content, "still seen"), 1);
	log_tick();
	assert_int_equal(lines(read_file(file), "warning: 50 lines of this log were dropped\n"), 1);
	seconds++;
	log_tick();
	weir_log(WEIR_LOG_WARNING, "flood");
	assert_int_equal(lines(read_file(file), "flood"), LOG_RATE + 1);
	assert_int_equal(lines(content, "dropped"), 1);
}

static void
reopened_it_writes_to_the_new_file(void **state)
{
	struct stat before, after;

	(void)state;
	weir_log(WEIR_LOG_NOTICE, "one");
	assert_int_equal(rename(file, moved), 0);
	weir_log(WEIR_LOG_NOTICE, "two");
	assert_true(log_reopen());
	weir_log(WEIR_LOG_NOTICE, "three");
	assert_int_equal(lines(read_file(moved), "notice: "), 2);
	assert_int_equal(lines(read_file(file), "notice: three\n"), 1);
	assert_int_equal(stat(moved, &before), 0);
	assert_int_equal(stat(file, &after), 0);
	assert_int_equal(after.st_mode & 0777, 0640);
}

static void
a_target_that_cannot_be_had_leaves_the_former(void **state)
{
	(void)state;
	assert_false(log_open("/nowhere/at/all", WEIR_LOG_DEBUG));
	assert_int_equal(errno, ENOENT);
	weir_log(WEIR_LOG_DEBUG, "not shown");
	weir_log(WEIR_LOG_NOTICE, "here");
	assert_int_equal(lines(read_file(file), "here\n"), 1);
	assert_int_equal(lines(content, "not shown"), 0);
}

static int
bind_devlog(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	strcpy(address.sun_path, devlog);
	unlink(devlog);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void
receive(int fd, const char *expected)
{
	char line[256] = "";
	ssize_t length = recv(fd, line, sizeof(line) - 1, 0);

	assert_true(length > 0);
	assert_string_equal(line, expected);
}

static void
syslog_gets_datagrams_and_may_restart(void **state)
{
	char expected[64];
	int daemon;

	(void)state;
	assert_false(log_open("syslog", WEIR_LOG_NOTICE));	/* no daemon: the file stays */
	weir_log(WEIR_LOG_NOTICE, "in the file");
	assert_int_equal(lines(read_file(file), "in the file"), 1);
	daemon = bind_devlog();
	assert_true(log_open("syslog", WEIR_LOG_NOTICE));
	snprintf(expected, sizeof(expected), "<27>weir[%ld]: broken", (long)getpid());
	weir_log(WEIR_LOG_ERROR, "broken");
	receive(daemon, expected);
	close(daemon);
	weir_log(WEIR_LOG_ERROR, "nobody hears this");
	daemon = bind_devlog();
	weir_log(WEIR_LOG_ERROR, "broken");
	receive(daemon, expected);
	for (int i = 0; i < 1000; i++, seconds++)		/* a daemon that reads nothing stops nobody */
		weir_log(WEIR_LOG_ERROR, "broken");
	close(daemon);
	assert_true(log_open(file, WEIR_LOG_NOTICE));
	log_tick();
	assert_int_equal(lines(read_file(file), "lines of this log were dropped"), 1);
}

static void
a_full_pipe_stops_nobody(void **state)
{
	int ends[2], former = dup(STDERR_FILENO);

	(void)state;
	assert_int_equal(pipe(ends), 0);
	dup2(ends[1], STDERR_FILENO);
	assert_true(log_open("stderr", WEIR_LOG_NOTICE));
	for (int i = 0; i < 5000; i++, seconds++)
		weir_log(WEIR_LOG_NOTICE, "%0100d", i);
	dup2(former, STDERR_FILENO);
	close(former);
	close(ends[0]);
	close(ends[1]);
	assert_true(log_open(file, WEIR_LOG_NOTICE));
	log_tick();
	assert_int_equal(lines(read_file(file), "lines of this log were dropped"), 1);
}

static void *
chatter(void *argument)
{
	for (int i = 0; i < 50; i++)
		weir_log(WEIR_LOG_NOTICE, "thread %d says %d%0100d", *(int *)argument, i, 0);
	return NULL;
}

static void
threads_may_write_while_it_is_reopened(void **state)
{
	pthread_t ids[3];
	int numbers[3] = { 0, 1, 2 };
	unsigned count;

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&ids[i], NULL, chatter, &numbers[i]), 0);
	assert_int_equal(rename(file, moved), 0);
	for (int i = 0; i < 20; i++)
		assert_true(log_reopen());
	for (int i = 0; i < 3; i++)
		pthread_join(ids[i], NULL);
	count = lines(read_file(moved), "00\n");
	assert_int_equal(lines(content, "\n"), count);
	count += lines(read_file(file), "00\n");
	assert_int_equal(count, 150);
}

static int
make_folder(void **state)
{
	(void)state;
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(file, sizeof(file), "%s/error.log", folder);
	snprintf(moved, sizeof(moved), "%s/error.log.1", folder);
	snprintf(devlog, sizeof(devlog), "%s/devlog", folder);
	return 0;
}

static int
remove_folder(void **state)
{
	(void)state;
	unlink(file);
	unlink(moved);
	unlink(devlog);
	return rmdir(folder);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_line_has_time_level_and_text, fresh),
		cmocka_unit_test_setup(what_is_finer_than_the_level_is_not_written, fresh),
		cmocka_unit_test_setup(nobody_can_forge_a_line, fresh),
		cmocka_unit_test_setup(a_long_line_is_cut_and_says_so, fresh),
		cmocka_unit_test_setup(past_the_rate_lines_are_dropped_and_counted, fresh),
		cmocka_unit_test_setup(reopened_it_writes_to_the_new_file, fresh),
		cmocka_unit_test_setup(a_target_that_cannot_be_had_leaves_the_former, fresh),
		cmocka_unit_test_setup(syslog_gets_datagrams_and_may_restart, fresh),
		cmocka_unit_test_setup(a_full_pipe_stops_nobody, fresh),
		cmocka_unit_test_setup(threads_may_write_while_it_is_reopened, fresh),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
