/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenes for what a client's certificate shows: texts that modules may compare, and none that could be taken for another's.
 *
 * Linked with -Wl,--wrap=malloc and -Wl,--wrap=calloc, for memory that runs out.
 */
#include "certificates.h"
#include "server/shown.h"

#include <arpa/inet.h>
#include <limits.h>
#include <stdlib.h>

static unsigned allocations_left = UINT_MAX;	/* of the code under test */

void *__real_malloc(size_t);
void *__wrap_malloc(size_t);
void *__real_calloc(size_t, size_t);
void *__wrap_calloc(size_t, size_t);

static bool
may_allocate(void)
{
	if (allocations_left == UINT_MAX)
		return true;
	if (allocations_left == 0)
		return false;
	allocations_left--;
	return true;
}

void *
__wrap_malloc(size_t size)
{
	return may_allocate() ? __real_malloc(size) : NULL;
}

void *
__wrap_calloc(size_t count, size_t size)
{
	return may_allocate() ? __real_calloc(count, size) : NULL;
}

static struct made authority, client;
static gnutls_datum_t chain[2];

static void
name(gnutls_x509_subject_alt_name_t kind, const void *value, size_t length)
{
	made(gnutls_x509_crt_set_subject_alt_name(client.certificate, kind, value, (unsigned)length, GNUTLS_FSAN_APPEND));
}

static int
begin(void **state)
{
	(void)state;
	authority = make("An Authority", (struct made_as){ .authority = true });
	client = make("ann", (struct made_as){ .issuer = &authority, .serial = 0xab });
	return 0;
}

static int
end(void **state)
{
	(void)state;
	made_free(&client);
	made_free(&authority);
	return 0;
}

/* The certificate as it is by now, and its issuer's. */
static void
sign(void)
{
	made(gnutls_x509_crt_sign2(client.certificate, authority.certificate, authority.key, GNUTLS_DIG_SHA256, 0));
	made(gnutls_x509_crt_export2(client.certificate, GNUTLS_X509_FMT_DER, &chain[0]));
	made(gnutls_x509_crt_export2(authority.certificate, GNUTLS_X509_FMT_DER, &chain[1]));
}

static void
forget(void)
{
	gnutls_free(chain[0].data);
	gnutls_free(chain[1].data);
}

static struct shown *
show(void)
{
	struct shown *s;

	sign();
	s = shown_new(chain, 2);
	assert_non_null(s);
	return s;
}

static void
assert_name(const struct shown *s, unsigned i, enum weir_name kind, const char *value)
{
	assert_true(i < s->name_count);
	assert_int_equal(s->names[i].kind, kind);
	assert_string_equal(s->names[i].value, value);
}

static void
it_says_whose_it_is(void **state)
{
	struct shown *s = show();

	(void)state;
	assert_string_equal(s->subject, "CN=ann");
	assert_string_equal(s->issuer, "CN=An Authority");
	assert_string_equal(s->serial, "ab");		/* without the zeros in front */
	assert_int_equal(strlen(s->fingerprint), 64);
	assert_int_equal(strspn(s->fingerprint, "0123456789abcdef"), 64);
	assert_true(s->begins < time(NULL) && s->ends > time(NULL));
	assert_int_equal(s->name_count, 0);
	assert_int_equal(s->chain_length, 2);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(s->chain[i].size, chain[i].size);
		assert_memory_equal(s->chain[i].data, chain[i].data, chain[i].size);
		assert_ptr_not_equal(s->chain[i].data, chain[i].data);
	}
	shown_free(&s);
	assert_null(s);
	shown_free(&s);
	forget();
}

