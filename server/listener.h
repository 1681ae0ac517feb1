/* SPDX-License-Identifier: Apache-2.0 */
/*
 * listener: where clients arrive.
 *
 * The main thread opens the sockets (before privileges are dropped): for each address of each [listen] section one socket
 * with SO_REUSEPORT an event thread, or a single one for Unix sockets. What was handed over, by systemd or by the process
 * that this one replaces, is taken as it is, whatever its number: each socket has a queue of its own in the kernel, and none
 * may be left without a thread. A `struct socket_set` is what is open for one address; it outlives generations, so that a
 * reload keeps what stays, opens what is new and closes what is gone. Each thread has a `struct listener` for each socket
 * that it serves: it accepts, applies the limits on connections and begins a client, whose phase accept is admit.c's.
 */
#ifndef WEIR_SERVER_LISTENER_H
#define WEIR_SERVER_LISTENER_H

#include <stdbool.h>
#include <weir/option.h>

struct event;
struct generation;
struct listen;
struct report;
struct thread;

struct socket_set {
	struct socket_set *next;
	struct weir_address address;
	char text[128];			/* as shown: "127.0.0.1:8080", with the port that the kernel gave */
	int *sockets;			/* listener_serves tells which threads accept from which */
	unsigned count;
	unsigned listen;		/* index of its [listen] section in the newest generation */
	bool wanted;			/* by that generation */
	bool told;			/* the log has it */
	bool inherited;			/* from a service manager, which keeps it open */
	bool lent;			/* another Weir has it too, and answers for its queue and its file */
};

/* All sets of the process; the main thread's. */
struct sockets {
	struct socket_set *first;
	unsigned threads;
};

/*
 * Open what the generation listens on and is not open yet; mark what it no longer wants. False, with the report saying
 * which address and why, when one cannot be had; then nothing has changed.
 */
bool sockets_open(struct sockets *, const struct generation *, struct report *);

/*
 * Offer a socket that was handed over: sockets_open uses it for the address that it is bound to; those of one address become one
 * set. The set is NULL, and the descriptor closed, when it is no listening socket or there is no memory. The caller says
 * on the set what is known of its origin.
 */
struct socket_set *sockets_adopt(struct sockets *, int fd);

/* The port was the kernel's choice: the set is that of the address with port 0. */
void sockets_mark_any_port(struct socket_set *);
bool sockets_is_any_port(const struct socket_set *);

/* Is it this address, with its port? */
bool sockets_same_address(const struct weir_address *, const struct sockaddr *);

/* Does thread `thread` of `threads` accept from the socket with this index? */
bool listener_serves(const struct socket_set *, unsigned socket, unsigned thread, unsigned threads);

/* Close the sets that the newest generation does not want; after every thread has taken that generation over. */
void sockets_sweep(struct sockets *);
void sockets_close(struct sockets *);

struct listener {
	struct listener *next;
	struct thread *thread;
	const struct socket_set *set;	/* valid while `event` is there */
	const struct listen *listen;	/* of the thread's current generation; NULL once it is gone */
	struct event *event;		/* NULL: no longer accepting */
	struct event *pause;		/* waits out a lack of descriptors */
	int fd;
	bool starving;			/* said so in the log */
	unsigned clients;		/* that came through it; it goes when it is closed and they are */
};

/* On the event thread: make the thread's listeners those of this generation. */
void listener_update(struct thread *, const struct sockets *, const struct generation *);

/* On the event thread: accept what has already connected, then no more; what is lent is left to the other process. */
void listener_close_all(struct thread *);
void listener_free_all(struct thread *);

/* A client of this address turns out to be one of that: count it there from now on. False when that one has as many
 * connections as it may; it is counted all the same. */
bool listener_recount(struct listener *, const struct sockaddr *from, const struct sockaddr *to);

/* A client that came through this listener has gone. */
void listener_forget(struct listener *, const struct sockaddr *);

#endif
