/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_exchange: see the header. The functions stand in the order of the contract's headers.
 *
 * struct weir_build and struct weir_connection are opaque to modules, so here both are the exchange itself
 * under another name.
 */
#include "fake_exchange.h"

#include <arpa/inet.h>
#include <assert.h>
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <weir/thread.h>

struct weir_template {
	const char *text;
};

/* --- memory -------------------------------------------------------------------------------------------- */

static void *
take(struct weir_exchange *x, size_t size)
{
	void **piece = calloc(1, sizeof(void *) * 2 + size);

	assert(piece != NULL);
	piece[0] = x->memory;
	x->memory = piece;
	return piece + 2;
}

static char *
print(struct weir_exchange *x, const char *format, va_list arguments)
{
	va_list again;
	char *text;
	int length;

	va_copy(again, arguments);
	length = vsnprintf(NULL, 0, format, again);
	va_end(again);
	assert(length >= 0);
	text = take(x, (size_t)length + 1);
	vsnprintf(text, (size_t)length + 1, format, arguments);
	return text;
}

#define PRINT(x, format, text) \
	do { \
		va_list arguments; \
		va_start(arguments, format); \
		(text) = print(x, format, arguments); \
		va_end(arguments); \
	} while (0)

static struct weir_exchange *
of_build(struct weir_build *build)
{
	return (struct weir_exchange *)build;
}

static struct weir_build *
as_build(struct weir_exchange *x)
{
	return (struct weir_build *)x;
}

/* --- weir/build.h -------------------------------------------------------------------------------------- */

void *
weir_build_alloc(struct weir_build *build, size_t count, size_t size)
{
	return take(of_build(build), count * size);
}

const char *
weir_build_printf(struct weir_build *build, const char *format, ...)
{
	const char *text;

	PRINT(of_build(build), format, text);
	return text;
}

void
weir_build_error(struct weir_build *build, const char *format, ...)
{
	PRINT(of_build(build), format, of_build(build)->error);
}

void
weir_build_warning(struct weir_build *build, const char *format, ...)
{
	PRINT(of_build(build), format, of_build(build)->warning);
}

const struct weir_template *
weir_build_template(struct weir_build *build, const char *text)
{
	struct weir_template *template;

	if (strstr(text, "${nonsense}") != NULL) {
		weir_build_error(build, "unknown variable `nonsense`");
		return NULL;
	}
	template = weir_build_alloc(build, 1, sizeof(*template));
	template->text = weir_build_printf(build, "%s", text);
	return template;
}

const struct weir_identity *
weir_build_identity(struct weir_build *build, const char *certificate, const char *key, const char *staple)
{
	struct weir_identity *identity = weir_build_alloc(build, 1, sizeof(*identity));

	*identity = (struct weir_identity){ certificate, key, staple };
	return identity;
}

const struct weir_trust *
weir_build_trust(struct weir_build *build, const char *authorities, const char *revocations)
{
	struct weir_trust *trust = weir_build_alloc(build, 1, sizeof(*trust));

	*trust = (struct weir_trust){ authorities, revocations };
	return trust;
}

bool
weir_parse_network(const char *text, struct weir_network *network, const char **why)
{
	char address[64];
	const char *slash = strchr(text, '/');
	size_t length = slash == NULL ? strlen(text) : (size_t)(slash - text);
	int most;

	memset(network, 0, sizeof(*network));
	*why = "not an address range";
	if (strcmp(text, "all") == 0 || strcmp(text, "unix") == 0) {
		network->family = *text == 'u' ? AF_UNIX : AF_UNSPEC;
		return true;
	}
	if (length >= sizeof(address))
		return false;
	snprintf(address, sizeof(address), "%.*s", (int)length, text);
	network->family = strchr(address, ':') == NULL ? AF_INET : AF_INET6;
	most = network->family == AF_INET ? 32 : 128;
	if (inet_pton(network->family, address, network->bytes) != 1)
		return false;
	network->bits = (uint8_t)(slash == NULL ? most : atoi(slash + 1));
	return network->bits <= most;
}

/* --- weir/exchange.h: memory and states ---------------------------------------------------------------- */

void *
weir_alloc(struct weir_exchange *x, size_t size)
{
	return memset(take(x, size), 0xa5, size);
}

