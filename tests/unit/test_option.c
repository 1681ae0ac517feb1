/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenes for options: a table meets the sections of a configuration, and every way to get one wrong has its
 * message.
 *
 * The module here is called `sample` and has an option of every type; most scenes give it a [module sample]
 * and look.
 */
#include "option_scenes.h"

#include <stdint.h>

struct settings {
	const char *text, *field, *path, *old, *password;
	bool flag;
	int64_t number, signed_number, duration;
	uint64_t size;
	int choice;
	const struct weir_template *template;
	struct weir_network network;
	struct weir_address address;
	const struct weir_upstream *upstream;
	struct weir_list names;
	char custom[4];
	bool page;
};

static const char *
parse_custom(struct weir_build *at, const char *text, void *value)
{
	if (strlen(text) != 3)
		return weir_build_printf(at, "%zu bytes instead of 3", strlen(text));
	assert_memory_equal(value, "\0\0\0", 4);	/* whatever held before */
	strcpy(value, text);
	return NULL;
}

#define AT(member) offsetof(struct settings, member)

static const char *const colours[] = { "red", "green", "blue", NULL };

static const struct weir_option sample_options[] = {
	{ "text", WEIR_TEXT, AT(text), .doc = "A text." },
	{ "flag", WEIR_BOOL, AT(flag), .initial = "yes", .doc = "A flag." },
	{ "number", WEIR_INTEGER, AT(number), .initial = "3", .min = 1, .max = 10, .doc = "A number." },
	{ "signed", WEIR_INTEGER, AT(signed_number), .min = -5, .max = 5, .doc = "A number with a sign." },
	{ "size", WEIR_SIZE, AT(size), .initial = "64K", .min = 1024, .doc = "A size." },
	{ "duration", WEIR_DURATION, AT(duration), .initial = "5s", .max = 3600000, .doc = "A time." },
	{ "choice", WEIR_CHOICE, AT(choice), .initial = "green", .choices = colours, .doc = "A colour." },
	{ "field", WEIR_FIELD_NAME, AT(field), .doc = "A field." },
	{ "path", WEIR_PATH, AT(path), .initial = "default.pem", .doc = "A file." },
	{ "template", WEIR_TEMPLATE, AT(template), .doc = "A text to expand." },
	{ "network", WEIR_NETWORK, AT(network), .initial = "all", .doc = "A range." },
	{ "address", WEIR_ADDRESS, AT(address), .doc = "An endpoint." },
	{ "upstream", WEIR_UPSTREAM, AT(upstream), .doc = "An upstream." },
	{ "name", WEIR_TEXT, AT(names), .repeat = true, .doc = "Names." },
	{ "custom", WEIR_CUSTOM, AT(custom), .size = 4, .parse = parse_custom, .doc = "Three letters." },
	{ "password", WEIR_TEXT, AT(password), .secret = true, .in = WEIR_IN_MODULE, .doc = "A secret." },
	{ "key", WEIR_CUSTOM, AT(custom), .size = 4, .parse = parse_custom, .secret = true,
		.doc = "A short secret." },
	{ "old", WEIR_TEXT, AT(old), .deprecated = "`text`", .doc = "What was there before." },
	{ "page", WEIR_BOOL, AT(page), .bare = true, .in = WEIR_IN_ROUTE, .doc = "A bare key." },
	{ .name = NULL }
};

static struct option_owner sample;
static const struct settings *defaults;

/* The same, and the sample module's defaults. */
static void
load(const char *text)
{
	configure(text);
	sample = (struct option_owner){ "sample", sample_options, sizeof(struct settings),
		config_find(generation.config, "module", "sample"), NULL, false };
	assert_true(option_defaults(&build, &sample));
	defaults = sample.defaults;
}

static struct config_section *
route(const char *name)
{
	return config_find(generation.config, "route", name);
}

/* --- values --------------------------------------------------------------------------------------------- */

