/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_tls: what TLS tells of the fake's connection (weir/tls.h): all of it as the test set it.
 */
#include "fake_exchange.h"

#include <string.h>

static struct fake_tls *
tls_of(struct weir_connection *connection)
{
	return &((struct weir_exchange *)connection)->tls;
}

enum weir_tls_stage
weir_tls_stage(struct weir_connection *connection)
{
	return tls_of(connection)->stage;
}

const char *
weir_tls_name(struct weir_connection *connection)
{
	return tls_of(connection)->name;
}

const char *
weir_tls_section(struct weir_connection *connection)
{
	return tls_of(connection)->section;
}

const void *
weir_tls_settings(struct weir_connection *connection)
{
	return tls_of(connection)->settings;
}

const char *
weir_tls_version(struct weir_connection *connection)
{
	return tls_of(connection)->version;
}

const char *
weir_tls_cipher(struct weir_connection *connection)
{
	return tls_of(connection)->cipher;
}

const char *
weir_tls_protocol(struct weir_connection *connection)
{
	return tls_of(connection)->protocol;
}

bool
weir_tls_resumed(struct weir_connection *connection)
{
	return tls_of(connection)->resumed;
}

bool
weir_tls_ask(struct weir_connection *connection, enum weir_ask ask, const struct weir_trust *trust, unsigned depth)
{
	struct fake_tls *tls = tls_of(connection);

	if (tls->stage != WEIR_TLS_HELLO)
		return false;
	tls->ask = ask;
	tls->trust = trust;
	tls->depth = depth;
	return true;
}

const void *
weir_place_settings(struct weir_exchange *x, enum weir_place place)
{
	const void *const settings[] = { x->tls.listen != NULL ? x->tls.listen : x->settings, x->tls.settings, x->tls.host };

	return settings[place];
}

bool
weir_client_stands(struct weir_connection *connection, const struct weir_trust *trust, unsigned depth)
{
	struct fake_tls *tls = tls_of(connection);

	return tls->verified && trust != NULL && depth >= tls->shown_depth
		&& (tls->shown_trust == NULL || strcmp(trust->authorities, tls->shown_trust) == 0);
}

bool
weir_client_is_verified(struct weir_connection *connection)
{
	return tls_of(connection)->verified;
}

const char *
weir_client_subject(struct weir_connection *connection)
{
	return tls_of(connection)->verified ? tls_of(connection)->subject : NULL;
}

const char *
weir_client_issuer(struct weir_connection *connection)
{
	return tls_of(connection)->verified ? tls_of(connection)->issuer : NULL;
}

const char *
weir_client_serial(struct weir_connection *connection)
{
	return tls_of(connection)->verified ? tls_of(connection)->serial : NULL;
}

const char *
weir_client_fingerprint(struct weir_connection *connection)
{
	return tls_of(connection)->verified ? tls_of(connection)->fingerprint : NULL;
}

bool
weir_client_validity(struct weir_connection *connection, int64_t *begins, int64_t *ends)
{
	struct fake_tls *tls = tls_of(connection);

	if (tls->verified) {
		*begins = tls->begins;
		*ends = tls->ends;
	}
	return tls->verified;
}

const void *
weir_client_certificate(struct weir_connection *connection, unsigned index, size_t *length)
{
	struct fake_tls *tls = tls_of(connection);

	*length = tls->verified && index < sizeof(tls->der) / sizeof(*tls->der) ? tls->der_length[index] : 0;
	return *length > 0 ? tls->der[index] : NULL;
}

const char *
weir_client_name(struct weir_connection *connection, unsigned *position, enum weir_name *kind)
{
	struct fake_tls *tls = tls_of(connection);

	if (!tls->verified || *position >= sizeof(tls->names) / sizeof(*tls->names) || tls->names[*position].value == NULL)
		return NULL;
	*kind = tls->names[*position].kind;
	return tls->names[(*position)++].value;
}
