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
#include "health.h"
#include "pick.h"
#include "reasons.h"
#include "ring.h"

enum balance_policy { ROUND_ROBIN, LEAST_CONNECTIONS, TWO_CHOICES, HASH, RANDOM };

struct balance_settings {		/* of an upstream */
	int policy;			/* enum balance_policy */
	const struct weir_template *hash;
	int64_t max_fails, fail_time;
	int64_t retries, retry_budget;
	struct balance_reasons retry_on;
};

struct balance_record {
	struct balance_health health;
	unsigned holders;		/* generations; the main thread counts */
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
	size_t first, count;		/* of its members among all; its seats stand likewise */
	struct balance_point *points;	/* of the ring, if its policy has one */
	size_t point_count;
};

struct balance_desk {
	struct balance_seat *seats;	/* of all groups */
	struct balance_budget *budgets;	/* by group */
};

struct balance_table {
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
