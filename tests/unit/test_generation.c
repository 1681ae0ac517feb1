/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenes for generations: from INI files to structs, chains and modules' builds, or to errors.
 *
 * Each scene writes its files into a folder of its own. The fixtures probe, matcher, rival, strict and stumbler
 * (tests/unit/modules) tell by `noted` what is done with them.
 */
#include "said.h"
#include "server/chain.h"
#include "server/config.h"
#include "server/generation.h"
#include "server/loader.h"
#include "server/search.h"
#include "server/template.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define LISTEN "[listen web]\naddress = 127.0.0.1:8080\n"
#define PLAIN "total_timeout = 1h\n"		/* nothing of a module's */

/* No exchange is needed: the core's variables are this program's own. */
static const char *
value(struct weir_exchange *x)
{
	(void)x;
	return "value";
}

const struct variable variables[] = {
	{ "host", value, "The host." },
	{ NULL, NULL, NULL }
};

struct scene {
	struct modules *modules;
	struct report report;
	struct generation *generation, *next;
	char folder[64], path[80];
};

static char notes[4096];

/* Called by the fixtures. */
WEIR_API void noted(const char *format, ...) __attribute__((format(printf, 1, 2)));

void
noted(const char *format, ...)
{
	size_t length = strlen(notes);
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(notes + length, sizeof(notes) - length, format, arguments);
	va_end(arguments);
}

static int
begin(void **state)
{
	struct scene *scene = calloc(1, sizeof(*scene));
	const char *folders[] = { FIXTURES, NULL };

	notes[0] = '\0';
	strcpy(scene->folder, "/tmp/weir-generation-XXXXXX");
	report_init(&scene->report);
	if (mkdtemp(scene->folder) == NULL || (scene->modules = loader_new(folders, &scene->report)) == NULL)
		return -1;
	snprintf(scene->path, sizeof(scene->path), "%s/weir.ini", scene->folder);
	*state = scene;
	return 0;
}

static int
end(void **state)
{
	struct scene *scene = *state;
	char command[128];

	generation_free(&scene->next);
	generation_free(&scene->generation);
	loader_free(&scene->modules);
	report_free(&scene->report);
	snprintf(command, sizeof(command), "rm -rf '%s'", scene->folder);
	assert_int_equal(system(command), 0);
	free(scene);
	return 0;
}

