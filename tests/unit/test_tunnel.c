/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenes of tunnels and of peers that no section names, as a module asks for them.
 */
#include "exchange_scenes.h"

static struct weir_tunnel bounds;

static int
begin(void **state)
{
	memset(&bounds, 0, sizeof(bounds));
	return begin_exchanges(state);
}

static unsigned
refused(void)
{
	return (unsigned)threads_count(&still, COUNT_FIELD_REFUSED);
}

static void
want_tunnel(struct weir_exchange *x)
{
	weir_tunnel(x, &bounds);
}

/* Is there a head, or the end? */
static bool
has_head(void)
{
	size_t length = strlen(answer);
	ssize_t got = recv(client, answer + length, sizeof(answer) - length - 1, MSG_DONTWAIT);

	if (got > 0)
		answer[length + (size_t)got] = '\0';
	return got == 0 || strstr(answer, "\r\n\r\n") != NULL;
}

/* Ask by CONNECT, with this probe in this phase; the status of the answer. */
static int
connect_with(enum weir_phase phase, void (*what)(struct weir_exchange *))
{
	static const char head[] = "CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n";
	struct sockaddr_in address;
	socklen_t length = sizeof(address);

	probe_phase = phase;
	probe = what;
	close_one(&client);
	answer[0] = received[0] = '\0';
	assert_int_equal(getsockname(scene_sockets.first->sockets[0], (struct sockaddr *)&address, &length), 0);
	client = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(client, (struct sockaddr *)&address, length), 0);
	assert_int_equal(send(client, head, strlen(head), MSG_NOSIGNAL), (ssize_t)strlen(head));
	UNTIL(has_head());
	assert_memory_equal(answer, "HTTP/1.1 ", 9);
	return atoi(answer + 9);
}

static bool
origin_has(const char *text)
{
	serve_origin();
	return strstr(received, text) != NULL;
}

static void
a_tunnel_leads_to_the_peer(void **state)
{
	(void)state;
	assert_int_equal(connect_with(WEIR_PHASE_ACCESS, want_tunnel), 200);
	assert_string_equal(answer, "HTTP/1.1 200 OK\r\n\r\n");
	assert_int_equal(send(client, "hello", 5, MSG_NOSIGNAL), 5);
	UNTIL(origin_has("hello"));
	assert_int_equal(threads_count(&still, COUNT_TUNNELS), 1);
	assert_int_equal(send(origin_client, "hi", 2, MSG_NOSIGNAL), 2);
	answer[0] = '\0';
	UNTIL(has_head() || strcmp(answer, "hi") == 0);
}

/* Who dawdles shall not hold a large buffer for a few bytes. */
static void
a_part_of_a_hello_is_kept_in_little_room(void **state)
{
	(void)state;
	bounds.sni = "a.example";
	assert_int_equal(connect_with(WEIR_PHASE_ACCESS, want_tunnel), 200);
	assert_int_equal(send(client, "\x16\3\1", 3, MSG_NOSIGNAL), 3);
	UNTIL(scene_thread->heads.out + scene_thread->bodies.out == 1);
	assert_int_equal(scene_thread->bodies.out, 0);
}

static void
without_it_connect_is_not_served(void **state)
{
	(void)state;
	assert_int_equal(connect_with(WEIR_PHASE_LOG, NULL), 501);
	assert_int_equal(refused(), 0);
}

static void
it_is_for_connect_and_not_too_late(void **state)
{
	(void)state;
	assert_int_equal(ask_with(WEIR_PHASE_ACCESS, want_tunnel), 200);
	assert_non_null(strstr(answer, "X-Origin: yes"));
	assert_int_equal(refused(), 1);
	assert_int_equal(ask_with(WEIR_PHASE_CONNECTED, want_tunnel), 200);
	assert_int_equal(refused(), 2);
}

static void
rewrite(struct weir_exchange *x)
{
	if (strcmp(weir_host(x), "a.example") == 0) {
		weir_tunnel(x, &bounds);
		weir_set_authority(x, "b.example:443");
	}
}

static void
it_is_forgotten_when_the_target_changes(void **state)
{
	(void)state;
	assert_int_equal(connect_with(WEIR_PHASE_ACCESS, rewrite), 501);
}

static void
set_status(struct weir_exchange *x)
{
	weir_set_status(x, 404);
	weir_set_response_field(x, "X-A", "b");
}

static void
want_tunnel_and_set_status(struct weir_exchange *x)
{
	weir_tunnel(x, &bounds);
	probe_phase = WEIR_PHASE_RESPONSE;
	probe = set_status;
}

static void
its_answer_may_have_fields_but_is_200(void **state)
{
	(void)state;
	assert_int_equal(connect_with(WEIR_PHASE_ACCESS, want_tunnel_and_set_status), 200);
	assert_string_equal(answer, "HTTP/1.1 200 OK\r\nX-A: b\r\n\r\n");
}

static void
respond(struct weir_exchange *x)
{
	weir_respond(x, 200, "text/plain", "page", 4);
}

static void
a_page_is_no_answer_to_connect(void **state)
{
	(void)state;
	probe_verdict = WEIR_RESPOND;
	assert_int_equal(connect_with(WEIR_PHASE_ACCESS, respond), 501);
	assert_non_null(strstr(answer, "Connection: close"));
}

static void
aim(struct weir_exchange *x)
{
	struct weir_peer *peer = weir_peer(x);
	const struct weir_server *server = weir_upstream_server(scene_generation->upstreams[0], 0);

	assert_int_equal(weir_upstream_servers(weir_upstream(x)), 0);
	assert_int_equal(peer->connect_timeout, 5000);
	peer->address = *weir_server_address(server);
}

static void
go_direct(struct weir_exchange *x)
{
	weir_choose_upstream(x, weir_direct_upstream(x));
	assert_string_equal(weir_upstream_settings(x), "settings");
	probe_phase = WEIR_PHASE_PEER;
	probe = aim;
}

static void
go_nowhere(struct weir_exchange *x)
{
	weir_choose_upstream(x, weir_direct_upstream(x));
}

static void
a_peer_needs_no_section(void **state)
{
	(void)state;
	scene_generation->direct->module_settings = scene_settings;
	assert_int_equal(ask_with(WEIR_PHASE_ACCESS, go_direct), 200);
	assert_non_null(strstr(answer, "X-Origin: yes"));
	assert_int_equal(ask_with(WEIR_PHASE_ACCESS, go_nowhere), 502);	/* nobody names it */
}

#undef SCENE
#define SCENE(name) cmocka_unit_test_setup_teardown(name, begin, end_exchanges)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE(a_tunnel_leads_to_the_peer),
		SCENE(a_part_of_a_hello_is_kept_in_little_room),
		SCENE(without_it_connect_is_not_served),
		SCENE(it_is_for_connect_and_not_too_late),
		SCENE(it_is_forgotten_when_the_target_changes),
		SCENE(its_answer_may_have_fields_but_is_200),
		SCENE(a_page_is_no_answer_to_connect),
		SCENE(a_peer_needs_no_section),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
