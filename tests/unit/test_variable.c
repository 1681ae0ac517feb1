/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenes for variables: each has a value or is written as "-", in every phase, and a template is its pieces
 * in their order.
 *
 * Probes run inside a hook of a real exchange (exchange_scenes.h).
 */
#include "exchange_scenes.h"
#include "server/template.h"

#include <regex.h>

static const struct variable *
find_variable(const char *name)
{
	for (const struct variable *v = variables; v->name != NULL; v++)
		if (strcmp(v->name, name) == 0)
			return v;
	fail_msg("there is no variable %s", name);
	return NULL;
}

static const char *
expand(struct weir_exchange *x, const struct template_piece *pieces, size_t count)
{
	const struct weir_template template = { .pieces = pieces, .count = count };

	return weir_expand(x, &template);
}

static const char *
value_of(struct weir_exchange *x, const char *name)
{
	const struct template_piece piece = { .kind = TEMPLATE_CORE, .value = find_variable(name)->value };

	return expand(x, &piece, 1);
}

/* What each variable should look like now: name, pattern, name, pattern … */
static void
assert_values(struct weir_exchange *x, const char *const *expected)
{
	unsigned count = 0, all = 0;

	for (; *expected != NULL; expected += 2, count++) {
		const char *value = value_of(x, expected[0]);
		char pattern[128];
		regex_t regex;

		assert_non_null(value);
		snprintf(pattern, sizeof(pattern), "^(%s)$", expected[1]);
		assert_int_equal(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB), 0);
		if (regexec(&regex, value, 0, NULL, 0) != 0)
			fail_msg("%s is \"%s\", not like %s", expected[0], value, expected[1]);
		regfree(&regex);
	}
	while (variables[all].name != NULL)
		all++;
	assert_int_equal(count, all);		/* a new variable wants a line in each scene */
}

#define LOOPBACK "127\\.0\\.0\\.1"
#define PORT "[1-9][0-9]{0,4}"
#define NONE "-"

/* What there is of TLS on a connection without. */
#define PLAIN "tls_version", NONE, "tls_cipher", NONE, "tls_name", NONE, "tls_section", NONE, "tls_resumed", NONE, \
	"client_subject", NONE, "client_fingerprint", NONE

static void
see_a_request_that_has_just_come(struct weir_exchange *x)
{
	static const char *const expected[] = {
		"client_address", LOOPBACK, "client_port", PORT, "peer_address", LOOPBACK,
		"local_address", LOOPBACK, "local_port", PORT, "listener", "web", PLAIN, "method", "GET",
		"scheme", "http", "authority", "example\\.com:8080", "host", "example\\.com", "port", "8080",
		"target", "/path\\?query", "path", "/path", "query", "query", "version", "HTTP/1\\.1",
		"status", NONE, "route", NONE, "upstream", NONE, "server", NONE, "attempts", "0",
		"bytes_received", "0", "bytes_sent", "0", "elapsed", "[0-9]+\\.[0-9]{3}",
		"time", "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z",
		"request_id", "[0-9a-f]{32}", "failure", NONE, NULL
	};

	assert_values(x, expected);
}

static void
a_request_that_has_just_come(void **state)
{
	(void)state;
	assert_int_equal(ask_with(WEIR_PHASE_REQUEST, see_a_request_that_has_just_come), 200);
}

static void
see_a_request_that_was_served(struct weir_exchange *x)
{
	static const char *const expected[] = {
		"client_address", LOOPBACK, "client_port", PORT, "peer_address", LOOPBACK,
		"local_address", LOOPBACK, "local_port", PORT, "listener", "web", PLAIN, "method", "GET",
		"scheme", "http", "authority", "example\\.com:8080", "host", "example\\.com", "port", "8080",
		"target", "/path\\?query", "path", "/path", "query", "query", "version", "HTTP/1\\.1",
		"status", "200", "route", "all", "upstream", "api", "server", LOOPBACK ":" PORT,
		"attempts", "1", "bytes_received", "0", "bytes_sent", "2", "elapsed", "[0-9]+\\.[0-9]{3}",
		"time", "[0-9T:-]{19}Z", "request_id", "[0-9a-f]{32}", "failure", NONE, NULL
	};

	assert_values(x, expected);
}

static void
a_request_that_was_served(void **state)
{
	(void)state;
	assert_int_equal(ask_with(WEIR_PHASE_LOG, see_a_request_that_was_served), 200);
}

/* Nothing is known of it but that it came. */
static void
see_a_request_that_could_not_be_read(struct weir_exchange *x)
{
	static const char *const expected[] = {
		"client_address", LOOPBACK, "client_port", PORT, "peer_address", LOOPBACK,
		"local_address", LOOPBACK, "local_port", PORT, "listener", "web", PLAIN, "method", "",
		"scheme", "http", "authority", "", "host", "", "port", "80", "target", "", "path", "",
		"query", NONE, "version", "HTTP/1\\.[01]", "status", "400", "route", NONE, "upstream", NONE,
		"server", NONE, "attempts", "0", "bytes_received", "0", "bytes_sent", "[1-9][0-9]*",
		"elapsed", "[0-9]+\\.[0-9]{3}", "time", "[0-9T:-]{19}Z", "request_id", "[0-9a-f]{32}",
		"failure", ".+", NULL
	};

	assert_values(x, expected);
}

