/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client_cert: a client's certificates as the fields Client-Cert and Client-Cert-Chain write them (RFC 9440).
 */
#ifndef WEIR_MTLS_CLIENT_CERT_H
#define WEIR_MTLS_CLIENT_CERT_H

#include <weir/module.h>

/* The value of Client-Cert: the client's own certificate, DER as a byte sequence (RFC 8941, 3.3.5). NULL without one, or
 * without memory. */
const char *client_cert(struct weir_exchange *);

/* The value of Client-Cert-Chain: a list of those that it showed beside its own. NULL where there are none. */
const char *client_cert_chain(struct weir_exchange *);

#endif
