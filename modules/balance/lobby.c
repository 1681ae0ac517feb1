/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lobby: requests that wait until a server of their upstream has room.
 *
 * Nobody sleeps through room: who gives some back first counts it free and then looks at the number of guests; who sits down has
 * first counted himself and then looks for room. One of the two sees the other.
 */
#include "lobby.h"

#include <stdlib.h>

struct balance_lobby *
balance_lobby_new(void)
{
	struct balance_lobby *lobby = calloc(1, sizeof(*lobby));

	if (lobby == NULL)
		return NULL;
	pthread_mutex_init(&lobby->lock, NULL);
	lobby->last = &lobby->first;
	return lobby;
}

void
balance_lobby_drop(struct balance_lobby *lobby)
{
	if (--lobby->holders > 0)
		return;
	pthread_mutex_destroy(&lobby->lock);
	free(lobby);
}

bool
balance_lobby_book(struct balance_lobby *lobby, int64_t most)
{
	if (atomic_fetch_add(&lobby->count, 1) < most)
		return true;
	atomic_fetch_sub(&lobby->count, 1);
	return false;
}

void
balance_lobby_cancel(struct balance_lobby *lobby)
{
	atomic_fetch_sub(&lobby->count, 1);
}

void
balance_lobby_sit(struct balance_lobby *lobby, struct balance_guest *guest, bool in_front)
{
	pthread_mutex_lock(&lobby->lock);
	guest->lobby = lobby;
	guest->link = in_front ? &lobby->first : lobby->last;
	guest->next = *guest->link;
	*guest->link = guest;
	if (guest->next != NULL)
		guest->next->link = &guest->next;
	else
		lobby->last = &guest->next;
	pthread_mutex_unlock(&lobby->lock);
}

/* With the lock. */
static void
stand_up(struct balance_guest *guest)
{
	*guest->link = guest->next;
	*(guest->next != NULL ? &guest->next->link : &guest->lobby->last) = guest->link;
	guest->link = NULL;
	atomic_fetch_sub(&guest->lobby->count, 1);
}

void
balance_lobby_leave(struct balance_guest *guest)
{
	struct balance_lobby *lobby = guest->lobby;

	pthread_mutex_lock(&lobby->lock);
	if (guest->link != NULL)
		stand_up(guest);
	pthread_mutex_unlock(&lobby->lock);
}

void
balance_lobby_call(struct balance_lobby *lobby)
{
	struct weir_token token = { 0, 0, 0 };
	struct balance_guest *guest;

	do {
		pthread_mutex_lock(&lobby->lock);
		if ((guest = lobby->first) != NULL) {
			token = guest->token;		/* once it stands, its memory may go */
			stand_up(guest);
		}
		pthread_mutex_unlock(&lobby->lock);
	} while (guest != NULL && !weir_resume(token, WEIR_AGAIN));
}
