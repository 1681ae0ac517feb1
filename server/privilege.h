/* SPDX-License-Identifier: Apache-2.0 */
/*
 * privilege: root for as long as it takes to bind addresses, and never again.
 *
 * A process that starts as root with a `user` set reads its files as that user already (privilege_lend), so
 * that what works at the start works at each reload; it is root again only to open its sockets, and then
 * drops for good.
 */
#ifndef WEIR_SERVER_PRIVILEGE_H
#define WEIR_SERVER_PRIVILEGE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct privilege {
	bool wanted;		/* root, and a user to become */
	uid_t user;
	gid_t group;
	const char *name;	/* the user's, as configured */
};

/* Look the names up. `user` and `group` may be NULL; False, with the reason in `why`, when they do not
 * exist or make no sense together. `why` is also set, and true returned, when they cannot hold because
 * this process is not root. */
bool privilege_find(struct privilege *, const char *user, const char *group, char *why, size_t size);

/* Be the user for file access, with its groups; and root again. Without `wanted` nothing happens. False:
 * errno. */
bool privilege_lend(const struct privilege *);
bool privilege_return(const struct privilege *);

/* Become the user for good, with no capability left, and make sure that there is no way back. False, with
 * the reason in `why`: the process must end. */
bool privilege_drop(const struct privilege *, char *why, size_t size);

#endif
