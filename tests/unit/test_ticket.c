/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenes for the keys of tickets: one for each place, replaced in time, and the one before still known.
 *
 * Time passes as it likes. A secret is replaced once when its age lies between one and two rotations: the
 * rotation is chosen by the
 * time that has passed, and the scene begins again where the machine was too slow for it.
 */
#include "server/ticket.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>
#include <weir/thread.h>
#include <cmocka.h>

enum { HOUR = 60 * 60 * 1000 };

/* What GnuTLS writes in front of a ticket that it seals by a key: see ticket.c. */
static const uint8_t *
name_of(const uint8_t key_of_place[TICKET_KEY])
{
	static uint8_t made[TICKET_KEY];
	uint64_t period = (uint64_t)time(NULL) / (3 * HOUR / 1000);
	uint8_t text[8 + TICKET_KEY];

	for (int i = 0; i < 8; i++)
		text[i] = (uint8_t)(period >> (56 - 8 * i));
	memcpy(text + 8, key_of_place, TICKET_KEY);
	assert_int_equal(gnutls_hash_fast(GNUTLS_DIG_SHA3_512, text, sizeof(text), made), 0);
	return made;
}

static void
key(uint8_t to[TICKET_KEY], const char *place, const void *name, int64_t rotation)
{
	assert_true(ticket_key(to, place, strlen(place), name, rotation));
}

/* Replace the secret, which was born between these two moments, once: the present one is the one before then. */
static bool
rotate(const int64_t born[2])
{
	uint8_t unused[TICKET_KEY];
	int64_t rotation;

	while (weir_now() - born[1] < 30)
		nanosleep(&(struct timespec){ .tv_nsec = 5 * 1000 * 1000 }, NULL);
	rotation = (weir_now() - born[1]) * 2 / 3;
	key(unused, "", NULL, rotation);
	return weir_now() - born[0] < 2 * rotation;
}

static void
a_key_belongs_to_its_place(void **state)
{
	uint8_t one[TICKET_KEY], again[TICKET_KEY], two[TICKET_KEY];

	(void)state;
	key(one, "one", NULL, HOUR);
	key(two, "two", NULL, HOUR);
	key(again, "one", name_of(one), HOUR);
	assert_memory_equal(one, again, TICKET_KEY);
	assert_memory_not_equal(one, two, TICKET_NAME);
	key(again, "two", name_of(one), HOUR);	/* a ticket of another place names nothing here */
	assert_memory_equal(two, again, TICKET_KEY);
}

static void
a_new_secret_is_used_and_the_one_before_still_opens(void **state)
{
	uint8_t keys[3][TICKET_KEY], again[TICKET_KEY];
	int64_t born[2] = { 0 };
	int made = 0;

	(void)state;
	while (made < 3) {
		born[0] = weir_now();
		key(keys[0], "one", NULL, 1);	/* whatever there was is too old */
		born[1] = weir_now();
		for (made = 1; made < 3 && rotate(born); made++) {
			born[1] = weir_now();
			born[0] = born[1];
			key(keys[made], "one", NULL, HOUR);
		}
	}
	assert_memory_not_equal(keys[0], keys[1], TICKET_NAME);
	assert_memory_not_equal(keys[1], keys[2], TICKET_NAME);
	key(again, "one", name_of(keys[2]), HOUR);
	assert_memory_equal(again, keys[2], TICKET_KEY);
	key(again, "one", name_of(keys[1]), HOUR);
	assert_memory_equal(again, keys[1], TICKET_KEY);
	key(again, "one", name_of(keys[0]), HOUR);	/* unknown: a new ticket is made by the present one */
	assert_memory_equal(again, keys[2], TICKET_KEY);
	key(again, "two", name_of(keys[1]), HOUR);
	assert_memory_not_equal(again, keys[1], TICKET_NAME);
}

static void
a_secret_that_nobody_asked_for_in_two_rotations_is_gone(void **state)
{
	uint8_t old[TICKET_KEY], again[TICKET_KEY];
	int64_t begun;

	(void)state;
	key(old, "one", NULL, 1);
	for (begun = weir_now(); weir_now() - begun < 10; )
		nanosleep(&(struct timespec){ .tv_nsec = 1000 * 1000 }, NULL);
	key(again, "one", name_of(old), 2);
	assert_memory_not_equal(again, old, TICKET_NAME);
}

int
main(void)
{
	const struct CMUnitTest scenes[] = {
		cmocka_unit_test(a_key_belongs_to_its_place),
		cmocka_unit_test(a_new_secret_is_used_and_the_one_before_still_opens),
		cmocka_unit_test(a_secret_that_nobody_asked_for_in_two_rotations_is_gone),
	};

	return cmocka_run_group_tests_name("ticket", scenes, NULL, NULL);
}
