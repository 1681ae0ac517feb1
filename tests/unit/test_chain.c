/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenes for the order of modules and for chains: what runs, in which order, and where a cycle is.
 *
 * Modules are structs of the scene here; nothing is loaded.
 */
#include "said.h"
#include "server/chain.h"
#include "server/config.h"
#include "server/option.h"
#include "server/order.h"

#include <stdlib.h>

/* --- order ---------------------------------------------------------------------------------------------- */

#define MOST 8

struct scene {
	struct weir_module contracts[MOST];
	struct module modules[MOST], *list[MOST];
	size_t count;
	struct order_line lines[MOST];
	size_t line_count;
	struct report report;
};

static int
begin(void **state)
{
	struct scene *scene = calloc(1, sizeof(*scene));

	report_init(&scene->report);
	*state = scene;
	return 0;
}

static int
end(void **state)
{
	struct scene *scene = *state;

	report_free(&scene->report);
	free(scene);
	return 0;
}

static void
add(struct scene *scene, const char *name, enum weir_class class, const char *before, const char *after)
{
	struct weir_module *contract = &scene->contracts[scene->count];
	struct module *module = &scene->modules[scene->count];

	*contract = (struct weir_module){ .name = name, .order = class, .before = before, .after = after };
	*module = (struct module){ .contract = contract, .name = name };
	scene->list[scene->count++] = module;
}

static void
add_line(struct scene *scene, const char *text)
{
	scene->lines[scene->line_count] =
		(struct order_line){ text, "weir.ini", (unsigned)scene->line_count + 3 };
	scene->line_count++;
}

static bool
sort(struct scene *scene)
{
	return order_modules(scene->list, scene->count, scene->lines, scene->line_count, &scene->report);
}

/* The order is this one, whatever the order was in which the modules were given. */
static void
assert_order(struct scene *scene, const char *expected)
{
	char found[256];
	size_t at;

	for (size_t turn = 0; turn < scene->count; turn++) {
		struct module *first = scene->list[0];

		memmove(scene->list, scene->list + 1, (scene->count - 1) * sizeof(first));
		scene->list[scene->count - 1] = first;
		assert_true(sort(scene));
		assert_silent(&scene->report);
		at = 0;
		for (size_t i = 0; i < scene->count; i++)
			at += (size_t)snprintf(found + at, sizeof(found) - at, "%s%s", i > 0 ? " " : "",
				scene->list[i]->name);
		assert_string_equal(found, expected);
	}
}

static void
without_wishes_the_class_and_then_the_name_decide(void **state)
{
	add(*state, "delta", WEIR_CLASS_NORMAL, NULL, NULL);
	add(*state, "alpha", WEIR_CLASS_NORMAL, NULL, NULL);
	add(*state, "zulu", WEIR_CLASS_FIRST, NULL, NULL);
	add(*state, "bravo", WEIR_CLASS_LAST, NULL, NULL);
	add(*state, "guard", WEIR_CLASS_EARLY, NULL, NULL);
	add(*state, "edit", WEIR_CLASS_LATE, NULL, NULL);
	assert_order(*state, "zulu guard alpha delta edit bravo");
}

static void
before_and_after_refine_a_class(void **state)
{
	add(*state, "a", WEIR_CLASS_NORMAL, NULL, "c");
	add(*state, "b", WEIR_CLASS_NORMAL, NULL, NULL);
	add(*state, "c", WEIR_CLASS_NORMAL, NULL, NULL);
	add(*state, "z", WEIR_CLASS_NORMAL, "b  a", NULL);
	assert_order(*state, "c z a b");
}

static void
a_wish_about_a_module_that_is_not_there_means_nothing(void **state)
{
	add(*state, "b", WEIR_CLASS_NORMAL, "absent", "nowhere a");
	add(*state, "a", WEIR_CLASS_NORMAL, NULL, NULL);
	assert_order(*state, "a b");
}

/* A prefix of a name is not the name. */
static void
names_in_wishes_are_whole_names(void **state)
{
	add(*state, "a", WEIR_CLASS_NORMAL, NULL, "bc b");
	add(*state, "b", WEIR_CLASS_NORMAL, NULL, NULL);
	add(*state, "bcd", WEIR_CLASS_NORMAL, NULL, NULL);
	assert_order(*state, "b a bcd");
}

/* The guard stays where guards are: not it but the module that speaks of it moves. */
static void
who_wishes_over_classes_moves(void **state)
{
	add(*state, "eager", WEIR_CLASS_NORMAL, "guard", NULL);
	add(*state, "guard", WEIR_CLASS_EARLY, NULL, NULL);
	add(*state, "alpha", WEIR_CLASS_NORMAL, NULL, NULL);
	add(*state, "last", WEIR_CLASS_LAST, NULL, NULL);
	add(*state, "patient", WEIR_CLASS_FIRST, NULL, "last");
	assert_order(*state, "eager guard alpha last patient");
}

