/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenes of a TLS session on a wire: what goes in at one end comes out at the other, whatever the sockets do in between.
 *
 * Both ends are ours, on a pair of sockets; they know each other by a key that both have, so that no certificate is needed.
 */
#include "bare_thread.h"
#include "server/outlet.h"
#include "server/tls.h"
#include "server/wire.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

static const char priorities[] = "NORMAL:-VERS-ALL:+VERS-TLS1.3:-KX-ALL:+ECDHE-PSK";
static gnutls_psk_server_credentials_t server_key;
static gnutls_psk_client_credentials_t client_key;
static struct wire server, client;
static struct outlet out;

static int
tell_key(gnutls_session_t session, const char *user, gnutls_datum_t *key)
{
	(void)session;
	(void)user;
	key->data = gnutls_malloc(16);
	key->size = 16;
	memset(key->data, 7, 16);
	return 0;
}

static void
prepare(struct wire *wire, bool is_server)
{
	struct tls *tls = tls_begin(wire, is_server);

	assert_non_null(tls);
	assert_int_equal(gnutls_priority_set_direct(tls_session(tls), priorities, NULL), 0);
	gnutls_credentials_set(tls_session(tls), GNUTLS_CRD_PSK, is_server ? (void *)server_key : (void *)client_key);
}

/* Both sides in turn until both are done. */
static void
shake(struct tls *a, struct tls *b)
{
	const char *why = "";
	enum tls_result left = TLS_READ, right = TLS_READ;

	for (int i = 0; i < 20 && (left != TLS_DONE || right != TLS_DONE); i++) {
		if (left != TLS_DONE)
			left = tls_handshake(a, &why);
		if (right != TLS_DONE)
			right = tls_handshake(b, &why);
		assert_int_not_equal(left, TLS_FAILED);
		assert_int_not_equal(right, TLS_FAILED);
	}
	assert_int_equal(left, TLS_DONE);
	assert_int_equal(right, TLS_DONE);
}

static int
begin(void **state)
{
	const gnutls_datum_t key = { (unsigned char *)"\7\7\7\7\7\7\7\7\7\7\7\7\7\7\7\7", 16 };
	int fds[2];

	if (begin_bare(state) != 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) != 0)
		return -1;
	outlet_init(&out);
	server = (struct wire){ .fd = fds[0] };
	client = (struct wire){ .fd = fds[1] };
	gnutls_psk_allocate_server_credentials(&server_key);
	gnutls_psk_set_server_credentials_function(server_key, tell_key);
	gnutls_psk_allocate_client_credentials(&client_key);
	gnutls_psk_set_client_credentials(client_key, "weir", &key, GNUTLS_PSK_KEY_RAW);
	prepare(&server, true);
	prepare(&client, false);
	shake(client.tls, server.tls);
	return 0;
}

static int
end(void **state)
{
	outlet_free(&out);
	wire_close(&server);
	wire_close(&client);
	gnutls_psk_free_server_credentials(server_key);
	gnutls_psk_free_client_credentials(client_key);
	return end_bare(state);
}

/* All that is there, as one text of `length` bytes of `byte`. Returns how many there were. */
static size_t
receive_all(struct wire *wire, char byte)
{
	size_t total = 0;
	struct buffer *b = NULL;

	while (buffer_receive(&bare, &b, wire) > 0) {
		for (const char *at = b->from; at < b->to; at++)
			if (*at != byte)
				fail_msg("byte %zu is not what was sent", total + (size_t)(at - b->from));
		total += buffer_length(b);
		buffer_free(&b);
	}
	return total;
}

static struct buffer *
buffer_of(size_t length, char byte)
{
	struct buffer *b = buffer_take(&bare, length);

	assert_non_null(b);
	memset(b->to, byte, length);
	b->to += length;
	return b;
}

