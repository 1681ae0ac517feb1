/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenes for route's patterns and index: which route a request takes, whatever the order in the files, and that
 * a hundred thousand others do not slow it down.
 */
#include "test_table.h"

#include <time.h>

/* --- scenes -------------------------------------------------------------------------------------------------- */

static void
the_most_specific_pattern_wins_in_any_order(void **state)
{
	static const char *const patterns[] = {
		"*/*", "*/static/*", "*/favicon.ico", "*.example.com/*", "*.eu.example.com/*", "*.example.com/a/b/*",
		"example.com/*", "example.com/api/*", "example.com/api/v1/*", "example.com/api/v1", "example.com/exact",
		"example.com:8443/*", "*:9000/*", "[2001:db8::1]/*", "www.eu.example.com/only"
	};
	static const struct { const char *host; uint16_t port; const char *path, *route; } requests[] = {
		{ "example.com", 0, "/", "example.com/*" },
		{ "example.com", 0, "/apis", "example.com/*" },
		{ "example.com", 0, "/api", "example.com/api/*" },
		{ "example.com", 0, "/api/", "example.com/api/*" },
		{ "example.com", 0, "/api/v2", "example.com/api/*" },
		{ "example.com", 0, "/api/v1", "example.com/api/v1" },
		{ "example.com", 0, "/api/v1/", "example.com/api/v1/*" },
		{ "example.com", 0, "/api/v1/users/7", "example.com/api/v1/*" },
		{ "example.com", 0, "/exact", "example.com/exact" },
		{ "example.com", 0, "/exact/", "example.com/*" },
		{ "example.com", 0, "/Exact", "example.com/*" },
		{ "example.com", 0, "*", "example.com/*" },
		{ "example.com", 80, "/", "example.com/*" },
		{ "example.com", 8443, "/", "example.com:8443/*" },
		{ "example.com", 8443, "/exact", "example.com:8443/*" },
		{ "example.com.", 0, "/exact", "example.com/exact" },
		{ "www.example.com", 0, "/", "*.example.com/*" },
		{ "a.b.example.com", 0, "/", "*.example.com/*" },
		{ "www.eu.example.com", 0, "/", "*.eu.example.com/*" },
		{ "www.eu.example.com", 0, "/only", "www.eu.example.com/only" },
		{ "www.eu.example.com", 0, "/a/b/c", "*.eu.example.com/*" },
		{ "www.example.com", 0, "/a/b/c", "*.example.com/a/b/*" },
		{ "www.example.com", 0, "/a/bc", "*.example.com/*" },
		{ ".example.com", 0, "/", "*/*" },
		{ "notexample.com", 0, "/", "*/*" },
		{ "example.org", 0, "/static/x.css", "*/static/*" },
		{ "example.org", 0, "/favicon.ico", "*/favicon.ico" },
		{ "example.org", 9000, "/favicon.ico", "*:9000/*" },
		{ "[2001:db8::1]", 0, "/x", "[2001:db8::1]/*" },
		{ "", 0, "/static", "*/static/*" },
		{ "", 0, "*", "*/*" },
		{ "", 0, "", "*/*" },
	};
	size_t count = sizeof(patterns) / sizeof(*patterns);

	(void)state;
	for (size_t turn = 0; turn < count; turn++) {
		struct table table = table_of(count);

		for (size_t i = 0; i < count; i++)
			add(&table, patterns[(i * 7 + turn) % count]);
		build(&table);
		for (size_t i = 0; i < sizeof(requests) / sizeof(*requests); i++)
			assert_string_equal(find_method(&table, requests[i].host, requests[i].port, requests[i].path, "GET"),
			    requests[i].route);
		assert_int_equal(table.clashes, 0);
		table_drop(&table);
	}
}

static void
nothing_matches_what_nobody_named(void **state)
{
	struct table table = table_of(4);
	char deep[4001], labels[256];

	(void)state;
	add(&table, "example.com/a/b/*");
	add(&table, "*.example.com/a");
	build(&table);
	for (size_t i = 0; i < 4000; i++)
		deep[i] = i % 2 == 0 ? '/' : 'a';
	deep[4000] = '\0';
	for (size_t i = 0; i < 255; i++)
		labels[i] = i % 2 == 0 ? 'a' : '.';
	labels[255] = '\0';
	assert_string_equal(find(&table, "example.com", "/"), "none");
	assert_string_equal(find(&table, "example.com", "/a"), "none");
	assert_string_equal(find(&table, "example.com", "*"), "none");
	assert_string_equal(find(&table, "example.com", deep), "none");
	assert_string_equal(find(&table, "example.org", "/a/b"), "none");
	assert_string_equal(find(&table, labels, "/a"), "none");
	assert_string_equal(find(&table, ".", "/a"), "none");
	assert_string_equal(find(&table, "..example.com", "/a"), "*.example.com/a");
	table_drop(&table);

	table = table_of(1);
	build(&table);
	assert_string_equal(find(&table, "example.com", "/"), "none");
	table_drop(&table);
}

