/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenes for listening sockets: what is opened, kept, refused, closed, and that a failure changes nothing.
 *
 * The addresses come from an INI file, as an operator writes them; ports come from the kernel. Linked with
 * -Wl,--wrap for bind, calloc and malloc, which fail on demand. Each scene ends by looking whether a
 * descriptor is left.
 */
#include "core_scenes.h"
#include "server/listener.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { THREADS = 3 };

static struct sockets all;
static struct generation *generation;
static unsigned descriptors;
static unsigned binds_left, calls_left;		/* the one that reaches 0 fails */

int __real_bind(int, const struct sockaddr *, socklen_t);
int __wrap_bind(int, const struct sockaddr *, socklen_t);
void *__real_calloc(size_t, size_t);
void *__wrap_calloc(size_t, size_t);
void *__real_malloc(size_t);
void *__wrap_malloc(size_t);

int
__wrap_bind(int fd, const struct sockaddr *address, socklen_t length)
{
	if (binds_left > 0 && --binds_left == 0) {
		errno = EACCES;
		return -1;
	}
	return __real_bind(fd, address, length);
}

void *
__wrap_calloc(size_t count, size_t size)
{
	return calls_left > 0 && --calls_left == 0 ? NULL : __real_calloc(count, size);
}

void *
__wrap_malloc(size_t size)
{
	return calls_left > 0 && --calls_left == 0 ? NULL : __real_malloc(size);
}

static unsigned
count_descriptors(void)
{
	DIR *folder = opendir("/proc/self/fd");
	unsigned count = 0;

	assert_non_null(folder);
	while (readdir(folder) != NULL)
		count++;
	closedir(folder);
	return count;
}

static int
begin(void **state)
{
	descriptors = count_descriptors();
	all = (struct sockets){ .threads = THREADS };
	generation = NULL;
	binds_left = calls_left = 0;
	return begin_core(state);
}

static int
end(void **state)
{
	sockets_close(&all);
	assert_null(all.first);
	generation_free(&generation);
	assert_int_equal(count_descriptors(), descriptors);
	return end_core(state);
}

/* The generation that has these addresses: "[listen web] address = …", one section a line. */
static void
configure(const char *text)
{
	char ini[1024];

	snprintf(ini, sizeof(ini), "%s\n%s", text, ROUTE);
	generation_free(&generation);
	generation = generation_of(ini, THREADS);
}

static void
opened(const char *text)
{
	configure(text);
	if (!sockets_open(&all, generation, &scene_report))
		fail_msg("%s", said());
}

static void
refused(const char *text, const char *why)
{
	configure(text);
	assert_false(sockets_open(&all, generation, &scene_report));
	if (strstr(said(), why) == NULL)
		fail_msg("not \"%s\" but %s", why, scene_text);
}

static struct socket_set *
set_named(const char *text)
{
	for (struct socket_set *set = all.first; set != NULL; set = set->next)
		if (strcmp(set->text, text) == 0)
			return set;
	fail_msg("nothing listens on %s", text);
	return NULL;
}

static unsigned
count_sets(void)
{
	unsigned count = 0;

	for (const struct socket_set *set = all.first; set != NULL; set = set->next)
		count++;
	return count;
}

static uint16_t
port_of(int fd)
{
	union { struct sockaddr any; struct sockaddr_in in; struct sockaddr_in6 in6; } address;
	socklen_t length = sizeof(address);

	assert_int_equal(getsockname(fd, &address.any, &length), 0);
	return ntohs(address.any.sa_family == AF_INET6 ? address.in6.sin6_port : address.in.sin_port);
}

static bool
listens(int fd)
{
	int listening = 0;
	socklen_t length = sizeof(listening);

	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &length) == 0 && listening;
}

static int
listen_elsewhere(bool share, uint16_t *port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	if (share)
		assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)), 0);
	assert_int_equal(__real_bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 5), 0);
	*port = port_of(fd);
	return fd;
}

