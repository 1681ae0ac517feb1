/* SPDX-License-Identifier: Apache-2.0 */
/*
 * freshness: how old a stored response is, for how long it may be used, and by whom.
 */
#include "freshness.h"

static int64_t
larger(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static int64_t
smaller(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

bool
cache_status_is_heuristic(int status)
{
	switch (status) {
	case 200: case 203: case 204: case 206: case 300: case 301: case 308:
	case 404: case 405: case 410: case 414: case 501:
		return true;
	default:
		return false;
	}
}

/* RFC 9111, 4.2.3: the time when it was new, by the origin's clock and by what caches on the way said,
 * whichever is earlier. */
static int64_t
born(const struct cache_response *response, int64_t asked, int64_t came)
{
	int64_t apparent = response->date >= 0 ? larger(0, came - response->date) : 0;
	int64_t corrected = larger(0, response->age) + larger(0, came - asked);

	return came - larger(apparent, corrected);
}

static const struct cache_ttl *
ttl_of(const struct cache_rules *rules, int status, bool silent)
{
	for (size_t i = 0; i < rules->ttl_count; i++) {
		const struct cache_ttl *ttl = &rules->ttls[i];

		if (status >= ttl->first && status <= ttl->last && (silent || !ttl->only_silent))
			return ttl;
	}
	return NULL;
}

/* Has the response said how long it is fresh? (4.2.1) */
static bool
says_lifetime(const struct cache_response *response, int64_t came, int64_t *lifetime)
{
	const struct cache_control *control = &response->control;
	int64_t date = response->date >= 0 ? response->date : came;

	if (control->s_maxage >= 0)
		*lifetime = control->s_maxage;
	else if (control->max_age >= 0)
		*lifetime = control->max_age;
	else if (response->has_expires)
		*lifetime = response->expires < 0 ? 0 : larger(0, response->expires - date);
	else
		return false;
	return true;
}

/* 4.2.2 */
static int64_t
estimate(const struct cache_response *response, const struct cache_rules *rules, int64_t came)
{
	int64_t date = response->date >= 0 ? response->date : came, most = rules->heuristic_most;

	if (response->modified < 0 || response->modified >= date)
		return 0;
	if (!cache_status_is_heuristic(response->status) && !response->control.is_public)
		return 0;
	return smaller((date - response->modified) * rules->heuristic_percent / 100, most > 0 ? most : INT64_MAX);
}

/* What s-maxage implies (5.2.2.10) yields to a response that itself says for how long it may be used
 * stale. */
static bool
is_strict(const struct cache_control *control)
{
	if (control->must_revalidate || control->proxy_revalidate)
		return true;
	return control->s_maxage >= 0 && control->while_revalidate < 0 && control->if_error < 0;
}

void
cache_freshness_of(struct cache_freshness *fresh, const struct cache_response *response,
	const struct cache_rules *rules, int64_t asked, int64_t came)
{
	const struct cache_control *control = &response->control;
	const struct cache_ttl *ttl;
	bool says;

	*fresh = (struct cache_freshness){
		.born = born(response, asked, came),
		.while_revalidate =
			control->while_revalidate >= 0 ? control->while_revalidate : rules->while_revalidate,
		.if_error = control->if_error >= 0 ? control->if_error : rules->if_error,
		.no_cache = control->no_cache,
		.must_revalidate = is_strict(control),
		.immutable = control->immutable,
	};
	says = says_lifetime(response, came, &fresh->lifetime);
	ttl = ttl_of(rules, response->status,
		!says && !control->no_cache && !control->no_store && !control->is_private);
	if (ttl != NULL) {		/* counts from when it came, or it might never be fresh */
		fresh->lifetime = ttl->seconds > 0 ? ttl->seconds + (came - fresh->born) : -1;
	} else if (!says) {
		fresh->lifetime = estimate(response, rules, came);
		fresh->heuristic = fresh->lifetime > 0;
	}
	if (rules->lifetime_most > 0)
		fresh->lifetime = smaller(fresh->lifetime, rules->lifetime_most);
}

/* For how long it has been stale; negative while it is fresh. */
static int64_t
staleness(const struct cache_freshness *fresh, int64_t now)
{
	return cache_age(fresh, now) - fresh->lifetime;
}

/* Does the request want a response that is fresher than this one? (5.2.1) */
static bool
is_demanding(const struct cache_freshness *fresh, const struct cache_request *request,
	const struct cache_rules *rules, bool is_fresh, int64_t now)
{
	const struct cache_control *control = &request->control;
	int64_t age = cache_age(fresh, now);

	if (rules->ignore & CACHE_IGNORE_REQUEST)
		return false;
	if (control->no_cache || (!control->present && request->pragma_no_cache))
		return true;
	if (control->max_age >= 0 && age > control->max_age && !(is_fresh && fresh->immutable))
		return true;
	return control->min_fresh >= 0 && fresh->lifetime - age < control->min_fresh;
}

enum cache_use
cache_use_of(const struct cache_freshness *fresh, bool stale, const struct cache_request *request,
	const struct cache_rules *rules, int64_t now)
{
	int64_t late = staleness(fresh, now);
	bool is_fresh = late < 0 && !stale;

	if (fresh->no_cache || is_demanding(fresh, request, rules, is_fresh, now))
		return CACHE_VALIDATE;
	if (is_fresh)
		return CACHE_USE;
	if (fresh->must_revalidate)
		return CACHE_VALIDATE;
	late = larger(late, 0);
	if (fresh->while_revalidate > 0 && late < fresh->while_revalidate)
		return CACHE_USE_AND_REFRESH;
	if (!(rules->ignore & CACHE_IGNORE_REQUEST) && request->control.max_stale >= 0 &&
		late <= request->control.max_stale)
		return CACHE_USE_STALE;
	return CACHE_VALIDATE;
}

/* The request may allow more than the response does, unless that forbids it. */
bool
cache_use_on_error(const struct cache_freshness *fresh, const struct cache_request *request,
	const struct cache_rules *rules, int64_t now)
{
	int64_t most = fresh->if_error;

	if (fresh->no_cache || fresh->must_revalidate)
		return false;
	if (!(rules->ignore & CACHE_IGNORE_REQUEST)) {
		if (request->control.no_cache)
			return false;
		most = larger(most, request->control.if_error);
	}
	return most > 0 && staleness(fresh, now) < most;
}

int64_t
cache_useful_until(const struct cache_freshness *fresh)
{
	return fresh->born + fresh->lifetime + larger(larger(fresh->while_revalidate, fresh->if_error), 0);
}
