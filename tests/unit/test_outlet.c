/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenes for the outlet: one send where one will do; what the kernel does not take is kept, in order, and
 * none of it twice.
 *
 * Linked with -Wl,--wrap=send -Wl,--wrap=sendmsg: a scene bounds what the kernel takes, and sees how it was
 * asked.
 */
#include "bare_thread.h"
#include "server/outlet.h"
#include "server/wire.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { HEAD = 100, BODY = 20000 };

static struct outlet out;
static int fds[2];
static struct wire wire;
static size_t room;			/* bytes that the kernel will take; then it is full */
static unsigned sends, vectors;		/* calls of either kind */
static int interrupted;			/* calls that a signal comes between */
static char received[4 * 1024 * 1024];
static size_t received_length;

ssize_t __real_send(int, const void *, size_t, int);
ssize_t __wrap_send(int, const void *, size_t, int);
ssize_t __wrap_sendmsg(int, const struct msghdr *, int);

static ssize_t
take(int fd, const void *bytes, size_t length, int flags)
{
	ssize_t sent;

	assert_true((flags & MSG_NOSIGNAL) != 0);
	if (interrupted > 0) {
		interrupted--;
		errno = EINTR;
		return -1;
	}
	if (room == 0) {
		errno = EAGAIN;
		return -1;
	}
	sent = __real_send(fd, bytes, length < room ? length : room, flags);
	if (sent > 0)
		room -= (size_t)sent;
	return sent;
}

ssize_t
__wrap_send(int fd, const void *bytes, size_t length, int flags)
{
	sends++;
	return take(fd, bytes, length, flags);
}

ssize_t
__wrap_sendmsg(int fd, const struct msghdr *message, int flags)
{
	char *all;
	size_t length = 0;
	ssize_t sent;

	vectors++;
	assert_true(message->msg_iovlen <= 16);
	for (size_t i = 0; i < message->msg_iovlen; i++)
		length += message->msg_iov[i].iov_len;
	all = malloc(length);
	length = 0;
	for (size_t i = 0; i < message->msg_iovlen; i++) {
		memcpy(all + length, message->msg_iov[i].iov_base, message->msg_iov[i].iov_len);
		length += message->msg_iov[i].iov_len;
	}
	sent = take(fd, all, length, flags);
	free(all);
	return sent;
}

static int
begin(void **state)
{
	outlet_init(&out);
	room = SIZE_MAX;
	sends = vectors = 0;
	interrupted = 0;
	received_length = 0;
	if (begin_bare(state) != 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) != 0)
		return -1;
	wire.fd = fds[0];
	return 0;
}

static int
end(void **state)
{
	outlet_free(&out);
	close(fds[0]);
	if (fds[1] >= 0)
		close(fds[1]);
	return end_bare(state);
}

static void
receive(void)
{
	ssize_t got;

	while ((got = read(fds[1], received + received_length, sizeof(received) - received_length)) > 0)
		received_length += (size_t)got;
}

static void
assert_received(const char *bytes, size_t length)
{
	receive();
	assert_int_equal(received_length, length);
	assert_memory_equal(received, bytes, length);
}

static void
assert_empty(void)
{
	assert_int_equal(out.queued, 0);
	assert_null(out.first);
	assert_ptr_equal(out.last, &out.first);
}

static void
a_small_body_leaves_with_its_head_in_one_send(void **state)
{
	struct buffer *b = buffer_with("body", 4);

	(void)state;
	memcpy(bare.scratch, "head ", 5);
	assert_int_equal(outlet_send(&out, &bare, &wire, bare.scratch, 5, &b), OUTLET_SENT);
	assert_null(b);
	assert_int_equal(sends, 1);
	assert_int_equal(vectors, 0);
	assert_received("head body", 9);
	assert_empty();
}

static void
a_large_body_is_not_copied(void **state)
{
	static char all[HEAD + BODY];
	struct buffer *b;

	(void)state;
	fill(all, sizeof(all), 1);
	memcpy(bare.scratch, all, HEAD);
	b = buffer_with(all + HEAD, BODY);
	assert_int_equal(outlet_send(&out, &bare, &wire, bare.scratch, HEAD, &b), OUTLET_SENT);
	assert_int_equal(sends, 0);
	assert_int_equal(vectors, 1);
	assert_received(all, sizeof(all));
}

