/* SPDX-License-Identifier: Apache-2.0 */
/*
 * key: who a connection was made for.
 *
 * A key is a copy, by value, of all that says who a peer is (weir/peer.h): addresses, proxies with their credentials, the
 * preface, names, and TLS with what is trusted and what is shown. Of these two it holds the content (credential.h), which is
 * the same pointer where it is the same: so equal files are equal, whoever read them, and a file that has changed makes
 * another peer. Two keys are equal when all of it is, field by field; the hash only finds the bucket. Keys are shared between
 * threads and freed with the last reference.
 */
#ifndef WEIR_SERVER_KEY_H
#define WEIR_SERVER_KEY_H

#include <stdbool.h>
#include <stdint.h>

struct key;
struct tls_terms;
struct weir_peer;

/* Make hashes such that nobody outside can tell which peers have the same. Before the first hash; later calls do nothing. */
void key_seed(void);
uint64_t key_hash_peer(const struct weir_peer *);

/* A key of one reference; NULL without memory. `hash` is the peer's. */
struct key *key_new(const struct weir_peer *, uint64_t hash);
struct key *key_share(struct key *);
void key_drop(struct key *);

uint64_t key_hash(const struct key *);
bool key_fits(const struct key *, uint64_t hash, const struct weir_peer *);
bool key_same(const struct key *, const struct key *);

/* By what TLS is to be made, with the proxy at this place of the peer's chain, or (KEY_PEER) with the peer itself. It belongs
 * to the key. */
enum { KEY_PEER = -1 };
const struct tls_terms *key_terms(const struct key *, int place);

#endif
