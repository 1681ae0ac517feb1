/* SPDX-License-Identifier: Apache-2.0 */
/*
 * weir/module.h: what a module is. The one header that a module includes.
 *
 * A module is a shared object NAME.so that exports one constant, made by WEIR_MODULE(NAME) at the end of
 * its source: what it is called, its options, the sizes of the structs that the core shall keep for it,
 * and its hooks. It has no load and no unload function. The core calls a hook on the event thread that
 * owns the request; a hook never blocks: it returns WEIR_WAIT and is resumed (weir/thread.h).
 *
 * Compatibility: the core loads a module whose WEIR_ABI_MAJOR equals its own and whose WEIR_ABI_MINOR is
 * not newer. Within a major, structs only grow at their ends and functions are only added.
 */
#ifndef WEIR_MODULE_H
#define WEIR_MODULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/api.h>

struct weir_exchange;	/* one request and its response */
struct weir_connection;	/* one client connection */
struct weir_build;	/* a generation being built from the configuration */
struct weir_thread;	/* one event thread */

/* The phases of a request, in their order; docs/modules.md tells what each is for. */
enum weir_phase {
	WEIR_PHASE_ACCEPT,		/* a client connected */
	WEIR_PHASE_HANDSHAKE,		/* who the client is has become known */
	WEIR_PHASE_REQUEST,		/* the head is parsed and normalised */
	WEIR_PHASE_ROUTE,		/* choose the route: from here on its settings hold */
	WEIR_PHASE_ACCESS,		/* guard: fails closed */
	WEIR_PHASE_CACHE,		/* look-up; a hit answers here */
	WEIR_PHASE_PEER,		/* choose whom to ask; again at each retry */
	WEIR_PHASE_CONNECTED,		/* a connection to the peer is there, new or reused */
	WEIR_PHASE_FAILED,		/* it could not be had, or broke before an answer */
	WEIR_PHASE_UPSTREAM_REQUEST,	/* edit what the origin sees; hop-by-hop fields are gone */
	WEIR_PHASE_REQUEST_BODY,	/* each chunk to the origin */
	WEIR_PHASE_UPSTREAM_RESPONSE,	/* head from the origin; edits here are cached */
	WEIR_PHASE_STORE,		/* admit to a cache */
	WEIR_PHASE_RESPONSE,		/* head to the client, whoever made it; edits here are not cached */
	WEIR_PHASE_RESPONSE_BODY,	/* each chunk to the client */
	WEIR_PHASE_ERROR,		/* once, when it went wrong, before the error is answered */
	WEIR_PHASE_LOG,			/* always, exactly once */
	WEIR_PHASES
};

/* What a hook returns. A verdict that its phase does not allow (the table in docs/modules.md) counts as WEIR_FAIL. */
enum weir_verdict {
	WEIR_NEXT,	/* go on with the next hook */
	WEIR_DONE,	/* leave this phase: its later hooks are not run */
	WEIR_RESPOND,	/* the response is set (weir_respond): go to the response phase */
	WEIR_WAIT,	/* suspended; weir_wait was called, and weir_resume will be */
	WEIR_RETRY,	/* choose a peer anew, if the request may be sent again */
	WEIR_FAIL,	/* it went wrong: answer an error (weir_fail names the status and the cause) */
	WEIR_AGAIN	/* only where a wait ends (weir_resume, `late`): call the hook that waited once more */
};

/* A hook. `settings` is the module's struct as the route (before routing: the listener) sets it; `state` is its
 * struct of this request, zeroed at the start. Either is NULL when the module declares its size as 0. */
typedef enum weir_verdict weir_hook(struct weir_exchange *, const void *settings, void *state);

/* A hook of the phases accept and handshake; `state` is the struct of this connection. Allowed: NEXT, DONE, FAIL (close); in
 * accept also WAIT: call me again when more bytes have come (weir_connection_peek). With TLS, handshake comes twice
 * (weir/tls.h). */
typedef enum weir_verdict weir_connection_hook(struct weir_connection *, const void *settings, void *state);

/* A run of body bytes on its way. A hook reads it and may point it at other bytes (in the exchange's memory or its own,
 * valid until the next call for this exchange), longer or shorter or none. The last call has `last` set and may be empty.
 * A module that changes lengths says so in a head phase with weir_body_will_change. */
struct weir_chunk {
	const char *data;
	size_t length;
	bool last;
};

/* A hook of the phases request_body and response_body. Allowed: NEXT, DONE (no further chunk of this body), FAIL. */
typedef enum weir_verdict weir_body_hook(struct weir_exchange *, const void *settings, void *state, struct weir_chunk *);

/* Where a module's hooks stand in each phase: classes in this order, names within a class; `before` and `after` refine
 * it, and the operator's `order` in [weir] overrules it. `weir --chain` shows the outcome. */
enum weir_class {
	WEIR_CLASS_FIRST = -2,	/* what others rely on: real address, request id */
	WEIR_CLASS_EARLY = -1,	/* guards */
	WEIR_CLASS_NORMAL = 0,
	WEIR_CLASS_LATE = 1,	/* edits that should see the others' */
	WEIR_CLASS_LAST = 2	/* what must have the last word */
};

