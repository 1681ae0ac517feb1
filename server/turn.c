/* SPDX-License-Identifier: Apache-2.0 */
/*
 * turn: a list a stage, as long as a turn of the event loop. See turn.h.
 */
#include "turn.h"

#include <assert.h>
#include <stddef.h>

bool
turn_join(struct turn *t, enum turn_stage stage, struct turn_places *places, void (*call)(void *), void *owner)
{
	unsigned at = t->count[stage];

	if (places->of[stage] != 0)
		return true;
	if (at == TURN_PLACES)
		return false;
	t->list[stage][at].call = call;
	t->list[stage][at].owner = owner;
	t->list[stage][at].place = &places->of[stage];
	t->count[stage] = at + 1;
	places->of[stage] = (uint8_t)(at + 1);
	return true;
}

void
turn_leave(struct turn *t, struct turn_places *places)
{
	for (unsigned stage = 0; stage < TURN_STAGES; stage++) {
		if (places->of[stage] == 0)
			continue;
		assert(places->of[stage] <= t->count[stage]);
		t->list[stage][places->of[stage] - 1].call = NULL;
		places->of[stage] = 0;
	}
}

static void
run(struct turn *t, enum turn_stage stage)
{
	for (unsigned i = 0; i < t->count[stage]; i++) {
		void (*call)(void *) = t->list[stage][i].call;

		if (call == NULL)
			continue;
		*t->list[stage][i].place = 0;
		t->list[stage][i].call = NULL;
		call(t->list[stage][i].owner);
	}
	t->count[stage] = 0;
}

void
turn_end(struct turn *t)
{
	while (t->count[TURN_SERVE] + t->count[TURN_SEND] > 0) {
		run(t, TURN_SERVE);
		run(t, TURN_SEND);
	}
}