static void
a_wish_reaches_through_another(void **state)
{
	add(*state, "one", WEIR_CLASS_NORMAL, "two", NULL);
	add(*state, "two", WEIR_CLASS_NORMAL, "guard", NULL);
	add(*state, "guard", WEIR_CLASS_EARLY, NULL, NULL);
	add(*state, "alpha", WEIR_CLASS_NORMAL, NULL, NULL);
	assert_order(*state, "one two guard alpha");
}

static void
the_operator_overrules_wishes_and_classes(void **state)
{
	add(*state, "a", WEIR_CLASS_NORMAL, "b", NULL);
	add(*state, "b", WEIR_CLASS_NORMAL, NULL, NULL);
	add(*state, "c", WEIR_CLASS_FIRST, NULL, NULL);
	add_line(*state, "b  a\tc");
	assert_order(*state, "b a c");
}

/* b before x before a was written, though in two lines: that a says before b counts no more. */
static void
the_operator_overrules_over_several_steps(void **state)
{
	add(*state, "a", WEIR_CLASS_NORMAL, "b", NULL);
	add(*state, "b", WEIR_CLASS_NORMAL, NULL, NULL);
	add(*state, "x", WEIR_CLASS_NORMAL, NULL, NULL);
	add_line(*state, "b x");
	add_line(*state, "x a");
	assert_order(*state, "b x a");
}

static void
a_cycle_of_modules_is_printed_with_who_says_what(void **state)
{
	struct scene *scene = *state;

	add(scene, "a", WEIR_CLASS_NORMAL, "b", NULL);
	add(scene, "b", WEIR_CLASS_NORMAL, "c", NULL);
	add(scene, "c", WEIR_CLASS_NORMAL, NULL, NULL);
	scene->contracts[0].after = "c";
	add(scene, "free", WEIR_CLASS_LAST, NULL, "a");
	assert_false(sort(scene));
	assert_int_equal(scene->report.errors, 1);
	assert_said(&scene->report, "a before b (a says so)");
	assert_said(&scene->report, "b before c (b says so)");
	assert_said(&scene->report, "c before a (a says so)");
	assert_said(&scene->report, "order = FIRST SECOND");
}

static void
a_cycle_of_the_operators_points_at_a_line(void **state)
{
	struct scene *scene = *state;

	add(scene, "a", WEIR_CLASS_NORMAL, NULL, NULL);
	add(scene, "b", WEIR_CLASS_NORMAL, NULL, NULL);
	add_line(scene, "a b");
	add_line(scene, "b a");
	assert_false(sort(scene));
	assert_int_equal(scene->report.errors, 1);
	assert_said(&scene->report, "a before b (`order`, weir.ini:3)");
	assert_said(&scene->report, "b before a (`order`, weir.ini:4)");
	assert_string_equal(scene->report.first->file, "weir.ini");
	assert_true(scene->report.first->line == 3 || scene->report.first->line == 4);
}

static void
a_name_twice_in_a_line_is_a_cycle(void **state)
{
	struct scene *scene = *state;

	add(scene, "a", WEIR_CLASS_NORMAL, NULL, NULL);
	add_line(scene, "a a");
	assert_false(sort(scene));
	assert_said(&scene->report, "a before a (`order`, weir.ini:3)");
}

static void
the_operator_can_break_a_cycle_of_modules(void **state)
{
	add(*state, "a", WEIR_CLASS_NORMAL, "b", NULL);
	add(*state, "b", WEIR_CLASS_NORMAL, "a", NULL);
	add_line(*state, "b a");
	assert_order(*state, "b a");
}

/* No single wish is against the line, but all of them are. */
static void
the_operator_breaks_a_cycle_that_leads_over_other_modules(void **state)
{
	add(*state, "a", WEIR_CLASS_NORMAL, NULL, "b");
	add(*state, "b", WEIR_CLASS_NORMAL, NULL, "c");
	add(*state, "c", WEIR_CLASS_NORMAL, NULL, NULL);
	add_line(*state, "a c");
	assert_order(*state, "a c b");
}

static void
the_operator_breaks_a_long_cycle_by_one_wish(void **state)
{
	add(*state, "a", WEIR_CLASS_NORMAL, NULL, "b");
	add(*state, "b", WEIR_CLASS_NORMAL, NULL, "c");
	add(*state, "c", WEIR_CLASS_NORMAL, NULL, "d");
	add(*state, "d", WEIR_CLASS_NORMAL, NULL, NULL);
	add(*state, "e", WEIR_CLASS_EARLY, NULL, "a");
	add_line(*state, "a x d");
	add(*state, "x", WEIR_CLASS_NORMAL, NULL, NULL);
	assert_order(*state, "a e x d c b");
}

