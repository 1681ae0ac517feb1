/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenes for accesslog against a fake core: the lines of its formats, byte for byte, and the life of its files
 * through checks, reloads and USR1.
 */
#include <weir/module.h>

#include "file.h"
#include "format.h"

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

extern const struct weir_module accesslog_LTX_weir_module;
static const struct weir_module *const module = &accesslog_LTX_weir_module;

/* --- the fake core -------------------------------------------------------------------------------------- */

struct weir_route {
	const char *name;
	void *settings;
};

struct weir_template {
	char name[32];
};

struct weir_build {
	void *memory[64];
	unsigned pieces, errors;
	bool only_check;
	void *settings;			/* of the module's section */
	struct weir_route routes[4];
	size_t route_count;
	char error[200];
};

struct weir_exchange {
	void *generation;
	struct accesslog_clock clock;
	struct sockaddr_storage client;
	const char *method, *target, *host, *referer, *user_agent, *failure, *variable;
	const struct weir_route *route;
	int version, status;
	uint64_t sent, received, elapsed;
	unsigned attempts, thread;
	int64_t counts[4];
};

static int64_t now = 1795377600;	/* 2026-11-22T20:00:00Z */

void *
weir_build_alloc(struct weir_build *build, size_t count, size_t size)
{
	assert_true(build->pieces < 64);
	return build->memory[build->pieces++] = calloc(count, size);
}

const char *
weir_build_printf(struct weir_build *build, const char *format, ...)
{
	char *text = weir_build_alloc(build, 1, 200);
	va_list list;

	va_start(list, format);
	vsnprintf(text, 200, format, list);
	va_end(list);
	return text;
}

void
weir_build_error(struct weir_build *build, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	vsnprintf(build->error, sizeof(build->error), format, list);
	va_end(list);
	build->errors++;
}

/* It knows one variable, ${variable}. */
const struct weir_template *
weir_build_template(struct weir_build *build, const char *text)
{
	if (strcmp(text, "${variable}") == 0)
		return weir_build_alloc(build, 1, sizeof(struct weir_template));
	weir_build_error(build, "unknown variable in %s", text);
	return NULL;
}

const char *
weir_expand(struct weir_exchange *x, const struct weir_template *template)
{
	(void)template;
	return x->variable;
}

bool
weir_build_is_check(const struct weir_build *build)
{
	return build->only_check;
}

unsigned
weir_build_threads(const struct weir_build *build)
{
	(void)build;
	return 2;
}

size_t
weir_build_routes(const struct weir_build *build)
{
	return build->route_count;
}

const struct weir_route *
weir_build_route(const struct weir_build *build, size_t index)
{
	return &build->routes[index];
}

const void *
weir_build_route_settings(const struct weir_build *build, const struct weir_route *route)
{
	(void)build;
	return route->settings;
}

void
weir_build_at_route(struct weir_build *build, const struct weir_route *route)
{
	(void)build;
	(void)route;
}

const void *
weir_build_settings(const struct weir_build *build)
{
	return build->settings;
}

const char *
weir_route_name(const struct weir_route *route)
{
	return route->name;
}

const char *
weir_upstream_name(const struct weir_upstream *upstream)
{
	return (const char *)upstream;
}

const char *
weir_server_name(const struct weir_server *server)
{
	return (const char *)server;
}

#define GETTER(type, name, value) \
	type weir_##name(struct weir_exchange *); \
	type \
	weir_##name(struct weir_exchange *x) \
	{ \
		return value; \
	}

GETTER(void *, generation_state, x->generation)
GETTER(void *, thread_state, &x->clock)
GETTER(unsigned, thread_number, x->thread)
GETTER(const char *, method, x->method)
GETTER(const char *, original_target, x->target)
GETTER(const char *, host, x->host)
GETTER(int, version, x->version)
GETTER(int, status, x->status)
GETTER(uint64_t, bytes_sent, x->sent)
GETTER(uint64_t, bytes_received, x->received)
GETTER(uint64_t, elapsed, x->elapsed)
GETTER(unsigned, attempts, x->attempts)
GETTER(const char *, failure, x->failure)
GETTER(const struct weir_route *, route, x->route)
GETTER(const struct sockaddr *, client_address, (const struct sockaddr *)&x->client)
GETTER(const struct weir_server *, server, x->attempts > 0 ? (const struct weir_server *)"10.0.0.1:80" : NULL)
GETTER(const struct weir_upstream *, upstream, (const struct weir_upstream *)(x->attempts > 0 ? "api" : ""))

