/* SPDX-License-Identifier: Apache-2.0 */
/*
 * view: the exchange as modules see it (weir/exchange.h).
 *
 * Who asks is x->hook: the core sets it before each call of a hook. Setters that find no memory leave a mark, and the request is
 * answered 503 when the hook has returned.
 */
#include <assert.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "exchange.h"
#include "listener.h"
#include "target.h"
#include "text.h"

/* --- memory and structs ------------------------------------------------------------------------------------------------ */

void *
weir_alloc(struct weir_exchange *x, size_t size)
{
	void *memory = arena_alloc(&x->arena, size);

	x->refused_memory |= memory == NULL;
	return memory;
}

char *
weir_copy(struct weir_exchange *x, const char *text, size_t length)
{
	char *copy = arena_copy(&x->arena, text, length);

	x->refused_memory |= copy == NULL;
	return copy;
}

char *
weir_printf(struct weir_exchange *x, const char *format, ...)
{
	va_list arguments;
	char *text;

	va_start(arguments, format);
	text = arena_vprintf(&x->arena, format, arguments);
	va_end(arguments);
	x->refused_memory |= text == NULL;
	return text;
}

void *
weir_thread_state(struct weir_exchange *x)
{
	return x->hook->module->contract->thread_size == 0 ? NULL : thread_module_state(x->thread, x->hook->module);
}

void *
weir_connection_state(struct weir_exchange *x)
{
	void *state = client_state(x->client, x->hook->module);

	x->refused_memory |= state == NULL && x->hook->module->contract->connection_size > 0;
	return state;
}

void *
weir_generation_state(struct weir_exchange *x)
{
	return x->generation->module_states[x->hook->slot];
}

void *
weir_request_state(struct weir_exchange *x)
{
	return exchange_state(x, x->hook);
}

unsigned
weir_thread_number(struct weir_exchange *x)
{
	return x->thread->public.number;
}

/* --- the request --------------------------------------------------------------------------------------------------------- */

const char *
weir_method(struct weir_exchange *x)
{
	return x->request.method_name;
}

const char *
weir_scheme(struct weir_exchange *x)
{
	return x->scheme;
}

const char *
weir_target_scheme(struct weir_exchange *x)
{
	return x->request.scheme;
}

const char *
weir_host(struct weir_exchange *x)
{
	return x->request.host;
}

const char *
weir_authority(struct weir_exchange *x)
{
	return x->request.authority;
}

const char *
weir_path(struct weir_exchange *x)
{
	return x->request.path;
}

const char *
weir_query(struct weir_exchange *x)
{
	return x->request.query;
}

static const char *
join_target(struct weir_exchange *x, const char *path, const char *query)
{
	const char *target;

	if (x->request.form == TARGET_AUTHORITY)
		return x->request.authority;
	if (query == NULL)
		return path;
	target = weir_printf(x, "%s?%s", path, query);
	return target != NULL ? target : path;
}

const char *
weir_target(struct weir_exchange *x)
{
	return join_target(x, x->request.path, x->request.query);
}

const char *
weir_original_target(struct weir_exchange *x)
{
	return join_target(x, x->first_path, x->first_query);
}

int
weir_version(struct weir_exchange *x)
{
	return 10 + x->request.minor;
}

bool
weir_method_is_idempotent(struct weir_exchange *x)
{
	return method_is_idempotent(x->request.method);
}

bool
weir_method_is_safe(struct weir_exchange *x)
{
	return method_is_safe(x->request.method);
}

void
view_refuse(struct weir_exchange *x, const char *what, const char *why)
{
	if (x->failure == NULL)
		x->failure = arena_printf(&x->arena, "module %s set a bad %s: %s", x->hook->module->name, what, why);
	x->failure_status = 500;
	x->refused_value = true;
}

