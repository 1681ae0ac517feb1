/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenes for what modules may do with an exchange: what they see, what they may set, and what is refused.
 *
 * Each probe runs inside a hook of a real exchange (exchange_scenes.h).
 */
#include "exchange_scenes.h"

static uint64_t
refused(void)
{
	return threads_count(&still, COUNT_FIELD_REFUSED);
}

/* --- reading -------------------------------------------------------------------------------------------- */

static void
look_at_the_request(struct weir_exchange *x)
{
	assert_string_equal(weir_method(x), "GET");
	assert_string_equal(weir_scheme(x), "http");
	assert_string_equal(weir_host(x), "example.com");
	assert_string_equal(weir_authority(x), "example.com:8080");
	assert_string_equal(weir_path(x), "/path");
	assert_string_equal(weir_query(x), "query");
	assert_string_equal(weir_target(x), "/path?query");
	assert_string_equal(weir_original_target(x), "/path?query");
	assert_int_equal(weir_version(x), 11);
	assert_true(weir_method_is_safe(x));
	assert_true(weir_method_is_idempotent(x));
	assert_int_equal(weir_status(x), 0);
	assert_int_equal(weir_response_version(x), 0);
	assert_null(weir_failure(x));
	assert_null(weir_route(x));
	assert_string_equal(weir_connection_listener(weir_exchange_connection(x)), "web");
	assert_int_equal(weir_client_address(x)->sa_family, AF_INET);
	assert_int_equal(weir_connection_address(weir_exchange_connection(x))->sa_family, AF_INET);
	assert_int_equal(weir_connection_local(weir_exchange_connection(x))->sa_family, AF_INET);
	assert_int_equal(weir_thread_number(x), 0);
}

static void
a_module_sees_the_request(void **state)
{
	(void)state;
	assert_int_equal(ask_with(WEIR_PHASE_REQUEST, look_at_the_request), 200);
}

static void
walk(struct weir_exchange *x)
{
	const char *const names[] = { "Host", "X-A", "X-B", "x-a" };
	const char *name, *value;
	unsigned at = 0, count = 0;

	while (weir_field_next(x, WEIR_REQUEST, &at, &name, &value))
		assert_string_equal(name, names[count++]);
	assert_int_equal(count, 4);
	assert_string_equal(weir_request_field(x, "x-A"), "1");
	assert_null(weir_request_field(x, "X-C"));
	at = 0;
	assert_string_equal(weir_field_next_named(x, WEIR_REQUEST, "X-a", &at), "1");
	assert_string_equal(weir_field_next_named(x, WEIR_REQUEST, "X-a", &at), "3");
	assert_null(weir_field_next_named(x, WEIR_REQUEST, "X-a", &at));
	at = 0;
	/* there is none yet */
	assert_false(weir_field_next(x, WEIR_UPSTREAM_REQUEST, &at, &name, &value));
}

static void
fields_are_walked_over(void **state)
{
	(void)state;
	assert_int_equal(ask_with(WEIR_PHASE_REQUEST, walk), 200);
}

static void
take_some_away(struct weir_exchange *x)
{
	static const char *const names[] = { "x-a", "x-tmp-", "host", "content-length", NULL };
	static const char *const none[] = { "y-a", "x", "x-aa", NULL };
	const char *left[] = { "Host", "X-B", "Content-Length", "X-Tmp" }, *name, *value;
	unsigned at = 0, count = 0;

	weir_remove_fields(x, WEIR_REQUEST, none);
	assert_string_equal(weir_request_field(x, "X-A"), "1");
	weir_remove_fields(x, WEIR_REQUEST, names);
	while (weir_field_next(x, WEIR_REQUEST, &at, &name, &value))
		assert_string_equal(name, left[count++]);
	assert_int_equal(count, 4);
	weir_remove_fields(x, WEIR_UPSTREAM_REQUEST, names);	/* there is none yet */
	weir_remove_fields(x, WEIR_RESPONSE, names);
}

static void
a_list_of_fields_is_removed_in_one_walk(void **state)
{
	uint64_t before = refused();

	(void)state;
	probe_phase = WEIR_PHASE_REQUEST;
	probe = take_some_away;
	assert_int_equal(ask("POST / HTTP/1.1\r\nHost: a\r\nX-A: 1\r\nX-B: 2\r\nx_a: 3\r\nContent-Length: 0\r\nX-Tmp-One: 4\r\n"
		"X-Tmp: 5\r\nX_TMP_Two: 6\r\n\r\n"), 200);
	assert_int_equal(probed, 1);
	assert_int_equal(refused() - before, 2);
}