const char *
weir_field(struct weir_exchange *x, enum weir_message message, const char *name)
{
	assert_int_equal(message, WEIR_REQUEST);
	return strcmp(name, "Referer") == 0 ? x->referer : x->user_agent;
}

const char *
weir_address_text(const struct sockaddr *address, char to[64])
{
	if (address->sa_family == AF_INET6)
		inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr, to, 64);
	else
		strcpy(to, "unix:");
	return to;
}

void
weir_count(struct weir_exchange *x, unsigned metric, int64_t amount)
{
	x->counts[metric] += amount;
}

unsigned
weir_thread_index(const struct weir_thread *thread)
{
	return (unsigned)(uintptr_t)thread;
}

int64_t
weir_time(void)
{
	return now;
}

void
weir_log(enum weir_level level, const char *format, ...)
{
	(void)level;
	(void)format;
}

/* --- a stage: a folder, a generation -------------------------------------------------------------------- */

static char folder[] = "/tmp/test_accesslog.XXXXXX";
static char path[64], other[64];

static int
make_folder(void **state)
{
	(void)state;
	setenv("TZ", "UTC", 1);
	tzset();
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/a", folder);
	snprintf(other, sizeof(other), "%s/b", folder);
	return 0;
}

static int
empty_folder(void **state)
{
	(void)state;
	unlink(path);
	unlink(other);
	return 0;
}

static int
remove_folder(void **state)
{
	(void)state;
	return rmdir(folder);
}

struct stage {
	struct weir_build build;
	void *generation;
};

/* Read one option into the settings; what is wrong with it is an error of the build. */
static void
set_option(struct stage *stage, void *settings, const char *name, const char *text)
{
	const struct weir_option *option = module->options;
	const char *why;

	while (strcmp(option->name, name) != 0)
		option++;
	why = option->parse(&stage->build, text, (char *)settings + option->offset);
	if (why != NULL)
		weir_build_error(&stage->build, "%s", why);
}

static void *
settings_with(struct stage *stage, const char *file, const char *format, int escape)
{
	void *settings = weir_build_alloc(&stage->build, 1, module->settings_size);
	const struct weir_option *option = module->options;

	set_option(stage, settings, "file", file);
	set_option(stage, settings, "format", format);
	while (strcmp(option->name, "escape") != 0)
		option++;
	*(int *)(void *)((char *)settings + option->offset) = escape;
	return settings;
}

static void
build(struct stage *stage, const struct stage *previous)
{
	stage->generation = calloc(1, module->generation_size);
	assert_non_null(stage->generation);
	module->build(&stage->build, stage->generation, previous != NULL ? previous->generation : NULL);
}

static void
drop(struct stage *stage)
{
	if (stage->generation != NULL)
		module->drop(stage->generation);
	free(stage->generation);
	while (stage->build.pieces > 0)
		free(stage->build.memory[--stage->build.pieces]);
}

static struct weir_exchange
request(const struct stage *stage)
{
	static const struct weir_route site = { .name = "site" };
	struct weir_exchange x = {
		.generation = stage->generation, .method = "GET", .target = "/a?b=c", .host = "example.com", .version = 11,
		.status = 200, .sent = 1234, .received = 5, .elapsed = 12345678, .attempts = 1, .route = &site,
	};
	struct sockaddr_in *client = (struct sockaddr_in *)&x.client;

	client->sin_family = AF_INET;
	inet_pton(AF_INET, "192.0.2.7", &client->sin_addr);
	return x;
}

static void
log_it(struct weir_exchange *x, const void *settings)
{
	assert_int_equal(module->hooks[WEIR_PHASE_LOG](x, settings, NULL), WEIR_NEXT);
}

static const char *
content(const char *name)
{
	static char text[200000];
	FILE *stream = fopen(name, "r");
	size_t length;

	assert_non_null(stream);
	length = fread(text, 1, sizeof(text) - 1, stream);
	fclose(stream);
	text[length] = '\0';
	return text;
}

