/* SPDX-License-Identifier: Apache-2.0 */
/*
 * generation: the whole configuration as one immutable thing.
 *
 * Built on the main thread from the INI files and checked whole; then published to each event thread by one
 * message. A request keeps the generation that it began with. Threads count their own requests (thread.h) and
 * tell the main thread when they hold a retired generation no longer; the last one out makes the main thread
 * free it. Nothing here changes after the build.
 */
#ifndef WEIR_SERVER_GENERATION_H
#define WEIR_SERVER_GENERATION_H

#include <stdint.h>
#include <stdio.h>
#include <weir/module.h>

#include "arena.h"
#include "certificate.h"
#include "settings.h"

struct config;
struct config_section;
struct credential_use;
struct modules;
struct hold;
struct option_owner;
struct overlay;
struct report;

/* A module in the process: loaded once, never unloaded (loader.h). */
struct module {
	const struct weir_module *contract;
	const char *name;		/* the contract's */
	const char *file;		/* absolute path, or "preloaded" */
	unsigned index;			/* in the process: of its thread and connection states and metrics */
	unsigned metrics;		/* how many, and where its cells start in a thread's array */
	unsigned first_metric;
};

/* The place of a state that a module does not have. */
#define HOOK_STATELESS UINT32_MAX

/* One hook of a chain. */
struct hook {
	union {
		weir_hook *call;
		weir_body_hook *chunk;
		weir_connection_hook *connection;
	};
	const void *settings;
	const struct module *module;
	uint32_t state;			/* where its struct lies in the request's block, or HOOK_STATELESS */
	uint32_t slot;			/* of the module in this generation: generation_state[slot] */
};

/* The hooks of phase p are hooks[first[p]] up to, not including, hooks[first[p + 1]]. */
struct chain {
	const struct hook *hooks;
	uint16_t first[WEIR_PHASES + 1];
};

struct weir_server {
	const struct weir_upstream *upstream;
	const char *name;
	struct weir_address address;
	unsigned index, weight;
	bool backup;
};

/* The settings of the modules for one section are by slot: module_settings[slot], never NULL where
 * settings_size > 0. */
struct weir_upstream {
	const char *name;
	const struct config_section *section;
	unsigned index;
	struct upstream_settings settings;
	struct weir_server *servers;
	size_t server_count;
	const void **module_settings;
	struct chain errands;		/* what runs for errands to one of its servers: hooks of the phase peer */
};

/* What each request looks at is one line of the processor's cache, and the chain is one for all routes that are alike: with
 * 100,000 routes nothing of them is warm. */
struct weir_route {
	const struct chain *chain;
	struct route_settings settings;
	const char *name;
	const struct config_section *section;
	const void **module_settings;
	unsigned index;
};

enum { ROUTE_LINE = 64 };

/* An array of them begins where a line does, and each is a whole number of lines. */
union route_slot {
	struct weir_route route;
	char lines[2 * ROUTE_LINE];
};

_Static_assert(offsetof(struct weir_route, name) <= ROUTE_LINE, "what is hot fits in a line");
_Static_assert(sizeof(struct weir_route) <= 2 * ROUTE_LINE, "a route fits in its slot");

/* A [listen] section; the sockets are the listener's (listener.h). Before a route is chosen, its chain
 * holds. */
struct listen {
	const char *name;
	const struct config_section *section;
	unsigned index;
	struct listen_settings settings;
	struct chain chain;
	const void **module_settings;
};

struct generation {
	uint64_t number;		/* 1, 2, … in this process */
	const char *path;		/* of the configuration file */
	struct arena arena;		/* all of it lies here */
	struct config *config;
	struct weir_settings settings;
	unsigned threads;		/* event threads of the process */

	struct module **modules;	/* by slot, in the order in which their hooks run */
	size_t module_count;
	const void **module_settings;	/* by slot: of the [module] sections */
	void **module_states;		/* by slot: generation_size bytes each */
	unsigned built;			/* slots below this one were built and will be dropped */
	size_t request_size;		/* of the block of request states; where each begins, by slot */
	const uint32_t *request_states;
	const struct option_owner *owners;	/* by slot: the modules' tables and defaults */

	struct credential_use *uses, **last_use;	/* what it takes from files of certificates and keys */

	struct certificates certificates;
	struct listen *listens;
	size_t listen_count;
	struct weir_upstream **upstreams;
	size_t upstream_count;
	struct weir_upstream *direct;	/* without a server or a section: for peers that no upstream names */
	struct weir_route **routes;
	size_t route_count;
	unsigned hook_count;		/* in all chains together */

	/* The main thread's, while it serves. */
	unsigned holders;		/* event threads that still hold it */
	struct hold **holds;		/* by thread; NULL: that one holds it no longer */
	unsigned hold_count;
	int64_t begun;			/* weir_now when it was published */
};

/* A build under way: what the contract's weir_build_… functions work on. */
struct weir_build {
	struct generation *generation;
	struct report *report;
	const struct module *module;	/* whose function is running */
	unsigned slot;
	const char *file;		/* where errors point */
	unsigned line;
	bool check;			/* only to look: nothing outside may change */
	bool failed;			/* without memory */
};

/*
 * Build from a configuration file. NULL when the report has errors (all are in it). `previous` is the one
 * that serves, or NULL: modules may carry state over. `modules` holds what is loaded and gains what is new.
 * `threads` is how many event threads the process has; 0: as [weir] says (generation->threads then tells).
 * Main thread.
 */
struct generation *generation_build(const char *path, struct modules *, const struct generation *previous,
	unsigned threads, struct report *);

/* What a generation is built from: the files, and what was changed in the running process. */
struct generation_source {
	const char *path;		/* of the configuration file */
	struct config *files;		/* what it and its conf.d said when they were read; NULL: read them */
	const struct overlay *overlay;	/* NULL: nothing was changed */
	bool state;			/* instead of that, what state_dir keeps */
	bool later;			/* read no certificates and keys yet: reading.h does, before it is published */
	bool check;			/* only to look at it: modules are told, and change nothing outside */
};

struct generation *generation_build_from(const struct generation_source *, struct modules *,
	const struct generation *previous, unsigned threads, struct report *);

/* What its files said: for another one with the same files. */
struct config *generation_files(const struct generation *);

/* What would serve after a start (`weir -t`): from the files, and from what `state_dir` keeps. */
struct generation *generation_check(const char *path, struct modules *, struct report *);

/* Only what [weir] says: no module is loaded, and no other section looked at. NULL after reporting errors.
 * Main thread. */
struct generation *generation_peek(const char *path, struct report *);

/* Let the modules drop theirs and free all of it. No thread may hold it. Main thread. */
void generation_free(struct generation **);

/* `weir --chain`: phase, module, section, file and line; `weir -T`: every effective value with its origin. */
void generation_print_chain(const struct generation *, FILE *);
void generation_print_settings(const struct generation *, FILE *);

#endif