static void
every_type_fills_its_member(void **state)
{
	(void)state;
	load("[module sample]\ntext = some text\nflag = off\nnumber = 10\nsigned = -5\nsize = 2G\n"
		"duration = 250ms\nchoice = blue\n"
		"field = X-Forwarded-For\npath = /etc/x\ntemplate = ${host}/x\nnetwork = 10.0.0.0/8\n"
		"address = 127.0.0.1:80\n"
		"upstream = api\nname = one\nname = two\ncustom = abc\n[upstream web]\n[upstream api]\n");
	assert_string_equal(said(), "");
	assert_string_equal(defaults->text, "some text");
	assert_false(defaults->flag);
	assert_int_equal(defaults->number, 10);
	assert_int_equal(defaults->signed_number, -5);
	assert_int_equal(defaults->size, (uint64_t)2 << 30);
	assert_int_equal(defaults->duration, 250);
	assert_int_equal(defaults->choice, 2);
	assert_string_equal(defaults->field, "X-Forwarded-For");
	assert_string_equal(defaults->path, "/etc/x");
	assert_non_null(defaults->template);
	assert_int_equal(defaults->network.bits, 8);
	assert_int_equal(defaults->address.port, 80);
	assert_ptr_equal(defaults->upstream, generation.upstreams[1]);
	assert_int_equal(defaults->names.count, 2);
	assert_string_equal(((const char **)defaults->names.items)[0], "one");
	assert_string_equal(((const char **)defaults->names.items)[1], "two");
	assert_string_equal(defaults->custom, "abc");
}

static void
what_nobody_sets_has_its_default(void **state)
{
	char path[128];

	(void)state;
	load("[module sample]\n");
	assert_string_equal(said(), "");
	assert_null(defaults->text);
	assert_true(defaults->flag);
	assert_int_equal(defaults->number, 3);
	assert_int_equal(defaults->signed_number, 0);
	assert_int_equal(defaults->size, 65536);
	assert_int_equal(defaults->duration, 5000);
	assert_int_equal(defaults->choice, 1);
	assert_int_equal(defaults->network.family, AF_UNSPEC);
	assert_int_equal(defaults->names.count, 0);
	snprintf(path, sizeof(path), "%s/default.pem", scene_folder);
	assert_string_equal(defaults->path, path);
}

static void
good_values(void **state)
{
	static const struct {
		const char *line;
		size_t offset;
		int64_t value;
	} good[] = {
		{ "size = 1024", AT(size), 1024 },
		{ "size = 1k", AT(size), 1024 },
		{ "size = 3M", AT(size), 3 << 20 },
		{ "size = 8388607T", AT(size), INT64_C(8388607) << 40 },
		{ "duration = 0", AT(duration), 0 },
		{ "duration = 0s", AT(duration), 0 },
		{ "duration = 60m", AT(duration), 3600000 },
		{ "duration = 1h", AT(duration), 3600000 },
		{ "number = 007", AT(number), 7 },
		{ "signed = 5", AT(signed_number), 5 },
	};
	char text[128];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		snprintf(text, sizeof(text), "[module sample]\n%s\n", good[i].line);
		load(text);
		assert_string_equal(said(), "");
		assert_int_equal(*(const int64_t *)(const void *)((const char *)defaults + good[i].offset),
			good[i].value);
		unload();
	}
}

