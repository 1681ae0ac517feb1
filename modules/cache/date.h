/* SPDX-License-Identifier: Apache-2.0 */
/*
 * date: dates as HTTP writes them (RFC 9110, 5.6.7), as seconds since the epoch.
 */
#ifndef CACHE_DATE_H
#define CACHE_DATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CACHE_DATE_LENGTH 29		/* "Sun, 06 Nov 1994 08:49:37 GMT" */

/* Read any of the three forms; -1: it is none. A date before 1970 is 0. `now` tells the century of a year
 * of two digits. */
int64_t cache_date_parse(const char *text, size_t length, int64_t now);

/* Write the one form that is sent, with a NUL. */
void cache_date_write(char to[CACHE_DATE_LENGTH + 1], int64_t seconds);

#endif