char *
weir_copy(struct weir_exchange *x, const char *text, size_t length)
{
	return memcpy(take(x, length + 1), text, length);
}

char *
weir_printf(struct weir_exchange *x, const char *format, ...)
{
	char *text;

	PRINT(x, format, text);
	return text;
}

void *
weir_request_state(struct weir_exchange *x)
{
	return x->state;
}

/* --- the request --------------------------------------------------------------------------------------- */

const char *
weir_method(struct weir_exchange *x)
{
	return x->method;
}

const char *
weir_scheme(struct weir_exchange *x)
{
	return x->scheme;
}

const char *
weir_host(struct weir_exchange *x)
{
	return x->host;
}

const char *
weir_authority(struct weir_exchange *x)
{
	return x->authority;
}

const char *
weir_path(struct weir_exchange *x)
{
	return x->path;
}

const char *
weir_query(struct weir_exchange *x)
{
	return x->query;
}

const char *
weir_target(struct weir_exchange *x)
{
	return x->query == NULL ? x->path : weir_printf(x, "%s?%s", x->path, x->query);
}

const char *
weir_original_target(struct weir_exchange *x)
{
	return weir_target(x);
}

int
weir_version(struct weir_exchange *x)
{
	return x->version;
}

int
weir_response_version(struct weir_exchange *x)
{
	return x->response_version;
}

void
weir_set_authority(struct weir_exchange *x, const char *authority)
{
	const char *bracket = strrchr(authority, ']'), *colon = strrchr(authority, ':');
	size_t length = colon != NULL && colon > bracket ? (size_t)(colon - authority) : strlen(authority);

	x->refused |= authority[strcspn(authority, " \t\r\n/\\@?#,;\"")] != '\0';
	x->authority = weir_copy(x, authority, strlen(authority));
	x->host = weir_copy(x, authority, length);
}

void
weir_set_scheme(struct weir_exchange *x, const char *scheme)
{
	assert(strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0);
	x->scheme = scheme;
}

/* --- fields -------------------------------------------------------------------------------------------- */

bool
weir_field_next(struct weir_exchange *x, enum weir_message message, unsigned *position, const char **name,
	const char **value)
{
	if (*position >= x->count[message])
		return false;
	*name = x->fields[message][*position].name;
	*value = x->fields[message][*position].value;
	++*position;
	return true;
}

const char *
weir_field_next_named(struct weir_exchange *x, enum weir_message message, const char *wanted,
	unsigned *position)
{
	const char *name, *value;

	while (weir_field_next(x, message, position, &name, &value))
		if (strcasecmp(name, wanted) == 0)
			return value;
	return NULL;
}

const char *
weir_field(struct weir_exchange *x, enum weir_message message, const char *name)
{
	unsigned position = 0;

	return weir_field_next_named(x, message, name, &position);
}

static bool
may_set(struct weir_exchange *x, const char *name, const char *value)
{
	static const char *const framing[] = { "Connection", "Content-Length", "Transfer-Encoding", "Upgrade",
		"Keep-Alive", NULL };
	bool good = true;

	if (value == NULL)
		return false;
	for (unsigned i = 0; framing[i] != NULL; i++)
		if (strcasecmp(framing[i], name) == 0) {
			x->framing = true;
			return false;
		}
	for (const char *at = value; good && *at != '\0'; at++)
		good = *at == '\t' || !iscntrl((unsigned char)*at);
	x->refused |= !good;
	return good;
}

void
weir_add_field(struct weir_exchange *x, enum weir_message message, const char *name, const char *value)
{
	struct fake_field *field = &x->fields[message][x->count[message]];

	if (!may_set(x, name, value))
		return;
	assert(x->count[message] < FAKE_FIELDS);
	x->count[message]++;
	*field = (struct fake_field){ name, weir_copy(x, value, strlen(value)) };
}

void
weir_remove_field(struct weir_exchange *x, enum weir_message message, const char *name)
{
	unsigned kept = 0;

	if (!may_set(x, name, ""))
		return;
	for (unsigned i = 0; i < x->count[message]; i++)
		if (strcasecmp(x->fields[message][i].name, name) != 0)
			x->fields[message][kept++] = x->fields[message][i];
	x->count[message] = kept;
}