static void
bad_values_say_what_is_wrong_and_what_is_right(void **state)
{
	static const char *const bad[][2] = {
		{ "text = a\tb", "it holds a tab or another control character" },
		{ "flag = maybe", "write yes or no" },
		{ "flag = YES", "write yes or no" },
		{ "flag =", "write yes or no" },
		{ "number = 0", "out of range, it goes from 1 to 10" },
		{ "number = 11", "out of range, it goes from 1 to 10" },
		{ "number = -1", "out of range, it goes from 1 to 10" },
		{ "number = 1.5", "not a whole number" },
		{ "number = +1", "not a whole number" },
		{ "number = 0x1", "not a whole number" },
		{ "number = -", "not a whole number" },
		{ "number =", "not a whole number" },
		{ "number = 9223372036854775808", "the number is too large" },
		{ "number = 99999999999999999999999999", "the number is too large" },
		{ "signed = -6", "out of range, it goes from -5 to 5" },
		{ "size = 12x", "not a size: write bytes, or a number with K, M, G or T, like 16K" },
		{ "size = 16KB", "not a size: write bytes, or a number with K, M, G or T, like 16K" },
		{ "size = 16 K", "not a size: write bytes, or a number with K, M, G or T, like 16K" },
		{ "size = K", "not a size: write bytes, or a number with K, M, G or T, like 16K" },
		{ "size = -1K", "not a size: write bytes, or a number with K, M, G or T, like 16K" },
		{ "size = 1023", "the least is 1K" },
		{ "size = 8388608T", "the number is too large" },
		{ "size = 18446744073709551616", "the number is too large" },
		{ "duration = 5", "not a duration: write a number with ms, s, m, h or d, like 5s" },
		{ "duration = 5S", "not a duration: write a number with ms, s, m, h or d, like 5s" },
		{ "duration = 1h30m", "not a duration: write a number with ms, s, m, h or d, like 5s" },
		{ "duration = s", "not a duration: write a number with ms, s, m, h or d, like 5s" },
		{ "duration = 0x", "not a duration: write a number with ms, s, m, h or d, like 5s" },
		{ "duration = 2h", "out of range, it goes from 0 to 1h" },
		{ "duration = 9223372036854775807d", "the number is too large" },
		{ "choice = gren", "did you mean `green`? There are red, green, blue" },
		{ "choice = magenta", "there are red, green, blue" },
		{ "field = X Y", "not the name of a field" },
		{ "field = X:", "not the name of a field" },
		{ "field =", "not the name of a field" },
		{ "network = 10.0.0.1/8", "it has bits beyond its prefix" },
		{ "address = 10.0.0.1", "the port is missing, write host:port" },
		{ "upstream = apo", "there is no [upstream apo], did you mean `api`?" },
		{ "upstream = nothing", "there is no [upstream nothing]" },
		{ "custom = abcd", "4 bytes instead of 3" },
	};
	char text[256], expected[256];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(text, sizeof(text), "[upstream api]\n[module sample]\n%s\n", bad[i][0]);
		load(text);
		snprintf(expected, sizeof(expected), "weir.ini:3: error: `%s%s`: %s\n", bad[i][0],
			bad[i][0][strlen(bad[i][0]) - 1] == '=' ? " " : "", bad[i][1]);
		assert_string_equal(said(), expected);
		unload();
	}
}

static void
a_bad_template_is_reported_once(void **state)
{
	(void)state;
	load("[module sample]\ntemplate = ${nothing}\n");
	assert_int_equal(scene_report.errors, 1);
	assert_string_equal(scene_report.first->file, "weir.ini");
	assert_int_equal(scene_report.first->line, 2);
}

static void
a_secret_is_not_shown_when_it_is_wrong(void **state)
{
	(void)state;
	load("[module sample]\nkey = hunter2\n");
	assert_string_equal(said(), "weir.ini:2: error: `key = ***`: 7 bytes instead of 3\n");
}

static void
all_errors_are_reported_at_once(void **state)
{
	(void)state;
	load("[module sample]\nflag = x\nname = a\tb\nname = good\nname = c\td\nsize = x\n");
	assert_int_equal(scene_report.errors, 4);
	assert_int_equal(defaults->names.count, 3);
}

/* --- sections ------------------------------------------------------------------------------------------- */

static void
a_route_overrides_what_the_module_section_says(void **state)
{
	const struct settings *set;
	bool own;

	(void)state;
	load("[module sample]\nnumber = 4\nsize = 1M\nname = a\nname = b\ncustom = old\n"
		"[route r]\nsample.number = 5\nsample.name = c\nsample.custom = new\npage = on\n");
	set = option_parse(&build, &sample, route("r"), &own);
	assert_string_equal(said(), "");
	assert_true(own);
	assert_int_equal(set->number, 5);
	assert_int_equal(set->size, 1 << 20);
	assert_int_equal(set->duration, 5000);
	assert_int_equal(set->names.count, 1);
	assert_string_equal(*(const char **)set->names.items, "c");
	assert_string_equal(set->custom, "new");
	assert_true(set->page);
	assert_int_equal(defaults->number, 4);
	assert_int_equal(defaults->names.count, 2);
}

