/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sticky: a cookie that names the server which answered, so that the next request of this client goes there too.
 *
 * The value is made of the server's name alone, so that nothing has to be remembered, and who sees it does not read an
 * address. It is no secret: a client that makes one up chooses a server, which it may.
 */
#include "sticky.h"

#include <stdio.h>
#include <string.h>

void
balance_sticky_mark(char mark[BALANCE_MARK], const char *server)
{
	uint64_t hash = 0xcbf29ce484222325;

	for (; *server != '\0'; server++)
		hash = (hash ^ (unsigned char)*server) * 0x100000001b3;
	hash ^= hash >> 33;
	hash *= 0xff51afd7ed558ccd;
	hash ^= hash >> 33;
	snprintf(mark, BALANCE_MARK, "%016llx", (unsigned long long)hash);
}

const char *
balance_sticky_find(const char *cookies, const char *name, size_t *length)
{
	size_t wanted = strlen(name);

	while (*cookies != '\0') {
		cookies += strspn(cookies, " \t;");
		if (strncmp(cookies, name, wanted) == 0 && cookies[wanted] == '=') {
			*length = strcspn(cookies + wanted + 1, "; \t");
			return cookies + wanted + 1;
		}
		cookies += strcspn(cookies, ";");
	}
	return NULL;
}
