/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenes for trusts: which chains are good, and why the others are not; which files make a trust.
 */
#include "config_scenes.h"
#include "certificates.h"
#include "server/trust.h"

static struct made root, middle, low, stranger;
static struct credential_notes notes;
static char authorities[MADE_ROOM], revocations[MADE_ROOM];

static int
begin_trust(void **state)
{
	root = make("root", (struct made_as){ .authority = true });
	middle = make("middle", (struct made_as){ .issuer = &root, .authority = true });
	low = make("low", (struct made_as){ .issuer = &middle, .authority = true });
	stranger = make("root", (struct made_as){ .authority = true });
	authorities[0] = revocations[0] = '\0';
	memset(&notes, 0, sizeof(notes));
	return begin_scene(state);
}

static int
end_trust(void **state)
{
	made_free(&root);
	made_free(&middle);
	made_free(&low);
	made_free(&stranger);
	return end_scene(state);
}

/* The trust of what stands in the two texts. */
static struct trust_content *
trust(void)
{
	struct file files[CREDENTIAL_PARTS] = {
		{ .bytes = authorities, .size = strlen(authorities) },
		{ .bytes = *revocations != '\0' ? revocations : NULL, .size = strlen(revocations) },
	};
	struct trust_content *content;

	memset(&notes, 0, sizeof(notes));
	content = (struct trust_content *)trust_kind.parse(files, &notes);
	if (content != NULL)
		trust_kind.judge(&content->content, NULL, &notes);
	return content;
}

static void
drop(struct trust_content *content)
{
	trust_kind.free(&content->content);
}

/* What is wrong with this chain? "" when it is good. */
static const char *
judge(const struct trust_content *content, struct trust_question question, const struct made *first, const struct made *second,
	const struct made *third)
{
	static char why[TRUST_WHY];
	const struct made *list[] = { first, second, third };
	gnutls_datum_t chain[3];
	unsigned count = 0;
	bool good;

	for (; count < 3 && list[count] != NULL; count++)
		made(gnutls_x509_crt_export2(list[count]->certificate, GNUTLS_X509_FMT_DER, &chain[count]));
	question.chain = chain;
	question.chain_length = count;
	good = trust_verify(content, &question, why);
	while (count > 0)
		gnutls_free(chain[--count].data);
	return good ? "" : why;
}

static const struct trust_question client = { .client = true, .depth = 1 };

static struct made
make_client(const struct made *issuer, int begins, int ends)
{
	return make("client", (struct made_as){ .issuer = issuer, .purpose = GNUTLS_KP_TLS_WWW_CLIENT, .begins = begins,
		.ends = ends, .serial = 7 });
}

static void
a_chain_to_an_authority_is_good(void **state)
{
	struct made leaf = make_client(&middle, 0, 0);
	struct trust_content *content;

	(void)state;
	add_certificate(authorities, &root);
	content = trust();
	assert_string_equal(judge(content, client, &leaf, &middle, NULL), "");
	assert_string_equal(judge(content, client, &leaf, &middle, &root), "");
	assert_string_equal(judge(content, client, &leaf, NULL, NULL), "it leads to none of the authorities");
	assert_string_equal(judge(content, client, NULL, NULL, NULL), "there is none");
	drop(content);
	made_free(&leaf);
}

static void
time_makes_it_bad(void **state)
{
	struct made old = make_client(&middle, -20, -10), early = make_client(&middle, 10, 20);
	struct trust_content *content;

	(void)state;
	add_certificate(authorities, &root);
	content = trust();
	assert_non_null(strstr(judge(content, client, &old, &middle, NULL), "it expired on 2"));
	assert_non_null(strstr(judge(content, client, &early, &middle, NULL), "it is not valid before 2"));
	drop(content);
	made_free(&old);
	made_free(&early);
}

/* The name of an authority is nothing: its key counts. */
static void
other_authorities_and_nobodys_certificates_are_refused(void **state)
{
	struct made foreign = make_client(&stranger, 0, 0);
	struct made own = make("self", (struct made_as){ .purpose = GNUTLS_KP_TLS_WWW_CLIENT });
	struct trust_content *content;

	(void)state;
	add_certificate(authorities, &root);
	content = trust();
	assert_string_equal(judge(content, client, &own, NULL, NULL), "it is self-signed, and none of the authorities");
	assert_string_not_equal(judge(content, client, &foreign, NULL, NULL), "");
	assert_string_not_equal(judge(content, client, &foreign, &stranger, NULL), "");
	assert_string_not_equal(judge(content, client, &foreign, &root, NULL), "");
	drop(content);
	made_free(&foreign);
	made_free(&own);
}

