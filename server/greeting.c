/* SPDX-License-Identifier: Apache-2.0 */
/*
 * greeting: reading the extensions of a ClientHello (RFC 8446, 4.2) that GnuTLS has not looked at yet.
 *
 * GnuTLS reads the message itself afterwards and refuses what is malformed; here it is enough to be safe.
 */
#include "greeting.h"

#include <string.h>

enum { SERVER_NAME = 0, SIGNATURE_ALGORITHMS = 13, SESSION_TICKET = 35, PRE_SHARED_KEY = 41 };

static unsigned
number(const unsigned char *from)
{
	return (unsigned)from[0] << 8 | from[1];
}

/* One host_name (RFC 6066, 3). Others could not tell from a name with strange characters whom it means. */
static int
read_name(struct greeting *g, const unsigned char *data, unsigned size)
{
	unsigned length;

	if (size < 5 || number(data) != size - 2 || data[2] != 0)
		return GNUTLS_E_RECEIVED_ILLEGAL_PARAMETER;
	length = number(data + 3);
	if (length != size - 5 || length == 0 || length >= sizeof(g->name))
		return GNUTLS_E_RECEIVED_ILLEGAL_PARAMETER;
	for (unsigned i = 0; i < length; i++) {
		unsigned char c = data[5 + i];

		if (c >= 'A' && c <= 'Z')
			c = (unsigned char)(c + ('a' - 'A'));
		else if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-' && c != '.' && c != '_')
			return GNUTLS_E_RECEIVED_ILLEGAL_PARAMETER;
		g->name[i] = (char)c;
	}
	g->name[length] = '\0';
	return 0;
}

static void
read_signatures(struct greeting *g, const unsigned char *data, unsigned size)
{
	for (unsigned i = 2; i + 1 < size; i += 2) {
		unsigned scheme = number(data + i);

		g->ecdsa |= scheme == 0x0403 || scheme == 0x0503 || scheme == 0x0603;
		g->eddsa |= scheme == 0x0807 || scheme == 0x0808;
	}
}

static void
read_ticket(struct greeting *g, const unsigned char *data, unsigned size)
{
	if (size < TICKET_NAME)
		return;
	memcpy(g->ticket, data, TICKET_NAME);
	g->has_ticket = true;
}

static int
read_extension(void *context, unsigned id, const unsigned char *data, unsigned size)
{
	struct greeting *g = context;

	switch (id) {
	case SERVER_NAME:
		return read_name(g, data, size);
	case SIGNATURE_ALGORITHMS:
		read_signatures(g, data, size);
		break;
	case SESSION_TICKET:
		read_ticket(g, data, size);
		break;
	case PRE_SHARED_KEY:	/* the list's length, the first one's, the first one */
		if (size >= 4 && number(data + 2) <= size - 4)
			read_ticket(g, data + 4, number(data + 2));
		break;
	default:
		break;
	}
	return 0;
}

/* Before TLS 1.3 the suite says by which kind of key the server signs (RFC 8422, 2): is there one for ECDSA or EdDSA? */
static bool
has_suite(const gnutls_datum_t *hello)
{
	static const uint16_t suites[] = { 0xc02b, 0xc02c, 0xcca9, 0xc0ac, 0xc0ad, 0xc0ae, 0xc0af, 0xc023, 0xc024, 0xc009,
		0xc00a };
	size_t at = 2 + 32, end;

	if (hello->size < at + 1 || (at += 1 + hello->data[at]) + 2 > hello->size)
		return false;
	end = at + 2 + number(hello->data + at);
	for (at += 2; at + 2 <= end && end <= hello->size; at += 2) {
		unsigned suite = number(hello->data + at);

		if (suite >> 8 == 0x13)
			return true;
		for (unsigned i = 0; i < sizeof(suites) / sizeof(*suites); i++)
			if (suite == suites[i])
				return true;
	}
	return false;
}

int
greeting_read(struct greeting *g, const gnutls_datum_t *hello)
{
	int error;

	g->name[0] = '\0';
	g->has_ticket = g->ecdsa = g->eddsa = false;
	error = gnutls_ext_raw_parse(g, read_extension, hello, GNUTLS_EXT_RAW_FLAG_TLS_CLIENT_HELLO);
	if (!has_suite(hello))
		g->ecdsa = g->eddsa = false;
	return error;
}