static void
a_route_that_sets_nothing_shares_the_defaults(void **state)
{
	bool own = true;

	(void)state;
	load("[module sample]\nnumber = 4\n[route r]\nother.number = 5\nnumber = 6\n");
	assert_ptr_equal(option_parse(&build, &sample, route("r"), &own), defaults);
	assert_false(own);
	assert_string_equal(build.file, "weir.ini");
	assert_int_equal(build.line, 3);
}

static void
a_duplicate_key_names_the_first_place(void **state)
{
	bool own;

	(void)state;
	load("[module sample]\nnumber = 4\nflag = no\nnumber = 5\nnumber = 6\n[route r]\nsample.flag = no\n"
		"sample.flag = no\n");
	option_parse(&build, &sample, route("r"), &own);
	assert_string_equal(said(),
		"weir.ini:4: error: duplicate key `number`, first at weir.ini:2\n"
		"weir.ini:5: error: duplicate key `number`, first at weir.ini:2\n"
		"weir.ini:8: error: duplicate key `sample.flag`, first at weir.ini:7\n");
}

static void
what_is_deprecated_still_works_with_a_warning(void **state)
{
	(void)state;
	load("[module sample]\nold = x\n");
	assert_string_equal(defaults->old, "x");
	assert_int_equal(scene_report.errors, 0);
	assert_string_equal(said(), "weir.ini:2: warning: `old` is deprecated, use `text`\n");
}

static void
relative_paths_start_at_the_configuration(void **state)
{
	char path[128];

	(void)state;
	load("[module sample]\npath = tls/a.pem\n");
	snprintf(path, sizeof(path), "%s/tls/a.pem", scene_folder);
	assert_string_equal(defaults->path, path);
}

static void
a_module_is_switched_off_for_a_route_or_for_all(void **state)
{
	(void)state;
	load("[module sample]\n[route on]\n[route off]\nsample.enable = no\n[listen l]\n"
		"sample.enable = off\n");
	assert_true(option_enabled(&build, &sample, route("on")));
	assert_false(option_enabled(&build, &sample, route("off")));
	assert_false(option_enabled(&build, &sample, config_find(generation.config, "listen", "l")));
	unload();

	load("[module sample]\nenable = no\n[route on]\nsample.enable = yes\n[route off]\n[route bad]\n"
		"sample.enable = 1\n");
	assert_true(option_enabled(&build, &sample, route("on")));
	assert_false(option_enabled(&build, &sample, route("off")));
	assert_string_equal(said(), "");
	option_enabled(&build, &sample, route("bad"));
	assert_string_equal(said(), "weir.ini:7: error: `sample.enable = 1`: write yes or no\n");
}

/* --- what is required ----------------------------------------------------------------------------------- */

struct needs {
	const char *name, *value, *unless, *licence;
	struct weir_list match;
};

#undef AT
#define AT(member) offsetof(struct needs, member)

static const struct weir_option needs_options[] = {
	{ "name", WEIR_TEXT, AT(name), .required = true },
	{ "value", WEIR_TEXT, AT(value), .required = true },
	{ "unless", WEIR_TEXT, AT(unless), .doc = "Leave it alone." },
	{ .name = NULL }
};

static const struct weir_option only_there_options[] = {
	{ "licence", WEIR_TEXT, AT(licence), .required = true, .in = WEIR_IN_MODULE },
	{ .name = NULL }
};

static const struct weir_option bare_options[] = {
	{ "match", WEIR_TEXT, AT(match), .required = true, .repeat = true, .bare = true,
		.in = WEIR_IN_ROUTE },
	{ "methods", WEIR_TEXT, AT(value), .bare = true, .in = WEIR_IN_ROUTE },
	{ "table", WEIR_TEXT, AT(name), .in = WEIR_IN_MODULE },
	{ .name = NULL }
};

static struct option_owner
load_owner(const char *module, const struct weir_option *options)
{
	struct option_owner owner = { module, options, sizeof(struct needs),
		config_find(generation.config, "module", module), NULL, false };

	assert_true(option_defaults(&build, &owner));
	return owner;
}

