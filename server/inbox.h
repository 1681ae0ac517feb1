/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inbox: how one thread tells another something.
 *
 * Each event loop owns one inbox: a lock-free list that any thread pushes to, and an eventfd that wakes the
 * loop, written only when the list was empty, so that a burst of messages costs one wake-up. The owner takes
 * the whole list at once and runs the messages in the order in which they were posted.
 */
#ifndef WEIR_SERVER_INBOX_H
#define WEIR_SERVER_INBOX_H

#include <stdatomic.h>
#include <stdbool.h>

struct event;
struct event_base;

/* A message. Embed it in what you send; it belongs to the receiver's `run` once posted. */
struct message {
	struct message *next;
	void (*run)(struct message *, void *owner);
};

struct inbox {
	_Atomic(struct message *) newest;
	void *owner;		/* handed to run */
	int wakeup;		/* eventfd */
	struct event *event;
};

/* False when the eventfd or event cannot be had. The owner's thread runs the base. */
bool inbox_init(struct inbox *, struct event_base *, void *owner);

/* Runs what is left, then closes. No other thread may post any more. */
void inbox_free(struct inbox *);

/* Any thread. */
void inbox_post(struct inbox *, struct message *);

#endif