static bool
is_listed(const char *name, const char *const *names)
{
	for (; *names != NULL; names++) {
		size_t length = strlen(*names), i = 0;
		bool prefix = (*names)[length - 1] == '-';

		while (i < length && tolower((unsigned char)(name[i] == '_' ? '-' : name[i])) == (*names)[i])
			i++;
		if (i == length && (prefix || name[i] == '\0'))
			return true;
	}
	return false;
}

void
weir_remove_fields(struct weir_exchange *x, enum weir_message message, const char *const *names)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < x->count[message]; i++)
		if (!is_listed(x->fields[message][i].name, names))
			x->fields[message][kept++] = x->fields[message][i];
	x->count[message] = kept;
}

void
weir_set_field(struct weir_exchange *x, enum weir_message message, const char *name, const char *value)
{
	if (!may_set(x, name, value))
		return;
	weir_remove_field(x, message, name);
	weir_add_field(x, message, name, value);
}

/* --- the response -------------------------------------------------------------------------------------- */

int
weir_status(struct weir_exchange *x)
{
	return x->status;
}

void
weir_respond(struct weir_exchange *x, int status, const char *type, const char *body, size_t length)
{
	x->status = status;
	x->type = type;
	x->body = body;
	x->body_length = length;
	x->count[WEIR_RESPONSE] = 0;
}

void
weir_fail(struct weir_exchange *x, int status, const char *format, ...)
{
	x->failure_status = status;
	PRINT(x, format, x->failure);
}

/* --- peers and tunnels --------------------------------------------------------------------------------- */

const char *
weir_target_scheme(struct weir_exchange *x)
{
	return x->target_scheme;
}

struct weir_peer *
weir_peer(struct weir_exchange *x)
{
	return &x->peer_asked;
}

/* There is one upstream here, the direct one; nobody looks into it. */
const struct weir_upstream *
weir_direct_upstream(struct weir_exchange *x)
{
	return (const struct weir_upstream *)&x->direct;
}

const struct weir_upstream *
weir_upstream(struct weir_exchange *x)
{
	return x->direct ? weir_direct_upstream(x) : NULL;
}

/* Where a test says nothing, the route's settings stand for those of the upstream. */
const void *
weir_upstream_settings(struct weir_exchange *x)
{
	return x->upstream_settings != NULL ? x->upstream_settings : x->settings;
}

void
weir_choose_upstream(struct weir_exchange *x, const struct weir_upstream *upstream)
{
	x->direct = upstream == weir_direct_upstream(x);
}

void
weir_tunnel(struct weir_exchange *x, const struct weir_tunnel *tunnel)
{
	x->tunnels = true;
	x->tunnel = *tunnel;
}

/* --- around it ----------------------------------------------------------------------------------------- */

struct weir_connection *
weir_exchange_connection(struct weir_exchange *x)
{
	return (struct weir_connection *)x;
}

const struct sockaddr *
weir_client_address(struct weir_exchange *x)
{
	return (const struct sockaddr *)&x->client;
}

const struct sockaddr *
weir_peer_address(struct weir_exchange *x)
{
	return (const struct sockaddr *)&x->peer;
}

const struct sockaddr *
weir_connection_address(struct weir_connection *connection)
{
	return weir_peer_address((struct weir_exchange *)connection);
}

void *
weir_connection_state(struct weir_exchange *x)
{
	return x->connection_state;
}

const struct sockaddr *
weir_connection_local(struct weir_connection *connection)
{
	return (const struct sockaddr *)&((struct weir_exchange *)connection)->local;
}

const char *
weir_connection_listener(struct weir_connection *connection)
{
	(void)connection;
	return "fake";
}

static void
copy_address(struct sockaddr_storage *to, const struct sockaddr *address)
{
	size_t size = address->sa_family == AF_INET ? sizeof(struct sockaddr_in)
		: address->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(sa_family_t);

	memset(to, 0, sizeof(*to));
	memcpy(to, address, size);
}

bool
weir_connection_set_address(struct weir_connection *connection, const struct sockaddr *address)
{
	struct weir_exchange *x = (struct weir_exchange *)connection;

	copy_address(&x->peer, address);
	copy_address(&x->client, address);
	return !x->crowded;
}

