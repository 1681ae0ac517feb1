/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linger: the end of a client's connection that has been told something last.
 *
 * What the client may still be sending would be answered by the kernel with a reset, which can destroy the response on its
 * way. So we say our end, and throw away what comes until the client has closed too, for a while. And TLS must say its end as
 * well, without which a whole response looks cut off: where the socket is full it is tried again. The connection is the
 * client's (client.h), and is dropped when this is over; each of these may do that.
 */
#ifndef WEIR_SERVER_LINGER_H
#define WEIR_SERVER_LINGER_H

#include <stdbool.h>

struct weir_connection;

/* Say the end, and linger; or drop it at once where that is no use. What it has sent is thrown away. */
void linger_begin(struct weir_connection *) __attribute__((cold));

/* It is to be dropped: can the end of its TLS not be said yet? Then it stays until that is said, or for a while. */
bool linger_owes(struct weir_connection *);

/* It lingers, and there is something to be read, or it has for long enough. */
void linger_read(struct weir_connection *) __attribute__((cold));
void linger_expire(struct weir_connection *) __attribute__((cold));

#endif
