/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What scenes of the rules share: messages written as text, one field a line.
 */
#ifndef CACHE_RULE_SCENES_H
#define CACHE_RULE_SCENES_H

#include "admit.h"
#include "validate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define NOW INT64_C(784111777)		/* Sun, 06 Nov 1994 08:49:37 GMT */
#define DATE "Date: Sun, 06 Nov 1994 08:49:37 GMT\n"
#define COUNT(array) (sizeof(array) / sizeof(*(array)))

/* The next "Name: value" of a text, cut into two; false at its end. */
static inline bool
next_scene_field(char **at, char **name, char **value)
{
	char *end = strchr(*at, '\n');

	if (end == NULL)
		return false;
	*end = '\0';
	*name = *at;
	*value = strstr(*at, ": ");
	assert_non_null(*value);
	**value = '\0';
	*value += 2;
	*at = end + 1;
	return true;
}

/* The text is kept until the next message but three. */
static inline char *
keep_scene(const char *text)
{
	static char kept[4][8192];
	static unsigned turn;

	assert_true(strlen(text) < sizeof(kept[0]));
	return strcpy(kept[turn++ % 4], text);
}

static inline struct cache_response
response_by(const struct cache_rules *rules, int status, const char *text)
{
	struct cache_response response;
	char *at = keep_scene(text), *name, *value;

	cache_response_init(&response, status);
	while (next_scene_field(&at, &name, &value))
		cache_response_field(&response, rules, name, strlen(name), value, strlen(value), NOW);
	cache_response_end(&response, rules);
	return response;
}

static inline struct cache_response
response_of(int status, const char *text)
{
	return response_by(&cache_rules_default, status, text);
}

static inline struct cache_request
request_of(const char *text)
{
	struct cache_request request;
	char *at = keep_scene(text), *name, *value;

	cache_request_init(&request);
	while (next_scene_field(&at, &name, &value))
		cache_request_field(&request, name, value);
	return request;
}

/* Answered at once, at NOW. */
static inline struct cache_freshness
freshness_by(const struct cache_rules *rules, const struct cache_response *response)
{
	struct cache_freshness fresh;

	cache_freshness_of(&fresh, response, rules, NOW, NOW);
	return fresh;
}

#endif
