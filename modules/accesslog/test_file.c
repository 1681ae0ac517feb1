/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenes for accesslog's files: whole lines in order whatever the disk or the reader does, nobody waits, and what
 * is lost is counted.
 *
 * Linked with -Wl,--wrap=write, so that a scene can make the disk full in the middle of a line.
 */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

ssize_t __real_write(int, const void *, size_t);
ssize_t __wrap_write(int, const void *, size_t);

static ssize_t disk_room = -1;		/* bytes that the disk still takes; -1: all */

ssize_t
__wrap_write(int fd, const void *data, size_t length)
{
	if (disk_room == 0) {
		errno = ENOSPC;
		return -1;
	}
	if (disk_room > 0) {
		if (length > (size_t)disk_room)
			length = (size_t)disk_room;
		disk_room -= (ssize_t)length;
	}
	return __real_write(fd, data, length);
}

static char folder[] = "/tmp/test_file.XXXXXX";
static char path[64], moved[64];

static int
make_folder(void **state)
{
	(void)state;
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/log", folder);
	snprintf(moved, sizeof(moved), "%s/log.1", folder);
	return 0;
}

static int
empty_folder(void **state)
{
	(void)state;
	disk_room = -1;
	unlink(path);
	unlink(moved);
	return 0;
}

static int
remove_folder(void **state)
{
	(void)state;
	return rmdir(folder);
}

static struct accesslog_file *
open_log(const char *name, unsigned threads)
{
	struct accesslog_file *file = accesslog_file_open(name, threads);

	assert_non_null(file);
	return file;
}

/* One line of the thread: "THREAD NUMBER xxx…\n" in `length` bytes. */
static bool
say(struct accesslog_file *file, unsigned thread, unsigned number, size_t length)
{
	char text[8192];
	struct line line;
	int used = snprintf(text, sizeof(text), "%u %06u ", thread, number);

	assert_true(length < sizeof(text) && (size_t)used < length);
	memset(text + used, 'x', length - (size_t)used);
	text[length - 1] = '\n';
	if (accesslog_file_is_due(file, thread))
		accesslog_file_flush(file, thread);
	if (!accesslog_file_begin(file, thread, &line))
		return false;
	accesslog_text(&line, text, length);
	accesslog_file_end(file, thread, &line);
	return true;
}

/* Every line is whole, and each thread's numbers rise; how many lines there are. */
static size_t
check_lines(FILE *stream, size_t length)
{
	unsigned last[8] = { 0 }, thread, number;
	char text[8192];
	size_t count = 0;

	for (; fgets(text, sizeof(text), stream) != NULL; count++) {
		if (strlen(text) != length || sscanf(text, "%u %u x", &thread, &number) != 2)
			fail_msg("line %zu is torn: %.40s", count, text);
		assert_true(thread < 8 && number >= last[thread]);
		last[thread] = number + 1;
	}
	fclose(stream);
	return count;
}

static size_t
lines_in(const char *name, size_t length)
{
	FILE *stream = fopen(name, "r");

	assert_non_null(stream);
	return check_lines(stream, length);
}

static void
lines_wait_in_the_buffer_until_it_is_flushed(void **state)
{
	struct accesslog_file *file = open_log(path, 1);
	struct stat status;

	(void)state;
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 07777 & ~0640u, 0);
	assert_true(say(file, 0, 0, 100));
	assert_int_equal(lines_in(path, 100), 0);
	assert_int_equal(accesslog_file_flush(file, 0), 0);
	assert_int_equal(lines_in(path, 100), 1);
	for (unsigned i = 1; i < 1000; i++)
		assert_true(say(file, 0, i, 100));
	assert_true(lines_in(path, 100) > 600);		/* when it was full enough it went by itself */
	accesslog_file_close(&file);
	assert_null(file);
	assert_int_equal(lines_in(path, 100), 1000);
}

static void
a_file_is_appended_to(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct accesslog_file *file = open_log(path, 1);

		say(file, 0, i, 50);
		accesslog_file_close(&file);
	}
	assert_int_equal(lines_in(path, 50), 3);
}

static void
reopening_follows_the_name(void **state)
{
	struct accesslog_file *file = open_log(path, 1);
	int fd = file->fd;

	(void)state;
	say(file, 0, 0, 50);
	accesslog_file_flush(file, 0);
	assert_int_equal(rename(path, moved), 0);
	say(file, 0, 1, 50);
	accesslog_file_flush(file, 0);
	assert_true(accesslog_file_reopen(file));
	assert_int_equal(file->fd, fd);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	say(file, 0, 2, 50);
	accesslog_file_flush(file, 0);
	assert_true(accesslog_file_reopen(file));	/* it is that file already */
	say(file, 0, 3, 50);
	accesslog_file_close(&file);
	assert_int_equal(lines_in(moved, 50), 2);
	assert_int_equal(lines_in(path, 50), 2);
}

