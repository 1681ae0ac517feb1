/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dns: one question to the name servers, by libevent's evdns.
 *
 * evdns tells an answer by a deferred callback, which nothing can call off: hence the rule that the base must
 * not run after dns_free. A name server that refuses or is silent is asked less, but always when there is no
 * other.
 */
#include "dns.h"

#include <event2/dns.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <weir/module.h>

#include "log.h"

struct dns {
	struct evdns_base *base;
	const char *resolv_conf;	/* NULL: the servers were given */
	struct timespec changed;	/* of resolv.conf */
};

/* Six seconds until a silent server is given up; "options" of resolv.conf overrule the first two. */
static const char *const options[][2] = {
	{ "timeout:", "2" },
	{ "attempts:", "3" },
	{ "max-inflight:", "256" },
	{ "initial-probe-timeout:", "2" },
	{ "randomize-case:", "1" },
};

static bool
use_given(struct dns *dns, const struct weir_list *servers)
{
	const struct weir_address *list = servers->items;
	unsigned good = 0;

	for (size_t i = 0; i < servers->count; i++) {
		struct weir_address server = list[i];

		if (server.length == 0 || server.socket.any.sa_family == AF_UNIX)
			continue;
		if (server.socket.any.sa_family == AF_INET && server.socket.in.sin_port == 0)
			server.socket.in.sin_port = htons(53);
		if (server.socket.any.sa_family == AF_INET6 && server.socket.in6.sin6_port == 0)
			server.socket.in6.sin6_port = htons(53);
		if (evdns_base_nameserver_sockaddr_add(dns->base, &server.socket.any, server.length, 0) == 0)
			good++;
		else
			weir_log(WEIR_LOG_WARNING, "name server %s cannot be used", list[i].host);
	}
	return good > 0;
}

/* Where the file is missing or names no server, evdns takes 127.0.0.1. */
static void
use_file(struct dns *dns)
{
	struct stat status;

	if (stat(dns->resolv_conf, &status) == 0)
		dns->changed = status.st_mtim;
	evdns_base_resolv_conf_parse(dns->base, DNS_OPTION_NAMESERVERS | DNS_OPTION_MISC, dns->resolv_conf);
}

void
dns_refresh(struct dns *dns)
{
	struct stat status;

	if (dns->resolv_conf == NULL || stat(dns->resolv_conf, &status) != 0)
		return;
	if (memcmp(&status.st_mtim, &dns->changed, sizeof(dns->changed)) == 0)
		return;
	evdns_base_clear_nameservers_and_suspend(dns->base);
	use_file(dns);
	evdns_base_resume(dns->base);
}

struct dns *
dns_new(struct event_base *base, const struct weir_list *servers, const char *resolv_conf)
{
	struct dns *dns = calloc(1, sizeof(*dns));

	if (dns == NULL || (dns->base = evdns_base_new(base, 0)) == NULL) {
		free(dns);
		return NULL;
	}
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		evdns_base_set_option(dns->base, options[i][0], options[i][1]);
	if (servers == NULL || servers->count == 0 || !use_given(dns, servers)) {
		dns->resolv_conf = resolv_conf;
		use_file(dns);
	}
	return dns;
}

void
dns_free(struct dns **dns)
{
	if (*dns == NULL)
		return;
	evdns_base_free((*dns)->base, 0);
	free(*dns);
	*dns = NULL;
}

static void
take_addresses(struct dns_question *q, char type, int count, const void *addresses)
{
	for (int i = 0; i < count && q->count < RESOLVER_ADDRESSES; i++) {
		struct resolver_address *a = &q->addresses[q->count++];

		*a = (struct resolver_address){ 0 };
		if (type == DNS_IPv4_A) {
			a->in.sin_family = AF_INET;
			a->length = sizeof(a->in);
			memcpy(&a->in.sin_addr, (const char *)addresses + i * 4, 4);
		} else {
			a->in6.sin6_family = AF_INET6;
			a->length = sizeof(a->in6);
			memcpy(&a->in6.sin6_addr, (const char *)addresses + i * 16, 16);
		}
	}
}

static void
answered(int result, char type, int count, int ttl, void *addresses, void *argument)
{
	struct dns_question *q = argument;

	q->count = 0;
	q->ttl = ttl;
	if (result == DNS_ERR_NONE && (type == DNS_IPv4_A || type == DNS_IPv6_AAAA))
		take_addresses(q, type, count, addresses);
	if (q->count > 0)
		q->result = DNS_FOUND;
	else if (result == DNS_ERR_NONE || result == DNS_ERR_NOTEXIST || result == DNS_ERR_NODATA)
		q->result = DNS_MISSING;
	else if (result == DNS_ERR_TIMEOUT)
		q->result = DNS_NO_ANSWER;
	else
		q->result = result == DNS_ERR_TRUNCATED ? DNS_TRUNCATED : DNS_BROKEN;
	q->answered(q);
}

bool
dns_ask(struct dns *dns, const char *name, struct dns_question *q)
{
	q->count = 0;
	if (q->family == AF_INET)
		return evdns_base_resolve_ipv4(dns->base, name, DNS_QUERY_NO_SEARCH, answered, q) != NULL;
	return evdns_base_resolve_ipv6(dns->base, name, DNS_QUERY_NO_SEARCH, answered, q) != NULL;
}