void
weir_connection_set_local(struct weir_connection *connection, const struct sockaddr *address)
{
	copy_address(&((struct weir_exchange *)connection)->local, address);
}

/* A copy, so that a sanitizer sees what reads past its end. */
const char *
weir_connection_peek(struct weir_connection *connection, size_t *length)
{
	struct weir_exchange *x = (struct weir_exchange *)connection;
	char *copy;

	*length = x->received_length - x->skipped;
	if (*length == 0)
		return NULL;
	copy = take(x, *length);
	memcpy(copy, x->received + x->skipped, *length);
	return copy;
}

void
weir_connection_skip(struct weir_connection *connection, size_t length)
{
	struct weir_exchange *x = (struct weir_exchange *)connection;

	assert(length <= x->received_length - x->skipped);
	x->skipped += length;
}

void
weir_set_client_address(struct weir_exchange *x, const struct sockaddr *address)
{
	copy_address(&x->client, address);
}

/* The address in network order, and its family; a mapped one is IPv4. */
static const uint8_t *
bytes_of(const struct sockaddr *address, sa_family_t *family)
{
	const uint8_t *bytes;

	*family = address->sa_family;
	if (*family == AF_INET)
		return (const uint8_t *)&((const struct sockaddr_in *)address)->sin_addr;
	if (*family != AF_INET6)
		return NULL;
	bytes = ((const struct sockaddr_in6 *)address)->sin6_addr.s6_addr;
	if (!IN6_IS_ADDR_V4MAPPED(&((const struct sockaddr_in6 *)address)->sin6_addr))
		return bytes;
	*family = AF_INET;
	return bytes + 12;
}

const char *
weir_address_text(const struct sockaddr *address, char to[64])
{
	sa_family_t family;
	const uint8_t *bytes = bytes_of(address, &family);

	if (bytes == NULL)
		return strcpy(to, "unix:");
	return inet_ntop(family, bytes, to, 64);
}

bool
weir_network_contains(const struct weir_network *network, const struct sockaddr *address)
{
	sa_family_t family;
	const uint8_t *bytes = bytes_of(address, &family);

	if (network->family == AF_UNSPEC)
		return true;
	if (network->family != family)
		return false;
	for (unsigned bit = 0; bit < network->bits; bit++)
		if (((bytes[bit / 8] ^ network->bytes[bit / 8]) & 0x80 >> bit % 8) != 0)
			return false;
	return true;
}

/* The value of "host" or "request.NAME"; NULL when there is none. */
static const char *
variable(struct weir_exchange *x, const char *name)
{
	if (strncmp(name, "request.", 8) == 0)
		return weir_field(x, WEIR_REQUEST, name + 8);
	if (strncmp(name, "response.", 9) == 0)
		return weir_field(x, WEIR_RESPONSE, name + 9);
	return strcmp(name, "method") == 0 ? x->method : strcmp(name, "scheme") == 0 ? x->scheme
		: strcmp(name, "host") == 0 ? x->host : strcmp(name, "path") == 0 ? x->path
		: strcmp(name, "query") == 0 ? x->query : strcmp(name, "target") == 0 ? weir_target(x) : NULL;
}

const char *
weir_expand(struct weir_exchange *x, const struct weir_template *template)
{
	const char *at = template->text, *open, *close, *value, *text = "";

	while ((open = strstr(at, "${")) != NULL && (close = strchr(open, '}')) != NULL) {
		value = variable(x, weir_copy(x, open + 2, (size_t)(close - open - 2)));
		text = weir_printf(x, "%s%.*s%s", text, (int)(open - at), at, value == NULL ? "-" : value);
		at = close + 1;
	}
	return weir_printf(x, "%s%s", text, at);
}

void
weir_count(struct weir_exchange *x, unsigned metric, int64_t amount)
{
	x->metrics[metric] += amount;
}

void
weir_connection_count(struct weir_connection *connection, unsigned metric, int64_t amount)
{
	weir_count((struct weir_exchange *)connection, metric, amount);
}

/* The same numbers in each run. */
uint64_t
weir_random(void)
{
	static uint64_t number;

	return (number += 0x9e3779b97f4a7c15u) * 0xbf58476d1ce4e5b9u;
}

/* --- for the tests ------------------------------------------------------------------------------------- */

