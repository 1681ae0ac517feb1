/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenes for what is printed of options: their documentation in three shapes, and the effective values.
 */
#include "option_scenes.h"

struct settings {
	uint64_t size;
	int64_t timeout;
	const char *path, *password, *text, *much_too_long_for_a_column;
	struct weir_list match;
	int choice;
};

#define AT(member) offsetof(struct settings, member)

static const char *const modes[] = { "strict", "lax", NULL };

static const struct weir_option cache_options[] = {
	{ "size", WEIR_SIZE, AT(size), .initial = "512M", .min = 1 << 20, .in = WEIR_IN_MODULE,
		.doc = "How much memory the cache may take on all threads together; when it is full, "
		"what was used least recently goes." },
	{ "lock_timeout", WEIR_DURATION, AT(timeout), .initial = "5s", .max = 3600000,
		.doc = "How long to wait for another's answer." },
	{ "match", WEIR_TEXT, AT(match), .required = true, .repeat = true, .bare = true, .in = WEIR_IN_ROUTE,
		.doc = "A pattern." },
	{ "mode", WEIR_CHOICE, AT(choice), .choices = modes, .deprecated = "nothing", .doc = "Its manners." },
	{ "password", WEIR_TEXT, AT(password), .secret = true, .doc = "A secret." },
	{ "file", WEIR_PATH, AT(path), .initial = "cache.db", .doc = "A file." },
	{ "much_too_long_for_a_column", WEIR_TEXT, AT(much_too_long_for_a_column),
		.doc = "Has a line of its own." },
	{ .name = NULL }
};

static struct option_owner cache = { .module = "cache", .options = cache_options,
	.size = sizeof(struct settings) };

typedef void print_function(FILE *, const struct option_owner *, const char *kind);

static char *
printed(print_function *print, const struct option_owner *owner, const char *kind)
{
	char *text = NULL;
	size_t length = 0;
	FILE *memory = open_memstream(&text, &length);

	assert_non_null(memory);
	print(memory, owner, kind);
	assert_int_equal(fclose(memory), 0);
	return text;
}

static void
assert_prints(print_function *print, const char *expected)
{
	char *text = printed(print, &cache, "module");

	assert_string_equal(text, expected);
	free(text);
}

static void
documentation_is_aligned_and_wrapped(void **state)
{
	(void)state;
	assert_prints(option_print_doc,
		"  size          Size, 1M or more; default 512M.\n"
		"                How much memory the cache may take on all threads together; when\n"
		"                it is full, what was used least recently goes.\n"
		"                In [module cache].\n"
		"  lock_timeout  Duration from 0 to 1h; default 5s.\n"
		"                How long to wait for another's answer.\n"
		"                In [module cache]; in [route NAME] as cache.lock_timeout.\n"
		"  match         Text; required; may be repeated.\n"
		"                A pattern.\n"
		"                In [route NAME] as match.\n"
		"  mode          One of strict, lax; default strict; deprecated, use nothing.\n"
		"                Its manners.\n"
		"                In [module cache]; in [route NAME] as cache.mode.\n"
		"  password      Text; never shown.\n"
		"                A secret.\n"
		"                In [module cache]; in [route NAME] as cache.password.\n"
		"  file          Path; default cache.db.\n"
		"                A file.\n"
		"                In [module cache]; in [route NAME] as cache.file.\n"
		"  much_too_long_for_a_column\n"
		"                Text.\n"
		"                Has a line of its own.\n"
		"                In [module cache]; in [route NAME] as\n"
		"                cache.much_too_long_for_a_column.\n"
		"  enable        Yes or no; default yes.\n"
		"                Do the module's hooks run there?\n"
		"                In [module cache]; in [route NAME] as cache.enable; in [listen\n"
		"                NAME] as cache.enable.\n");
}

static void
the_manual_page_is_roff(void **state)
{
	static const struct weir_option options[] = {
		{ "dash-ed", WEIR_TEXT, AT(text), .doc = ".begins with a dot, has a \\ and a -." },
		{ .name = NULL }
	};
	struct option_owner core = { .options = options, .size = sizeof(struct settings) };
	char *text = printed(option_print_man, &core, "listen");

	(void)state;
	assert_string_equal(text,
		".SS [listen NAME]\n"
		".TP\n"
		".B dash\\-ed\n"
		"\\&.begins with a dot, has a \\e and a \\-.\n"
		".br\n"
		"Text.\n");
	free(text);
}

static void
the_sample_shows_each_option_where_it_may_stand(void **state)
{
	(void)state;
	assert_prints(option_print_ini,
		"[module cache]\n"
		"; How much memory the cache may take on all threads together; when it is full,\n"
		"; what was used least recently goes.\n"
		"; Size, 1M or more; default 512M.\n"
		"; In [module cache].\n"
		";size = 512M\n"
		"\n"
		"; How long to wait for another's answer.\n"
		"; Duration from 0 to 1h; default 5s.\n"
		"; In [module cache]; in [route NAME] as cache.lock_timeout.\n"
		";lock_timeout = 5s\n"
		"\n"
		"; A secret.\n"
		"; Text; never shown.\n"
		"; In [module cache]; in [route NAME] as cache.password.\n"
		";password =\n"
		"\n"
		"; A file.\n"
		"; Path; default cache.db.\n"
		"; In [module cache]; in [route NAME] as cache.file.\n"
		";file = cache.db\n"
		"\n"
		"; Has a line of its own.\n"
		"; Text.\n"
		"; In [module cache]; in [route NAME] as cache.much_too_long_for_a_column.\n"
		";much_too_long_for_a_column =\n"
		"\n"
		"; Do the module's hooks run there?\n"
		"; Yes or no; default yes.\n"
		"; In [module cache]; in [route NAME] as cache.enable; in [listen NAME] as\n"
		"; cache.enable.\n"
		";enable = yes\n"
		"\n"
		";[route NAME]\n"
		"; A pattern.\n"
		"; Text; required; may be repeated.\n"
		"; In [route NAME] as match.\n"
		";match =\n"
		"\n");
}

