/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client_cert: a client's certificates as the fields Client-Cert and Client-Cert-Chain write them (RFC 9440).
 */
#include "client_cert.h"

#include <string.h>

/* What ":" base64 ":" takes. */
static size_t
room_for(size_t length)
{
	return (length + 2) / 3 * 4 + 2;
}

/* Write the bytes in base64 (RFC 4648, 4); the end of what was written. */
static char *
encode(char *to, const uint8_t *bytes, size_t length)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	uint32_t group;

	for (; length >= 3; bytes += 3, length -= 3, to += 4) {
		group = (uint32_t)bytes[0] << 16 | (uint32_t)bytes[1] << 8 | bytes[2];
		for (int i = 0; i < 4; i++)
			to[i] = digits[group >> (18 - 6 * i) & 63];
	}
	if (length == 0)
		return to;
	group = (uint32_t)bytes[0] << 16 | (length > 1 ? (uint32_t)bytes[1] << 8 : 0);
	to[0] = digits[group >> 18];
	to[1] = digits[group >> 12 & 63];
	to[2] = length > 1 ? digits[group >> 6 & 63] : '=';
	to[3] = '=';
	return to + 4;
}

static char *
write_binary(char *to, const void *bytes, size_t length)
{
	*to++ = ':';
	to = encode(to, bytes, length);
	*to++ = ':';
	return to;
}

const char *
client_cert(struct weir_exchange *x)
{
	size_t length;
	const void *der = weir_client_certificate(weir_exchange_connection(x), 0, &length);
	char *text = der != NULL ? weir_alloc(x, room_for(length) + 1) : NULL;

	if (text != NULL)
		*write_binary(text, der, length) = '\0';
	return text;
}

const char *
client_cert_chain(struct weir_exchange *x)
{
	struct weir_connection *c = weir_exchange_connection(x);
	size_t length, room = 0;
	const void *der;
	char *text, *at;

	for (unsigned i = 1; weir_client_certificate(c, i, &length) != NULL; i++)
		room += room_for(length) + 2;
	if (room == 0 || (text = at = weir_alloc(x, room + 1)) == NULL)
		return NULL;
	for (unsigned i = 1; (der = weir_client_certificate(c, i, &length)) != NULL; i++) {
		if (at != text) {
			*at++ = ',';
			*at++ = ' ';
		}
		at = write_binary(at, der, length);
	}
	*at = '\0';
	return text;
}
