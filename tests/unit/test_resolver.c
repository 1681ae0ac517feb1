/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenes for the resolver, against a name server of ours on a loopback port, in the same event loop.
 *
 * The server's zone is a table: what it does with a question for a name, in each family. It counts questions.
 * Linked with -Wl,--wrap=clock_gettime: `pass` lets time pass for the cache, not for libevent's timers, which are
 * real and short: our resolv.conf says so.
 */
#include "server/resolver.h"
#include "server/srv.h"

#include <arpa/inet.h>
#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>
#include <weir/option.h>
#include <cmocka.h>

enum { LIMIT = 10000, LOOKUPS = 8 };

/* What the server does; addresses stand for an answer with them. */
#define EMPTY "empty"
#define NXDOMAIN "nxdomain"
#define SERVFAIL "servfail"
#define SILENT "silent"
#define TRUNCATED "truncated"
#define GARBAGE "garbage"
#define FORGED "forged"
#define LATE "late"		/* answers with one address after 20 ms */

struct record {
	const char *name;
	const char *four[20], *six[20];
	unsigned ttl;
	unsigned asked[2];
};

static struct record zone[] = {
	{ "both.test", { "10.0.0.1", "10.0.0.2" }, { "fd00::1", "fd00::2", "fd00::3" }, 60, { 0 } },
	{ "four.test", { "10.0.0.1" }, { EMPTY }, 60, { 0 } },
	{ "many.test",
		{ "10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6", "10.0.0.7",
			"10.0.0.8", "10.0.0.9", "10.0.0.10", "10.0.0.11", "10.0.0.12", "10.0.0.13",
			"10.0.0.14", "10.0.0.15", "10.0.0.16", "10.0.0.17" },
		{ "fd00::1", "fd00::2" }, 60, { 0 } },
	{ "short.test", { "10.0.0.1" }, { EMPTY }, 0, { 0 } },
	{ "long.test", { "10.0.0.1" }, { EMPTY }, 1000000, { 0 } },
	{ "late.test", { "10.0.0.1" }, { LATE }, 60, { 0 } },
	{ "half.test", { "10.0.0.1" }, { SILENT }, 60, { 0 } },
	{ "missing.test", { NXDOMAIN }, { NXDOMAIN }, 3, { 0 } },
	{ "empty.test", { EMPTY }, { EMPTY }, 3, { 0 } },
	{ "silent.test", { SILENT }, { SILENT }, 60, { 0 } },
	{ "broken.test", { SERVFAIL }, { SERVFAIL }, 60, { 0 } },
	{ "cut.test", { TRUNCATED }, { TRUNCATED }, 60, { 0 } },
	{ "garbage.test", { GARBAGE }, { GARBAGE }, 60, { 0 } },
	{ "forged.test", { FORGED }, { FORGED }, 60, { 0 } },
	{ "fails.test", { "10.0.0.1" }, { "fd00::1" }, 60, { 0 } },
	{ "moves.test", { "10.0.0.1" }, { EMPTY }, 60, { 0 } },
};

static struct event_base *base;
static struct resolver *resolver;
static int server, other;		/* sockets of the name server; of one that is always silent */
static struct event *server_event;
static char folder[] = "/tmp/weir-resolver-XXXXXX", hosts_path[64], resolv_path[64];
static int64_t skipped;			/* milliseconds */

int __real_clock_gettime(clockid_t, struct timespec *);
int __wrap_clock_gettime(clockid_t, struct timespec *);

int
__wrap_clock_gettime(clockid_t clock, struct timespec *t)
{
	int result = __real_clock_gettime(clock, t);

	t->tv_sec += skipped / 1000;
	return result;
}

static void
pass(int64_t seconds)
{
	skipped += seconds * 1000;
}

