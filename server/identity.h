/* SPDX-License-Identifier: Apache-2.0 */
/*
 * identity: a certificate chain with its private key, and a stapled OCSP response where there is one.
 *
 * struct weir_identity is the handle that the configuration has (weir/build.h), struct identity_content what its
 * files held when they were read last. A TLS session holds the content for as long as it may need the key or the
 * chain. Contents are interned (credential.h): the same chain is the same pointer.
 */
#ifndef WEIR_SERVER_IDENTITY_H
#define WEIR_SERVER_IDENTITY_H

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include "credential.h"

struct weir_identity {
	struct credential credential;
};

struct identity_content {
	struct credential_content content;
	gnutls_pcert_st *chain;		/* the leaf first; for gnutls_certificate_retrieve_function3 */
	unsigned chain_length;
	gnutls_x509_crt_t leaf;
	gnutls_privkey_t key;
	gnutls_pk_algorithm_t algorithm;	/* of the key */
	time_t begins, expires;		/* of the leaf */
	gnutls_ocsp_data_st staple;	/* length 0: none. Not to be stapled after its exptime; 0: it names none */
};

extern const struct credential_kind identity_kind;

/* Any thread. The content that holds now; NULL only while a generation is not whole yet. */
const struct identity_content *identity_hold(const struct weir_identity *);
const struct identity_content *identity_hold_again(const struct identity_content *);
void identity_drop(const struct identity_content **);

/* The content that holds now, only to be compared with one that is held. */
const void *identity_peek(const struct weir_identity *);

#endif