/* Once a peer is being chosen, route and access have decided about the request as it is. */
static bool
may_rewrite(struct weir_exchange *x)
{
	if (x->phase <= WEIR_PHASE_CACHE)
		return true;
	counter_add(&x->thread->counters, COUNT_FIELD_REFUSED, 1);
	return false;
}

static void
rewritten(struct weir_exchange *x)
{
	x->rewritten = x->phase == WEIR_PHASE_ACCESS || x->phase == WEIR_PHASE_CACHE;
}

void
weir_set_path(struct weir_exchange *x, const char *path)
{
	size_t length = strlen(path);
	const char *why = NULL;
	char *normal;
	bool plain;

	if (!may_rewrite(x))
		return;
	if (path[0] != '/' || length > x->limits.head_size)
		why = "it must begin with '/' and fit a head";
	for (size_t i = 0; why == NULL && i < length; i++)
		if (!text_is((unsigned char)path[i], TEXT_TARGET) || path[i] == '?')
			why = "it has a character that a path cannot have";
	if (why == NULL)
		why = path_check(path, length, &plain);
	normal = why == NULL ? weir_alloc(x, length + 1) : NULL;
	if (normal != NULL)
		why = path_normalise(normal, path, length);
	if (why != NULL) {
		view_refuse(x, "path", why);
		return;
	}
	if (normal == NULL)
		return;
	x->request.path = normal;
	x->request.form = TARGET_ORIGIN;
	rewritten(x);
}

void
weir_set_query(struct weir_exchange *x, const char *query)
{
	char *copy = NULL;

	if (!may_rewrite(x))
		return;
	for (const char *c = query; c != NULL && *c != '\0'; c++)
		if (!text_is((unsigned char)*c, TEXT_TARGET)) {
			view_refuse(x, "query", "it has a character that a query cannot have");
			return;
		}
	if (query != NULL && (copy = weir_copy(x, query, strlen(query))) == NULL)
		return;
	x->request.query = copy;
	rewritten(x);
}

void
weir_set_authority(struct weir_exchange *x, const char *authority)
{
	struct authority parsed;
	const char *why = authority_parse(&parsed, authority, strlen(authority));
	char *copy, *host;

	if (!may_rewrite(x))
		return;
	if (why != NULL) {
		view_refuse(x, "authority", why);
		return;
	}
	copy = weir_copy(x, parsed.text, parsed.length);
	host = weir_copy(x, parsed.text, parsed.host_length);
	if (copy == NULL || host == NULL)
		return;
	for (char *c = copy; *c != '\0'; c++)
		*c = (char)text_lower((unsigned char)*c);
	for (char *c = host; *c != '\0'; c++)
		*c = (char)text_lower((unsigned char)*c);
	x->request.authority = copy;
	x->request.host = host;
	x->request.port = parsed.port;
	x->refused_memory |= !fields_set(&x->request.fields, "Host", 4, copy, parsed.length);
	rewritten(x);
}

/* --- the response
 * ------------------------------------------------------------------------------------------------------------ */

int
weir_status(struct weir_exchange *x)
{
	return x->responded ? x->response.status : 0;
}

void
weir_set_status(struct weir_exchange *x, int status)
{
	if (status < 200 || status > 599) {
		view_refuse(x, "status", "it must be from 200 to 599");
		return;
	}
	if (x->response.status == 101 || x->opened)	/* what follows is no HTTP any more */
		return;
	x->response.status = status;
	x->response.reason = NULL;
}

int
weir_response_version(struct weir_exchange *x)
{
	return x->response_version;
}

void
weir_respond(struct weir_exchange *x, int status, const char *type, const char *body, size_t length)
{
	answer_set(x, status, type, body, length);
	if (status < 200 || status > 599)
		view_refuse(x, "status", "it must be from 200 to 599");
}

