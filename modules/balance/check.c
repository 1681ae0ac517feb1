/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check: what checks have shown of a server, and what they expect of it.
 */
#include <weir/module.h>

#include "check.h"
#include "health.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_SPREAD = 1000, STATUS_LEAST = 100, STATUS_MOST = 599 };

/* --- statuses --------------------------------------------------------------------------------------------------- */

bool
balance_statuses_have(const struct balance_statuses *statuses, int status)
{
	return status >= STATUS_LEAST && status <= STATUS_MOST
		&& (statuses->bits[(status - STATUS_LEAST) / 8] & 1u << (status - STATUS_LEAST) % 8) != 0;
}

/* Three digits; 0: it is no status. */
static int
read_status(const char **text)
{
	int status = 0;

	if (strspn(*text, "0123456789") != 3)
		return 0;
	status = (int)strtol(*text, NULL, 10);
	*text += 3;
	return status >= STATUS_LEAST && status <= STATUS_MOST ? status : 0;
}

const char *
balance_statuses_parse(struct weir_build *build, const char *text, void *value)
{
	struct balance_statuses *statuses = value;
	int first, last;

	(void)build;
	for (text += strspn(text, " \t"); *text != '\0'; text += strspn(text, " \t")) {
		first = last = read_status(&text);
		if (first != 0 && *text == '-') {
			text++;
			last = read_status(&text);
		}
		if (first == 0 || last < first || (*text != '\0' && *text != ' ' && *text != '\t'))
			return "write statuses from 100 to 599 and ranges of them, like 200-399 401";
		for (int status = first; status <= last; status++)
			statuses->bits[(status - STATUS_LEAST) / 8] |= (uint8_t)(1u << (status - STATUS_LEAST) % 8);
	}
	return NULL;
}

/* --- one after the other ------------------------------------------------------------------------------------------ */

bool
balance_check_is_due(struct balance_check *check, int64_t interval, int64_t now, uint64_t random)
{
	int64_t spread = interval < FIRST_SPREAD ? interval : FIRST_SPREAD;

	if (check->due == 0)
		check->due = now + (int64_t)(random % (uint64_t)spread);
	if (check->running || now < check->due)
		return false;
	check->due = now + interval - interval / 10 + (int64_t)(random % (uint64_t)(interval / 5 + 1));
	return true;
}

void
balance_check_begin(struct balance_check *check)
{
	check->running = true;
	check->found = false;
	check->seen = 0;
}

/* Behind what was kept of the chunks before, so that a text in two of them is found. */
void
balance_check_look(struct balance_check *check, const char *text, const char *data, size_t length)
{
	size_t wanted = strlen(text), part, keep;
	char both[2 * BALANCE_BODY_MOST];

	if (check->found)
		return;
	part = length < wanted ? length : wanted;
	memcpy(both, check->tail, check->seen);
	memcpy(both + check->seen, data, part);
	check->found = memmem(both, check->seen + part, text, wanted) != NULL || memmem(data, length, text, wanted) != NULL;
	keep = wanted - 1;
	if (length >= keep) {
		memcpy(check->tail, data + length - keep, keep);
		check->seen = keep;
	} else {
		size_t all = check->seen + length, over = all > keep ? all - keep : 0;

		memmove(check->tail, both + over, all - over);
		check->seen = all - over;
	}
}

bool
balance_check_end(struct balance_check *check, struct balance_health *health, int outcome, unsigned rise, unsigned fall,
	int64_t now)
{
	bool good = outcome == CHECK_GOOD, down = atomic_load_explicit(&health->down, memory_order_relaxed);
	bool first = atomic_exchange_explicit(&check->outcome, outcome, memory_order_relaxed) == NOT_CHECKED;

	check->running = false;
	if (good != down) {
		check->streak = 0;
		return false;
	}
	if (++check->streak < (good ? rise : fall) && !first)
		return false;
	check->streak = 0;
	if (good)
		balance_health_recover(health, now);
	atomic_store_explicit(&health->down, !good, memory_order_relaxed);
	return true;
}

void
balance_check_forget(struct balance_check *check, struct balance_health *health)
{
	atomic_store_explicit(&check->outcome, NOT_CHECKED, memory_order_relaxed);
	atomic_store_explicit(&health->down, false, memory_order_relaxed);
}