static void
a_line_with_a_stranger_names_the_nearest_module(void **state)
{
	struct scene *scene = *state;

	add(scene, "header", WEIR_CLASS_NORMAL, NULL, NULL);
	add(scene, "access", WEIR_CLASS_NORMAL, NULL, NULL);
	add_line(scene, "header acess");
	add_line(scene, "quite_different header");
	assert_false(sort(scene));
	assert_int_equal(scene->report.errors, 2);
	assert_said(&scene->report, "`order` names `acess`, which is not loaded; did you mean `access`?");
	assert_said(&scene->report,
		"`order` names `quite_different`, which is not loaded: write [module quite_different]");
	assert_int_equal(scene->report.first->line, 3);
}

/* --- chains --------------------------------------------------------------------------------------------- */

static enum weir_verdict
call(struct weir_exchange *x, const void *settings, void *state)
{
	(void)x, (void)settings, (void)state;
	return WEIR_NEXT;
}

static enum weir_verdict
chunk(struct weir_exchange *x, const void *settings, void *state, struct weir_chunk *c)
{
	(void)x, (void)settings, (void)state, (void)c;
	return WEIR_NEXT;
}

static enum weir_verdict
connection(struct weir_connection *c, const void *settings, void *state)
{
	(void)c, (void)settings, (void)state;
	return WEIR_NEXT;
}

/* The settings of `sometimes` are the phase in which it is not needed. */
static bool
needed(const void *settings, enum weir_phase phase)
{
	return phase != *(const enum weir_phase *)settings;
}

static const struct weir_module everywhere = {
	.name = "everywhere",
	.accept = connection,
	.handshake = connection,
	.request_body = chunk,
	.response_body = chunk,
	.hooks = {
		[WEIR_PHASE_REQUEST] = call, [WEIR_PHASE_ROUTE] = call, [WEIR_PHASE_ACCESS] = call, [WEIR_PHASE_CACHE] = call,
		[WEIR_PHASE_PEER] = call, [WEIR_PHASE_CONNECTED] = call, [WEIR_PHASE_FAILED] = call,
		[WEIR_PHASE_UPSTREAM_REQUEST] = call, [WEIR_PHASE_UPSTREAM_RESPONSE] = call, [WEIR_PHASE_STORE] = call,
		[WEIR_PHASE_RESPONSE] = call, [WEIR_PHASE_ERROR] = call, [WEIR_PHASE_LOG] = call,
	},
};

static const struct weir_module sometimes = {
	.name = "sometimes",
	.needed = needed,
	.hooks = { [WEIR_PHASE_ACCESS] = call, [WEIR_PHASE_LOG] = call },
};

struct chains {
	struct generation generation;
	struct module modules[2], *list[2];
	uint32_t states[2];
	struct config_section own, first, second;
	struct option_owner owners[2];
};

static const enum weir_phase not_at_access = WEIR_PHASE_ACCESS;
static const void *const settings[] = { NULL, &not_at_access };

static int
begin_chains(void **state)
{
	struct chains *chains = calloc(1, sizeof(*chains));

	*chains = (struct chains){
		.modules = { { .contract = &everywhere, .name = "everywhere" },
			{ .contract = &sometimes, .name = "sometimes" } },
		.list = { &chains->modules[0], &chains->modules[1] },
		.states = { 0, 48 },
		.own = { .kind = "route", .name = "r", .file = "r.ini", .line = 30 },
		.first = { .kind = "module", .name = "everywhere", .file = "weir.ini", .line = 10 },
		.second = { .kind = "module", .name = "sometimes", .file = "weir.ini", .line = 20 },
		.owners = { { .section = &chains->first }, { .section = &chains->second } },
	};
	chains->generation.modules = chains->list;
	chains->generation.module_count = 2;
	chains->generation.request_states = chains->states;
	chains->generation.owners = chains->owners;
	arena_init(&chains->generation.arena, NULL, 0);
	*state = chains;
	return 0;
}

static int
end_chains(void **state)
{
	struct chains *chains = *state;

	arena_free(&chains->generation.arena);
	free(chains);
	return 0;
}

static unsigned
length_of(const struct chain *chain, enum weir_phase phase)
{
	return chain->first[phase + 1] - chain->first[phase];
}

