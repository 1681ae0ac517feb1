/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_rules: what origins and clients may write into the fields that the cache reads. The first byte of an
 * input says which; the others are the field.
 */
#include "admit.h"
#include "date.h"
#include "range.h"
#include "store.h"
#include "structured.h"
#include "validate.h"
#include "vary.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOW INT64_C(784111777)

/* What must hold; unlike assert it is there in every build. */
#define must(condition) ((condition) ? (void)0 : fail(#condition, __FILE__, __LINE__))

static void
fail(const char *condition, const char *file, int line)
{
	fprintf(stderr, "%s:%d: must hold: %s\n", file, line, condition);
	abort();
}

static void
check_seconds(int64_t seconds)
{
	must(seconds >= -1 && (seconds <= CACHE_DELTA_MOST || seconds == INT64_MAX));
}

static void
check_control(const struct cache_control *c)
{
	check_seconds(c->max_age);
	check_seconds(c->s_maxage);
	check_seconds(c->max_stale);
	check_seconds(c->min_fresh);
	check_seconds(c->while_revalidate);
	check_seconds(c->if_error);
	must(c->unnamed.length <= CACHE_NAMES_MOST);
	must(c->unnamed.length == 0 || (c->unnamed.text[0] == ',' && c->unnamed.text[c->unnamed.length - 1] == ','));
}

/* A directive more restricts more: read twice, nothing is longer or laxer. */
static void
read_control(const char *text, size_t length)
{
	struct cache_control once, twice;

	cache_control_init(&once);
	cache_control_parse(&once, text, length);
	check_control(&once);
	twice = once;
	cache_control_parse(&twice, text, length);
	check_control(&twice);
	must(twice.max_age == once.max_age && twice.s_maxage == once.s_maxage && twice.min_fresh == once.min_fresh);
	must(twice.no_store == once.no_store && twice.no_cache >= once.no_cache &&
		twice.is_private >= once.is_private);
}

static void
read_targeted(const char *text, size_t length)
{
	struct cache_control control, before;
	size_t count;

	cache_control_init(&control);
	before = control;
	if (cache_control_parse_targeted(&control, text, length)) {
		must(cache_structured_dictionary(text, length, NULL, NULL, &count) && count > 0);
		check_control(&control);
	} else {
		must(memcmp(&control, &before, sizeof(control)) == 0);
	}
}

static void
read_ranges(const char *text, size_t length)
{
	uint64_t body = length > 0 ? (uint64_t)(unsigned char)text[0] * (unsigned char)text[length - 1] : 0, sum = 0;
	struct cache_ranges ranges;
	enum cache_range_result result = cache_ranges_parse(&ranges, text, length, body);

	if (result != CACHE_PARTS)
		return;
	must(ranges.count > 0 && ranges.count <= CACHE_RANGES_MOST);
	for (unsigned i = 0; i < ranges.count; i++) {
		const struct cache_range *range = &ranges.list[i];

		must(range->first <= range->last && range->last < body);
		sum += range->last - range->first + 1;
	}
	must(sum <= body);
	must(cache_parts_length(&ranges, "B", NULL, 0, body) > sum);
}

static const char *
read_once(void *argument, const char *name, unsigned *position)
{
	(void)name;
	return (*position)++ == 0 ? argument : NULL;
}

/* What was normalised once stays as it is. */
static void
read_vary(const char *text, size_t length)
{
	static const char *const names[] = { "accept-encoding", "cookie" };
	struct cache_names set = { .length = 0 }, again = { .length = 0 };
	char written[CACHE_NAMES_MOST], rewritten[CACHE_NAMES_MOST], variant[CACHE_VARIANT_MOST + 1],
		other[CACHE_VARIANT_MOST];
	const char *coding;
	unsigned count = 0, recount = 0;

	if (cache_vary_add(&set, &count, text, length)) {
		cache_vary_write(&set, written);
		must(cache_vary_add(&again, &recount, written, strlen(written)));
		cache_vary_write(&again, rewritten);
		must(recount == count && strcmp(written, rewritten) == 0);
	}
	for (size_t i = 0; i < 2; i++) {
		size_t size = cache_vary_variant(variant, CACHE_VARIANT_MOST, names[i], read_once,
			(void *)(uintptr_t)text, NULL);

		must(size <= CACHE_VARIANT_MOST);
		if (size == 0)
			continue;
		variant[size - 1] = '\0';	/* its line feed */
		must(cache_vary_variant(other, sizeof(other), names[i], read_once,
			variant + strlen(names[i]) + 1, NULL) == size);
		must(memcmp(variant, other, size - 1) == 0);
	}
	must(cache_vary_coding(text, "br gzip", &coding) > 0);
}

