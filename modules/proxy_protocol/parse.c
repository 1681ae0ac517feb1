/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parse: one line of text (version 1) or a block of binary with type-length-values behind the addresses (version 2).
 */
#include "parse.h"

#include <arpa/inet.h>
#include <string.h>

enum { SIGNATURE = 12, FIXED = 16, TLV_CRC32C = 3, TLV_HEAD = 3 };
enum { FAMILY_UNSPEC, FAMILY_INET, FAMILY_INET6, FAMILY_UNIX };

static const char signature[SIGNATURE] = { '\r', '\n', '\r', '\n', '\0', '\r', '\n', 'Q', 'U', 'I', 'T', '\n' };

/* --- version 1 --------------------------------------------------------------------------------------------------- */

/* The next word, up to one blank or the line's end; NUL-ended in `to`. False when there is none, or it does not fit. */
static bool
take_word(const char **at, const char *end, char *to, size_t room)
{
	const char *blank = memchr(*at, ' ', (size_t)(end - *at)), *stop = blank != NULL ? blank : end;
	size_t length = (size_t)(stop - *at);

	if (length == 0 || length >= room || memchr(*at, '\0', length) != NULL)
		return false;
	memcpy(to, *at, length);
	to[length] = '\0';
	*at = blank != NULL ? blank + 1 : end;
	return true;
}

/* A decimal number from 0 to 65535 without leading zeros. */
static bool
take_port(const char **at, const char *end, in_port_t *port)
{
	unsigned value = 0;
	char word[6];

	if (!take_word(at, end, word, sizeof(word)) || (word[0] == '0' && word[1] != '\0'))
		return false;
	for (const char *c = word; *c != '\0'; c++) {
		if (*c < '0' || *c > '9')
			return false;
		value = 10 * value + (unsigned)(*c - '0');
	}
	*port = htons((uint16_t)value);
	return value <= 65535;
}

static bool
take_address(const char **at, const char *end, sa_family_t family, union proxy_address *address)
{
	char word[INET6_ADDRSTRLEN];
	void *to = family == AF_INET ? (void *)&address->in.sin_addr : (void *)&address->in6.sin6_addr;

	memset(address, 0, sizeof(*address));
	address->any.sa_family = family;
	return take_word(at, end, word, sizeof(word)) && inet_pton(family, word, to) == 1;
}

static in_port_t *
port_of(union proxy_address *address)
{
	return address->any.sa_family == AF_INET ? &address->in.sin_port : &address->in6.sin6_port;
}

/* What stands between "PROXY " and CRLF. */
static const char *
read_line(struct proxy_header *h, const char *at, const char *end)
{
	sa_family_t family;
	char word[8];

	if (end - at >= 7 && memcmp(at, "UNKNOWN", 7) == 0 && (end - at == 7 || at[7] == ' '))
		return NULL;	/* whatever follows is to be ignored */
	if (!take_word(&at, end, word, sizeof(word)) || (strcmp(word, "TCP4") != 0 && strcmp(word, "TCP6") != 0))
		return "the protocol is none of TCP4, TCP6 and UNKNOWN";
	family = word[3] == '4' ? AF_INET : AF_INET6;
	if (!take_address(&at, end, family, &h->source) || !take_address(&at, end, family, &h->destination))
		return "an address is not one of its protocol";
	if (!take_port(&at, end, port_of(&h->source)) || !take_port(&at, end, port_of(&h->destination)))
		return "a port is no number from 0 to 65535";
	h->told = true;
	return at == end && end[-1] != ' ' ? NULL : "more stands behind the ports";
}

static enum proxy_result
parse_v1(struct proxy_header *h, const char *bytes, size_t length, const char **why)
{
	size_t most = length < PROXY_V1_MOST ? length : PROXY_V1_MOST;
	const char *end = memchr(bytes, '\r', most);

	if (end == NULL || end + 1 == bytes + length) {
		*why = "its line is longer than 107 bytes";
		return length < PROXY_V1_MOST ? PROXY_MORE : PROXY_BAD;
	}
	if (end + 1 == bytes + PROXY_V1_MOST || end[1] != '\n') {
		*why = "its line does not end in CRLF";
		return PROXY_BAD;
	}
	h->length = (size_t)(end + 2 - bytes);
	*why = read_line(h, bytes + strlen("PROXY "), end);
	return *why == NULL ? PROXY_WHOLE : PROXY_BAD;
}

/* --- version 2 --------------------------------------------------------------------------------------------------- */

static unsigned
number16(const uint8_t *at)
{
	return (unsigned)at[0] << 8 | at[1];
}

uint32_t
proxy_protocol_crc(uint32_t sum, const void *bytes, size_t length)
{
	const uint8_t *byte = bytes;

	for (sum = ~sum; length > 0; length--) {
		sum ^= *byte++;
		for (int bit = 0; bit < 8; bit++)
			sum = sum >> 1 ^ (0x82f63b78u & (0u - (sum & 1)));
	}
	return ~sum;
}

