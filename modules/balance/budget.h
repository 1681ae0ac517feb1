/* SPDX-License-Identifier: Apache-2.0 */
/*
 * budget: how many retries the requests of one thread to one upstream have earned.
 *
 * A bucket of hundredths of a retry: each request puts in the percentage, a retry takes out a hundred. A few
 * retries a second are free, so that an upstream with little traffic may retry at all. When servers fail in
 * numbers, retries can so never multiply the load on those that are left.
 */
#ifndef BALANCE_BUDGET_H
#define BALANCE_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

#define BALANCE_BUDGET_MOST 100		/* retries that can be saved up */
#define BALANCE_BUDGET_FREE 3		/* a second */

struct balance_budget {
	int64_t second;			/* of the free ones */
	uint32_t hundredths;
	uint32_t free_used;
};

static inline void
balance_budget_earn(struct balance_budget *budget, unsigned percent)
{
	budget->hundredths += percent;
	if (budget->hundredths > 100 * BALANCE_BUDGET_MOST)
		budget->hundredths = 100 * BALANCE_BUDGET_MOST;
}

static inline bool
balance_budget_spend(struct balance_budget *budget, int64_t now)
{
	if (budget->hundredths >= 100) {
		budget->hundredths -= 100;
		return true;
	}
	if (budget->second != now / 1000) {
		budget->second = now / 1000;
		budget->free_used = 0;
	}
	return budget->free_used < BALANCE_BUDGET_FREE && budget->free_used++ < BALANCE_BUDGET_FREE;
}

#endif
