/* SPDX-License-Identifier: Apache-2.0 */
/*
 * weir/option.h: options are data. One table parses an option, checks it, fills the module's struct, and
 * documents it (`weir -m NAME`, the manual page, the error that suggests the nearest name).
 */
#ifndef WEIR_OPTION_H
#define WEIR_OPTION_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

struct weir_build;
struct weir_template;
struct weir_upstream;

/* What a value may be, and the C type at `offset`. Texts live as long as the settings. */
enum weir_type {
	WEIR_TEXT,		/* const char *: any text without control characters */
	WEIR_BOOL,		/* bool: yes no on off true false */
	WEIR_INTEGER,		/* int64_t: decimal, within min and max */
	WEIR_SIZE,		/* uint64_t, bytes: 512, 16K, 10M, 2G (powers of 1024), within min and max */
	WEIR_DURATION,		/* int64_t, milliseconds: 250ms, 5s, 2m, 1h, 7d; within min and max */
	WEIR_CHOICE,		/* int: index into `choices` */
	WEIR_FIELD_NAME,	/* const char *: a token (RFC 9110, 5.1) */
	WEIR_PATH,		/* const char *: a file's path; relative ones are taken from the configuration's folder */
	WEIR_TEMPLATE,		/* const struct weir_template *: text with ${variables} (weir_expand) */
	WEIR_NETWORK,		/* struct weir_network: 10.0.0.0/8, ::1, unix, all */
	WEIR_ADDRESS,		/* struct weir_address: host:port, [v6]:port, unix:/path */
	WEIR_UPSTREAM,		/* const struct weir_upstream *: the name of an [upstream] section */
	WEIR_CUSTOM		/* what `parse` makes of the text */
};

/* An address range. AF_UNSPEC matches every address, AF_UNIX every Unix socket; else the first `bits` of `bytes`. */
struct weir_network {
	sa_family_t family;
	uint8_t bits;
	uint8_t bytes[16];
};

/* An endpoint as the operator wrote it. A numeric host or a Unix path has `length` > 0 and needs no look-up. */
struct weir_address {
	const char *host;	/* name, or number without brackets; NULL for a Unix socket */
	uint16_t port;
	socklen_t length;
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		struct sockaddr_un un;
	} socket;
};

/* The C type of a repeated option: an array of the option's own type. */
struct weir_list {
	void *items;
	size_t count;
};

/* Section kinds, for `in`. */
enum weir_section {
	WEIR_IN_MODULE = 1 << 0,	/* [module NAME]: the default for all */
	WEIR_IN_ROUTE = 1 << 1,
	WEIR_IN_UPSTREAM = 1 << 2,
	WEIR_IN_LISTEN = 1 << 3,
	WEIR_IN_CERTIFICATE = 1 << 4
};

struct weir_option {
	const char *name;	/* NULL ends the table */
	enum weir_type type;
	size_t offset;		/* in the settings struct */
	bool required;
	/* May stand many times; `offset` is a struct weir_list. A section's lines replace the default's. */
	bool repeat;
	bool secret;		/* shown as *** by `weir -T` */
	bool bare;		/* the module owns the plain key NAME in the section kinds of `in`; otherwise it is MODULE.NAME */
	unsigned in;		/* WEIR_IN_…; 0: WEIR_IN_MODULE | WEIR_IN_ROUTE */
	const char *deprecated;	/* what to use instead */
	const char *initial;	/* the default, as an operator would write it; NULL: zero */
	int64_t min, max;	/* for numbers; both 0: 0 to INT64_MAX */
	const char *const *choices;	/* for WEIR_CHOICE; ends with NULL */

	/* For WEIR_CUSTOM: how many bytes one value takes, and how to read it: fill *value, and return NULL, or say what is
	 * wrong with it (a static text, or one from weir_build_printf). Main thread. */
	size_t size;
	const char *(*parse)(struct weir_build *, const char *text, void *value);

	const char *doc;	/* one or two sentences */
};

#endif
