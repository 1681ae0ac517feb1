/* SPDX-License-Identifier: Apache-2.0 */
/*
 * thread: an event thread and all that is its own.
 *
 * N of them, sharing nothing: each has its event loop, listeners, buffers, pools, deadlines and counters, and a client
 * connection never leaves its thread. The main thread starts them and speaks to them by their inboxes; they answer
 * by the main thread's. Nothing in struct thread is touched by another thread, except the inbox and the counters.
 */
#ifndef WEIR_SERVER_THREAD_H
#define WEIR_SERVER_THREAD_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <weir/module.h>

#include "counter.h"
#include "inbox.h"
#include "slab.h"
#include "turn.h"
#include "wheel.h"

struct event;
struct event_base;
struct generation;
struct listener;
struct module;
struct pools;
struct resolver;
struct sockets;
struct threads;
struct wait_table;
struct weir_connection;

/* One thread's hold on a generation: counted by its exchanges; the current one counts for itself. */
struct hold {
	struct hold *next;
	struct thread *thread;
	struct generation *generation;
	_Atomic unsigned exchanges;	/* the thread's to count; the main thread may look */
	struct message released;	/* to the main thread */
};

struct weir_thread {
	unsigned number;
};

/* Exchanges without a client (own.c). */
enum own_kind {
	OWN_BODY,	/* a body that a module took */
	OWN_ERRAND,
	OWN_KINDS
};

/* A module that the thread has met, and its struct of this thread. */
struct met {
	const struct module *module;
	void *state;
};

struct thread {
	struct weir_thread public;	/* what modules hold a pointer to */
	struct threads *all;
	struct event_base *base;
	pthread_t id;
	struct inbox inbox;
	struct wheel wheel;
	struct counters counters;
	_Atomic int64_t *metrics;	/* of modules: metric_count cells */

	struct slab_budget budget;	/* of the three slabs */
	struct slab exchanges;		/* an exchange and the start of its arena */
	struct slab heads;		/* 16 KiB: heads that come in pieces, small remainders */
	struct slab bodies;		/* 512 KiB: what a recv fills */
	struct turn turn;		/* what is sent when it ends */
	char *scratch;			/* SCRATCH_SIZE bytes, where heads are written before they are sent */

	struct hold *holds;		/* newest first; holds->generation is the current one */
	struct listener *listeners;
	struct weir_connection *clients;	/* all of them */
	unsigned client_count;
	unsigned handshakes;		/* of clients, under way */
	unsigned own[OWN_KINDS];	/* exchanges without a client */
	struct pools *pools;
	struct resolver *resolver;
	struct wait_table *waits;
	struct met *met;		/* by module index; filled when a module is first met */
	unsigned met_count;
	struct event *tick;
	char date[32];			/* the Date field's value, of the second date_time */
	int64_t date_time;
	bool draining, stopping;

	/* One of each is under way at most, so that none needs memory when it is sent. */
	struct message take, listen, drain, stop;	/* from the main thread */
	struct message taken, drained, ended;		/* to it */
	struct hold *taking;				/* with `take` */
	uint64_t taken_at;				/* exchange_clock, when it was taken over */
	const struct sockets *sockets;
};

/* The threads of the process; the main thread's. */
struct threads {
	struct thread *list;
	unsigned count;
	struct inbox main;		/* the main thread's */
	_Atomic int64_t connections;	/* of clients, all threads; for the limit */
	_Atomic int64_t connection_limit;
	int64_t patience;		/* with `drain`: how long idle clients may stay */
	uint64_t published_at;		/* exchange_clock */
	/* Threads not ended; not drained; that have not taken the newest generation over. */
	unsigned running, undrained, taking;

	/* Called on the main thread. */
	void (*taken)(void *argument);		/* every thread uses the generation published last */
	void (*drained)(void *argument);	/* every thread has served its last client */
	void (*released)(struct generation *, void *argument);	/* no thread holds it any more */
	void *argument;
};

enum { THREADS_MAX = 256, METRIC_CELLS = 1024, SCRATCH_SIZE = 512 * 1024 };

struct weir_settings;

/* Start them, with no generation yet: threads, pin_cpus, memory, connections and resolver come from the settings.
 * `main_base` is the main thread's loop. Set the callbacks before. False (logged) when they cannot be had. */
bool threads_start(struct threads *, unsigned count, const struct weir_settings *, struct event_base *main_base);

/* Take the memory for publishing this generation; without it false. */
bool threads_prepare(struct threads *, struct generation *);

/* Give every thread this generation and the listeners of these sockets; then `taken` is called. One at a time. False without
 * memory: then nothing has changed. It cannot fail after threads_prepare. */
bool threads_publish(struct threads *, struct generation *, const struct sockets *);

/* Microseconds from the last publication until the last thread had taken it over; in `taken`. */
int64_t threads_took(const struct threads *);

/* Make the listeners those of these sockets, for the generation that each thread has; then `taken` is called. Not while one is
 * being published. */
void threads_listen(struct threads *, const struct sockets *);

/*
 * Accept no more, let what runs end; then `drained` is called. Idle connections have so many milliseconds to ask once more,
 * and are told to close with the answer; 0: they are closed now.
 */
void threads_drain(struct threads *, int64_t patience);

/* End every loop, closing what is open; joins, and gives back all but the generations, which `released` reports. */
void threads_stop(struct threads *);

/* The sum of a counter, of a module's metric cell. Main thread. */
uint64_t threads_count(const struct threads *, enum counter);
int64_t threads_metric(const struct threads *, unsigned cell);

/* The thread that runs this code; NULL on threads that are no event threads. */
struct thread *thread_current(void);

/* On the event thread. */
struct hold *thread_hold(struct thread *);			/* the current generation, counted */
void thread_release(struct thread *, struct hold *);
void *thread_module_state(struct thread *, const struct module *);
void thread_check_drained(struct thread *);			/* after a client has gone */
const char *thread_date(struct thread *);			/* IMF-fixdate (RFC 9110, 5.6.7), of this second */

/* The thread of this number; NULL past the last. Any thread, while they run. */
struct thread *thread_number(unsigned);

#endif
