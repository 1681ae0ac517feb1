/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_connect: what a client writes to the proxy, its target and its credentials: what is understood means the same when it is
 * written and read again, and nothing that is no target of the operator's is allowed.
 */
#include "allow.h"
#include "users.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define must(condition) ((condition) ? (void)0 : abort())

static struct connect_pattern patterns[] = {
	{ .host = "a.example", .length = 9 },
	{ .host = "b.example", .length = 9, .below = true, .port = 8443 },
	{ .host = "2001:db8::1", .length = 11 },
};
static struct connect_patterns line = { patterns, 3 };
static uint16_t ports[] = { 443 };
static struct connect_ports port_line = { ports, 1 };

static void
check_target(const char *authority)
{
	const struct weir_list allow = { &line, 1 }, allowed_ports = { &port_line, 1 };
	struct connect_target target, again;
	char text[300];

	if (!connect_take_target(&target, authority, 80))
		return;
	must(target.address.port > 0 && strlen(target.host) > 0 && target.address.host == target.host);
	snprintf(text, sizeof(text), strchr(target.host, ':') != NULL ? "[%s]:%u" : "%s:%u", target.host, target.address.port);
	must(connect_take_target(&again, text, 80));
	must(strcmp(again.host, target.host) == 0);
	must(again.address.port == target.address.port && again.address.length == target.address.length);
	if (!connect_allows(&allow, &allowed_ports, &target))
		return;
	must(target.address.port == 443 || target.address.port == 8443);
	must(strcmp(target.host, "a.example") == 0 || strcmp(target.host, "2001:db8::1") == 0
		|| strstr(target.host, ".b.example") != NULL);
}

static void
check_credentials(const char *field)
{
	struct connect_user user, other;

	memset(&other, 'x', sizeof(other));
	if (!connect_take_credentials(field, &user))
		return;
	must(strchr(user.text, ':') != NULL && user.text[sizeof(user.text) - 1] == '\0');
	must(connect_knows(&user, 1, &user) && !connect_knows(&other, 1, &user) && !connect_knows(NULL, 0, &user));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	must(text != NULL);
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	check_target(text);
	check_credentials(text);
	free(text);
	return 0;
}
