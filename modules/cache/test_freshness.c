/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenes of age, lifetime, use and admission, by the sections of RFC 9111 and RFC 5861.
 */
#include "rule_scenes.h"

#define AN_HOUR_AGO "Last-Modified: Sun, 06 Nov 1994 07:49:37 GMT\n"
#define LONG_AGO "Last-Modified: Wed, 06 Nov 1974 08:49:37 GMT\n"

/* --- age (RFC 9111, 4.2.3) ------------------------------------------------------------------------------ */

static void
age_is_what_clocks_and_caches_say(void **state)
{
	static const struct {
		const char *text;
		int64_t asked, came, now, age;
	} scenes[] = {
		{ DATE, NOW, NOW, NOW, 0 },
		{ DATE, NOW, NOW, NOW + 100, 100 },			/* resident time */
		{ DATE, NOW + 10, NOW + 10, NOW + 10, 10 },		/* apparent age */
		{ DATE, NOW - 50, NOW - 50, NOW - 50, 0 },		/* a clock that is ahead */
		{ DATE "Age: 30\n", NOW, NOW, NOW, 30 },
		{ DATE "Age: 30\n", NOW - 5, NOW, NOW + 1, 36 },	/* the delay counts, too */
		{ DATE "Age: 3\n", NOW + 60, NOW + 60, NOW + 60, 60 },	/* the larger */
		{ "Age: 30\n", NOW, NOW, NOW, 30 },
		{ "", NOW, NOW, NOW, 0 },
		{ DATE "Age: -1\n", NOW, NOW, NOW, 0 },
		{ DATE "Age: 99999999999999\n", NOW, NOW, NOW, CACHE_DELTA_MOST },
		{ DATE, NOW, NOW, NOW - 100, 0 },			/* time went back */
	};

	(void)state;
	for (size_t i = 0; i < COUNT(scenes); i++) {
		struct cache_response response = response_of(200, scenes[i].text);
		struct cache_freshness fresh;

		cache_freshness_of(&fresh, &response, &cache_rules_default, scenes[i].asked, scenes[i].came);
		if (cache_age(&fresh, scenes[i].now) != scenes[i].age)
			fail_msg("scene %zu: the age is %lld", i, (long long)cache_age(&fresh, scenes[i].now));
	}
}

/* --- lifetime (4.2.1, 4.2.2) ---------------------------------------------------------------------------- */