/* A counter or gauge of the module, one cell a thread, shown by /metrics as weir_MODULE_NAME. */
struct weir_metric {
	const char *name;	/* NULL ends the table */
	bool gauge;		/* may go down; otherwise a counter, and its name ends in _total */
	const char *doc;
};

/* A variable that templates may use as ${NAME}. The value lives as long as the exchange; NULL is written as "-". */
struct weir_variable {
	const char *name;	/* NULL ends the table */
	const char *(*value)(struct weir_exchange *, const void *settings, void *state);
	const char *doc;
};

/* An answer to an admin verb, under construction; see weir/build.h. */
struct weir_reply;

/* A verb of the admin socket, `weirctl MODULE VERB [ARGUMENT …]`; runs on the main thread, with the current generation's
 * struct. Returns false after weir_reply_error. */
struct weir_verb {
	const char *name;	/* NULL ends the table */
	const char *arguments;	/* for the help: "KEY [VALUE]" */
	bool (*run)(struct weir_reply *, void *generation, int count, const char *const *arguments);
	const char *doc;
};

struct weir_option;	/* weir/option.h */

struct weir_module {
	uint16_t abi_major, abi_minor;	/* set by WEIR_ABI, with size and name */
	uint32_t size;
	uint16_t option_size, metric_size, variable_size, verb_size;	/* of one entry of each table below */
	const char *name;
	const char *summary;			/* one sentence */
	const struct weir_option *options;	/* ends with a NULL name; may be NULL, as all tables */
	const struct weir_metric *metrics;
	const struct weir_variable *variables;
	const struct weir_verb *verbs;

	/* Structs that the core allocates, zeroed, and frees; 0: none. */
	size_t settings_size;	/* one for each section that sets something; read-only once built */
	size_t generation_size;	/* one a generation, filled by `build`; shared by all threads */
	size_t thread_size;	/* one an event thread, for the life of the process */
	size_t connection_size;	/* one a client connection */
	size_t request_size;	/* one a request */

	/* The hooks do not look at their settings, which only `build` and `check` do: everywhere they get those of the module's
	 * own section, so that routes which differ in nothing else share one chain. */
	bool hooks_alike;

	/* Its hook of the phase peer says how a server is reached (with which identity, through which proxy), whichever server it
	 * is: so it also runs, with the upstream's settings, for errands that name their server (weir/stream.h). */
	bool leads_errands;

	enum weir_class order;
	const char *before, *after;	/* names of modules, separated by spaces */

	/* Called once for each settings struct after its options are parsed: what no single option can check. Report with
	 * weir_build_error. Main thread. May be NULL, as every function here. */
	void (*check)(struct weir_build *, void *settings);

	/* Is this hook needed with these settings? Where it says no, the route's chain does not hold the hook. Main thread. */
	bool (*needed)(const void *settings, enum weir_phase);

	/* Build what is shared by a whole generation (indexes, open files). `previous` is the struct of the generation that
	 * serves now, still in use by event threads, or NULL. Report with weir_build_error. Main thread. */
	void (*build)(struct weir_build *, void *generation, void *previous);

	/* A generation of which the last request has ended, or whose build failed: give back what `build` took that is not
	 * the build's own memory. Main thread. */
	void (*drop)(void *generation);

	/* An event thread begins or ends. On that thread. */
	bool (*thread_start)(struct weir_thread *, void *thread_state);
	void (*thread_stop)(struct weir_thread *, void *thread_state);

	/* About once a second on each event thread, for every generation that lives; and once more before it is dropped. */
	void (*tick)(struct weir_thread *, void *generation, void *thread_state);

	/* The operator asks to open log files anew (USR1). Main thread. */
	void (*reopen)(void *generation);

	weir_connection_hook *accept, *handshake;
	weir_hook *hooks[WEIR_PHASES];
	weir_body_hook *request_body, *response_body;
};

/* Define the module NAME: WEIR_MODULE(header) = { WEIR_ABI, .summary = "…", … }; NAME.so must carry the same name. */
#define WEIR_MODULE(NAME) \
	static const char weir_module_name[] = #NAME; \
	extern WEIR_API const struct weir_module NAME##_LTX_weir_module; \
	WEIR_API const struct weir_module NAME##_LTX_weir_module

#define WEIR_ABI \
	.abi_major = WEIR_ABI_MAJOR, .abi_minor = WEIR_ABI_MINOR, \
	.size = sizeof(struct weir_module), .option_size = sizeof(struct weir_option), \
	.metric_size = sizeof(struct weir_metric), .variable_size = sizeof(struct weir_variable), \
	.verb_size = sizeof(struct weir_verb), .name = weir_module_name

#include <weir/option.h>
#include <weir/build.h>
#include <weir/exchange.h>
#include <weir/peer.h>
#include <weir/stream.h>
#include <weir/thread.h>
#include <weir/tls.h>

#endif
