/* SPDX-License-Identifier: Apache-2.0 */
/*
 * process: the main thread's life: start, signals, drain, end. Reloading is reload.c's, the admin socket
 * admin.c's.
 *
 * The main thread serves no traffic; whatever it does, the event threads go on.
 */
#ifndef WEIR_SERVER_PROCESS_H
#define WEIR_SERVER_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

#include "arena.h"
#include "listener.h"
#include "privilege.h"
#include "reading.h"
#include "report.h"
#include "settings.h"
#include "thread.h"

struct admin;
struct admin_port;
struct command;
struct difference;
struct event;
struct event_base;
struct farewell;
struct generation;
struct hot_change;
struct modules;
struct overlay;
struct reload_waiter;
struct takeover;
struct upgrade;

enum { PROCESS_SIGNALS = 6 };

struct process {
	const struct command *command;
	struct event_base *base;
	struct modules *modules;
	struct privilege privilege;
	struct weir_settings start;		/* copies of what holds until the end: reload.c compares */
	struct sockets sockets;
	struct threads threads;
	struct generation *current;		/* the one published last */
	struct generation **living;		/* that one, and those that threads still hold */
	unsigned living_count;
	struct admin *admin;			/* NULL: no socket is configured */
	struct admin_port *admin_port;		/* NULL: none is configured */
	struct event *signals[PROCESS_SIGNALS], *tick, *trim, *drain_timer;
	int64_t started;			/* weir_now */
	bool ready;				/* every thread has taken the first generation */
	bool stopping, failed;
	bool retired;				/* another process serves, and the service manager is that one's */
	struct upgrade *upgrade;		/* to a new process */
	struct takeover *takeover;		/* from a former one; NULL: there was none */

	struct {
		struct event *begin;		/* activated for each request: many at once become one */
		struct reload_waiter *waiters;	/* who wants to know how it ended */
		struct reload_waiter *asked;	/* since the one under way began */
		struct report report;		/* of the one under way */
		struct difference *difference;	/* likewise; NULL: none yet, or no memory for it */
		bool wanted;
		/* A generation's files are read, or threads take it over: a reload's or a change's. */
		bool publishing;
		int64_t began;			/* microseconds of the monotonic clock */
		uint64_t done, failed;		/* counted */
	} reload;

	struct reading reading;			/* of the one under way, and the watch */

	/* Changes of routes and upstreams (hot.c). */
	struct {
		struct overlay *overlay;
		const char *file;		/* where it is kept; NULL: no state_dir */
		struct arena arena;		/* the file's name */
		struct hot_change *queue;	/* whose turn is yet to come */
		struct hot_change *running;	/* the one being published; NULL: or who asked is gone */
		struct report report;		/* of that one */
		/* One is being read or published; these are its wishes, whoever asked may be gone. */
		bool changing;
		bool dry_run;
		bool closes;
		int64_t close_after;
		char route[256];
		int64_t began;
	} hot;
	struct farewell *farewells;		/* whose time has not come yet, or that are with the threads */
};

/* Serve until told to stop; the exit code of the process. */
int process_run(const struct command *);

/* Much memory was freed: give it back to the system, a moment later. */
void process_trim(struct process *);

/* Say where the process listens now, as far as that was not said. */
void process_log_addresses(struct process *);

/* Drain and end; at once when it is draining already. */
void process_stop(struct process *);

/* Another process has taken over: drain, with patience for idle clients, and end. */
void process_retire(struct process *);

/* Keep account of a generation that threads hold. False without memory. */
bool process_add_generation(struct process *, struct generation *);

#endif
