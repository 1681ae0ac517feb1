/* SPDX-License-Identifier: Apache-2.0 */
/*
 * key: copying, hashing and comparing all that says who a peer is.
 *
 * A field that is added to struct weir_peer and matters is added in three places here: mixed in, compared, copied. The matrix in
 * tests/unit/test_key.c has a row for each.
 */
#include "key.h"

#include <assert.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <weir/peer.h>
#include <weir/thread.h>

#include "identity.h"
#include "tls_client.h"
#include "trust.h"

struct key {
	_Atomic unsigned references;
	uint64_t hash;
	struct weir_peer peer;		/* its texts and proxies lie behind the struct; what is trusted and shown is in `terms` */
	struct tls_terms *terms;	/* the peer's, and then one for each proxy */
	unsigned term_count;
};

/* --- hashing ---------------------------------------------------------------------------------------------------------- */

/* Clients may choose who the peer is, by name, and must not be able to fill one bucket. */
static _Atomic uint64_t key_secret;

void
key_seed(void)
{
	uint64_t unseeded = 0;

	atomic_compare_exchange_strong(&key_secret, &unseeded, weir_random() | 1);
}

/* The word's halves are multiplied with one another, each with some of the secret in it: what two words differ in becomes a
 * difference that only who knows the secret could cancel by the next word. */
static uint64_t
step(uint64_t hash, uint64_t word)
{
	word += hash;
	return ((hash << 23 | hash >> 41) ^ (word & 0xffffffff) * (word >> 32)) * 0x9e3779b97f4a7c15u;
}

static uint64_t
mix(uint64_t hash, const void *bytes, size_t length)
{
	const unsigned char *byte = bytes;
	uint64_t word;

	hash = step(hash, length);
	for (; length >= 8; length -= 8, byte += 8) {
		memcpy(&word, byte, 8);
		hash = step(hash, word);
	}
	if (length > 0) {
		word = 0;
		memcpy(&word, byte, length);
		hash = step(hash, word);
	}
	return hash;
}

static uint64_t
mix_text(uint64_t hash, const char *text)
{
	return text == NULL ? hash : mix(hash, text, strlen(text));
}

static uint64_t
mix_address(uint64_t hash, const struct weir_address *a)
{
	if (a->length > 0)
		return mix(hash, &a->socket, a->length);
	if (a->host == NULL)
		return hash;
	return step(mix_text(hash, a->host), a->port);
}

/* What is trusted and shown, and the rest that seldom differs, is left to the comparison. */
static uint64_t
mix_tls(uint64_t hash, const struct weir_peer_tls *tls)
{
	return tls->on ? mix_text(mix_text(step(hash, 1), tls->sni), tls->verify_name) : hash;
}

uint64_t
key_hash_peer(const struct weir_peer *peer)
{
	uint64_t secret = atomic_load_explicit(&key_secret, memory_order_relaxed);
	uint64_t hash = mix_text(mix_address(mix_address(secret, &peer->address), &peer->bind), peer->host);

	for (const struct weir_via *via = peer->via; via != NULL; via = via->next)
		hash = mix_text(mix_address(hash, &via->address), via->authorization);
	if (peer->preface_length > 0)
		hash = mix(hash, peer->preface, peer->preface_length);
	hash = mix_tls(hash, &peer->tls);
	return hash ^ hash >> 32;
}

/* --- comparing -------------------------------------------------------------------------------------------------------- */

