/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resolver: names to addresses, asynchronously, one resolver for each event thread.
 *
 * An entry for each name: what was learnt last, until when it holds, the two questions under way if any, and
 * who waits. A name is asked again shortly before its time is over, when somebody still uses it, so that a
 * name in use is always known. When one family has answered and the other not yet, waiters get the one after
 * a moment (RFC 8305, 3), and when servers are slow to refresh what was known before, they get that.
 *
 * Callbacks are called from one event, `deliver`, never from inside a function that the caller has called. An
 * entry with waiters or questions is not evicted; all others go, the least recently used first.
 */
#include "resolver.h"

#include <assert.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <weir/thread.h>

#include "dns.h"
#include "hosts.h"
#include "name.h"
#include "resolver_entry.h"
#include "srv.h"

enum {				/* milliseconds */
	OTHER_FAMILY = 50,	/* how long one family's answer waits for the other's */
	PATIENCE = 200,		/* how long a refresh may take before the former answer is served */
	FILES_CHECKED = 5000
};

struct resolver_request {
	struct resolver_request *next, **link;
	struct queue *queue;		/* it is in: waiting of its entry, or ready */
	struct entry *entry;		/* NULL: the name is none */
	resolver_callback *callback;
	void *argument;
};

struct resolver {
	struct event_base *base;
	struct dns *dns;
	struct hosts *hosts;
	struct weir_address servers[SRV_SERVERS];	/* that were given; for services */
	unsigned server_count;
	int64_t files_checked;
	struct name_table names;
	struct queue ready;
	struct event *deliver;
};

static const struct resolver_answer no_name = { .error = "it is not a host name" };

/* --- requests ------------------------------------------------------------------------------------------- */

static void
queue_init(struct queue *q)
{
	q->first = NULL;
	q->last = &q->first;
}

static void
append(struct queue *q, struct resolver_request *r)
{
	r->queue = q;
	r->next = NULL;
	r->link = q->last;
	*q->last = r;
	q->last = &r->next;
}

static void
leave_queue(struct resolver_request *r)
{
	*r->link = r->next;
	*(r->next != NULL ? &r->next->link : &r->queue->last) = r->link;
}

static void
make_ready(struct resolver *resolver, struct resolver_request *r)
{
	append(&resolver->ready, r);
	event_active(resolver->deliver, EV_TIMEOUT, 0);
}

/* All who wait for this name can be served. */
static void
serve(struct entry *e)
{
	struct resolver_request *r;

	while ((r = e->waiting.first) != NULL) {
		leave_queue(r);
		make_ready(e->resolver, r);
	}
}

static void
deliver(evutil_socket_t fd, short what, void *argument)
{
	struct resolver *resolver = argument;
	struct resolver_request *r;

	(void)fd;
	(void)what;
	while ((r = resolver->ready.first) != NULL) {
		struct resolver_request copy = *r;

		leave_queue(r);
		free(r);
		if (copy.entry != NULL)
			copy.entry->answer.ttl = copy.entry->expires - weir_now();
		copy.callback(copy.entry != NULL ? &copy.entry->answer : &no_name, copy.argument);
		if (copy.entry != NULL)
			copy.entry->name.holds--;
	}
}

/* --- asking --------------------------------------------------------------------------------------------- */

static void
end_questions(struct entry *e)
{
	if (e->timer != NULL)
		event_free(e->timer);
	e->timer = NULL;
	free(e->questions);
	e->questions = NULL;
	e->name.holds--;
}

static void
start_timer(struct entry *e, int64_t after)
{
	struct timeval time = { .tv_sec = after / 1000, .tv_usec = after % 1000 * 1000 };

	event_add(e->timer, &time);	/* without memory the waiters wait for the end, that is all */
}

static void
question_answered(struct dns_question *q)
{
	struct question *question = (struct question *)q;
	struct entry *e = question->entry;

	question->done = true;
	if (!e->questions[0].done || !e->questions[1].done) {
		if (q->count > 0)
			start_timer(e, OTHER_FAMILY);
		return;
	}
	if (!entry_take_found(e))
		entry_take_failure(e);
	end_questions(e);
	serve(e);
}

