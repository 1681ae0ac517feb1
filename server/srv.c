/* SPDX-License-Identifier: Apache-2.0 */
/*
 * srv: services by name (RFC 2782): a question for SRV records, then one for the addresses of each target.
 */
#include "srv.h"

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <netdb.h>
#include <resolv.h>
#include <stdlib.h>
#include <string.h>
#include <weir/thread.h>

#include "inbox.h"
#include "name.h"
#include "thread.h"

enum { SECONDS = 1, TRIES = 2, ANSWER_MOST = 8192, OF_ONE = 4 };

struct target {
	char name[NAME_LENGTH + 1];
	uint16_t priority, weight, port;
	struct srv *srv;
	struct resolver_request *lookup;
	unsigned count;
	struct resolver_address addresses[OF_ONE];
};

struct srv {
	struct message done;		/* from the helper to this thread */
	struct thread *thread;
	struct resolver *resolver;
	char name[NAME_LENGTH + 1];
	struct weir_address servers[SRV_SERVERS];
	unsigned server_count;		/* 0: those of resolv.conf */
	const char *error;		/* NULL: there are targets */
	uint32_t ttl;			/* seconds */
	unsigned target_count, waiting;
	struct target targets[SRV_TARGETS];
	struct srv_answer answer;
	void (*answered)(const struct srv_answer *, void *);
	void *argument;
};

bool
srv_is_service(const char *name)
{
	return strncmp(name, SRV_PREFIX, sizeof(SRV_PREFIX) - 1) == 0;
}

/* --- on a helper ------------------------------------------------------------------------------------------------------ */

/* A root as the only target says that there is no such service. */
static void
take_record(struct srv *s, const ns_msg *message, const ns_rr *record)
{
	const unsigned char *data = ns_rr_rdata(*record);
	struct target *t = &s->targets[s->target_count];

	if (ns_rr_type(*record) != ns_t_srv || ns_rr_rdlen(*record) < 7 || s->target_count == SRV_TARGETS)
		return;
	if (dn_expand(ns_msg_base(*message), ns_msg_end(*message), data + 6, t->name, sizeof(t->name)) < 0
			|| t->name[0] == '\0' || strcmp(t->name, ".") == 0)
		return;
	t->priority = ns_get16(data);
	t->weight = ns_get16(data + 2);
	t->port = ns_get16(data + 4);
	if (s->target_count++ == 0 || ns_rr_ttl(*record) < s->ttl)
		s->ttl = ns_rr_ttl(*record);
}

static int
by_priority(const void *left, const void *right)
{
	const struct target *a = left, *b = right;

	return (a->priority > b->priority) - (a->priority < b->priority);
}

static void
read_answer(struct srv *s, const unsigned char *bytes, int length)
{
	ns_msg message;
	ns_rr record;

	if (ns_initparse(bytes, length, &message) != 0) {
		s->error = "the name servers' answer is malformed";
		return;
	}
	for (int i = 0; i < ns_msg_count(message, ns_s_an); i++)
		if (ns_parserr(&message, ns_s_an, i, &record) == 0)
			take_record(s, &message, &record);
	qsort(s->targets, s->target_count, sizeof(s->targets[0]), by_priority);
	if (s->target_count == 0)
		s->error = "the service has no server";
}

/* libresolv's plain list holds IPv4 alone; glibc takes whatever lies in the one behind it where the plain one has no family. It
 * frees what it finds there. */
static bool
use_servers(struct __res_state *state, const struct weir_address *servers, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		struct sockaddr_in6 **to = &state->_u._ext.nsaddrs[i];

		if (*to == NULL && (*to = malloc(sizeof(**to))) == NULL)
			return false;
		memset(*to, 0, sizeof(**to));
		memcpy(*to, &servers[i].socket, servers[i].length);
		state->nsaddr_list[i].sin_family = 0;
		state->_u._ext.nssocks[i] = -1;
	}
	if (count > 0)
		state->nscount = state->_u._ext.nscount = (uint16_t)count;
	return true;
}

static void answered_by_helper(struct message *, void *);