/* The line of one request in this format. */
static const char *
line_of(struct weir_exchange *x, const char *format, int escape)
{
	struct stage stage = { .generation = NULL };

	unlink(path);
	stage.build.settings = settings_with(&stage, path, format, escape);
	build(&stage, NULL);
	assert_int_equal(stage.build.errors, 0);
	x->generation = stage.generation;
	log_it(x, stage.build.settings);
	drop(&stage);
	return content(path);
}

/* --- formats -------------------------------------------------------------------------------------------- */

static void
combined_is_what_others_call_so(void **state)
{
	struct stage none = { .generation = NULL };
	struct weir_exchange x = request(&none);

	(void)state;
	assert_string_equal(line_of(&x, "combined", 0),
		"192.0.2.7 - - [22/Nov/2026:20:00:00 +0000] \"GET /a?b=c HTTP/1.1\" 200 1234 \"-\" \"-\"\n");
	x.referer = "https://example.org/?q=\"x\"";
	x.user_agent = "curl\\7\x1b[2J\n6.6.6.6 - - forged";
	x.version = 20;
	assert_string_equal(line_of(&x, "combined", 0),
		"192.0.2.7 - - [22/Nov/2026:20:00:00 +0000] \"GET /a?b=c HTTP/2.0\" 200 1234 "
		"\"https://example.org/?q=\\x22x\\x22\" \"curl\\x5C7\\x1B[2J\\x0A6.6.6.6 - - forged\"\n");
}

static void
what_could_not_be_read_has_a_line_too(void **state)
{
	struct stage none = { .generation = NULL };
	struct weir_exchange x = request(&none);

	(void)state;
	x.method = x.target = x.host = "";
	x.route = NULL;
	x.attempts = 0;
	x.status = 400;
	x.sent = x.received = 0;
	x.failure = "a bare LF ends a line";
	((struct sockaddr *)&x.client)->sa_family = AF_UNIX;
	assert_string_equal(line_of(&x, "combined", 0), "unix: - - [22/Nov/2026:20:00:00 +0000] \"-\" 400 0 \"-\" \"-\"\n");
	assert_string_equal(line_of(&x, "json", 0),
		"{\"time\":\"2026-11-22T20:00:00+00:00\",\"client\":\"unix:\",\"method\":null,\"target\":null,"
		"\"version\":null,\"status\":400,\"bytes_sent\":0,\"bytes_received\":0,\"duration_ms\":12.345,"
		"\"host\":null,\"route\":null,\"upstream\":null,\"server\":null,\"attempts\":0,"
		"\"referer\":null,\"user_agent\":null,\"failure\":\"a bare LF ends a line\"}\n");
	x.status = 0;
	assert_non_null(strstr(line_of(&x, "combined", 0), "\"-\" 000 0"));
}

static void
json_says_all_of_it(void **state)
{
	struct stage none = { .generation = NULL };
	struct weir_exchange x = request(&none);
	struct sockaddr_in6 *client = (struct sockaddr_in6 *)&x.client;

	(void)state;
	client->sin6_family = AF_INET6;
	inet_pton(AF_INET6, "2001:db8::7", &client->sin6_addr);
	x.referer = "gr\xc3\xbc\xc3\x9f\xff";
	x.user_agent = "a\"},{\"b";
	assert_string_equal(line_of(&x, "json", 0),
		"{\"time\":\"2026-11-22T20:00:00+00:00\",\"client\":\"2001:db8::7\",\"method\":\"GET\",\"target\":\"/a?b=c\","
		"\"version\":\"1.1\",\"status\":200,\"bytes_sent\":1234,\"bytes_received\":5,\"duration_ms\":12.345,"
		"\"host\":\"example.com\",\"route\":\"site\",\"upstream\":\"api\",\"server\":\"10.0.0.1:80\",\"attempts\":1,"
		"\"referer\":\"gr\xc3\xbc\xc3\x9f\\u00FF\",\"user_agent\":\"a\\\"},{\\\"b\",\"failure\":null}\n");
}

