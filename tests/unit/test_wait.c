/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenes for waits: a token works once, whoever is first: one of many threads, the deadline, or the client's
 * going.
 *
 * The threads stand still (still_threads.h). An exchange is here its thread and its wait; what the core
 * would do with a verdict is wrapped, and written down. Run under ThreadSanitizer too.
 */
#include "server/exchange.h"
#include "server/wait.h"
#include "still_threads.h"

enum { RACERS = 8, ROUNDS = 300, BLOCK = 256 };

static struct weir_exchange *x;
static struct thread *self;		/* the event thread that this code counts as */
static unsigned resumed, expired, cancelled;
static enum weir_verdict verdict;
static bool heap_fails;

void __wrap_exchange_resume(struct weir_exchange *, enum weir_verdict);
void __wrap_exchange_wait_expired(struct weir_exchange *, enum weir_verdict);
struct thread *__wrap_thread_current(void);
void *__real_calloc(size_t, size_t);
void *__wrap_calloc(size_t, size_t);

void *
__wrap_calloc(size_t count, size_t size)
{
	return heap_fails ? NULL : __real_calloc(count, size);
}

struct thread *
__wrap_thread_current(void)
{
	return self;
}

void
__wrap_exchange_resume(struct weir_exchange *which, enum weir_verdict how)
{
	assert_non_null(which->wait);
	which->wait = NULL;
	verdict = how;
	resumed++;
}

void
__wrap_exchange_wait_expired(struct weir_exchange *which, enum weir_verdict late)
{
	assert_non_null(which->wait);
	which->wait = NULL;
	verdict = late;
	expired++;
}

static void
cancel(void *argument)
{
	assert_ptr_equal(argument, &cancelled);
	cancelled++;
}

static struct weir_exchange *
new_exchange(unsigned thread)
{
	struct weir_exchange *fresh = calloc(1, sizeof(*fresh));

	assert_non_null(fresh);
	fresh->thread = &still.list[thread];
	return fresh;
}

static int
begin(void **state)
{
	(void)state;
	self = NULL;
	resumed = expired = cancelled = 0;
	threads_up(2);
	x = new_exchange(1);
	return 0;
}

static int
end(void **state)
{
	(void)state;
	threads_down();
	free(x);
	return 0;
}

static struct weir_token
wait_for(int64_t deadline)
{
	struct weir_token token = weir_wait(x, deadline, WEIR_DONE, cancel, &cancelled);

	assert_true(token.generation != 0);
	return token;
}

static void
a_token_works_once(void **state)
{
	struct weir_token token = wait_for(60000);

	(void)state;
	assert_int_equal(token.thread, 1);
	assert_non_null(x->wait);
	assert_true(weir_resume(token, WEIR_NEXT));
	assert_int_equal(resumed, 0);		/* not inside the call */
	assert_false(weir_resume(token, WEIR_FAIL));
	UNTIL(resumed > 0);
	assert_int_equal(verdict, WEIR_NEXT);
	assert_false(weir_resume(token, WEIR_FAIL));
	turn();
	assert_int_equal(resumed, 1);
	assert_int_equal(cancelled, 0);
}

static void
late_calls_are_counted(void **state)
{
	struct weir_token token = wait_for(60000);
	uint64_t before = threads_count(&still, COUNT_RESUMED_LATE);

	(void)state;
	self = &still.list[0];
	assert_true(weir_resume(token, WEIR_NEXT));
	assert_int_equal(threads_count(&still, COUNT_RESUMED_LATE), before);
	assert_false(weir_resume(token, WEIR_NEXT));
	assert_false(weir_resume(token, WEIR_NEXT));
	assert_int_equal(counter_read(&self->counters, COUNT_RESUMED_LATE), 2);
	self = NULL;				/* a thread without counters */
	assert_false(weir_resume(token, WEIR_NEXT));
	assert_int_equal(threads_count(&still, COUNT_RESUMED_LATE), before + 3);
	UNTIL(resumed > 0);
}

static void
a_token_that_never_was_does_nothing(void **state)
{
	const struct weir_token token = wait_for(60000);
	struct weir_token wrong[] = { token, token, token, token, token, { 0, 0, 0 } };

	(void)state;
	wrong[0].generation++;
	wrong[1].generation += 2;
	wrong[2].slot++;
	wrong[3].slot = UINT32_MAX;
	wrong[4].thread = 2;
	for (int i = 0; i < 6; i++)
		assert_false(weir_resume(wrong[i], WEIR_NEXT));
	turn();
	assert_int_equal(resumed, 0);
	wait_cancel(x->wait);
}