static bool
connects(uint16_t port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	bool good = connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;

	close(fd);
	return good;
}

/* --- TCP ------------------------------------------------------------------------------------------------ */

static void
port_0_is_one_port_on_all_threads(void **state)
{
	char text[64];
	uint16_t port;

	(void)state;
	opened("[listen web]\naddress = 127.0.0.1:0");
	assert_int_equal(all.first->count, THREADS);
	port = port_of(all.first->sockets[0]);
	snprintf(text, sizeof(text), "127.0.0.1:%u", port);
	assert_string_equal(all.first->text, text);
	for (int i = 0; i < THREADS; i++) {
		assert_true(listens(all.first->sockets[i]));
		assert_int_equal(port_of(all.first->sockets[i]), port);
		assert_true((fcntl(all.first->sockets[i], F_GETFL) & O_NONBLOCK) != 0);
		assert_true((fcntl(all.first->sockets[i], F_GETFD) & FD_CLOEXEC) != 0);
		for (int j = 0; j < i; j++)
			assert_int_not_equal(all.first->sockets[i], all.first->sockets[j]);
	}
	assert_true(connects(port));
}

static void
ipv6_is_ipv6_only(void **state)
{
	char text[64];
	uint16_t port;

	(void)state;
	opened("[listen web]\naddress = [::]:0");
	port = port_of(all.first->sockets[0]);
	snprintf(text, sizeof(text), "[::]:%u", port);
	assert_string_equal(all.first->text, text);
	assert_false(connects(port));
}

/* SO_REUSEPORT would let two servers of one user take turns with the same clients. */
static void
an_address_in_use_is_refused(void **state)
{
	for (int share = 0; share < 2; share++) {
		uint16_t port;
		int fd = listen_elsewhere(share == 1, &port);
		char text[128];

		(void)state;
		snprintf(text, sizeof(text), "[listen web]\naddress = 127.0.0.1:%u", port);
		refused(text,
			"weir.ini:1: error: [listen web] cannot listen on 127.0.0.1: Address already in use; "
			"stop the other server");
		assert_null(all.first);
		close(fd);
	}
}

static void
what_stays_is_kept_open(void **state)
{
	char text[256], before[128];
	int sockets[THREADS];
	struct socket_set *kept;

	(void)state;
	opened("[listen a]\naddress = 127.0.0.1:0\n[listen b]\naddress = 127.0.0.2:0");
	kept = all.first->text[8] == '2' ? all.first : all.first->next;
	strcpy(before, kept->text);
	memcpy(sockets, kept->sockets, sizeof(sockets));
	assert_int_equal(kept->listen, 1);
	opened("[listen b]\naddress = 127.0.0.2:0\n"
		"[listen c]\naddress = 127.0.0.3:0\naddress = 127.0.0.4:0");
	assert_int_equal(count_sets(), 4);
	assert_int_equal(kept->listen, 0);
	assert_true(kept->wanted);
	assert_memory_equal(sockets, kept->sockets, sizeof(sockets));
	sockets_sweep(&all);			/* every thread has taken the generation over */
	assert_int_equal(count_sets(), 3);
	assert_ptr_equal(set_named(before), kept);
	for (const struct socket_set *set = all.first; set != NULL; set = set->next)
		assert_null(strstr(set->text, "127.0.0.1:"));
	snprintf(text, sizeof(text), "127.0.0.4:%u", port_of(all.first->sockets[0]));
	assert_int_equal(set_named(text)->listen, 1);
}

/* One of several cannot be had: what was opened for the others is closed, what was there before is as it
 * was. */
