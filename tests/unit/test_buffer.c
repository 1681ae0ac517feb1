/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenes for buffers: which slab they come from, the room around the bytes, shrinking, and receiving.
 *
 * Linked with -Wl,--wrap=recv, for the errors that a socket on loopback does not give at will.
 */
#include "bare_thread.h"
#include "server/wire.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

static int recv_fails;		/* with this error; 0: it works */

ssize_t __real_recv(int, void *, size_t, int);
ssize_t __wrap_recv(int, void *, size_t, int);

ssize_t
__wrap_recv(int fd, void *to, size_t size, int flags)
{
	if (recv_fails == 0)
		return __real_recv(fd, to, size, flags);
	errno = recv_fails;
	return -1;
}

static void
open_pair(int fds[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
}

static void
close_pair(int fds[2])
{
	close(fds[0]);
	close(fds[1]);
}

static void
the_size_decides_about_the_slab(void **state)
{
	const size_t most_small = BUFFER_SMALL - sizeof(struct buffer) - BUFFER_FRONT - BUFFER_BACK;
	const size_t most_large = BUFFER_LARGE - sizeof(struct buffer) - BUFFER_FRONT - BUFFER_BACK;
	const struct { size_t size; const struct slab *slab; } cases[] = {
		{ 0, &bare.heads }, { 1, &bare.heads }, { most_small, &bare.heads },
		{ most_small + 1, &bare.bodies }, { BUFFER_READ, &bare.bodies }, { most_large, &bare.bodies },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct buffer *b = buffer_take(&bare, cases[i].size);

		assert_non_null(b);
		assert_ptr_equal(b->slab, cases[i].slab);
		assert_true(buffer_space(b) >= cases[i].size);
		assert_int_equal(buffer_length(b), 0);
		assert_null(b->next);
		buffer_free(&b);
		assert_null(b);
		buffer_free(&b);
	}
	assert_null(buffer_take(&bare, most_large + 1));
	assert_null(buffer_take(&bare, SIZE_MAX));
}

static void
there_is_room_in_front_and_behind(void **state)
{
	const size_t sizes[] = { 1, BUFFER_READ };

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct buffer *b = buffer_take(&bare, sizes[i]);
		char *piece = (char *)b;

		assert_non_null(b);
		assert_int_equal(b->from - b->room, BUFFER_FRONT);
		assert_int_equal(piece + b->slab->size - b->end, BUFFER_BACK);
		/* all of it is ours */
		memset(b->room, 1, BUFFER_FRONT + buffer_space(b) + BUFFER_BACK);
		buffer_free(&b);
	}
}

static void
a_buffer_with_few_bytes_becomes_small(void **state)
{
	struct buffer *b = buffer_take(&bare, BUFFER_READ), *before;

	(void)state;
	memcpy(b->to, "few", 3);
	b->to += 3;
	buffer_settle(&bare, &b);
	assert_ptr_equal(b->slab, &bare.heads);
	assert_holds(b, "few", 3);
	assert_int_equal(bare.bodies.out, 0);
	before = b;
	buffer_settle(&bare, &b);		/* it is small already */
	assert_ptr_equal(b, before);
	b->from = b->to;
	buffer_settle(&bare, &b);		/* empty: nobody needs it */
	assert_null(b);
	buffer_settle(&bare, &b);
}

static void
a_buffer_with_many_bytes_stays_large(void **state)
{
	struct buffer *b = buffer_take(&bare, BUFFER_READ), *before = b;

	(void)state;
	b->to += BUFFER_SMALL / 2 + 1;
	buffer_settle(&bare, &b);
	assert_ptr_equal(b, before);
	b->to--;
	leave_memory(0);
	buffer_settle(&bare, &b);		/* it would fit, but there is no memory for a small one */
	assert_ptr_equal(b, before);
	assert_int_equal(buffer_length(b), BUFFER_SMALL / 2);
	buffer_free(&b);
}

static void
what_comes_is_put_behind_what_is_there(void **state)
{
	struct buffer *b = NULL;
	int fds[2];
	struct wire wire = { .fd = -1 };

	(void)state;
	open_pair(fds);
	wire.fd = fds[0];
	assert_int_equal(write(fds[1], "one ", 4), 4);
	assert_int_equal(buffer_receive(&bare, &b, &wire), 4);
	assert_ptr_equal(b->slab, &bare.bodies);
	buffer_settle(&bare, &b);
	b->from += 1;				/* somebody has read it */
	assert_int_equal(write(fds[1], "two", 3), 3);
	assert_int_equal(buffer_receive(&bare, &b, &wire), 3);
	assert_ptr_equal(b->slab, &bare.bodies);
	assert_holds(b, "ne two", 6);
	assert_int_equal(bare.heads.out + bare.bodies.out, 1);
	buffer_free(&b);
	close_pair(fds);
}

