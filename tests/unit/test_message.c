/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenes for messages: field lists as they are found, edited and stripped, methods and phrases.
 */
#include "server/arena.h"
#include "server/message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static struct arena arena;
static struct fields fields;

static int
begin(void **state)
{
	(void)state;
	arena_init(&arena, NULL, 0);
	fields_init(&fields, &arena);
	return 0;
}

static int
end(void **state)
{
	(void)state;
	arena_free(&arena);
	return 0;
}

static void
add(const char *name, const char *value)
{
	assert_true(fields_add(&fields, name, strlen(name), value, strlen(value)));
}

/* The whole list in one line: "A=1 B=2". */
static const char *
shown(void)
{
	static char text[1024];
	size_t length = 0;

	text[0] = '\0';
	for (unsigned i = 0; i < fields.count; i++) {
		assert_int_equal(strlen(fields.list[i].value), fields.list[i].value_length);
		assert_int_equal(strlen(fields.list[i].name), fields.list[i].name_length);
		length += (size_t)snprintf(text + length, sizeof(text) - length, "%s%s=%s", i > 0 ? " " : "",
			fields.list[i].name, fields.list[i].value);
		assert_true(length < sizeof(text));
	}
	return text;
}

static void
names_have_ids_in_any_case(void **state)
{
	static const struct {
		const char *name;
		enum field_id id;
	} known[] = {
		{ "Connection", FIELD_CONNECTION }, { "Content-Length", FIELD_CONTENT_LENGTH }, { "Date", FIELD_DATE },
		{ "Expect", FIELD_EXPECT }, { "Host", FIELD_HOST }, { "Keep-Alive", FIELD_KEEP_ALIVE },
		{ "Proxy-Authenticate", FIELD_PROXY_AUTHENTICATE }, { "Server", FIELD_SERVER },
		{ "Proxy-Authorization", FIELD_PROXY_AUTHORIZATION }, { "Proxy-Connection", FIELD_PROXY_CONNECTION },
		{ "TE", FIELD_TE }, { "Trailer", FIELD_TRAILER }, { "Transfer-Encoding", FIELD_TRANSFER_ENCODING },
		{ "Upgrade", FIELD_UPGRADE }, { "hOST", FIELD_HOST }, { "CONTENT-LENGTH", FIELD_CONTENT_LENGTH },
		{ "te", FIELD_TE }, { "T", FIELD_OTHER }, { "", FIELD_OTHER }, { "Hosts", FIELD_OTHER },
		{ "Hosh", FIELD_OTHER }, { "Content_Length", FIELD_OTHER }, { "X-Forwarded-For", FIELD_OTHER },
		{ "A-Name-Longer-Than-Any-Known-One", FIELD_OTHER },
	};
	bool hit[FIELD_IDS] = { false };

	(void)state;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		assert_int_equal(field_identify(known[i].name, strlen(known[i].name)), known[i].id);
		hit[known[i].id] = true;
	}
	for (int id = 0; id < FIELD_IDS; id++)
		assert_true(hit[id]);
}

static void
fields_are_found_by_name_and_by_id(void **state)
{
	unsigned from = 0;

	(void)state;
	assert_null(fields_find(&fields, "Accept", 6, NULL));
	add("Accept", "a");
	add("Host", "h");
	add("accept", "b");
	assert_string_equal(fields_find(&fields, "ACCEPT", 6, NULL)->value, "a");
	assert_string_equal(fields_find(&fields, "host", 4, NULL)->value, "h");
	assert_string_equal(fields_find_id(&fields, FIELD_HOST)->value, "h");
	assert_null(fields_find_id(&fields, FIELD_DATE));
	assert_null(fields_find(&fields, "Accepts", 7, NULL));
	assert_string_equal(fields_find(&fields, "accept", 6, &from)->value, "a");
	assert_string_equal(fields_find(&fields, "accept", 6, &from)->value, "b");
	assert_null(fields_find(&fields, "accept", 6, &from));
	assert_null(fields_find(&fields, "accept", 6, &from));
}