static void
lifetime_is_what_counts_most(void **state)
{
	static const struct {
		int status;
		const char *text;
		int64_t lifetime;
	} scenes[] = {
		{ 200, DATE "Cache-Control: max-age=60\n", 60 },
		{ 200, DATE "Cache-Control: max-age=60, s-maxage=10\n", 10 },
		{ 200, DATE "Cache-Control: s-maxage=100, max-age=60\nExpires: 0\n", 100 },
		{ 200, DATE "Cache-Control: max-age=60\nExpires: Sun, 06 Nov 1994 08:59:37 GMT\n", 60 },
		{ 200, DATE "Expires: Sun, 06 Nov 1994 08:59:37 GMT\n", 600 },
		{ 200, "Expires: Sun, 06 Nov 1994 08:59:37 GMT\n", 600 },		/* no Date: since it came */
		{ 200, DATE "Expires: Sun, 06 Nov 1994 08:40:37 GMT\n", 0 },
		{ 200, DATE "Expires: 0\n" LONG_AGO, 0 },				/* 5.3: in the past, no estimate */
		{ 200, DATE "Cache-Control: max-age=x\n" LONG_AGO, 0 },		/* 4.2.1: stale */

		/* 4.2.2: a tenth of the time since it changed, a day at most, for these statuses only */
		{ 200, DATE AN_HOUR_AGO, 360 },
		{ 200, DATE LONG_AGO, 86400 },
		{ 404, DATE AN_HOUR_AGO, 360 },
		{ 301, DATE AN_HOUR_AGO, 360 },
		{ 302, DATE AN_HOUR_AGO, 0 },
		{ 302, DATE AN_HOUR_AGO "Cache-Control: public\n", 360 },
		{ 500, DATE AN_HOUR_AGO, 0 },
		{ 200, DATE "Last-Modified: Sun, 06 Nov 1994 08:49:38 GMT\n", 0 },	/* in the future */
		{ 200, DATE, 0 },
		{ 404, DATE "Cache-Control: max-age=5\n", 5 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(scenes); i++) {
		struct cache_response response = response_of(scenes[i].status, scenes[i].text);
		struct cache_freshness fresh = freshness_by(&cache_rules_default, &response);

		if (fresh.lifetime != scenes[i].lifetime)
			fail_msg("scene %zu: the lifetime is %lld", i, (long long)fresh.lifetime);
		assert_true(!fresh.heuristic || (!response.has_expires && response.control.max_age < 0));
	}
}

static void
the_operator_sets_lifetimes_by_status(void **state)
{
	static const struct cache_ttl ttls[] = {
		{ .first = 404, .last = 404, .seconds = 10 },
		{ .first = 500, .last = 599, .seconds = 0 },
		{ .first = 200, .last = 299, .seconds = 300, .only_silent = true },
	};
	static const struct {
		int status;
		const char *text;
		int64_t lifetime;
	} scenes[] = {
		{ 404, DATE "Cache-Control: max-age=600\n", 10 },
		{ 404, DATE, 10 },
		{ 404, DATE "Age: 500\n", 510 },		/* from now on */
		{ 503, DATE "Cache-Control: max-age=600\n", -1 },
		{ 200, DATE, 300 },
		{ 200, DATE AN_HOUR_AGO, 300 },
		{ 200, DATE "Cache-Control: max-age=1\n", 1 },
		{ 200, DATE "Cache-Control: no-cache\n", 0 },	/* it has said something */
		{ 301, DATE AN_HOUR_AGO, 360 },
		{ 301, DATE "Cache-Control: max-age=99999\n", 9999 },
	};
	struct cache_rules rules = cache_rules_default;

	(void)state;
	rules.ttls = ttls;
	rules.ttl_count = COUNT(ttls);
	rules.lifetime_most = 9999;
	for (size_t i = 0; i < COUNT(scenes); i++) {
		struct cache_response response = response_by(&rules, scenes[i].status, scenes[i].text);
		struct cache_freshness fresh = freshness_by(&rules, &response);

		if (fresh.lifetime != scenes[i].lifetime)
			fail_msg("scene %zu: the lifetime is %lld", i, (long long)fresh.lifetime);
	}
}

/* --- use (RFC 9111, 4.2.4, 5.2.1, 5.2.2; RFC 5861; RFC 8246) -------------------------------------------- */

static const struct {
	const char *response, *request;
	int64_t age;
	bool stale;
	enum cache_use use;
} uses[] = {
	{ "Cache-Control: max-age=60\n", "", 0, false, CACHE_USE },
	{ "Cache-Control: max-age=60\n", "", 59, false, CACHE_USE },
	{ "Cache-Control: max-age=60\n", "", 60, false, CACHE_VALIDATE },
	{ "Cache-Control: max-age=60\n", "", 5, true, CACHE_VALIDATE },			/* purged softly */
	{ "Cache-Control: max-age=60, no-cache\n", "", 0, false, CACHE_VALIDATE },		/* 5.2.2.4 */
	{ "Cache-Control: max-age=60, no-cache=\"X\"\n", "", 0, false, CACHE_USE },

	/* 5.2.1 */
	{ "Cache-Control: max-age=60\n", "Cache-Control: no-cache\n", 0, false, CACHE_VALIDATE },
	{ "Cache-Control: max-age=60\n", "Pragma: no-cache\n", 0, false, CACHE_VALIDATE },
	{ "Cache-Control: max-age=60\n", "Pragma: no-cache\nCache-Control: max-age=30\n", 0, false, CACHE_USE },	/* 5.4 */
	{ "Cache-Control: max-age=60\n", "Cache-Control: max-age=10\n", 10, false, CACHE_USE },
	{ "Cache-Control: max-age=60\n", "Cache-Control: max-age=10\n", 11, false, CACHE_VALIDATE },
	{ "Cache-Control: max-age=60\n", "Cache-Control: max-age=x\n", 1, false, CACHE_VALIDATE },
	{ "Cache-Control: max-age=60\n", "Cache-Control: min-fresh=20\n", 40, false, CACHE_USE },
	{ "Cache-Control: max-age=60\n", "Cache-Control: min-fresh=20\n", 41, false, CACHE_VALIDATE },
	{ "Cache-Control: max-age=60\n", "Cache-Control: max-stale\n", 100000, false, CACHE_USE_STALE },
	{ "Cache-Control: max-age=60\n", "Cache-Control: max-stale=10\n", 70, false, CACHE_USE_STALE },
	{ "Cache-Control: max-age=60\n", "Cache-Control: max-stale=10\n", 71, false, CACHE_VALIDATE },
	{ "Cache-Control: max-age=60\n", "Cache-Control: max-stale, max-age=65\n", 66, false, CACHE_VALIDATE },

	/* 5.2.2.2, 5.2.2.8, 5.2.2.10: not when stale, whatever the request says */
	{ "Cache-Control: max-age=60, must-revalidate\n", "Cache-Control: max-stale\n", 61, false, CACHE_VALIDATE },
	{ "Cache-Control: max-age=60, proxy-revalidate\n", "Cache-Control: max-stale\n", 61, false, CACHE_VALIDATE },
	{ "Cache-Control: s-maxage=60\n", "Cache-Control: max-stale\n", 61, false, CACHE_VALIDATE },
	{ "Cache-Control: max-age=60, must-revalidate\n", "", 59, false, CACHE_USE },

	/* RFC 5861, 3 */
	{ "Cache-Control: max-age=60, stale-while-revalidate=30\n", "", 60, false, CACHE_USE_AND_REFRESH },
	{ "Cache-Control: max-age=60, stale-while-revalidate=30\n", "", 89, false, CACHE_USE_AND_REFRESH },
	{ "Cache-Control: max-age=60, stale-while-revalidate=30\n", "", 90, false, CACHE_VALIDATE },
	{ "Cache-Control: max-age=60, stale-while-revalidate=30\n", "", 5, true, CACHE_USE_AND_REFRESH },
	{ "Cache-Control: s-maxage=60, stale-while-revalidate=30\n", "", 61, false, CACHE_USE_AND_REFRESH },
	{ "Cache-Control: max-age=60, stale-while-revalidate=30, must-revalidate\n", "", 61, false, CACHE_VALIDATE },
	{ "Cache-Control: max-age=60, stale-while-revalidate=30\n", "Cache-Control: no-cache\n", 61, false, CACHE_VALIDATE },
	{ "Cache-Control: max-age=60, stale-while-revalidate=x\n", "", 61, false, CACHE_VALIDATE },

	/* RFC 8246: a reload of what does not change */
	{ "Cache-Control: max-age=60, immutable\n", "Cache-Control: max-age=0\n", 30, false, CACHE_USE },
	{ "Cache-Control: max-age=60, immutable\n", "Cache-Control: max-age=0\n", 61, false, CACHE_VALIDATE },
	{ "Cache-Control: max-age=60, immutable\n", "Cache-Control: no-cache\n", 30, false, CACHE_VALIDATE },
};

static void
a_response_is_used_as_both_sides_allow(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(uses); i++) {
		struct cache_response response = response_of(200, uses[i].response);
		struct cache_request request = request_of(uses[i].request);
		struct cache_freshness fresh = freshness_by(&cache_rules_default, &response);
		enum cache_use use = cache_use_of(&fresh, uses[i].stale, &request, &cache_rules_default, NOW + uses[i].age);

		if (use != uses[i].use)
			fail_msg("scene %zu: used as %d", i, use);
	}
}