static void
an_end_that_the_full_socket_does_not_take_is_owed(void **state)
{
	static char raw[65536];
	struct buffer *b = NULL;
	ssize_t sent, full = 0;

	(void)state;
	receive_all(&client, 0);	/* tickets */
	for (size_t size = sizeof(raw); size > 0; size /= 2)
		while ((sent = send(server.fd, raw, size, 0)) > 0)
			full += sent;
	assert_false(tls_finish(server.tls));
	assert_true(tls_owes(server.tls));
	while (full > 0 && (sent = recv(client.fd, raw, (size_t)full < sizeof(raw) ? (size_t)full : sizeof(raw), 0)) > 0)
		full -= sent;
	assert_int_equal(full, 0);
	assert_int_equal(buffer_receive(&bare, &b, &client), BUFFER_NOTHING);
	assert_true(tls_finish(server.tls));
	assert_false(tls_owes(server.tls));
	assert_int_equal(buffer_receive(&bare, &b, &client), BUFFER_END);
}

static void
a_head_and_a_small_body_are_one_record(void **state)
{
	struct buffer *b = buffer_of(1000, 'h'), *got = NULL;
	char raw[4096];

	(void)state;
	receive_all(&client, 0);	/* tickets */
	memset(bare.scratch, 'h', 100);
	assert_int_equal(outlet_send(&out, &bare, &server, bare.scratch, 100, &b), OUTLET_SENT);
	assert_int_equal(recv(client.fd, raw, sizeof(raw), MSG_PEEK), 1100 + 5 + 1 + 16);
	assert_int_equal(buffer_receive(&bare, &got, &client), 1100);
	buffer_free(&got);
	assert_int_equal(bare.heads.out + bare.bodies.out, 0);
}

static void
what_the_socket_does_not_take_is_queued_and_comes_in_order(void **state)
{
	size_t sent = 0, got = 0;
	enum outlet_result result = OUTLET_SENT;

	(void)state;
	receive_all(&client, 0);
	while (result == OUTLET_SENT) {
		struct buffer *b = buffer_of(300000, 'x');

		memset(bare.scratch, 'x', 50);
		result = outlet_send(&out, &bare, &server, bare.scratch, 50, &b);
		assert_null(b);
		sent += 300050;
	}
	assert_int_equal(result, OUTLET_QUEUED);
	for (int i = 0; i < 3; i++) {	/* behind it */
		assert_int_equal(outlet_send(&out, &bare, &server, "xxxxx", 5, NULL), OUTLET_QUEUED);
		sent += 5;
	}
	assert_false(tls_finish(server.tls));	/* it would overtake */
	while (out.queued > 0) {
		got += receive_all(&client, 'x');
		assert_int_not_equal(outlet_flush(&out, &server), OUTLET_BROKEN);
	}
	got += receive_all(&client, 'x');
	assert_int_equal(got, sent);
	assert_int_equal(outlet_send(&out, &bare, &server, "x", 1, NULL), OUTLET_SENT);
	assert_int_equal(receive_all(&client, 'x'), 1);
}

static void
a_record_that_comes_in_pieces_waits_for_its_end(void **state)
{
	struct buffer *b = buffer_of(5000, 'p'), *got = NULL;
	char raw[8192];
	ssize_t length;

	(void)state;
	receive_all(&client, 0);
	assert_int_equal(outlet_send(&out, &bare, &server, NULL, 0, &b), OUTLET_SENT);
	length = recv(client.fd, raw, sizeof(raw), 0);
	assert_true(length > 5000);
	for (ssize_t i = 0; i < length; i++) {
		assert_int_equal(send(server.fd, raw + i, 1, 0), 1);
		assert_int_equal(buffer_receive(&bare, &got, &client), i + 1 < length ? BUFFER_NOTHING : 5000);
	}
	buffer_free(&got);
}

static void
an_end_is_told_apart_from_a_cut(void **state)
{
	struct buffer *got = NULL;

	(void)state;
	receive_all(&client, 0);
	assert_true(wire_end(&server));
	assert_int_equal(buffer_receive(&bare, &got, &client), BUFFER_END);
	assert_int_equal(outlet_send(&out, &bare, &client, "late", 4, NULL), OUTLET_SENT);	/* half-closed only */
	assert_int_equal(shutdown(client.fd, SHUT_WR), 0);
	assert_int_equal(buffer_receive(&bare, &got, &server), 4);
	buffer_free(&got);
	assert_int_equal(buffer_receive(&bare, &got, &server), BUFFER_CUT);
}

