/* SPDX-License-Identifier: Apache-2.0 */
/*
 * peer: the origin's side of an exchange as modules see it (weir/peer.h).
 */
#include "exchange.h"

#include <string.h>

#include "tls_client.h"

struct weir_peer *
weir_peer(struct weir_exchange *x)
{
	return &x->peer;
}

const struct weir_upstream *
weir_upstream(struct weir_exchange *x)
{
	return x->upstream_section;
}

const void *
weir_upstream_settings(struct weir_exchange *x)
{
	if (x->upstream_section == NULL)
		return x->generation->module_settings[x->hook->slot];
	return x->upstream_section->module_settings[x->hook->slot];
}

const struct weir_upstream *
weir_direct_upstream(struct weir_exchange *x)
{
	return x->generation->direct;
}

void
weir_choose_upstream(struct weir_exchange *x, const struct weir_upstream *upstream)
{
	if (x->phase > WEIR_PHASE_PEER || upstream == NULL)
		return;
	x->upstream_section = upstream;
	if (x->phase == WEIR_PHASE_PEER)
		origin_reset_peer(x);
}

void
weir_choose_server(struct weir_exchange *x, const struct weir_server *server)
{
	if (x->phase != WEIR_PHASE_PEER)
		return;
	x->server = server;
	x->peer.address = server->address;
	if (x->tried_count < TRIED_MAX && !weir_server_was_tried(x, server))
		x->tried[x->tried_count++] = server;
}

const struct weir_server *
weir_server(struct weir_exchange *x)
{
	return x->server;
}

bool
weir_server_was_tried(struct weir_exchange *x, const struct weir_server *server)
{
	for (unsigned i = 0; i < x->tried_count; i++)
		if (x->tried[i] == server)
			return true;
	return false;
}

unsigned
weir_attempts(struct weir_exchange *x)
{
	return x->attempts;
}

bool
weir_may_retry(struct weir_exchange *x)
{
	return origin_may_retry(x);
}

enum weir_peer_failure
weir_peer_failure(struct weir_exchange *x)
{
	return x->peer_failure;
}

bool
weir_peer_reused(struct weir_exchange *x)
{
	return x->reused;
}

/* --- names ------------------------------------------------------------------------------------------------------------ */

/* The host of an authority: without port and brackets, and without the dot of the root, which no certificate has. */
static const char *
host_of(struct weir_exchange *x, const char *authority)
{
	const char *end = *authority == '[' ? strchr(++authority, ']') : strchr(authority, ':');
	size_t length = end != NULL ? (size_t)(end - authority) : strlen(authority);

	if (length > 1 && authority[length - 1] == '.')
		length--;
	return arena_copy(&x->arena, authority, length);
}

/* The logical host is what TLS is for where no name is set. It must stand in the peer, for it is part of who that is. */
bool
peer_name(struct weir_exchange *x)
{
	struct weir_peer_tls *tls = &x->peer.tls;
	const char *authority = x->peer.host != NULL ? x->peer.host : x->request.authority, *host;

	if (!tls->on || (tls->sni != NULL && tls->verify_name != NULL))
		return true;
	if (tls->sni != NULL && *tls->sni != '\0') {
		tls->verify_name = tls->sni;
		return true;
	}
	host = *authority == '\0' && x->peer.address.host != NULL ? x->peer.address.host : host_of(x, authority);
	if (tls->verify_name == NULL)
		tls->verify_name = host;
	if (tls->sni == NULL)
		tls->sni = host != NULL && tls_client_is_number(host) ? "" : host;
	return host != NULL;
}