static const char *
read_bool(const char *text, void *value)
{
	if (strcmp(text, "yes") != 0 && strcmp(text, "no") != 0)
		return "not yes or no";
	*(bool *)value = *text == 'y';
	return NULL;
}

static const char *
read_integer(const struct weir_option *option, const char *text, void *value)
{
	char *end;
	long long number = strtoll(text, &end, 10);

	if (*text == '\0' || *end != '\0' || number < option->min ||
	    (option->max != 0 && number > option->max))
		return "not a number in the range";
	*(int64_t *)value = number;
	return NULL;
}

static const char *
read_choice(const struct weir_option *option, const char *text, void *value)
{
	for (int i = 0; option->choices[i] != NULL; i++)
		if (strcmp(option->choices[i], text) == 0) {
			*(int *)value = i;
			return NULL;
		}
	return "not one of the choices";
}

static const int64_t scales_of_size[] = { 1, 1 << 10, 1 << 20, 1 << 30 };
static const int64_t scales_of_time[] = { 1, 1000, 60000, 3600000, 86400000 };

/* A number with one letter behind it, or none; milliseconds are "ms" or nothing. */
static const char *
read_scaled(const char *text, const char *letters, const int64_t *scales, void *value)
{
	char *end;
	int64_t number = strtoll(text, &end, 10);
	const char *letter = *end == '\0' || strcmp(end, "ms") == 0 ? NULL : strchr(letters, *end);

	if (end == text || number < 0 || (letter == NULL && *end != '\0' && strcmp(end, "ms") != 0)
		|| (letter != NULL && end[1] != '\0'))
		return "not a number with its unit";
	*(int64_t *)value = number * scales[letter == NULL ? 0 : letter - letters + 1];
	return NULL;
}

static const char *
read_value(struct weir_exchange *x, const struct weir_option *option, const char *text, void *value)
{
	const char *why = NULL;

	switch (option->type) {
	case WEIR_BOOL:
		return read_bool(text, value);
	case WEIR_INTEGER:
		return read_integer(option, text, value);
	case WEIR_SIZE:
		return read_scaled(text, "KMG", scales_of_size, value);
	case WEIR_DURATION:
		return read_scaled(text, "smhd", scales_of_time, value);
	case WEIR_CHOICE:
		return read_choice(option, text, value);
	case WEIR_NETWORK:
		return weir_parse_network(text, value, &why) ? NULL : why;
	case WEIR_TEMPLATE:
		*(const struct weir_template **)value = weir_build_template(as_build(x), text);
		return *(void **)value == NULL ? x->error : NULL;
	case WEIR_CUSTOM:
		return option->parse(as_build(x), text, value);
	case WEIR_FIELD_NAME:
		if (*text == '\0' || text[strcspn(text, " :\t,;\"")] != '\0')
			return "not a field name";
		break;
	case WEIR_TEXT:
	case WEIR_PATH:
		break;
	default:
		assert(!"the fake reads no option of this type");
	}
	*(const char **)value = weir_copy(x, text, strlen(text));
	return NULL;
}

static size_t
size_of(const struct weir_option *option)
{
	static const size_t sizes[] = {
		[WEIR_TEXT] = sizeof(char *), [WEIR_BOOL] = sizeof(bool), [WEIR_INTEGER] = sizeof(int64_t),
		[WEIR_CHOICE] = sizeof(int), [WEIR_FIELD_NAME] = sizeof(char *), [WEIR_PATH] = sizeof(char *),
		[WEIR_TEMPLATE] = sizeof(void *), [WEIR_NETWORK] = sizeof(struct weir_network),
		[WEIR_SIZE] = sizeof(uint64_t), [WEIR_DURATION] = sizeof(int64_t), [WEIR_CUSTOM] = 0
	};

	return option->type == WEIR_CUSTOM ? option->size : sizes[option->type];
}

const char *
fake_option(struct weir_exchange *x, const char *name, const char *value)
{
	const struct weir_option *option = x->module->options;
	char *at;
	struct weir_list *list;
	void *items;

	while (option->name != NULL && strcmp(option->name, name) != 0)
		option++;
	if (option->name == NULL)
		return "no such option";
	at = (char *)x->settings + option->offset;
	if (!option->repeat)
		return read_value(x, option, value, at);
	list = (struct weir_list *)(void *)at;
	items = take(x, (list->count + 1) * size_of(option));
	if (list->count > 0)
		memcpy(items, list->items, list->count * size_of(option));
	list->items = items;
	return read_value(x, option, value, (char *)items + list->count++ * size_of(option));
}