static bool
same_text(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool
same_bytes(const char *a, size_t a_length, const char *b, size_t b_length)
{
	return a_length == b_length && (a_length == 0 || memcmp(a, b, a_length) == 0);
}

static bool
same_address(const struct weir_address *a, const struct weir_address *b)
{
	if (a->length != b->length)
		return false;
	if (a->length > 0)
		return memcmp(&a->socket, &b->socket, a->length) == 0;
	return a->port == b->port && same_text(a->host, b->host);
}

static bool
same_tls(const struct weir_peer_tls *a, const struct weir_peer_tls *b)
{
	if (!a->on || !b->on)
		return a->on == b->on;
	return a->verify == b->verify && same_text(a->sni, b->sni) && same_text(a->verify_name, b->verify_name)
		&& same_text(a->alpn, b->alpn) && same_text(a->priority, b->priority);
}

static bool
same_via(const struct weir_via *a, const struct weir_via *b)
{
	for (; a != b && a != NULL && b != NULL; a = a->next, b = b->next)
		if (!same_address(&a->address, &b->address) || !same_text(a->authorization, b->authorization)
				|| !same_text(a->fields, b->fields) || !same_tls(&a->tls, &b->tls))
			return false;
	return a == b;
}

/* The timeouts are no part of who the peer is. */
static bool
same_peer(const struct weir_peer *a, const struct weir_peer *b)
{
	return same_address(&a->address, &b->address) && same_address(&a->bind, &b->bind) && same_text(a->host, b->host)
		&& same_via(a->via, b->via)
		&& same_bytes(a->preface, a->preface_length, b->preface, b->preface_length)
		&& same_tls(&a->tls, &b->tls);
}

/* Does TLS by these settings still mean these contents? */
static bool
terms_fit(const struct tls_terms *terms, const struct weir_peer_tls *tls)
{
	const void *trust = !tls->on || tls->trust == NULL ? NULL : trust_peek(tls->trust);
	const void *identity = !tls->on || tls->identity == NULL ? NULL : identity_peek(tls->identity);

	return terms->trust == trust && terms->identity == identity;
}

static bool
all_terms_fit(const struct key *key, const struct weir_peer *peer)
{
	const struct tls_terms *terms = key->terms;

	if (!terms_fit(terms, &peer->tls))
		return false;
	for (const struct weir_via *via = peer->via; via != NULL; via = via->next)
		if (!terms_fit(++terms, &via->tls))
			return false;
	return true;
}

static bool
same_terms(const struct key *a, const struct key *b)
{
	for (unsigned i = 0; i < a->term_count; i++)
		if (a->terms[i].trust != b->terms[i].trust || a->terms[i].identity != b->terms[i].identity)
			return false;
	return true;
}

uint64_t
key_hash(const struct key *key)
{
	return key->hash;
}

const struct tls_terms *
key_terms(const struct key *key, int place)
{
	assert(place + 1 >= 0 && (unsigned)(place + 1) < key->term_count);
	return &key->terms[place + 1];
}

bool
key_fits(const struct key *key, uint64_t hash, const struct weir_peer *peer)
{
	return key->hash == hash && same_peer(&key->peer, peer) && all_terms_fit(key, peer);
}

/* Of two equal peers the chains are equally long, so their terms are as many. */
bool
key_same(const struct key *a, const struct key *b)
{
	return a == b || (a->hash == b->hash && same_peer(&a->peer, &b->peer) && same_terms(a, b));
}

/* --- copying ---------------------------------------------------------------------------------------------------------- */

/* Where copies go; with `at` NULL they are only measured. */
struct store {
	char *at;
	size_t size;
};

/* Room of this length, so that what follows is aligned for anything. */
static size_t
pad(size_t length)
{
	return (length + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
}

static void *
keep(struct store *store, const void *bytes, size_t length)
{
	char *copy = store->at;

	store->size += pad(length);
	if (copy == NULL)
		return NULL;
	memcpy(copy, bytes, length);
	store->at += pad(length);
	return copy;
}

static void
keep_text(struct store *store, const char **text)
{
	if (*text != NULL)
		*text = keep(store, *text, strlen(*text) + 1);
}

/* The handles of what is trusted and shown are their generation's, and are not kept. */
static void
keep_tls(struct store *store, struct weir_peer_tls *tls)
{
	tls->trust = NULL;
	tls->identity = NULL;
	keep_text(store, &tls->sni);
	keep_text(store, &tls->verify_name);
	keep_text(store, &tls->alpn);
	keep_text(store, &tls->priority);
}

static const struct weir_via *
keep_via(struct store *store, const struct weir_via *from)
{
	struct weir_via via;

	if (from == NULL)
		return NULL;
	via = *from;
	keep_text(store, &via.address.host);
	keep_text(store, &via.authorization);
	keep_text(store, &via.fields);
	keep_tls(store, &via.tls);
	via.next = keep_via(store, from->next);
	return keep(store, &via, sizeof(via));
}

static struct weir_peer
keep_peer(struct store *store, const struct weir_peer *from)
{
	struct weir_peer peer = *from;

	keep_text(store, &peer.address.host);
	keep_text(store, &peer.bind.host);
	keep_text(store, &peer.host);
	peer.via = keep_via(store, from->via);
	if (peer.preface_length > 0)
		peer.preface = keep(store, from->preface, from->preface_length);
	keep_tls(store, &peer.tls);
	return peer;
}

/* --- life ------------------------------------------------------------------------------------------------------------- */

static void
hold_terms(struct tls_terms *terms, const struct weir_peer_tls *tls)
{
	if (tls->on && tls->trust != NULL)
		terms->trust = trust_hold(tls->trust);
	if (tls->on && tls->identity != NULL)
		terms->identity = identity_hold(tls->identity);
}

static void
hold_all_terms(struct key *key, const struct weir_peer *peer)
{
	struct tls_terms *terms = key->terms;

	hold_terms(terms, &peer->tls);
	for (const struct weir_via *via = peer->via; via != NULL; via = via->next)
		hold_terms(++terms, &via->tls);
}

static unsigned
count_terms(const struct weir_peer *peer)
{
	unsigned count = 1;

	for (const struct weir_via *via = peer->via; via != NULL; via = via->next)
		count++;
	return count;
}

struct key *
key_new(const struct weir_peer *peer, uint64_t hash)
{
	unsigned count = count_terms(peer);
	struct store store = { NULL, 0 };
	struct key *key;

	keep_peer(&store, peer);
	key = calloc(1, pad(sizeof(*key)) + pad(count * sizeof(*key->terms)) + store.size);
	if (key == NULL)
		return NULL;
	key->terms = (struct tls_terms *)((char *)key + pad(sizeof(*key)));
	key->term_count = count;
	store.at = (char *)key->terms + pad(count * sizeof(*key->terms));
	atomic_init(&key->references, 1);
	key->hash = hash;
	key->peer = keep_peer(&store, peer);
	hold_all_terms(key, peer);
	return key;
}

struct key *
key_share(struct key *key)
{
	atomic_fetch_add_explicit(&key->references, 1, memory_order_relaxed);
	return key;
}

void
key_drop(struct key *key)
{
	if (atomic_fetch_sub_explicit(&key->references, 1, memory_order_acq_rel) != 1)
		return;
	for (unsigned i = 0; i < key->term_count; i++) {
		trust_drop(&key->terms[i].trust);
		identity_drop(&key->terms[i].identity);
	}
	free(key);
}