static void
the_operator_leaves_the_request_out(void **state)
{
	struct cache_rules rules = cache_rules_default;
	struct cache_response response = response_of(200, "Cache-Control: max-age=60\n");
	struct cache_freshness fresh;
	struct cache_request request = request_of("Cache-Control: no-cache, max-stale, stale-if-error=100\n");

	(void)state;
	rules.ignore = CACHE_IGNORE_REQUEST;
	rules.while_revalidate = 10;
	rules.if_error = 20;
	fresh = freshness_by(&rules, &response);
	assert_int_equal(cache_use_of(&fresh, false, &request, &rules, NOW), CACHE_USE);
	assert_int_equal(cache_use_of(&fresh, false, &request, &rules, NOW + 69), CACHE_USE_AND_REFRESH);
	assert_int_equal(cache_use_of(&fresh, false, &request, &rules, NOW + 70), CACHE_VALIDATE);
	assert_true(cache_use_on_error(&fresh, &request, &rules, NOW + 79));
	assert_false(cache_use_on_error(&fresh, &request, &rules, NOW + 80));
	assert_int_equal(cache_useful_until(&fresh), NOW + 80);
}

static void
errors_are_covered_as_long_as_allowed(void **state)
{
	static const struct {
		const char *response, *request;
		int64_t age;
		bool used;
	} scenes[] = {
		{ "Cache-Control: max-age=60\n", "", 61, false },
		{ "Cache-Control: max-age=60, stale-if-error=30\n", "", 89, true },
		{ "Cache-Control: max-age=60, stale-if-error=30\n", "", 90, false },
		{ "Cache-Control: max-age=60, stale-if-error=30\n", "", 10,
			true }, /* fresh, but it was to be validated */
		{ "Cache-Control: max-age=60, stale-if-error=30\n", "Cache-Control: no-cache\n", 61, false },
		{ "Cache-Control: max-age=60\n", "Cache-Control: stale-if-error=30\n", 61,
			true }, /* RFC 5861, 4: in requests, too */
		{ "Cache-Control: max-age=60, must-revalidate, stale-if-error=30\n", "", 61, false },
		{ "Cache-Control: s-maxage=60, stale-if-error=30\n", "", 61, true },
		{ "Cache-Control: s-maxage=60\n", "Cache-Control: stale-if-error=30\n", 61, false },
		{ "Cache-Control: no-cache, stale-if-error=30\n", "", 1, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(scenes); i++) {
		struct cache_response response = response_of(200, scenes[i].response);
		struct cache_request request = request_of(scenes[i].request);
		struct cache_freshness fresh = freshness_by(&cache_rules_default, &response);

		if (cache_use_on_error(&fresh, &request, &cache_rules_default, NOW + scenes[i].age) != scenes[i].used)
			fail_msg("scene %zu", i);
	}
}

/* --- admission (3, 3.5, 5.2.2) -------------------------------------------------------------------------- */

#define TAG "ETag: \"a\"\n"

static const struct {
	int status;
	const char *response, *request;
	enum cache_admission admission;
	const char *why;
} admissions[] = {
	{ 200, "Cache-Control: max-age=60\n", "", CACHE_STORE, NULL },
	{ 200, "", "", CACHE_NOT_SUCH, "no-lifetime" },
	{ 200, TAG, "", CACHE_STORE, NULL },				/* can be validated */
	{ 200, DATE AN_HOUR_AGO, "", CACHE_STORE, NULL },
	{ 200, "Cache-Control: max-age=0\n", "", CACHE_NOT_SUCH, "no-lifetime" },
	{ 200, "Cache-Control: max-age=0\n" TAG, "", CACHE_STORE, NULL },
	{ 200, "Cache-Control: max-age=0, stale-while-revalidate=10\n", "", CACHE_STORE, NULL },
	{ 200, "Cache-Control: no-cache\n", "", CACHE_NOT_SUCH, "no-lifetime" },
	{ 200, "Cache-Control: no-cache\n" TAG, "", CACHE_STORE, NULL },
	{ 200, "Cache-Control: max-age=60, no-store\n", "", CACHE_NOT_SUCH, "no-store" },
	{ 200, "Cache-Control: max-age=60, private\n", "", CACHE_NOT_SUCH, "private" },
	{ 200, "Cache-Control: max-age=60, private=\"X-User\"\n", "", CACHE_STORE, NULL },

	/* 5.2.2.3 */
	{ 200, "Cache-Control: max-age=60, no-store, must-understand\n", "", CACHE_STORE, NULL },
	{ 299, "Cache-Control: max-age=60, no-store, must-understand\n", "", CACHE_NOT_SUCH, "no-store" },
	{ 299, "Cache-Control: max-age=60, must-understand\n", "", CACHE_NOT_SUCH, "must-understand" },
	{ 299, "Cache-Control: max-age=60\n", "", CACHE_STORE, NULL },

	/* By status */
	{ 206, "Cache-Control: max-age=60\n", "", CACHE_NOT_THIS, "status" },
	{ 304, "Cache-Control: max-age=60\n", "", CACHE_NOT_THIS, "status" },
	{ 200, "Cache-Control: max-age=60\nContent-Range: bytes 0-1/2\n", "", CACHE_NOT_THIS, "status" },
	{ 101, "Cache-Control: max-age=60\n", "", CACHE_NOT_THIS, "status" },
	{ 404, "Cache-Control: max-age=60\n", "", CACHE_STORE, NULL },
	{ 302, "Cache-Control: max-age=60\n", "", CACHE_STORE, NULL },
	{ 302, DATE AN_HOUR_AGO, "", CACHE_NOT_SUCH, "no-lifetime" },
	{ 503, "Cache-Control: max-age=60\n", "", CACHE_STORE, NULL },
	{ 503, "", "", CACHE_NOT_THIS, "no-lifetime" },

	/* Requests: 5.2.1.5, 3.5 */
	{ 200, "Cache-Control: max-age=60\n", "Cache-Control: no-store\n", CACHE_NOT_THIS, "request-no-store" },
	{ 200, "Cache-Control: max-age=60\n", "Authorization: x\n", CACHE_NOT_THIS, "authorization" },
	{ 200, "Cache-Control: max-age=60, public\n", "Authorization: x\n", CACHE_STORE, NULL },
	{ 200, "Cache-Control: max-age=60, must-revalidate\n", "Authorization: x\n", CACHE_STORE, NULL },
	{ 200, "Cache-Control: s-maxage=60\n", "Authorization: x\n", CACHE_STORE, NULL },
	{ 200, "Cache-Control: max-age=60, proxy-revalidate\n", "Authorization: x\n", CACHE_NOT_THIS, "authorization" },

	/* Set-Cookie and Vary */
	{ 200, "Cache-Control: max-age=60, public\nSet-Cookie: a=b\n", "", CACHE_NOT_SUCH, "set-cookie" },
	{ 200, "Cache-Control: max-age=60, no-cache=\"set-cookie\"\nSet-Cookie: a=b\n", "", CACHE_STORE, NULL },
	{ 200, "Cache-Control: max-age=60\nVary: *\n", "", CACHE_NOT_SUCH, "vary" },
	{ 200, "Cache-Control: max-age=60\nVary: a, *, b\n", "", CACHE_NOT_SUCH, "vary" },
	{ 200, "Cache-Control: max-age=60\nVary: a/b\n", "", CACHE_NOT_SUCH, "vary" },
	{ 200, "Cache-Control: max-age=60\nVary: a,b,c,d\nVary: e,f,g,h,a,b\n", "", CACHE_STORE, NULL },
	{ 200, "Cache-Control: max-age=60\nVary: a,b,c,d,e,f,g,h,i\n", "", CACHE_NOT_SUCH, "vary" },
	{ 200, "CDN-Cache-Control: max-age=60\nCache-Control: no-store\n", "", CACHE_STORE, NULL },
	{ 200, "CDN-Cache-Control: no-store\nCache-Control: max-age=60\n", "", CACHE_NOT_SUCH, "no-store" },
};

static void
responses_are_admitted_or_not(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(admissions); i++) {
		struct cache_response response = response_of(admissions[i].status, admissions[i].response);
		struct cache_request request = request_of(admissions[i].request);
		struct cache_freshness fresh = freshness_by(&cache_rules_default, &response);
		const char *why;
		enum cache_admission admission = cache_admit(&request, &response, &cache_rules_default, &fresh, &why);

		if (admission != admissions[i].admission)
			fail_msg("scene %zu: %d, %s", i, admission, why != NULL ? why : "stored");
		if (admissions[i].why == NULL)
			assert_null(why);
		else
			assert_string_equal(why, admissions[i].why);
	}
}

