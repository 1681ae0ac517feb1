/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rate: the time that a client may take over an exchange: its minimum rate, and the total.
 *
 * Nothing is counted as it passes: each body knows its bytes, and now and then the deadline of the client's connection, idle
 * during an exchange, compares them with what they were.
 */
#include "exchange.h"

enum { BODY_GRACE = 10000 };

/* Set the client's deadline to the next look at the rate, or to the end of the exchange's time. */
static void
arm(struct weir_exchange *x)
{
	int64_t grace = x->route == NULL ? BODY_GRACE : x->route->settings.body_grace;
	int64_t total = x->route == NULL ? 0 : x->route->settings.total_timeout, after = INT64_MAX;

	if (x->rate_time != 0)
		after = grace > 0 ? grace : 1000;
	if (total > 0) {
		total -= (int64_t)(weir_elapsed(x) / 1000000);
		after = total < after ? total : after;
	}
	if (after != INT64_MAX)
		deadline_set(&x->client->deadline, &x->thread->wheel, after > 0 ? after : 1);
}

void
rate_watch_total(struct weir_exchange *x)
{
	arm(x);
}

void
rate_watch(struct weir_exchange *x)
{
	if (x->rate_time != 0 || x->logged)
		return;
	x->rate_time = wheel_clock();
	x->rate_mark = x->upload.bytes + x->download.bytes - x->out.queued;
	arm(x);
}

/* Has the client, if it was its turn, moved enough since the last look? */
static bool
rate_holds(struct weir_exchange *x)
{
	int64_t rate = x->route == NULL ? 1 : x->route->settings.body_rate, now = wheel_clock();
	uint64_t bytes = x->upload.bytes + x->download.bytes - x->out.queued;
	int64_t moved = (int64_t)(bytes - x->rate_mark), time = now - x->rate_time;	/* below zero: only framing was queued */
	bool uploading = x->stage != STAGE_PHASES && !x->upload.ended && !x->upload_broken && !exchange_awaits_continue(x)
		&& (x->upstream == NULL || x->upstream->out.queued == 0);

	if (x->rate_time == 0)
		return true;
	x->rate_mark = bytes;
	x->rate_time = now;
	return (x->out.queued == 0 && !uploading) || rate <= 0 || (double)moved * 1000 >= (double)rate * (double)time;
}

static bool
time_is_over(struct weir_exchange *x)
{
	return x->route != NULL && x->route->settings.total_timeout > 0
		&& weir_elapsed(x) / 1000000 >= (uint64_t)x->route->settings.total_timeout;
}

void
exchange_client_deadline(struct weir_exchange *x)
{
	if (x->own != NULL) {
		exchange_leave_wait(x);
		exchange_abort(x, "it took too long");
		return;
	}
	if (x->stage == STAGE_TUNNEL) {
		tunnel_expire(x);
		return;
	}
	if (x->stage == STAGE_DRAIN) {
		exchange_close(x, CLIENT_CLOSE);
		return;
	}
	if (time_is_over(x)) {
		x->keep = false;
		arm(x);
		exchange_leave_wait(x);
		exchange_go(x, exchange_fail(x, 504, "the exchange took longer than total_timeout"));
		return;
	}
	if (rate_holds(x)) {
		arm(x);
		return;
	}
	counter_add(&x->thread->counters, COUNT_CLIENT_TIMEOUT, 1);
	x->keep = false;
	arm(x);
	exchange_leave_wait(x);
	exchange_go(x, exchange_fail(x, 408, "the client is slower than body_rate"));
}