/* The core's tables as documents: no line is too wide, and every option says what it is for. */
static void
the_core_is_documented(void **state)
{
	static const struct {
		const char *kind;
		const struct weir_option *options;
	} tables[] = {
		{ "weir", weir_options }, { "listen", listen_options }, { "upstream", upstream_options },
		{ "route", route_options },
	};
	static print_function *const prints[] = { option_print_doc, option_print_ini };

	(void)state;
	for (size_t i = 0; i < 8; i++) {
		struct option_owner core = { .options = tables[i / 2].options };
		char *text = printed(prints[i % 2], &core, tables[i / 2].kind), *rest = NULL;

		for (char *line = strtok_r(text, "\n", &rest); line != NULL;
			line = strtok_r(NULL, "\n", &rest))
			assert_in_range(strlen(line), 1, 80);
		free(text);
		for (const struct weir_option *option = core.options; option->name != NULL; option++)
			assert_non_null(option->doc);
	}
}

/* What `weir -T` shows of the first section of a kind. */
static void
assert_values(const char *kind, const char *expected)
{
	char *text = NULL;
	size_t length = 0;
	FILE *memory = open_memstream(&text, &length);

	cache.section = config_find(generation.config, "module", "cache");
	option_print_values(memory, &cache, config_find(generation.config, kind, NULL), "/etc/weir");
	fclose(memory);
	assert_string_equal(text, expected);
	free(text);
}

static void
effective_values_come_with_their_origin(void **state)
{
	(void)state;
	configure("[module cache]\nsize = 1G\npassword = hunter2\nfile = /var/x\nlock_timeout = 9s\n"
		"[route r]\ncache.lock_timeout = 1s\nmatch = a\nmatch = b\ncache.enable = no\n");
	assert_values("module",
		"size = 1G                               ; weir.ini:2\n"
		"lock_timeout = 9s                       ; weir.ini:5\n"
		"mode = strict                           ; default\n"
		"password = ***                          ; weir.ini:3\n"
		"file = /var/x                           ; weir.ini:4\n"
		"; much_too_long_for_a_column is not set\n"
		"enable = yes                            ; default\n");
	assert_values("route",
		"cache.lock_timeout = 1s                 ; weir.ini:7\n"
		"match = a                               ; weir.ini:8\n"
		"match = b                               ; weir.ini:9\n"
		"cache.mode = strict                     ; default\n"
		"cache.password = ***                    ; weir.ini:3\n"
		"cache.file = /var/x                     ; weir.ini:4\n"
		"; cache.much_too_long_for_a_column is not set\n"
		"cache.enable = no                       ; weir.ini:10\n");
	assert_string_equal(said(), "");
}

static void
relative_paths_are_shown_as_they_are_used(void **state)
{
	(void)state;
	configure("[module cache]\nfile = x/y\n");
	assert_values("module",
		"size = 512M                             ; default\n"
		"lock_timeout = 5s                       ; default\n"
		"mode = strict                           ; default\n"
		"; password is not set\n"
		"file = /etc/weir/x/y                    ; weir.ini:2\n"
		"; much_too_long_for_a_column is not set\n"
		"enable = yes                            ; default\n");
}

/* A line that would be too long to be read again gives its origin a line of its own. */
static void
no_line_is_too_long_to_be_read_again(void **state)
{
	char text[300], expected[600];

	(void)state;
	snprintf(text, sizeof(text), "[module cache]\nmuch_too_long_for_a_column = %0160d\n", 1);
	configure(text);
	snprintf(expected, sizeof(expected),
		"size = 512M                             ; default\n"
		"lock_timeout = 5s                       ; default\n"
		"mode = strict                           ; default\n"
		"; password is not set\n"
		"file = /etc/weir/cache.db               ; default\n"
		"; weir.ini:2\n"
		"much_too_long_for_a_column = %0160d\n"
		"enable = yes                            ; default\n", 1);
	assert_values("module", expected);
}

int
main(void)
{
	const struct CMUnitTest scenes[] = {
		SCENE(documentation_is_aligned_and_wrapped),
		SCENE(the_manual_page_is_roff),
		SCENE(the_sample_shows_each_option_where_it_may_stand),
		SCENE(the_core_is_documented),
		OPTION_SCENE(effective_values_come_with_their_origin),
		OPTION_SCENE(relative_paths_are_shown_as_they_are_used),
		OPTION_SCENE(no_line_is_too_long_to_be_read_again),
	};

	return cmocka_run_group_tests(scenes, NULL, NULL);
}
