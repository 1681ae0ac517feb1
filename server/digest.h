/* SPDX-License-Identifier: Apache-2.0 */
/*
 * digest: SHA-256 over a row of byte strings, each with its length, so that no two rows read the same.
 */
#ifndef WEIR_SERVER_DIGEST_H
#define WEIR_SERVER_DIGEST_H

#include <gnutls/crypto.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { DIGEST_SIZE = 32 };

struct digest {
	gnutls_hash_hd_t hash;
	bool failed;
};

static inline void
digest_add(struct digest *digest, const gnutls_datum_t *data)
{
	uint64_t length = data->size;

	digest->failed = digest->failed || gnutls_hash(digest->hash, &length, sizeof(length)) != 0 ||
		(length > 0 && gnutls_hash(digest->hash, data->data, data->size) != 0);
}

static inline void
digest_begin(struct digest *digest, const char *what)
{
	const gnutls_datum_t data = { (unsigned char *)(uintptr_t)what, (unsigned)strlen(what) };

	*digest = (struct digest){ .failed = false };
	digest->failed = gnutls_hash_init(&digest->hash, GNUTLS_DIG_SHA256) != 0;
	digest_add(digest, &data);
}

/* False: there was no memory. */
static inline bool
digest_end(struct digest *digest, uint8_t to[DIGEST_SIZE])
{
	if (digest->hash != NULL)
		gnutls_hash_deinit(digest->hash, to);
	return !digest->failed;
}

#endif
