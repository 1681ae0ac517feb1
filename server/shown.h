/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shown: the certificate that a client has shown, as the texts that modules and variables ask for.
 */
#ifndef WEIR_SERVER_SHOWN_H
#define WEIR_SERVER_SHOWN_H

#include <gnutls/gnutls.h>
#include <stdint.h>
#include <weir/tls.h>

#include "arena.h"

struct shown_name {
	enum weir_name kind;
	const char *value;
};

struct shown {
	struct arena arena;		/* all of it lies here, but this struct */
	const char *subject, *issuer, *serial, *fingerprint;
	int64_t begins, ends;
	struct shown_name *names;
	unsigned name_count;
	gnutls_datum_t *chain;
	unsigned chain_length;
};

/* Of a chain in DER, copied. NULL without memory, or when the first one is no certificate. */
struct shown *shown_new(const gnutls_datum_t *chain, unsigned length);
void shown_free(struct shown **);

#endif
