/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenes for the talk with a service manager: what it hears, and which descriptors it hands over.
 */
#include "server/notify.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

static char folder[] = "/tmp/weir-notify-XXXXXX", path[64], text[1024];

/* A manager that listens under this name; '@' begins an abstract one. */
static int
listen_as(const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	strcpy(address.sun_path, name);
	if (name[0] == '@')
		address.sun_path[0] = '\0';
	else
		unlink(name);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, length), 0);
	setenv("NOTIFY_SOCKET", name, 1);
	return fd;
}

static const char *
hear(int fd)
{
	ssize_t length = recv(fd, text, sizeof(text) - 1, 0);

	text[length > 0 ? length : 0] = '\0';
	return text;
}

static void
the_manager_hears_what_is_sent(void **state)
{
	int fd = listen_as(path);

	(void)state;
	assert_true(notify_send("READY=1\nSTATUS=serving %d", 7));
	assert_string_equal(hear(fd), "READY=1\nSTATUS=serving 7");
	assert_true(notify_reloading());
	assert_non_null(strstr(hear(fd), "RELOADING=1\nMONOTONIC_USEC="));
	assert_true(strtoll(strstr(text, "USEC=") + 5, NULL, 10) > 0);
	close(fd);
}

static void
an_abstract_name_works(void **state)
{
	char name[64];
	int fd;

	(void)state;
	snprintf(name, sizeof(name), "@weir-notify-%ld", (long)getpid());
	fd = listen_as(name);
	assert_true(notify_send("STOPPING=1"));
	assert_string_equal(hear(fd), "STOPPING=1");
	close(fd);
}

static void
a_long_message_is_cut(void **state)
{
	int fd = listen_as(path);

	(void)state;
	assert_true(notify_send("STATUS=%0900d", 1));
	assert_in_range(strlen(hear(fd)), 100, 900);
	close(fd);
}

static void
nobody_or_nonsense_is_no_error(void **state)
{
	static const char *const names[] = { "", "/", "relative", "vsock:2:1234" };
	char long_name[200];

	(void)state;
	unsetenv("NOTIFY_SOCKET");
	assert_true(notify_send("READY=1"));
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		setenv("NOTIFY_SOCKET", names[i], 1);
		assert_true(notify_send("READY=1"));
	}
	memset(long_name, 'x', sizeof(long_name) - 1);
	long_name[0] = '/';
	long_name[sizeof(long_name) - 1] = '\0';
	setenv("NOTIFY_SOCKET", long_name, 1);
	assert_true(notify_send("READY=1"));
	setenv("NOTIFY_SOCKET", "/nowhere/at/all", 1);
	assert_false(notify_send("READY=1"));		/* a name that nobody answers */
}

static void
hand_over(const char *count, long pid)
{
	char text_of_pid[32];

	snprintf(text_of_pid, sizeof(text_of_pid), "%ld", pid);
	setenv("LISTEN_FDS", count, 1);
	setenv("LISTEN_PID", text_of_pid, 1);
	setenv("LISTEN_FDNAMES", "a:b", 1);
}

static void
descriptors_are_taken_once(void **state)
{
	(void)state;
	if (fcntl(NOTIFY_FIRST, F_GETFD) < 0)
		dup2(STDIN_FILENO, NOTIFY_FIRST);
	fcntl(NOTIFY_FIRST, F_SETFD, 0);
	hand_over("1", (long)getpid());
	assert_int_equal(notify_descriptors(), 1);
	assert_int_equal(fcntl(NOTIFY_FIRST, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	assert_null(getenv("LISTEN_FDS"));
	assert_null(getenv("LISTEN_PID"));
	assert_null(getenv("LISTEN_FDNAMES"));
	assert_int_equal(notify_descriptors(), 0);
}

static void
those_for_others_are_left(void **state)
{
	static const char *const counts[] = { "", "0", "-1", "1x", "x", "99999999999999999999", "2000" };

	(void)state;
	hand_over("1", (long)getppid());
	assert_int_equal(notify_descriptors(), 0);
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		hand_over(counts[i], (long)getpid());
		assert_int_equal(notify_descriptors(), 0);
	}
}

static int
make_folder(void **state)
{
	(void)state;
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/notify", folder);
	return 0;
}

static int
remove_folder(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(folder);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_manager_hears_what_is_sent),
		cmocka_unit_test(an_abstract_name_works),
		cmocka_unit_test(a_long_message_is_cut),
		cmocka_unit_test(nobody_or_nonsense_is_no_error),
		cmocka_unit_test(descriptors_are_taken_once),
		cmocka_unit_test(those_for_others_are_left),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
