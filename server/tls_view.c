/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_view: what modules see of a client's TLS (weir/tls.h).
 */
#include <weir/tls.h>

#include "certificate.h"
#include "client.h"
#include "generation.h"
#include "greeting.h"
#include "shown.h"
#include "terminate.h"

static const struct shown *
shown_of(const struct weir_connection *c)
{
	return c->termination != NULL ? c->termination->shown : NULL;
}

enum weir_tls_stage
weir_tls_stage(struct weir_connection *c)
{
	return c->termination != NULL ? c->termination->stage : WEIR_TLS_NONE;
}

const char *
weir_tls_name(struct weir_connection *c)
{
	return c->termination != NULL ? c->termination->name : NULL;
}

const char *
weir_tls_section(struct weir_connection *c)
{
	return c->termination != NULL ? c->termination->section : NULL;
}

const void *
weir_tls_settings(struct weir_connection *c)
{
	const struct greeting *g = c->termination != NULL ? c->termination->greeting : NULL;

	return g != NULL && g->certificate != NULL ? g->certificate->module_settings[c->hook->slot] : NULL;
}

const char *
weir_tls_version(struct weir_connection *c)
{
	return c->termination != NULL ? c->termination->version : NULL;
}

const char *
weir_tls_cipher(struct weir_connection *c)
{
	return c->termination != NULL ? c->termination->cipher : NULL;
}

const char *
weir_tls_protocol(struct weir_connection *c)
{
	return c->termination != NULL ? c->termination->protocol : NULL;
}

bool
weir_tls_resumed(struct weir_connection *c)
{
	return c->termination != NULL && c->termination->resumed;
}

bool
weir_tls_ask(struct weir_connection *c, enum weir_ask ask, const struct weir_trust *trust, unsigned depth)
{
	struct greeting *g;

	if (weir_tls_stage(c) != WEIR_TLS_HELLO || (g = c->termination->greeting) == NULL)
		return false;
	trust_drop(&g->trust);
	g->ask = ask;
	g->depth = depth;
	if (trust != NULL)
		g->trust = trust_hold(trust);
	return true;
}

bool
weir_client_stands(struct weir_connection *c, const struct weir_trust *trust, unsigned depth)
{
	struct termination *t = c->termination;
	struct trust_question question = { .client = true, .depth = depth };
	const struct trust_content *now;
	char why[TRUST_WHY];

	if (shown_of(c) == NULL || trust == NULL)
		return false;
	if (t->trust == trust_peek(trust) && t->depth == depth)
		return true;
	question.chain = t->shown->chain;
	question.chain_length = t->shown->chain_length;
	now = trust_hold(trust);
	if (now == NULL || !trust_verify(now, &question, why)) {
		trust_drop(&now);
		return false;
	}
	trust_drop(&t->trust);
	t->trust = now;
	t->depth = depth;
	return true;
}

bool
weir_client_is_verified(struct weir_connection *c)
{
	return shown_of(c) != NULL;
}

const char *
weir_client_subject(struct weir_connection *c)
{
	return shown_of(c) != NULL ? shown_of(c)->subject : NULL;
}

const char *
weir_client_issuer(struct weir_connection *c)
{
	return shown_of(c) != NULL ? shown_of(c)->issuer : NULL;
}

const char *
weir_client_serial(struct weir_connection *c)
{
	return shown_of(c) != NULL ? shown_of(c)->serial : NULL;
}

const char *
weir_client_fingerprint(struct weir_connection *c)
{
	return shown_of(c) != NULL ? shown_of(c)->fingerprint : NULL;
}

bool
weir_client_validity(struct weir_connection *c, int64_t *begins, int64_t *ends)
{
	const struct shown *s = shown_of(c);

	if (s == NULL)
		return false;
	*begins = s->begins;
	*ends = s->ends;
	return true;
}

const void *
weir_client_certificate(struct weir_connection *c, unsigned index, size_t *length)
{
	const struct shown *s = shown_of(c);

	*length = s != NULL && index < s->chain_length ? s->chain[index].size : 0;
	return *length > 0 ? s->chain[index].data : NULL;
}

const char *
weir_client_name(struct weir_connection *c, unsigned *position, enum weir_name *kind)
{
	const struct shown *s = shown_of(c);

	if (s == NULL || *position >= s->name_count)
		return NULL;
	*kind = s->names[*position].kind;
	return s->names[(*position)++].value;
}