static void
write_file(const struct scene *scene, const char *name, const char *text)
{
	char path[160];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", scene->folder, name);
	assert_non_null(file = fopen(path, "w"));
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

static struct generation *
build(struct scene *scene, const struct generation *previous, const char *text)
{
	write_file(scene, "weir.ini", text);
	return generation_build(scene->path, scene->modules, previous, 2, &scene->report);
}

/* A configuration that is right. */
static struct generation *
good(struct scene *scene, const char *text)
{
	scene->generation = build(scene, NULL, text);
	assert_silent(&scene->report);
	assert_non_null(scene->generation);
	return scene->generation;
}

/* One that has this error, at this line of weir.ini, and no other. */
static void
assert_wrong(struct scene *scene, const char *text, unsigned line, const char *error)
{
	assert_null(build(scene, NULL, text));
	assert_said(&scene->report, error);
	if (scene->report.errors != 1)
		report_print(&scene->report, stderr);
	assert_int_equal(scene->report.errors, 1);
	assert_string_equal(scene->report.first->file, scene->path);
	assert_int_equal(scene->report.first->line, line);
}

static struct weir_route *
find_route(const struct generation *generation, const char *name)
{
	for (size_t i = 0; i < generation->route_count; i++) {
		if (strcmp(generation->routes[i]->name, name) == 0)
			return generation->routes[i];
	}
	fail_msg("there is no route %s", name);
	return NULL;
}

/* "phase module, phase module": what the chain runs. */
static void
assert_chain(const struct chain *chain, const char *expected)
{
	char found[1024] = "";
	size_t at = 0;

	for (enum weir_phase phase = 0; phase < WEIR_PHASES; phase++) {
		for (unsigned i = chain->first[phase]; i < chain->first[phase + 1]; i++)
			at += (size_t)snprintf(found + at, sizeof(found) - at, "%s%s %s", at > 0 ? ", " : "",
				chain_phase_name(phase), chain->hooks[i].module->name);
	}
	assert_string_equal(found, expected);
}

/* --- what is built -------------------------------------------------------------------------------------- */

static void
the_smallest_configuration_is_one_listener(void **state)
{
	struct generation *generation = good(*state, LISTEN);

	assert_int_equal(generation->number, 1);
	assert_int_equal(generation->threads, 2);
	assert_int_equal(generation->listen_count, 1);
	assert_string_equal(generation->listens[0].name, "web");
	assert_int_equal(generation->listens[0].settings.address.count, 1);
	assert_int_equal(generation->route_count + generation->upstream_count + generation->module_count, 0);
	assert_int_equal(generation->listens[0].chain.first[WEIR_PHASES], 0);
}

static void
threads_follow_the_configuration_where_the_process_has_none_yet(void **state)
{
	struct scene *scene = *state;

	write_file(scene, "weir.ini", "[weir]\nthreads = 3\n" LISTEN);
	scene->generation = generation_build(scene->path, scene->modules, NULL, 0, &scene->report);
	assert_int_equal(scene->generation->threads, 3);
	write_file(scene, "weir.ini", LISTEN);
	scene->next = generation_build(scene->path, scene->modules, scene->generation, 0, &scene->report);
	assert_in_range(scene->next->threads, 1, (unsigned long)sysconf(_SC_NPROCESSORS_CONF));
	assert_int_equal(scene->next->number, 2);
}

static void
upstreams_have_their_servers(void **state)
{
	struct generation *generation = good(*state, LISTEN
		"[upstream api]\nserver = 10.0.0.1:80 weight=3\nserver = unix:/run/api.sock backup\n"
		"[upstream other]\nserver = localhost:8000\n"
		"[route r]\nupstream = other\n");
	const struct weir_upstream *api = generation->upstreams[0];
	const struct weir_server *server = weir_upstream_server(api, 0);

	assert_int_equal(generation->upstream_count, 2);
	assert_string_equal(weir_upstream_name(api), "api");
	assert_int_equal(weir_upstream_index(generation->upstreams[1]), 1);
	assert_int_equal(weir_upstream_servers(api), 2);
	assert_string_equal(weir_server_name(server), "10.0.0.1:80");
	assert_int_equal(weir_server_weight(server), 3);
	assert_int_equal(weir_server_address(server)->port, 80);
	assert_false(weir_server_backup(server));
	server = weir_upstream_server(api, 1);
	assert_true(weir_server_backup(server));
	assert_int_equal(weir_server_index(server), 1);
	assert_int_equal(weir_server_weight(server), 1);
	assert_ptr_equal(server->upstream, api);
	assert_ptr_equal(generation->routes[0]->settings.upstream, generation->upstreams[1]);
}

static void
a_routes_settings_lie_over_its_modules(void **state)
{
	struct generation *generation = good(*state, LISTEN
		"[module probe]\nword = base\n[route plain]\n" PLAIN "[route own]\nprobe.word = special\n");
	const char *const *base = generation->module_settings[0];
	const char *const *plain = find_route(generation, "plain")->module_settings[0];
	const char *const *own = find_route(generation, "own")->module_settings[0];

	/* `word` is the first member of the fixture's struct. */
	assert_string_equal(*base, "base");
	assert_ptr_equal(plain, base);
	assert_string_equal(*own, "special");
	assert_string_equal(notes, "check base;check special;build probe 1;");
}

static void
routes_that_set_nothing_share_all(void **state)
{
	struct generation *generation = good(*state, LISTEN
		"[module probe]\n[route a]\n" PLAIN "[route b]\n" PLAIN
		"[route c]\nprobe.enable = no\n[route d]\nprobe.quiet = yes\n[route e]\n" PLAIN);
	const struct weir_route *a = find_route(generation, "a");

	assert_ptr_equal(a->module_settings, generation->module_settings);
	assert_ptr_equal(find_route(generation, "b")->chain->hooks, a->chain->hooks);
	assert_ptr_not_equal(find_route(generation, "c")->chain->hooks, a->chain->hooks);
	assert_ptr_not_equal(find_route(generation, "d")->chain->hooks, a->chain->hooks);
	assert_chain(find_route(generation, "e")->chain, "access probe, log probe");
}

static void
chains_hold_what_each_section_uses(void **state)
{
	struct generation *generation = good(*state, LISTEN
		"[listen quiet]\naddress = 127.0.0.1:8081\nprobe.enable = no\n"
		"[module probe]\n[module matcher]\n"
		"[route all]\nmatch = a\n[route off]\nmatch = b\nprobe.enable = no\n"
		"[route silent]\nmatch = c\nprobe.quiet = yes\n");

	assert_chain(&generation->listens[0].chain,
		"request probe, route matcher, access probe, peer matcher, log probe");
	assert_chain(&generation->listens[1].chain, "route matcher, peer matcher");
	assert_chain(find_route(generation, "all")->chain,
		"route matcher, access probe, peer matcher, log probe");
	assert_chain(find_route(generation, "off")->chain, "route matcher, peer matcher");
	assert_chain(find_route(generation, "silent")->chain, "route matcher, access probe, peer matcher");
}

static void
a_module_switched_off_for_all_can_be_switched_on_for_one(void **state)
{
	struct generation *generation = good(*state, LISTEN
		"[module probe]\nenable = no\n[route plain]\n" PLAIN "[route on]\nprobe.enable = yes\n");

	assert_chain(&generation->listens[0].chain, "");
	assert_chain(find_route(generation, "plain")->chain, "");
	assert_chain(find_route(generation, "on")->chain, "access probe, log probe");
}

/* It has nothing to do there, and its check nothing to look at. */
static void
a_module_without_its_required_option_has_no_hooks_there(void **state)
{
	struct generation *generation = good(*state, LISTEN
		"[module strict]\n[route named]\nstrict.name = abc\n[route plain]\n" PLAIN);

	assert_chain(&generation->listens[0].chain, "");
	assert_chain(find_route(generation, "named")->chain, "access strict");
	assert_chain(find_route(generation, "plain")->chain, "");
	assert_string_equal(notes, "abc has 3 letters;");
}

static void
the_operators_order_is_the_order_of_chains(void **state)
{
	struct generation *generation = good(*state,
		"[weir]\norder = probe matcher\n" LISTEN "[module matcher]\n[module probe]\n");

	assert_string_equal(generation->modules[0]->name, "probe");
	assert_string_equal(generation->modules[1]->name, "matcher");
}

static void
states_of_requests_are_aligned_and_apart(void **state)
{
	struct generation *generation = good(*state, LISTEN "[module probe]\n[module matcher]\n");

	assert_string_equal(generation->modules[0]->name, "matcher");
	assert_int_equal(generation->request_states[0], 0);
	assert_int_equal(generation->request_states[1], 16);
	assert_int_equal(generation->request_size, 16 + 32);
	assert_int_equal(generation->listens[0].chain.hooks[0].state, 16);
}

static void
a_module_sees_its_settings_for_upstreams(void **state)
{
	good(*state, LISTEN "[module matcher]\n[upstream a]\nserver = 10.0.0.1:80\n"
		"[upstream b]\nserver = 10.0.0.1:80\nserver = 10.0.0.2:80\nbalance = random\n");
	assert_string_equal(notes, "a balances 1 servers by turns;b balances 2 servers by random;");
}

static void
templates_may_use_variables_of_any_module(void **state)
{
	good(*state, LISTEN "[module probe]\nsay = ${host} and ${probe_word}\n");
}

static void
files_of_conf_d_belong_to_it(void **state)
{
	struct scene *scene = *state;
	char path[160];

	snprintf(path, sizeof(path), "%s/conf.d", scene->folder);
	assert_int_equal(mkdir(path, 0755), 0);
	write_file(scene, "conf.d/10-route.ini", "[route r]\nupstream = u\n");
	write_file(scene, "conf.d/20-upstream.ini", "[upstream u]\nserver = 10.0.0.1:80\n");
	assert_int_equal(good(scene, LISTEN)->route_count, 1);
	assert_non_null(scene->generation->routes[0]->settings.upstream);
}

/* --- what modules build --------------------------------------------------------------------------------- */

static void
a_build_sees_the_previous_generations_struct_and_each_is_dropped_once(void **state)
{
	struct scene *scene = *state;

	good(scene, LISTEN "[module probe]\n");
	scene->next = build(scene, scene->generation, LISTEN "[module matcher]\n[module probe]\n");
	assert_non_null(scene->next);
	generation_free(&scene->generation);
	generation_free(&scene->next);
	assert_string_equal(notes,
		"check good;build probe 1;check good;build probe 2;drop probe 1;drop probe 2;");
}

static void
a_failed_build_drops_what_was_built_and_leaves_the_previous_alone(void **state)
{
	struct scene *scene = *state;

	good(scene, LISTEN "[module probe]\n");
	notes[0] = '\0';
	assert_null(build(scene, scene->generation, LISTEN "[module probe]\n[module stumbler]\n"));
	assert_string_equal(notes, "check good;build probe 2;build stumbler;drop stumbler;drop probe 2;");
	assert_said(&scene->report, "it cannot be done");
	assert_int_equal(scene->report.first->line, 4);
	assert_int_equal(scene->generation->number, 1);
	assert_int_equal(scene->generation->built, 1);
}

static void
all_modules_build_so_that_all_errors_are_seen(void **state)
{
	struct scene *scene = *state;

	assert_null(build(scene, NULL, LISTEN "[module probe]\nword = late\n[module stumbler]\n"));
	assert_said(&scene->report, "the word comes late");
	assert_said(&scene->report, "it cannot be done");
	assert_int_equal(scene->report.errors, 2);
}

static void
a_check_is_told_to_modules(void **state)
{
	struct scene *scene = *state;

	write_file(scene, "weir.ini", LISTEN "[module probe]\n");
	scene->generation = generation_check(scene->path, scene->modules, &scene->report);
	assert_non_null(scene->generation);
	assert_string_equal(notes, "check good;build probe 1 (check);");
}

static void
a_builds_warning_points_at_its_route_and_stops_nothing(void **state)
{
	struct scene *scene = *state;

	scene->generation = build(scene, NULL,
		LISTEN "[module probe]\n[route a]\n" PLAIN "[route b]\nprobe.limit = 13\n");
	assert_non_null(scene->generation);
	assert_said(&scene->report, "route b has the limit 13");
	assert_int_equal(scene->report.warnings, 1);
	assert_int_equal(scene->report.first->line, 6);
}

/* A required option may be missing there: no module has to expect that. */
static void
modules_build_nothing_from_settings_that_are_wrong(void **state)
{
	struct scene *scene = *state;

	assert_wrong(scene, LISTEN "[module probe]\nlimit = 0\n", 4, "limit");
	assert_string_equal(notes, "");
}

static void
a_check_never_sees_settings_that_are_wrong(void **state)
{
	struct scene *scene = *state;

	assert_wrong(scene, LISTEN "[module probe]\n[route r]\nprobe.limit = 0\nprobe.word = x\n", 5, "limit");
	assert_string_equal(notes, "check good;");
}

/* An unknown key spoils no setting, so what the builds have to say is seen at once. */
static void
modules_build_in_spite_of_unknown_keys(void **state)
{
	struct scene *scene = *state;

	assert_null(build(scene, NULL, LISTEN "[module probe]\nword = late\n[route a]\nprobe.wrd = x\n"));
	assert_said(&scene->report, "did you mean `probe.word`?");
	assert_said(&scene->report, "the word comes late");
	assert_int_equal(scene->report.errors, 2);
	assert_string_equal(notes, "check late;build probe 1;drop probe 1;");
}

/* --- what is wrong -------------------------------------------------------------------------------------- */

static void
a_configuration_without_listener_is_an_error(void **state)
{
	assert_wrong(*state, "[route r]\n" PLAIN, 0, "there is no [listen NAME] section");
}

static void
an_empty_configuration_is_an_error(void **state)
{
	assert_wrong(*state, "; nothing\n", 0, "there is no [listen NAME] section");
}

static void
a_file_that_cannot_be_read_is_one_error(void **state)
{
	struct scene *scene = *state;

	assert_null(generation_build("/nonexistent/weir.ini", scene->modules, NULL, 2, &scene->report));
	assert_int_equal(scene->report.errors, 1);
	assert_said(&scene->report, "No such file");
}

static void
two_listeners_with_one_address_are_an_error(void **state)
{
	assert_wrong(*state, LISTEN "[listen b]\naddress = 127.0.0.1:8081\naddress = 127.0.0.1:8080\n", 3,
		"that [listen web] at");
}

static void
an_upstream_that_is_not_there_is_an_error(void **state)
{
	assert_wrong(*state, LISTEN "[upstream api]\nserver = 10.0.0.1:80\n[route r]\nupstream = apl\n", 6,
		"there is no [upstream apl], did you mean `api`?");
}

static void
an_upstream_named_by_a_module_may_be_missing_too(void **state)
{
	assert_wrong(*state, LISTEN "[module probe]\nto = nowhere\n", 4, "there is no [upstream nowhere]");
}

static void
a_modules_check_points_at_its_section(void **state)
{
	assert_wrong(*state, LISTEN "[module probe]\n[route r]\nprobe.word = bad\n", 4, "the word is bad");
}

static void
unknown_keys_are_errors_everywhere(void **state)
{
	struct scene *scene = *state;

	assert_null(build(scene, NULL, "[weir]\nthread = 2\n" LISTEN "adress = 127.0.0.1:1\n"
		"[module probe]\nwrod = x\n[upstream u]\nserver = 10.0.0.1:80\nkeepaliv = 3\n"
		"[route r]\nprobe.limt = 3\nother.key = 3\n"));
	assert_said(&scene->report, "did you mean `threads`?");
	assert_said(&scene->report, "did you mean `address`?");
	assert_said(&scene->report, "did you mean `word`?");
	assert_said(&scene->report, "did you mean `keepalive`?");
	assert_said(&scene->report, "did you mean `probe.limit`?");
	assert_said(&scene->report, "other");
	assert_int_equal(scene->report.errors, 6);
}

/* What else is said of a module's keys would only mislead. */
static void
a_missing_module_is_the_only_error(void **state)
{
	assert_wrong(*state, "[weir]\norder = matchr probe\n" LISTEN
		"[module probe]\n[module matchr]\nsize = 3\n"
		"[upstream u]\nserver = 10.0.0.1:80\nbalance = random\n"
		"[route r]\nmatch = x\nmatchr.size = 5\n", 6,
		"did you mean `matcher`?");
}

static void
other_errors_are_seen_beside_a_missing_module(void **state)
{
	struct scene *scene = *state;

	assert_null(build(scene, NULL, LISTEN
		"[module absent]\n[module probe]\nlimt = 3\n[route r]\nprobe.wrd = x\nupstream = u\n"));
	assert_said(&scene->report, "module absent was not found");
	assert_said(&scene->report, "did you mean `limit`?");
	assert_said(&scene->report, "did you mean `probe.word`?");
	assert_said(&scene->report, "there is no [upstream u]");
	assert_int_equal(scene->report.errors, 4);
}

static void
a_required_plain_key_must_stand_in_every_route(void **state)
{
	assert_wrong(*state, LISTEN "[module matcher]\n[route a]\nmatch = x\n[route b]\n" PLAIN, 6,
		"needs `match`");
}

/* What one section without a module's keys becomes, is not what the others are taken for where something is wrong. */
static void
a_required_plain_key_is_missed_in_each_route_without_it(void **state)
{
	struct scene *scene = *state;

	assert_null(build(scene, NULL, LISTEN "[module matcher]\n[route a]\n" PLAIN "[route b]\nmatch = x\n[route c]\n" PLAIN
		"[route d]\n" PLAIN));
	assert_said(&scene->report, "[route a] needs `match`");
	assert_said(&scene->report, "[route c] needs `match`");
	assert_said(&scene->report, "[route d] needs `match`");
	assert_int_equal(scene->report.errors, 3);
}

static void
two_owners_of_one_plain_key_or_variable_are_an_error(void **state)
{
	struct scene *scene = *state;

	assert_null(build(scene, NULL, LISTEN "[module probe]\n[module matcher]\n[module rival]\n"));
	assert_said(&scene->report, "match");
	assert_said(&scene->report, "module rival has a variable ${probe_word}, and so has probe");
	assert_int_equal(scene->report.errors, 2);
	assert_int_equal(scene->report.first->line, 5);
}

static void
an_order_against_itself_is_an_error(void **state)
{
	assert_wrong(*state, "[weir]\norder = probe matcher\norder = matcher probe\n" LISTEN
		"[module probe]\n[module matcher]\n", 3,
		"the order of modules is a cycle");
}

static void
a_listener_with_tls_needs_a_certificate(void **state)
{
	assert_wrong(*state, LISTEN "tls = yes\n", 1, "there is no certificate");
}

/* --- what is shown -------------------------------------------------------------------------------------- */

static void
the_values_and_chains_can_be_printed(void **state)
{
	struct generation *generation = good(*state, LISTEN
		"[module probe]\nlimit = 7\n[route r]\nprobe.word = x\n");
	char *text = NULL;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	generation_print_settings(generation, to);
	fflush(to);
	assert_non_null(strstr(text, "[listen web]\naddress = 127.0.0.1:8080"));
	assert_non_null(strstr(text, "[route r]\n"));
	assert_non_null(strstr(text, "\nprobe.word = x"));
	assert_non_null(strstr(text, "\nprobe.limit = 7"));
	generation_print_chain(generation, to);
	fclose(to);
	assert_non_null(strstr(text, "  access             probe            [route r] "));
	assert_non_null(strstr(text, "  request            probe            [module probe] "));
	free(text);
}

#define SCENE(name) cmocka_unit_test_setup_teardown(name, begin, end)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		SCENE(the_smallest_configuration_is_one_listener),
		SCENE(threads_follow_the_configuration_where_the_process_has_none_yet),
		SCENE(upstreams_have_their_servers),
		SCENE(a_routes_settings_lie_over_its_modules),
		SCENE(routes_that_set_nothing_share_all),
		SCENE(chains_hold_what_each_section_uses),
		SCENE(a_module_switched_off_for_all_can_be_switched_on_for_one),
		SCENE(a_module_without_its_required_option_has_no_hooks_there),
		SCENE(the_operators_order_is_the_order_of_chains),
		SCENE(states_of_requests_are_aligned_and_apart),
		SCENE(a_module_sees_its_settings_for_upstreams),
		SCENE(templates_may_use_variables_of_any_module),
		SCENE(files_of_conf_d_belong_to_it),
		SCENE(a_build_sees_the_previous_generations_struct_and_each_is_dropped_once),
		SCENE(a_failed_build_drops_what_was_built_and_leaves_the_previous_alone),
		SCENE(all_modules_build_so_that_all_errors_are_seen),
		SCENE(a_check_is_told_to_modules),
		SCENE(a_builds_warning_points_at_its_route_and_stops_nothing),
		SCENE(modules_build_nothing_from_settings_that_are_wrong),
		SCENE(a_check_never_sees_settings_that_are_wrong),
		SCENE(modules_build_in_spite_of_unknown_keys),
		SCENE(a_configuration_without_listener_is_an_error),
		SCENE(an_empty_configuration_is_an_error),
		SCENE(a_file_that_cannot_be_read_is_one_error),
		SCENE(two_listeners_with_one_address_are_an_error),
		SCENE(an_upstream_that_is_not_there_is_an_error),
		SCENE(an_upstream_named_by_a_module_may_be_missing_too),
		SCENE(a_modules_check_points_at_its_section),
		SCENE(unknown_keys_are_errors_everywhere),
		SCENE(a_missing_module_is_the_only_error),
		SCENE(other_errors_are_seen_beside_a_missing_module),
		SCENE(a_required_plain_key_must_stand_in_every_route),
		SCENE(a_required_plain_key_is_missed_in_each_route_without_it),
		SCENE(two_owners_of_one_plain_key_or_variable_are_an_error),
		SCENE(an_order_against_itself_is_an_error),
		SCENE(a_listener_with_tls_needs_a_certificate),
		SCENE(the_values_and_chains_can_be_printed),
	};

	search_installed = "/nonexistent/weir";
	return cmocka_run_group_tests(tests, NULL, NULL);
}