static void
ask_servers(void *argument)
{
	unsigned char bytes[ANSWER_MOST];
	struct __res_state state;
	struct srv *s = argument;
	int length = -1;

	memset(&state, 0, sizeof(state));
	s->error = "the name servers do not answer";
	if (res_ninit(&state) == 0) {
		state.retrans = SECONDS;
		state.retry = TRIES;
		if (use_servers(&state, s->servers, s->server_count))
			length = res_nquery(&state, s->name, ns_c_in, ns_t_srv, bytes, sizeof(bytes));
		if (length < 0 && (state.res_h_errno == HOST_NOT_FOUND || state.res_h_errno == NO_DATA))
			s->error = "there is no such service";
		res_nclose(&state);
	}
	if (length >= 0) {
		s->error = NULL;
		read_answer(s, bytes, length < (int)sizeof(bytes) ? length : (int)sizeof(bytes));
	}
	s->done.run = answered_by_helper;
	inbox_post(&s->thread->inbox, &s->done);
}

/* --- on the event thread ------------------------------------------------------------------------------------------------ */

static void
add_addresses(struct resolver_answer *answer, const struct target *t)
{
	for (unsigned i = 0; i < t->count && answer->count < RESOLVER_ADDRESSES; i++) {
		struct resolver_address *to = &answer->addresses[answer->count];

		*to = t->addresses[i];
		if (to->any.sa_family == AF_INET6)
			to->in6.sin6_port = htons(t->port);
		else
			to->in.sin_port = htons(t->port);
		answer->weights[answer->count++] = t->weight;
	}
}

/* All targets are looked up. */
static void
finish(struct srv *s)
{
	struct resolver_answer *answer = &s->answer.answer;
	const struct target *first = NULL;

	for (unsigned i = 0; i < s->target_count; i++) {
		const struct target *t = &s->targets[i];

		if (t->count > 0 && first == NULL)
			first = t;
		add_addresses(answer, t);
		if (first != NULL && t->priority == first->priority)
			answer->best = answer->count;
	}
	if (answer->count == 0)
		answer->error = s->error != NULL ? s->error : "the service's servers have no addresses";
	if (s->target_count > 0 && (int64_t)s->ttl * 1000 < s->answer.ttl)
		s->answer.ttl = (int64_t)s->ttl * 1000;
	s->answered(&s->answer, s->argument);
}

static void
target_found(const struct resolver_answer *answer, void *argument)
{
	struct target *t = argument;
	struct srv *s = t->srv;

	t->lookup = NULL;
	for (unsigned i = 0; i < answer->count && t->count < OF_ONE; i++)
		t->addresses[t->count++] = answer->addresses[i];
	if (answer->ttl > 0 && answer->ttl < s->answer.ttl)
		s->answer.ttl = answer->ttl;
	if (--s->waiting == 0)
		finish(s);
}

static void
answered_by_helper(struct message *message, void *owner)
{
	struct srv *s = (struct srv *)((char *)message - offsetof(struct srv, done));

	(void)owner;
	s->waiting = 1;			/* until all are asked for */
	for (unsigned i = 0; i < s->target_count; i++) {
		struct target *t = &s->targets[i];

		t->srv = s;
		t->lookup = resolver_lookup(s->resolver, t->name, target_found, t);
		s->waiting += t->lookup != NULL;
	}
	if (--s->waiting == 0)
		finish(s);
}

struct srv *
srv_ask(struct resolver *resolver, const char *name, const struct weir_address *servers, unsigned count,
	void (*answered)(const struct srv_answer *, void *), void *argument)
{
	struct srv *s = thread_current() != NULL ? calloc(1, sizeof(*s)) : NULL;

	if (s == NULL)
		return NULL;
	s->thread = thread_current();
	s->resolver = resolver;
	strncpy(s->name, name, sizeof(s->name) - 1);
	for (unsigned i = 0; i < count && s->server_count < SRV_SERVERS; i++)
		if (servers[i].length <= sizeof(struct sockaddr_in6))
			s->servers[s->server_count++] = servers[i];
	s->answer.ttl = INT64_MAX;
	s->answered = answered;
	s->argument = argument;
	if (!weir_offload(ask_servers, s)) {
		free(s);
		return NULL;
	}
	return s;
}

void
srv_free(struct srv **srv)
{
	free(*srv);
	*srv = NULL;
}

/* RFC 2782: as likely as it weighs; one of weight 0 has a small chance beside others. */
unsigned
srv_choose(const struct resolver_answer *answer, uint64_t random)
{
	uint64_t total = 0, mark;
	unsigned i;

	for (i = 0; i < answer->best; i++)
		total += answer->weights[i] * 100u + 1;
	if (total == 0)
		return 0;
	mark = random % total;
	for (i = 0; i + 1 < answer->best && mark >= answer->weights[i] * 100u + 1; i++)
		mark -= answer->weights[i] * 100u + 1;
	return i;
}
