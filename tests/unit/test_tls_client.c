/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenes of TLS that we begin: who is let pass, what is told, what is resumed and for how long.
 *
 * The server is GnuTLS at the other end of a pair of sockets, with a certificate that the scene makes.
 */
#include "bare_thread.h"
#include "certificates.h"
#include "server/identity.h"
#include "server/outlet.h"
#include "server/tls_client.h"
#include "server/wheel.h"
#include "server/wire.h"

#include <sys/socket.h>

static struct made root, leaf;
static struct trust_content trusted;
static struct tls_terms terms;
static struct weir_peer_tls wanted;
static struct tls_client client;
static struct wire near, far;
static gnutls_certificate_credentials_t credentials;
static gnutls_datum_t ticket_key;
static bool asks, speaks_h1;

/* As it would be read from a file; the list owns it. */
static void
add_trust(const struct made *authority)
{
	gnutls_x509_crt_t copy;
	gnutls_datum_t der;

	made(gnutls_x509_crt_export2(authority->certificate, GNUTLS_X509_FMT_DER, &der));
	made(gnutls_x509_crt_init(&copy));
	made(gnutls_x509_crt_import(copy, &der, GNUTLS_X509_FMT_DER));
	made(gnutls_x509_trust_list_init(&trusted.list, 0));
	made(gnutls_x509_trust_list_add_cas(trusted.list, &copy, 1, 0));
	gnutls_free(der.data);
}

static int
begin(void **state)
{
	root = make("root", (struct made_as){ .authority = true });
	leaf = make("leaf", (struct made_as){ .issuer = &root, .host = "weir.test" });
	add_trust(&root);
	terms = (struct tls_terms){ .trust = &trusted };
	wanted = (struct weir_peer_tls){ .on = true };
	made(gnutls_certificate_allocate_credentials(&credentials));
	made(gnutls_certificate_set_x509_key(credentials, &leaf.certificate, 1, leaf.key));
	made(gnutls_session_ticket_key_generate(&ticket_key));
	asks = speaks_h1 = false;
	near = far = (struct wire){ .fd = -1 };
	return begin_bare(state);
}

static void
hang_up(void)
{
	wire_close(&near);
	wire_close(&far);
}

static int
end(void **state)
{
	hang_up();
	gnutls_certificate_free_credentials(credentials);
	gnutls_free(ticket_key.data);
	gnutls_x509_trust_list_deinit(trusted.list, 1);
	made_free(&leaf);
	made_free(&root);
	return end_bare(state);
}

static void
connect_both(void)
{
	int fds[2];

	hang_up();
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	near = (struct wire){ .fd = fds[0] };
	far = (struct wire){ .fd = fds[1] };
}

static gnutls_session_t
serve(void)
{
	static unsigned char h1[] = "http/1.1";
	const gnutls_datum_t protocol = { h1, 8 };
	gnutls_session_t session;

	assert_non_null(tls_begin(&far, true));
	session = tls_session(far.tls);
	made(gnutls_set_default_priority(session));
	made(gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, credentials));
	made(gnutls_session_ticket_enable_server(session, &ticket_key));
	if (asks)
		gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUEST);
	if (speaks_h1)
		made(gnutls_alpn_set_protocols(session, &protocol, 1, 0));
	return session;
}

/* The whole handshake, as far as it comes. */
static enum tls_result
shake(const char *host, const struct tls_ticket *ticket)
{
	enum tls_result ours = TLS_READ, theirs = TLS_READ;
	const char *why;

	connect_both();
	serve();
	assert_true(tls_client_begin(&client, &near, &wanted, &terms, host, ticket));
	for (int i = 0; i < 20 && (ours == TLS_READ || (ours == TLS_DONE && theirs == TLS_READ)); i++) {
		if (ours == TLS_READ)
			ours = tls_client_go(&client, &near);
		if (theirs == TLS_READ)
			theirs = tls_handshake(far.tls, &why);
	}
	if (ours == TLS_DONE)
		assert_int_equal(theirs, TLS_DONE);
	return ours;
}

static void
assert_refused(const char *host, const char *why)
{
	assert_int_equal(shake(host, NULL), TLS_FAILED);
	assert_string_equal(client.why, why);
}