static void
a_file_that_cannot_be_opened_says_why(void **state)
{
	char missing[80];

	(void)state;
	snprintf(missing, sizeof(missing), "%s/none/log", folder);
	assert_null(accesslog_file_open(missing, 1));
	assert_int_equal(errno, ENOENT);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_null(accesslog_file_open(path, 1));	/* nobody reads it; this must not wait for somebody */
	assert_int_equal(errno, ENXIO);
}

static void
names_tell_what_a_file_is(void **state)
{
	struct accesslog_file *file = open_log(path, 1);

	(void)state;
	assert_true(accesslog_file_is(file, path));
	assert_false(accesslog_file_is(file, moved));
	assert_false(accesslog_file_is(file, "stderr"));
	accesslog_file_close(&file);
	file = open_log("syslog:/nowhere/at/all", 1);
	assert_int_equal(file->kind, FILE_SYSLOG);
	assert_true(accesslog_file_is(file, "syslog:/nowhere/at/all"));
	assert_false(accesslog_file_is(file, "syslog"));
	accesslog_file_close(&file);
	file = open_log("stderr", 1);
	assert_int_equal(file->fd, STDERR_FILENO);
	accesslog_file_close(&file);
}

static void
a_full_disk_leaves_no_half_line(void **state)
{
	struct accesslog_file *file = open_log(path, 2);
	unsigned said = 0;

	(void)state;
	for (; said < 20; said++)
		assert_true(say(file, 0, said, 100));
	disk_room = 250;			/* two lines and a half */
	assert_int_equal(accesslog_file_flush(file, 0), 1);
	assert_int_equal(errno, ENOSPC);
	assert_int_equal(accesslog_file_flush(file, 0), 0);	/* no news: it fails still */
	disk_room = -1;
	assert_true(say(file, 1, 0, 100));
	accesslog_file_flush(file, 1);		/* it must not write into the other's line */
	assert_int_equal(accesslog_file_flush(file, 0), -1);
	accesslog_file_flush(file, 1);
	assert_int_equal(lines_in(path, 100), 21);
	assert_int_equal(file->buffers[0].errors, 2);
	assert_int_equal(file->buffers[0].dropped, 0);
	accesslog_file_close(&file);
}

static void
what_finds_no_room_is_dropped_whole_and_counted(void **state)
{
	struct accesslog_file *file = open_log(path, 1);
	size_t said = 0, dropped = 0;

	(void)state;
	disk_room = 333;
	for (unsigned i = 0; i < 2000; i++) {
		if (say(file, 0, i, 100))
			said++;
		else
			dropped++;
	}
	assert_true(said > 550 && dropped > 1300);
	assert_int_equal(file->buffers[0].dropped, dropped);
	assert_true(file->buffers[0].errors < 200);	/* it does not try anew for every line */
	disk_room = -1;
	for (unsigned i = 2000; i < 2017; i++)
		said += say(file, 0, i, 100);
	assert_true(file->buffers[0].used < FILE_MARK);	/* it has noticed, without a tick */
	accesslog_file_close(&file);
	assert_int_equal(lines_in(path, 100), said);
}

static void
a_closing_log_finishes_the_line_it_was_in(void **state)
{
	struct accesslog_file *file = open_log(path, 3);

	(void)state;
	for (unsigned thread = 0; thread < 3; thread++)
		assert_true(say(file, thread, 0, 100));
	disk_room = 30;
	accesslog_file_flush(file, 1);
	disk_room = -1;
	accesslog_file_close(&file);
	assert_int_equal(lines_in(path, 100), 3);
}

/* stderr is a pipe that nobody reads for a while. */
static void
a_slow_reader_blocks_nobody(void **state)
{
	int ends[2], saved = dup(STDERR_FILENO);
	struct accesslog_file *file;
	size_t said = 0;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
	close(ends[1]);
	file = accesslog_file_open("stderr", 1);
	for (unsigned i = 0; i < 5000; i++)
		said += say(file, 0, i, 100);
	assert_int_equal(file->buffers[0].dropped, 5000 - said);
	assert_int_equal(file->buffers[0].errors, 0);
	assert_true(said > 600 && said < 1400);		/* what the pipe and the buffer hold */

	FILE *reader = fdopen(ends[0], "r");
	char text[128];
	size_t read = 0;

	while (read < said && fgets(text, sizeof(text), reader) != NULL) {
		assert_int_equal(strlen(text), 100);
		if (++read % 100 == 0)
			accesslog_file_flush(file, 0);
		if (read == 300)
			accesslog_file_flush(file, 0);
	}
	accesslog_file_close(&file);
	dup2(saved, STDERR_FILENO);
	close(saved);
	fclose(reader);
	assert_int_equal(read, said);
}