static void
look_at_the_response(struct weir_exchange *x)
{
	assert_int_equal(weir_status(x), 200);
	assert_int_equal(weir_response_version(x), 11);
	assert_string_equal(weir_response_field(x, "x-origin"), "yes");
	assert_ptr_equal(weir_route(x), scene_generation->routes[0]);
	assert_true(weir_elapsed(x) > 0);
}

static void
a_module_sees_the_response(void **state)
{
	(void)state;
	assert_int_equal(ask_with(WEIR_PHASE_RESPONSE, look_at_the_response), 200);
}

static void
look_at_what_went_over(struct weir_exchange *x)
{
	assert_int_equal(weir_bytes_received(x), 5);
	assert_int_equal(weir_bytes_sent(x), 2);
}

static void
bytes_are_counted_both_ways(void **state)
{
	(void)state;
	probe_phase = WEIR_PHASE_LOG;
	probe = look_at_what_went_over;
	assert_int_equal(ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"), 200);
	UNTIL(probed == 1);
}

/* --- structs -------------------------------------------------------------------------------------------- */

static void
use_the_structs(struct weir_exchange *x)
{
	struct scene_state *request = weir_request_state(x), *connection = weir_connection_state(x);
	struct scene_state *thread = weir_thread_state(x);

	/* request, route, access, cache, peer: of this request alone */
	assert_int_equal(request->seen, 5);
	assert_ptr_equal(weir_generation_state(x), &scene_generation_state);
	assert_ptr_equal(connection, weir_connection_state(x));
	connection->seen++;
	assert_int_equal(connection->seen, weir_exchange_connection(x)->requests);
	thread->seen++;
	scene_generation_state.seen = thread->seen;
	weir_count(x, 0, 3);
	weir_count(x, 1, -1);
	weir_count(x, 2, 100);			/* it has no third one */
}

static void
each_module_has_its_structs_and_metrics(void **state)
{
	(void)state;
	assert_int_equal(ask_with(WEIR_PHASE_PEER, use_the_structs), 200);
	assert_int_equal(ask_with(WEIR_PHASE_PEER, use_the_structs), 200);
	assert_int_equal(scene_generation_state.seen, 2);
	assert_int_equal(threads_metric(&still, 5), 6);
	assert_int_equal(threads_metric(&still, 6), -2);
	assert_int_equal(threads_metric(&still, 7), 0);
}

/* --- fields --------------------------------------------------------------------------------------------- */

static const char *const ours[] = { "Connection", "content-length", "Transfer-Encoding", "Keep-Alive",
	"UPGRADE" };

static void
meddle_with_framing(struct weir_exchange *x)
{
	for (int which = WEIR_REQUEST; which <= WEIR_RESPONSE; which++)
		for (int i = 0; i < 5; i++) {
			uint64_t before = refused();

			weir_set_field(x, which, ours[i], "7");
			weir_add_field(x, which, ours[i], "7");
			weir_remove_field(x, which, ours[i]);
			assert_int_equal(refused(), before + 3);
		}
}

static void
framing_fields_are_the_cores(void **state)
{
	(void)state;
	assert_int_equal(ask_with(WEIR_PHASE_UPSTREAM_REQUEST, meddle_with_framing), 200);
	assert_null(strstr(received, "7\r\n"));
	assert_int_equal(ask_with(WEIR_PHASE_RESPONSE, meddle_with_framing), 200);
	assert_non_null(strstr(answer, "Content-Length: 2\r\n"));
	assert_null(strstr(answer, "7\r\n"));
	assert_null(strstr(answer, "Connection:"));
}

static void
edit_fields(struct weir_exchange *x)
{
	weir_set_field(x, WEIR_UPSTREAM_REQUEST, "X-A", " \t value \t");
	weir_add_field(x, WEIR_UPSTREAM_REQUEST, "X-B", "4");
	weir_add_field(x, WEIR_UPSTREAM_REQUEST, "X-Empty", "  ");
	weir_set_field(x, WEIR_UPSTREAM_REQUEST, "X-C", "caf\xc3\xa9\tau lait");
	weir_remove_field(x, WEIR_UPSTREAM_REQUEST, "x-none");
}

static void
fields_are_set_added_and_removed(void **state)
{
	(void)state;
	assert_int_equal(ask_with(WEIR_PHASE_UPSTREAM_REQUEST, edit_fields), 200);
	assert_non_null(strstr(received, "X-A: value\r\n"));
	assert_null(strstr(received, "x-a: 3"));
	assert_non_null(strstr(received, "X-B: 2\r\n"));
	assert_non_null(strstr(received, "X-B: 4\r\n"));
	assert_non_null(strstr(received, "X-Empty: \r\n"));
	assert_non_null(strstr(received, "X-C: caf\xc3\xa9\tau lait\r\n"));
	assert_int_equal(refused(), 0);
}

static const char *bad_name, *bad_value;
static bool by_adding;

static void
set_badly(struct weir_exchange *x)
{
	if (by_adding)
		weir_add_field(x, WEIR_RESPONSE, bad_name, bad_value);
	else
		weir_set_field(x, WEIR_RESPONSE, bad_name, bad_value);
}

static void
bad_names_and_values_fail_the_request(void **state)
{
	static const struct { const char *name, *value; } bad[] = {
		{ "", "x" }, { "a b", "x" }, { "a:", "x" }, { "a\r\nb", "x" }, { "caf\xc3\xa9", "x" },
		{ "a\x7f", "x" },
		{ "A", "a\r\nSet-Cookie: b" }, { "A", "a\nb" }, { "A", "a\rb" }, { "A", "\x01" },
		{ "A", "a\x7f" }, { "A", "a\r\n" },
	};

	(void)state;
	for (size_t i = 0; i < 2 * sizeof(bad) / sizeof(*bad); i++) {
		bad_name = bad[i / 2].name;
		bad_value = bad[i / 2].value;
		by_adding = i % 2 == 1;
		assert_int_equal(ask_with(WEIR_PHASE_UPSTREAM_RESPONSE, set_badly), 500);
		assert_null(strstr(answer, "Set-Cookie"));
	}
}

static void
see_the_cause(struct weir_exchange *x)
{
	assert_non_null(strstr(weir_failure(x),
		"module scene set a bad field value: it has control characters"));
}

static void
set_badly_once(struct weir_exchange *x)
{
	weir_set_response_field(x, "A", "\n");
	probe_phase = WEIR_PHASE_ERROR;		/* where the cause can be read */
	probe = see_the_cause;
}

static void
the_log_names_the_module(void **state)
{
	(void)state;
	assert_int_equal(ask_with(WEIR_PHASE_UPSTREAM_RESPONSE, set_badly_once), 500);
	assert_int_equal(probed, 2);
}

static void
set_nothing(struct weir_exchange *x)
{
	weir_set_field(x, WEIR_RESPONSE, "X-Origin", NULL);
	weir_add_field(x, WEIR_RESPONSE, "X-Other", NULL);
	weir_set_field(x, WEIR_REQUEST, "Host", NULL);
}

static void
a_value_of_null_is_counted_and_does_nothing(void **state)
{
	(void)state;
	assert_int_equal(ask_with(WEIR_PHASE_RESPONSE, set_nothing), 200);
	assert_non_null(strstr(answer, "X-Origin: yes\r\n"));
	assert_null(strstr(answer, "X-Other"));
	assert_int_equal(refused(), 3);
}

static void
edit_too_early(struct weir_exchange *x)
{
	weir_set_field(x, WEIR_UPSTREAM_REQUEST, "X-Early", "1");
	weir_set_field(x, WEIR_RESPONSE, "X-Early", "1");
}

static void
a_message_that_is_not_there_cannot_be_edited(void **state)
{
	(void)state;
	assert_int_equal(ask_with(WEIR_PHASE_ACCESS, edit_too_early), 200);
	assert_null(strstr(received, "X-Early"));
	assert_null(strstr(answer, "X-Early"));
	assert_int_equal(refused(), 2);
}

/* --- Host ----------------------------------------------------------------------------------------------- */

static void
change_host(struct weir_exchange *x)
{
	weir_set_field(x, WEIR_REQUEST, "host", "Other.Example:81");
	assert_string_equal(weir_host(x), "other.example");
	assert_string_equal(weir_authority(x), "other.example:81");
	assert_string_equal(weir_request_field(x, "Host"), "other.example:81");
	weir_set_authority(x, "[2001:DB8::1]:82");
	assert_string_equal(weir_host(x), "[2001:db8::1]");
	assert_string_equal(weir_request_field(x, "Host"), "[2001:db8::1]:82");
	weir_add_field(x, WEIR_REQUEST, "Host", "second.example");
	weir_remove_field(x, WEIR_REQUEST, "HOST");
	assert_int_equal(refused(), 2);
}

static void
host_is_one_and_is_the_authority(void **state)
{
	(void)state;
	assert_int_equal(ask_with(WEIR_PHASE_REQUEST, change_host), 200);
	assert_non_null(strstr(received, "Host: [2001:db8::1]:82\r\n"));
	assert_null(strstr(received, "second.example"));
}

static void
change_host_upstream(struct weir_exchange *x)
{
	weir_set_field(x, WEIR_UPSTREAM_REQUEST, "Host", "inner.example");
	weir_add_field(x, WEIR_UPSTREAM_REQUEST, "Host", "second.example");
	weir_remove_field(x, WEIR_UPSTREAM_REQUEST, "Host");
	assert_string_equal(weir_host(x), "example.com");
}

static void
the_origin_may_see_another_host(void **state)
{
	(void)state;
	assert_int_equal(ask_with(WEIR_PHASE_UPSTREAM_REQUEST, change_host_upstream), 200);
	assert_non_null(strstr(received, "Host: inner.example\r\n"));
	assert_null(strstr(received, "second.example"));
	assert_int_equal(refused(), 2);
}

static enum weir_message host_of;

static void
set_bad_host(struct weir_exchange *x)
{
	weir_set_field(x, host_of, "Host", bad_value);
}

static void
a_bad_host_fails_the_request(void **state)
{
	static const char *const bad[] = { "a b", "a/b", "user@host", "a:b", "a:99999", "[::1", "a,b",
		"a\r\nX: y" };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		bad_value = bad[i];
		host_of = WEIR_REQUEST;
		assert_int_equal(ask_with(WEIR_PHASE_REQUEST, set_bad_host), 500);
		host_of = WEIR_UPSTREAM_REQUEST;
		assert_int_equal(ask_with(WEIR_PHASE_UPSTREAM_REQUEST, set_bad_host), 500);
		assert_string_equal(received, "");
	}
}

