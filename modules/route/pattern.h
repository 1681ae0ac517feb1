/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pattern: HOST/PATH as an operator writes it, read once and kept in the form in which requests are compared.
 */
#ifndef ROUTE_PATTERN_H
#define ROUTE_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The most segments before a final asterisk: a look-up tries each depth that a host has. */
#define ROUTE_DEPTH_MOST 63
#define ROUTE_HOST_MOST 255

struct route_pattern {
	const char *host;	/* in lower case; of a wildcard what follows the asterisk: ".example.com", or "" */
	const char *path;	/* as weir_path writes it; of `below`, without the final slash and asterisk */
	uint16_t port;		/* 0: any */
	bool wildcard;
	bool below;		/* the path itself and all below it; else exactly this path */
};

/* The room that a pattern of so many bytes takes: each byte may become %XX, and two texts end in NUL. */
#define ROUTE_PATTERN_ROOM(length) (3 * (length) + 2)

/* Read one pattern. Its texts are put into `room` and live there. Returns NULL, or what is wrong. */
const char *route_pattern_read(struct route_pattern *, const char *text, size_t length, char *room);

#endif