static void
setting_replaces_the_first_and_drops_the_others(void **state)
{
	(void)state;
	assert_true(fields_set(&fields, "A", 1, "0", 1));
	add("B", "1");
	add("a", "2");
	add("Date", "3");
	add("A", "4");
	assert_true(fields_set(&fields, "a", 1, "new", 3));
	assert_string_equal(shown(), "A=new B=1 Date=3");
	assert_true(fields_set(&fields, "date", 4, "", 0));
	assert_string_equal(shown(), "A=new B=1 Date=");
	assert_true(fields_set(&fields, "C", 1, "5", 1));
	assert_string_equal(shown(), "A=new B=1 Date= C=5");
}

static void
removing_keeps_the_order_of_the_others(void **state)
{
	(void)state;
	add("A", "1");
	add("Upgrade", "2");
	add("B", "3");
	add("a", "4");
	add("upgrade", "5");
	add("C", "6");
	assert_int_equal(fields_remove(&fields, "A", 1), 2);
	assert_string_equal(shown(), "Upgrade=2 B=3 upgrade=5 C=6");
	assert_int_equal(fields_remove_id(&fields, FIELD_UPGRADE), 2);
	assert_string_equal(shown(), "B=3 C=6");
	assert_int_equal(fields_remove(&fields, "Upgrade", 7), 0);
}

static void
a_list_grows_to_its_bound_and_fails_in_order(void **state)
{
	struct arena little;
	unsigned count = 0;

	(void)state;
	for (unsigned i = 0; i < UINT16_MAX; i++)
		assert_true(fields_add(&fields, "N", 1, "v", 1));
	assert_false(fields_add(&fields, "N", 1, "v", 1));
	assert_false(fields_set(&fields, "M", 1, "v", 1));
	assert_int_equal(fields.count, UINT16_MAX);

	arena_init(&little, NULL, 2000);
	fields_init(&fields, &little);
	while (fields_add(&fields, "N", 1, "v", 1))
		count++;
	assert_true(count > 0 && fields.count == count);
	arena_free(&little);
}

static void
names_too_long_for_a_field_are_refused(void **state)
{
	char *name;

	(void)state;
	assert_non_null(name = arena_zalloc(&arena, 65537));
	memset(name, 'n', 65536);
	assert_false(fields_add(&fields, name, 65536, "", 0));
	name[65535] = '\0';
	assert_true(fields_add(&fields, name, 65535, "", 0));
}

static void
hop_by_hop_fields_are_stripped_from_a_request(void **state)
{
	const char *why;

	(void)state;
	add("Host", "h");
	add("Connection", "close, X-Hop ,te");
	add("x-hop", "1");
	add("Keep-Alive", "timeout=5");
	add("Proxy-Connection", "keep-alive");
	add("TE", "trailers");
	add("Trailer", "X-Sum");
	add("Transfer-Encoding", "chunked");
	add("Upgrade", "h2c");
	add("Connection", "Other, absent");
	add("Other", "2");
	add("Proxy-Authorization", "Basic x");
	add("Proxy-Authenticate", "Basic");
	add("X-Hope", "3");
	assert_true(fields_strip_hop_by_hop(&fields, true, &why));
	assert_string_equal(shown(), "Host=h Trailer=X-Sum Proxy-Authorization=Basic x Proxy-Authenticate=Basic X-Hope=3");
}

static void
hop_by_hop_fields_are_stripped_from_a_response(void **state)
{
	const char *why;

	(void)state;
	add("Proxy-Authorization", "Basic x");
	add("Proxy-Authenticate", "Basic");
	add("Connection", "");
	add("Date", "now");
	assert_true(fields_strip_hop_by_hop(&fields, false, &why));
	assert_string_equal(shown(), "Proxy-Authorization=Basic x Date=now");
}

static void
nominating_what_others_rely_on_is_refused_and_changes_nothing(void **state)
{
	static const char *const nominations[] = {
		"Host", "x-forwarded-for", "X-FORWARDED-", "Forwarded", "Via", "Content-Length", "content-type",
		"Authorization", "Cookie", "Set-Cookie", "Cache-Control", "close, Host", "X-Real-IP",
		"not a token", "close;q=1", "\"close\"",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(nominations) / sizeof(nominations[0]); i++) {
		const char *why = NULL;

		fields_init(&fields, &arena);
		add("Host", "h");
		add("Connection", "X-Hop");
		add("X-Hop", "1");
		add("Connection", nominations[i]);
		assert_false(fields_strip_hop_by_hop(&fields, true, &why));
		assert_non_null(why);
		assert_int_equal(fields.count, 4);
	}
}