static void
a_request_that_could_not_be_read(void **state)
{
	(void)state;
	probe_phase = WEIR_PHASE_LOG;
	probe = see_a_request_that_could_not_be_read;
	assert_int_equal(ask("GET / / HTTP/1.1\r\n\r\n"), 400);
	UNTIL(probed == 1);
}

static void
see_what_a_module_said(struct weir_exchange *x)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };

	assert_int_equal(inet_pton(AF_INET6, "2001:db8::7", &in6.sin6_addr), 1);
	weir_set_client_address(x, (const struct sockaddr *)&in6);
	weir_set_scheme(x, "https");
	weir_set_authority(x, "plain.example");
	assert_string_equal(value_of(x, "client_address"), "2001:db8::7");
	assert_string_equal(value_of(x, "client_port"), "0");
	assert_string_equal(value_of(x, "peer_address"), "127.0.0.1");
	assert_string_equal(value_of(x, "scheme"), "https");
	assert_string_equal(value_of(x, "port"), "443");
	assert_string_equal(value_of(x, "authority"), "plain.example");
}

static void
what_a_trusted_module_said_counts(void **state)
{
	(void)state;
	assert_int_equal(ask_with(WEIR_PHASE_REQUEST, see_what_a_module_said), 200);
}

static char request_id[64];

static void
keep_the_id(struct weir_exchange *x)
{
	const char *id = value_of(x, "request_id");

	if (probe_phase == WEIR_PHASE_LOG) {
		assert_string_equal(id, request_id);
		return;
	}
	assert_string_not_equal(id, request_id);	/* of the request before */
	strcpy(request_id, id);
	probe_phase = WEIR_PHASE_LOG;
}

static void
the_request_id_is_one_throughout_a_request(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(ask_with(WEIR_PHASE_REQUEST, keep_the_id), 200);
		UNTIL(probed == 2);
	}
}

/* --- templates ------------------------------------------------------------------------------------------ */

static const char *
ask_us(struct weir_exchange *x, const void *settings, void *state)
{
	const struct scene_state *own = state;

	assert_string_equal(settings, "settings");
	return own->seen > 100 ? NULL : weir_printf(x, "seen %u", own->seen);
}

static const struct weir_variable ours = { "scene_seen", ask_us, "How many hooks have run." };

static void
expand_all_kinds(struct weir_exchange *x)
{
	const struct template_piece pieces[] = {
		{ .kind = TEMPLATE_LITERAL, .text = "<", .length = 1 },
		{ .kind = TEMPLATE_CORE, .value = find_variable("method")->value },
		{ .kind = TEMPLATE_LITERAL, .text = "|", .length = 1 },
		{ .kind = TEMPLATE_FIELD, .text = "x-b", .message = WEIR_REQUEST },
		{ .kind = TEMPLATE_FIELD, .text = "x-none", .message = WEIR_REQUEST },
		{ .kind = TEMPLATE_FIELD, .text = "x-b", .message = WEIR_UPSTREAM_REQUEST },
		{ .kind = TEMPLATE_FIELD, .text = "x-b", .message = WEIR_RESPONSE },
		{ .kind = TEMPLATE_LITERAL, .text = "|", .length = 1 },
		{ .kind = TEMPLATE_MODULE, .variable = &ours, .slot = 0 },
		{ .kind = TEMPLATE_LITERAL, .text = ">", .length = 1 },
	};
	const struct hook *before = x->hook;
	struct scene_state *own = weir_request_state(x);

	assert_string_equal(expand(x, pieces, 10), "<GET|2---|seen 1>");
	assert_ptr_equal(x->hook, before);
	own->seen = 101;
	assert_string_equal(expand(x, pieces + 8, 1), "-");
	assert_string_equal(expand(x, pieces, 0), "");
}

static void
a_template_is_its_pieces_in_order(void **state)
{
	(void)state;
	assert_int_equal(ask_with(WEIR_PHASE_REQUEST, expand_all_kinds), 200);
}

static void
expand_without_memory(struct weir_exchange *x)
{
	const struct template_piece pieces[] = {
		{ .kind = TEMPLATE_LITERAL, .text = "literal", .length = 7 },
		{ .kind = TEMPLATE_CORE, .value = find_variable("request_id")->value },
		{ .kind = TEMPLATE_CORE, .value = find_variable("client_address")->value },
	};
	size_t limit = x->arena.limit;

	for (size_t room = 0; room < 400; room += 8) {
		const char *text;

		x->arena.limit = x->arena.used + room;
		x->refused_memory = false;
		text = expand(x, pieces, 3);
		assert_true(text != NULL || x->refused_memory);
	}
	x->arena.limit = limit;
	x->refused_memory = true;
}

static void
without_memory_there_is_no_text(void **state)
{
	(void)state;
	assert_int_equal(ask_with(WEIR_PHASE_REQUEST, expand_without_memory), 503);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE(a_request_that_has_just_come),
		SCENE(a_request_that_was_served),
		SCENE(a_request_that_could_not_be_read),
		SCENE(what_a_trusted_module_said_counts),
		SCENE(the_request_id_is_one_throughout_a_request),
		SCENE(a_template_is_its_pieces_in_order),
		SCENE(without_memory_there_is_no_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