static void
a_head_or_a_body_may_be_missing(void **state)
{
	struct buffer *b = buffer_with("body", 4), *empty = buffer_take(&bare, 1);

	(void)state;
	assert_int_equal(outlet_send(&out, &bare, &wire, "head ", 5, NULL), OUTLET_SENT);
	assert_int_equal(outlet_send(&out, &bare, &wire, NULL, 0, &b), OUTLET_SENT);
	assert_int_equal(outlet_send(&out, &bare, &wire, NULL, 0, &empty), OUTLET_SENT);
	assert_int_equal(outlet_send(&out, &bare, &wire, NULL, 0, NULL), OUTLET_SENT);
	assert_null(b);
	assert_null(empty);
	assert_int_equal(sends, 2);
	assert_received("head body", 9);
	assert_int_equal(outlet_flush(&out, &wire), OUTLET_SENT);
}

static void
a_signal_is_no_end(void **state)
{
	(void)state;
	interrupted = 2;
	assert_int_equal(outlet_send(&out, &bare, &wire, "head", 4, NULL), OUTLET_SENT);
	assert_int_equal(sends, 3);
	assert_received("head", 4);
}

/* Wherever the kernel stops, in the head, between head and body, in the body: the rest follows, once. */
static void
any_cut(bool scratch, size_t body)
{
	static char all[HEAD + BODY];
	const size_t step = body > 1000 ? 37 : 1;

	fill(all, HEAD + body, 2);
	memcpy(bare.scratch, all, HEAD);
	for (size_t cut = 0; cut < HEAD + body; cut += cut < HEAD + 10 ? 1 : step) {
		struct buffer *b = buffer_with(all + HEAD, body);

		received_length = 0;
		room = cut;
		assert_int_equal(outlet_send(&out, &bare, &wire, scratch ? bare.scratch : all, HEAD, &b),
			OUTLET_QUEUED);
		assert_null(b);
		assert_int_equal(out.queued, HEAD + body - cut);
		assert_int_equal(outlet_flush(&out, &wire), OUTLET_QUEUED);	/* still full */
		room = SIZE_MAX;
		assert_int_equal(outlet_flush(&out, &wire), OUTLET_SENT);
		assert_empty();
		assert_received(all, HEAD + body);
	}
}

static void
any_cut_of_head_and_small_body(void **state)
{
	(void)state;
	any_cut(true, 50);
}

static void
any_cut_of_head_elsewhere_and_body(void **state)
{
	(void)state;
	any_cut(false, 50);
}

static void
any_cut_of_head_and_large_body(void **state)
{
	(void)state;
	any_cut(true, BODY);
}

static void
what_is_kept_is_a_copy_of_scratch(void **state)
{
	(void)state;
	room = 2;
	memcpy(bare.scratch, "first", 5);
	assert_int_equal(outlet_send(&out, &bare, &wire, bare.scratch, 5, NULL), OUTLET_QUEUED);
	memcpy(bare.scratch, "other", 5);
	room = SIZE_MAX;
	assert_int_equal(outlet_flush(&out, &wire), OUTLET_SENT);
	assert_received("first", 5);
}

/* The last chunk stands behind a buffer's end, where there is room for it and for nothing else. */
static void
nothing_is_put_behind_framing(void **state)
{
	struct buffer *b = buffer_take(&bare, BUFFER_SMALL / 2), *none = NULL;
	size_t length = buffer_space(b) + 7;
	static char all[BUFFER_SMALL + 100];

	(void)state;
	fill(all, sizeof(all), 5);
	memcpy(b->to, all, length);
	b->to += length;
	assert_int_equal(buffer_space(b), 0);
	room = 0;
	assert_int_equal(outlet_send(&out, &bare, &wire, NULL, 0, &b), OUTLET_QUEUED);
	assert_int_equal(outlet_send(&out, &bare, &wire, all + length, 40, NULL), OUTLET_QUEUED);
	assert_true(outlet_gather(&out, &bare, all + length + 40, 20, &none));
	room = SIZE_MAX;
	assert_int_equal(outlet_flush(&out, &wire), OUTLET_SENT);
	assert_received(all, length + 60);
}

