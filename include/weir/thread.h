/* SPDX-License-Identifier: Apache-2.0 */
/*
 * weir/thread.h: waiting, resuming, and work that would block.
 *
 * A hook that must wait calls weir_wait, keeps the token where the answer will arrive, and returns WEIR_WAIT.
 * Whoever has the answer calls weir_resume, from any thread. A token works once: a second or late call is
 * counted and does nothing, so nobody needs to know whether the client is still there.
 */
#ifndef WEIR_THREAD_H
#define WEIR_THREAD_H

#include <stdbool.h>
#include <stdint.h>
#include <weir/module.h>

struct weir_token {
	uint32_t thread, slot;
	uint64_t generation;
};

/* Suspend this exchange for at most `deadline` milliseconds. When the deadline passes, the exchange goes on as if the hook
 * had returned `late` (WEIR_FAIL in a guard). If the wait ends without weir_resume (deadline, client gone, shutdown),
 * `cancel` is called once with `argument`, on the exchange's thread; it may be NULL. Returns a token with generation 0 when
 * there is no memory: return WEIR_FAIL then. With `late` or a resume of WEIR_AGAIN the hook that waited is called once more,
 * to see for itself what has changed. */
WEIR_API struct weir_token weir_wait(struct weir_exchange *, int64_t deadline, enum weir_verdict late,
	void (*cancel)(void *argument), void *argument);

/* Go on with this verdict as if the waiting hook had returned it now. Any thread. It never runs the chain inside this call.
 * False when the token is spent or late, or there is no memory: then nothing happens. */
WEIR_API bool weir_resume(struct weir_token, enum weir_verdict);

/* Run `work` on the helper pool, for what may block; typically it ends with weir_resume. Any thread. False when the pool's
 * queue is full or there is no memory: `work` is then not run. */
WEIR_API bool weir_offload(void (*work)(void *argument), void *argument);

/* Write a line to the error log. Any thread. */
enum weir_level { WEIR_LOG_ERROR, WEIR_LOG_WARNING, WEIR_LOG_NOTICE, WEIR_LOG_DEBUG };
WEIR_API void weir_log(enum weir_level, const char *format, ...) __attribute__((format(printf, 2, 3))) __attribute__((cold));

/* Milliseconds of a clock that never goes back, coarse and cheap; seconds since the epoch, likewise. Any thread. */
WEIR_API int64_t weir_now(void);
WEIR_API int64_t weir_time(void);

/* An evenly distributed random number, not for secrets. Any thread. */
WEIR_API uint64_t weir_random(void);

/* The number of an event thread, from 0; for thread_start, thread_stop and tick. */
WEIR_API unsigned weir_thread_index(const struct weir_thread *);

#endif