static int
bind_daemon(void)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int daemon = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	strcpy(at.sun_path, path);
	assert_int_equal(bind(daemon, (const struct sockaddr *)&at, sizeof(at)), 0);
	return daemon;
}

static void
syslog_gets_a_datagram_for_each_line(void **state)
{
	char name[80], text[8192];
	struct accesslog_file *file;
	int daemon = bind_daemon();
	ssize_t length;

	(void)state;
	snprintf(name, sizeof(name), "syslog:%s", path);
	file = open_log(name, 1);
	say(file, 0, 0, 60);
	say(file, 0, 1, 60);
	accesslog_file_flush(file, 0);
	for (unsigned i = 0; i < 2; i++) {
		length = recv(daemon, text, sizeof(text) - 1, 0);
		assert_true(length > 60);
		text[length] = '\0';
		assert_memory_equal(text, "<190>", 5);
		assert_memory_equal(text + 5 + 15, " weir: 0 00000", 14);
		assert_int_equal(text[length - 1], 'x');
	}
	close(daemon);				/* it is restarted */
	unlink(path);
	say(file, 0, 2, 60);
	assert_int_equal(accesslog_file_flush(file, 0), 1);
	daemon = bind_daemon();
	assert_int_equal(accesslog_file_flush(file, 0), -1);
	assert_true(recv(daemon, text, sizeof(text), 0) > 60);
	close(daemon);
	accesslog_file_close(&file);
}

/* --- threads -------------------------------------------------------------------------------------------- */

#define THREADS 4
#define LINES_EACH 3000

struct writer {
	struct accesslog_file *file;
	unsigned thread;
	size_t said;
};

static void *
write_many(void *argument)
{
	struct writer *writer = argument;

	for (unsigned i = 0; i < LINES_EACH; i++) {
		writer->said += say(writer->file, writer->thread, i, 150);
		if (i % 97 == 0)
			accesslog_file_flush(writer->file, writer->thread);
	}
	return NULL;
}

static void
threads_never_mix_their_lines(void **state)
{
	struct accesslog_file *file = open_log(path, THREADS);
	struct writer writers[THREADS];
	pthread_t threads[THREADS];
	size_t said = 0;

	(void)state;
	for (unsigned i = 0; i < THREADS; i++) {
		writers[i] = (struct writer){ file, i, 0 };
		assert_int_equal(pthread_create(&threads[i], NULL, write_many, &writers[i]), 0);
	}
	for (unsigned i = 0; i < 20; i++)
		assert_true(accesslog_file_reopen(file));
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		said += writers[i].said;
	}
	accesslog_file_close(&file);
	assert_int_equal(lines_in(path, 150), said);
	assert_true(said > THREADS * LINES_EACH / 2);
}

int
main(void)
{
	const struct CMUnitTest scenes[] = {
		cmocka_unit_test_teardown(lines_wait_in_the_buffer_until_it_is_flushed, empty_folder),
		cmocka_unit_test_teardown(a_file_is_appended_to, empty_folder),
		cmocka_unit_test_teardown(reopening_follows_the_name, empty_folder),
		cmocka_unit_test_teardown(a_file_that_cannot_be_opened_says_why, empty_folder),
		cmocka_unit_test_teardown(names_tell_what_a_file_is, empty_folder),
		cmocka_unit_test_teardown(a_full_disk_leaves_no_half_line, empty_folder),
		cmocka_unit_test_teardown(what_finds_no_room_is_dropped_whole_and_counted, empty_folder),
		cmocka_unit_test_teardown(a_closing_log_finishes_the_line_it_was_in, empty_folder),
		cmocka_unit_test_teardown(a_slow_reader_blocks_nobody, empty_folder),
		cmocka_unit_test_teardown(syslog_gets_a_datagram_for_each_line, empty_folder),
		cmocka_unit_test_teardown(threads_never_mix_their_lines, empty_folder),
	};

	return cmocka_run_group_tests(scenes, make_folder, remove_folder);
}