static void
a_failure_changes_nothing(void **state)
{
	struct socket_set *a, *b;
	char text[512];
	uint16_t port;
	int fd = listen_elsewhere(false, &port);
	unsigned open;

	(void)state;
	opened("[listen a]\naddress = 127.0.0.1:0\n[listen b]\naddress = 127.0.0.2:0");
	a = all.first->listen == 0 ? all.first : all.first->next;
	b = all.first->listen == 1 ? all.first : all.first->next;
	open = count_descriptors();
	snprintf(text, sizeof(text), "[listen c]\naddress = 127.0.0.3:0\n[listen b]\naddress = 127.0.0.2:0\n"
		"[listen d]\naddress = 127.0.0.1:%u\n[listen e]\naddress = 127.0.0.5:0", port);
	refused(text, "[listen d] cannot listen on 127.0.0.1");
	assert_int_equal(count_descriptors(), open);
	assert_int_equal(count_sets(), 2);
	assert_int_equal(a->listen, 0);
	assert_int_equal(b->listen, 1);
	assert_true(a->wanted);
	assert_true(b->wanted);
	close(fd);
}

static void
every_failure_is_reported(void **state)
{
	char text[256];
	uint16_t ports[2];
	int fds[2] = { listen_elsewhere(false, &ports[0]), listen_elsewhere(false, &ports[1]) };

	(void)state;
	snprintf(text, sizeof(text), "[listen a]\naddress = 127.0.0.1:%u\n[listen b]\naddress = 127.0.0.1:%u",
		ports[0], ports[1]);
	configure(text);
	assert_false(sockets_open(&all, generation, &scene_report));
	assert_int_equal(scene_report.errors, 2);
	close(fds[0]);
	close(fds[1]);
}

/* The probe, then one bind a thread. */
static void
the_sockets_of_all_threads_or_none(void **state)
{
	(void)state;
	for (unsigned i = 1; i <= THREADS + 1; i++) {
		configure("[listen web]\naddress = 127.0.0.1:0");
		binds_left = i;
		assert_false(sockets_open(&all, generation, &scene_report));
		assert_non_null(strstr(said(), "Permission denied; ports below 1024 need root"));
		assert_null(all.first);
		assert_int_equal(count_descriptors(), descriptors);
	}
}

static void
without_memory_nothing_is_opened(void **state)
{
	(void)state;
	for (unsigned i = 1; i <= 2; i++) {
		configure("[listen web]\naddress = 127.0.0.1:0");
		calls_left = i;
		assert_false(sockets_open(&all, generation, &scene_report));
		calls_left = 0;
		assert_non_null(strstr(said(), "no memory for the sockets of [listen web]"));
		assert_null(all.first);
	}
}

/* --- Unix sockets --------------------------------------------------------------------------------------- */

static struct sockaddr_un
unix_address(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/web.sock", scene_folder);
	return address;
}

static int
unix_listener(int backlog)
{
	struct sockaddr_un address = unix_address();
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	assert_int_equal(__real_bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, backlog), 0);
	return fd;
}

static int
unix_client(void)
{
	struct sockaddr_un address = unix_address();
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	close(fd);
	return -1;
}

static void
configure_unix(char ini[256], const char *more)
{
	snprintf(ini, 256, "[listen web]\naddress = unix:%s/web.sock\n%s", scene_folder, more);
}

static void
a_unix_socket_is_shared_and_removed_at_the_end(void **state)
{
	char ini[256], name[128];
	struct stat status;
	int fd;

	(void)state;
	configure_unix(ini, "socket_mode = 0640\n");
	opened(ini);
	snprintf(name, sizeof(name), "unix:%s/web.sock", scene_folder);
	assert_string_equal(all.first->text, name);
	assert_int_equal(all.first->count, 1);
	assert_int_equal(stat("web.sock", &status), 0);
	assert_true(S_ISSOCK(status.st_mode));
	assert_int_equal(status.st_mode & 07777, 0640);
	assert_true((fd = unix_client()) >= 0);
	close(fd);
	opened(ini);				/* a reload keeps it */
	assert_int_equal(count_sets(), 1);
	sockets_close(&all);
	assert_int_equal(access("web.sock", F_OK), -1);
}