/* A server's tickets and its first answer often come together. */
static void
what_comes_behind_tickets_is_read_with_them(void **state)
{
	struct buffer *got = NULL;

	(void)state;
	assert_int_equal(gnutls_session_key_update(tls_session(server.tls), 0), 0);
	assert_int_equal(outlet_send(&out, &bare, &server, "one", 3, NULL), OUTLET_SENT);
	assert_int_equal(gnutls_session_key_update(tls_session(server.tls), 0), 0);
	assert_int_equal(outlet_send(&out, &bare, &server, "two", 3, NULL), OUTLET_SENT);
	assert_int_equal(buffer_receive(&bare, &got, &client), 6);
	assert_memory_equal(got->from, "onetwo", 6);
	buffer_free(&got);
}

static void
bytes_and_the_end_behind_them_are_both_seen(void **state)
{
	struct buffer *got = NULL;

	(void)state;
	receive_all(&client, 0);
	assert_int_equal(outlet_send(&out, &bare, &server, "last", 4, NULL), OUTLET_SENT);
	assert_true(tls_finish(server.tls));	/* and the socket stays open: no event would tell */
	assert_int_equal(buffer_receive(&bare, &got, &client), 4);
	assert_true(buffer_may_follow(got, &client));
	buffer_free(&got);
	assert_int_equal(buffer_receive(&bare, &got, &client), BUFFER_END);
}

static void
garbage_breaks_the_session(void **state)
{
	struct buffer *got = NULL;

	(void)state;
	receive_all(&client, 0);
	assert_int_equal(send(server.fd, "HTTP/1.1 200 OK\r\n\r\n", 19, 0), 19);
	assert_int_equal(buffer_receive(&bare, &got, &client), BUFFER_RESET);
	assert_int_equal(outlet_send(&out, &bare, &client, "x", 1, NULL), OUTLET_BROKEN);
}

static void
what_is_thrown_away_ends_the_session(void **state)
{
	struct buffer *b;

	(void)state;
	do
		b = buffer_of(300000, 'x');
	while (outlet_send(&out, &bare, &server, NULL, 0, &b) == OUTLET_SENT);
	outlet_free(&out);
	assert_int_equal(outlet_send(&out, &bare, &server, "x", 1, NULL), OUTLET_BROKEN);
	assert_false(tls_finish(server.tls));
}

static void
without_memory_for_a_queue_the_session_breaks(void **state)
{
	struct buffer *b;
	enum outlet_result result;

	(void)state;
	do {
		b = buffer_of(300000, 'x');
		leave_memory(0);
		result = outlet_send(&out, &bare, &server, NULL, 0, &b);
		bare.budget.limit = SIZE_MAX;
	} while (result == OUTLET_SENT);
	assert_int_equal(result, OUTLET_BROKEN);
}

static void
early_bytes_come_first(void **state)
{
	struct wire a, b;
	struct buffer *early, *got = NULL;
	int fds[2];
	ssize_t length;
	const char *why;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	a = (struct wire){ .fd = fds[0] };
	b = (struct wire){ .fd = fds[1] };
	prepare(&b, false);
	assert_int_equal(tls_handshake(b.tls, &why), TLS_READ);
	early = buffer_take(&bare, 4096);
	length = recv(a.fd, early->to, 4096, 0);	/* somebody looked at the ClientHello */
	assert_true(length > 0);
	early->to += length;
	prepare(&a, true);
	tls_give_early(a.tls, &early);
	assert_null(early);
	shake(a.tls, b.tls);
	assert_int_equal(outlet_send(&out, &bare, &b, "hello", 5, NULL), OUTLET_SENT);
	assert_int_equal(buffer_receive(&bare, &got, &a), 5);
	buffer_free(&got);
	wire_close(&a);
	wire_close(&b);
}

/* What was received early is no less than what fits: the last record of it is opened, and does not go in
 * whole. No event of the socket
 * would tell of its rest. */
