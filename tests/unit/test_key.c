/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenes for keys: each part of a peer's identity tells it from another by itself, whatever the hash says.
 *
 * Every pair of the peers in peers.h is compared under one and the same hash, so that nothing but their fields can tell them
 * apart.
 */
#include "peers.h"
#include "server/key.h"
#include "server/tls_client.h"

static bool heap_fails;

void *__real_calloc(size_t, size_t);
void *__wrap_calloc(size_t, size_t);

void *
__wrap_calloc(size_t count, size_t size)
{
	return heap_fails ? NULL : __real_calloc(count, size);
}

static void
every_pair_is_told_apart_by_its_fields_alone(void **state)
{
	static struct built_peer one, other;

	(void)state;
	for (unsigned i = 0; i < PEERS; i++) {
		struct key *key = key_new(build_peer(&one, i), 7);

		assert_non_null(key);
		for (unsigned j = 0; j < PEERS; j++) {
			struct key *second = key_new(build_peer(&other, j), 7);

			assert_int_equal(key_fits(key, 7, &other.peer), i == j);
			assert_int_equal(key_same(key, second), i == j);
			assert_int_equal(key_same(second, key), i == j);
			key_drop(second);
		}
		assert_false(key_fits(key, 8, &one.peer));
		key_drop(key);
	}
	assert_contents_let_go();
}

/* Files that change make another peer, though its handle stays the same; what the key was made by it keeps. */
static void
what_is_trusted_is_what_it_was_then(void **state)
{
	static struct built_peer one;
	struct key *key, *later;
	struct weir_trust *handle;

	(void)state;
	build_peer(&one, PLAIN_PEERS);
	handle = (struct weir_trust *)(uintptr_t)one.peer.tls.trust;
	key = key_new(&one.peer, 7);
	assert_true(key_fits(key, 7, &one.peer));
	a_trust(1);
	atomic_store(&handle->credential.content, &trusts[1].content);
	assert_false(key_fits(key, 7, &one.peer));
	assert_ptr_equal(key_terms(key, KEY_PEER)->trust, &trusts[0]);
	assert_ptr_equal(key_terms(key, KEY_PEER)->identity, &identities[0]);
	later = key_new(&one.peer, 7);
	assert_false(key_same(key, later));
	assert_ptr_equal(key_terms(later, KEY_PEER)->trust, &trusts[1]);
	key_drop(key);
	key_drop(later);
	assert_contents_let_go();
}

static void
proxies_have_their_own(void **state)
{
	static struct built_peer one;
	struct weir_via *via = through(&one, 2);
	struct key *key;

	(void)state;
	via->tls.trust = a_trust(1);
	key = key_new(&one.peer, 7);
	assert_null(key_terms(key, KEY_PEER)->trust);
	assert_ptr_equal(key_terms(key, 0)->trust, &trusts[1]);
	assert_ptr_equal(key_terms(key, 0)->identity, &identities[0]);
	assert_null(key_terms(key, 1)->trust);
	assert_null(key_terms(key, 1)->identity);
	key_drop(key);
	assert_contents_let_go();
}

static void
a_key_keeps_nothing_of_the_peer_that_it_was_made_for(void **state)
{
	static struct built_peer one, equal;

	(void)state;
	for (unsigned i = 0; i < PEERS; i++) {
		uint64_t hash = key_hash_peer(build_peer(&one, i));
		struct key *key = key_new(&one.peer, hash);

		memset(&one, 'x', sizeof(one));
		assert_int_equal(key_hash_peer(build_peer(&equal, i)), hash);
		equal.peer.connect_timeout = 7;
		assert_int_equal(key_hash(key), hash);
		assert_true(key_fits(key, hash, &equal.peer));
		key_drop(key);
	}
}

static uint64_t
hash_of_name(const char *name)
{
	struct weir_peer peer = peer_named(name, 80);

	return key_hash_peer(&peer);
}

/* Names of blocks, of which each is one of two that change the same few bits, and change them back. */
static void
nobody_can_choose_names_of_one_bucket(void **state)
{
	static const char blocks[2][17] = { "aaaaaaa-aaa-aaa-", "aaaaaaamaaamaaam" };
	bool met[256] = { false };
	unsigned count = 0;
	char name[6 * 16 + 1];

	(void)state;
	for (unsigned i = 0; i < 64; i++) {
		for (unsigned j = 0; j < 6; j++)
			memcpy(name + j * 16, blocks[i >> j & 1], 17);
		count += !met[hash_of_name(name) % 256];
		met[hash_of_name(name) % 256] = true;
	}
	assert_true(count > 24);
}

static void
nobody_can_tell_the_hash(void **state)
{
	uint64_t before = hash_of_name("a.test"), seeded;

	(void)state;
	key_seed();
	seeded = hash_of_name("a.test");
	assert_true(seeded != before);
	key_seed();
	assert_true(hash_of_name("a.test") == seeded);
}

/* What TLS would be if there were any is no part of it. */
static void
without_tls_its_settings_do_not_count(void **state)
{
	static struct built_peer one;
	struct weir_peer plain = peer_at("127.0.0.1", 80), set = plain;
	struct key *key = key_new(&plain, 7);

	(void)state;
	set.tls = full_tls(&one);
	assert_false(key_fits(key, 7, &set));
	set.tls.on = false;
	assert_true(key_fits(key, 7, &set));
	assert_int_equal(key_hash_peer(&set), key_hash_peer(&plain));
	key_drop(key);
}

static void
a_shared_key_lives_until_the_last_lets_go(void **state)
{
	struct weir_peer peer = peer_named("origin.test", 80);
	struct key *key = key_new(&peer, 7), *shared = key_share(key);

	(void)state;
	assert_ptr_equal(key, shared);
	key_drop(key);
	assert_true(key_fits(shared, 7, &peer));
	key_drop(shared);
	heap_fails = true;
	assert_null(key_new(&peer, 7));
	heap_fails = false;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_pair_is_told_apart_by_its_fields_alone),
		cmocka_unit_test(what_is_trusted_is_what_it_was_then),
		cmocka_unit_test(proxies_have_their_own),
		cmocka_unit_test(a_key_keeps_nothing_of_the_peer_that_it_was_made_for),
		cmocka_unit_test(nobody_can_choose_names_of_one_bucket),
		cmocka_unit_test(nobody_can_tell_the_hash),
		cmocka_unit_test(without_tls_its_settings_do_not_count),
		cmocka_unit_test(a_shared_key_lives_until_the_last_lets_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