/* Milliseconds of the clock that `pass` does not move. */
static int64_t
real_time(void)
{
	struct timespec t;

	__real_clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static struct record *
record_of(const char *name)
{
	for (size_t i = 0; i < sizeof(zone) / sizeof(zone[0]); i++)
		if (strcasecmp(zone[i].name, name) == 0)
			return &zone[i];
	return NULL;
}

/* --- the name server ------------------------------------------------------------------------------------ */

struct reply {
	uint8_t bytes[2048];
	size_t length;
	struct sockaddr_in to;
};

static void
add16(struct reply *r, unsigned value)
{
	r->bytes[r->length++] = (uint8_t)(value >> 8);
	r->bytes[r->length++] = (uint8_t)value;
}

static void
add_record(struct reply *r, int family, const char *address, unsigned ttl)
{
	add16(r, 0xc00c);
	add16(r, family == AF_INET ? 1 : 28);
	add16(r, 1);
	add16(r, ttl >> 16);
	add16(r, ttl & 0xffff);
	add16(r, family == AF_INET ? 4 : 16);
	assert_int_equal(inet_pton(family, address, r->bytes + r->length), 1);
	r->length += family == AF_INET ? 4 : 16;
}

/* An SOA record in the authority section: how long a missing name stays missing. */
static void
add_authority(struct reply *r, unsigned ttl)
{
	add16(r, 0xc00c);
	add16(r, 6);
	add16(r, 1);
	add16(r, 0);
	add16(r, ttl);
	add16(r, 2 + 20);
	r->bytes[r->length++] = 0;
	r->bytes[r->length++] = 0;
	for (int i = 0; i < 4; i++) {
		add16(r, 0);
		add16(r, 1);
	}
	add16(r, 0);
	add16(r, ttl);
	r->bytes[9] = 1;
}

static void
send_reply(const struct reply *r)
{
	sendto(server, r->bytes, r->length, 0, (const struct sockaddr *)&r->to, sizeof(r->to));
}

static void
send_late(evutil_socket_t fd, short what, void *argument)
{
	(void)fd;
	(void)what;
	send_reply(argument);
	free(argument);
}

static void
answer_late(struct reply *r, unsigned ttl)
{
	struct timeval soon = { .tv_usec = 20000 };
	struct reply *copy = malloc(sizeof(*copy));

	add_record(r, AF_INET6, "fd00::1", ttl);
	r->bytes[7] = 1;
	*copy = *r;
	event_base_once(base, -1, EV_TIMEOUT, send_late, copy, &soon);
}

static void
answer_as_told(struct reply *r, int family, const struct record *record)
{
	const char *const *list = family == AF_INET ? record->four : record->six;
	const char *told = list[0];

	if (strcmp(told, LATE) == 0) {
		answer_late(r, record->ttl);
		return;
	}
	if (strcmp(told, NXDOMAIN) == 0)
		r->bytes[3] |= 3;
	if (strcmp(told, SERVFAIL) == 0)
		r->bytes[3] |= 2;
	if (strcmp(told, TRUNCATED) == 0)
		r->bytes[2] |= 2;
	if (strcmp(told, NXDOMAIN) == 0 || strcmp(told, EMPTY) == 0)
		add_authority(r, record->ttl);
	if (strchr(told, '.') != NULL || strchr(told, ':') != NULL)
		for (; *list != NULL; list++, r->bytes[7]++)
			add_record(r, family, *list, record->ttl);
	if (strcmp(told, FORGED) == 0) {	/* of another identifier */
		add_record(r, family, family == AF_INET ? "10.6.6.6" : "fd00::6", record->ttl);
		r->bytes[7]++;
		r->bytes[0] ^= 0xff;
	}
	if (strcmp(told, GARBAGE) == 0)
		memset(r->bytes + 4, 0xee, r->length - 4);
	if (strcmp(told, SILENT) != 0)
		send_reply(r);
}

/* The name in the question, and where it ends. */
static size_t
read_name(const struct reply *r, char name[256])
{
	size_t at = 12, length = 0;

	for (; r->bytes[at] != 0; at += r->bytes[at] + 1u) {
		assert_in_range(length + r->bytes[at], 0, 254);
		memcpy(name + length, r->bytes + at + 1, r->bytes[at]);
		length += r->bytes[at];
		name[length++] = '.';
	}
	name[length - 1] = '\0';
	return at;
}

static void
question(evutil_socket_t fd, short what, void *argument)
{
	struct reply r = { 0 };
	socklen_t to_length = sizeof(r.to);
	struct record *record;
	char name[256];
	size_t at;
	int family;

	(void)what;
	(void)argument;
	r.length = (size_t)recvfrom(fd, r.bytes, 512, 0, (struct sockaddr *)&r.to, &to_length);
	at = read_name(&r, name);
	family = r.bytes[at + 2] == 28 ? AF_INET6 : AF_INET;
	r.length = at + 5;
	r.bytes[2] |= 0x80;
	r.bytes[3] = 0x80;
	r.bytes[11] = 0;		/* no additional section */
	if ((record = record_of(name)) != NULL) {
		record->asked[family == AF_INET6]++;
		answer_as_told(&r, family, record);
	}
}

static int
bind_server(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static unsigned
port_of(int fd)
{
	struct sockaddr_in address;
	socklen_t length = sizeof(address);

	getsockname(fd, (struct sockaddr *)&address, &length);
	return ntohs(address.sin_port);
}

static void
write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void
write_resolv_conf(int fd)
{
	char text[128];

	snprintf(text, sizeof(text),
		"search wrong.test\nnameserver 127.0.0.1:%u\noptions timeout:0.6 attempts:1\n", port_of(fd));
	write_file(resolv_path, text);
}

/* --- looking up ----------------------------------------------------------------------------------------- */

struct lookup {
	struct resolver_answer answer;
	unsigned called;
	char text[512];		/* "fd00::1 10.0.0.1" */
	void (*then)(struct lookup *);
};

static void
show(const struct resolver_answer *answer, char *text)
{
	char one[64];

	text[0] = '\0';
	for (unsigned i = 0; i < answer->count; i++) {
		const struct resolver_address *a = &answer->addresses[i];

		assert_int_equal(a->length, a->any.sa_family == AF_INET ? sizeof(a->in) : sizeof(a->in6));
		inet_ntop(a->any.sa_family,
			a->any.sa_family == AF_INET ? (const void *)&a->in.sin_addr : &a->in6.sin6_addr, one,
			sizeof(one));
		sprintf(text + strlen(text), "%s%s", i > 0 ? " " : "", one);
	}
}

static void
told(const struct resolver_answer *answer, void *argument)
{
	struct lookup *l = argument;

	l->called++;
	l->answer = *answer;
	show(answer, l->text);
	if (l->then != NULL)
		l->then(l);
}

static void
run_until_told(const struct lookup *l)
{
	int64_t limit = real_time() + LIMIT;

	do
		event_base_loop(base, EVLOOP_ONCE);
	while (l->called == 0 && real_time() < limit);
	assert_int_equal(l->called, 1);
}

static const struct lookup *
look_up(const char *name)
{
	static struct lookup l;

	l = (struct lookup){ 0 };
	assert_non_null(resolver_lookup(resolver, name, told, &l));
	assert_int_equal(l.called, 0);		/* never inside the call */
	run_until_told(&l);
	return &l;
}

static const char *
cached(const char *name)
{
	static char text[512];
	const struct resolver_answer *answer = resolver_cached(resolver, name);

	if (answer == NULL)
		return "unknown";
	if (answer->count == 0)
		return answer->error;
	show(answer, text);
	return text;
}

static int
start(void **state)
{
	(void)state;
	base = event_base_new();
	for (size_t i = 0; i < sizeof(zone) / sizeof(zone[0]); i++)
		zone[i].asked[0] = zone[i].asked[1] = 0;
	server = bind_server();
	other = bind_server();
	server_event = event_new(base, server, EV_READ | EV_PERSIST, question, NULL);
	event_add(server_event, NULL);
	write_resolv_conf(server);
	write_file(hosts_path,
		"127.0.0.1 localhost\n# comment\n10.1.1.1\tFile.test alias # more\n"
		"fd00::11 file.test\nnonsense x\n");
	resolver = resolver_new_with(base, NULL, hosts_path, resolv_path);
	return resolver != NULL ? 0 : -1;
}

static int
end(void **state)
{
	(void)state;
	resolver_free(&resolver);
	event_free(server_event);
	close(server);
	close(other);
	event_base_free(base);
	return 0;
}

/* --- scenes --------------------------------------------------------------------------------------------- */

static void
both_families_come_in_turn(void **state)
{
	const struct lookup *l = look_up("both.test");

	(void)state;
	assert_int_equal(l->answer.count, 5);
	assert_false(l->answer.stale);
	assert_null(l->answer.error);
	for (unsigned i = 0; i < 5; i++)	/* 6 4 6 4 6 */
		assert_int_equal(l->answer.addresses[i].any.sa_family, i % 2 == 0 ? AF_INET6 : AF_INET);
	assert_non_null(strstr(l->text, "fd00::3"));
	assert_non_null(strstr(l->text, "10.0.0.2"));
}

static void
an_answer_is_bounded(void **state)
{
	const struct lookup *l = look_up("many.test");

	(void)state;
	assert_int_equal(l->answer.count, RESOLVER_ADDRESSES);
	assert_int_equal(l->answer.addresses[2].any.sa_family, AF_INET6);
	assert_int_equal(l->answer.addresses[RESOLVER_ADDRESSES - 1].any.sa_family, AF_INET);
}

static void
an_answer_holds_as_long_as_its_time(void **state)
{
	struct record *record = record_of("four.test");

	(void)state;
	assert_string_equal(cached("four.test"), "unknown");
	assert_string_equal(look_up("four.test")->text, "10.0.0.1");
	pass(50);
	assert_string_equal(cached("FOUR.test."), "10.0.0.1");
	assert_string_equal(look_up("four.test")->text, "10.0.0.1");
	assert_int_equal(record->asked[0], 1);
	assert_int_equal(record->asked[1], 1);
	pass(11);
	assert_string_equal(cached("four.test"), "unknown");
	assert_string_equal(look_up("four.test")->text, "10.0.0.1");
	assert_int_equal(record->asked[0], 2);
}

static void
times_are_bounded(void **state)
{
	(void)state;
	look_up("short.test");
	assert_string_equal(cached("short.test"), "10.0.0.1");		/* at least a second */
	pass(2);
	assert_string_equal(cached("short.test"), "unknown");
	look_up("long.test");
	pass(60 * 60 - 20 * 60);
	assert_string_equal(cached("long.test"), "10.0.0.1");
	pass(20 * 60 + 1);
	assert_string_equal(cached("long.test"), "unknown");		/* at most an hour */
}

static void
a_name_in_use_is_asked_for_beforehand(void **state)
{
	struct record *record = record_of("four.test");

	(void)state;
	look_up("four.test");
	pass(55);
	assert_string_equal(cached("four.test"), "10.0.0.1");
	assert_string_equal(cached("four.test"), "10.0.0.1");
	while (record->asked[0] < 2 || record->asked[1] < 2)
		event_base_loop(base, EVLOOP_ONCE);
	look_up("both.test");				/* by now that answer is here */
	pass(30);
	assert_string_equal(cached("four.test"), "10.0.0.1");
	assert_int_equal(record->asked[0], 2);
}

static const char *
first_of(const char *name)
{
	static char text[64];
	const char *all = cached(name);

	snprintf(text, sizeof(text), "%.*s", (int)strcspn(all, " "), all);
	return text;
}

/* Whatever the order in which the servers tell the addresses, for ten minutes; then chance decides again. */
static void
the_address_that_won_comes_first(void **state)
{
	struct sockaddr_in won = { .sin_family = AF_INET, .sin_port = htons(80) };
	unsigned others = 0;

	(void)state;
	inet_pton(AF_INET, "10.0.0.2", &won.sin_addr);
	resolver_prefer(resolver, "both.test", (struct sockaddr *)&won);	/* nobody knows it yet */
	look_up("both.test");
	resolver_prefer(resolver, "both.test", (struct sockaddr *)&won);
	for (int i = 0; i < 8; i++) {
		assert_string_equal(first_of("both.test"), "10.0.0.2");
		pass(61);
		assert_int_equal(look_up("both.test")->answer.count, 5);
	}
	pass(600);
	for (int i = 0; i < 8; i++) {
		look_up("both.test");
		others += strcmp(first_of("both.test"), "10.0.0.2") != 0;
		pass(61);
	}
	assert_int_equal(others, 8);		/* IPv6 again */
}

/* Two of the best priority, and one behind them that is never the first. */
static void
a_service_draws_by_weight(void **state)
{
	struct resolver_answer answer = { .count = 3, .best = 2, .weights = { 30, 10, 1000 } };
	const struct resolver_answer none = { .count = 2, .best = 2 };
	unsigned firsts[3] = { 0 };

	(void)state;
	for (uint64_t random = 0; random < 4002; random++)
		firsts[srv_choose(&answer, random)]++;
	assert_int_equal(firsts[0], 3001);
	assert_int_equal(firsts[1], 1001);
	assert_int_equal(srv_choose(&none, 0), 0);
	assert_int_equal(srv_choose(&none, 1), 1);
	answer.weights[0] = answer.weights[1] = 65535;
	assert_in_range(srv_choose(&answer, UINT64_MAX), 0, 1);
}

/* Its question needs an event thread, which this program has not: nobody waits in vain. */
static void
a_service_needs_an_event_thread(void **state)
{
	(void)state;
	assert_true(srv_is_service("srv:_http._tcp.both.test"));
	assert_false(srv_is_service("srv.test"));
	assert_null(resolver_cached(resolver, "srv:_http._tcp.both.test"));
	assert_null(resolver_lookup(resolver, "srv:_http._tcp.both.test", NULL, NULL));
	assert_non_null(resolver_cached(resolver, "srv:"));		/* known to be none */
}

static void
lookups_of_one_name_are_one_question(void **state)
{
	struct lookup lookups[LOOKUPS] = { 0 };

	(void)state;
	for (int i = 0; i < LOOKUPS; i++)
		resolver_lookup(resolver, "both.test", told, &lookups[i]);
	run_until_told(&lookups[LOOKUPS - 1]);
	for (int i = 0; i < LOOKUPS; i++) {
		assert_int_equal(lookups[i].called, 1);
		assert_int_equal(lookups[i].answer.count, 5);
	}
	assert_int_equal(record_of("both.test")->asked[0], 1);
	assert_int_equal(record_of("both.test")->asked[1], 1);
}

static void
what_is_called_off_is_not_called(void **state)
{
	struct lookup kept = { 0 }, dropped[3] = { 0 };
	struct resolver_request *requests[3];

	(void)state;
	requests[0] = resolver_lookup(resolver, "both.test", told, &dropped[0]);
	resolver_lookup(resolver, "both.test", told, &kept);
	requests[1] = resolver_lookup(resolver, "both.test", told, &dropped[1]);
	resolver_cancel(resolver, &requests[0]);
	resolver_cancel(resolver, &requests[1]);
	assert_null(requests[0]);
	run_until_told(&kept);
	requests[2] = resolver_lookup(resolver, "both.test", told, &dropped[2]);	/* known already */
	resolver_cancel(resolver, &requests[2]);
	event_base_loop(base, EVLOOP_NONBLOCK);
	for (int i = 0; i < 3; i++)
		assert_int_equal(dropped[i].called, 0);
}

static struct resolver_request *neighbour;

static void
cancel_neighbour(struct lookup *l)
{
	(void)l;
	resolver_cancel(resolver, &neighbour);
}

static void
a_callback_may_call_off_its_neighbour(void **state)
{
	struct lookup first = { .then = cancel_neighbour }, second = { 0 }, third = { 0 };

	(void)state;
	resolver_lookup(resolver, "both.test", told, &first);
	neighbour = resolver_lookup(resolver, "both.test", told, &second);
	resolver_lookup(resolver, "both.test", told, &third);
	run_until_told(&third);
	assert_int_equal(first.called, 1);
	assert_int_equal(second.called, 0);
	first = (struct lookup){ .then = cancel_neighbour };		/* the last in the queue, too */
	resolver_lookup(resolver, "both.test", told, &first);
	neighbour = resolver_lookup(resolver, "both.test", told, &second);
	run_until_told(&first);
	third.called = 0;
	resolver_lookup(resolver, "both.test", told, &third);
	run_until_told(&third);
	assert_int_equal(second.called, 0);
}

static void
ask_again(struct lookup *l)
{
	if (l->called < 5)
		resolver_lookup(resolver, "both.test", told, l);
}

static void
a_callback_may_ask_again(void **state)
{
	struct lookup l = { .then = ask_again };

	(void)state;
	resolver_lookup(resolver, "both.test", told, &l);
	while (l.called < 5)
		event_base_loop(base, EVLOOP_ONCE);
	assert_int_equal(l.answer.count, 5);
}

static void
a_missing_name_is_remembered_for_a_moment(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		const char *name = i == 0 ? "missing.test" : "empty.test";
		const struct lookup *l = look_up(name);

		assert_int_equal(l->answer.count, 0);
		assert_string_equal(l->answer.error, "the name has no address");
		assert_string_equal(cached(name), "the name has no address");
		assert_int_equal(look_up(name)->answer.count, 0);
		assert_int_equal(record_of(name)->asked[0], 1);
		pass(6);
		assert_string_equal(cached(name), "unknown");
	}
}

static void
servers_that_fail_are_an_error_and_no_end(void **state)
{
	(void)state;
	assert_string_equal(look_up("silent.test")->answer.error, "the name servers do not answer");
	assert_non_null(look_up("garbage.test")->answer.error);
	assert_string_equal(look_up("forged.test")->answer.error, "the name servers do not answer");
	assert_string_equal(look_up("cut.test")->answer.error, "the name servers' answer is too long");
	assert_non_null(look_up("broken.test")->answer.error);
	assert_string_equal(look_up("four.test")->text, "10.0.0.1");	/* and others still get theirs */
}

static void
one_family_waits_for_the_other_only_a_moment(void **state)
{
	int64_t began;

	(void)state;
	for (int i = 0; i < 20 && strcmp(look_up("late.test")->text, "fd00::1 10.0.0.1") != 0; i++)
		pass(61);	/* a busy machine let us sleep for longer than a moment */
	assert_string_equal(look_up("late.test")->text, "fd00::1 10.0.0.1");
	began = real_time();
	assert_string_equal(look_up("half.test")->text, "10.0.0.1");
	assert_true(real_time() - began < 550);	/* the timeout is 600 ms */
}

static void
when_servers_fail_the_last_answer_serves_on(void **state)
{
	struct record *record = record_of("fails.test");
	const struct lookup *l;
	int64_t began;

	(void)state;
	assert_string_equal(look_up("fails.test")->text, "fd00::1 10.0.0.1");
	record->four[0] = record->six[0] = SILENT;
	pass(61);
	began = real_time();
	l = look_up("fails.test");
	assert_true(real_time() - began < 550);		/* it is not waited for them long */
	assert_string_equal(l->text, "fd00::1 10.0.0.1");
	assert_true(l->answer.stale);
	assert_string_equal(cached("fails.test"), "fd00::1 10.0.0.1");	/* and not asked for each time */
	pass(30 * 60);
	assert_string_equal(look_up("fails.test")->text, "fd00::1 10.0.0.1");
	pass(31 * 60);
	l = look_up("fails.test");
	assert_string_equal(l->answer.error, "the name servers do not answer");	/* but not for ever */
	record->four[0] = "10.0.0.9";
	record->six[0] = EMPTY;
	pass(6);
	l = look_up("fails.test");
	assert_string_equal(l->text, "10.0.0.9");
	assert_false(l->answer.stale);
	record->four[0] = record->six[0] = NXDOMAIN;
	pass(61);
	l = look_up("fails.test");
	assert_string_equal(l->answer.error, "the name has no address");	/* that is an answer */
	record->four[0] = "10.0.0.1";
	record->six[0] = "fd00::1";
}

static void
what_needs_no_server_asks_none(void **state)
{
	(void)state;
	assert_string_equal(cached("10.2.3.4"), "10.2.3.4");
	assert_string_equal(cached("fd00::7"), "fd00::7");
	assert_string_equal(cached("file.test"), "fd00::11 10.1.1.1");
	assert_string_equal(cached("ALIAS"), "10.1.1.1");
	assert_string_equal(cached("localhost"), "127.0.0.1");		/* as the file says */
	assert_string_equal(cached("app.localhost"), "::1 127.0.0.1");
	assert_string_equal(look_up("alias")->text, "10.1.1.1");
	write_file(hosts_path, "10.1.1.2 alias\n");
	pass(11);
	assert_string_equal(cached("alias"), "10.1.1.2");		/* the file is read again */
	assert_string_equal(cached("localhost"), "::1 127.0.0.1");
	unlink(hosts_path);
	pass(11);
	assert_string_equal(cached("alias"), "unknown");
}

static void
what_is_no_name_is_told_so(void **state)
{
	static const char *const names[] = { "", ".", "a..b", ".a", "with space.test", "semi;colon", "slash/",
		"back\\slash", "a:b", "fd00::zz", "nul\1", "h\xc3\xb6st",
		"a123456789012345678901234567890123456789012345678901234567890123.test" };
	char long_name[300];

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_string_equal(cached(names[i]), "it is not a host name");
	for (size_t i = 0; i < sizeof(long_name); i++)
		long_name[i] = i % 2 == 0 ? 'a' : '.';
	long_name[254] = '\0';		/* with its last dot: 253 and a dot */
	assert_string_equal(cached(long_name), "unknown");
	long_name[254] = '.';
	long_name[255] = 'a';
	long_name[256] = '\0';
	assert_string_equal(cached(long_name), "it is not a host name");
	assert_string_equal(look_up("a..b")->answer.error, "it is not a host name");
}

static void
resolv_conf_is_read_again(void **state)
{
	(void)state;
	write_resolv_conf(other);
	pass(11);
	assert_string_equal(look_up("moves.test")->answer.error, "the name servers do not answer");
	write_resolv_conf(server);
	pass(11);
	assert_string_equal(look_up("moves.test")->text, "10.0.0.1");
}

static void
given_servers_come_before_resolv_conf(void **state)
{
	struct weir_address address = { .host = "127.0.0.1", .length = sizeof(address.socket.in) };
	struct weir_list list = { &address, 1 };

	(void)state;
	resolver_free(&resolver);
	address.socket.in = (struct sockaddr_in){ .sin_family = AF_INET,
		.sin_port = htons((uint16_t)port_of(server)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	resolver = resolver_new_with(base, &list, hosts_path, "/nowhere");
	assert_string_equal(look_up("four.test")->text, "10.0.0.1");
}

static void
without_any_file_it_still_starts(void **state)
{
	(void)state;
	resolver_free(&resolver);
	resolver = resolver_new_with(base, NULL, "/nowhere", "/nowhere");
	assert_non_null(resolver);
	assert_string_equal(cached("localhost"), "::1 127.0.0.1");
}

static void
the_number_of_names_is_bounded(void **state)
{
	struct lookup pending = { 0 };
	char name[32];

	(void)state;
	/* The oldest, but in use. */
	assert_non_null(resolver_lookup(resolver, "silent.test", told, &pending));
	for (int i = 0; i < RESOLVER_ENTRIES * 2; i++) {
		snprintf(name, sizeof(name), "10.%d.%d.%d", i >> 16, i >> 8 & 255, i & 255);
		assert_string_equal(cached(name), name);
	}
	run_until_told(&pending);
	assert_int_equal(pending.answer.count, 0);
}

static void
it_may_end_with_questions_open(void **state)
{
	static struct lookup l[3];
	struct resolver_request *held;

	(void)state;
	resolver_lookup(resolver, "silent.test", told, &l[0]);
	held = resolver_lookup(resolver, "both.test", told, &l[1]);
	resolver_lookup(resolver, "localhost", told, &l[2]);
	assert_non_null(held);
	resolver_free(&resolver);
	assert_null(resolver);
	for (int i = 0; i < 3; i++)
		assert_int_equal(l[i].called, 0);
}

static int
make_folder(void **state)
{
	(void)state;
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(hosts_path, sizeof(hosts_path), "%s/hosts", folder);
	snprintf(resolv_path, sizeof(resolv_path), "%s/resolv.conf", folder);
	return 0;
}

static int
remove_folder(void **state)
{
	(void)state;
	unlink(hosts_path);
	unlink(resolv_path);
	return rmdir(folder);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(both_families_come_in_turn, start, end),
		cmocka_unit_test_setup_teardown(an_answer_is_bounded, start, end),
		cmocka_unit_test_setup_teardown(an_answer_holds_as_long_as_its_time, start, end),
		cmocka_unit_test_setup_teardown(times_are_bounded, start, end),
		cmocka_unit_test_setup_teardown(a_name_in_use_is_asked_for_beforehand, start, end),
		cmocka_unit_test_setup_teardown(a_service_draws_by_weight, start, end),
		cmocka_unit_test_setup_teardown(a_service_needs_an_event_thread, start, end),
		cmocka_unit_test_setup_teardown(the_address_that_won_comes_first, start, end),
		cmocka_unit_test_setup_teardown(lookups_of_one_name_are_one_question, start, end),
		cmocka_unit_test_setup_teardown(what_is_called_off_is_not_called, start, end),
		cmocka_unit_test_setup_teardown(a_callback_may_call_off_its_neighbour, start, end),
		cmocka_unit_test_setup_teardown(a_callback_may_ask_again, start, end),
		cmocka_unit_test_setup_teardown(a_missing_name_is_remembered_for_a_moment, start, end),
		cmocka_unit_test_setup_teardown(servers_that_fail_are_an_error_and_no_end, start, end),
		cmocka_unit_test_setup_teardown(one_family_waits_for_the_other_only_a_moment, start, end),
		cmocka_unit_test_setup_teardown(when_servers_fail_the_last_answer_serves_on, start, end),
		cmocka_unit_test_setup_teardown(what_needs_no_server_asks_none, start, end),
		cmocka_unit_test_setup_teardown(what_is_no_name_is_told_so, start, end),
		cmocka_unit_test_setup_teardown(resolv_conf_is_read_again, start, end),
		cmocka_unit_test_setup_teardown(given_servers_come_before_resolv_conf, start, end),
		cmocka_unit_test_setup_teardown(without_any_file_it_still_starts, start, end),
		cmocka_unit_test_setup_teardown(the_number_of_names_is_bounded, start, end),
		cmocka_unit_test_setup_teardown(it_may_end_with_questions_open, start, end),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