static void
nothing_received_changes_nothing(void **state)
{
	const struct { int error, result; } errors[] = {
		{ EAGAIN, BUFFER_NOTHING }, { EINTR, BUFFER_NOTHING },
		{ ECONNRESET, BUFFER_RESET }, { ETIMEDOUT, BUFFER_RESET }, { EBADF, BUFFER_RESET },
	};
	struct buffer *none = NULL, *some = buffer_with("some", 4), *before = some;
	int fds[2];
	struct wire wire = { .fd = -1 };

	(void)state;
	open_pair(fds);
	wire.fd = fds[0];
	for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++) {
		recv_fails = errors[i].error;
		assert_int_equal(buffer_receive(&bare, &none, &wire), errors[i].result);
		assert_int_equal(buffer_receive(&bare, &some, &wire), errors[i].result);
		recv_fails = 0;
	}
	shutdown(fds[1], SHUT_WR);
	assert_int_equal(buffer_receive(&bare, &none, &wire), BUFFER_END);
	assert_int_equal(buffer_receive(&bare, &some, &wire), BUFFER_END);
	assert_null(none);
	assert_ptr_equal(some, before);
	assert_holds(some, "some", 4);
	assert_int_equal(bare.heads.out + bare.bodies.out, 1);
	buffer_free(&some);
	close_pair(fds);
}

static void
without_memory_nothing_is_read(void **state)
{
	struct buffer *none = NULL, *some = buffer_with("some", 4);
	int fds[2];
	struct wire wire = { .fd = -1 };
	char byte;

	(void)state;
	open_pair(fds);
	wire.fd = fds[0];
	assert_int_equal(write(fds[1], "x", 1), 1);
	leave_memory(0);
	assert_int_equal(buffer_receive(&bare, &none, &wire), BUFFER_NO_MEMORY);
	assert_int_equal(buffer_receive(&bare, &some, &wire), BUFFER_NO_MEMORY);
	assert_null(none);
	assert_holds(some, "some", 4);
	assert_int_equal(read(fds[0], &byte, 1), 1);	/* it is still there */
	buffer_free(&some);
	close_pair(fds);
}

/* Many slow readers shall each hold little once memory is short. */
static void
under_pressure_less_is_read_at_once(void **state)
{
	struct buffer *b = NULL;
	int fds[2];
	struct wire wire = { .fd = -1 };

	(void)state;
	open_pair(fds);
	wire.fd = fds[0];
	assert_int_equal(write(fds[1], "x", 1), 1);
	bare.budget.limit = 2 * BUFFER_LARGE;
	bare.budget.used = BUFFER_LARGE + 1;
	assert_int_equal(buffer_receive(&bare, &b, &wire), 1);
	assert_ptr_equal(b->slab, &bare.heads);
	buffer_free(&b);
	bare.budget.used = 0;
	close_pair(fds);
}

/* The front that has been read is used again before a buffer counts as full. */
static void
a_full_buffer_is_moved_to_the_front_once(void **state)
{
	struct buffer *b = buffer_take(&bare, BUFFER_READ);
	int fds[2];
	struct wire wire = { .fd = -1 };

	(void)state;
	open_pair(fds);
	wire.fd = fds[0];
	assert_int_equal(write(fds[1], "more", 4), 4);
	fill(b->to, buffer_space(b), 1);
	b->to = b->end;
	assert_int_equal(buffer_receive(&bare, &b, &wire), BUFFER_NO_MEMORY);
	assert_int_equal(bare.bodies.out, 1);
	b->from = b->to - 3;
	memcpy(b->from, "and", 3);
	assert_int_equal(buffer_receive(&bare, &b, &wire), 4);
	assert_holds(b, "andmore", 7);
	assert_true(buffer_space(b) > BUFFER_SMALL);
	assert_int_equal(bare.bodies.out, 1);
	buffer_free(&b);
	close_pair(fds);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE(the_size_decides_about_the_slab),
		SCENE(there_is_room_in_front_and_behind),
		SCENE(a_buffer_with_few_bytes_becomes_small),
		SCENE(a_buffer_with_many_bytes_stays_large),
		SCENE(what_comes_is_put_behind_what_is_there),
		SCENE(nothing_received_changes_nothing),
		SCENE(without_memory_nothing_is_read),
		SCENE(under_pressure_less_is_read_at_once),
		SCENE(a_full_buffer_is_moved_to_the_front_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