static void
a_format_of_ones_own_escapes_values_only(void **state)
{
	struct stage none = { .generation = NULL };
	struct weir_exchange x = request(&none);

	(void)state;
	x.variable = "a\"b\nc\xc3\xbc";
	assert_string_equal(line_of(&x, "\"${variable}\" costs $$5 \\", 0), "\"a\\x22b\\x0Ac\\xC3\\xBC\" costs $5 \\\n");
	assert_string_equal(line_of(&x, "{\"v\":\"${variable}\"}", 1), "{\"v\":\"a\\\"b\\u000Ac\xc3\xbc\"}\n");
	assert_string_equal(line_of(&x, "", 0), "\n");
	x.variable = NULL;
	assert_string_equal(line_of(&x, "${variable}", 0), "\n");
}

static void
a_variable_that_nobody_knows_is_an_error(void **state)
{
	static const char *const bad[] = { "${no}", "${variable", "$", "$x and more", "a $", "${}" };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct stage stage = { .generation = NULL };

		settings_with(&stage, "off", bad[i], 0);
		assert_int_equal(stage.build.errors, 1);
		drop(&stage);
	}
}

static void
the_longest_request_still_makes_a_whole_line(void **state)
{
	static const char *const formats[] = { "combined", "json", "${variable}${variable}${variable}${variable}${variable}" };
	struct stage none = { .generation = NULL };
	struct weir_exchange x = request(&none);
	char *huge = malloc(100001);

	(void)state;
	memset(huge, 0xff, 100000);
	huge[100000] = '\0';
	x.method = x.target = x.host = x.referer = x.user_agent = x.failure = x.variable = huge;
	for (size_t i = 0; i < sizeof(formats) / sizeof(*formats); i++) {
		const char *line = line_of(&x, formats[i], 1);
		size_t length = strlen(line);

		assert_in_range(length, 20000, FILE_LINE + LINE_RESERVE);
		assert_ptr_equal(strchr(line, '\n'), line + length - 1);
		if (i == 1)
			assert_string_equal(line + length - 3, "\"}\n");
	}
	free(huge);
}

static void
the_time_is_local_and_moves_on(void **state)
{
	struct stage none = { .generation = NULL };
	struct weir_exchange x = request(&none);

	(void)state;
	setenv("TZ", "XXX+03:30", 1);
	tzset();
	now++;
	assert_non_null(strstr(line_of(&x, "combined", 0), "[22/Nov/2026:16:30:01 -0330]"));
	assert_non_null(strstr(line_of(&x, "json", 0), "\"2026-11-22T16:30:01-03:30\""));
	now--;
	setenv("TZ", "UTC", 1);
	tzset();
	assert_non_null(strstr(line_of(&x, "combined", 0), "[22/Nov/2026:20:00:00 +0000]"));
}

/* --- files ---------------------------------------------------------------------------------------------- */

static void
a_check_opens_nothing(void **state)
{
	struct stage stage = { .build.only_check = true };

	(void)state;
	stage.build.settings = settings_with(&stage, path, "combined", 0);
	build(&stage, NULL);
	assert_int_equal(stage.build.errors, 0);
	assert_int_equal(access(path, F_OK), -1);
	drop(&stage);

	stage = (struct stage){ .build.only_check = true };
	stage.build.settings = settings_with(&stage, "/nowhere/at/all", "combined", 0);
	build(&stage, NULL);
	assert_string_equal(stage.build.error,
		"cannot write to `/nowhere/at/all`: /nowhere/at/: No such file or directory");
	drop(&stage);
}

static void
what_cannot_be_opened_fails_the_build(void **state)
{
	static const char *const bad[] = { "", "relative/path", "stdout", "syslogd", "syslog:relative" };
	struct stage stage = { .generation = NULL };

	(void)state;
	stage.build.settings = settings_with(&stage, "/nowhere/at/all", "combined", 0);
	build(&stage, NULL);
	assert_string_equal(stage.build.error, "cannot open `/nowhere/at/all`: No such file or directory");
	drop(&stage);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		stage = (struct stage){ .generation = NULL };
		settings_with(&stage, bad[i], "combined", 0);
		assert_int_equal(stage.build.errors, 1);
		drop(&stage);
	}
}

