/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dial: how an exchange gets a new connection to its peer.
 *
 * Names are looked up; their addresses are tried one after the other, the next one as soon as one fails, or beside it when it
 * has not answered after a quarter of a second (RFC 8305). The first that connects wins; what lies between it and the peer
 * (establish.h) is then that one's, and where that fails the addresses that are left are tried. A dial lies in the exchange's
 * arena and is cancelled with it.
 */
#ifndef WEIR_SERVER_DIAL_H
#define WEIR_SERVER_DIAL_H

#include "upstream.h"

struct pool;
struct weir_exchange;

/* READY: x->upstream is there. PENDING: exchange_connected or exchange_unconnected will be called. FAILED: see
 * x->peer_failure. */
enum upstream_result dial_start(struct weir_exchange *, struct pool *);

/* An attempt's socket can be read, or written: it is connected, or failed, or is on the rest of its way. */
void dial_readable(struct dial *, struct upstream *);
void dial_writable(struct dial *, struct upstream *);

/* Give up: NULL is fine. */
void dial_cancel(struct dial **);

#endif
