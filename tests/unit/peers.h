/* SPDX-License-Identifier: Apache-2.0 */
/*
 * peers: many peers, of which each differs from every other in one thing or more that matters, and from most in exactly one.
 *
 * A peer is built into a struct of its own with all its texts and proxies in it, so that two of the same number are equal and
 * share no byte of memory; what they trust and show has handles of its own, as in another generation, and equal content.
 */
#ifndef WEIR_TESTS_PEERS_H
#define WEIR_TESTS_PEERS_H

#include "server/identity.h"
#include "server/trust.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <cmocka.h>
#include <weir/peer.h>

struct built_peer {
	struct weir_peer peer;
	struct weir_via via[2];
	char texts[1024];
	size_t used;
};

static inline struct weir_address
numeric_address(const char *number, uint16_t port)
{
	struct weir_address address = { .host = number, .port = port, .length = sizeof(struct sockaddr_in) };

	address.socket.in.sin_family = AF_INET;
	address.socket.in.sin_port = htons(port);
	assert_int_equal(inet_pton(AF_INET, number, &address.socket.in.sin_addr), 1);
	return address;
}

static inline struct weir_peer
peer_at(const char *number, uint16_t port)
{
	return (struct weir_peer){ .address = numeric_address(number, port) };
}

static inline struct weir_peer
peer_named(const char *name, uint16_t port)
{
	return (struct weir_peer){ .address = { .host = name, .port = port } };
}

static inline struct weir_peer
peer_on(const char *path)
{
	const size_t length = offsetof(struct sockaddr_un, sun_path) + strlen(path) + 1;
	struct weir_peer peer = { .address = { .length = (socklen_t)length } };

	peer.address.socket.un.sun_family = AF_UNIX;
	strcpy(peer.address.socket.un.sun_path, path);
	return peer;
}

/* A text of this peer's own. */
static inline const char *
own(struct built_peer *b, const char *text)
{
	char *copy = b->texts + b->used;

	assert_true(b->used + strlen(text) < sizeof(b->texts));
	b->used += strlen(text) + 1;
	return strcpy(copy, text);
}

static inline void
with_host(struct built_peer *b, const char *host)
{
	b->peer.host = own(b, host);
}

static inline void
bound_to(struct built_peer *b, const char *address)
{
	b->peer.bind = numeric_address(address, 0);
}

static inline void
with_preface(struct built_peer *b, const char *bytes, size_t length)
{
	b->peer.preface = memcpy(b->texts + b->used, bytes, length);
	b->peer.preface_length = length;
	b->used += length;
}

/* Contents, which each handle that is made holds in turn; one reference stays. */
enum { CONTENTS = 2, HANDLES = 2 };

static struct trust_content trusts[CONTENTS];
static struct identity_content identities[CONTENTS];

static inline const struct weir_trust *
a_trust(unsigned content)
{
	static struct weir_trust handles[CONTENTS][HANDLES];
	static unsigned turn;
	struct weir_trust *handle = &handles[content][turn++ % HANDLES];

	if (trusts[content].content.references == 0)
		trusts[content].content.references = 1;
	atomic_store(&handle->credential.content, &trusts[content].content);
	return handle;
}

static inline const struct weir_identity *
an_identity(unsigned content)
{
	static struct weir_identity handles[CONTENTS][HANDLES];
	static unsigned turn;
	struct weir_identity *handle = &handles[content][turn++ % HANDLES];

	if (identities[content].content.references == 0)
		identities[content].content.references = 1;
	atomic_store(&handle->credential.content, &identities[content].content);
	return handle;
}

static inline void
assert_contents_let_go(void)
{
	for (unsigned i = 0; i < CONTENTS; i++) {
		assert_true(trusts[i].content.references <= 1);
		assert_true(identities[i].content.references <= 1);
	}
}

/* TLS with everything set that can be. */
static inline struct weir_peer_tls
full_tls(struct built_peer *b)
{
	return (struct weir_peer_tls){ .on = true, .sni = own(b, "a.test"), .verify_name = own(b, "b.test"),
		.alpn = own(b, "http/1.1"), .priority = own(b, "NORMAL"), .trust = a_trust(0), .identity = an_identity(0) };
}

/* Through one proxy with everything set that can be, or through two. */
static inline struct weir_via *
through(struct built_peer *b, unsigned count)
{
	b->via[0] = (struct weir_via){ .address = { .host = own(b, "proxy.test"), .port = 3128 },
		.authorization = own(b, "Basic YTpi"), .fields = own(b, "X-A: 1\r\n"), .tls = full_tls(b) };
	b->via[1] = (struct weir_via){ .address = numeric_address("127.0.0.3", 3128) };
	if (count > 1)
		b->via[0].next = &b->via[1];
	b->peer.via = b->via;
	return b->via;
}

