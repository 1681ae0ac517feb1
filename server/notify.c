/* SPDX-License-Identifier: Apache-2.0 */
/*
 * notify: what a service manager is told, and what it hands over (sd_notify and LISTEN_FDS, without
 * libsystemd).
 */
#include "notify.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { MESSAGE = 512, DESCRIPTORS_MOST = 1024 };

/* A path, or an abstract name, whose leading '@' stands for NUL. */
static bool
manager_address(struct sockaddr_un *address, socklen_t *length)
{
	const char *path = getenv("NOTIFY_SOCKET");
	size_t size = path != NULL ? strlen(path) : 0;

	if (size < 2 || size >= sizeof(address->sun_path) || (path[0] != '/' && path[0] != '@'))
		return false;
	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	memcpy(address->sun_path, path, size);
	if (path[0] == '@')
		address->sun_path[0] = '\0';
	*length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size);
	return true;
}

bool
notify_send(const char *format, ...)
{
	struct sockaddr_un address;
	socklen_t address_length;
	char message[MESSAGE];
	va_list arguments;
	ssize_t sent;
	int length, fd;

	if (!manager_address(&address, &address_length))
		return true;
	va_start(arguments, format);
	length = vsnprintf(message, sizeof(message), format, arguments);
	va_end(arguments);
	if (length < 0 || (fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) < 0)
		return false;
	if (length >= MESSAGE)
		length = MESSAGE - 1;
	sent = sendto(fd, message, (size_t)length, MSG_NOSIGNAL | MSG_DONTWAIT, (struct sockaddr *)&address,
		address_length);
	close(fd);
	return sent == length;
}

bool
notify_reloading(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return notify_send("RELOADING=1\nMONOTONIC_USEC=%" PRId64 "\nSTATUS=reloading",
		(int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000);
}

/* A whole number from the environment; -1 when it is none. */
static long
number_of(const char *name)
{
	const char *text = getenv(name);
	char *end;
	long number;

	if (text == NULL || *text < '0' || *text > '9')
		return -1;
	number = strtol(text, &end, 10);
	return *end == '\0' ? number : -1;
}

unsigned
notify_descriptors(void)
{
	long count = number_of("LISTEN_FDS"), pid = number_of("LISTEN_PID");

	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDNAMES");
	if (pid != (long)getpid() || count <= 0 || count > DESCRIPTORS_MOST)
		return 0;
	for (int fd = NOTIFY_FIRST; fd < NOTIFY_FIRST + (int)count; fd++)
		fcntl(fd, F_SETFD, FD_CLOEXEC);
	return (unsigned)count;
}