static bool
was_resumed(void)
{
	return gnutls_session_is_resumed(tls_session(near.tls)) != 0;
}

/* The name that the server was asked for; "" for none. */
static const char *
asked_for(void)
{
	static char name[256];
	size_t length = sizeof(name);
	unsigned type;

	if (gnutls_server_name_get(tls_session(far.tls), name, &length, &type, 0) != 0)
		name[0] = '\0';
	return name;
}

/* Read what the server says for itself. */
static void
take_tickets(void)
{
	struct buffer *in = NULL;

	assert_int_equal(buffer_receive(&bare, &in, &near), BUFFER_NOTHING);
	assert_null(in);
}

static void
a_good_server_is_let_pass(void **state)
{
	(void)state;
	assert_int_equal(shake("weir.test", NULL), TLS_DONE);
	assert_true(client.judged > 0);
	assert_false(was_resumed());
	assert_string_equal(asked_for(), "weir.test");
}

static void
others_are_refused(void **state)
{
	struct made stranger = make("stranger", (struct made_as){ .authority = true });

	(void)state;
	assert_refused("other.test", "its certificate is not good: it is not for other.test but for weir.test");
	gnutls_x509_trust_list_deinit(trusted.list, 1);
	add_trust(&stranger);
	assert_refused("weir.test", "its certificate is not good: it leads to none of the authorities");
	made_free(&stranger);
}

static void
as_much_is_verified_as_is_wanted(void **state)
{
	(void)state;
	wanted.verify = WEIR_VERIFY_CA;
	assert_int_equal(shake("other.test", NULL), TLS_DONE);
	assert_int_equal(shake(NULL, NULL), TLS_DONE);
	wanted.verify = WEIR_VERIFY_NONE;
	terms.trust = NULL;
	assert_int_equal(shake("other.test", NULL), TLS_DONE);
	assert_true(client.judged > 0);
}

static void
nothing_begins_that_could_not_be_verified(void **state)
{
	(void)state;
	connect_both();
	assert_false(tls_client_begin(&client, &near, &wanted, &terms, NULL, NULL));
	assert_string_equal(client.why, "it is to be verified, but nothing says for which name");
	terms.trust = NULL;
	assert_false(tls_client_begin(&client, &near, &wanted, &terms, "weir.test", NULL));
	assert_string_equal(client.why, "it is to be verified, but nothing says by whose authorities");
	assert_null(near.tls);
}

static void
names_are_told_as_they_are_set(void **state)
{
	(void)state;
	wanted.sni = "other.test";
	wanted.verify_name = "weir.test";
	assert_int_equal(shake("127.0.0.1", NULL), TLS_DONE);
	assert_string_equal(asked_for(), "other.test");
	wanted.sni = "";
	assert_int_equal(shake("weir.test", NULL), TLS_DONE);
	assert_string_equal(asked_for(), "");
	wanted = (struct weir_peer_tls){ .on = true, .sni = "weir.test" };
	assert_int_equal(shake("127.0.0.1", NULL), TLS_DONE);	/* which goes for the certificate too */
	assert_string_equal(asked_for(), "weir.test");
	wanted.sni = NULL;
	assert_refused("127.0.0.1", "its certificate is not good: it is not for 127.0.0.1 but for weir.test");
	assert_string_equal(asked_for(), "");
	assert_true(tls_client_is_number("::1") && tls_client_is_number("10.0.0.1") && !tls_client_is_number("weir.test"));
}

static void
who_we_are_is_shown_when_asked(void **state)
{
	struct identity_content identity = { .chain_length = 1, .chain = malloc(sizeof(*identity.chain)) };
	unsigned count;

	(void)state;
	made(gnutls_pcert_import_x509(identity.chain, leaf.certificate, 0));
	made(gnutls_privkey_init(&identity.key));
	made(gnutls_privkey_import_x509(identity.key, leaf.key, 0));
	assert_int_equal(shake("weir.test", NULL), TLS_DONE);
	asks = true;
	assert_int_equal(shake("weir.test", NULL), TLS_DONE);
	assert_null(gnutls_certificate_get_peers(tls_session(far.tls), &count));
	terms.identity = &identity;
	for (int i = 0; i < 2; i++) {		/* it stays ours */
		assert_int_equal(shake("weir.test", NULL), TLS_DONE);
		assert_non_null(gnutls_certificate_get_peers(tls_session(far.tls), &count));
		assert_int_equal(count, 1);
	}
	gnutls_pcert_deinit(identity.chain);
	gnutls_privkey_deinit(identity.key);
	free(identity.chain);
}

