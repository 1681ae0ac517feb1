/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trust: certificates of authorities, and the lists of what they revoked.
 *
 * struct weir_trust is the handle that the configuration has (weir/build.h), struct trust_content what its files held
 * when they were read last. Contents are interned (credential.h): the same authorities and lists are the same pointer.
 * trust_verify is the one place that judges a chain, whichever side showed it.
 */
#ifndef WEIR_SERVER_TRUST_H
#define WEIR_SERVER_TRUST_H

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include "credential.h"

struct weir_trust {
	struct credential credential;
};

struct trust_content {
	struct credential_content content;
	gnutls_x509_trust_list_t list;		/* not to be changed */
	gnutls_x509_crt_t *authorities;		/* the list's */
	unsigned authority_count;
	gnutls_x509_crl_t *revocations;		/* the list's */
	unsigned revocation_count;
};

extern const struct credential_kind trust_kind;

/* Any thread. The content that holds now; NULL only while a generation is not whole yet. */
const struct trust_content *trust_hold(const struct weir_trust *);
const struct trust_content *trust_hold_again(const struct trust_content *);
void trust_drop(const struct trust_content **);

/* The content that holds now, only to be compared with one that is held. */
const void *trust_peek(const struct weir_trust *);

enum { TRUST_WHY = 256, TRUST_CHAIN_MOST = 16 };

/* Whom a chain must be for. */
struct trust_question {
	const gnutls_datum_t *chain;	/* DER, the leaf first, as it was shown */
	unsigned chain_length;
	bool client;			/* must it be good for a client (or for a server)? */
	unsigned depth;			/* certificates between the leaf and an authority of ours, at most */
	const char *name;		/* the DNS name or IP address that the leaf must be for; NULL: any */
};

/* Is this chain good, now? False leaves in `why` what is wrong with it, as "it has expired (2020-01-01)". Any thread. */
bool trust_verify(const struct trust_content *, const struct trust_question *, char why[TRUST_WHY]);

#endif
