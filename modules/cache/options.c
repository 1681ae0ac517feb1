/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options: what an operator may say about caching, and the rules that come of it.
 */
#include "hooks.h"
#include "vary.h"

#include <stdlib.h>
#include <string.h>

enum { TTL_MOST = 10 * 365 * 86400 };

static const char *const ignores[] = {
	"cache_control", "expires", "set_cookie", "vary", "targeted", "request", "authorization", NULL
};

/* Digits with an s, m, h or d behind them; -1: something else. */
static int64_t
read_seconds(const char *text, size_t length)
{
	static const struct { char unit; int64_t seconds; } units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 } };
	int64_t number = 0;
	size_t at = 0;

	while (at < length && text[at] >= '0' && text[at] <= '9' && number < TTL_MOST)
		number = number * 10 + text[at++] - '0';
	if (at == 0 || length - at > 1)
		return -1;
	if (at == length)
		return number == 0 ? 0 : -1;
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++)
		if (units[i].unit == text[at])
			return number * units[i].seconds <= TTL_MOST ? number * units[i].seconds : -1;
	return -1;
}

/* "200", "301-308" or "5xx". */
static bool
read_statuses(struct cache_ttl *ttl, const char *text, size_t length)
{
	char *end;

	if (length == 3 && text[0] >= '2' && text[0] <= '5' && text[1] == 'x' && text[2] == 'x') {
		ttl->first = (text[0] - '0') * 100;
		ttl->last = ttl->first + 99;
		return true;
	}
	ttl->first = ttl->last = (int)strtol(text, &end, 10);
	if (end == text + 3 && *end == '-')
		ttl->last = (int)strtol(end + 1, &end, 10);
	return end == text + length && ttl->first >= 200 && ttl->last <= 599 && ttl->first <= ttl->last;
}

static const char *
parse_ttl(struct weir_build *build, const char *text, void *value)
{
	struct cache_ttl *ttl = value;
	size_t statuses = strcspn(text, " \t");
	const char *time = text + statuses + strspn(text + statuses, " \t"), *rest;
	size_t length = strcspn(time, " \t");

	(void)build;
	memset(ttl, 0, sizeof(*ttl));
	rest = time + length + strspn(time + length, " \t");
	if (!read_statuses(ttl, text, statuses))
		return "must begin with a status, 200 to 599, a range such as 301-308, or a class such as 5xx";
	ttl->seconds = read_seconds(time, length);
	if (ttl->seconds < 0)
		return "must have a time behind the status, such as 10m, 1h or 0, of ten years at most";
	ttl->only_silent = strcmp(rest, "silent") == 0;
	return *rest == '\0' || ttl->only_silent ? NULL : "has something behind the time that is not `silent`";
}

void
cache_check(struct weir_build *build, void *settings)
{
	struct cache_settings *set = settings;
	const int *ignored = set->ignore.items;

	set->rules = (struct cache_rules){
		.ttls = set->ttls.items,
		.ttl_count = set->ttls.count,
		.heuristic_percent = set->heuristic,
		.heuristic_most = set->heuristic_most / 1000,
		.lifetime_most = set->ttl_most / 1000,
		.while_revalidate = set->while_revalidate / 1000,
		.if_error = set->if_error / 1000,
		.vary_most = (unsigned)set->vary_most,
		.targets = set->targets.count > 0 ? set->targets.items : cache_rules_default.targets,
		.target_count = set->targets.count > 0 ? set->targets.count : cache_rules_default.target_count,
	};
	for (size_t i = 0; i < set->ignore.count; i++)
		set->rules.ignore |= 1u << ignored[i];
	if (set->targets.count > CACHE_TARGETS_MOST)
		weir_build_error(build, "there are %zu names in `targeted`: at most %d can be told apart", set->targets.count,
			CACHE_TARGETS_MOST);
	if (set->status_name[0] == '\0')
		weir_build_error(build, "`status_name` must not be empty: write - to send no Cache-Status");
}

