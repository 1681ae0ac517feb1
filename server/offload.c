/* SPDX-License-Identifier: Apache-2.0 */
/*
 * offload: the helper pool. A ring of work under a lock; this is not the hot path.
 */
#include "offload.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <weir/thread.h>

enum { QUEUE = 1024, HELPERS_MAX = 16 };

struct job {
	void (*work)(void *argument);
	void *argument;
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t arrived;
	struct job queue[QUEUE];
	unsigned first, count;
	pthread_t helpers[HELPERS_MAX];
	unsigned helper_count;
	bool stopping;
} pool = { .lock = PTHREAD_MUTEX_INITIALIZER, .arrived = PTHREAD_COND_INITIALIZER };

static void *
help(void *unused)
{
	struct job job;

	(void)unused;
	pthread_mutex_lock(&pool.lock);
	for (;;) {
		while (pool.count == 0 && !pool.stopping)
			pthread_cond_wait(&pool.arrived, &pool.lock);
		if (pool.count == 0)
			break;
		job = pool.queue[pool.first];
		pool.first = (pool.first + 1) % QUEUE;
		pool.count--;
		pthread_mutex_unlock(&pool.lock);
		job.work(job.argument);
		pthread_mutex_lock(&pool.lock);
	}
	pthread_mutex_unlock(&pool.lock);
	return NULL;
}

bool
offload_start(unsigned threads)
{
	sigset_t all, before;
	int error = 0;

	pool.stopping = false;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	while (error == 0 && pool.helper_count < threads && pool.helper_count < HELPERS_MAX) {
		error = pthread_create(&pool.helpers[pool.helper_count], NULL, help, NULL);
		if (error == 0)
			pool.helper_count++;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (pool.helper_count == 0)
		weir_log(WEIR_LOG_ERROR, "cannot start the helper pool: %s", strerror(error));
	return pool.helper_count > 0;
}

void
offload_stop(void)
{
	pthread_mutex_lock(&pool.lock);
	pool.stopping = true;
	pthread_cond_broadcast(&pool.arrived);
	pthread_mutex_unlock(&pool.lock);
	for (unsigned i = 0; i < pool.helper_count; i++)
		pthread_join(pool.helpers[i], NULL);
	pool.helper_count = 0;	/* not before: work that is still running may hand in more, and looks at it */
}

bool
weir_offload(void (*work)(void *argument), void *argument)
{
	bool room;

	pthread_mutex_lock(&pool.lock);
	room = pool.count < QUEUE && pool.helper_count > 0 && !pool.stopping;
	if (room) {
		pool.queue[(pool.first + pool.count++) % QUEUE] = (struct job){ work, argument };
		pthread_cond_signal(&pool.arrived);
	}
	pthread_mutex_unlock(&pool.lock);
	return room;
}