static void
a_section_that_sets_anything_must_set_what_is_required(void **state)
{
	struct option_owner owner;
	bool any;

	(void)state;
	configure("[module header]\n[route whole]\nheader.name = a\nheader.value = b\n[route part]\n"
		"header.unless = c\n[route none]\n");
	owner = load_owner("header", needs_options);
	option_parse(&build, &owner, route("whole"), &any);
	option_parse(&build, &owner, route("none"), &any);
	assert_string_equal(said(), "");
	assert_true(option_complete(&owner, route("whole")));
	assert_false(option_complete(&owner, route("none")));
	option_parse(&build, &owner, route("part"), &any);
	assert_string_equal(said(),
		"weir.ini:5: error: [route part] needs `header.name`\n"
		"weir.ini:5: error: [route part] needs `header.value`\n");
}

static void
the_module_section_may_hold_what_routes_require(void **state)
{
	struct option_owner owner;
	bool any;

	(void)state;
	configure("[module header]\nname = a\nvalue = b\n[route r]\nheader.unless = c\n[route none]\n");
	owner = load_owner("header", needs_options);
	option_parse(&build, &owner, route("r"), &any);
	assert_string_equal(said(), "");
	assert_true(option_complete(&owner, route("r")));
	assert_true(option_complete(&owner, route("none")));
	unload();

	configure("[module header]\nunless = c\n");
	load_owner("header", needs_options);
	assert_string_equal(said(), "");
	unload();

	configure("[module header]\nname = a\n");
	load_owner("header", needs_options);
	assert_string_equal(said(), "weir.ini:1: error: [module header] needs `value`\n");
}

static void
what_can_stand_nowhere_else_must_stand_in_the_module_section(void **state)
{
	(void)state;
	configure("[module paid]\n");
	load_owner("paid", only_there_options);
	assert_string_equal(said(), "weir.ini:1: error: [module paid] needs `licence`\n");
}

static void
a_bare_required_key_must_stand_in_every_section_of_its_kind(void **state)
{
	struct option_owner owner;
	bool any;

	(void)state;
	configure("[module route]\n[route a]\nmatch = x\nmatch = y\n[route b]\nupstream = u\n[upstream u]\n");
	owner = load_owner("route", bare_options);
	option_parse(&build, &owner, route("a"), &any);
	option_parse(&build, &owner, config_find(generation.config, "upstream", "u"), &any);
	assert_string_equal(said(), "");
	option_parse(&build, &owner, route("b"), &any);
	assert_string_equal(said(), "weir.ini:5: error: [route b] needs `match`\n");
}

/* --- unknown keys --------------------------------------------------------------------------------------- */

/* Let the core's table of the kind, `sample` and the module `route` look at each section, and report the
 * rest. */
static void
check_all(const char *text)
{
	static const struct {
		const char *kind;
		const struct weir_option *options;
		size_t size;
	} core[] = {
		{ "weir", weir_options, sizeof(struct weir_settings) },
		{ "upstream", upstream_options, sizeof(struct upstream_settings) },
		{ "route", route_options, sizeof(struct route_settings) },
		{ "listen", listen_options, sizeof(struct listen_settings) },
		{ "certificate", NULL, 0 },
		{ "module", NULL, 0 },
	};
	struct option_owner owners[3];
	bool any;

	load(text);
	owners[1] = sample;
	owners[2] = load_owner("route", bare_options);
	for (size_t i = 0; i < sizeof(core) / sizeof(core[0]); i++) {
		owners[0] = (struct option_owner){ .options = core[i].options, .size = core[i].size };
		assert_true(option_defaults(&build, &owners[0]));
		for (struct config_section *s = generation.config->sections; s != NULL; s = s->next) {
			if (strcmp(s->kind, core[i].kind) != 0)
				continue;
			for (size_t j = 0; j < 3 && strcmp(s->kind, "module") != 0; j++)
				option_parse(&build, &owners[j], s, &any);
			if (strcmp(s->kind, "route") == 0)
				option_enabled(&build, &sample, s);
			option_check_section(&build, owners, 3, s);
		}
	}
}

