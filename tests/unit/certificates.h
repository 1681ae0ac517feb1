/* SPDX-License-Identifier: Apache-2.0 */
/*
 * certificates: authorities, certificates and lists of revocations, made when a scene needs them.
 *
 * Keys are ECDSA P-256. What is made lives until made_free; files are written where the scene is.
 */
#ifndef WEIR_TESTS_CERTIFICATES_H
#define WEIR_TESTS_CERTIFICATES_H

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <cmocka.h>

enum { MADE_DAY = 24 * 60 * 60, MADE_ROOM = 64 * 1024 };

struct made {
	gnutls_x509_crt_t certificate;
	gnutls_x509_privkey_t key;
};

/* What a certificate shall be; zeros make a server's that holds for a month. */
struct made_as {
	const struct made *issuer;	/* NULL: itself */
	bool authority;
	const char *purpose;		/* NULL: a server's */
	const char *host;		/* a DNS name; NULL: none */
	int begins, ends;		/* days from now; both 0: -1 and 30 */
	unsigned serial;		/* 0: 1 */
};

static inline void
made(int error)
{
	if (error < 0)
		fail_msg("GnuTLS: %s", gnutls_strerror(error));
}

static inline struct made
make(const char *name, struct made_as as)
{
	const char serial[] = { (char)(as.serial >> 8), (char)(as.serial == 0 ? 1 : as.serial) };
	time_t now = time(NULL);
	struct made it;

	if (as.begins == 0 && as.ends == 0) {
		as.begins = -1;
		as.ends = 30;
	}
	made(gnutls_x509_privkey_init(&it.key));
	made(gnutls_x509_privkey_generate(it.key, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0));
	made(gnutls_x509_crt_init(&it.certificate));
	made(gnutls_x509_crt_set_version(it.certificate, 3));
	made(gnutls_x509_crt_set_serial(it.certificate, serial, sizeof(serial)));
	made(gnutls_x509_crt_set_dn_by_oid(it.certificate, GNUTLS_OID_X520_COMMON_NAME, 0, name, (unsigned)strlen(name)));
	made(gnutls_x509_crt_set_activation_time(it.certificate, now + as.begins * MADE_DAY));
	made(gnutls_x509_crt_set_expiration_time(it.certificate, now + as.ends * MADE_DAY));
	made(gnutls_x509_crt_set_key(it.certificate, it.key));
	made(gnutls_x509_crt_set_basic_constraints(it.certificate, as.authority, -1));
	made(gnutls_x509_crt_set_key_usage(it.certificate, as.authority ? GNUTLS_KEY_KEY_CERT_SIGN | GNUTLS_KEY_CRL_SIGN :
		GNUTLS_KEY_DIGITAL_SIGNATURE));
	if (!as.authority)
		made(gnutls_x509_crt_set_key_purpose_oid(it.certificate,
			as.purpose != NULL ? as.purpose : GNUTLS_KP_TLS_WWW_SERVER, 0));
	if (as.host != NULL)
		made(gnutls_x509_crt_set_subject_alt_name(it.certificate, GNUTLS_SAN_DNSNAME, as.host,
			(unsigned)strlen(as.host), GNUTLS_FSAN_SET));
	made(gnutls_x509_crt_sign2(it.certificate, as.issuer != NULL ? as.issuer->certificate : it.certificate,
		as.issuer != NULL ? as.issuer->key : it.key, GNUTLS_DIG_SHA256, 0));
	return it;
}

static inline void
made_free(struct made *it)
{
	gnutls_x509_crt_deinit(it->certificate);
	gnutls_x509_privkey_deinit(it->key);
}

/* PEM, added to the text in `to`, which holds MADE_ROOM bytes. */
static inline void
add_certificate(char *to, const struct made *it)
{
	size_t length = strlen(to), room = MADE_ROOM - length;

	made(gnutls_x509_crt_export(it->certificate, GNUTLS_X509_FMT_PEM, to + length, &room));
	to[length + room] = '\0';
}

static inline void
add_key(char *to, const struct made *it)
{
	size_t length = strlen(to), room = MADE_ROOM - length;

	made(gnutls_x509_privkey_export_pkcs8(it->key, GNUTLS_X509_FMT_PEM, NULL, GNUTLS_PKCS_PLAIN, to + length, &room));
	to[length + room] = '\0';
}

/* The issuer's list of what it revoked: one certificate, or nothing. */
static inline void
add_revocations(char *to, const struct made *issuer, const struct made *revoked, int ends)
{
	size_t length = strlen(to), room = MADE_ROOM - length;
	time_t now = time(NULL);
	gnutls_x509_crl_t crl;

	made(gnutls_x509_crl_init(&crl));
	made(gnutls_x509_crl_set_version(crl, 2));
	made(gnutls_x509_crl_set_this_update(crl, now - 40 * MADE_DAY));
	made(gnutls_x509_crl_set_next_update(crl, now + ends * MADE_DAY));
	made(gnutls_x509_crl_set_number(crl, "\1", 1));
	if (revoked != NULL)
		made(gnutls_x509_crl_set_crt(crl, revoked->certificate, now - MADE_DAY));
	made(gnutls_x509_crl_sign2(crl, issuer->certificate, issuer->key, GNUTLS_DIG_SHA256, 0));
	made(gnutls_x509_crl_export(crl, GNUTLS_X509_FMT_PEM, to + length, &room));
	to[length + room] = '\0';
	gnutls_x509_crl_deinit(crl);
}

#endif