static void
the_operator_admits_more(void **state)
{
	struct cache_rules rules = cache_rules_default;
	struct cache_request request = request_of("Authorization: x\nCache-Control: no-store\n");
	struct cache_response response = response_of(200, "Cache-Control: max-age=60, private=\"X-User\"\nSet-Cookie: a=b\n");
	struct cache_freshness fresh = freshness_by(&rules, &response);
	const char *why;

	(void)state;
	rules.ignore = CACHE_IGNORE_SET_COOKIE | CACHE_IGNORE_REQUEST | CACHE_IGNORE_AUTHORIZATION;
	assert_int_equal(cache_admit(&request, &response, &rules, &fresh, &why), CACHE_STORE);
	assert_false(cache_keeps_field(&response, &rules, "set-cookie", 10));
	assert_true(cache_keeps_field(&response, &cache_rules_default, "Set-Cookie", 10));
	assert_false(cache_keeps_field(&response, &rules, "x-user", 6));
	assert_false(cache_keeps_field(&response, &rules, "AGE", 3));
	assert_true(cache_keeps_field(&response, &rules, "Content-Type", 12));
}

static void
unsafe_methods_invalidate(void **state)
{
	(void)state;
	assert_true(cache_invalidates("POST", 200));
	assert_true(cache_invalidates("DELETE", 204));
	assert_true(cache_invalidates("X-UNKNOWN", 303));
	assert_false(cache_invalidates("POST", 404));
	assert_false(cache_invalidates("POST", 500));
	assert_false(cache_invalidates("GET", 200));
	assert_false(cache_invalidates("HEAD", 200));
	assert_true(cache_invalidates("get", 200));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(age_is_what_clocks_and_caches_say),
		cmocka_unit_test(lifetime_is_what_counts_most),
		cmocka_unit_test(the_operator_sets_lifetimes_by_status),
		cmocka_unit_test(a_response_is_used_as_both_sides_allow),
		cmocka_unit_test(the_operator_leaves_the_request_out),
		cmocka_unit_test(errors_are_covered_as_long_as_allowed),
		cmocka_unit_test(responses_are_admitted_or_not),
		cmocka_unit_test(the_operator_admits_more),
		cmocka_unit_test(unsafe_methods_invalidate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
