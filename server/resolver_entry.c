/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resolver_entry: what a resolver knows of one name, and how an answer is made.
 */
#include "resolver_entry.h"

#include <string.h>
#include <weir/thread.h>

#include "hosts.h"
#include "srv.h"

enum {
	TTL_MIN = 1000,			/* milliseconds, all of these */
	TTL_MAX = 60 * 60 * 1000,
	MISSING_MAX = 5000,		/* how long a failure is remembered; at least TTL_MIN */
	STALE_MAX = 60 * 60 * 1000,	/* how long past its time an answer serves when servers fail */
	PREFERRED = 10 * 60 * 1000,	/* how long the address that won comes first */
	STALE_HOLD = 5000		/* before they are asked again */
};

bool
entry_holds(const struct entry *e, int64_t now)
{
	return e->known && now < e->expires;
}

static int64_t
clamp(int64_t value, int64_t low, int64_t high)
{
	return value < low ? low : value > high ? high : value;
}

static void
set_expiry(struct entry *e, int64_t after)
{
	int64_t now = weir_now();

	e->known = true;
	e->expires = now + after;
	e->refresh = e->expires - after / 8;
}

/* Servers may always tell in the same order; threads and processes shall spread over the addresses all the
 * same. */
static void
shuffle(struct dns_question *q)
{
	for (unsigned i = q->count; i > 1; i--) {
		unsigned k = (unsigned)(weir_random() % i);
		struct resolver_address swap = q->addresses[i - 1];

		q->addresses[i - 1] = q->addresses[k];
		q->addresses[k] = swap;
	}
}

/* IPv6 first, then the families in turn. */
static void
interleave(struct resolver_answer *answer, const struct resolver_address *six, unsigned sixes,
	const struct resolver_address *four, unsigned fours)
{
	*answer = (struct resolver_answer){ 0 };
	for (unsigned i = 0; i < sixes || i < fours; i++) {
		if (i < sixes && answer->count < RESOLVER_ADDRESSES)
			answer->addresses[answer->count++] = six[i];
		if (i < fours && answer->count < RESOLVER_ADDRESSES)
			answer->addresses[answer->count++] = four[i];
	}
}

static bool
is_same(const struct resolver_address *a, const struct sockaddr *b)
{
	if (a->any.sa_family != b->sa_family)
		return false;
	return b->sa_family == AF_INET6
		? memcmp(&a->in6.sin6_addr, &((const struct sockaddr_in6 *)b)->sin6_addr, sizeof(a->in6.sin6_addr)) == 0
		: b->sa_family == AF_INET && a->in.sin_addr.s_addr == ((const struct sockaddr_in *)b)->sin_addr.s_addr;
}

/* The place of an address in the answer; its count when it has none. */
static unsigned
place_of(const struct resolver_answer *answer, const struct sockaddr *address)
{
	unsigned i = 0;

	while (i < answer->count && !is_same(&answer->addresses[i], address))
		i++;
	return i;
}

static void
put_first(struct resolver_answer *answer, unsigned place)
{
	struct resolver_address first = answer->addresses[place];

	memmove(&answer->addresses[1], &answer->addresses[0], place * sizeof(first));
	answer->addresses[0] = first;
}

void
entry_prefer(struct entry *e, const struct sockaddr *address)
{
	unsigned place = place_of(&e->answer, address);

	if (place == 0 || place == e->answer.count)
		return;
	e->preferred = e->answer.addresses[place];
	e->preferred_until = weir_now() + PREFERRED;
	put_first(&e->answer, place);
}

static void
prefer_again(struct entry *e)
{
	unsigned place;

	if (weir_now() >= e->preferred_until)
		return;
	place = place_of(&e->answer, &e->preferred.any);
	if (place < e->answer.count)
		put_first(&e->answer, place);
}

bool
entry_take_found(struct entry *e)
{
	struct dns_question *six = &e->questions[0].dns, *four = &e->questions[1].dns;
	int64_t ttl = TTL_MAX;

	for (int i = 0; i < 2; i++)
		if (e->questions[i].done && e->questions[i].dns.count > 0)
			ttl = clamp((int64_t)e->questions[i].dns.ttl * 1000, TTL_MIN, ttl);
	if (six->count + four->count == 0)
		return false;
	shuffle(six);
	shuffle(four);
	interleave(&e->answer, six->addresses, six->count, four->addresses, four->count);
	prefer_again(e);
	set_expiry(e, ttl);
	e->learnt_until = e->expires;
	return true;
}

bool
entry_use_stale(struct entry *e)
{
	int64_t now = weir_now();

	if (e->learnt_until == 0 || e->answer.count == 0 || now > e->learnt_until + STALE_MAX)
		return false;
	if (now < e->learnt_until) {		/* asked beforehand, in vain: there is time to try again */
		e->refresh = now + STALE_HOLD;
		return true;
	}
	e->answer.stale = true;
	set_expiry(e, STALE_HOLD);
	return true;
}

void
entry_take_failure(struct entry *e)
{
	const struct dns_question *six = &e->questions[0].dns, *four = &e->questions[1].dns;
	static const char *const errors[] = {
		[DNS_FOUND] = NULL,
		[DNS_MISSING] = "the name has no address",
		[DNS_NO_ANSWER] = "the name servers do not answer",
		[DNS_BROKEN] = "the name servers fail",
		[DNS_TRUNCATED] = "the name servers' answer is too long",
	};
	const struct dns_question *worse = six->result > four->result ? six : four;
	int64_t ttl = six->ttl < four->ttl ? six->ttl : four->ttl;

	if (worse->result != DNS_MISSING && entry_use_stale(e))
		return;
	e->answer = (struct resolver_answer){ .error = errors[worse->result] };
	e->learnt_until = 0;
	set_expiry(e, worse->result == DNS_MISSING ? clamp(ttl * 1000, TTL_MIN, MISSING_MAX) : TTL_MIN);
}

void
entry_take_service(struct entry *e, const struct srv_answer *found)
{
	if (found->answer.count == 0 && entry_use_stale(e))
		return;
	e->answer = found->answer;
	set_expiry(e, clamp(found->ttl, TTL_MIN, found->answer.count > 0 ? TTL_MAX : TTL_MIN));
	e->learnt_until = found->answer.count > 0 ? e->expires : 0;
}

bool
entry_take_local(struct entry *e, const struct hosts *hosts, int64_t hold)
{
	struct resolver_address found[RESOLVER_ADDRESSES], six[RESOLVER_ADDRESSES], four[RESOLVER_ADDRESSES];
	unsigned count = hosts_find(hosts, e->name.text, found, RESOLVER_ADDRESSES);
	unsigned sixes = 0, fours = 0;

	for (unsigned i = 0; i < count; i++)
		if (found[i].any.sa_family == AF_INET6)
			six[sixes++] = found[i];
		else
			four[fours++] = found[i];
	if (count == 0)
		return false;
	interleave(&e->answer, six, sixes, four, fours);
	prefer_again(e);
	set_expiry(e, hold);
	e->learnt_until = 0;
	return true;
}
