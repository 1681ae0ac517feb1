/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenes of answers from what is stored: conditions, merged heads, variants, ranges, keys, Cache-Status.
 */
#include "rule_scenes.h"

#include "key.h"
#include "range.h"
#include "status.h"
#include "vary.h"

/* --- entity tags and conditions (RFC 9110, 8.8.3, 13) --------------------------------------------------- */

static void
entity_tags_are_compared(void **state)
{
	static const struct {
		const char *a, *b;
		bool same, like;
	} tags[] = {
		{ "W/\"1\"", "W/\"1\"", false, true },
		{ "W/\"1\"", "W/\"2\"", false, false },
		{ "W/\"1\"", "\"1\"", false, true },
		{ "\"1\"", "\"1\"", true, true },
		{ "\"1\"", "\"11\"", false, false },
	};
	static const char *const bad[] = { "", "\"", "1", "\"1", "1\"", "w/\"1\"", "\"a\"b\"", "\"a b\"",
		"W/", "W/1", "\"\x7f\"" };

	(void)state;
	for (size_t i = 0; i < COUNT(tags); i++) {
		const char *a = tags[i].a, *b = tags[i].b;

		assert_true(cache_etag_is_valid(a, strlen(a)) && cache_etag_is_valid(b, strlen(b)));
		assert_int_equal(cache_etag_is_same(a, strlen(a), b, strlen(b)), tags[i].same);
		assert_int_equal(cache_etag_is_like(a, strlen(a), b, strlen(b)), tags[i].like);
		assert_int_equal(cache_etag_is_same(b, strlen(b), a, strlen(a)), tags[i].same);
	}
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_false(cache_etag_is_valid(bad[i], strlen(bad[i])));
	assert_true(cache_etag_is_valid("\"\"", 2));
	assert_true(cache_etag_is_valid("\"\xc3\xa9,!\"", 6));
}

