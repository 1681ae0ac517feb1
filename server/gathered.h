/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gathered: small responses that leave together.
 *
 * A response that is here whole and small, to a client that stays, need not go to the kernel by itself: it leaves with the
 * one to the next request, if that is here as well (pipelining), and with those of other connections at the end of the turn
 * (turn.h) if not. Its exchange is over by then; the connection owns the bytes. Nothing is held back for what has yet to
 * come.
 *
 * A client that does not take its responses is behind: nothing is read from it until it has caught up, or until its deadline.
 */
#ifndef WEIR_SERVER_GATHERED_H
#define WEIR_SERVER_GATHERED_H

#include <stdbool.h>

struct weir_connection;

/* Is there something that a small response to this client may leave with? Then it must be gathered. */
bool gathered_may(struct weir_connection *);

/* The client can be written to again: send what it is behind with. It may be gone after this. */
void gathered_go_on(struct weir_connection *);

/* The connection ends: what was gathered is sent as far as the socket takes it. */
void gathered_end(struct weir_connection *);

#endif