/* One family's answer waited for the other's, or the refresh of a known name takes long. */
static void
waited_enough(evutil_socket_t fd, short what, void *argument)
{
	struct entry *e = argument;
	int64_t now = weir_now();

	(void)fd;
	(void)what;
	if (entry_holds(e, now))
		start_timer(e, e->expires - now);	/* asked beforehand: what is known still holds */
	else if (entry_take_found(e) || entry_use_stale(e))
		serve(e);
}

static void
service_answered(const struct srv_answer *answer, void *argument)
{
	struct entry *e = argument;

	entry_take_service(e, answer);
	srv_free(&e->srv);
	e->name.holds--;
	serve(e);
}

static bool
ask_service(struct entry *e)
{
	struct resolver *r = e->resolver;

	e->srv = srv_ask(r, e->name.text + sizeof(SRV_PREFIX) - 1, r->servers, r->server_count, service_answered, e);
	e->name.holds += e->srv != NULL;
	return e->srv != NULL;
}

static bool
is_asked(const struct entry *e)
{
	return e->questions != NULL || e->srv != NULL;
}

/* False without memory. */
static bool
ask(struct entry *e)
{
	struct resolver *r = e->resolver;
	unsigned asked = 0;

	if (srv_is_service(e->name.text))
		return ask_service(e);
	assert(e->questions == NULL);
	e->name.holds++;
	e->questions = calloc(2, sizeof(*e->questions));
	e->timer = evtimer_new(r->base, waited_enough, e);
	for (int i = 0; e->questions != NULL && e->timer != NULL && i < 2; i++) {
		struct question *q = &e->questions[i];

		*q = (struct question){ .entry = e };
		q->dns.answered = question_answered;
		q->dns.family = i == 0 ? AF_INET6 : AF_INET;
		q->dns.result = DNS_BROKEN;
		q->done = !dns_ask(r->dns, e->name.text, &q->dns);
		asked += !q->done;
	}
	if (asked == 0) {
		end_questions(e);
		return false;
	}
	if (e->known && e->learnt_until > 0)
		start_timer(e, PATIENCE);
	return true;
}

static void
check_files(struct resolver *r, int64_t now)
{
	if (now < r->files_checked + FILES_CHECKED)
		return;
	r->files_checked = now;
	dns_refresh(r->dns);
	hosts_refresh(r->hosts);
}

/* Is an answer at hand? A name that is asked for often is asked again before its time is over. */
static bool
is_known(struct entry *e)
{
	int64_t now = weir_now();

	if (entry_holds(e, now)) {
		if (now >= e->refresh && e->learnt_until > 0 && !is_asked(e))
			ask(e);
		return true;
	}
	if (is_asked(e))
		return false;
	check_files(e->resolver, now);
	return entry_take_local(e, e->resolver->hosts, FILES_CHECKED);
}

static bool
make_room(struct resolver *r)
{
	struct name *oldest;

	if (r->names.count < RESOLVER_ENTRIES)
		return true;
	if ((oldest = name_oldest(&r->names)) == NULL)
		return false;
	name_remove(&r->names, oldest);
	free(oldest);			/* the entry, of which it is the first member */
	return true;
}

/* The entry of a normalised name, made where it is missing; NULL without memory. */
static struct entry *
entry_for(struct resolver *r, const char *name)
{
	struct entry *e = (struct entry *)name_find(&r->names, name);

	if (e != NULL)
		return e;
	if (!make_room(r) || (e = calloc(1, sizeof(*e))) == NULL)
		return NULL;
	strcpy(e->name.text, name);
	e->resolver = r;
	queue_init(&e->waiting);
	name_add(&r->names, &e->name);
	return e;
}

