/* SPDX-License-Identifier: Apache-2.0 */
/*
 * write: the header of the PROXY protocol, as we tell it to an origin.
 */
#ifndef WEIR_PROXY_PROTOCOL_WRITE_H
#define WEIR_PROXY_PROTOCOL_WRITE_H

#include <stddef.h>
#include <sys/socket.h>

/* Room for either version: a line of version 1, or 52 bytes. */
enum { PROXY_WRITE_MOST = 108 };

/* Write that the client's connection came from `source` and went to `destination`: a line (version 1), or a block (2). Where
 * one of them is no IP address, it tells that nothing is known. Returns the length. */
size_t proxy_protocol_write(char to[PROXY_WRITE_MOST], int version, const struct sockaddr *source,
	const struct sockaddr *destination);

#endif
