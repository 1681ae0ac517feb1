/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake: as much of a core as balance's hooks need, for its tests: one upstream, a clock that is set by hand, and
 * requests that go where the hooks send them. Included by one test only.
 */
#ifndef BALANCE_FAKE_H
#define BALANCE_FAKE_H

#include <weir/module.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SERVERS_MOST 8
#define ERRANDS_MOST 4

struct weir_server {
	const struct weir_upstream *upstream;
	const char *name;
	unsigned index, weight;
	bool backup;
};

struct weir_upstream {
	const char *name;
	struct weir_server servers[SERVERS_MOST];
	size_t count;
};

struct weir_build {
	const struct weir_upstream *upstream;
	const void *settings;
	void *memory[32];
	unsigned pieces, errors;
};

struct weir_exchange {
	void *generation;
	const struct weir_upstream *upstream;
	const struct weir_server *server, *tried[16];
	unsigned attempts, thread;
	enum weir_peer_failure failure;
	bool reused, may_retry, errand;
	int64_t deadline;
	void (*cancel)(void *);
	void *argument;
	uint64_t token;
	const char *error;
	int status, failed;
	const char *key, *cookie;
	char set_cookie[200];
};

struct weir_thread {
	unsigned number;
};

static struct {
	int64_t now;
	int64_t counts[8];
	struct weir_errand errand[ERRANDS_MOST];
	unsigned errands;
	uint64_t resumed;		/* generation of the last token */
	char reply[2048];
	char log[2048];			/* all lines */
} world;

/* --- the build ------------------------------------------------------------------------------------------ */

void *
weir_build_alloc(struct weir_build *build, size_t count, size_t size)
{
	return build->memory[build->pieces++] = calloc(count, size);
}

const char *
weir_build_printf(struct weir_build *build, const char *format, ...)
{
	char *text = weir_build_alloc(build, 1, 200);
	va_list list;

	va_start(list, format);
	vsnprintf(text, 200, format, list);
	va_end(list);
	return text;
}

void
weir_build_error(struct weir_build *build, const char *format, ...)
{
	(void)format;
	build->errors++;
}

unsigned
weir_build_threads(const struct weir_build *build)
{
	(void)build;
	return 2;
}

size_t
weir_build_upstreams(const struct weir_build *build)
{
	return build->upstream != NULL;
}

const struct weir_upstream *
weir_build_upstream(const struct weir_build *build, size_t index)
{
	(void)index;
	return build->upstream;
}

const void *
weir_build_upstream_settings(const struct weir_build *build, const struct weir_upstream *upstream)
{
	(void)upstream;
	return build->settings;
}

size_t
weir_upstream_index(const struct weir_upstream *upstream)
{
	(void)upstream;
	return 0;
}

const char *
weir_upstream_name(const struct weir_upstream *upstream)
{
	return upstream->name;
}

size_t
weir_upstream_servers(const struct weir_upstream *upstream)
{
	return upstream->count;
}

const struct weir_server *
weir_upstream_server(const struct weir_upstream *upstream, size_t index)
{
	return &upstream->servers[index];
}

size_t
weir_server_index(const struct weir_server *server)
{
	return server->index;
}

const char *
weir_server_name(const struct weir_server *server)
{
	return server->name;
}

unsigned
weir_server_weight(const struct weir_server *server)
{
	return server->weight;
}

bool
weir_server_backup(const struct weir_server *server)
{
	return server->backup;
}

/* --- the exchange --------------------------------------------------------------------------------------- */

void *
weir_generation_state(struct weir_exchange *x)
{
	return x->generation;
}

unsigned
weir_thread_number(struct weir_exchange *x)
{
	return x->thread;
}

const struct weir_upstream *
weir_upstream(struct weir_exchange *x)
{
	return x->upstream;
}

const struct weir_server *
weir_server(struct weir_exchange *x)
{
	return x->server;
}

void
weir_choose_server(struct weir_exchange *x, const struct weir_server *server)
{
	x->server = server;
	x->tried[x->attempts++] = server;
}

bool
weir_server_was_tried(struct weir_exchange *x, const struct weir_server *server)
{
	for (unsigned i = 0; i < x->attempts; i++)
		if (x->tried[i] == server)
			return true;
	return false;
}

bool
weir_may_retry(struct weir_exchange *x)
{
	return x->may_retry;
}

enum weir_peer_failure
weir_peer_failure(struct weir_exchange *x)
{
	return x->failure;
}

