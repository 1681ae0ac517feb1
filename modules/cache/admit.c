/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admit: which responses a shared cache stores.
 */
#include "admit.h"

#include <string.h>
#include <strings.h>

/* Statuses that are understood as far as a cache must (RFC 9110, 15): all final ones but those that tell
 * of a part, or of what is stored elsewhere. */
static bool
is_understood(int status)
{
	return status >= 200 && status <= 599 && status != 206 && status != 304;
}

/* Statuses whose caching requirements are known, for must-understand (RFC 9111, 5.2.2.3). */
static bool
is_well_known(int status)
{
	return cache_status_is_heuristic(status) || status == 302 || status == 303 || status == 307 ||
		status == 400 || status == 403 || status == 500 || status == 502 || status == 503 ||
		status == 504;
}

static bool
is_named(const struct cache_response *response, const char *name)
{
	return cache_names_has(&response->control.unnamed, name, strlen(name));
}

/* RFC 9111, 3.5: what may be shared although it was asked for with credentials. */
static bool
is_for_all(const struct cache_control *control)
{
	return control->is_public || control->must_revalidate || control->s_maxage >= 0;
}

/* What the response itself, or the operator, says against it; NULL: nothing. */
static const char *
forbidden(const struct cache_response *response, const struct cache_rules *rules)
{
	const struct cache_control *control = &response->control;

	if (control->no_store && !(control->must_understand && is_well_known(response->status)))
		return "no-store";
	if (control->must_understand && !is_well_known(response->status))
		return "must-understand";
	if (control->is_private)
		return "private";
	if (response->vary_any)
		return "vary";
	if (response->set_cookie && !(rules->ignore & CACHE_IGNORE_SET_COOKIE) && !is_named(response, "set-cookie"))
		return "set-cookie";
	return NULL;
}

/* Would it ever answer a request? Fresh for a time, or checked with a validator, or used while stale. */
static bool
is_useful(const struct cache_response *response, const struct cache_freshness *fresh)
{
	bool may_validate = response->etag.at != NULL || response->modified >= 0;
	bool explicit = response->control.s_maxage >= 0 || response->control.max_age >= 0 ||
		response->has_expires || response->control.is_public || response->control.no_cache ||
		cache_status_is_heuristic(response->status);

	if (fresh->lifetime < 0)
		return false;
	if (fresh->no_cache)
		return may_validate;
	if (fresh->lifetime > 0)
		return true;
	if (!fresh->must_revalidate && response->control.present &&
		(fresh->while_revalidate > 0 || fresh->if_error > 0))
		return explicit;
	return may_validate && explicit;
}

enum cache_admission
cache_admit(const struct cache_request *request, const struct cache_response *response,
	const struct cache_rules *rules, const struct cache_freshness *fresh, const char **why)
{
	*why = forbidden(response, rules);
	if (*why != NULL)
		return CACHE_NOT_SUCH;
	if (!is_understood(response->status) || response->content_range) {
		*why = "status";
		return CACHE_NOT_THIS;
	}
	if (request->control.no_store && !(rules->ignore & CACHE_IGNORE_REQUEST)) {
		*why = "request-no-store";
		return CACHE_NOT_THIS;
	}
	if (request->authorization && !(rules->ignore & CACHE_IGNORE_AUTHORIZATION) &&
		!is_for_all(&response->control)) {
		*why = "authorization";
		return CACHE_NOT_THIS;
	}
	if (!is_useful(response, fresh)) {
		*why = "no-lifetime";
		return response->status < 500 ? CACHE_NOT_SUCH : CACHE_NOT_THIS;
	}
	return CACHE_STORE;
}

/* Fields that tell of one way of a response, or that the cache makes itself. */
bool
cache_keeps_field(const struct cache_response *response, const struct cache_rules *rules, const char *name,
	size_t length)
{
	static const char *const never[] = { "Age", "Content-Length", "Proxy-Authenticate",
		"Proxy-Authentication-Info", "Proxy-Authorization", "Trailer" };

	for (size_t i = 0; i < sizeof(never) / sizeof(*never); i++)
		if (strlen(never[i]) == length && strncasecmp(never[i], name, length) == 0)
			return false;
	if ((rules->ignore & CACHE_IGNORE_SET_COOKIE) && length == 10 && strncasecmp(name, "Set-Cookie", 10) == 0)
		return false;
	return !cache_names_has(&response->control.unnamed, name, length);
}

bool
cache_invalidates(const char *method, int status)
{
	static const char *const safe[] = { "GET", "HEAD", "OPTIONS", "TRACE" };

	for (size_t i = 0; i < sizeof(safe) / sizeof(*safe); i++)
		if (strcmp(method, safe[i]) == 0)
			return false;
	return status >= 200 && status < 400;
}