/* --- rewriting ------------------------------------------------------------------------------------------ */

static void
rewrite(struct weir_exchange *x)
{
	if (strcmp(weir_path(x), "/new") == 0)
		return;
	weir_set_path(x, "/other/../%6eew");
	weir_set_query(x, "a=b");
	weir_set_authority(x, "new.example");
}

static void
a_request_may_be_rewritten_before_a_peer_is_chosen(void **state)
{
	const struct { enum weir_phase phase; unsigned times; } phases[] = {
		{ WEIR_PHASE_REQUEST, 1 }, { WEIR_PHASE_ROUTE, 1 }, { WEIR_PHASE_ACCESS, 2 },
		{ WEIR_PHASE_CACHE, 2 },
	};

	(void)state;
	for (int i = 0; i < 4; i++) {
		assert_int_equal(ask_with(phases[i].phase, rewrite), 200);
		assert_memory_equal(received, "GET /new?a=b HTTP/1.1\r\nHost: new.example\r\n", 42);
		assert_int_equal(probed, phases[i].times);	/* it is routed and guarded again */
	}
	assert_int_equal(refused(), 0);
}

static void
rewrite_once_more(struct weir_exchange *x)
{
	weir_set_path(x, weir_printf(x, "%s/a", weir_path(x)));
}