void
weir_fail(struct weir_exchange *x, int status, const char *format, ...)
{
	va_list arguments;
	const char *cause;

	va_start(arguments, format);
	cause = arena_vprintf(&x->arena, format, arguments);
	va_end(arguments);
	x->failure = cause != NULL ? cause : "no memory for the cause";
	x->failure_status = status >= 400 && status <= 599 ? status : 500;
}

const char *
weir_failure(struct weir_exchange *x)
{
	return x->failure;
}

void
weir_body_will_change(struct weir_exchange *x, enum weir_message which)
{
	if (which == WEIR_RESPONSE)
		x->download_changes = true;
	else
		x->upload_changes = true;
}

/* --- around it
 * --------------------------------------------------------------------------------------------------------------- */

struct weir_connection *
weir_exchange_connection(struct weir_exchange *x)
{
	return x->client;
}

const struct sockaddr *
weir_client_address(struct weir_exchange *x)
{
	return &x->address.any;
}

const struct sockaddr *
weir_peer_address(struct weir_exchange *x)
{
	return &x->client->address.any;
}

void
weir_set_client_address(struct weir_exchange *x, const struct sockaddr *address)
{
	if (address->sa_family == AF_INET)
		memcpy(&x->address, address, sizeof(x->address.in));
	else if (address->sa_family == AF_INET6)
		memcpy(&x->address, address, sizeof(x->address.in6));
}

void
weir_set_scheme(struct weir_exchange *x, const char *scheme)
{
	if (strcmp(scheme, "http") == 0)
		x->scheme = "http";
	else if (strcmp(scheme, "https") == 0)
		x->scheme = "https";
	else
		view_refuse(x, "scheme", "it must be http or https");
}

const struct sockaddr *
weir_connection_address(struct weir_connection *c)
{
	return &c->address.any;
}

const struct sockaddr *
weir_connection_local(struct weir_connection *c)
{
	static _Thread_local union { struct sockaddr any; struct sockaddr_storage storage; } local;
	socklen_t length = sizeof(local);

	memset(&local, 0, sizeof(local));
	if (c->local != NULL)
		memcpy(&local, c->local, sizeof(*c->local));
	else if (getsockname(c->wire.fd, &local.any, &length) != 0)
		local.any.sa_family = AF_UNSPEC;
	return &local.any;
}

const char *
weir_connection_listener(struct weir_connection *c)
{
	return c->listener != NULL && c->listener->listen != NULL ? c->listener->listen->name : "";
}

const struct weir_route *
weir_route(struct weir_exchange *x)
{
	return x->route;
}

void
weir_choose_route(struct weir_exchange *x, const struct weir_route *route)
{
	if (x->phase == WEIR_PHASE_ROUTE)
		x->route = route;
}

bool
weir_has_body(struct weir_exchange *x)
{
	return x->request.framing != FRAMING_NONE && (x->request.framing != FRAMING_LENGTH || x->request.length > 0);
}

uint64_t
weir_bytes_received(struct weir_exchange *x)
{
	return x->upload.bytes;
}

uint64_t
weir_bytes_sent(struct weir_exchange *x)
{
	return x->left ? 0 : x->download.bytes;	/* whose client has left sent to nobody */
}

uint64_t
weir_elapsed(struct weir_exchange *x)
{
	return exchange_clock() - x->begun;
}

static void
add_metric(struct thread *t, const struct module *m, unsigned metric, int64_t amount)
{
	_Atomic int64_t *cell;

	if (metric >= m->metrics || m->first_metric + metric >= METRIC_CELLS)
		return;
	cell = &t->metrics[m->first_metric + metric];
	atomic_store_explicit(cell, atomic_load_explicit(cell, memory_order_relaxed) + amount, memory_order_relaxed);
}

void
weir_count(struct weir_exchange *x, unsigned metric, int64_t amount)
{
	add_metric(x->thread, x->hook->module, metric, amount);
}

void
weir_connection_count(struct weir_connection *c, unsigned metric, int64_t amount)
{
	add_metric(c->thread, c->hook->module, metric, amount);
}
