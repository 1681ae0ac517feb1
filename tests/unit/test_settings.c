/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenes for the core's own tables: their safe defaults, and the values that only they know how to read.
 */
#include "option_scenes.h"

#include <stdalign.h>
#include <stddef.h>

/* The settings that the core's table makes of the first section of its kind. */
static void
fill(const struct weir_option *options, const char *kind, void *settings, size_t size)
{
	struct option_owner core = { .options = options, .size = size };

	assert_true(option_defaults(&build, &core));
	option_fill(&build, &core, config_find(generation.config, kind, NULL), settings);
}

static void
the_process_has_safe_defaults(void **state)
{
	struct weir_settings set;

	(void)state;
	configure("");
	fill(weir_options, "weir", &set, sizeof(set));
	assert_string_equal(said(), "");
	assert_int_equal(set.threads, 0);
	assert_false(set.pin_cpus);
	assert_null(set.user);
	assert_string_equal(set.admin, "");
	assert_int_equal(set.memory, 1 << 30);
	assert_int_equal(set.connections, 16384);
	assert_int_equal(set.drain_timeout, 30000);
	assert_string_equal(set.error_log, "stderr");
	assert_int_equal(set.log_level, 2);
	assert_int_equal(set.resolver.count, 0);
}

static void
a_listener_has_safe_defaults(void **state)
{
	struct listen_settings set;

	(void)state;
	configure("[listen l]\naddress = 127.0.0.1:0\n");
	fill(listen_options, "listen", &set, sizeof(set));
	assert_string_equal(said(), "");
	assert_int_equal(set.address.count, 1);
	assert_int_equal(set.connections_per_client, 1024);
	assert_int_equal(set.head_size, 16384);
	assert_int_equal(set.fields, 100);
	assert_int_equal(set.target_length, 8192);
	assert_int_equal(set.head_timeout, 10000);
	assert_int_equal(set.keepalive_timeout, 60000);
	assert_int_equal(set.keepalive_requests, 10000);
	assert_int_equal(set.socket_mode, 0660);
}

static void
an_upstream_and_a_route_have_safe_defaults(void **state)
{
	struct upstream_settings upstream;
	struct route_settings route;

	(void)state;
	configure("[upstream u]\nserver = origin.example:80\n[route r]\n");
	fill(upstream_options, "upstream", &upstream, sizeof(upstream));
	fill(route_options, "route", &route, sizeof(route));
	assert_string_equal(said(), "");
	assert_int_equal(upstream.connect_timeout, 5000);
	assert_int_equal(upstream.first_byte_timeout, 60000);
	assert_int_equal(upstream.between_bytes_timeout, 60000);
	assert_int_equal(upstream.keepalive, 64);
	assert_int_equal(upstream.keepalive_timeout, 30000);
	assert_int_equal(upstream.bind.length, 0);
	assert_null(upstream.host);
	assert_null(route.upstream);
	assert_int_equal(route.body_size, 100 << 20);
	assert_int_equal(route.body_rate, 240);
	assert_int_equal(route.body_grace, 10000);
	assert_int_equal(route.total_timeout, 0);
	assert_true(route.upgrade);
}

static void
the_process_is_set(void **state)
{
	struct weir_settings set;
	const struct weir_address *resolvers;
	char path[128];

	(void)state;
	configure("[weir]\nthreads = 256\nadmin = run/admin.sock\nerror_log = log/error\nlog_level = debug\n"
		"resolver = 192.0.2.53\nresolver = [2001:db8::53]:5353\nmemory = 0\n");
	fill(weir_options, "weir", &set, sizeof(set));
	assert_string_equal(said(), "");
	assert_int_equal(set.threads, 256);
	snprintf(path, sizeof(path), "%s/run/admin.sock", scene_folder);
	assert_string_equal(set.admin, path);
	snprintf(path, sizeof(path), "%s/log/error", scene_folder);
	assert_string_equal(set.error_log, path);
	assert_int_equal(set.log_level, 3);
	assert_int_equal(set.memory, 0);
	resolvers = set.resolver.items;
	assert_int_equal(set.resolver.count, 2);
	assert_int_equal(resolvers[0].port, 53);
	assert_int_equal(resolvers[1].port, 5353);
	unload();

	configure("[weir]\nthreads = auto\nerror_log = syslog\n");
	fill(weir_options, "weir", &set, sizeof(set));
	assert_int_equal(set.threads, 0);
	assert_string_equal(set.error_log, "syslog");
}

static void
servers_have_weights_and_backups(void **state)
{
	struct upstream_settings set;
	const struct server_line *servers;

	(void)state;
	configure("[upstream u]\nserver = 10.0.0.1:80\nserver = origin.example:8080   weight=7\t backup\n"
		"server = unix:/run/origin.sock backup weight=0\nbind = 192.0.2.9\n");
	fill(upstream_options, "upstream", &set, sizeof(set));
	assert_string_equal(said(), "");
	assert_int_equal(set.server.count, 3);
	servers = set.server.items;
	assert_string_equal(servers[0].name, "10.0.0.1:80");
	assert_int_equal(servers[0].weight, 1);
	assert_false(servers[0].backup);
	assert_string_equal(servers[1].name, "origin.example:8080");
	assert_string_equal(servers[1].address.host, "origin.example");
	assert_int_equal(servers[1].weight, 7);
	assert_true(servers[1].backup);
	assert_int_equal(servers[2].weight, 0);
	assert_null(servers[2].address.host);
	assert_int_equal(set.bind.socket.any.sa_family, AF_INET);
	assert_int_equal(set.bind.port, 0);
}

