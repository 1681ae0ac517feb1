/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sticky: a cookie that names the server which answered, so that the next request of this client goes there too.
 */
#ifndef BALANCE_STICKY_H
#define BALANCE_STICKY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BALANCE_MARK = 17 };	/* sixteen hexadecimal digits and a NUL */

/* The cookie's value for a server: the same in every process and after every restart. */
void balance_sticky_mark(char mark[BALANCE_MARK], const char *server);

/* The value of the cookie `name` in the value of a Cookie field (RFC 6265, 4.2.1), and its length; NULL: it is not there. */
const char *balance_sticky_find(const char *cookies, const char *name, size_t *length);

#endif
