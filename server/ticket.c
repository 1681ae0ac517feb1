/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ticket: secrets, and keys made of them.
 *
 * GnuTLS seals a ticket by a key of its own, made of the one that the session was given and of the time: the hash
 * of the number of the period, which is three times as long as a session may be resumed, and of the given key. It
 * opens what was sealed in this period or the one before, and writes the sealing key's first bytes in front: that is
 * how the secret is told by which a ticket was made. Where another release should do it in another way, tickets of
 * the secret before are not known, and those clients begin anew.
 */
#include "ticket.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <pthread.h>
#include <string.h>
#include <time.h>
#include <weir/thread.h>

static struct {
	pthread_mutex_t lock;
	uint8_t secrets[2][TICKET_KEY];		/* the present one, the one before */
	bool known[2];
	int64_t born;				/* of the present one */
} tickets = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* The lock is held. */
static bool
rotate(int64_t rotation)
{
	int64_t now = weir_now(), age = now - tickets.born;

	if (tickets.known[0] && age < rotation)
		return true;
	if (tickets.known[0] && age < 2 * rotation) {
		memcpy(tickets.secrets[1], tickets.secrets[0], TICKET_KEY);
		tickets.known[1] = true;
	} else
		tickets.known[1] = false;
	tickets.known[0] = gnutls_rnd(GNUTLS_RND_KEY, tickets.secrets[0], TICKET_KEY) == 0;
	tickets.born = now;
	if (!tickets.known[1])
		gnutls_memset(tickets.secrets[1], 0, TICKET_KEY);
	return tickets.known[0];
}

/* Would a session with this key have written that name, in this period or the one before? */
static bool
seals(const uint8_t key[TICKET_KEY], const uint8_t *name, int64_t rotation)
{
	uint64_t period = (uint64_t)time(NULL) / (3 * (uint64_t)(rotation < 1000 ? 1 : rotation / 1000));
	uint8_t text[8 + TICKET_KEY], made[TICKET_KEY];
	bool found = false;

	memcpy(text + 8, key, TICKET_KEY);
	for (int back = 0; back < 2 && !found; back++, period--) {
		for (int i = 0; i < 8; i++)
			text[i] = (uint8_t)(period >> (56 - 8 * i));
		found = gnutls_hash_fast(GNUTLS_DIG_SHA3_512, text, sizeof(text), made) == 0
			&& memcmp(made, name, TICKET_NAME) == 0;
	}
	gnutls_memset(text, 0, sizeof(text));
	gnutls_memset(made, 0, sizeof(made));
	return found;
}

bool
ticket_key(uint8_t key[TICKET_KEY], const void *place, size_t length, const void *name, int64_t rotation)
{
	uint8_t secrets[2][TICKET_KEY], before[TICKET_KEY];
	bool good, both;

	pthread_mutex_lock(&tickets.lock);
	good = rotate(rotation);
	both = tickets.known[1];
	memcpy(secrets, tickets.secrets, sizeof(secrets));
	pthread_mutex_unlock(&tickets.lock);
	good = good && gnutls_hmac_fast(GNUTLS_MAC_SHA512, secrets[0], TICKET_KEY, place, length, key) == 0;
	if (good && both && name != NULL && !seals(key, name, rotation)
			&& gnutls_hmac_fast(GNUTLS_MAC_SHA512, secrets[1], TICKET_KEY, place, length, before) == 0
			&& seals(before, name, rotation))
		memcpy(key, before, TICKET_KEY);
	gnutls_memset(secrets, 0, sizeof(secrets));
	gnutls_memset(before, 0, sizeof(before));
	return good;
}