static void
names_of_each_kind_are_shown_in_their_order(void **state)
{
	struct in_addr four;
	struct in6_addr six;
	struct shown *s;

	(void)state;
	inet_pton(AF_INET, "192.0.2.7", &four);
	inet_pton(AF_INET6, "2001:db8::7", &six);
	name(GNUTLS_SAN_URI, "spiffe://a.example/ann", 22);
	name(GNUTLS_SAN_DNSNAME, "ann.example", 11);
	name(GNUTLS_SAN_IPADDRESS, &four, sizeof(four));
	name(GNUTLS_SAN_RFC822NAME, "ann@a.example", 13);
	name(GNUTLS_SAN_IPADDRESS, &six, sizeof(six));
	s = show();
	assert_int_equal(s->name_count, 5);
	assert_name(s, 0, WEIR_NAME_URI, "spiffe://a.example/ann");
	assert_name(s, 1, WEIR_NAME_DNS, "ann.example");
	assert_name(s, 2, WEIR_NAME_IP, "192.0.2.7");
	assert_name(s, 3, WEIR_NAME_EMAIL, "ann@a.example");
	assert_name(s, 4, WEIR_NAME_IP, "2001:db8::7");
	shown_free(&s);
	forget();
}

/* "ann.example" NUL ".evil.example" is not ann; five bytes are no address. GnuTLS makes no such name: it is put into the DER. */
static void
a_name_that_would_look_like_another_is_left_out(void **state)
{
	static const char cut[] = "ann.example!.evil.example";
	struct shown *s;
	char *at;

	(void)state;
	name(GNUTLS_SAN_DNSNAME, cut, sizeof(cut) - 1);
	name(GNUTLS_SAN_IPADDRESS, "\xc0\0\2\7\1", 5);
	name(GNUTLS_SAN_DNSNAME, "last.example", 12);
	sign();
	at = memmem(chain[0].data, chain[0].size, cut, sizeof(cut) - 1);
	assert_non_null(at);
	*strchr(at, '!') = '\0';
	s = shown_new(chain, 2);
	assert_non_null(s);
	assert_int_equal(s->name_count, 1);
	assert_name(s, 0, WEIR_NAME_DNS, "last.example");
	shown_free(&s);
	forget();
}

static void
names_have_a_bound(void **state)
{
	char text[32];
	struct shown *s;

	(void)state;
	for (int i = 0; i < 260; i++) {
		snprintf(text, sizeof(text), "n%d.example", i);
		name(GNUTLS_SAN_DNSNAME, text, strlen(text));
	}
	s = show();
	assert_int_equal(s->name_count, 256);
	assert_name(s, 0, WEIR_NAME_DNS, "n0.example");
	assert_name(s, 255, WEIR_NAME_DNS, "n255.example");
	shown_free(&s);
	forget();
}

static void
what_is_no_certificate_shows_nothing(void **state)
{
	const gnutls_datum_t none = { (unsigned char *)"no DER", 6 };
	gnutls_datum_t half;

	(void)state;
	assert_null(shown_new(&none, 1));
	sign();
	half = (gnutls_datum_t){ chain[0].data, chain[0].size / 2 };
	assert_null(shown_new(&half, 1));
	forget();
}

/* Whatever allocation fails, ours or the library's: nothing, or the whole, and nothing leaks. */
static void
without_memory_it_is_nothing(void **state)
{
	struct shown *s = NULL;
	unsigned given = 0;

	(void)state;
	name(GNUTLS_SAN_DNSNAME, "ann.example", 11);
	sign();
	allocations_left = 0;
	assert_null(shown_new(chain, 2));
	for (; given < 10000 && s == NULL; given++) {
		allocations_left = given;
		s = shown_new(chain, 2);
	}
	allocations_left = UINT_MAX;
	assert_true(given > 1);
	assert_non_null(s);
	assert_name(s, 0, WEIR_NAME_DNS, "ann.example");
	shown_free(&s);
	forget();
}

#define SCENE(name) cmocka_unit_test_setup_teardown(name, begin, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE(it_says_whose_it_is),
		SCENE(names_of_each_kind_are_shown_in_their_order),
		SCENE(a_name_that_would_look_like_another_is_left_out),
		SCENE(names_have_a_bound),
		SCENE(what_is_no_certificate_shows_nothing),
		SCENE(without_memory_it_is_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