static void
conditions_are_answered(void **state)
{
	static const struct {
		const char *request;
		struct cache_validators stored;
		bool not_modified;
	} scenes[] = {
		{ "", { "\"a\"", NOW, NOW }, false },
		{ "If-None-Match: \"a\"\n", { "\"a\"", -1, NOW }, true },
		{ "If-None-Match: W/\"a\"\n", { "\"a\"", -1, NOW }, true },
		{ "If-None-Match: \"x\", \"b,c\" , W/\"a\"\n", { "W/\"a\"", -1, NOW }, true },
		{ "If-None-Match: \"x\", \"b,c\"\n", { "\"b,c\"", -1, NOW }, true },
		{ "If-None-Match: \"x\", \"b,c\"\n", { "\"b\"", -1, NOW }, false },
		{ "If-None-Match: *\n", { NULL, -1, NOW }, true },
		{ "If-None-Match: \"a\"\n", { NULL, -1, NOW }, false },
		{ "If-None-Match: a\n", { "\"a\"", -1, NOW }, false },
		{ "If-None-Match: \"a\n", { "\"a\"", -1, NOW }, false },
		{ "If-None-Match: x\nIf-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\n",
			{ "\"a\"", NOW, NOW }, false }, /* 13.1.3 */
		{ "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\n", { NULL, NOW, NOW }, true },
		{ "If-Modified-Since: Sun, 06 Nov 1994 08:49:36 GMT\n", { NULL, NOW, NOW }, false },
		{ "If-Modified-Since: Sunday, 06-Nov-94 08:49:37 GMT\n", { NULL, NOW - 1, NOW }, true },
		{ "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\n", { NULL, -1, NOW },
			true }, /* RFC 9111, 4.3.2: by Date */
		{ "If-Modified-Since: Sun, 06 Nov 1994 08:49:36 GMT\n", { NULL, -1, NOW }, false },
		{ "If-Modified-Since: Sun, 06 Nov 1994 08:49:39 GMT\n", { NULL, NOW, NOW },
			false }, /* in the future */
		{ "If-Modified-Since: 0\n", { NULL, NOW, NOW }, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(scenes); i++) {
		struct cache_request request = request_of(scenes[i].request);

		if (cache_is_not_modified(&request, &scenes[i].stored, NOW) != scenes[i].not_modified)
			fail_msg("scene %zu", i);
	}
}

static void
if_range_is_strict(void **state)
{
	static const struct {
		const char *request;
		struct cache_validators stored;
		bool holds;
	} scenes[] = {
		{ "", { NULL, -1, -1 }, true },
		{ "If-Range: \"a\"\n", { "\"a\"", -1, NOW }, true },
		{ "If-Range: W/\"a\"\n", { "W/\"a\"", -1, NOW }, false },
		{ "If-Range: \"a\"\n", { "W/\"a\"", -1, NOW }, false },
		{ "If-Range: \"a\"\n", { NULL, -1, NOW }, false },
		{ "If-Range: a\n", { "\"a\"", -1, NOW }, false },
		{ "If-Range: Sun, 06 Nov 1994 08:49:37 GMT\n", { "\"a\"", NOW, NOW + 60 }, true },
		{ "If-Range: Sun, 06 Nov 1994 08:49:37 GMT\n", { "\"a\"", NOW, NOW + 59 },
			false }, /* 8.8.2.2: it may be weak */
		{ "If-Range: Sun, 06 Nov 1994 08:49:37 GMT\n", { "\"a\"", NOW - 1, NOW + 60 }, false },
		{ "If-Range: Sun, 06 Nov 1994 08:49:37 GMT\n", { "\"a\"", -1, NOW + 60 }, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(scenes); i++) {
		struct cache_request request = request_of(scenes[i].request);

		if (cache_if_range_holds(&request, &scenes[i].stored, NOW) != scenes[i].holds)
			fail_msg("scene %zu", i);
	}
}

/* --- a 304 (RFC 9111, 3.2, 4.3.3, 4.3.4) ---------------------------------------------------------------- */

static void
a_304_is_for_the_stored_one_or_not(void **state)
{
	static const struct {
		const char *fresh;
		struct cache_validators stored;
		bool selected;
	} scenes[] = {
		{ "ETag: \"a\"\n", { "\"a\"", NOW, NOW }, true },
		{ "ETag: \"b\"\n", { "\"a\"", NOW, NOW }, false },
		{ "ETag: \"a\"\n", { "W/\"a\"", NOW, NOW }, false },	/* a strong one selects by itself */
		{ "ETag: W/\"a\"\n", { "\"a\"", NOW, NOW }, true },
		{ "ETag: W/\"b\"\n", { "\"a\"", NOW, NOW }, false },
		{ "ETag: \"a\"\n", { NULL, NOW, NOW }, false },
		{ "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\n", { NULL, NOW, NOW }, true },
		{ "Last-Modified: Sun, 06 Nov 1994 08:49:38 GMT\n", { NULL, NOW, NOW }, false },
		{ "", { "\"a\"", NOW, NOW }, true },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(scenes); i++) {
		struct cache_response fresh = response_of(304, scenes[i].fresh);

		if (cache_is_selected(&scenes[i].stored, &fresh) != scenes[i].selected)
			fail_msg("scene %zu", i);
	}
}

static void
a_304_updates_the_head(void **state)
{
	static const char stored[] = "Date: 1\r\nContent-Type: a\r\nX-Old: 1\r\nCache-Control: a\r\nX-Two: 1\r\nX-Two: 2\r\n";
	static const char fresh[] = "date: 2\r\nContent-Type: b\r\nContent-Length: 9\r\nCache-Control: "
		"b\r\nCache-Control: c\r\nX-TWO: 3\r\nX-New: 1\r\n";
	static const char merged[] = "Content-Type: a\r\nX-Old: 1\r\ndate: 2\r\nCache-Control: "
		"b\r\nCache-Control: c\r\nX-TWO: 3\r\nX-New: 1\r\n";
	char to[256];

	(void)state;
	assert_int_equal(
		cache_merge_lines(to, sizeof(to), stored, sizeof(stored) - 1, fresh, sizeof(fresh) - 1),
		sizeof(merged) - 1);
	assert_memory_equal(to, merged, sizeof(merged) - 1);
	for (size_t room = 0; room < sizeof(merged) - 1; room++)
		assert_true(cache_merge_lines(to, room, stored, sizeof(stored) - 1, fresh, sizeof(fresh) - 1) == SIZE_MAX);
	assert_int_equal(cache_merge_lines(to, sizeof(to), stored, sizeof(stored) - 1, "", 0), sizeof(stored) - 1);
	assert_memory_equal(to, stored, sizeof(stored) - 1);
}

/* --- Vary (4.1) ----------------------------------------------------------------------------------------- */

struct field_lines {
	const char *const *lines;	/* name, value, name, value, NULL */
};

static const char *
read_field(void *argument, const char *name, unsigned *position)
{
	const struct field_lines *fields = argument;

	for (; fields->lines[*position] != NULL; *position += 2)
		if (strcasecmp(fields->lines[*position], name) == 0) {
			*position += 2;
			return fields->lines[*position - 1];
		}
	return NULL;
}

static const char *
variant(const char *names, const char *const *lines, const char *codings)
{
	static char to[CACHE_VARIANT_MOST + 1];
	struct field_lines fields = { lines };
	size_t length = cache_vary_variant(to, CACHE_VARIANT_MOST, names, read_field, &fields, codings);

	assert_true(length < sizeof(to));
	to[length] = '\0';
	return to;
}

#define LINES(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void
variants_that_mean_the_same_are_one(void **state)
{
	(void)state;
	assert_string_equal(variant("accept-encoding", LINES("Accept-Encoding", "gzip, deflate, br"), NULL),
		"accept-encoding=br,deflate,gzip\n");
	assert_string_equal(
		variant("accept-encoding",
			LINES("accept-encoding", " BR ;q=1.0,\tGZip", "Accept-Encoding", "deflate"), NULL),
		"accept-encoding=br,deflate,gzip\n");
	assert_string_equal(variant("accept-encoding", LINES("Accept-Encoding", "gzip;q=0.5, gzip;q=0.5,br;q=0"), NULL),
		"accept-encoding=br;q=0,gzip;q=0.5\n");
	assert_string_equal(variant("accept-language", LINES("Accept-Language", "en;q=0.7, de"), NULL),
		"accept-language=de,en;q=0.7\n");
	assert_string_equal(variant("accept", LINES("Accept", "b ;q=0.1 ; x , a  c;q=1."), NULL), "accept=a c,b;q=0.1;x\n");
	assert_string_equal(variant("accept", LINES("Accept", "b, a;x=\"A, B\""), NULL), "accept=b, a;x=\"A, B\"\n");
	assert_string_equal(variant("cookie,x", LINES("Cookie", "B=2; a=1", "X", "", "Cookie", "c"), NULL),
		"cookie=B=2; a=1,c\nx=\n");
	assert_string_equal(variant("cookie,x", LINES("Y", "1"), NULL), "cookie\nx\n");	/* not there is not the same as empty */
	assert_string_equal(variant("accept-encoding", LINES("Y", "1"), NULL), "accept-encoding\n");
	assert_string_equal(variant("accept-encoding", LINES("Accept-Encoding", ""), NULL), "accept-encoding=\n");
}

static void
encodings_are_reduced_to_the_one_that_is_chosen(void **state)
{
	static const struct {
		const char *accept, *coding;
	} scenes[] = {
		{ NULL, "identity" },
		{ "", "identity" },
		{ "gzip", "gzip" },
		{ "gzip, deflate, br, zstd", "br" },
		{ "br;q=0, gzip", "gzip" },
		{ "br;q=0.0, GZIP;q=0.1", "gzip" },
		{ "*", "br" },
		{ "*;q=0", "identity" },
		{ "br;q=0, *", "gzip" },
		{ "gzip;q=0, br;q=0", "identity" },
		{ "compress", "identity" },
		{ "gzipx, xbr", "identity" },
		{ "br;q=1, gzip;q=0.5", "br" },
		{ ",,;;=,gzip", "gzip" },
	};
	const char *coding;
	char expected[64];

	(void)state;
	for (size_t i = 0; i < COUNT(scenes); i++) {
		size_t length = cache_vary_coding(scenes[i].accept, "br gzip", &coding);

		if (length != strlen(scenes[i].coding) || memcmp(coding, scenes[i].coding, length) != 0)
			fail_msg("%s is %.*s", scenes[i].accept, (int)length, coding);
		snprintf(expected, sizeof(expected), "accept-encoding=%s\n", scenes[i].coding);
		if (scenes[i].accept != NULL)
			assert_string_equal(variant("accept-encoding",
				LINES("Accept-Encoding", scenes[i].accept), "br gzip"),
				expected);
	}
	assert_string_equal(variant("accept-encoding", LINES("X", "1"), "br gzip"), "accept-encoding=identity\n");
}

static void
a_variant_has_a_bound(void **state)
{
	char value[CACHE_VARIANT_MOST + 1], to[CACHE_VARIANT_MOST];
	const char *lines[] = { "Accept", value, "Cookie", value, NULL };
	struct field_lines fields = { lines };

	(void)state;
	memset(value, ',', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	assert_int_equal(cache_vary_variant(to, sizeof(to), "cookie", read_field, &fields, NULL), 0);
	assert_int_equal(cache_vary_variant(to, sizeof(to), "accept", read_field, &fields, NULL), 0);
	value[sizeof(value) - 1 - 8] = '\0';
	assert_int_equal(cache_vary_variant(to, sizeof(to), "cookie", read_field, &fields, NULL), sizeof(to));
	assert_int_equal(cache_vary_variant(to, sizeof(to), "accept", read_field, &fields, NULL), strlen("accept=\n"));
	assert_int_equal(cache_vary_variant(to, sizeof(to) - 1, "cookie", read_field, &fields, NULL), 0);
	for (size_t i = 0; i < 100; i++)
		memcpy(value + i * 3, "b,a", 4);
	assert_true(cache_vary_variant(to, sizeof(to), "accept", read_field, &fields, NULL) > 0);
}

static void
nominated_names_are_a_set(void **state)
{
	struct cache_names names = { .length = 0 };
	char text[CACHE_NAMES_MOST];
	unsigned count = 0;

	(void)state;
	cache_vary_write(&names, text);
	assert_string_equal(text, "");
	assert_true(cache_vary_add(&names, &count, "X-B, accept ,,X-a", 17));
	assert_true(cache_vary_add(&names, &count, "ACCEPT", 6));
	assert_int_equal(count, 3);
	cache_vary_write(&names, text);
	assert_string_equal(text, "accept,x-a,x-b");
	assert_false(cache_vary_add(&names, &count, "*", 1));
	assert_false(cache_vary_add(&names, &count, "a:b", 3));
	for (int i = 0; i < 1000; i++) {
		snprintf(text, sizeof(text), "field-%d", i);
		if (!cache_vary_add(&names, &count, text, strlen(text)))
			break;
	}
	assert_true(names.length < CACHE_NAMES_MOST && count < 100);
	cache_vary_write(&names, text);
	assert_true(strlen(text) < CACHE_NAMES_MOST);
}

/* --- ranges (RFC 9110, 14) ------------------------------------------------------------------------------ */

#define SIXTEEN "0-0,2-2,4-4,6-6,8-8,10-10,12-12,14-14,16-16,18-18,20-20,22-22,24-24,26-26,28-28,30-30"

static void
ranges_are_read(void **state)
{
	static const struct {
		const char *text;
		uint64_t body;
		const char *read;	/* NULL: as if it were not there; "": 416 */
	} scenes[] = {
		{ "bytes=0-9", 100, "0-9" },
		{ "Bytes=0-9", 100, "0-9" },
		{ "bytes=90-", 100, "90-99" },
		{ "bytes=90-1000", 100, "90-99" },
		{ "bytes=-5", 100, "95-99" },
		{ "bytes=-500", 100, "0-99" },
		{ "bytes=0-0,-1", 100, "0-0,99-99" },
		{ "bytes= 5-6 ,, 1-2", 100, "5-6,1-2" },
		{ "bytes=0-9,5-20,30-31", 100, "0-20,30-31" }, /* overlap: one */
		{ "bytes=0-9,20-29,10-19", 100, "0-29" },      /* touch: one */
		{ "bytes=0-9,200-300", 100, "0-9" },
		{ "bytes=100-", 100, "" },
		{ "bytes=-0", 100, "" },
		{ "bytes=0-", 0, "" },
		{ "bytes=-1", 0, "" },
		{ "bytes=99999999999999999999999-", 100, "" },
		{ "bytes=0-99999999999999999999999", 100, "0-99" },
		{ "bytes=9-0", 100, NULL },
		{ "bytes=", 100, NULL },
		{ "bytes=-", 100, NULL },
		{ "bytes=a-b", 100, NULL },
		{ "bytes=0-9;5-6", 100, NULL },
		{ "bytes=0--9", 100, NULL },
		{ "bytes=+0-9", 100, NULL },
		{ "bytes 0-9", 100, NULL },
		{ "lines=0-9", 100, NULL },
		{ "", 100, NULL },
		{ "bytes=" SIXTEEN, 100, SIXTEEN },
		{ "bytes=" SIXTEEN ",32-32", 100, NULL },
		{ "bytes=0-,0-,0-,0-,0-,0-,0-,0-,0-,0-,0-,0-,0-,0-,0-,0-", 100, "0-99" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(scenes); i++) {
		struct cache_ranges ranges;
		char read[512] = "";
		enum cache_range_result result =
			cache_ranges_parse(&ranges, scenes[i].text, strlen(scenes[i].text), scenes[i].body);

		for (unsigned j = 0; result == CACHE_PARTS && j < ranges.count; j++)
			sprintf(read + strlen(read), "%s%llu-%llu", j > 0 ? "," : "", (unsigned long long)ranges.list[j].first,
				(unsigned long long)ranges.list[j].last);
		if ((result == CACHE_WHOLE_BODY) != (scenes[i].read == NULL) ||
			(result == CACHE_NO_PART) != (scenes[i].read != NULL && *scenes[i].read == '\0') ||
			strcmp(read, scenes[i].read != NULL ? scenes[i].read : "") != 0)
			fail_msg("%s is read as %d %s", scenes[i].text, result, read);
	}
}

static void
parts_are_written(void **state)
{
	struct cache_ranges ranges = { .list = { { 0, 4 }, { 10, 11 } }, .count = 2 };
	const char whole[] = "--B\r\nContent-Type: a/b\r\nContent-Range: bytes 0-4/20\r\n\r\n"
		"\r\n--B\r\nContent-Type: a/b\r\nContent-Range: bytes 10-11/20\r\n\r\n"
		"\r\n--B--\r\n";
	char to[512], boundary[CACHE_BOUNDARY_LENGTH + 1], text[80];
	size_t at = 0;

	(void)state;
	for (unsigned i = 0; i < 2; i++)
		at += cache_part_head(to + at, sizeof(to) - at, "B", "a/b", 3, &ranges.list[i], 20, i == 0);
	at += cache_part_head(to + at, sizeof(to) - at, "B", NULL, 0, NULL, 20, false);
	assert_int_equal(at, sizeof(whole) - 1);
	assert_memory_equal(to, whole, at);
	assert_int_equal(cache_parts_length(&ranges, "B", "a/b", 3, 20), at + 5 + 2);
	assert_int_equal(cache_part_head(to, 10, "B", NULL, 0, &ranges.list[0], 20, true), 0);
	assert_int_equal(cache_content_range(text, NULL, 20), strlen("bytes */20"));
	assert_string_equal(text, "bytes */20");
	cache_content_range(text, &(struct cache_range){ UINT64_MAX - 2, UINT64_MAX - 1 }, UINT64_MAX);
	assert_string_equal(text, "bytes 18446744073709551613-18446744073709551614/18446744073709551615");
	cache_boundary(boundary, 1, UINT64_MAX);
	assert_int_equal(strlen(boundary), CACHE_BOUNDARY_LENGTH);
}

/* --- keys ----------------------------------------------------------------------------------------------- */

static void
keys_are_effective_uris(void **state)
{
	static const struct {
		const char *url, *key;
	} urls[] = {
		{ "http://a/b?c", "http://a/b?c" },
		{ "HTTPS://A.Example:443/B", "https://a.example/B" },
		{ "https://a:80/", "https://a:80/" },
		{ "http://a:80", "http://a/" },
		{ "http://a?b", "http://a/?b" },
		{ "http://a/b#c", "http://a/b" },
		{ "http://[::1]:8080/", "http://[::1]:8080/" },
		{ "ftp://a/", "" },
		{ "http:/a", "" },
		{ "a/b", "" },
		{ "", "" },
		{ "http://", "" },
		{ "xhttp://a/", "" },
		{ "http://:80/", "" },
	};
	char key[64];

	(void)state;
	assert_int_equal(cache_key_write(key, sizeof(key), "https", "a:443", "/b", "c=d"), strlen("https://a/b?c=d"));
	assert_string_equal(key, "https://a/b?c=d");
	cache_key_write(key, sizeof(key), "http", "a:443", "/b", NULL);
	assert_string_equal(key, "http://a:443/b");
	cache_key_write(key, sizeof(key), "http", "a", "/b", "");	/* an empty query is one */
	assert_string_equal(key, "http://a/b?");
	assert_int_equal(cache_key_write(key, 4, "http", "a", "/b", NULL), strlen("http://a/b"));
	for (size_t i = 0; i < COUNT(urls); i++) {
		size_t length = cache_key_from_url(key, sizeof(key), urls[i].url);

		if (length != strlen(urls[i].key) || memcmp(key, urls[i].key, length) != 0)
			fail_msg("%s is %.*s", urls[i].url, (int)length, key);
	}
}

/* The first and the last values of the authors' test vectors: key 00 01 … 0f, message 00 01 … */
static void
the_hash_is_siphash(void **state)
{
	struct cache_secret secret = { { 0x0706050403020100, 0x0f0e0d0c0b0a0908 } };
	char message[64];

	(void)state;
	for (int i = 0; i < 64; i++)
		message[i] = (char)i;
	assert_true(cache_key_hash(&secret, message, 0) == 0x726fdb47dd0e0e31);
	assert_true(cache_key_hash(&secret, message, 1) == 0x74f839c593dc67fd);
	assert_true(cache_key_hash(&secret, message, 8) == 0x93f5f5799a932462);
	assert_true(cache_key_hash(&secret, message, 15) == 0xa129ca6149be45e5);
	assert_true(cache_key_hash(&secret, message, 63) == 0x958a324ceb064572);
	cache_secret_draw(&secret);
	assert_true(cache_key_hash(&secret, message, 0) != 0x726fdb47dd0e0e31);
}

/* --- Cache-Status (RFC 9211) ---------------------------------------------------------------------------- */

static void
the_outcome_is_told(void **state)
{
	char to[CACHE_STATUS_MOST], key[600];
	size_t length;
	struct cache_outcome hit = { .has_ttl = true, .ttl = 30 };
	struct cache_outcome miss = { .forward = CACHE_FORWARD_URI_MISS,
		.forward_status = 304,
		.has_ttl = true,
		.ttl = -5,
		.stored = true,
		.collapsed = true,
		.detail = "no-store",
		.key = "http://a/\"\\",
		.key_length = 11 };

	(void)state;
	cache_status_write(to, sizeof(to), NULL, "weir", &hit);
	assert_string_equal(to, "weir; hit; ttl=30");
	length = cache_status_write(to, sizeof(to), "Origin; hit", "weir", &miss);
	assert_int_equal(length, strlen(to));
	assert_string_equal(to,
		"Origin; hit, weir; fwd=uri-miss; fwd-status=304; ttl=-5; stored; collapsed; "
		"detail=no-store; key=\"http://a/\\\"\\\\\"");
	miss.key = "a\xc3\xa9";
	miss.key_length = 3;
	cache_status_write(to, sizeof(to), NULL, "weir", &miss);
	assert_null(strstr(to, "key"));
	memset(key, 'x', sizeof(key));
	miss.key = key;
	miss.key_length = sizeof(key);
	cache_status_write(to, sizeof(to), NULL, "weir", &miss);
	assert_null(strstr(to, "key"));
	for (size_t room = 1; room < 60; room++)
		assert_true(cache_status_write(to, room, "Origin; hit", "weir", &miss) < room);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(entity_tags_are_compared),
		cmocka_unit_test(conditions_are_answered),
		cmocka_unit_test(if_range_is_strict),
		cmocka_unit_test(a_304_is_for_the_stored_one_or_not),
		cmocka_unit_test(a_304_updates_the_head),
		cmocka_unit_test(variants_that_mean_the_same_are_one),
		cmocka_unit_test(encodings_are_reduced_to_the_one_that_is_chosen),
		cmocka_unit_test(a_variant_has_a_bound),
		cmocka_unit_test(nominated_names_are_a_set),
		cmocka_unit_test(ranges_are_read),
		cmocka_unit_test(parts_are_written),
		cmocka_unit_test(keys_are_effective_uris),
		cmocka_unit_test(the_hash_is_siphash),
		cmocka_unit_test(the_outcome_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
