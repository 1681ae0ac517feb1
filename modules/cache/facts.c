/* SPDX-License-Identifier: Apache-2.0 */
/*
 * facts: what a request and a response say that matters to a cache.
 */
#include "facts.h"

#include "date.h"
#include "rules.h"
#include "validate.h"
#include "vary.h"

#include <string.h>
#include <strings.h>

static const char *const default_targets[] = { "CDN-Cache-Control" };

const struct cache_rules cache_rules_default = {
	.heuristic_percent = 10,
	.heuristic_most = 86400,
	.vary_most = CACHE_VARY_MOST,
	.targets = default_targets,
	.target_count = 1,
};

static bool
is(const char *name, size_t length, const char *other)
{
	return strlen(other) == length && strncasecmp(name, other, length) == 0;
}

/* Keep the first; false when there was one. */
static bool
keep(struct cache_text *text, const char *value, size_t length)
{
	if (text->at != NULL)
		return false;
	*text = (struct cache_text){ .at = value, .length = length };
	return true;
}

void
cache_request_init(struct cache_request *request)
{
	memset(request, 0, sizeof(*request));
	cache_control_init(&request->control);
}

static bool
has_token(const char *list, const char *token)
{
	size_t length = strlen(token);

	while (*list != '\0') {
		list += strspn(list, " \t,");
		if (strncasecmp(list, token, length) == 0 && strchr(" \t,", list[length]) != NULL)
			return true;
		list += strcspn(list, ",");
	}
	return false;
}

void
cache_request_field(struct cache_request *request, const char *name, const char *value)
{
	size_t length = strlen(name), value_length = strlen(value);

	if (is(name, length, "Cache-Control"))
		cache_control_parse(&request->control, value, value_length);
	else if (is(name, length, "Pragma"))
		request->pragma_no_cache |= has_token(value, "no-cache");
	else if (is(name, length, "Authorization"))
		request->authorization = true;
	else if (is(name, length, "If-Match") || is(name, length, "If-Unmodified-Since"))
		request->preconditions = true;
	else if (is(name, length, "If-None-Match"))
		request->many_if_none_match |= !keep(&request->if_none_match, value, value_length);
	else if (is(name, length, "If-Modified-Since"))
		keep(&request->if_modified_since, value, value_length);
	else if (is(name, length, "If-Range"))
		keep(&request->if_range, value, value_length);
	else if (is(name, length, "Range"))
		request->many_ranges |= !keep(&request->range, value, value_length);
}

void
cache_response_init(struct cache_response *response, int status)
{
	memset(response, 0, offsetof(struct cache_response, targets));
	for (size_t i = 0; i < CACHE_TARGETS_MOST; i++) {
		response->targets[i].length = 0;
		response->targets[i].present = response->targets[i].too_long = false;
	}
	cache_control_init(&response->control);
	response->status = status;
	response->date = response->expires = response->modified = response->age = -1;
}

static void
add_target(struct cache_target *target, const char *value, size_t length)
{
	if (target->too_long || target->length + length + 2 > CACHE_TARGET_TEXT) {
		target->too_long = true;
		return;
	}
	if (target->present)
		target->text[target->length++] = ',';
	memcpy(target->text + target->length, value, length);
	target->length += (uint16_t)length;
	target->present = true;
}

/* The first member of the list (RFC 9111, 5.1). */
static int64_t
age_of(const char *value, size_t length)
{
	const char *comma = memchr(value, ',', length);

	length = comma != NULL ? (size_t)(comma - value) : length;
	while (length > 0 && (value[length - 1] == ' ' || value[length - 1] == '\t'))
		length--;
	return cache_delta_parse(value, length);
}

/* A second Expires that says something else is in the past: the response is stale (RFC 9111, 4.2.1). */
static void
add_expires(struct cache_response *response, const char *value, size_t length, int64_t now)
{
	int64_t date = cache_date_parse(value, length, now);

	if (!response->has_expires || date < response->expires)
		response->expires = date;
	response->has_expires = true;
}

static void
add_vary(struct cache_response *response, const char *value, size_t length, unsigned most)
{
	if (!cache_vary_add(&response->vary, &response->vary_count, value, length) || response->vary_count > most)
		response->vary_any = true;
}

void
cache_response_field(struct cache_response *response, const struct cache_rules *rules, const char *name, size_t length,
	const char *value, size_t value_length, int64_t now)
{
	if (is(name, length, "Cache-Control"))
		cache_control_parse(&response->control, value, value_length);
	else if (is(name, length, "Expires"))
		add_expires(response, value, value_length, now);
	else if (is(name, length, "Date") && response->date < 0)
		response->date = cache_date_parse(value, value_length, now);
	else if (is(name, length, "Last-Modified") && response->modified < 0)
		response->modified = cache_date_parse(value, value_length, now);
	else if (is(name, length, "Age") && response->age < 0)
		response->age = age_of(value, value_length);
	else if (is(name, length, "ETag") && cache_etag_is_valid(value, value_length))
		keep(&response->etag, value, value_length);
	else if (is(name, length, "Set-Cookie"))
		response->set_cookie = true;
	else if (is(name, length, "Content-Range"))
		response->content_range = true;
	else if (is(name, length, "Vary") && !(rules->ignore & CACHE_IGNORE_VARY))
		add_vary(response, value, value_length, rules->vary_most);
	else
		for (size_t i = 0; i < rules->target_count && i < CACHE_TARGETS_MOST; i++)
			if (is(name, length, rules->targets[i]))
				add_target(&response->targets[i], value, value_length);
}

void
cache_response_end(struct cache_response *response, const struct cache_rules *rules)
{
	struct cache_control control;

	if (!(rules->ignore & CACHE_IGNORE_TARGETED)) {
		for (size_t i = 0; i < rules->target_count && i < CACHE_TARGETS_MOST; i++) {
			const struct cache_target *target = &response->targets[i];

			cache_control_init(&control);
			if (!target->present || target->too_long ||
				!cache_control_parse_targeted(&control, target->text, target->length))
				continue;
			response->control = control;
			response->has_expires = false;
			return;
		}
	}
	if (rules->ignore & CACHE_IGNORE_CONTROL)
		cache_control_init(&response->control);
	if (rules->ignore & CACHE_IGNORE_EXPIRES)
		response->has_expires = false;
}