static void
read_date(const char *text, size_t length)
{
	char written[CACHE_DATE_LENGTH + 1];
	int64_t seconds = cache_date_parse(text, length, NOW);

	if (seconds < 0)
		return;
	cache_date_write(written, seconds);
	must(cache_date_parse(written, CACHE_DATE_LENGTH, NOW) == seconds);
}

static void
read_conditions(const char *text)
{
	static const char *const names[] = { "If-None-Match", "If-Modified-Since", "If-Range", "Range",
		"Pragma", "Cache-Control" };
	const struct cache_validators stored = { .etag = "W/\"a,b\"", .modified = NOW - 100, .date = NOW };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		struct cache_request request;

		cache_request_init(&request);
		cache_request_field(&request, names[i], text);
		must(!cache_is_not_modified(&request, &stored, NOW) || i < 2);
		must(cache_if_range_holds(&request, &stored, NOW) || i == 2);
	}
}

/* Any response that is admitted has a freshness that makes sense. */
static void
read_response(const char *text, size_t length)
{
	static const char *const names[] = { "Cache-Control", "Expires", "Age", "Date", "Last-Modified",
		"Vary", "CDN-Cache-Control", "ETag" };
	struct cache_response response;
	struct cache_request request;
	struct cache_freshness fresh;
	const char *why;

	cache_request_init(&request);
	cache_response_init(&response, 200);
	for (size_t at = 0; at < length; ) {
		const char *feed = memchr(text + at, '\n', length - at);
		size_t size = feed != NULL ? (size_t)(feed - text) - at : length - at;
		const char *name = names[(unsigned char)text[at] % (sizeof(names) / sizeof(*names))];

		if (size > 0)
			cache_response_field(&response, &cache_rules_default, name, strlen(name),
				text + at + 1, size - 1, NOW);
		at += size + 1;
	}
	cache_response_end(&response, &cache_rules_default);
	cache_freshness_of(&fresh, &response, &cache_rules_default, NOW, NOW);
	must(fresh.born <= NOW && fresh.lifetime >= 0);
	if (cache_admit(&request, &response, &cache_rules_default, &fresh, &why) != CACHE_STORE)
		must(why != NULL);
	cache_use_of(&fresh, false, &request, &cache_rules_default, NOW);
}

/* Lines of a stored head, and of a 304. */
static void
read_lines(const char *text, size_t length)
{
	static struct cache_store *store;
	const struct cache_store_options options = { .size = CACHE_SIZE_LEAST };
	struct cache_draft draft = { .kind = CACHE_VARY,
		.name = { .key = "k", .key_length = 1, .variant = "" },
		.lines = text,
		.lines_length = length,
		.tags = text };
	struct cache_object *object;
	char *merged = malloc(2 * length + 1);

	must(merged != NULL);
	must(cache_merge_lines(merged, 2 * length, text, length, text, length) <= 2 * length);
	free(merged);
	if (store == NULL)
		store = cache_store_new(&options);
	must(store != NULL);
	object = cache_object_new(store, &draft);
	if (object == NULL)
		return;
	must(object->lines_length == length && memcmp(object->lines, text, length) == 0);
	for (uint32_t i = 0; i < object->field_count; i++)
		must((size_t)object->fields[i].value + object->fields[i].value_length + 2 <= length);
	cache_object_release(store, &object);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text;

	if (size == 0)
		return 0;
	text = malloc(size);
	must(text != NULL);
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	switch (data[0] % 8) {
	case 0: read_control(text, size - 1); break;
	case 1: read_targeted(text, size - 1); break;
	case 2: read_ranges(text, size - 1); break;
	case 3: read_vary(text, size - 1); break;
	case 4: read_date(text, size - 1); break;
	case 5: read_conditions(text); break;
	case 6: read_response(text, size - 1); break;
	default: read_lines(text, size - 1); break;
	}
	free(text);
	return 0;
}