static void
a_slip_is_answered_with_the_nearest_key(void **state)
{
	(void)state;
	check_all("[weir]\nthread = 1\n[module sample]\nsise = 1K\nenabel = no\n[module route]\n[route r]\n"
		"match = x\nmethod = GET\n"
		"sample.sise = 1\nsampel.size = 1K\nsample.enabled = no\nupstrem = u\nbody_sizes = 1M\n");
	assert_string_equal(said(),
		"weir.ini:2: error: unknown key `thread`, did you mean `threads`?\n"
		"weir.ini:4: error: unknown key `sise`, did you mean `size`?\n"
		"weir.ini:5: error: unknown key `enabel`, did you mean `enable`?\n"
		"weir.ini:9: error: unknown key `method`, did you mean `methods`?\n"
		"weir.ini:10: error: unknown key `sample.sise`, did you mean `sample.size`?\n"
		"weir.ini:11: error: unknown key `sampel.size`, did you mean `sample.size`? Else load its "
		"module: add [module sampel]\n"
		"weir.ini:12: error: unknown key `sample.enabled`, did you mean `sample.enable`?\n"
		"weir.ini:13: error: unknown key `upstrem`, did you mean `upstream`?\n"
		"weir.ini:14: error: unknown key `body_sizes`, did you mean `body_size`?\n");
}

static void
a_key_of_a_module_that_is_not_loaded_says_so(void **state)
{
	(void)state;
	check_all("[module sample]\n[route r]\nmatch = x\nsecurity.token = 1\n[upstream u]\nserver = a:1\n"
		"health.path = /\n");
	assert_string_equal(said(),
		"weir.ini:4: error: unknown key `security.token`: module `security` is not loaded, add "
		"[module security]\n"
		"weir.ini:7: error: unknown key `health.path`: module `health` is not loaded, add [module "
		"health]\n");
}

static void
keys_of_a_module_that_failed_to_load_are_not_unknown(void **state)
{
	(void)state;
	check_all("[module sample]\n[module broken]\nx = 1\n[route r]\nmatch = x\nbroken.x = 1\n");
	assert_string_equal(said(), "");
}

static void
a_key_in_the_wrong_kind_of_section_says_where_it_belongs(void **state)
{
	(void)state;
	check_all("[module sample]\npage = yes\n[module route]\nmatch = x\n[route r]\nmatch = x\n"
		"sample.password = x\n"
		"route.table = t\n[listen l]\naddress = 127.0.0.1:80\nsample.size = 1K\nmatch = y\n");
	assert_string_equal(said(),
		"weir.ini:2: error: `page` may stand only in [route NAME]\n"
		"weir.ini:4: error: `match` may stand only in [route NAME]\n"
		"weir.ini:7: error: `sample.password` may stand only in [module sample]\n"
		"weir.ini:8: error: `route.table` may stand only in [module route]\n"
		"weir.ini:11: error: `sample.size` may stand only in [module sample] or [route NAME]\n"
		"weir.ini:12: error: `match` may stand only in [route NAME]\n");
}

static void
what_is_near_nothing_is_plainly_unknown(void **state)
{
	(void)state;
	check_all("[weir]\nwhatever_this_is = 1\n[module sample]\nxyzzy = 1\n[route r]\nmatch = x\n"
		"frobnicate = 1\n");
	assert_string_equal(said(),
		"weir.ini:2: error: unknown key `whatever_this_is` in [weir]\n"
		"weir.ini:4: error: unknown key `xyzzy` in [module sample]\n"
		"weir.ini:7: error: unknown key `frobnicate` in [route r]\n");
}

static void
empty_sections_are_errors_where_they_make_no_sense(void **state)
{
	(void)state;
	check_all("[weir]\n[module sample]\n[module route]\n[listen l]\n[upstream u]\n[route r]\n"
		"[certificate c]\n");
	assert_string_equal(said(),
		"weir.ini:4: error: [listen l] needs `address`\n"
		"weir.ini:5: error: [upstream u] needs `server`\n"
		"weir.ini:6: error: [route r] needs `match`\n"
		"weir.ini:7: error: [certificate c] is empty\n");
}

