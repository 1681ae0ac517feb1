/* SPDX-License-Identifier: Apache-2.0 */
/*
 * table: the upstreams of a generation as balancing needs them.
 *
 * The table lies in the generation's memory and does not change, but for the desks: one for each thread, with
 * what this thread alone writes. A record is what is known of a server; it lives as long as any generation
 * names that server, so that a reload forgets neither failures nor requests under way.
 */
#ifndef BALANCE_TABLE_H
#define BALANCE_TABLE_H

#include <weir/module.h>

#include "budget.h"
#include "check.h"
#include "health.h"
#include "lobby.h"
#include "pick.h"
#include "reasons.h"
#include "ring.h"
#include "sticky.h"
#include "watch.h"

enum balance_policy { ROUND_ROBIN, LEAST_CONNECTIONS, TWO_CHOICES, HASH, RANDOM };

struct balance_settings {		/* of an upstream */
	int policy;			/* enum balance_policy */
	const struct weir_template *hash;
	int64_t max_fails, fail_time;
	int64_t retries, retry_budget;
	struct balance_reasons retry_on;
	int64_t slow_start;		/* 0: none */
	int64_t max_connections;	/* requests under way at one server; 0: no bound */
	int64_t max_pending;		/* requests that wait for one of them to end */
	int64_t pending_timeout;
	const char *sticky;		/* the cookie's name; NULL: none */
	int64_t sticky_time;		/* how long clients keep it; 0: until they end */
	int check;			/* enum balance_checking */
	const char *check_method, *check_host, *check_target;	/* host NULL: the server's */
	const char *check_body;		/* what the body must hold; NULL: anything */
	struct balance_statuses check_status;
	int64_t check_interval, check_timeout;
	int64_t check_rise, check_fall;
};

enum balance_checking { NO_CHECK, CONNECT_CHECK, HTTP_CHECK };

struct balance_record {
	struct balance_health health;
	_Atomic int64_t busy;		/* requests under way on all threads, of upstreams with max_connections */
	unsigned holders;		/* generations; the main thread counts */
	struct balance_lobby *lobby;	/* of the upstream */
	char mark[BALANCE_MARK];	/* the sticky cookie's value */
	struct balance_report report;	/* of watch.c; the first thread's, as all up to the names */
	struct balance_check check;
	const struct balance_group *checked;	/* of the check under way, which holds that generation */
	const char *upstream, *server;	/* names */
	struct balance_load loads[];	/* by thread */
};

struct balance_member {
	const struct weir_server *server;
	struct balance_record *record;
};

struct balance_group {			/* an upstream */
	const struct weir_upstream *upstream;
	const struct balance_settings *settings;
	struct balance_limit limit;
	struct balance_member *members;
	struct balance_lobby *lobby;	/* of its records, which hold it */
	size_t first, count;		/* of its members among all; its seats stand likewise */
	struct balance_point *points;	/* of the ring, if its policy has one */
	size_t point_count;
};

struct balance_desk {
	struct balance_seat *seats;	/* of all groups */
	struct balance_budget *budgets;	/* by group */
};

struct balance_table {
	uint64_t number;		/* rises with each build */
	struct balance_group *groups;	/* by index of the upstream */
	struct balance_member *members;	/* of all groups */
	struct balance_desk *desks;	/* by thread */
	struct balance_record **sorted;	/* of all members, by name */
	size_t group_count, member_count;
	unsigned threads;
};

void balance_table_build(struct weir_build *, struct balance_table *, const struct balance_table *previous);
void balance_table_drop(struct balance_table *);

#endif