static void
a_stale_unix_socket_is_replaced(void **state)
{
	char ini[256];
	int fd;

	(void)state;
	close(unix_listener(5));		/* its process has died, the file is there */
	assert_int_equal(access("web.sock", F_OK), 0);
	configure_unix(ini, "");
	opened(ini);
	assert_true((fd = unix_client()) >= 0);
	close(fd);
}

static void
a_live_unix_socket_is_refused(void **state)
{
	char ini[256];
	int live = unix_listener(5), fd;

	(void)state;
	configure_unix(ini, "");
	refused(ini, "Address already in use");
	assert_true((fd = unix_client()) >= 0);	/* it still has its file */
	close(fd);
	close(live);
}

/* Its queue is full: asking whether it lives must not wait until it accepts. */
static void
a_busy_unix_socket_is_refused_at_once(void **state)
{
	char ini[256];
	int live = unix_listener(0), clients[3], count = 0;

	(void)state;
	while (count < 3 && (clients[count] = unix_client()) >= 0)
		count++;
	assert_true(count < 3);
	alarm(10);				/* for the case that it does */
	configure_unix(ini, "");
	refused(ini, "Address already in use");
	alarm(0);
	assert_int_equal(access("web.sock", F_OK), 0);
	while (count > 0)
		close(clients[--count]);
	close(live);
}

static void
a_file_that_is_no_socket_is_left_alone(void **state)
{
	char ini[256];

	(void)state;
	write_file("web.sock", "precious");
	configure_unix(ini, "");
	refused(ini, "Address already in use");
	assert_int_equal(access("web.sock", F_OK), 0);
}

/* --- sockets handed over -------------------------------------------------------------------------------- */

/* By a service manager. */
static void
inherit(int fd)
{
	struct socket_set *set = sockets_adopt(&all, fd);

	if (set != NULL)
		set->inherited = true;
}