static void
one_wait_at_a_time(void **state)
{
	struct weir_token first = wait_for(60000);
	struct weir_token second = weir_wait(x, 60000, WEIR_DONE, cancel, &cancelled);

	(void)state;
	assert_int_equal(second.generation, 0);
	assert_int_equal(cancelled, 0);
	assert_true(weir_resume(first, WEIR_NEXT));
	UNTIL(resumed > 0);
}

static void
the_deadline_ends_it_with_its_own_verdict(void **state)
{
	struct weir_token token = wait_for(1000);

	(void)state;
	pass(x->thread, 900);
	assert_int_equal(expired, 0);
	pass(x->thread, 200);
	assert_int_equal(expired, 1);
	assert_int_equal(verdict, WEIR_DONE);
	assert_int_equal(cancelled, 1);
	assert_false(weir_resume(token, WEIR_NEXT));
	turn();
	assert_int_equal(resumed, 0);
}

static void
a_deadline_in_the_past_is_one_that_has_passed(void **state)
{
	(void)state;
	wait_for(INT64_MIN);
	pass(x->thread, 2 * WHEEL_TICK);
	assert_int_equal(expired, 1);
	wait_for(INT64_MAX);
	pass(x->thread, 1000000);
	assert_int_equal(expired, 1);
	exchange_leave_wait(x);
}

/* It is claimed, though its message has not been read: the deadline comes too late. */
static void
a_resume_before_the_deadline_wins(void **state)
{
	struct weir_token token = wait_for(1000);
	struct wait *w = x->wait;

	(void)state;
	assert_true(weir_resume(token, WEIR_NEXT));
	w->deadline.passed(&w->deadline);
	assert_int_equal(expired + cancelled, 0);
	UNTIL(resumed > 0);
	pass(x->thread, 2000);
	assert_int_equal(expired + cancelled, 0);
}

static void
a_cancelled_wait_cannot_be_resumed(void **state)
{
	struct weir_token token = wait_for(60000);

	(void)state;
	exchange_leave_wait(x);
	assert_null(x->wait);
	assert_int_equal(cancelled, 1);
	assert_false(weir_resume(token, WEIR_NEXT));
	exchange_leave_wait(x);
	turn();
	assert_int_equal(resumed, 0);
	assert_int_equal(cancelled, 1);
}

/* The client goes while a resume is on its way: the resume finds nobody, the slot is free again, and cancel
 * is not called, for the token was used. */
static void
a_resume_on_its_way_finds_nobody(void **state)
{
	struct weir_token token = wait_for(60000), next;

	(void)state;
	assert_true(weir_resume(token, WEIR_NEXT));
	exchange_leave_wait(x);
	free(x);
	x = new_exchange(1);
	turn();
	assert_int_equal(resumed + cancelled, 0);
	next = wait_for(60000);
	assert_int_equal(next.slot, token.slot);
	assert_true(next.generation > token.generation);
	assert_false(weir_resume(token, WEIR_NEXT));
	assert_true(weir_resume(next, WEIR_NEXT));
	UNTIL(resumed == 1);
}

static void
a_slot_is_used_again_under_another_generation(void **state)
{
	struct weir_token before = { 0, 0, 0 };

	(void)state;
	for (int i = 0; i < 1000; i++) {
		struct weir_token token = wait_for(60000);

		if (i > 0) {
			assert_int_equal(token.slot, before.slot);
			assert_true(token.generation > before.generation);
			assert_false(weir_resume(before, WEIR_FAIL));
		}
		before = token;
		exchange_leave_wait(x);
	}
	assert_int_equal(cancelled, 1000);
}

static void
waits_outgrow_a_block(void **state)
{
	static struct weir_exchange *many[3 * BLOCK];
	static struct weir_token tokens[3 * BLOCK];
	const unsigned count = 2 * BLOCK + 10;

	(void)state;
	for (unsigned i = 0; i < count; i++) {
		many[i] = new_exchange(i % 2);
		tokens[i] = weir_wait(many[i], 60000, WEIR_DONE, cancel, &cancelled);
		assert_true(tokens[i].generation != 0);
		for (unsigned j = i % 2; j < i; j += 2)
			assert_true(tokens[j].slot != tokens[i].slot);
	}
	for (unsigned i = 0; i < count; i++)
		assert_true(weir_resume(tokens[i], WEIR_NEXT));
	UNTIL(resumed == count);
	for (unsigned i = 0; i < count; i++) {
		assert_null(many[i]->wait);
		free(many[i]);
	}
}

