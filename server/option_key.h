/* SPDX-License-Identifier: Apache-2.0 */
/*
 * option_key: where an option may stand and how its key is written there. For the files of option.
 */
#ifndef WEIR_SERVER_OPTION_KEY_H
#define WEIR_SERVER_OPTION_KEY_H

#include "option.h"

struct config_entry;

#define OPTION_KEY_ROOM 256

/* WEIR_IN_… of a section kind; 0 for "weir", where only the core's options stand. */
unsigned option_kind(const char *kind);

/* WEIR_IN_… of a module's option. */
unsigned option_places(const struct weir_option *);

/* May the option stand in this kind of section? One of the core's may in the kind that its table is for,
 * and only that is asked. */
bool option_may_stand(const struct option_owner *, const struct weir_option *, unsigned kind);

/* The option's key in this kind of section; is it this one? */
const char *option_key(const struct option_owner *, const struct weir_option *, unsigned kind,
	char to[OPTION_KEY_ROOM]);
bool option_has_key(const struct option_owner *, const struct weir_option *, unsigned kind, const char *key);

/* The next line of the option in a section of this kind, from `entry` on. */
struct config_entry *option_next(struct config_entry *entry, const struct option_owner *,
	const struct weir_option *, unsigned kind);

/* NAME.enable, which the core keeps for every module. */
extern const struct weir_option option_enable;
bool option_may_enable(const struct option_owner *, unsigned kind);

/* The value of an option that nobody sets, as text; NULL when it has none. */
const char *option_initial(const struct weir_option *);

#endif