static void
a_record_that_does_not_fit_is_not_forgotten(void **state)
{
	enum { RECORD = 16000, COUNT = 5 };
	static char bytes[RECORD], got[TLS_ROOM];
	struct buffer *early = buffer_take(&bare, BUFFER_READ);
	ssize_t length;
	int first;

	(void)state;
	memset(bytes, 'e', RECORD);
	for (int i = 0; i < COUNT; i++) {
		assert_int_equal(gnutls_record_send(tls_session(client.tls), bytes, RECORD), RECORD);
		while ((length = recv(server.fd, early->to, RECORD, 0)) > 0)
			early->to += length;
	}
	tls_give_early(server.tls, &early);
	first = tls_read(server.tls, &bare, got, TLS_ROOM);
	assert_int_equal(first, TLS_ROOM);
	assert_true(tls_has_more(server.tls));
	assert_int_equal(tls_read(server.tls, &bare, got, TLS_ROOM), RECORD * COUNT - TLS_ROOM);
	assert_int_equal(got[0], 'e');
	assert_false(tls_has_more(server.tls));
}

static void
a_session_inside_another_carries_bytes(void **state)
{
	size_t sent = 0, got = 0;
	enum outlet_result result = OUTLET_SENT;
	struct tls *outer[2] = { server.tls, client.tls };

	(void)state;
	receive_all(&client, 0);
	assert_non_null(tls_begin_inside(&server, true));
	assert_non_null(tls_begin_inside(&client, false));
	assert_ptr_not_equal(server.tls, outer[0]);
	gnutls_priority_set_direct(tls_session(server.tls), priorities, NULL);
	gnutls_priority_set_direct(tls_session(client.tls), priorities, NULL);
	gnutls_credentials_set(tls_session(server.tls), GNUTLS_CRD_PSK, server_key);
	gnutls_credentials_set(tls_session(client.tls), GNUTLS_CRD_PSK, client_key);
	shake(client.tls, server.tls);
	receive_all(&client, 0);
	while (result == OUTLET_SENT) {
		struct buffer *b = buffer_of(100000, 'i');

		result = outlet_send(&out, &bare, &server, NULL, 0, &b);
		sent += 100000;
	}
	assert_int_equal(result, OUTLET_QUEUED);
	while (out.queued > 0) {
		got += receive_all(&client, 'i');
		assert_int_not_equal(outlet_flush(&out, &server), OUTLET_BROKEN);
	}
	got += receive_all(&client, 'i');
	assert_int_equal(got, sent);
	assert_true(wire_end(&server));
	{
		struct buffer *b = NULL;

		assert_int_equal(buffer_receive(&bare, &b, &client), BUFFER_END);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_end_that_the_full_socket_does_not_take_is_owed, begin, end),
		cmocka_unit_test_setup_teardown(a_head_and_a_small_body_are_one_record, begin, end),
		cmocka_unit_test_setup_teardown(what_the_socket_does_not_take_is_queued_and_comes_in_order, begin, end),
		cmocka_unit_test_setup_teardown(a_record_that_comes_in_pieces_waits_for_its_end, begin, end),
		cmocka_unit_test_setup_teardown(an_end_is_told_apart_from_a_cut, begin, end),
		cmocka_unit_test_setup_teardown(what_comes_behind_tickets_is_read_with_them, begin, end),
		cmocka_unit_test_setup_teardown(bytes_and_the_end_behind_them_are_both_seen, begin, end),
		cmocka_unit_test_setup_teardown(garbage_breaks_the_session, begin, end),
		cmocka_unit_test_setup_teardown(what_is_thrown_away_ends_the_session, begin, end),
		cmocka_unit_test_setup_teardown(without_memory_for_a_queue_the_session_breaks, begin, end),
		cmocka_unit_test_setup_teardown(early_bytes_come_first, begin, end),
		cmocka_unit_test_setup_teardown(a_record_that_does_not_fit_is_not_forgotten, begin, end),
		cmocka_unit_test_setup_teardown(a_session_inside_another_carries_bytes, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