static void
without_memory_there_is_no_token(void **state)
{
	static struct weir_exchange *many[BLOCK + 1];
	struct weir_token token;

	(void)state;
	heap_fails = true;
	token = weir_wait(x, 60000, WEIR_DONE, cancel, &cancelled);
	heap_fails = false;
	assert_int_equal(token.generation, 0);
	assert_null(x->wait);
	assert_int_equal(cancelled, 0);
	for (int i = 0; i <= BLOCK; i++)
		many[i] = new_exchange(1);
	for (int i = 0; i < BLOCK; i++)
		assert_true(weir_wait(many[i], 60000, WEIR_DONE, cancel, &cancelled).generation != 0);
	heap_fails = true;
	assert_int_equal(weir_wait(many[BLOCK], 60000, WEIR_DONE, cancel, &cancelled).generation, 0);
	exchange_leave_wait(many[3]);		/* a free slot needs none */
	assert_true(weir_wait(many[BLOCK], 60000, WEIR_DONE, cancel, &cancelled).generation != 0);
	heap_fails = false;
	for (int i = 0; i <= BLOCK; i++) {
		exchange_leave_wait(many[i]);
		free(many[i]);
	}
	assert_int_equal(cancelled, BLOCK + 1);
}

/* --- many threads --------------------------------------------------------------------------------------- */

static struct {
	pthread_barrier_t start;
	struct weir_token token;
	atomic_uint won, finished;
	unsigned rounds;
} race;

static void *
run_race(void *unused)
{
	(void)unused;
	for (unsigned i = 0; i < race.rounds; i++) {
		pthread_barrier_wait(&race.start);
		if (weir_resume(race.token, WEIR_NEXT))
			atomic_fetch_add(&race.won, 1);
		atomic_fetch_add(&race.finished, 1);
		pthread_barrier_wait(&race.start);
	}
	return NULL;
}

static void
begin_race(pthread_t racers[RACERS], unsigned rounds)
{
	race.rounds = rounds;
	pthread_barrier_init(&race.start, NULL, RACERS + 1);
	for (int i = 0; i < RACERS; i++)
		assert_int_equal(__real_pthread_create(&racers[i], NULL, run_race, NULL), 0);
}

static void
end_race(pthread_t racers[RACERS])
{
	for (int i = 0; i < RACERS; i++)
		__real_pthread_join(racers[i], NULL);
	pthread_barrier_destroy(&race.start);
}

static void
one_of_many_racing_threads_wins(void **state)
{
	pthread_t racers[RACERS];

	(void)state;
	begin_race(racers, ROUNDS);
	for (unsigned i = 0; i < ROUNDS; i++) {
		race.token = wait_for(60000);
		atomic_store(&race.won, 0);
		pthread_barrier_wait(&race.start);
		while (resumed < i + 1)
			turn();
		pthread_barrier_wait(&race.start);
		assert_int_equal(atomic_load(&race.won), 1);
	}
	end_race(racers);
	assert_int_equal(resumed, ROUNDS);
	assert_int_equal(cancelled, 0);
}

/* The owner gives up while the others resume: either cancel is called, or one of them has won, never both or
 * neither. */
static void
a_cancel_races_with_them(void **state)
{
	pthread_t racers[RACERS];

	(void)state;
	begin_race(racers, ROUNDS);
	for (unsigned i = 0; i < ROUNDS; i++) {
		unsigned before = cancelled;

		race.token = wait_for(60000);
		atomic_store(&race.won, 0);
		atomic_store(&race.finished, 0);
		pthread_barrier_wait(&race.start);
		while (i % 2 == 1 && atomic_load(&race.finished) == 0)
			;				/* every other time they get a start */
		exchange_leave_wait(x);
		free(x);
		x = new_exchange(1);
		pthread_barrier_wait(&race.start);
		turn();
		assert_int_equal(atomic_load(&race.won) + cancelled - before, 1);
	}
	end_race(racers);
	assert_int_equal(resumed, 0);
}

#define SCENE(name) cmocka_unit_test_setup_teardown(name, begin, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE(a_token_works_once),
		SCENE(late_calls_are_counted),
		SCENE(a_token_that_never_was_does_nothing),
		SCENE(one_wait_at_a_time),
		SCENE(the_deadline_ends_it_with_its_own_verdict),
		SCENE(a_deadline_in_the_past_is_one_that_has_passed),
		SCENE(a_resume_before_the_deadline_wins),
		SCENE(a_cancelled_wait_cannot_be_resumed),
		SCENE(a_resume_on_its_way_finds_nobody),
		SCENE(a_slot_is_used_again_under_another_generation),
		SCENE(waits_outgrow_a_block),
		SCENE(without_memory_there_is_no_token),
		SCENE(one_of_many_racing_threads_wins),
		SCENE(a_cancel_races_with_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
