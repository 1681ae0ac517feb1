/* SPDX-License-Identifier: Apache-2.0 */
/*
 * search: the server that a request goes to.
 */
#ifndef BALANCE_SEARCH_H
#define BALANCE_SEARCH_H

#include "table.h"

/* What is asked, and what else was learnt. */
struct balance_quest {
	struct weir_exchange *x;
	const struct balance_group *group;
	struct balance_seat *seats;	/* of the group, at this thread's desk */
	const char *mark;		/* the client's cookie, of BALANCE_MARK - 1 bytes; NULL: it has none */
	int64_t now;
	bool again;			/* some servers were tried */

	bool full;			/* a server that is in had no room */
	bool opened;			/* the server is out, as all are */
	bool stuck;			/* it is the one that the cookie names */
};

/* Find a server and take room at it; NULL when there is none. */
const struct balance_member *balance_search(struct balance_quest *);

/* With max_connections: give the room back, and call who waits for it. How much do servers that are in have? */
void balance_give_room(struct balance_record *);
int64_t balance_room(const struct balance_group *);

/* Is there another server for this request, in whatever state? */
bool balance_has_another(struct weir_exchange *, const struct balance_group *);

#endif