static void
who_is_no_authority_can_issue_nothing(void **state)
{
	struct made leaf = make_client(&middle, 0, 0), forged = make_client(&leaf, 0, 0);
	struct trust_content *content;

	(void)state;
	add_certificate(authorities, &root);
	content = trust();
	assert_string_not_equal(judge(content, client, &forged, &leaf, &middle), "");
	drop(content);
	made_free(&forged);
	made_free(&leaf);
}

static void
a_server_is_no_client_and_a_client_no_server(void **state)
{
	struct made server = make("server", (struct made_as){ .issuer = &middle, .host = "weir.test" });
	struct made leaf = make_client(&middle, 0, 0);
	struct trust_question as_server = { .depth = 1, .name = "weir.test" };
	struct trust_content *content;

	(void)state;
	add_certificate(authorities, &root);
	content = trust();
	assert_string_equal(judge(content, client, &server, &middle, NULL), "it is not meant for a client");
	assert_string_equal(judge(content, as_server, &server, &middle, NULL), "");
	as_server.name = "other.test";
	assert_string_equal(judge(content, as_server, &server, &middle, NULL), "it is not for other.test but for weir.test");
	as_server.name = NULL;
	assert_string_equal(judge(content, as_server, &leaf, &middle, NULL), "it is not meant for a server");
	drop(content);
	made_free(&server);
	made_free(&leaf);
}

static void
depth_counts_what_stands_between(void **state)
{
	struct made leaf = make_client(&low, 0, 0), near = make_client(&middle, 0, 0);
	struct trust_question deeper = { .client = true, .depth = 2 }, none = { .client = true };
	struct trust_content *content;

	(void)state;
	add_certificate(authorities, &root);
	content = trust();
	assert_string_equal(judge(content, client, &leaf, &low, &middle),
		"2 certificates stand between it and an authority, more than 1");
	assert_string_equal(judge(content, deeper, &leaf, &low, &middle), "");
	assert_string_equal(judge(content, deeper, &leaf, &middle, &low), "");	/* RFC 8446, 4.4.2: in any order */
	assert_string_equal(judge(content, none, &near, &middle, NULL),
		"1 certificate stands between it and an authority, more than 0");
	drop(content);
	add_certificate(authorities, &middle);
	content = trust();
	assert_string_equal(judge(content, none, &near, &middle, NULL), "");
	drop(content);
	made_free(&leaf);
	made_free(&near);
}

static void
what_its_issuer_revoked_is_refused(void **state)
{
	struct made leaf = make_client(&middle, 0, 0), other = make("other", (struct made_as){ .issuer = &middle, .serial = 8,
		.purpose = GNUTLS_KP_TLS_WWW_CLIENT });
	struct trust_content *content;

	(void)state;
	add_certificate(authorities, &root);
	add_certificate(authorities, &middle);
	add_revocations(revocations, &middle, &leaf, 10);
	content = trust();
	assert_int_equal(notes.count, 0);
	assert_string_equal(judge(content, client, &leaf, &middle, NULL), "it is revoked");
	assert_string_equal(judge(content, client, &leaf, NULL, NULL), "it is revoked");
	assert_string_equal(judge(content, client, &other, &middle, NULL), "");
	drop(content);
	made_free(&leaf);
	made_free(&other);
}

static void
a_list_whose_time_is_over_refuses_all_of_its_issuer(void **state)
{
	struct made leaf = make_client(&root, 0, 0);
	struct trust_content *content;

	(void)state;
	add_certificate(authorities, &root);
	add_revocations(revocations, &root, NULL, -2);
	content = trust();
	assert_int_equal(notes.count, 1);
	assert_non_null(strstr(notes.list[0].text, "a list of revocations ended on"));
	assert_string_equal(judge(content, client, &leaf, NULL, NULL),
		"the time of its issuer's list of revocations is over, or has not come");
	drop(content);
	made_free(&leaf);
}

static void
a_list_by_somebody_else_is_an_error(void **state)
{
	(void)state;
	add_certificate(authorities, &root);
	add_revocations(revocations, &stranger, NULL, 10);
	assert_null(trust());
	assert_int_equal(notes.errors, 1);
	assert_string_equal(notes.list[0].text, "its list of CN=root was signed by none of the authorities beside it; name "
		"the file of that issuer's certificate, too");
}