static void
protocols_are_offered(void **state)
{
	gnutls_datum_t chosen;

	(void)state;
	speaks_h1 = true;
	assert_int_equal(shake("weir.test", NULL), TLS_DONE);
	assert_int_not_equal(gnutls_alpn_get_selected_protocol(tls_session(near.tls), &chosen), 0);
	wanted.alpn = "http/1.0  http/1.1";
	assert_int_equal(shake("weir.test", NULL), TLS_DONE);
	assert_int_equal(gnutls_alpn_get_selected_protocol(tls_session(near.tls), &chosen), 0);
	assert_int_equal(chosen.size, 8);
	assert_memory_equal(chosen.data, "http/1.1", 8);
}

static void
sessions_are_resumed_on_the_judgement_of_the_first(void **state)
{
	struct tls_ticket ticket;

	(void)state;
	assert_int_equal(shake("weir.test", NULL), TLS_DONE);
	ticket = tls_client_ticket(&near, 7);
	assert_null(ticket.data.data);			/* none has come */
	take_tickets();
	ticket = tls_client_ticket(&near, client.judged - 100);
	assert_non_null(ticket.data.data);
	assert_int_equal(shake("weir.test", &ticket), TLS_DONE);
	assert_true(was_resumed());
	assert_int_equal(client.judged, ticket.judged);
	ticket.judged = wheel_clock() - TLS_TICKET_LIFE;	/* too long ago: it is judged anew */
	assert_int_equal(shake("weir.test", &ticket), TLS_DONE);
	assert_false(was_resumed());
	assert_true(client.judged > ticket.judged);
	gnutls_free(ticket.data.data);
}

static void
a_ticket_that_is_not_taken_means_a_judgement(void **state)
{
	struct tls_ticket ticket;

	(void)state;
	assert_int_equal(shake("weir.test", NULL), TLS_DONE);
	take_tickets();
	ticket = tls_client_ticket(&near, client.judged);
	gnutls_free(ticket_key.data);
	made(gnutls_session_ticket_key_generate(&ticket_key));
	assert_int_equal(shake("weir.test", &ticket), TLS_DONE);
	assert_false(was_resumed());
	assert_int_equal(shake("other.test", &ticket), TLS_FAILED);
	gnutls_free(ticket.data.data);
}

static void
priorities_are_checked(void **state)
{
	(void)state;
	assert_null(tls_client_judge_priority("NORMAL:-VERS-ALL:+VERS-TLS1.3"));
	assert_string_equal(tls_client_judge_priority("NORMAL:+NONSENSE"), "+NONSENSE");
	wanted.priority = "NORMAL:-VERS-ALL:+VERS-TLS1.2";
	assert_int_equal(shake("weir.test", NULL), TLS_DONE);
	assert_int_equal(gnutls_protocol_get_version(tls_session(near.tls)), GNUTLS_TLS1_2);
	wanted.priority = "NONSENSE";
	connect_both();
	assert_false(tls_client_begin(&client, &near, &wanted, &terms, "weir.test", NULL));
	assert_string_equal(client.why, "its priority string is not understood");
}

#undef SCENE
#define SCENE(name) cmocka_unit_test_setup_teardown(name, begin, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE(a_good_server_is_let_pass),
		SCENE(others_are_refused),
		SCENE(as_much_is_verified_as_is_wanted),
		SCENE(nothing_begins_that_could_not_be_verified),
		SCENE(names_are_told_as_they_are_set),
		SCENE(who_we_are_is_shown_when_asked),
		SCENE(protocols_are_offered),
		SCENE(sessions_are_resumed_on_the_judgement_of_the_first),
		SCENE(a_ticket_that_is_not_taken_means_a_judgement),
		SCENE(priorities_are_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
