/* SPDX-License-Identifier: Apache-2.0 */
/*
 * turn: what waits for the end of a turn of the event loop.
 *
 * A turn is what one wait for events has brought. Small messages are not received, served and sent one by one: a turn
 * receives them all, then serves them all, then sends all that came of it. Our own code and that of the system calls then do
 * not push each other out of the processor's caches with each message. Nothing waits for more to come: alone in its turn, a
 * message goes through at once.
 *
 * Who waits keeps what it waits with, and a place in the turn for each stage. A turn belongs to its thread. It has few
 * places: who finds none goes on at once.
 */
#ifndef WEIR_SERVER_TURN_H
#define WEIR_SERVER_TURN_H

#include <stdbool.h>
#include <stdint.h>

enum {
	TURN_PLACES = 64,
	TURN_MESSAGE = 8 * 1024	/* what is larger does not wait */
};

enum turn_stage { TURN_SERVE, TURN_SEND, TURN_STAGES };

/* The numbers of an owner's places, from 1 on; 0: none. They start as 0. */
struct turn_places {
	uint8_t of[TURN_STAGES];
};

struct turn {
	struct {
		void (*call)(void *owner);	/* NULL: given up */
		void *owner;
		uint8_t *place;
	} list[TURN_STAGES][TURN_PLACES];
	unsigned count[TURN_STAGES];
};

/* Have this called in the turn's stage; the place is given up by then. Nothing to do if there is one already. False: none is
 * left. */
bool turn_join(struct turn *, enum turn_stage, struct turn_places *, void (*)(void *owner), void *owner);

/* Give all places up: the owner goes. */
void turn_leave(struct turn *, struct turn_places *);

/* Call all, stage by stage, in their order, those too that join meanwhile. Not from a call. */
void turn_end(struct turn *);

#endif