static void
it_is_not_rewritten_for_ever(void **state)
{
	(void)state;
	assert_int_equal(ask_with(WEIR_PHASE_ACCESS, rewrite_once_more), 500);
	assert_int_equal(probed, 11);
	assert_string_equal(received, "");
}

static void
see_both_targets(struct weir_exchange *x)
{
	weir_set_path(x, "/new");
	weir_set_query(x, NULL);
	assert_string_equal(weir_target(x), "/new");
	assert_null(weir_query(x));
	assert_string_equal(weir_original_target(x), "/path?query");
}

static void
the_original_target_stays(void **state)
{
	(void)state;
	assert_int_equal(ask_with(WEIR_PHASE_REQUEST, see_both_targets), 200);
	assert_memory_equal(received, "GET /new HTTP/1.1\r\n", 19);
}

static void
rewrite_too_late(struct weir_exchange *x)
{
	weir_set_path(x, "/late");
	weir_set_query(x, "late");
	weir_set_authority(x, "late.example");
	weir_set_field(x, WEIR_REQUEST, "Host", "late.example");
	weir_choose_route(x, NULL);
	assert_string_equal(weir_target(x), "/path?query");
	assert_string_equal(weir_request_field(x, "Host"), "example.com:8080");
}

static void
nothing_is_rewritten_after_that(void **state)
{
	const enum weir_phase phases[] = { WEIR_PHASE_PEER, WEIR_PHASE_CONNECTED, WEIR_PHASE_UPSTREAM_REQUEST,
		WEIR_PHASE_UPSTREAM_RESPONSE, WEIR_PHASE_STORE, WEIR_PHASE_RESPONSE, WEIR_PHASE_LOG };

	(void)state;
	for (unsigned i = 0; i < sizeof(phases) / sizeof(*phases); i++) {
		probed = 0;
		assert_int_equal(ask_with(phases[i], rewrite_too_late), 200);
		assert_memory_equal(received, "GET /path?query ", 16);
		assert_int_equal(refused(), 4 * (i + 1));
	}
}

