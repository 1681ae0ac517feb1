/* SPDX-License-Identifier: Apache-2.0 */
/*
 * users: who may use the proxy, by Basic credentials (RFC 7617).
 *
 * Credentials are kept and compared in fields of one size, all of them each time: how long an answer takes tells nothing of
 * how much was right.
 */
#ifndef WEIR_CONNECT_USERS_H
#define WEIR_CONNECT_USERS_H

#include <weir/module.h>

enum { CONNECT_CREDENTIALS = 256, CONNECT_USERS_MOST = 1000 };

/* "name:password", padded with zeros; and the same in words, to be compared. */
struct connect_user {
	union {
		char text[CONNECT_CREDENTIALS];
		uint64_t words[CONNECT_CREDENTIALS / sizeof(uint64_t)];
	};
};

/* For a WEIR_CUSTOM option. */
const char *connect_parse_user(struct weir_build *, const char *text, void *value);

/* Read a file of such lines; empty ones and those that begin with # are skipped. Errors are reported; *users is what was read. */
void connect_read_users(struct weir_build *, const char *path, struct connect_user **users, size_t *count);

/* The credentials of a Proxy-Authorization field, padded; false when it has none that could be right. */
bool connect_take_credentials(const char *field, struct connect_user *);

/* Are these among them? The time that it takes depends on the count alone. */
bool connect_knows(const struct connect_user *users, size_t count, const struct connect_user *);

#endif