/* More pieces than one vector holds, heads among them; the kernel takes them in odd bites. */
static void
the_queue_keeps_its_order(void **state)
{
	static char all[40 * 3000];
	enum outlet_result result;

	(void)state;
	fill(all, sizeof(all), 3);
	room = 1;
	for (int i = 0; i < 40; i++) {
		const char *piece = all + (size_t)i * 3000;
		struct buffer *b = buffer_with(piece + 1000, 2000);

		assert_int_equal(outlet_send(&out, &bare, &wire, piece, 1000, &b), OUTLET_QUEUED);
		assert_null(b);
	}
	assert_int_equal(sends + vectors, 1);	/* nobody overtakes a queue */
	assert_int_equal(out.queued, sizeof(all) - 1);
	do {
		room = 7777;
		result = outlet_flush(&out, &wire);
		receive();
	} while (result == OUTLET_QUEUED);
	assert_int_equal(result, OUTLET_SENT);
	assert_received(all, sizeof(all));
	assert_empty();
}

/* The real thing: a socket with a small buffer, a reader who comes late. */
static void
a_full_socket_makes_a_queue(void **state)
{
	static char all[HEAD + 3 * (BUFFER_LARGE / 2)];
	enum outlet_result result = OUTLET_SENT;
	int size = 4096;

	(void)state;
	assert_int_equal(setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
	fill(all, sizeof(all), 4);
	for (size_t at = HEAD; at < sizeof(all); at += BUFFER_LARGE / 2) {
		struct buffer *b = buffer_with(all + at, BUFFER_LARGE / 2);

		result = outlet_send(&out, &bare, &wire, all, at == HEAD ? HEAD : 0, &b);
	}
	assert_int_equal(result, OUTLET_QUEUED);
	while (result == OUTLET_QUEUED) {
		receive();
		result = outlet_flush(&out, &wire);
	}
	assert_int_equal(result, OUTLET_SENT);
	assert_received(all, sizeof(all));
}

static void
a_broken_socket_says_so(void **state)
{
	struct buffer *b = buffer_with("body", 4), *late = buffer_with("late", 4);

	(void)state;
	room = 3;
	assert_int_equal(outlet_send(&out, &bare, &wire, NULL, 0, &b), OUTLET_QUEUED);
	room = SIZE_MAX;
	close(fds[1]);
	fds[1] = -1;
	assert_int_equal(outlet_flush(&out, &wire), OUTLET_BROKEN);
	outlet_free(&out);
	assert_empty();
	assert_int_equal(outlet_send(&out, &bare, &wire, "head", 4, &late), OUTLET_BROKEN);
	assert_null(late);
	assert_empty();
}

static void
without_memory_it_is_broken(void **state)
{
	struct buffer *b = buffer_with("body", 4), *more = buffer_with("more", 4);
	static char head[BUFFER_SMALL];

	(void)state;
	room = 2;
	leave_memory(0);
	assert_int_equal(outlet_send(&out, &bare, &wire, "head", 4, &b), OUTLET_BROKEN);
	assert_null(b);
	room = 0;
	/* that needs none */
	assert_int_equal(outlet_send(&out, &bare, &wire, NULL, 0, &more), OUTLET_QUEUED);
	assert_null(more);
	leave_memory(0);
	assert_int_equal(outlet_send(&out, &bare, &wire, "tail", 4, NULL), OUTLET_QUEUED);	/* there is room behind it */
	assert_int_equal(outlet_send(&out, &bare, &wire, head, sizeof(head), NULL), OUTLET_BROKEN);
}

/* A long head, for whose rest there is memory only in part. */
static void
a_copy_that_ends_half_way_leaks_nothing(void **state)
{
	static char head[BUFFER_LARGE];

	(void)state;
	room = 0;
	leave_memory(BUFFER_LARGE);
	assert_int_equal(outlet_send(&out, &bare, &wire, head, sizeof(head), NULL), OUTLET_BROKEN);
}

#undef SCENE
#define SCENE(name) cmocka_unit_test_setup_teardown(name, begin, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE(a_small_body_leaves_with_its_head_in_one_send),
		SCENE(a_large_body_is_not_copied),
		SCENE(a_head_or_a_body_may_be_missing),
		SCENE(a_signal_is_no_end),
		SCENE(any_cut_of_head_and_small_body),
		SCENE(any_cut_of_head_elsewhere_and_body),
		SCENE(any_cut_of_head_and_large_body),
		SCENE(what_is_kept_is_a_copy_of_scratch),
		SCENE(nothing_is_put_behind_framing),
		SCENE(the_queue_keeps_its_order),
		SCENE(a_full_socket_makes_a_queue),
		SCENE(a_broken_socket_says_so),
		SCENE(without_memory_it_is_broken),
		SCENE(a_copy_that_ends_half_way_leaks_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