static void
what_is_no_trust_is_an_error(void **state)
{
	(void)state;
	assert_null(trust());
	assert_string_equal(notes.list[0].text, "there is no certificate in it: it is empty");
	add_key(authorities, &root);
	assert_null(trust());
	assert_string_equal(notes.list[0].text, "there is no certificate in it, but something else");
	authorities[0] = '\0';
	add_certificate(authorities, &root);
	strcpy(revocations, "\x30\x82 nonsense");
	assert_null(trust());
	assert_string_equal(notes.list[0].text, "there is no list of revocations in PEM form in it; from DER it is made by "
		"`openssl crl -inform der`");
	revocations[0] = '\0';
	add_revocations(revocations, &root, NULL, 10);
	revocations[strlen(revocations) / 2] = '\0';
	assert_null(trust());
	assert_non_null(strstr(notes.list[0].text, "is the file whole?"));
	for (size_t at = 40; at < strlen(authorities); at += 97) {
		revocations[0] = '\0';
		authorities[at] ^= 1;		/* it may still be a certificate, but nothing bad comes of it */
		struct trust_content *content = trust();

		if (content != NULL)
			drop(content);
	}
}

/* The library takes a line for a beginning that we do not count: what it has read is given back once. */
static void
one_that_begins_by_a_line_of_its_own_is_an_error(void **state)
{
	static const char odd[] = "-----BEGIN CERTIFICATES CERTIFICATE-----";
	char *second;

	(void)state;
	add_certificate(authorities, &root);
	second = authorities + strlen(authorities);
	add_certificate(authorities, &stranger);
	memmove(second + strlen(odd), strchr(second, '\n'), strlen(strchr(second, '\n')) + 1);
	memcpy(second, odd, strlen(odd));
	assert_null(trust());
	assert_non_null(strstr(notes.list[0].text, "is the file whole?"));
}

static void
trusts_differ_by_their_bytes(void **state)
{
	struct trust_content *a, *b;

	(void)state;
	add_certificate(authorities, &root);
	a = trust();
	authorities[0] = '\0';
	add_certificate(authorities, &stranger);
	b = trust();
	assert_memory_not_equal(a->content.digest, b->content.digest, CREDENTIAL_DIGEST);
	drop(b);
	authorities[0] = '\0';
	add_certificate(authorities, &root);
	strcat(authorities, "\n\n");
	b = trust();
	assert_memory_equal(a->content.digest, b->content.digest, CREDENTIAL_DIGEST);
	drop(b);
	add_revocations(revocations, &root, NULL, 10);
	b = trust();
	assert_memory_not_equal(a->content.digest, b->content.digest, CREDENTIAL_DIGEST);
	drop(b);
	drop(a);
}

static void
a_chain_that_is_none_is_refused(void **state)
{
	gnutls_datum_t garbage = { (unsigned char *)(uintptr_t)"0\x82\x01", 3 };
	struct trust_question question = { .chain = &garbage, .chain_length = 1, .client = true };
	struct trust_content *content;
	char why[TRUST_WHY];

	(void)state;
	add_certificate(authorities, &root);
	content = trust();
	assert_false(trust_verify(content, &question, why));
	assert_string_equal(why, "certificate 1 of its chain cannot be read");
	question.chain_length = TRUST_CHAIN_MOST + 1;
	assert_false(trust_verify(content, &question, why));
	assert_string_equal(why, "its chain has more than 16 certificates");
	drop(content);
}

#undef SCENE
#define SCENE(NAME) cmocka_unit_test_setup_teardown(NAME, begin_trust, end_trust)

int
main(void)
{
	const struct CMUnitTest scenes[] = {
		SCENE(a_chain_to_an_authority_is_good),
		SCENE(time_makes_it_bad),
		SCENE(other_authorities_and_nobodys_certificates_are_refused),
		SCENE(who_is_no_authority_can_issue_nothing),
		SCENE(a_server_is_no_client_and_a_client_no_server),
		SCENE(depth_counts_what_stands_between),
		SCENE(what_its_issuer_revoked_is_refused),
		SCENE(a_list_whose_time_is_over_refuses_all_of_its_issuer),
		SCENE(a_list_by_somebody_else_is_an_error),
		SCENE(what_is_no_trust_is_an_error),
		SCENE(one_that_begins_by_a_line_of_its_own_is_an_error),
		SCENE(trusts_differ_by_their_bytes),
		SCENE(a_chain_that_is_none_is_refused),
	};

	return cmocka_run_group_tests_name("trust", scenes, NULL, NULL);
}