static void
a_chain_holds_every_phase_in_order_from_its_beginning(void **state)
{
	struct chains *chains = *state;
	const bool used[] = { true, false };
	struct chain chain;

	assert_true(chain_build(&chain, &chains->generation, settings, used, WEIR_PHASE_ACCEPT));
	for (enum weir_phase phase = 0; phase < WEIR_PHASES; phase++) {
		assert_true(chain_has_hook(&everywhere, phase));
		assert_int_equal(length_of(&chain, phase), 1);
	}
	assert_ptr_equal(chain.hooks[chain.first[WEIR_PHASE_ACCEPT]].connection, connection);
	assert_ptr_equal(chain.hooks[chain.first[WEIR_PHASE_RESPONSE_BODY]].chunk, chunk);
	assert_ptr_equal(chain.hooks[chain.first[WEIR_PHASE_LOG]].call, call);

	assert_true(chain_build(&chain, &chains->generation, settings, used, WEIR_PHASE_ROUTE));
	assert_int_equal(length_of(&chain, WEIR_PHASE_ACCEPT), 0);
	assert_int_equal(length_of(&chain, WEIR_PHASE_REQUEST), 0);
	assert_int_equal(length_of(&chain, WEIR_PHASE_ROUTE), 1);
	assert_int_equal(chain.first[WEIR_PHASES], WEIR_PHASES - WEIR_PHASE_ROUTE);
}

static void
a_hook_that_its_settings_do_not_need_is_left_out(void **state)
{
	struct chains *chains = *state;
	const bool used[] = { true, true };
	const struct hook *hook;
	struct chain chain;

	assert_true(chain_build(&chain, &chains->generation, settings, used, WEIR_PHASE_ROUTE));
	assert_int_equal(length_of(&chain, WEIR_PHASE_ACCESS), 1);
	assert_int_equal(length_of(&chain, WEIR_PHASE_LOG), 2);
	hook = &chain.hooks[chain.first[WEIR_PHASE_LOG] + 1];
	assert_ptr_equal(hook->module, &chains->modules[1]);
	assert_ptr_equal(hook->settings, &not_at_access);
	assert_int_equal(hook->state, 48);
	assert_int_equal(hook->slot, 1);
}

static void
a_chain_without_hooks_is_empty(void **state)
{
	struct chains *chains = *state;
	const bool used[] = { false, false };
	struct chain chain;

	assert_true(chain_build(&chain, &chains->generation, settings, used, WEIR_PHASE_ACCEPT));
	for (enum weir_phase phase = 0; phase < WEIR_PHASES; phase++)
		assert_int_equal(length_of(&chain, phase), 0);
}

static void
a_printed_chain_tells_where_settings_come_from(void **state)
{
	struct chains *chains = *state;
	const bool used[] = { false, true };
	struct chain chain;
	char *text = NULL;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	assert_true(chain_build(&chain, &chains->generation, settings, used, WEIR_PHASE_ROUTE));
	chain_print(to, &chain, &chains->generation, &chains->own);
	chains->owners[1].defaults = &not_at_access;
	chain_print(to, &chain, &chains->generation, &chains->own);
	fclose(to);
	assert_string_equal(text,
		"  log                sometimes        [route r] r.ini:30\n"
		"  log                sometimes        [module sometimes] weir.ini:20\n");
	free(text);
}

#define SCENE(name) cmocka_unit_test_setup_teardown(name, begin, end)
#define CHAIN(name) cmocka_unit_test_setup_teardown(name, begin_chains, end_chains)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		SCENE(without_wishes_the_class_and_then_the_name_decide),
		SCENE(before_and_after_refine_a_class),
		SCENE(a_wish_about_a_module_that_is_not_there_means_nothing),
		SCENE(names_in_wishes_are_whole_names),
		SCENE(who_wishes_over_classes_moves),
		SCENE(a_wish_reaches_through_another),
		SCENE(the_operator_overrules_wishes_and_classes),
		SCENE(the_operator_overrules_over_several_steps),
		SCENE(a_cycle_of_modules_is_printed_with_who_says_what),
		SCENE(a_cycle_of_the_operators_points_at_a_line),
		SCENE(a_name_twice_in_a_line_is_a_cycle),
		SCENE(the_operator_can_break_a_cycle_of_modules),
		SCENE(the_operator_breaks_a_cycle_that_leads_over_other_modules),
		SCENE(the_operator_breaks_a_long_cycle_by_one_wish),
		SCENE(a_line_with_a_stranger_names_the_nearest_module),
		CHAIN(a_chain_holds_every_phase_in_order_from_its_beginning),
		CHAIN(a_hook_that_its_settings_do_not_need_is_left_out),
		CHAIN(a_chain_without_hooks_is_empty),
		CHAIN(a_printed_chain_tells_where_settings_come_from),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
