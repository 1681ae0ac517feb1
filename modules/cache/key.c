/* SPDX-License-Identifier: Apache-2.0 */
/*
 * key: under which name a response is stored.
 */
#include "key.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <time.h>

void
cache_secret_draw(struct cache_secret *secret)
{
	struct timespec now;

	if (getrandom(secret, sizeof(*secret), 0) == (ssize_t)sizeof(*secret))
		return;
	clock_gettime(CLOCK_REALTIME, &now);
	secret->words[0] = (uint64_t)now.tv_sec * 0x9e3779b97f4a7c15 ^ (uint64_t)now.tv_nsec;
	secret->words[1] = (uint64_t)(uintptr_t)secret * 0xbf58476d1ce4e5b9;
}

/* --- SipHash-2-4 (Aumasson and Bernstein, 2012) --------------------------------------------------------- */

struct sip {
	uint64_t v0, v1, v2, v3;
};

static inline uint64_t
rotate(uint64_t word, unsigned bits)
{
	return word << bits | word >> (64 - bits);
}

static inline void
turn(struct sip *s)
{
	s->v0 += s->v1;
	s->v2 += s->v3;
	s->v1 = rotate(s->v1, 13) ^ s->v0;
	s->v3 = rotate(s->v3, 16) ^ s->v2;
	s->v0 = rotate(s->v0, 32);
	s->v2 += s->v1;
	s->v0 += s->v3;
	s->v1 = rotate(s->v1, 17) ^ s->v2;
	s->v3 = rotate(s->v3, 21) ^ s->v0;
	s->v2 = rotate(s->v2, 32);
}

static inline void
absorb(struct sip *s, uint64_t word)
{
	s->v3 ^= word;
	turn(s);
	turn(s);
	s->v0 ^= word;
}

/* Eight bytes, the first lowest, on any machine. */
static inline uint64_t
word_at(const unsigned char *bytes, size_t length)
{
	uint64_t word = 0;

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	if (length == 8) {
		memcpy(&word, bytes, 8);
		return word;
	}
#endif
	for (size_t i = 0; i < length; i++)
		word |= (uint64_t)bytes[i] << 8 * i;
	return word;
}

uint64_t
cache_key_hash(const struct cache_secret *secret, const char *key, size_t length)
{
	const unsigned char *at = (const unsigned char *)key, *end = at + (length & ~(size_t)7);
	struct sip s = {
		secret->words[0] ^ 0x736f6d6570736575, secret->words[1] ^ 0x646f72616e646f6d,
		secret->words[0] ^ 0x6c7967656e657261, secret->words[1] ^ 0x7465646279746573,
	};

	for (; at < end; at += 8)
		absorb(&s, word_at(at, 8));
	absorb(&s, word_at(at, length & 7) | (uint64_t)length << 56);
	s.v2 ^= 0xff;
	for (int i = 0; i < 4; i++)
		turn(&s);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

/* --- texts ---------------------------------------------------------------------------------------------- */

/* The length of an authority without the scheme's own port. */
static size_t
without_default_port(const char *scheme, const char *authority, size_t length)
{
	const char *port = strcmp(scheme, "https") == 0 ? ":443" : ":80";
	size_t port_length = strlen(port);

	if (length > port_length && memcmp(authority + length - port_length, port, port_length) == 0)
		return length - port_length;
	return length > 0 && authority[length - 1] == ':' ? length - 1 : length;
}

/* Put a text behind the others, as far as there is room; the length goes on all the same. */
static size_t
append(char *to, size_t room, size_t at, const char *text, size_t length)
{
	if (at < room)
		memcpy(to + at, text, length < room - at ? length : room - at);
	return at + length;
}

size_t
cache_key_write(char *to, size_t room, const char *scheme, const char *authority, const char *path, const char *query)
{
	size_t length = append(to, room, 0, scheme, strlen(scheme));

	length = append(to, room, length, "://", 3);
	length = append(to, room, length, authority, without_default_port(scheme, authority, strlen(authority)));
	length = append(to, room, length, path, strlen(path));
	if (query != NULL) {
		length = append(to, room, length, "?", 1);
		length = append(to, room, length, query, strlen(query));
	}
	if (room > 0)
		to[length < room ? length : room - 1] = '\0';
	return length;
}

size_t
cache_key_from_url(char *to, size_t room, const char *url)
{
	const char *authority = strstr(url, "://"), *path;
	const char *scheme = strncasecmp(url, "https://", 8) == 0 ? "https" : "http";
	size_t host, length;

	if (authority == NULL || (size_t)(authority - url) != strlen(scheme) ||
		strncasecmp(url, scheme, strlen(scheme)) != 0)
		return 0;
	authority += 3;
	host = strcspn(authority, "/?#");
	path = authority + host;
	host = without_default_port(scheme, authority, host);
	length = (size_t)snprintf(to, room, "%s://%.*s%s%.*s", scheme, (int)host, authority, *path == '/' ? "" : "/",
		(int)strcspn(path, "#"), path);
	for (size_t i = 0; i < length && i < room && i < strlen(scheme) + 3 + host; i++)
		to[i] = (char)tolower((unsigned char)to[i]);
	return host > 0 && *authority != ':' ? length : 0;
}