const char *
fake_check(struct weir_exchange *x)
{
	x->error = x->warning = NULL;
	if (x->module->check != NULL)
		x->module->check(as_build(x), x->settings);
	return x->error;
}

static void
read_address(const char *text, struct sockaddr_storage *address)
{
	struct weir_network network;
	const char *why;

	memset(address, 0, sizeof(*address));
	address->ss_family = AF_UNIX;
	if (strcmp(text, "unix:") == 0)
		return;
	if (!weir_parse_network(text, &network, &why))
		assert(!"not an address");
	address->ss_family = network.family;
	if (network.family == AF_INET)
		memcpy(&((struct sockaddr_in *)address)->sin_addr, network.bytes, 4);
	else
		memcpy(&((struct sockaddr_in6 *)address)->sin6_addr, network.bytes, 16);
}

void
fake_peer(struct weir_exchange *x, const char *address)
{
	read_address(address, &x->peer);
	x->client = x->peer;
}

void
fake_target(struct weir_exchange *x, const char *authority, const char *path, const char *query)
{
	weir_set_authority(x, authority);
	x->path = path;
	x->query = query;
}

void
fake_next_request(struct weir_exchange *x)
{
	memset(x->count, 0, sizeof(x->count));
	x->state = take(x, x->module->request_size);
	x->client = x->peer;
	x->method = "GET";
	x->scheme = "http";
	x->version = x->response_version = 11;
	x->status = x->failure_status = 0;
	x->type = x->body = x->failure = NULL;
	x->refused = x->framing = x->body_taken = x->keeps_going = x->is_errand = false;
	fake_drop_source(x);
	fake_target(x, "example.com", "/", NULL);
}

char fake_logged[512];

void
weir_log(enum weir_level level, const char *format, ...)
{
	va_list arguments;

	(void)level;
	va_start(arguments, format);
	vsnprintf(fake_logged, sizeof(fake_logged), format, arguments);
	va_end(arguments);
}

struct weir_exchange *
fake_new(const struct weir_module *module)
{
	struct weir_exchange *x = calloc(1, sizeof(*x));

	assert(x != NULL);
	x->module = module;
	x->settings = take(x, module->settings_size);
	x->connection_state = take(x, module->connection_size);
	for (const struct weir_option *option = module->options; option->name != NULL; option++)
		if (option->initial != NULL && fake_option(x, option->name, option->initial) != NULL)
			assert(!"the module's default is not a value of its option");
	fake_peer(x, "192.0.2.1");
	fake_next_request(x);
	fake_logged[0] = '\0';
	return x;
}

void
fake_free(struct weir_exchange **x)
{
	void *next;

	fake_drop_source(*x);
	for (void *piece = (*x)->memory; piece != NULL; piece = next) {
		memcpy(&next, piece, sizeof(next));
		free(piece);
	}
	free(*x);
	*x = NULL;
}

enum weir_verdict
fake_run(struct weir_exchange *x, enum weir_phase phase)
{
	const struct weir_module *module = x->module;

	if (module->needed != NULL && !module->needed(x->settings, phase))
		return WEIR_NEXT;
	if (phase == WEIR_PHASE_ACCEPT)
		return module->accept == NULL ? WEIR_NEXT
			: module->accept(weir_exchange_connection(x), x->settings, x->connection_state);
	if (phase == WEIR_PHASE_HANDSHAKE)
		return module->handshake == NULL ? WEIR_NEXT
			: module->handshake(weir_exchange_connection(x), x->settings, x->connection_state);
	return module->hooks[phase] == NULL ? WEIR_NEXT : module->hooks[phase](x, x->settings, x->state);
}

const char *
fake_fields(struct weir_exchange *x, enum weir_message message, const char *name)
{
	const char *value, *all = NULL;
	unsigned position = 0;

	while ((value = weir_field_next_named(x, message, name, &position)) != NULL)
		all = all == NULL ? value : weir_printf(x, "%s | %s", all, value);
	return all;
}
