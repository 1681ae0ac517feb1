/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pem: certificates and lists of revocations out of PEM files, with what is wrong in an operator's words.
 */
#ifndef WEIR_SERVER_PEM_H
#define WEIR_SERVER_PEM_H

#include <gnutls/x509.h>
#include <time.h>

#include "credential.h"

/* All certificates of a file, at least one, or all lists. False after noting it as a fault of the part. The objects
 * and the array (gnutls_free) are the caller's. */
bool pem_certificates(const struct file *, unsigned part, gnutls_x509_crt_t **, unsigned *count,
	struct credential_notes *);
bool pem_revocations(const struct file *, unsigned part, gnutls_x509_crl_t **, unsigned *count,
	struct credential_notes *);

/* "2026-01-31 12:00 UTC". Returns `to`. */
const char *pem_day(time_t, char to[32]);

#endif