static void
routes_share_a_file_or_have_their_own(void **state)
{
	struct stage stage = { .generation = NULL };
	struct weir_exchange x;

	(void)state;
	stage.build.settings = settings_with(&stage, path, "${variable}", 0);
	stage.build.routes[0].settings = stage.build.settings;
	stage.build.routes[1].settings = settings_with(&stage, path, "same ${variable}", 0);
	stage.build.routes[2].settings = settings_with(&stage, other, "other ${variable}", 0);
	stage.build.routes[3].settings = settings_with(&stage, "off", "combined", 0);
	stage.build.route_count = 4;
	build(&stage, NULL);
	assert_false(module->needed(stage.build.routes[3].settings, WEIR_PHASE_LOG));
	x = request(&stage);
	for (size_t i = 0; i < 3; i++) {
		assert_true(module->needed(stage.build.routes[i].settings, WEIR_PHASE_LOG));
		x.variable = "x";
		log_it(&x, stage.build.routes[i].settings);
	}
	module->tick((struct weir_thread *)0, stage.generation, NULL);
	assert_string_equal(content(path), "x\nsame x\n");
	assert_string_equal(content(other), "other x\n");
	drop(&stage);
}

static void
a_reload_keeps_the_file_and_the_lines(void **state)
{
	struct stage old = { .generation = NULL }, new = { .generation = NULL };
	struct weir_exchange x, y;

	(void)state;
	old.build.settings = settings_with(&old, path, "${variable}", 0);
	build(&old, NULL);
	x = request(&old);
	x.variable = "one";
	log_it(&x, old.build.settings);
	new.build.settings = settings_with(&new, path, "new ${variable}", 0);
	build(&new, &old);
	y = request(&new);
	y.variable = "two";
	log_it(&y, new.build.settings);
	log_it(&x, old.build.settings);		/* a request that began before the reload */
	drop(&old);
	log_it(&y, new.build.settings);
	drop(&new);
	assert_string_equal(content(path), "one\nnew two\none\nnew two\n");
}

static void
files_are_opened_anew_when_asked(void **state)
{
	struct stage stage = { .generation = NULL };
	struct weir_exchange x;

	(void)state;
	stage.build.settings = settings_with(&stage, path, "${variable}", 0);
	build(&stage, NULL);
	x = request(&stage);
	x.variable = "line";
	log_it(&x, stage.build.settings);
	module->tick((struct weir_thread *)0, stage.generation, NULL);
	assert_int_equal(rename(path, other), 0);
	module->reopen(stage.generation);
	log_it(&x, stage.build.settings);
	drop(&stage);
	assert_string_equal(content(other), "line\n");
	assert_string_equal(content(path), "line\n");
}

static void
what_was_lost_is_counted(void **state)
{
	struct stage stage = { .generation = NULL };
	struct weir_exchange x;
	uint64_t lost;

	(void)state;
	stage.build.settings = settings_with(&stage, "/dev/full", "combined", 0);
	build(&stage, NULL);
	assert_int_equal(stage.build.errors, 0);
	x = request(&stage);
	for (int i = 0; i < 2000; i++)
		log_it(&x, stage.build.settings);
	lost = (uint64_t)x.counts[0];
	assert_in_range(lost, 900, 1500);
	assert_in_range(x.counts[1], 1, 200);
	drop(&stage);
}

int
main(void)
{
	const struct CMUnitTest scenes[] = {
		cmocka_unit_test_teardown(combined_is_what_others_call_so, empty_folder),
		cmocka_unit_test_teardown(what_could_not_be_read_has_a_line_too, empty_folder),
		cmocka_unit_test_teardown(json_says_all_of_it, empty_folder),
		cmocka_unit_test_teardown(a_format_of_ones_own_escapes_values_only, empty_folder),
		cmocka_unit_test_teardown(a_variable_that_nobody_knows_is_an_error, empty_folder),
		cmocka_unit_test_teardown(the_longest_request_still_makes_a_whole_line, empty_folder),
		cmocka_unit_test_teardown(the_time_is_local_and_moves_on, empty_folder),
		cmocka_unit_test_teardown(a_check_opens_nothing, empty_folder),
		cmocka_unit_test_teardown(what_cannot_be_opened_fails_the_build, empty_folder),
		cmocka_unit_test_teardown(routes_share_a_file_or_have_their_own, empty_folder),
		cmocka_unit_test_teardown(a_reload_keeps_the_file_and_the_lines, empty_folder),
		cmocka_unit_test_teardown(files_are_opened_anew_when_asked, empty_folder),
		cmocka_unit_test_teardown(what_was_lost_is_counted, empty_folder),
	};

	return cmocka_run_group_tests(scenes, make_folder, remove_folder);
}
