/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reply: the answer to an admin request while it is made: the other side of weir_reply_… (weir/build.h).
 *
 * A JSON object that grows member by member. Mistakes of a module (too many opened, a member without a name)
 * become an error of the answer, never a broken document. Main thread.
 */
#ifndef WEIR_SERVER_REPLY_H
#define WEIR_SERVER_REPLY_H

#include <jansson.h>
#include <stdbool.h>
#include <weir/build.h>

enum { REPLY_DEPTH = 16, REPLY_ERROR = 512 };

struct weir_reply {
	json_t *open[REPLY_DEPTH];	/* [0] is the whole; borrowed from their parents but for that one */
	unsigned depth;			/* how many are open */
	char error[REPLY_ERROR];	/* "": none */
};

/* False without memory. */
bool reply_init(struct weir_reply *);
void reply_free(struct weir_reply *);

/* The whole, as text to free(); NULL without memory. Where there is an error it is {"error": "…"}. */
char *reply_text(const struct weir_reply *);

/* Any bytes as a JSON string: what is no UTF-8 is written as \xHH. A new reference; NULL without memory. */
json_t *reply_string(const char *);

#endif
