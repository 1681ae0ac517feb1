/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_connect: what a proxy may answer to CONNECT, in two pieces.
 *
 * A tunnel may only come of heads of 1xx and then one of 2xx that says nothing of a body, with no byte behind it. Whatever
 * the answer is, the proxy is sent nothing but the question, and no buffer is left.
 */
#include "http1_fuzz.h"
#include "server/buffer.h"
#include "server/establish.h"
#include "server/thread.h"
#include "server/upstream.h"

#include <event2/event.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#define QUESTION "CONNECT origin.test:443 HTTP/1.1\r\nHost: origin.test:443\r\n\r\n"

static struct thread thread;

static void
set_up(void)
{
	if (thread.base != NULL)
		return;
	thread.budget.limit = SIZE_MAX;
	slab_init(&thread.heads, &thread.budget, BUFFER_SMALL, 4);
	slab_init(&thread.bodies, &thread.budget, BUFFER_LARGE, 4);
	thread.scratch = malloc(SCRATCH_SIZE);
	thread.base = event_base_new();
	must(thread.scratch != NULL && thread.base != NULL);
}

static void
answer(int proxy, const uint8_t *data, size_t size)
{
	while (size > 0) {
		ssize_t sent = send(proxy, data, size, MSG_NOSIGNAL);

		must(sent > 0);
		data += sent;
		size -= (size_t)sent;
	}
}

/* What was taken for a tunnel, read once more and more simply. */
static void
check_tunnel(const uint8_t *data, size_t size)
{
	static const char end[] = "\r\n\r\n";
	size_t at = 0;

	must(size >= 16 && memcmp(data + size - 4, end, 4) == 0);
	for (;;) {
		const uint8_t *next = memmem(data + at, size - at, end, 4);

		must(next != NULL && size - at > 12 && memcmp(data + at, "HTTP/1.", 7) == 0);
		if ((size_t)(next - data) + 4 == size)
			break;
		must(data[at + 9] == '1');
		at = (size_t)(next - data) + 4;
	}
	must(data[at + 9] == '2');
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct weir_via via = { .address = { .host = "proxy.test", .port = 3128 } };
	struct weir_peer peer = { .address = { .host = "origin.test", .port = 443 }, .via = &via };
	enum establish_result result;
	struct establish e;
	struct upstream *u;
	struct arena arena;
	char heard[256];
	size_t cut;
	int fds[2];

	if (size < 1 || size > 64 * 1024)
		return 0;
	cut = data[0] % size;
	data++;
	size--;
	set_up();
	arena_init(&arena, NULL, 0);
	must(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0 && fcntl(fds[0], F_SETFL, O_NONBLOCK) == 0);
	must((u = upstream_adopt(&thread, NULL, (struct wire){ .fd = fds[0] })) != NULL);
	establish_begin(&e, &peer, NULL, u, &arena);
	must(establish_go(&e) == ESTABLISH_WAIT);
	answer(fds[1], data, cut);
	result = establish_go(&e);
	if (result == ESTABLISH_WAIT) {
		answer(fds[1], data + cut, size - cut);
		cut = size;
		result = establish_go(&e);
	}
	if (result == ESTABLISH_READY)
		check_tunnel(data, cut);
	if (result == ESTABLISH_FAILED)
		must(e.failure == WEIR_PEER_PROXY && e.cause != NULL);
	must(recv(fds[1], heard, sizeof(heard), MSG_DONTWAIT) == (ssize_t)sizeof(QUESTION) - 1);
	must(memcmp(heard, QUESTION, sizeof(QUESTION) - 1) == 0);
	upstream_close(&u);
	close(fds[1]);
	arena_free(&arena);
	must(thread.heads.out == 0 && thread.bodies.out == 0);
	return 0;
}