static void
a_bare_key_has_one_owner(void **state)
{
	static const struct weir_option thief_options[] = {
		{ "match", WEIR_TEXT, 0, .bare = true, .in = WEIR_IN_ROUTE },
		{ "upstream", WEIR_TEXT, 0, .bare = true, .in = WEIR_IN_ROUTE | WEIR_IN_LISTEN },
		{ .name = NULL }
	};
	struct option_owner owners[3];

	(void)state;
	configure("[module route]\n[module thief]\n");
	owners[0] = (struct option_owner){ .options = route_options };
	owners[1] = load_owner("route", bare_options);
	owners[2] = load_owner("thief", thief_options);
	option_check_owners(&build, owners, 3, "route");
	assert_string_equal(said(),
		"weir.ini:2: error: modules `route` and `thief` both claim the key `match` of [route]: load "
		"only one of them\n"
		"weir.ini:2: error: module `thief` claims the key `upstream` of [route], which is the "
		"core's\n");
	owners[0] = (struct option_owner){ .options = listen_options };
	option_check_owners(&build, owners, 3, "listen");
	assert_string_equal(said(), "");
}

/* --- memory --------------------------------------------------------------------------------------------- */

static void
without_memory_the_build_fails_and_says_so(void **state)
{
	size_t need;
	bool own_settings;

	(void)state;
	configure("[upstream u]\nserver = 10.0.0.1:80 weight=2\n[module sample]\ntext = abc\nname = a\n"
		"name = b\npath = x\n"
		"address = h:1\nupstream = v\nchoice = x\n[route r]\nsample.text = def\n");
	sample.section = config_find(generation.config, "module", "sample");
	for (need = 0; need < 65536; need += 8) {
		arena_free(&generation.arena);
		arena_init(&generation.arena, NULL, need > 0 ? need : 1);
		report_free(&scene_report);
		build.failed = false;
		if (option_defaults(&build, &sample))
			option_parse(&build, &sample, route("r"), &own_settings);
		if (!build.failed && scene_report.errors == 2)
			break;		/* the two bad lines, and nothing else: there was enough */
		assert_true(scene_report.errors > 0);
	}
	assert_in_range(need, 8, 65000);
}

int
main(void)
{
	const struct CMUnitTest scenes[] = {
		OPTION_SCENE(every_type_fills_its_member),
		OPTION_SCENE(what_nobody_sets_has_its_default),
		OPTION_SCENE(good_values),
		OPTION_SCENE(bad_values_say_what_is_wrong_and_what_is_right),
		OPTION_SCENE(a_bad_template_is_reported_once),
		OPTION_SCENE(a_secret_is_not_shown_when_it_is_wrong),
		OPTION_SCENE(all_errors_are_reported_at_once),
		OPTION_SCENE(a_route_overrides_what_the_module_section_says),
		OPTION_SCENE(a_route_that_sets_nothing_shares_the_defaults),
		OPTION_SCENE(a_duplicate_key_names_the_first_place),
		OPTION_SCENE(what_is_deprecated_still_works_with_a_warning),
		OPTION_SCENE(relative_paths_start_at_the_configuration),
		OPTION_SCENE(a_module_is_switched_off_for_a_route_or_for_all),
		OPTION_SCENE(a_section_that_sets_anything_must_set_what_is_required),
		OPTION_SCENE(the_module_section_may_hold_what_routes_require),
		OPTION_SCENE(what_can_stand_nowhere_else_must_stand_in_the_module_section),
		OPTION_SCENE(a_bare_required_key_must_stand_in_every_section_of_its_kind),
		OPTION_SCENE(a_slip_is_answered_with_the_nearest_key),
		OPTION_SCENE(a_key_of_a_module_that_is_not_loaded_says_so),
		OPTION_SCENE(keys_of_a_module_that_failed_to_load_are_not_unknown),
		OPTION_SCENE(a_key_in_the_wrong_kind_of_section_says_where_it_belongs),
		OPTION_SCENE(what_is_near_nothing_is_plainly_unknown),
		OPTION_SCENE(empty_sections_are_errors_where_they_make_no_sense),
		OPTION_SCENE(a_bare_key_has_one_owner),
		OPTION_SCENE(without_memory_the_build_fails_and_says_so),
	};

	return cmocka_run_group_tests(scenes, NULL, NULL);
}