static inline void
vary_plain(struct built_peer *b, unsigned n)
{
	static const struct { const char *name; uint16_t port; const char *host; } named[] = {
		{ "origin.test", 80, NULL }, { "origin.test", 81, NULL }, { "other.test", 80, NULL },
		{ "origin.test", 80, "example.com" },
		/* These have one hash, byte by byte: only their fields tell them apart. */
		{ "ab", 0, "c" }, { "a", 0, "bc" }, { "abc", 0, NULL },
	};

	b->peer = peer_at("127.0.0.1", 80);
	switch (n) {
	case 0: break;
	case 1: b->peer = peer_at("127.0.0.1", 81); break;
	case 2: b->peer = peer_at("127.0.0.2", 80); break;
	case 3: with_host(b, "example.com"); break;
	case 4: with_host(b, "example.org"); break;
	case 5: with_host(b, ""); break;
	case 6: bound_to(b, "127.0.0.1"); break;
	case 7: bound_to(b, "127.0.0.2"); break;
	case 8: bound_to(b, "127.0.0.1"); with_host(b, "example.com"); break;
	case 9: b->peer = peer_on("/run/a"); break;
	case 10: b->peer = peer_on("/run/b"); break;
	case 11: with_preface(b, "PROXY a", 7); break;
	case 12: with_preface(b, "PROXY b", 7); break;
	case 13: with_preface(b, "PROXY a\0", 8); break;
	default:
		b->peer = peer_named(own(b, named[n - 14].name), named[n - 14].port);
		if (named[n - 14].host != NULL)
			with_host(b, named[n - 14].host);
	}
}

enum { PLAIN_PEERS = 21 };

/* One thing other than in full_tls; 0: nothing. */
static inline void
vary_tls(struct built_peer *b, struct weir_peer_tls *tls, unsigned n)
{
	*tls = full_tls(b);
	switch (n) {
	case 0: break;
	case 1: tls->verify = WEIR_VERIFY_CA; break;
	case 2: tls->verify = WEIR_VERIFY_NONE; break;
	case 3: tls->sni = own(b, "c.test"); break;
	case 4: tls->sni = own(b, ""); break;
	case 5: tls->verify_name = own(b, "c.test"); break;
	case 6: tls->verify_name = NULL; break;
	case 7: tls->alpn = own(b, "http/1.1 h2"); break;
	case 8: tls->alpn = NULL; break;
	case 9: tls->priority = own(b, "SECURE256"); break;
	case 10: tls->priority = NULL; break;
	case 11: tls->trust = a_trust(1); break;
	case 12: tls->trust = NULL; break;
	case 13: tls->identity = an_identity(1); break;
	default: tls->identity = NULL; break;
	}
}

enum { TLS_PEERS = 15 };

static inline void
vary_via(struct built_peer *b, unsigned n)
{
	struct weir_via *via = through(b, n == 0 ? 2 : 1);

	switch (n) {
	case 0: case 1: break;
	case 2: via->address.host = own(b, "proxy.example"); break;
	case 3: via->address.port = 8080; break;
	case 4: via->address = numeric_address("127.0.0.4", 3128); break;
	case 5: via->authorization = own(b, "Basic YTpj"); break;
	case 6: via->authorization = NULL; break;
	case 7: via->fields = own(b, "X-A: 2\r\n"); break;
	case 8: via->fields = NULL; break;
	case 9: via->tls.on = false; break;
	/* two proxies, and something of the second */
	case 10: via->next = &b->via[1]; b->via[1].authorization = own(b, "Basic YTpi"); break;
	case 11: via->next = &b->via[1]; b->via[1].address.port = 1; b->via[1].address.socket.in.sin_port = htons(1); break;
	default: via->next = &b->via[1]; b->via[1].tls = full_tls(b); break;
	}
}

enum { VIA_PEERS = 13, PEERS = PLAIN_PEERS + TLS_PEERS + VIA_PEERS + TLS_PEERS };

/* Peer number n of PEERS. */
static inline struct weir_peer *
build_peer(struct built_peer *b, unsigned n)
{
	memset(b, 0, sizeof(*b));
	if (n < PLAIN_PEERS) {
		vary_plain(b, n);
		return &b->peer;
	}
	n -= PLAIN_PEERS;
	b->peer = peer_at("127.0.0.1", 80);
	if (n < TLS_PEERS)
		vary_tls(b, &b->peer.tls, n);
	else if (n < TLS_PEERS + VIA_PEERS)
		vary_via(b, n - TLS_PEERS);
	else {	/* through a proxy (a plain one with something in it; TLS 0 is what vary_via 1 has) */
		vary_tls(b, &through(b, 1)->tls, n - TLS_PEERS - VIA_PEERS);
		b->peer.tls = full_tls(b);
	}
	return &b->peer;
}

#endif
