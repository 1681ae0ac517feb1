/* SPDX-License-Identifier: Apache-2.0 */
/*
 * allow: which targets may be asked for, and which addresses may be connected to.
 *
 * Names are judged as the client writes them, addresses once names have been looked up: a name that may be asked for does not
 * make any address good that its owner puts into DNS.
 */
#ifndef WEIR_CONNECT_ALLOW_H
#define WEIR_CONNECT_ALLOW_H

#include <weir/module.h>

/* One target of `allow`. */
struct connect_pattern {
	const char *host;	/* in lower case; an IP address in its one spelling, without brackets; NULL: any */
	size_t length;
	bool below;		/* *.host: every name below it, not itself */
	uint16_t port;		/* 0: those of `ports` or `http_ports` */
};

/* The targets of one line. */
struct connect_patterns {
	struct connect_pattern *items;
	size_t count;
};

/* One range of `networks`. */
struct connect_network {
	bool public;		/* all addresses that are routed on the Internet */
	struct weir_network range;
};

struct connect_ports {
	uint16_t *items;
	size_t count;
};

/* For WEIR_CUSTOM options: fill *value, or say what is wrong. */
const char *connect_parse_patterns(struct weir_build *, const char *text, void *value);
const char *connect_parse_network(struct weir_build *, const char *text, void *value);
const char *connect_parse_ports(struct weir_build *, const char *text, void *value);

/* What a request asks for. */
struct connect_target {
	char host[256];		/* in lower case, without brackets or a dot at its end */
	struct weir_address address;	/* its host points to `host`, or it is numeric */
};

/* Take "host:port" apart; where no port is given, this one. False: it is none, or its port is 0. */
bool connect_take_target(struct connect_target *, const char *authority, uint16_t port);

/* Lists of struct connect_patterns and struct connect_ports. */
bool connect_allows(const struct weir_list *patterns, const struct weir_list *ports, const struct connect_target *);

/* A list of struct connect_network. */
bool connect_reaches(const struct weir_list *networks, const struct sockaddr *);

#endif