const struct weir_option cache_options[] = {
	{ "size", WEIR_SIZE, offsetof(struct cache_settings, size), .in = WEIR_IN_MODULE, .initial = "64M",
	  .min = CACHE_SIZE_LEAST,
	  .max = INT64_MAX, .doc = "Memory for everything that the cache holds." },
	{ "object_size", WEIR_SIZE, offsetof(struct cache_settings, object_size), .in = WEIR_IN_MODULE, .max = INT64_MAX,
	  .doc = "The largest body that is stored; 0: an eighth of the size." },
	{ "file", WEIR_PATH, offsetof(struct cache_settings, file), .in = WEIR_IN_MODULE,
	  .doc = "Where what is hot is written when Weir stops, and read from when it starts. Left out: nowhere." },
	{ "key", WEIR_TEMPLATE, offsetof(struct cache_settings, key),
	  .doc = "What tells responses apart. Left out: scheme, authority, path and query." },
	{ "bypass", WEIR_TEMPLATE, offsetof(struct cache_settings, bypass), .repeat = true,
	  .doc = "Leave the cache out where this is not empty, 0 or -; for example ${request.cookie}." },
	{ "ttl", WEIR_CUSTOM, offsetof(struct cache_settings, ttls), .repeat = true, .size = sizeof(struct cache_ttl),
	  .parse = parse_ttl,
	  .doc = "STATUS TIME [silent]: how long such responses are fresh, whatever they say (silent: if they say nothing); "
	  "0: they are not stored. STATUS is 200, 301-308 or 5xx. The first that fits counts." },
	{ "ignore", WEIR_CHOICE, offsetof(struct cache_settings, ignore), .repeat = true, .choices = ignores,
	  .doc = "What is to be ignored: cache_control, expires, set_cookie, vary or targeted of responses; request: "
	  "Cache-Control and Pragma of requests; authorization: that a request carries it." },
	{ "lock_timeout", WEIR_DURATION, offsetof(struct cache_settings, lock_timeout), .initial = "5s", .min = 1, .max = 3600000,
	  .doc = "When a fetch has brought nothing for so long, one of those who wait for it fetches, too." },
	{ "lock_age", WEIR_DURATION, offsetof(struct cache_settings, lock_age), .initial = "60s", .min = 1, .max = 3600000,
	  .doc = "How long a request waits for fetches of others in all; then it is answered 504." },
	{ "fetch_time", WEIR_DURATION, offsetof(struct cache_settings, fetch_time), .initial = "10m", .min = 1, .max = 86400000,
	  .doc = "The most that fetching one body may take." },
	{ "pass_time", WEIR_DURATION, offsetof(struct cache_settings, pass_time), .initial = "2m", .min = 1000, .max = 86400000,
	  .doc = "How long it is remembered that a resource is not to be stored, so that requests for it do not wait for each "
	  "other." },
	{ "heuristic", WEIR_INTEGER, offsetof(struct cache_settings, heuristic), .initial = "10", .max = 100,
	  .doc = "Percent of the time since Last-Modified that a response is fresh where it does not say; 0: no such "
	  "estimates." },
	{ "heuristic_max", WEIR_DURATION, offsetof(struct cache_settings, heuristic_most), .initial = "1d", .max = INT64_MAX,
	  .doc = "The most that is so estimated." },
	{ "ttl_max", WEIR_DURATION, offsetof(struct cache_settings, ttl_most), .max = INT64_MAX,
	  .doc = "The most that anything is fresh; 0: as it says." },
	{ "stale_while_revalidate", WEIR_DURATION, offsetof(struct cache_settings, while_revalidate), .max = INT64_MAX,
	  .doc = "For how long a stale response is used while it is asked for again, where it does not say." },
	{ "stale_if_error", WEIR_DURATION, offsetof(struct cache_settings, if_error), .max = INT64_MAX,
	  .doc = "For how long a stale response is used when the origin fails, where it does not say." },
	{ "vary_max", WEIR_INTEGER, offsetof(struct cache_settings, vary_most), .initial = "8", .min = 1, .max = 32,
	  .doc = "Responses that vary by more fields are not stored." },
	{ "codings", WEIR_TEXT, offsetof(struct cache_settings, codings),
	  .doc = "Content codings that the origin has, the best first: Accept-Encoding is reduced to the one that a client "
	  "takes." },
	{ "targeted", WEIR_FIELD_NAME, offsetof(struct cache_settings, targets), .repeat = true,
	  .doc = "Fields that are obeyed instead of Cache-Control (RFC 9213), the first that is there. Left out: "
	  "CDN-Cache-Control." },
	{ "status_name", WEIR_TEXT, offsetof(struct cache_settings, status_name), .initial = "weir",
	  .doc = "What this cache is called in Cache-Status (RFC 9211); -: no such field." },
	{ .name = NULL }
};