static void
modes_are_octal(void **state)
{
	struct listen_settings set;

	(void)state;
	configure("[listen l]\naddress = unix:/run/x\nsocket_mode = 600\n");
	fill(listen_options, "listen", &set, sizeof(set));
	assert_string_equal(said(), "");
	assert_int_equal(set.socket_mode, 0600);
}

struct table {
	const struct weir_option *options;
	const char *kind, *head;	/* a section with one good line */
};

static const struct table weir_table = { weir_options, "weir", "[weir]\npin_cpus = no\n" };
static const struct table listen_table = { listen_options, "listen", "[listen x]\naddress = [::1]:0\n" };
static const struct table upstream_table = { upstream_options, "upstream", "[upstream x]\nserver = a:1\n" };
static const struct table route_table = { route_options, "route", "[route x]\nupgrade = no\n" };

static void
bad_values_of_the_core(void **state)
{
	static const struct {
		const struct table *table;
		const char *line, *why;
	} bad[] = {
		{ &weir_table, "threads = 0", "write auto, or a number from 1 to 256" },
		{ &weir_table, "threads = 1025", "write auto, or a number from 1 to 256" },
		{ &weir_table, "threads = 99999999999", "write auto, or a number from 1 to 256" },
		{ &weir_table, "threads = Auto", "write auto, or a number from 1 to 256" },
		{ &weir_table, "error_log = ", "write stderr, syslog or a file's path" },
		{ &weir_table, "resolver = dns.example", "a DNS server is named by its IP address" },
		{ &weir_table, "resolver = unix:/run/dns", "a DNS server is named by its IP address" },
		{ &weir_table, "connections = 0", "out of range, it goes from 1 to 16777216" },
		{ &weir_table, "log_level = warn", "there are error, warning, notice, debug" },
		{ &weir_table, "log_level = debgu",
			"did you mean `debug`? There are error, warning, notice, debug" },
		{ &listen_table, "address = localhost:80",
			"a listener is named by IP address and port, or unix:/path" },
		{ &listen_table, "address = 127.0.0.1", "the port is missing, write host:port" },
		{ &listen_table, "head_size = 512", "out of range, it goes from 1K to 256K" },
		{ &listen_table, "head_timeout = 0", "out of range, it goes from 1ms to 1d" },
		{ &listen_table, "socket_mode = 0888", "write the octal digits of a file mode, like 0660" },
		{ &listen_table, "socket_mode = 1777", "write the octal digits of a file mode, like 0660" },
		{ &listen_table, "socket_mode = rw", "write the octal digits of a file mode, like 0660" },
		{ &upstream_table, "server = ", "write an address, like 10.0.0.1:80" },
		{ &upstream_table, "server = 10.0.0.1", "the port is missing, write host:port" },
		{ &upstream_table, "server = 10.0.0.1:0", "the port of a server is not 0" },
		{ &upstream_table, "server = a:1 wieght=2", "`wieght=2` is neither weight=N nor backup" },
		{ &upstream_table, "server = a:1 weight=65536", "the weight is a number from 0 to 65535" },
		{ &upstream_table, "server = a:1 weight=", "the weight is a number from 0 to 65535" },
		{ &upstream_table, "server = a:1 weight=-1", "the weight is a number from 0 to 65535" },
		{ &upstream_table, "bind = eth0", "write an IP address of this machine" },
		{ &route_table, "upstream = b", "there is no [upstream b]" },
		{ &route_table, "total_timeout = 31d", "out of range, it goes from 0 to 30d" },
	};
	alignas(max_align_t) char settings[1024];
	char text[256], expected[256];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(text, sizeof(text), "%s%s\n", bad[i].table->head, bad[i].line);
		configure(text);
		fill(bad[i].table->options, bad[i].table->kind, settings, sizeof(settings));
		snprintf(expected, sizeof(expected), "weir.ini:3: error: `%s`: %s\n", bad[i].line,
			bad[i].why);
		assert_string_equal(said(), expected);
		unload();
	}
}

int
main(void)
{
	const struct CMUnitTest scenes[] = {
		OPTION_SCENE(the_process_has_safe_defaults),
		OPTION_SCENE(a_listener_has_safe_defaults),
		OPTION_SCENE(an_upstream_and_a_route_have_safe_defaults),
		OPTION_SCENE(the_process_is_set),
		OPTION_SCENE(servers_have_weights_and_backups),
		OPTION_SCENE(modes_are_octal),
		OPTION_SCENE(bad_values_of_the_core),
	};

	return cmocka_run_group_tests(scenes, NULL, NULL);
}