static void
set_bad_path(struct weir_exchange *x)
{
	weir_set_path(x, bad_value);
}

static void
set_bad_query(struct weir_exchange *x)
{
	weir_set_query(x, bad_value);
}

static void
bad_targets_fail_the_request(void **state)
{
	static const char *const paths[] = { "", "relative", "/a b", "/a?b", "/a#b", "/a\r\nb", "/%zz",
		"/%00", "/../../etc", "/\xc3\xa9" };
	static const char *const queries[] = { "a b", "a#b", "a\r\nHost: b", "\x7f" };

	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
		bad_value = paths[i];
		if (ask_with(WEIR_PHASE_REQUEST, set_bad_path) != 500)
			fail_msg("the path \"%s\" was taken: %s", paths[i], received);
	}
	for (size_t i = 0; i < sizeof(queries) / sizeof(*queries); i++) {
		bad_value = queries[i];
		assert_int_equal(ask_with(WEIR_PHASE_REQUEST, set_bad_query), 500);
	}
}

/* --- responses ------------------------------------------------------------------------------------------ */

static int status_to_set;

static void
change_status(struct weir_exchange *x)
{
	weir_set_status(x, status_to_set);
}

static void
respond_so(struct weir_exchange *x)
{
	weir_respond(x, status_to_set, "text/plain", "body", 4);
	weir_set_response_field(x, "X-Mine", "1");
}

static void
fail_so(struct weir_exchange *x)
{
	weir_fail(x, status_to_set, "because %d", 7);
	assert_string_equal(weir_failure(x), "because 7");
}

static void
a_status_must_be_one(void **state)
{
	static const int bad[] = { -1, 0, 99, 100, 101, 199, 600, 1000 };

	(void)state;
	status_to_set = 299;
	assert_int_equal(ask_with(WEIR_PHASE_RESPONSE, change_status), 299);
	probe_verdict = WEIR_RESPOND;
	assert_int_equal(ask_with(WEIR_PHASE_ACCESS, respond_so), 299);
	assert_non_null(strstr(answer, "Content-Type: text/plain\r\n"));
	assert_non_null(strstr(answer, "X-Mine: 1\r\n"));
	assert_non_null(strstr(answer, "\r\n\r\nbody"));
	assert_string_equal(received, "");
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		status_to_set = bad[i];
		probe_verdict = WEIR_NEXT;
		assert_int_equal(ask_with(WEIR_PHASE_UPSTREAM_RESPONSE, change_status), 500);
		probe_verdict = WEIR_RESPOND;
		assert_int_equal(ask_with(WEIR_PHASE_ACCESS, respond_so), 500);
		probe_verdict = WEIR_FAIL;
		assert_int_equal(ask_with(WEIR_PHASE_ACCESS, fail_so), 500);
	}
	status_to_set = 429;
	assert_int_equal(ask_with(WEIR_PHASE_ACCESS, fail_so), 429);
}

static void
will_change(struct weir_exchange *x)
{
	weir_body_will_change(x, WEIR_RESPONSE);
}

static void
a_body_that_will_change_has_no_length(void **state)
{
	(void)state;
	probe_phase = WEIR_PHASE_RESPONSE;
	probe = will_change;
	assert_int_equal(ask("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"), 200);
	assert_null(strstr(answer, "Content-Length"));
	assert_non_null(strstr(answer, "Transfer-Encoding: chunked\r\n"));
	assert_non_null(strstr(answer, "\r\n\r\n2\r\nhi\r\n0\r\n\r\n"));
}

/* --- around it ------------------------------------------------------------------------------------------ */