static void
more_conditions_win_and_a_miss_falls_back(void **state)
{
	struct table table = table_of(8);

	(void)state;
	add_with(&table, "example.com/api/*", "any of api", NULL);
	add_with(&table, "example.com/api/*", "api POST", "POST");
	add_with(&table, "example.com/upload/*", "upload POST", "POST");
	add_with(&table, "example.com/*", "site", NULL);
	build(&table);
	assert_string_equal(find_method(&table, "example.com", 0, "/api/x", "POST"), "api POST");
	assert_string_equal(find_method(&table, "example.com", 0, "/api/x", "GET"), "any of api");
	assert_string_equal(find_method(&table, "example.com", 0, "/upload/x", "POST"), "upload POST");
	assert_string_equal(find_method(&table, "example.com", 0, "/upload/x", "GET"), "site");
	assert_int_equal(table.clashes, 0);
	table_drop(&table);
}

static void
twins_are_told_of_by_name(void **state)
{
	struct table table = table_of(8);

	(void)state;
	add_with(&table, "example.com/api/*", "one", "POST");
	add_with(&table, "*/api/*", "two", "POST");
	add_with(&table, "EXAMPLE.com./%61pi/*", "three", "POST");
	add_with(&table, "example.com/api", "four", "POST");
	add_with(&table, "example.com:80/api/*", "five", "POST");
	build(&table);
	assert_int_equal(table.clashes, 1);
	assert_string_equal(table.clash[0], "one");
	assert_string_equal(table.clash[1], "three");
	table_drop(&table);
}