/* A service keeps its prefix, so that it is no host's name. */
static bool
normalise(const char *name, char to[NAME_LENGTH + 1])
{
	size_t prefix = srv_is_service(name) ? sizeof(SRV_PREFIX) - 1 : 0;
	char rest[NAME_LENGTH + 1];

	if (!name_normalise(name + prefix, rest) || prefix + strlen(rest) > NAME_LENGTH)
		return false;
	memcpy(to, SRV_PREFIX, prefix);
	strcpy(to + prefix, rest);
	return true;
}

/* --- for callers ---------------------------------------------------------------------------------------- */

const struct resolver_answer *
resolver_cached(struct resolver *r, const char *name)
{
	char normal[NAME_LENGTH + 1];
	struct entry *e;

	if (!normalise(name, normal))
		return &no_name;
	e = entry_for(r, normal);
	return e != NULL && is_known(e) ? &e->answer : NULL;
}

struct resolver_request *
resolver_lookup(struct resolver *r, const char *name, resolver_callback *callback, void *argument)
{
	char normal[NAME_LENGTH + 1];
	struct resolver_request *request = calloc(1, sizeof(*request));
	struct entry *e = NULL;
	bool known = true;

	if (request == NULL)
		return NULL;
	if (normalise(name, normal)) {
		e = entry_for(r, normal);
		if (e == NULL || (!(known = is_known(e)) && !is_asked(e) && !ask(e))) {
			free(request);
			return NULL;
		}
		e->name.holds++;
	}
	*request = (struct resolver_request){ .entry = e, .callback = callback, .argument = argument };
	if (known)
		make_ready(r, request);
	else
		append(&e->waiting, request);
	return request;
}

void
resolver_prefer(struct resolver *r, const char *name, const struct sockaddr *address)
{
	char normal[NAME_LENGTH + 1];
	struct entry *e;

	if (name_normalise(name, normal) && (e = (struct entry *)name_find(&r->names, normal)) != NULL)
		entry_prefer(e, address);
}

void
resolver_cancel(struct resolver *r, struct resolver_request **request)
{
	(void)r;
	leave_queue(*request);
	if ((*request)->entry != NULL)
		(*request)->entry->name.holds--;
	free(*request);
	*request = NULL;
}

struct resolver *
resolver_new_with(struct event_base *base, const struct weir_list *servers, const char *hosts,
	const char *resolv_conf)
{
	struct resolver *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return NULL;
	r->base = base;
	r->files_checked = weir_now();
	for (size_t i = 0; servers != NULL && i < servers->count && r->server_count < SRV_SERVERS; i++)
		r->servers[r->server_count++] = ((const struct weir_address *)servers->items)[i];
	name_table_init(&r->names);
	queue_init(&r->ready);
	r->deliver = event_new(base, -1, 0, deliver, r);
	r->dns = dns_new(base, servers, resolv_conf);
	r->hosts = hosts_new(hosts);
	if (r->deliver == NULL || r->dns == NULL || r->hosts == NULL)
		resolver_free(&r);
	return r;
}

struct resolver *
resolver_new(struct event_base *base, const struct weir_list *servers)
{
	return resolver_new_with(base, servers, "/etc/hosts", "/etc/resolv.conf");
}

static void
free_requests(struct queue *q)
{
	struct resolver_request *r;

	while ((r = q->first) != NULL) {
		leave_queue(r);
		free(r);
	}
}

void
resolver_free(struct resolver **resolver)
{
	struct resolver *r = *resolver;
	struct entry *e;

	if (r == NULL)
		return;
	dns_free(&r->dns);		/* the questions are ours again */
	free_requests(&r->ready);
	while ((e = (struct entry *)r->names.newest) != NULL) {
		free_requests(&e->waiting);
		if (e->questions != NULL)
			end_questions(e);
		srv_free(&e->srv);
		name_remove(&r->names, &e->name);
		free(e);
	}
	if (r->deliver != NULL)
		event_free(r->deliver);
	hosts_free(&r->hosts);
	free(r);
	*resolver = NULL;
}
