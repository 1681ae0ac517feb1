/* SPDX-License-Identifier: Apache-2.0 */
/*
 * status: the registered status codes of HTTP (RFC 9110, 15, and the IANA registry) and their phrases.
 */
#ifndef WEIR_SERVER_STATUS_H
#define WEIR_SERVER_STATUS_H

/* The registered reason phrase, "Unknown" for others. */
const char *status_reason(int status);

#endif
