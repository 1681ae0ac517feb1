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
#include "wheel.h"

struct client;
struct event_base;
struct generation;
struct listener;
struct module;
struct pools;
struct resolver;
struct sockets;
struct threads;
struct waits;

/* One thread's hold on a generation: counted by its exchanges; the current one counts for itself. */
struct hold {
	struct hold *next;
	struct generation *generation;
	unsigned exchanges;
};

struct weir_thread {
	unsigned number;
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
	struct slab bodies;		/* 256 KiB: what a recv fills */
	char *scratch;			/* where heads are written before they are sent */
	size_t scratch_size;

	struct hold *holds;		/* newest first; holds->generation is the current one */
	struct listener *listeners;
	struct client *clients;		/* all of them */
	unsigned client_count;
	struct pools *pools;
	struct resolver *resolver;
	struct waits *waits;
	void **module_states;		/* by module index; filled when a module is first met */
	unsigned module_states_count;
	struct event *tick;
	bool draining, drained;
};

/* The threads of the process; the main thread's. */
struct threads {
	struct thread *list;
	unsigned count;
	unsigned metric_cells;		/* room in each thread's metrics */
	struct inbox main;		/* the main thread's */
	_Atomic int64_t connections;	/* of clients, all threads; for the limit */
	_Atomic int64_t connection_limit;
	unsigned running, undrained, taking;	/* threads not ended; not drained; that have not taken the newest generation over */

	/* Called on the main thread. */
	void (*taken)(void *argument);		/* every thread uses the generation published last */
	void (*drained)(void *argument);	/* every thread has served its last client */
	void (*released)(struct generation *, void *argument);	/* no thread holds it any more */
	void *argument;
};

enum { THREADS_MAX = 256, METRIC_CELLS = 1024 };

/* Start them, with no generation yet. `main_base` is the main thread's loop. False (logged) when they cannot be had. */
bool threads_start(struct threads *, unsigned count, bool pin, uint64_t memory, struct event_base *main_base);

/* Give every thread this generation and the listeners of these sockets; then `taken` is called. One at a time. */
void threads_publish(struct threads *, struct generation *, const struct sockets *);

/* Accept no more, close idle connections, let the others end; then `drained` is called. */
void threads_drain(struct threads *);

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

#endif
