/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shown: a certificate taken apart once, when its connection begins.
 */
#include "shown.h"

#include <arpa/inet.h>
#include <gnutls/x509.h>
#include <stdlib.h>
#include <string.h>

enum { SHOWN_MEMORY = 256 * 1024, NAMES_MOST = 256, SERIAL_MOST = 64 };

static const char *
hex(struct shown *s, const unsigned char *bytes, size_t length)
{
	char *text = arena_alloc(&s->arena, 2 * length + 1);

	for (size_t i = 0; text != NULL && i < length; i++) {
		text[2 * i] = "0123456789abcdef"[bytes[i] >> 4];
		text[2 * i + 1] = "0123456789abcdef"[bytes[i] & 15];
	}
	if (text != NULL)
		text[2 * length] = '\0';
	return text;
}

static const char *
name_of(struct shown *s, gnutls_x509_crt_t certificate, int (*get)(gnutls_x509_crt_t, gnutls_datum_t *, unsigned))
{
	gnutls_datum_t text = { NULL, 0 };
	const char *copy;

	if (get(certificate, &text, 0) < 0)
		return arena_copy(&s->arena, "", 0);
	copy = arena_copy(&s->arena, (char *)text.data, text.size);
	gnutls_free(text.data);
	return copy;
}

static const char *
serial_of(struct shown *s, gnutls_x509_crt_t certificate)
{
	unsigned char bytes[SERIAL_MOST], *from = bytes;
	size_t length = sizeof(bytes);

	if (gnutls_x509_crt_get_serial(certificate, bytes, &length) < 0)
		return arena_copy(&s->arena, "", 0);
	while (length > 1 && *from == 0)
		from++, length--;
	return hex(s, from, length);
}

/* The text of an alternative name; NULL when it has none, or (*failed) no memory. */
static const char *
name_text(struct shown *s, int kind, const unsigned char *value, size_t length, bool *failed)
{
	char number[INET6_ADDRSTRLEN];
	const char *text = NULL;

	if (kind == GNUTLS_SAN_IPADDRESS) {
		if ((length != 4 && length != 16) ||
			inet_ntop(length == 4 ? AF_INET : AF_INET6, value, number, sizeof(number)) == NULL)
			return NULL;
		text = arena_copy(&s->arena, number, strlen(number));
	} else if (memchr(value, '\0', length) == NULL)
		text = arena_copy(&s->arena, (const char *)value, length);
	else
		return NULL;
	*failed |= text == NULL;
	return text;
}

static bool
add_name(struct shown *s, int kind, const unsigned char *value, size_t length)
{
	static const int kinds[] = { [WEIR_NAME_DNS] = GNUTLS_SAN_DNSNAME, [WEIR_NAME_EMAIL] = GNUTLS_SAN_RFC822NAME,
		[WEIR_NAME_URI] = GNUTLS_SAN_URI, [WEIR_NAME_IP] = GNUTLS_SAN_IPADDRESS };
	bool failed = false;

	for (unsigned i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (kinds[i] == kind) {
			const char *text = name_text(s, kind, value, length, &failed);

			if (text != NULL)
				s->names[s->name_count++] = (struct shown_name){ (enum weir_name)i, text };
		}
	return !failed;
}

static bool
take_names(struct shown *s, gnutls_x509_crt_t certificate)
{
	unsigned char value[1024];
	bool good = true;

	s->names = arena_array(&s->arena, NAMES_MOST, sizeof(*s->names));
	for (unsigned i = 0; s->names != NULL && good && i < NAMES_MOST; i++) {
		size_t length = sizeof(value);
		int kind = gnutls_x509_crt_get_subject_alt_name(certificate, i, value, &length, NULL);

		if (kind == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
			break;
		if (kind >= 0)
			good = add_name(s, kind, value, length);
	}
	return s->names != NULL && good;
}

static bool
take_texts(struct shown *s, gnutls_x509_crt_t certificate)
{
	unsigned char print[32];
	size_t length = sizeof(print);

	s->subject = name_of(s, certificate, gnutls_x509_crt_get_dn3);
	s->issuer = name_of(s, certificate, gnutls_x509_crt_get_issuer_dn3);
	s->serial = serial_of(s, certificate);
	s->begins = gnutls_x509_crt_get_activation_time(certificate);
	s->ends = gnutls_x509_crt_get_expiration_time(certificate);
	if (gnutls_x509_crt_get_fingerprint(certificate, GNUTLS_DIG_SHA256, print, &length) < 0)
		return false;
	s->fingerprint = hex(s, print, length);
	return s->subject != NULL && s->issuer != NULL && s->serial != NULL && s->fingerprint != NULL;
}

static bool
take_chain(struct shown *s, const gnutls_datum_t *chain, unsigned length)
{
	s->chain = arena_array(&s->arena, length, sizeof(*s->chain));
	if (s->chain == NULL)
		return false;
	for (; s->chain_length < length; s->chain_length++) {
		char *copy = arena_copy(&s->arena, (char *)chain[s->chain_length].data, chain[s->chain_length].size);

		if (copy == NULL)
			return false;
		s->chain[s->chain_length] = (gnutls_datum_t){ (unsigned char *)copy, chain[s->chain_length].size };
	}
	return true;
}

struct shown *
shown_new(const gnutls_datum_t *chain, unsigned length)
{
	struct shown *s = calloc(1, sizeof(*s));
	gnutls_x509_crt_t certificate;
	bool good;

	if (s == NULL)
		return NULL;
	arena_init(&s->arena, NULL, SHOWN_MEMORY);
	good = take_chain(s, chain, length) && gnutls_x509_crt_init(&certificate) == 0;
	if (good) {
		good = gnutls_x509_crt_import(certificate, &s->chain[0], GNUTLS_X509_FMT_DER) == 0
			&& take_texts(s, certificate) && take_names(s, certificate);
		gnutls_x509_crt_deinit(certificate);
	}
	if (!good)
		shown_free(&s);
	return s;
}

void
shown_free(struct shown **s)
{
	if (*s == NULL)
		return;
	arena_free(&(*s)->arena);
	free(*s);
	*s = NULL;
}