static void
patterns_are_normalised_as_requests_are(void **state)
{
	static const struct { const char *text, *host, *path; uint16_t port; bool below; } good[] = {
		{ "Example.COM/*", "example.com", "", 0, true },
		{ "example.com./a/", "example.com", "/a/", 0, false },
		{ "*/%7euser/*", "", "/~user", 0, true },
		{ "*/a%2fb/%c3%9f", "", "/a%2Fb/%C3%9F", 0, false },
		{ "*/\xc3\x9fo", "", "/%C3%9Fo", 0, false },
		{ "*:443/x", "", "/x", 443, false },
		{ "*.a_b.test:1/...", ".a_b.test", "/...", 1, false },
		{ "[::1]:8080//", "[::1]", "//", 8080, false },
		{ "h/.well-known/a:b@c;d=e,f", "h", "/.well-known/a:b@c;d=e,f", 0, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		struct route_pattern pattern;
		char room[ROOM_EACH];

		assert_null(route_pattern_read(&pattern, good[i].text, strlen(good[i].text), room));
		assert_string_equal(pattern.host, good[i].host);
		assert_string_equal(pattern.path, good[i].path);
		assert_int_equal(pattern.port, good[i].port);
		assert_int_equal(pattern.below, good[i].below);
		assert_int_equal(pattern.wildcard, good[i].text[0] == '*');
	}
}

static void
what_could_never_match_is_an_error(void **state)
{
	static const char *const bad[] = {
		"example.com", "/api/*", "*", "a..b/*", ".example.com/*", "www.*/*", "a*b.com/*", "*example.com/*", "*./*",
		"b\xc3\xbcro.de/*", "a b/*", "host:/*", "host:0/*", "host:65536/*", "host:8x/*", "host:000080/*",
		"[::1/*", "[]/*", "[]x/*", "[::1]x/*", "[zz]/*", "*/api*", "*/*/x", "*/a?b", "*/a#b", "*/a\\b", "*/%4", "*/%zz",
		"*/a/../b", "*/./a", "*/a/..", "*/a/.", "*/a/%2e%2E/*", "*/a\x7f", ":80/*",
	};
	struct route_pattern pattern;
	char deep[2 * ROUTE_DEPTH_MOST + 8], room[ROUTE_PATTERN_ROOM(1000)], longest[400];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (route_pattern_read(&pattern, bad[i], strlen(bad[i]), room) == NULL)
			fail_msg("%s was taken", bad[i]);
	memset(longest, 'a', sizeof(longest));
	memcpy(longest + 300, "/*", 2);
	assert_non_null(route_pattern_read(&pattern, longest, 302, room));

	strcpy(deep, "h");
	for (size_t i = 0; i < ROUTE_DEPTH_MOST; i++)
		strcat(deep, "/a");
	strcat(deep, "/*");
	assert_null(route_pattern_read(&pattern, deep, strlen(deep), room));
	strcpy(deep + strlen(deep) - 1, "a/*");
	assert_non_null(route_pattern_read(&pattern, deep, strlen(deep), room));
}

static void
the_deepest_prefix_is_found(void **state)
{
	struct table table = table_of(2);
	char deep[2 * ROUTE_DEPTH_MOST + 8] = "h";

	(void)state;
	for (size_t i = 0; i < ROUTE_DEPTH_MOST; i++)
		strcat(deep, "/a");
	strcat(deep, "/*");
	add_with(&table, deep, "the deep one", NULL);
	add(&table, "h/*");
	build(&table);
	deep[strlen(deep) - 2] = '\0';
	assert_string_equal(find(&table, "h", deep + 1), "the deep one");
	deep[strlen(deep) - 2] = '\0';
	assert_string_equal(find(&table, "h", deep + 1), "h/*");
	table_drop(&table);
}

/* --- against the obvious way: try every pattern, keep the best ------------------------------------------------ */

static bool
host_matches(const struct route_pattern *pattern, const char *host)
{
	size_t length = strlen(pattern->host), all = strlen(host);

	if (!pattern->wildcard)
		return strcmp(pattern->host, host) == 0;
	return length == 0 || (all > length && strcmp(host + all - length, pattern->host) == 0);
}

static bool
path_matches(const struct route_pattern *pattern, const char *path)
{
	size_t length = strlen(pattern->path);

	if (!pattern->below)
		return strcmp(pattern->path, path) == 0;
	return strncmp(pattern->path, path, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

static long
rank(const struct route_pattern *pattern)
{
	long host = pattern->wildcard ? (long)strlen(pattern->host) : 1000;

	return host * 1000 + (pattern->below ? (long)strlen(pattern->path) : 999);
}

static const char *
find_slowly(const struct table *table, const char *host, const char *path)
{
	const struct route_entry *best = NULL;

	for (size_t i = 0; i < table->count; i++) {
		const struct route_entry *entry = &table->entries[i];

		if (host_matches(entry->pattern, host) && path_matches(entry->pattern, path) &&
		    (best == NULL || rank(entry->pattern) > rank(best->pattern)))
			best = entry;
	}
	return best != NULL ? best->route : "none";
}

static unsigned
dice(unsigned *random, unsigned sides)
{
	*random = *random * 1103515245 + 12345;
	return (*random >> 16) % sides;
}

static void
the_index_agrees_with_the_obvious_way(void **state)
{
	static const char *const hosts[] = { "*", "*.b.c", "*.c", "*.a.b.c", "a.b.c", "b.c", "c", "a.a.b.c" };
	static const char *const asked[] = { "x.y", "a.b.c", "b.c", "c", "a.a.b.c", "z.a.b.c", "z.c", "b.b.c" };
	static const char *const segments[] = { "/a", "/b", "/ab", "/" };
	static char texts[300][64];
	struct table table = table_of(300);
	unsigned random = 1;

	(void)state;
	for (size_t i = 0; i < 300; i++) {
		strcpy(texts[i], hosts[dice(&random, 8)]);
		for (unsigned depth = dice(&random, 5); depth > 0; depth--)
			strcat(texts[i], segments[dice(&random, 4)]);
		if (strchr(texts[i], '/') == NULL || dice(&random, 2) == 0)
			strcat(texts[i], "/*");
		add(&table, texts[i]);
	}
	build(&table);
	for (size_t i = 0; i < 20000; i++) {
		const char *host = asked[dice(&random, 8)];
		char path[64] = "";

		for (unsigned depth = 1 + dice(&random, 5); depth > 0; depth--)
			strcat(path, segments[dice(&random, 4)]);
		assert_string_equal(find(&table, host, path), find_slowly(&table, host, path));
	}
	table_drop(&table);
}

/* --- size ---------------------------------------------------------------------------------------------------- */

static double
nanoseconds_each(const struct table *table, const char *host, const char *path, const char *route)
{
	struct timespec from, to;
	double best = 1e9;

	for (int round = 0; round < 7; round++) {
		clock_gettime(CLOCK_MONOTONIC, &from);
		for (int i = 0; i < 20000; i++)
			assert_ptr_equal(find(table, host, path), route);
		clock_gettime(CLOCK_MONOTONIC, &to);
		double each = ((double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec)) / 20000;
		best = each < best ? each : best;
	}
	return best;
}

/* A name of so many bytes, in labels of seven; it ends with this letter. */
static void
write_name(char *to, size_t length, char last)
{
	for (size_t i = 0; i < length; i++)
		to[i] = i % 8 == 7 ? '.' : 'a';
	to[length - 1] = last;
	to[length] = '\0';
}

static void
a_name_may_be_of_any_length(void **state)
{
	enum { LONGEST = 160 };
	struct table table = table_of(LONGEST + 1);
	static char patterns[LONGEST + 1][LONGEST + 16];
	char name[LONGEST + 8], other[LONGEST + 8], asked[LONGEST + 16];

	(void)state;
	for (size_t length = 1; length <= LONGEST; length++) {
		write_name(name, length, 'b');
		snprintf(patterns[length], sizeof(patterns[length]), "%s%s/*", length % 2 == 0 ? "*." : "", name);
		add(&table, patterns[length]);
	}
	build(&table);
	for (size_t length = 1; length <= LONGEST; length++) {
		write_name(name, length, 'b');
		write_name(other, length, 'c');
		snprintf(asked, sizeof(asked), "%s%s", length % 2 == 0 ? "x." : "", name);
		assert_string_equal(find(&table, asked, "/any"), patterns[length]);
		snprintf(asked, sizeof(asked), "%s%s", length % 2 == 0 ? "x." : "", other);
		assert_string_equal(find(&table, asked, "/any"), "none");
	}
	table_drop(&table);
}

/* The figure is printed; the limit is wide, since other programs run at the same time. */
static void
a_hundred_thousand_routes_cost_what_one_does(void **state)
{
	enum { ROUTES = 100000 };
	struct table one = table_of(1), many = table_of(ROUTES);
	double alone, among;

	(void)state;
	add_with(&one, "tenant77777.example.com/service/*", "wanted", NULL);
	build(&one);
	for (int i = 0; i < ROUTES; i++) {
		char text[80];

		if (i % 2 == 0)
			snprintf(text, sizeof(text), "shop.example.com/item%d/*", i);
		else
			snprintf(text, sizeof(text), "tenant%d.example.com/service/*", i);
		add_with(&many, text, i == 77777 ? one.entries[0].route : "another", NULL);
	}
	build(&many);
	assert_int_equal(many.clashes, 0);
	assert_string_equal(find(&many, "shop.example.com", "/item4242/x/y"), "another");
	assert_string_equal(find(&many, "shop.example.com", "/item4243/x/y"), "none");
	alone = nanoseconds_each(&one, "tenant77777.example.com", "/service/a/b", one.entries[0].route);
	among = nanoseconds_each(&many, "tenant77777.example.com", "/service/a/b", one.entries[0].route);
	print_message("look-up: %.0f ns alone, %.0f ns among %d\n", alone, among, ROUTES);
	assert_true(among < 10 * alone + 1000);
	table_drop(&one);
	table_drop(&many);
}

int
main(void)
{
	const struct CMUnitTest scenes[] = {
		cmocka_unit_test(the_most_specific_pattern_wins_in_any_order),
		cmocka_unit_test(nothing_matches_what_nobody_named),
		cmocka_unit_test(more_conditions_win_and_a_miss_falls_back),
		cmocka_unit_test(twins_are_told_of_by_name),
		cmocka_unit_test(patterns_are_normalised_as_requests_are),
		cmocka_unit_test(what_could_never_match_is_an_error),
		cmocka_unit_test(the_deepest_prefix_is_found),
		cmocka_unit_test(the_index_agrees_with_the_obvious_way),
		cmocka_unit_test(a_name_may_be_of_any_length),
		cmocka_unit_test(a_hundred_thousand_routes_cost_what_one_does),
	};

	return cmocka_run_group_tests(scenes, NULL, NULL);
}
