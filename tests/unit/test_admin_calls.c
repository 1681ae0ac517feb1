/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenes for the table of what can be asked on the admin socket: docs/openapi.json has the same paths, methods and
 * names in the query, no more and no fewer.
 */
#include "server/admin_calls.h"

#include <ctype.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static json_t *document;

static int
load(void **state)
{
	const char *top = getenv("top_srcdir");
	char path[1024];

	(void)state;
	snprintf(path, sizeof(path), "%s/docs/openapi.json", top != NULL ? top : ".");
	document = json_load_file(path, JSON_REJECT_DUPLICATES, NULL);
	return document != NULL ? 0 : -1;
}

static int
unload(void **state)
{
	(void)state;
	json_decref(document);
	return 0;
}

static json_t *
find_operation(const struct admin_call *call)
{
	char method[16] = "";

	for (size_t i = 0; call->method[i] != '\0'; i++)
		method[i] = (char)tolower((unsigned char)call->method[i]);
	return json_object_get(json_object_get(json_object_get(document, "paths"), call->path), method);
}

static size_t
count_operations(void)
{
	size_t count = 0;
	const char *path;
	json_t *methods;

	json_object_foreach(json_object_get(document, "paths"), path, methods)
		count += json_object_size(methods);
	return count;
}

static void
every_call_is_described_and_no_other(void **state)
{
	size_t count = 0;

	(void)state;
	for (const struct admin_call *call = admin_calls; call->method != NULL; call++, count++)
		if (find_operation(call) == NULL)
			fail_msg("%s %s is not described", call->method, call->path);
	assert_int_equal(count, count_operations());
}

/* What a `$ref` to a parameter leads to. */
static json_t *
resolve(json_t *parameter)
{
	static const char prefix[] = "#/components/parameters/";
	const char *to = json_string_value(json_object_get(parameter, "$ref"));
	json_t *all = json_object_get(json_object_get(document, "components"), "parameters");

	if (to == NULL)
		return parameter;
	assert_memory_equal(to, prefix, sizeof(prefix) - 1);
	return json_object_get(all, to + sizeof(prefix) - 1);
}

/* Is it among the parameters of an operation? */
static bool
has_parameter(const json_t *operation, const char *where, const char *name)
{
	json_t *list = json_object_get(operation, "parameters"), *one;
	size_t index;

	json_array_foreach(list, index, one) {
		one = resolve(one);
		if (strcmp(json_string_value(json_object_get(one, "in")), where) == 0 &&
			strcmp(json_string_value(json_object_get(one, "name")), name) == 0)
			return true;
	}
	return false;
}

static size_t
count_names(const char *path)
{
	size_t count = 0;

	for (; *path != '\0'; path++)
		count += *path == '{';
	return count;
}

static void
parameters_are_those_of_the_path_and_the_query(void **state)
{
	char name[64];

	(void)state;
	for (const struct admin_call *call = admin_calls; call->method != NULL; call++) {
		json_t *operation = find_operation(call);
		size_t count = count_names(call->path);

		for (const char *at = call->path; (at = strchr(at, '{')) != NULL; at++) {
			assert_int_equal(sscanf(at, "{%63[^}]}", name), 1);
			assert_true(has_parameter(operation, "path", name));
		}
		for (size_t i = 0; call->query[i] != NULL; i++, count++)
			if (!has_parameter(operation, "query", call->query[i]))
				fail_msg("%s %s: `%s` is not described", call->method, call->path, call->query[i]);
		assert_int_equal(json_array_size(json_object_get(operation, "parameters")), count);
		assert_true(count_names(call->path) <= ADMIN_NAMES);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_call_is_described_and_no_other),
		cmocka_unit_test(parameters_are_those_of_the_path_and_the_query),
	};

	return cmocka_run_group_tests(tests, load, unload);
}
