/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ticket: the keys by which sessions are resumed, the same for all threads.
 *
 * A secret of this process, replaced from time to time, gives a key for each place: what a ticket of one place proves counts
 * in no other. The secret before the present one still opens tickets; one that is older is gone, and with it what it could
 * open.
 */
#ifndef WEIR_SERVER_TICKET_H
#define WEIR_SERVER_TICKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TICKET_KEY = 64, TICKET_NAME = 16 };

/* The key for this place: the one that the ticket's first TICKET_NAME bytes name, where we have it; else (or NULL) the
 * present one. Secrets are replaced when they are older than `rotation` milliseconds. False when no secret can be had. Any
 * thread. */
bool ticket_key(uint8_t key[TICKET_KEY], const void *place, size_t length, const void *name, int64_t rotation);

#endif
