/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inbox: how one thread tells another something.
 *
 * The list is a stack: posting is one compare-and-swap, and since the owner only ever takes all of it there
 * is no ABA. What was taken is turned round, so that messages run in the order of posting. Whoever finds the
 * stack empty wakes the owner. The owner reads the eventfd before it takes the stack: a message posted in
 * between is taken at once and costs one idle wake-up, but none is ever left lying.
 */
#include "inbox.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* The messages posted so far, oldest first. */
static struct message *
take(struct inbox *inbox)
{
	struct message *newest = atomic_exchange_explicit(&inbox->newest, NULL, memory_order_acquire);
	struct message *oldest = NULL, *next;

	for (; newest != NULL; newest = next) {
		next = newest->next;
		newest->next = oldest;
		oldest = newest;
	}
	return oldest;
}

/* A message is the receiver's once it runs, and may be freed by it: read the link first. */
static void
run(struct message *message, void *owner)
{
	struct message *next;

	for (; message != NULL; message = next) {
		next = message->next;
		message->run(message, owner);
	}
}

static void
woken(evutil_socket_t fd, short what, void *argument)
{
	struct inbox *inbox = argument;
	uint64_t count;

	(void)what;
	while (read(fd, &count, sizeof(count)) < 0 && errno == EINTR)
		continue;
	run(take(inbox), inbox->owner);
}

bool
inbox_init(struct inbox *inbox, struct event_base *base, void *owner)
{
	atomic_init(&inbox->newest, NULL);
	inbox->owner = owner;
	inbox->event = NULL;
	if ((inbox->wakeup = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) < 0)
		return false;
	inbox->event = event_new(base, inbox->wakeup, EV_READ | EV_PERSIST, woken, inbox);
	if (inbox->event != NULL && event_add(inbox->event, NULL) == 0)
		return true;
	inbox_free(inbox);
	return false;
}

void
inbox_free(struct inbox *inbox)
{
	struct message *messages;

	while ((messages = take(inbox)) != NULL)
		run(messages, inbox->owner);
	if (inbox->event != NULL)
		event_free(inbox->event);
	if (inbox->wakeup >= 0)
		close(inbox->wakeup);
	inbox->event = NULL;
	inbox->wakeup = -1;
}

void
inbox_post(struct inbox *inbox, struct message *message)
{
	const uint64_t one = 1;
	struct message *newest = atomic_load_explicit(&inbox->newest, memory_order_relaxed);

	assert(message->run != NULL);
	do
		message->next = newest;
	while (!atomic_compare_exchange_weak_explicit(&inbox->newest, &newest, message,
	    memory_order_release, memory_order_relaxed));
	if (newest != NULL)
		return;
	/* The count cannot fill up (it is read at each wake-up), so nothing but a signal can get in the
	 * way. */
	while (write(inbox->wakeup, &one, sizeof(one)) < 0 && errno == EINTR)
		continue;
}