bool
weir_peer_reused(struct weir_exchange *x)
{
	return x->reused;
}

int
weir_status(struct weir_exchange *x)
{
	return x->status;
}

const char *
weir_expand(struct weir_exchange *x, const struct weir_template *template)
{
	(void)template;
	return x->key;
}

const char *
weir_scheme(struct weir_exchange *x)
{
	(void)x;
	return "https";
}

const char *
weir_field_next_named(struct weir_exchange *x, enum weir_message message, const char *name, unsigned *position)
{
	(void)message;
	(void)name;
	return (*position)++ == 0 ? x->cookie : NULL;
}

char *
weir_printf(struct weir_exchange *x, const char *format, ...)
{
	static char texts[2][200];
	static unsigned turn;
	char *text = texts[turn++ % 2];
	va_list list;

	(void)x;
	va_start(list, format);
	vsnprintf(text, sizeof(texts[0]), format, list);
	va_end(list);
	return text;
}

void
weir_add_field(struct weir_exchange *x, enum weir_message message, const char *name, const char *value)
{
	(void)message;
	(void)name;
	snprintf(x->set_cookie, sizeof(x->set_cookie), "%s", value);
}

void
weir_fail(struct weir_exchange *x, int status, const char *format, ...)
{
	(void)format;
	x->failed = status;
}

void
weir_count(struct weir_exchange *x, unsigned metric, int64_t amount)
{
	(void)x;
	world.counts[metric] += amount;
}

/* --- the world ------------------------------------------------------------------------------------------ */

int64_t
weir_now(void)
{
	return world.now;
}

uint64_t
weir_random(void)
{
	static uint64_t state = 1;

	return state = state * 6364136223846793005 + 1442695040888963407;
}

void
weir_log(enum weir_level level, const char *format, ...)
{
	size_t used = strlen(world.log);
	va_list list;

	(void)level;
	va_start(list, format);
	vsnprintf(world.log + used, sizeof(world.log) - used, format, list);
	va_end(list);
	strncat(world.log, "\n", sizeof(world.log) - strlen(world.log) - 1);
}

bool
weir_is_errand(struct weir_exchange *x)
{
	return x->errand;
}

/* One that waits; what resumed it. */
struct weir_token
weir_wait(struct weir_exchange *x, int64_t deadline, enum weir_verdict late, void (*cancel)(void *), void *argument)
{
	static uint64_t generation;

	(void)late;
	x->deadline = deadline;
	x->cancel = cancel;
	x->argument = argument;
	x->token = ++generation;
	return (struct weir_token){ .generation = x->token };
}

bool
weir_resume(struct weir_token token, enum weir_verdict verdict)
{
	(void)verdict;
	world.resumed = token.generation;
	return true;
}

const char *
weir_failure(struct weir_exchange *x)
{
	return x->error;
}

const struct weir_address *
weir_server_address(const struct weir_server *server)
{
	static const struct weir_address address = { .host = "a", .port = 80 };

	(void)server;
	return &address;
}

/* Kept, until the test ends it. */
bool
weir_send_errand(struct weir_thread *thread, struct weir_exchange *model, const struct weir_errand *errand)
{
	(void)thread;
	(void)model;
	if (world.errands == ERRANDS_MOST)
		return false;
	world.errand[world.errands++] = *errand;
	return true;
}

unsigned
weir_thread_index(const struct weir_thread *thread)
{
	return thread->number;
}

static void
say(const char *name, const char *value)
{
	size_t used = strlen(world.reply);

	snprintf(world.reply + used, sizeof(world.reply) - used, "%s=%s ", name, value);
}

void
weir_reply_text(struct weir_reply *reply, const char *name, const char *value)
{
	(void)reply;
	say(name, value);
}

void
weir_reply_number(struct weir_reply *reply, const char *name, double value)
{
	char text[32];

	(void)reply;
	snprintf(text, sizeof(text), "%g", value);
	say(name, text);
}

void
weir_reply_open(struct weir_reply *reply, const char *name)
{
	(void)reply;
	(void)name;
}

void
weir_reply_open_list(struct weir_reply *reply, const char *name)
{
	(void)reply;
	(void)name;
}

void
weir_reply_close(struct weir_reply *reply)
{
	(void)reply;
}

void
weir_reply_error(struct weir_reply *reply, const char *format, ...)
{
	(void)reply;
	say("error", format);
}

#endif