static void
set_who_it_is(struct weir_exchange *x)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
	struct sockaddr nobody = { .sa_family = AF_UNIX };
	char text[64];

	assert_int_equal(inet_pton(AF_INET6, "2001:db8::7", &in6.sin6_addr), 1);
	weir_set_client_address(x, (const struct sockaddr *)&in6);
	weir_set_client_address(x, &nobody);	/* which tells nothing */
	assert_string_equal(weir_address_text(weir_client_address(x), text), "2001:db8::7");
	assert_string_equal(weir_address_text(weir_peer_address(x), text), "127.0.0.1");
	weir_set_scheme(x, "https");
	assert_string_equal(weir_scheme(x), "https");
}

static void
a_trusted_module_says_who_the_client_is(void **state)
{
	(void)state;
	assert_int_equal(ask_with(WEIR_PHASE_REQUEST, set_who_it_is), 200);
}

static void
set_bad_scheme(struct weir_exchange *x)
{
	weir_set_scheme(x, "javascript");
}

static void
a_scheme_is_one_of_two(void **state)
{
	(void)state;
	assert_int_equal(ask_with(WEIR_PHASE_REQUEST, set_bad_scheme), 500);
}

/* --- memory --------------------------------------------------------------------------------------------- */

static void (*hungry)(struct weir_exchange *);

static void
use_all_memory(struct weir_exchange *x)
{
	while (weir_alloc(x, 100000) != NULL)
		;
	while (weir_alloc(x, 16) != NULL)
		;
	x->refused_memory = false;		/* what follows must leave its own mark */
	hungry(x);
	assert_true(x->refused_memory);
}

static void
allocate(struct weir_exchange *x)
{
	assert_null(weir_alloc(x, 16));
}

static void
copy(struct weir_exchange *x)
{
	assert_null(weir_copy(x, "a text of a few bytes", 21));
}

static void
print(struct weir_exchange *x)
{
	assert_null(weir_printf(x, "%s", "a text of a few bytes"));
}

static void
set_path(struct weir_exchange *x)
{
	weir_set_path(x, "/a/path/of/a/few/bytes");
}

static void
set_query(struct weir_exchange *x)
{
	weir_set_query(x, "a=query&of=a&few=bytes");
}

static void
set_authority(struct weir_exchange *x)
{
	weir_set_authority(x, "an.authority.of.a.few.bytes");
}

static void
set_field(struct weir_exchange *x)
{
	weir_set_field(x, WEIR_REQUEST, "X-A", "a value of a few bytes");
}

static void
add_field(struct weir_exchange *x)
{
	weir_add_field(x, WEIR_REQUEST, "X-A", "a value of a few bytes");
}

/* Whatever found no memory, the request is answered, and the hook need not look. */
static void
without_memory_the_answer_is_503(void **state)
{
	static void (*const all[])(struct weir_exchange *) = {
		allocate, copy, print, set_path, set_query, set_authority, set_field, add_field,
	};

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		hungry = all[i];
		assert_int_equal(ask_with(WEIR_PHASE_REQUEST, use_all_memory), 503);
		assert_int_equal(threads_count(&still, COUNT_MEMORY_REFUSED), i + 1);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE(a_module_sees_the_request),
		SCENE(fields_are_walked_over),
		SCENE(a_list_of_fields_is_removed_in_one_walk),
		SCENE(a_module_sees_the_response),
		SCENE(bytes_are_counted_both_ways),
		SCENE(each_module_has_its_structs_and_metrics),
		SCENE(framing_fields_are_the_cores),
		SCENE(fields_are_set_added_and_removed),
		SCENE(bad_names_and_values_fail_the_request),
		SCENE(the_log_names_the_module),
		SCENE(a_value_of_null_is_counted_and_does_nothing),
		SCENE(a_message_that_is_not_there_cannot_be_edited),
		SCENE(host_is_one_and_is_the_authority),
		SCENE(the_origin_may_see_another_host),
		SCENE(a_bad_host_fails_the_request),
		SCENE(a_request_may_be_rewritten_before_a_peer_is_chosen),
		SCENE(it_is_not_rewritten_for_ever),
		SCENE(the_original_target_stays),
		SCENE(nothing_is_rewritten_after_that),
		SCENE(bad_targets_fail_the_request),
		SCENE(a_status_must_be_one),
		SCENE(a_body_that_will_change_has_no_length),
		SCENE(a_trusted_module_says_who_the_client_is),
		SCENE(a_scheme_is_one_of_two),
		SCENE(without_memory_the_answer_is_503),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