/* The sum over the whole header, with zeros where it is written itself. */
static bool
sum_holds(const uint8_t *header, size_t length, const uint8_t *value)
{
	static const uint8_t zeros[4];
	size_t before = (size_t)(value - header);
	uint32_t sum = proxy_protocol_crc(0, header, before);

	sum = proxy_protocol_crc(sum, zeros, sizeof(zeros));
	sum = proxy_protocol_crc(sum, value + 4, length - before - 4);
	return sum == ((uint32_t)number16(value) << 16 | number16(value + 2));
}

/* The type-length-values from `at` on: skipped, but they must fill the header, and a checksum must hold. */
static const char *
walk_tlvs(const uint8_t *header, size_t length, size_t at)
{
	bool summed = false;

	while (at < length) {
		const uint8_t *tlv = header + at;
		size_t size;

		if (length - at < TLV_HEAD || length - at - TLV_HEAD < (size = number16(tlv + 1)))
			return "a TLV reaches over its end";
		if (tlv[0] == TLV_CRC32C) {
			if (summed || size != 4)
				return "its checksum is malformed";
			if (!sum_holds(header, length, tlv + TLV_HEAD))
				return "its checksum is wrong";
			summed = true;
		}
		at += TLV_HEAD + size;
	}
	return NULL;
}

static void
take_inet(union proxy_address *to, const uint8_t *address, const uint8_t *port)
{
	memset(to, 0, sizeof(*to));
	to->in.sin_family = AF_INET;
	memcpy(&to->in.sin_addr, address, 4);
	memcpy(&to->in.sin_port, port, 2);
}

static void
take_inet6(union proxy_address *to, const uint8_t *address, const uint8_t *port)
{
	memset(to, 0, sizeof(*to));
	to->in6.sin6_family = AF_INET6;
	memcpy(&to->in6.sin6_addr, address, 16);
	memcpy(&to->in6.sin6_port, port, 2);
}

/* A whole header. */
static const char *
read_block(struct proxy_header *h, const uint8_t *header)
{
	static const uint8_t sizes[] = { [FAMILY_UNSPEC] = 0, [FAMILY_INET] = 12, [FAMILY_INET6] = 36, [FAMILY_UNIX] = 216 };
	unsigned family = header[13] >> 4, transport = header[13] & 15;
	const uint8_t *at = header + FIXED;

	if (header[12] == 0x20)
		return NULL;	/* LOCAL: a check by the sender itself, whatever else it says */
	if (header[12] != 0x21)
		return (header[12] & 0xf0) == 0x20 ? "an unknown command" : "an unknown version";
	if (family > FAMILY_UNIX || transport > 2)
		return "an unknown address family or transport";
	if (transport == 2)
		return "it tells of datagrams";
	if (h->length - FIXED < sizes[family])
		return "it is shorter than its addresses";
	if (family == FAMILY_INET && transport == 1) {
		take_inet(&h->source, at, at + 8);
		take_inet(&h->destination, at + 4, at + 10);
		h->told = true;
	}
	if (family == FAMILY_INET6 && transport == 1) {
		take_inet6(&h->source, at, at + 32);
		take_inet6(&h->destination, at + 16, at + 34);
		h->told = true;
	}
	return walk_tlvs(header, h->length, FIXED + (size_t)sizes[family]);
}

static enum proxy_result
parse_v2(struct proxy_header *h, const char *bytes, size_t length, const char **why)
{
	const uint8_t *header = (const uint8_t *)bytes;

	if (length < FIXED)
		return PROXY_MORE;
	h->length = FIXED + (size_t)number16(header + 14);
	*why = "it is longer than 4096 bytes";
	if (h->length > PROXY_V2_MOST)
		return PROXY_BAD;
	if (length < h->length)
		return PROXY_MORE;
	*why = read_block(h, header);
	return *why == NULL ? PROXY_WHOLE : PROXY_BAD;
}

/* --- either ------------------------------------------------------------------------------------------------------ */

enum proxy_result
proxy_protocol_parse(struct proxy_header *h, const char *bytes, size_t length, const char **why)
{
	static const char word[] = "PROXY ";
	size_t line = sizeof(word) - 1;

	*h = (struct proxy_header){ .told = false };
	if (length == 0)
		return PROXY_MORE;
	if (memcmp(bytes, word, length < line ? length : line) == 0)
		return length < line ? PROXY_MORE : parse_v1(h, bytes, length, why);
	if (memcmp(bytes, signature, length < SIGNATURE ? length : SIGNATURE) == 0)
		return length < SIGNATURE ? PROXY_MORE : parse_v2(h, bytes, length, why);
	return PROXY_NONE;
}