static void
nominations_are_bounded(void **state)
{
	char list[200] = "";
	const char *why = NULL;

	(void)state;
	for (int i = 0; i < 32; i++)
		strcat(list, "x,");
	add("Connection", list);
	assert_true(fields_strip_hop_by_hop(&fields, true, &why));
	strcat(list, "x,");
	add("Connection", list);
	assert_false(fields_strip_hop_by_hop(&fields, true, &why));
	assert_string_equal(why, "Connection nominates too many fields");
}

static void
methods_are_known_by_their_exact_names(void **state)
{
	static const struct {
		const char *name;
		enum method method;
		bool safe, idempotent;
	} known[] = {
		{ "GET", METHOD_GET, true, true }, { "HEAD", METHOD_HEAD, true, true },
		{ "POST", METHOD_POST, false, false }, { "PUT", METHOD_PUT, false, true },
		{ "DELETE", METHOD_DELETE, false, true }, { "CONNECT", METHOD_CONNECT, false, false },
		{ "OPTIONS", METHOD_OPTIONS, true, true }, { "TRACE", METHOD_TRACE, true, true },
		{ "PATCH", METHOD_PATCH, false, false }, { "get", METHOD_OTHER, false, false },
		{ "PROPFIND", METHOD_OTHER, false, false }, { "", METHOD_OTHER, false, false },
		{ "GETS", METHOD_OTHER, false, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		enum method method = method_identify(known[i].name, strlen(known[i].name));

		assert_int_equal(method, known[i].method);
		assert_int_equal(method_is_safe(method), known[i].safe);
		assert_int_equal(method_is_idempotent(method), known[i].idempotent);
	}
}

static void
status_codes_have_their_registered_phrases(void **state)
{
	(void)state;
	assert_string_equal(status_reason(100), "Continue");
	assert_string_equal(status_reason(103), "Early Hints");
	assert_string_equal(status_reason(200), "OK");
	assert_string_equal(status_reason(304), "Not Modified");
	assert_string_equal(status_reason(431), "Request Header Fields Too Large");
	assert_string_equal(status_reason(504), "Gateway Timeout");
	for (int status = -1000; status < 2000; status++)
		assert_non_null(status_reason(status));
	assert_string_equal(status_reason(99), "Unknown");
	assert_string_equal(status_reason(306), "Unknown");
	assert_string_equal(status_reason(418), "Unknown");
	assert_string_equal(status_reason(600), "Unknown");
}

static void
empty_messages_can_be_printed(void **state)
{
	struct request request;
	struct response response;

	(void)state;
	request_init(&request, &arena);
	response_init(&response, &arena);
	assert_string_equal(request.method_name, "");
	assert_string_equal(request.path, "");
	assert_string_equal(request.authority, "");
	assert_string_equal(request.host, "");
	assert_string_equal(response.reason, "");
	assert_int_equal(request.port, -1);
}

#define SCENE(name) cmocka_unit_test_setup_teardown(name, begin, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE(names_have_ids_in_any_case),
		SCENE(fields_are_found_by_name_and_by_id),
		SCENE(setting_replaces_the_first_and_drops_the_others),
		SCENE(removing_keeps_the_order_of_the_others),
		SCENE(a_list_grows_to_its_bound_and_fails_in_order),
		SCENE(names_too_long_for_a_field_are_refused),
		SCENE(hop_by_hop_fields_are_stripped_from_a_request),
		SCENE(hop_by_hop_fields_are_stripped_from_a_response),
		SCENE(nominating_what_others_rely_on_is_refused_and_changes_nothing),
		SCENE(nominations_are_bounded),
		SCENE(methods_are_known_by_their_exact_names),
		SCENE(status_codes_have_their_registered_phrases),
		SCENE(empty_messages_can_be_printed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
