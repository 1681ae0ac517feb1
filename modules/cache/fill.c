/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fill: an object on its way in: its body as it comes from the origin, and the marks that stand where none is to come.
 *
 * It belongs to the exchange that receives the body, on that one's thread, from cache_fill to the end of the body.
 */
#include "hooks.h"

#include <stdio.h>
#include <stdlib.h>

struct fill {
	struct cache_store *store;
	struct cache_object *object;
	int64_t pass_time;			/* seconds for which nothing is fetched for the cache where it does not fit */
	bool passes;				/* it does not */
	size_t taken;				/* of the piece that is given again */
	struct cache_waiter waiter;		/* for those who read what passes by */
	struct weir_token token;
};

void
cache_put_mark(struct cache_store *store, const struct cache_name *name, uint64_t epoch, enum cache_kind kind, const char *vary,
	int64_t lifetime)
{
	struct cache_draft draft = { .name = *name, .kind = kind, .vary = vary, .epoch = epoch, .length = -1, .modified = -1,
		.lines = "", .fresh = { .born = weir_time(), .lifetime = lifetime } };
	struct cache_object *object;

	draft.name.variant = "";
	draft.name.variant_length = 0;
	object = cache_object_new(store, &draft);
	if (object != NULL)
		cache_store_add(store, object);
	cache_object_release(store, &object);
}

/* --- what does not stay ------------------------------------------------------------------------------------------ */

static void
wake(void *argument)
{
	struct fill *fill = argument;

	weir_resume(fill->token, WEIR_NEXT);
}

static void
cancelled(void *argument)
{
	struct fill *fill = argument;

	cache_body_unwait_room(fill->object->body, &fill->waiter);
}

/* Wait until who reads it has made room. */
static enum weir_verdict
wait_for_room(struct weir_exchange *x, struct fill *fill)
{
	fill->token = weir_wait(x, CACHE_WAIT_MOST, WEIR_FAIL, cancelled, fill);
	if (fill->token.generation == 0)
		return WEIR_FAIL;
	fill->waiter.wake = wake;
	fill->waiter.argument = fill;
	if (!cache_body_wait_room(fill->object->body, &fill->waiter))
		weir_resume(fill->token, WEIR_NEXT);
	return WEIR_WAIT;
}

/* Too long, or no memory: who reads it already gets all of it, and who comes now asks the origin himself. */
static void
pass_by(struct fill *fill)
{
	fill->passes = true;
	cache_body_pass_by(fill->store, fill->object);
	cache_put_mark(fill->store, &fill->object->name, fill->object->epoch, CACHE_PASS, NULL, fill->pass_time);
}

static enum weir_verdict
pass(struct weir_exchange *x, struct fill *fill, const struct weir_chunk *chunk)
{
	size_t taken;

	while (fill->taken < chunk->length) {
		if (!cache_body_pass(fill->object, chunk->data + fill->taken, chunk->length - fill->taken, &taken))
			return WEIR_FAIL;	/* nobody reads it any more */
		if (taken == 0)
			return wait_for_room(x, fill);
		fill->taken += taken;
	}
	fill->taken = 0;
	return WEIR_NEXT;
}

/* --- the sink ---------------------------------------------------------------------------------------------------- */

static enum weir_verdict
take(struct weir_exchange *x, void *argument, const struct weir_chunk *chunk)
{
	struct fill *fill = argument;
	uint64_t before = cache_body_length(fill->object->body);

	if (!fill->passes) {
		if (cache_body_append(fill->store, fill->object, chunk->data, chunk->length))
			return WEIR_NEXT;
		fill->taken = (size_t)(cache_body_length(fill->object->body) - before);
		pass_by(fill);
	}
	return pass(x, fill, chunk);
}

/* Trailers as lines. SIZE_MAX: too long. */
static size_t
write_trailers(struct weir_exchange *x, char *to, size_t room)
{
	const char *name, *value;
	unsigned position = 0;
	size_t at = 0;

	while (weir_field_next(x, WEIR_TRAILERS, &position, &name, &value)) {
		int written = snprintf(to + at, room - at, "%s: %s\r\n", name, value);

		if (written < 0 || (size_t)written >= room - at)
			return SIZE_MAX;
		at += (size_t)written;
	}
	return at;
}

static void
end(struct weir_exchange *x, void *argument)
{
	struct fill *fill = argument;
	char trailers[4096];
	size_t length = weir_failure(x) == NULL ? write_trailers(x, trailers, sizeof(trailers)) : SIZE_MAX;

	if (length == SIZE_MAX)
		cache_body_abort(fill->store, fill->object);
	else
		cache_body_end(fill->store, fill->object, trailers, length);
	cache_object_release(fill->store, &fill->object);
	free(fill);
}

bool
cache_fill(struct weir_exchange *x, const struct cache_settings *set, struct cache_object *object)
{
	struct fill *fill = calloc(1, sizeof(*fill));
	struct weir_sink sink = { .take = take, .end = end, .argument = fill };

	if (fill == NULL)
		return false;
	fill->store = cache_store_of(x);
	fill->object = cache_object_hold(object);
	fill->pass_time = set->pass_time / 1000;
	if (weir_take_body(x, &sink, set->fetch_time))
		return true;
	cache_object_release(fill->store, &fill->object);
	free(fill);
	return false;
}