static void
an_inherited_socket_is_used_for_its_address(void **state)
{
	char ini[256];
	uint16_t port;
	int fd = listen_elsewhere(false, &port);

	(void)state;
	inherit(fd);
	assert_int_equal(count_sets(), 1);
	assert_true((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
	assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
	snprintf(ini, sizeof(ini), "[listen web]\naddress = 127.0.0.1:%u", port);
	opened(ini);
	assert_int_equal(count_sets(), 1);
	assert_true(all.first->wanted);
	assert_int_equal(all.first->count, 1);
	assert_int_equal(all.first->sockets[0], fd);
	sockets_sweep(&all);
	assert_true(connects(port));
}

static void
an_inherited_unix_socket_keeps_its_file(void **state)
{
	char ini[256];
	int fd = unix_listener(5);

	(void)state;
	inherit(fd);
	configure_unix(ini, "");
	opened(ini);
	assert_int_equal(count_sets(), 1);
	sockets_close(&all);
	assert_int_equal(access("web.sock", F_OK), 0);	/* it is systemd's */
}

static void
what_nobody_wants_is_closed(void **state)
{
	uint16_t port;
	int fds[2];

	(void)state;
	inherit(listen_elsewhere(false, &port));
	assert_int_equal(pipe(fds), 0);
	inherit(fds[0]);		/* no sockets at all */
	inherit(fds[1]);
	assert_int_equal(count_sets(), 1);
	assert_int_equal(fcntl(fds[0], F_GETFD), -1);
	assert_int_equal(fcntl(fds[1], F_GETFD), -1);
	opened("[listen web]\naddress = 127.0.0.1:0");
	assert_int_equal(count_sets(), 2);
	sockets_sweep(&all);
	assert_int_equal(count_sets(), 1);
	assert_false(connects(port));
}

/* As a former process opened them, with another number of threads. */
static void
sockets_of_one_address_are_one_set(void **state)
{
	int fds[THREADS], kept[2];
	uint16_t port;

	(void)state;
	opened("[listen web]\naddress = 127.0.0.1:0\n[listen other]\naddress = 127.0.0.2:0");
	for (struct socket_set *set = all.first; set != NULL; set = set->next)
		if (strncmp(set->text, "127.0.0.1:", 10) == 0)
			memcpy(fds, set->sockets, sizeof(fds));
	port = port_of(fds[0]);
	for (int i = 0; i < 2; i++)
		kept[i] = dup(fds[i]);
	sockets_close(&all);
	for (int i = 0; i < 2; i++) {
		struct socket_set *set = sockets_adopt(&all, kept[i]);

		assert_non_null(set);
		set->lent = true;
		sockets_mark_any_port(set);
	}
	assert_int_equal(count_sets(), 1);
	assert_int_equal(all.first->count, 2);
	assert_true(sockets_is_any_port(all.first));
	opened("[listen web]\naddress = 127.0.0.1:0");	/* it is the port of then, not another one */
	assert_int_equal(count_sets(), 1);
	assert_int_equal(port_of(all.first->sockets[0]), port);
	assert_int_equal(all.first->sockets[1], kept[1]);
}

static void
a_lent_unix_socket_keeps_its_file(void **state)
{
	char ini[256];

	(void)state;
	configure_unix(ini, "");
	opened(ini);
	all.first->lent = true;
	sockets_close(&all);
	assert_int_equal(access("web.sock", F_OK), 0);	/* another process listens there */
}

static void
without_memory_what_is_handed_over_is_closed(void **state)
{
	(void)state;
	for (unsigned call = 1; call <= 2; call++) {
		uint16_t port;
		int fd = listen_elsewhere(false, &port);

		calls_left = call;
		assert_null(sockets_adopt(&all, fd));
		calls_left = 0;
		assert_int_equal(fcntl(fd, F_GETFD), -1);
	}
	assert_int_equal(count_sets(), 0);
}

/* Whatever the numbers, no socket is without a thread, and no thread without a socket. */
static void
each_socket_and_each_thread_have_one_another(void **state)
{
	(void)state;
	for (unsigned count = 1; count <= 9; count++)
		for (unsigned threads = 1; threads <= 9; threads++) {
			const struct socket_set set = { .count = count };
			unsigned of_socket[9] = { 0 }, of_thread[9] = { 0 };

			for (unsigned i = 0; i < count * threads; i++)
				if (listener_serves(&set, i / threads, i % threads, threads)) {
					of_socket[i / threads]++;
					of_thread[i % threads]++;
				}
			for (unsigned i = 0; i < count; i++)
				assert_true(of_socket[i] >= 1 && (count < threads || of_socket[i] == 1));
			for (unsigned i = 0; i < threads; i++)
				assert_true(of_thread[i] >= 1 && (count > threads || of_thread[i] == 1));
		}
}

#undef SCENE
#define SCENE(name) cmocka_unit_test_setup_teardown(name, begin, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE(port_0_is_one_port_on_all_threads),
		SCENE(ipv6_is_ipv6_only),
		SCENE(an_address_in_use_is_refused),
		SCENE(what_stays_is_kept_open),
		SCENE(a_failure_changes_nothing),
		SCENE(every_failure_is_reported),
		SCENE(the_sockets_of_all_threads_or_none),
		SCENE(without_memory_nothing_is_opened),
		SCENE(a_unix_socket_is_shared_and_removed_at_the_end),
		SCENE(a_stale_unix_socket_is_replaced),
		SCENE(a_live_unix_socket_is_refused),
		SCENE(a_busy_unix_socket_is_refused_at_once),
		SCENE(a_file_that_is_no_socket_is_left_alone),
		SCENE(an_inherited_socket_is_used_for_its_address),
		SCENE(an_inherited_unix_socket_keeps_its_file),
		SCENE(what_nobody_wants_is_closed),
		SCENE(sockets_of_one_address_are_one_set),
		SCENE(a_lent_unix_socket_keeps_its_file),
		SCENE(without_memory_what_is_handed_over_is_closed),
		SCENE(each_socket_and_each_thread_have_one_another),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
