/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenes of what is read: dates, directives, targeted fields, and the facts of messages; well and badly
 * written.
 */
#include "rule_scenes.h"

#include "date.h"
#include "structured.h"

/* --- dates (RFC 9110, 5.6.7) ---------------------------------------------------------------------------- */

static void
dates_are_read_in_three_forms(void **state)
{
	static const struct {
		const char *text;
		int64_t seconds;
	} dates[] = {
		{ "Sun, 06 Nov 1994 08:49:37 GMT", NOW },
		{ "Sunday, 06-Nov-94 08:49:37 GMT", NOW },
		{ "Sun Nov  6 08:49:37 1994", NOW },
		{ "Sun Nov 16 08:49:37 1994", NOW + 10 * 86400 },
		{ "Thu, 01 Jan 1970 00:00:00 GMT", 0 },
		{ "Thu, 01 Jan 1970 00:00:01 GMT", 1 },
		{ "Wed, 31 Dec 1969 23:59:59 GMT", 0 },
		{ "Tue, 29 Feb 2000 12:00:00 GMT", 951825600 },
		{ "Thu, 29 Feb 2024 00:00:00 GMT", 1709164800 },
		{ "Fri, 31 Dec 9999 23:59:59 GMT", INT64_C(253402300799) },
		{ "Tue, 30 Jun 2015 23:59:60 GMT", 1435708800 },	/* a leap second */
		{ "Xxx, 06 Nov 1994 08:49:37 GMT", NOW },		/* the day of the week says nothing */
		{ "Saturday, 06-Nov-45 00:00:00 GMT", 0 },			/* 1945: more than 50 years from 1994 */
		{ "Saturday, 06-Nov-43 00:00:00 GMT", INT64_C(2330380800) },
		{ "Thu, 29 Feb 2023 00:00:00 GMT", -1 },
		{ "Thu, 31 Apr 2023 00:00:00 GMT", -1 },
		{ "Thu, 00 Apr 2023 00:00:00 GMT", -1 },
		{ "Thu, 01 Apx 2023 00:00:00 GMT", -1 },
		{ "Thu, 01 Apr 2023 24:00:00 GMT", -1 },
		{ "Thu, 01 Apr 2023 00:60:00 GMT", -1 },
		{ "Thu, 01 Apr 2023 00:00:61 GMT", -1 },
		{ "Thu, 1 Apr 2023 00:00:00 GMT", -1 },
		{ "Thu, 01 Apr 2023 00:00:00 CET", -1 },
		{ "Thu, 01 Apr 2023 00:00:00 GMT ", -1 },
		{ "Thu, 01 Apr 2023 00:00:00", -1 },
		{ "Sun Nov 6 08:49:37 1994", -1 },
		{ "Thu,", -1 },
		{ "0", -1 },
		{ "-1", -1 },
		{ "", -1 },
		{ "784111777", -1 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(dates); i++) {
		int64_t seconds = cache_date_parse(dates[i].text, strlen(dates[i].text), NOW);

		if (seconds != dates[i].seconds)
			fail_msg("%s is %lld", dates[i].text, (long long)seconds);
	}
}

static void
dates_are_written_as_they_are_read(void **state)
{
	char text[CACHE_DATE_LENGTH + 1];

	(void)state;
	cache_date_write(text, NOW);
	assert_string_equal(text, "Sun, 06 Nov 1994 08:49:37 GMT");
	for (int64_t at = 0; at < INT64_C(253402300800); at += 86400 * 97 + 12345) {
		cache_date_write(text, at);
		assert_int_equal(strlen(text), CACHE_DATE_LENGTH);
		assert_int_equal(cache_date_parse(text, CACHE_DATE_LENGTH, NOW), at);
	}
	cache_date_write(text, -1);
	assert_string_equal(text, "Thu, 01 Jan 1970 00:00:00 GMT");
}

/* --- Cache-Control (RFC 9111, 5.2) ---------------------------------------------------------------------- */

/* What is read, as text: the numbers that are there and the flags that are set. */
static void
print_control(char *to, const struct cache_control *c)
{
	const struct {
		const char *name;
		int64_t value;
	} numbers[] = {
		{ "max-age", c->max_age },
		{ "s-maxage", c->s_maxage },
		{ "max-stale", c->max_stale },
		{ "min-fresh", c->min_fresh },
		{ "swr", c->while_revalidate },
		{ "sie", c->if_error },
	};
	const struct {
		const char *name;
		bool set;
	} flags[] = {
		{ "no-store", c->no_store }, { "no-cache", c->no_cache }, { "no-transform", c->no_transform },
		{ "only-if-cached", c->only_if_cached }, { "private", c->is_private }, { "public", c->is_public },
		{ "must-revalidate", c->must_revalidate }, { "proxy-revalidate", c->proxy_revalidate },
		{ "must-understand", c->must_understand }, { "immutable", c->immutable },
	};
	char *start;

	start = to;
	*to = '\0';
	for (size_t i = 0; i < COUNT(flags); i++)
		if (flags[i].set)
			to += sprintf(to, "%s ", flags[i].name);
	for (size_t i = 0; i < COUNT(numbers); i++)
		if (numbers[i].value == INT64_MAX)
			to += sprintf(to, "%s=any ", numbers[i].name);
		else if (numbers[i].value >= 0)
			to += sprintf(to, "%s=%lld ", numbers[i].name, (long long)numbers[i].value);
	if (c->unnamed.length > 0)
		to += sprintf(to, "[%.*s] ", (int)c->unnamed.length, c->unnamed.text);
	if (to > start)
		to[-1] = '\0';
}

static void
directives_are_read(void **state)
{
	static const struct {
		const char *text, *read;
	} fields[] = {
		{ "max-age=60", "max-age=60" },
		{ "Max-Age=60, PUBLIC", "public max-age=60" },
		{ "public,max-age=60,s-maxage=10", "public max-age=60 s-maxage=10" },
		{ "max-age=\"60\"", "max-age=60" }, /* 5.2: both forms */
		{ "no-cache, no-store , must-revalidate", "no-store no-cache must-revalidate" },
		{ "stale-while-revalidate=30, stale-if-error=60", "swr=30 sie=60" }, /* RFC 5861 */
		{ "max-stale", "max-stale=any" },
		{ "max-stale=10", "max-stale=10" },
		{ "max-stale, max-stale=10", "max-stale=10" },
		{ "min-fresh=10, min-fresh=20", "min-fresh=20" },
		{ "only-if-cached, no-transform", "no-transform only-if-cached" },
		{ "proxy-revalidate, must-understand, immutable",
			"proxy-revalidate must-understand immutable" },
		{ ",,, max-age=5 ,,", "max-age=5" },
		{ "community=\"UCI, max-age=9\", max-age=5",
			"max-age=5" }, /* 5.2.3: unknown ones, and commas within quotes */
		{ "x=\"a\\\"b, no-store\", max-age=5", "max-age=5" },

		/* Field forms (5.2.2.4, 5.2.2.7) */
		{ "no-cache=\"Set-Cookie\"", "[,set-cookie,]" },
		{ "private=\"X-A, X-B\", max-age=1", "max-age=1 [,x-a,x-b,]" },
		{ "private=X-A", "[,x-a,]" },
		{ "no-cache=\"A\", no-cache", "no-cache [,a,]" },
		{ "no-cache=\"\"", "no-cache" },
		{ "no-cache=\"a b/c\"", "no-cache [,a,]" },
		{ "private=\"@\"", "private" },

		/* Numbers that are too large (1.2.2), no numbers, and several (4.2.1): the most
		 * restrictive */
		{ "max-age=99999999999999999999999999", "max-age=2147483648" },
		{ "max-age=2147483649", "max-age=2147483648" },
		{ "max-age=-1", "max-age=0" },
		{ "max-age=1.5", "max-age=0" },
		{ "max-age=abc", "max-age=0" },
		{ "max-age=", "max-age=0" },
		{ "max-age", "max-age=0" },
		{ "max-age=\" 60\"", "max-age=0" },
		{ "max-age = 60", "max-age=0" },
		{ "max-age=60 garbage", "max-age=60" },
		{ "max-age=60, max-age=10", "max-age=10" },
		{ "max-age=10, max-age=60", "max-age=10" },
		{ "s-maxage=x, s-maxage=60", "s-maxage=0" },
		{ "min-fresh=x", "min-fresh=2147483648" },
		{ "stale-if-error=x", "sie=0" },

		/* What is no directive */
		{ "", "" },
		{ "no-stored", "" },
		{ "no-stor", "" },
		{ ";max-age=60", "" },
		{ "=60, public", "public" },
		{ "x=\"never closed, max-age=60", "no-store" },
		{ "max-age=60, x=\"\\", "no-store max-age=60" },
	};
	char read[1024];

	(void)state;
	for (size_t i = 0; i < COUNT(fields); i++) {
		struct cache_control control;

		cache_control_init(&control);
		cache_control_parse(&control, fields[i].text, strlen(fields[i].text));
		print_control(read, &control);
		if (strcmp(read, fields[i].read) != 0)
			fail_msg("%s is read as %s", fields[i].text, read);
		assert_true(control.present);
	}
}

static void
too_many_names_mean_the_whole(void **state)
{
	struct cache_control control;
	char text[1024] = "no-cache=\"";

	(void)state;
	for (int i = 0; i < 60; i++)
		sprintf(text + strlen(text), "X-Field-%02d, ", i);
	strcat(text, "X\"");
	cache_control_init(&control);
	cache_control_parse(&control, text, strlen(text));
	assert_true(control.no_cache);
	assert_true(control.unnamed.length <= CACHE_NAMES_MOST);
	assert_true(cache_names_has(&control.unnamed, "x-FIELD-00", 10));
	assert_false(cache_names_has(&control.unnamed, "x-field-0", 9));
	assert_false(cache_names_has(&control.unnamed, "", 0));
}

/* --- targeted fields (RFC 9213) ------------------------------------------------------------------------- */

static void
targeted_fields_are_dictionaries(void **state)
{
	static const struct {
		const char *text, *read;	/* NULL: to be ignored */
	} fields[] = {
		{ "max-age=600", "max-age=600" },
		{ "max-age=60, s-maxage=600;x=1, public", "public max-age=60 s-maxage=600" },
		{ "max-age=60, max-age=600", "max-age=600" },		/* RFC 9651, 3.2: the last counts */
		{ "no-store, no-store=?0", "" },
		{ "no-store=?1", "no-store" },
		{ "no-cache=\"X-A\"", "[,x-a,]" },
		{ "private, x=(1 2;a \"b\" c);q, y=:YQ==:, z=@1, w=1.5, v=*tok/en", "private" },
		{ "max-age=\"600\"", "" },				/* not of that type: as if it were not there */
		{ "max-age=600.5", "" },
		{ "max-age=-1", "" },
		{ "max-age=999999999999999", "max-age=2147483648" },
		{ "stale-while-revalidate=10,\tstale-if-error=20", "swr=10 sie=20" },
		{ "", NULL },
		{ " ", NULL },
		{ "max-age=600,", NULL },
		{ "max-age=600;;", NULL },
		{ "max-age=", NULL },
		{ "Max-Age=600", NULL },
		{ "max-age=1000000000000000", NULL },
		{ "max-age=60 public", NULL },
		{ "max-age=60, \"public\"", NULL },
		{ "x=\"open, max-age=60", NULL },
		{ "x=\"bad \\n\", max-age=60", NULL },
		{ "x=(1 2, max-age=60", NULL },
		{ "x=(1\"a\")", NULL },
		{ "x=?2", NULL },
		{ "x=:a$:", NULL },
		{ "x=@1.5", NULL },
		{ "x=1.", NULL },
		{ "x=1.2345", NULL },
		{ "x=-", NULL },
	};
	char read[1024];

	(void)state;
	for (size_t i = 0; i < COUNT(fields); i++) {
		struct cache_control control;
		bool good;

		cache_control_init(&control);
		good = cache_control_parse_targeted(&control, fields[i].text, strlen(fields[i].text));
		print_control(read, &control);
		if (good != (fields[i].read != NULL) || strcmp(read, good ? fields[i].read : "") != 0)
			fail_msg("%s is read as %s", fields[i].text, good ? read : "nothing");
	}
}

static void
the_first_good_target_stands_for_all_others(void **state)
{
	static const char *const targets[] = { "Weir-Cache-Control", "CDN-Cache-Control" };
	struct cache_rules rules = cache_rules_default;
	struct cache_response response;
	char text[4096] = "Weir-Cache-Control: x=\"";

	(void)state;
	rules.targets = targets;
	rules.target_count = 2;
	response = response_by(&rules, 200, "Cache-Control: no-store\nCDN-Cache-Control: max-age=60\nExpires: 0\n"
		"Weir-Cache-Control: max-age=5\nCDN-Cache-Control: public\n");
	assert_int_equal(response.control.max_age, 5);
	assert_false(response.control.no_store);
	assert_false(response.has_expires);
	response = response_by(&rules, 200, "Cache-Control: no-store\nCDN-Cache-Control: max-age=60\nWeir-Cache-Control: a b\n"
		"CDN-Cache-Control: public\n");
	assert_int_equal(response.control.max_age, 60);
	assert_true(response.control.is_public);
	memset(text + strlen(text), 'x', 2000);
	strcat(text, "\"\nCache-Control: max-age=7\n");
	response = response_by(&rules, 200, text);
	assert_int_equal(response.control.max_age, 7);
	rules.ignore = CACHE_IGNORE_TARGETED;
	response = response_by(&rules, 200, "Cache-Control: max-age=1\nCDN-Cache-Control: max-age=60\n");
	assert_int_equal(response.control.max_age, 1);
}

/* --- facts ---------------------------------------------------------------------------------------------- */

static void
facts_of_a_response(void **state)
{
	struct cache_response r = response_of(200, DATE "Age: 30, 40\nAge: 50\nLast-Modified: Sun, 06 Nov 1994 08:00:00 GMT\n"
		"ETag: \"abc\"\nETag: \"def\"\nSet-Cookie: a=b\nVary: Accept-Encoding, cookie\nvary: ACCEPT-ENCODING\n");

	(void)state;
	assert_int_equal(r.date, NOW);
	assert_int_equal(r.age, 30);
	assert_int_equal(r.modified, NOW - 49 * 60 - 37);
	assert_int_equal(r.etag.length, 5);
	assert_memory_equal(r.etag.at, "\"abc\"", 5);
	assert_true(r.set_cookie);
	assert_int_equal(r.vary_count, 2);
	assert_false(r.vary_any);
	assert_false(r.control.present);
	r = response_of(200, "Age: x\nExpires: 0\nETag: abc\nDate: yesterday\nLast-Modified: 5\n");
	assert_int_equal(r.age, -1);
	assert_true(r.has_expires);
	assert_int_equal(r.expires, -1);
	assert_null(r.etag.at);
	assert_int_equal(r.date, -1);
	assert_int_equal(r.modified, -1);
	r = response_of(200, "Expires: Sun, 06 Nov 1994 08:59:37 GMT\nExpires: 0\n");
	assert_int_equal(r.expires, -1);
}

static void
what_is_ignored_was_not_there(void **state)
{
	struct cache_rules rules = cache_rules_default;
	struct cache_response r;

	(void)state;
	rules.ignore = CACHE_IGNORE_CONTROL | CACHE_IGNORE_EXPIRES | CACHE_IGNORE_VARY;
	r = response_by(&rules, 200, "Cache-Control: no-store\nExpires: 0\nVary: *\n");
	assert_false(r.control.no_store);
	assert_false(r.has_expires);
	assert_false(r.vary_any);
}

static void
facts_of_a_request(void **state)
{
	struct cache_request r = request_of("cache-control: no-store\nCache-Control: max-age=0\nPragma: x, No-Cache\n"
		"Authorization: Basic x\nIf-None-Match: \"a\"\nIf-None-Match: \"b\"\nRange: bytes=0-1\nRange: bytes=5-6\n"
		"If-Modified-Since: x\nIf-Range: \"a\"\n");

	(void)state;
	assert_true(r.control.no_store);
	assert_int_equal(r.control.max_age, 0);
	assert_true(r.pragma_no_cache && r.authorization && r.many_if_none_match && r.many_ranges && !r.preconditions);
	assert_memory_equal(r.if_none_match.at, "\"a\"", 3);
	r = request_of("Pragma: no-cache-x\nIf-Unmodified-Since: x\n");
	assert_false(r.pragma_no_cache);
	assert_true(r.preconditions);
	r = request_of("If-Match: *\n");
	assert_true(r.preconditions);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dates_are_read_in_three_forms),
		cmocka_unit_test(dates_are_written_as_they_are_read),
		cmocka_unit_test(directives_are_read),
		cmocka_unit_test(too_many_names_mean_the_whole),
		cmocka_unit_test(targeted_fields_are_dictionaries),
		cmocka_unit_test(the_first_good_target_stands_for_all_others),
		cmocka_unit_test(facts_of_a_response),
		cmocka_unit_test(what_is_ignored_was_not_there),
		cmocka_unit_test(facts_of_a_request),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
