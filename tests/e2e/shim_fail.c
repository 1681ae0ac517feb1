/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shim_fail: preloaded into the server, it makes calls of the system and of the allocator fail, now and then.
 *
 * FAIL names the calls (malloc socket accept connect epoll_ctl recv send), FAIL_EACH how many of them succeed for one that
 * fails, at random from FAIL_SEED; and FAIL_GATE a file: nothing fails while it is not there, so that the server can start. Only
 * event threads suffer (they are named weir/N): on the main thread a library's own start would fail.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);

static _Atomic uint64_t state = 1;
static unsigned each;
static const char *calls, *gate;

static void __attribute__((constructor))
begin(void)
{
	const char *number = getenv("FAIL_EACH"), *seed = getenv("FAIL_SEED");

	each = number != NULL ? (unsigned)atoi(number) : 0;
	calls = getenv("FAIL");
	gate = getenv("FAIL_GATE");
	if (seed != NULL)
		state = (uint64_t)atoll(seed) * 2 + 1;
}

static bool
on_event_thread(void)
{
	static _Thread_local signed char known;
	char name[16] = "";

	if (known == 0 && prctl(PR_GET_NAME, name) == 0 && strncmp(name, "weir", 4) == 0)
		known = strncmp(name, "weir/", 5) == 0 ? 1 : 0;
	return known > 0;
}

/* Is it this call's turn? */
static bool
fails(const char *call)
{
	uint64_t n;
	int before;
	bool opened;

	if (each == 0 || calls == NULL || strstr(calls, call) == NULL || !on_event_thread())
		return false;
	n = atomic_fetch_add(&state, UINT64_C(0x9e3779b97f4a7c15));
	n = (n ^ (n >> 31)) * UINT64_C(0xbf58476d1ce4e5b9);
	n = (n ^ (n >> 29)) % each;
	if (n != 0)
		return false;
	before = errno;
	opened = gate != NULL && access(gate, F_OK) == 0;
	errno = before;
	return opened;
}

/* --- memory ----------------------------------------------------------------------------------------------------------- */

void *
malloc(size_t size)
{
	if (!fails("malloc"))
		return __libc_malloc(size);
	errno = ENOMEM;
	return NULL;
}

void *
calloc(size_t count, size_t size)
{
	if (!fails("malloc"))
		return __libc_calloc(count, size);
	errno = ENOMEM;
	return NULL;
}

void *
realloc(void *old, size_t size)
{
	if (!fails("malloc"))
		return __libc_realloc(old, size);
	errno = ENOMEM;
	return NULL;
}

/* --- sockets ---------------------------------------------------------------------------------------------------------- */

#define NEXT(NAME) __extension__ ((__typeof__(&NAME))dlsym(RTLD_NEXT, #NAME))

/* errno of `error`, and -1, when it is the call's turn. */
#define FAILING(CALL, ERROR) \
	if (fails(CALL)) { \
		errno = (ERROR); \
		return -1; \
	}

int
socket(int domain, int type, int protocol)
{
	FAILING("socket", EMFILE)
	return NEXT(socket)(domain, type, protocol);
}

int
accept4(int fd, struct sockaddr *address, socklen_t *length, int flags)
{
	FAILING("accept", EMFILE)
	return NEXT(accept4)(fd, address, length, flags);
}

int
connect(int fd, const struct sockaddr *address, socklen_t length)
{
	FAILING("connect", ENETUNREACH)
	return NEXT(connect)(fd, address, length);
}

int
epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
	if (operation == EPOLL_CTL_ADD)
		FAILING("epoll_ctl", ENOSPC)
	return NEXT(epoll_ctl)(epoll, operation, fd, event);
}

ssize_t
recv(int fd, void *to, size_t length, int flags)
{
	FAILING("recv", ECONNRESET)
	return NEXT(recv)(fd, to, length, flags);
}

ssize_t
send(int fd, const void *from, size_t length, int flags)
{
	FAILING("send", EPIPE)
	return NEXT(send)(fd, from, length, flags);
}

ssize_t
sendmsg(int fd, const struct msghdr *message, int flags)
{
	FAILING("send", EPIPE)
	return NEXT(sendmsg)(fd, message, flags);
}
