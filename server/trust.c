/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trust: certificates of authorities, and the lists of what they revoked.
 *
 * GnuTLS takes each certificate of the file as an authority of its own right, intermediate ones too. A list of
 * revocations counts where its issuer is among them; one whose time is over refuses all that its issuer signed.
 */
#include "trust.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <weir/build.h>

#include "digest.h"
#include "generation.h"
#include "pem.h"

enum { AUTHORITIES, REVOCATIONS };
enum { MIB = 1024 * 1024, NAMES_MOST = 16 };

/* --- reading -------------------------------------------------------------------------------------------- */

static bool
take_authorities(struct trust_content *trust, const struct file *file, struct credential_notes *notes)
{
	if (!pem_certificates(file, AUTHORITIES, &trust->authorities, &trust->authority_count, notes))
		return false;
	return gnutls_x509_trust_list_add_cas(trust->list, trust->authorities, trust->authority_count, 0) ==
		(int)trust->authority_count;
}

static void
note_foreign(gnutls_x509_crl_t crl, struct credential_notes *notes)
{
	gnutls_datum_t issuer = { NULL, 0 };

	gnutls_x509_crl_get_issuer_dn3(crl, &issuer, 0);
	credential_note(notes, REVOCATIONS, false, "its list of %s was signed by none of the authorities beside it; name "
		"the file of that issuer's certificate, too", issuer.data != NULL ? (const char *)issuer.data
		: "an unknown issuer");
	gnutls_free(issuer.data);
}

/* Is a list by one of our authorities? Its time is judged later. */
static bool
is_ours(const struct trust_content *trust, gnutls_x509_crl_t crl)
{
	unsigned status, time_only = GNUTLS_CERT_REVOCATION_DATA_SUPERSEDED |
		GNUTLS_CERT_REVOCATION_DATA_ISSUED_IN_FUTURE | GNUTLS_CERT_INVALID;

	return gnutls_x509_crl_verify(crl, trust->authorities, trust->authority_count, GNUTLS_VERIFY_ALLOW_SIGN_WITH_SHA1,
		&status) == 0 && (status & ~time_only) == 0;
}

static bool
take_revocations(struct trust_content *trust, const struct file *file, struct credential_notes *notes)
{
	if (file->bytes == NULL)
		return true;
	if (!pem_revocations(file, REVOCATIONS, &trust->revocations, &trust->revocation_count, notes))
		return false;
	for (unsigned i = 0; i < trust->revocation_count; i++)
		if (!is_ours(trust, trust->revocations[i]))
			note_foreign(trust->revocations[i], notes);
	return notes->errors == 0 && gnutls_x509_trust_list_add_crls(trust->list, trust->revocations,
		trust->revocation_count, 0, 0) == (int)trust->revocation_count;
}

static bool
digest(struct trust_content *trust)
{
	struct digest digest;
	gnutls_datum_t der;

	digest_begin(&digest, "trust");
	for (unsigned i = 0; i < trust->authority_count + trust->revocation_count; i++) {
		if ((i < trust->authority_count ?
			gnutls_x509_crt_export2(trust->authorities[i], GNUTLS_X509_FMT_DER, &der) :
			gnutls_x509_crl_export2(trust->revocations[i - trust->authority_count],
				GNUTLS_X509_FMT_DER, &der)) != 0) {
			digest.failed = true;
			continue;
		}
		digest_add(&digest, &der);
		gnutls_free(der.data);
	}
	return digest_end(&digest, trust->content.digest);
}

/* The list owns nothing of what it was given. */
static void
destroy(struct credential_content *content)
{
	struct trust_content *trust = (struct trust_content *)content;

	if (trust->list != NULL)
		gnutls_x509_trust_list_deinit(trust->list, 0);
	for (unsigned i = 0; i < trust->authority_count; i++)
		gnutls_x509_crt_deinit(trust->authorities[i]);
	for (unsigned i = 0; i < trust->revocation_count; i++)
		gnutls_x509_crl_deinit(trust->revocations[i]);
	gnutls_free(trust->authorities);
	gnutls_free(trust->revocations);
	free(trust);
}

static struct credential_content *
parse(const struct file files[CREDENTIAL_PARTS], struct credential_notes *notes)
{
	struct trust_content *trust = calloc(1, sizeof(*trust));

	if (trust != NULL && gnutls_x509_trust_list_init(&trust->list, 0) == 0 &&
	    take_authorities(trust, &files[AUTHORITIES], notes) &&
	    take_revocations(trust, &files[REVOCATIONS], notes) && digest(trust)) {
		trust->content.kind = &trust_kind;
		return &trust->content;
	}
	if (notes->errors == 0)
		credential_note(notes, AUTHORITIES, false, "no memory for the authorities");
	if (trust != NULL)
		destroy(&trust->content);
	return NULL;
}

static void
judge(const struct credential_content *content, const struct file_stamp stamps[CREDENTIAL_PARTS],
	struct credential_notes *notes)
{
	const struct trust_content *trust = (const struct trust_content *)content;
	time_t now = time(NULL), next;
	unsigned expired = 0;
	char day[32];

	(void)stamps;
	for (unsigned i = 0; i < trust->authority_count; i++)
		expired += gnutls_x509_crt_get_expiration_time(trust->authorities[i]) < now;
	if (expired == trust->authority_count)
		credential_note(notes, AUTHORITIES, true, "%s expired, so no certificate will be good",
			expired == 1 ? "the authority's certificate has" : "all authorities' certificates have");
	for (unsigned i = 0; i < trust->revocation_count; i++) {
		next = gnutls_x509_crl_get_next_update(trust->revocations[i]);
		if (next != (time_t)-1 && next < now)
			credential_note(notes, REVOCATIONS, true, "a list of revocations ended on %s: until there is a new one, "
				"all certificates of its issuer are refused", pem_day(next, day));
	}
}

const struct credential_kind trust_kind = {
	.name = "trust",
	.parts = { "the authorities' file", "the list of revocations" },
	.most = { 8 * MIB, 16 * MIB },
	.parse = parse,
	.judge = judge,
	.free = destroy,
};

/* --- verifying ------------------------------------------------------------------------------------------ */

/* Which certificate of the chain issued that one? */
static gnutls_x509_crt_t
issuer_in(const gnutls_x509_crt_t *chain, unsigned count, gnutls_x509_crt_t certificate)
{
	for (unsigned i = 1; i < count; i++)
		if (chain[i] != certificate && gnutls_x509_crt_check_issuer(certificate, chain[i]) != 0)
			return chain[i];
	return NULL;
}

static bool
is_by_issuer_of(gnutls_x509_crl_t crl, gnutls_x509_crt_t certificate)
{
	gnutls_datum_t theirs = { NULL, 0 }, ours = { NULL, 0 };
	bool same = gnutls_x509_crl_get_raw_issuer_dn(crl, &theirs) == 0 &&
		gnutls_x509_crt_get_raw_issuer_dn(certificate, &ours) == 0 && theirs.size == ours.size &&
		memcmp(theirs.data, ours.data, ours.size) == 0;

	gnutls_free(theirs.data);
	gnutls_free(ours.data);
	return same;
}

/* Has its issuer lists of revocations, and is none of them of this time? GnuTLS would not mind. */
static bool
is_overdue(const struct trust_content *trust, gnutls_x509_crt_t certificate)
{
	time_t now = time(NULL), next;
	bool overdue = false;

	for (unsigned i = 0; i < trust->revocation_count; i++) {
		if (!is_by_issuer_of(trust->revocations[i], certificate))
			continue;
		next = gnutls_x509_crl_get_next_update(trust->revocations[i]);
		if (gnutls_x509_crl_get_this_update(trust->revocations[i]) <= now && (next == (time_t)-1 || next >= now))
			return false;
		overdue = true;
	}
	return overdue;
}

/* From the leaf up to the first of our authorities: how many certificates stand between the two, at least? */
static bool
walk(const struct trust_content *trust, const gnutls_x509_crt_t *chain, unsigned count, unsigned *depth)
{
	gnutls_x509_crt_t at = chain[0], authority;
	bool overdue = false;

	for (*depth = 0; at != NULL && *depth < count; at = issuer_in(chain, count, at), (*depth)++) {
		overdue |= is_overdue(trust, at);
		if (gnutls_x509_trust_list_get_issuer(trust->list, at, &authority, 0) == 0)
			break;
	}
	return !overdue;
}

static const char *
day_of(gnutls_x509_crt_t certificate, bool end, char to[32])
{
	return pem_day(end ? gnutls_x509_crt_get_expiration_time(certificate) :
		gnutls_x509_crt_get_activation_time(certificate), to);
}

/* One of its alternative names, as text; false when there are no more. `to` is empty for one that is neither name nor address. */
static bool
alternative_name(gnutls_x509_crt_t leaf, unsigned at, char to[256])
{
	unsigned char value[256];
	size_t length = sizeof(value) - 1;
	int type = gnutls_x509_crt_get_subject_alt_name(leaf, at, value, &length, NULL);

	to[0] = '\0';
	if (type == GNUTLS_SAN_DNSNAME)
		snprintf(to, 256, "%.*s", (int)length, value);
	else if (type == GNUTLS_SAN_IPADDRESS && (length == 4 || length == 16))
		inet_ntop(length == 4 ? AF_INET : AF_INET6, value, to, 256);
	for (char *c = to; *c != '\0'; c++)
		if (*c < ' ' || *c == 0x7f)
			*c = '?';
	return type != GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE;
}

/* It is for others: for whom, as far as there is room. */
static void
explain_names(const char *wanted, gnutls_x509_crt_t leaf, char why[TRUST_WHY])
{
	size_t length = (size_t)snprintf(why, TRUST_WHY, "it is not for %.100s", wanted);
	const char *before = " but for ";
	char name[256];

	for (unsigned at = 0; at < NAMES_MOST && alternative_name(leaf, at, name); at++) {
		if (name[0] == '\0' || length + strlen(before) + strlen(name) >= TRUST_WHY)
			continue;
		length += (size_t)snprintf(why + length, TRUST_WHY - length, "%s%s", before, name);
		before = ", ";
	}
}

/* What the first of these bits that is set means for whom we ask about. */
static void
explain(const struct trust_question *question, gnutls_x509_crt_t leaf, unsigned status, char why[TRUST_WHY])
{
	time_t now = time(NULL);
	char day[32];

	if ((status & GNUTLS_CERT_REVOKED) != 0)
		snprintf(why, TRUST_WHY, "it is revoked");
	else if ((status & (GNUTLS_CERT_SIGNER_NOT_FOUND | GNUTLS_CERT_SIGNER_NOT_CA)) != 0)
		snprintf(why, TRUST_WHY, "%s", gnutls_x509_crt_check_issuer(leaf, leaf) != 0 ?
			"it is self-signed, and none of the authorities" : "it leads to none of the authorities");
	else if ((status & GNUTLS_CERT_EXPIRED) != 0)
		snprintf(why, TRUST_WHY, gnutls_x509_crt_get_expiration_time(leaf) < now ? "it expired on %s" :
			"a certificate that it depends on has expired", day_of(leaf, true, day));
	else if ((status & GNUTLS_CERT_NOT_ACTIVATED) != 0)
		snprintf(why, TRUST_WHY, gnutls_x509_crt_get_activation_time(leaf) > now ? "it is not valid before %s" :
			"a certificate that it depends on is not valid yet", day_of(leaf, false, day));
	else if ((status & GNUTLS_CERT_PURPOSE_MISMATCH) != 0)
		snprintf(why, TRUST_WHY, "it is not meant for a %s", question->client ? "client" : "server");
	else if ((status & GNUTLS_CERT_UNEXPECTED_OWNER) != 0)
		explain_names(question->name, leaf, why);
	else if ((status & GNUTLS_CERT_INSECURE_ALGORITHM) != 0)
		snprintf(why, TRUST_WHY, "its key or a signature is too weak");
	else
		snprintf(why, TRUST_WHY, "a signature of its chain is wrong, or what an authority may sign was exceeded");
}

static bool
verify(const struct trust_content *trust, const struct trust_question *question, gnutls_x509_crt_t *chain, char why[TRUST_WHY])
{
	const char *purpose = question->client ? GNUTLS_KP_TLS_WWW_CLIENT : GNUTLS_KP_TLS_WWW_SERVER;
	gnutls_typed_vdata_st data[] = {
		{ .type = GNUTLS_DT_KEY_PURPOSE_OID, .data = (void *)(uintptr_t)purpose },
		{ .type = GNUTLS_DT_DNS_HOSTNAME, .data = (void *)(uintptr_t)question->name },
	};
	unsigned status = 0, depth;
	bool timely = walk(trust, chain, question->chain_length, &depth);
	int error = gnutls_x509_trust_list_verify_crt2(trust->list, chain, question->chain_length, data,
		question->name != NULL ? 2 : 1, GNUTLS_PROFILE_TO_VFLAGS(GNUTLS_PROFILE_MEDIUM), &status, NULL);

	if (error != 0)
		snprintf(why, TRUST_WHY, "it cannot be verified: %s", gnutls_strerror(error));
	else if (status != 0)
		explain(question, chain[0], status, why);
	else if (!timely)
		snprintf(why, TRUST_WHY, "the time of its issuer's list of revocations is over, or has not come");
	else if (depth > question->depth)
		snprintf(why, TRUST_WHY, "%u certificate%s between it and an authority, more than %u", depth,
			depth == 1 ? " stands" : "s stand", question->depth);
	return error == 0 && status == 0 && timely && depth <= question->depth;
}

bool
trust_verify(const struct trust_content *trust, const struct trust_question *question, char why[TRUST_WHY])
{
	gnutls_x509_crt_t chain[TRUST_CHAIN_MOST];
	unsigned count = 0;
	bool good = question->chain_length > 0 && question->chain_length <= TRUST_CHAIN_MOST;

	snprintf(why, TRUST_WHY, question->chain_length == 0 ? "there is none" : "its chain has more than %d certificates",
		TRUST_CHAIN_MOST);
	while (good && count < question->chain_length) {
		if ((good = gnutls_x509_crt_init(&chain[count]) == 0)) {
			good = gnutls_x509_crt_import(chain[count], &question->chain[count], GNUTLS_X509_FMT_DER) == 0;
			count++;
		}
		if (!good)
			snprintf(why, TRUST_WHY, "certificate %u of its chain cannot be read", count);
	}
	good = good && verify(trust, question, chain, why);
	while (count > 0)
		gnutls_x509_crt_deinit(chain[--count]);
	return good;
}

/* --- handles -------------------------------------------------------------------------------------------- */

/* Where systems keep the authorities that they trust. */
static const char *
system_file(void)
{
	static const char *const files[] = {
		"/etc/ssl/certs/ca-certificates.crt",		/* Debian */
		"/etc/pki/tls/certs/ca-bundle.crt",		/* Fedora */
		"/etc/ssl/ca-bundle.pem",			/* SUSE */
		"/etc/ssl/cert.pem",				/* Alpine */
	};

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (access(files[i], F_OK) == 0)
			return files[i];
	return files[0];
}

const struct weir_trust *
weir_build_trust(struct weir_build *build, const char *authorities, const char *revocations)
{
	const char *const paths[CREDENTIAL_PARTS] = { authorities != NULL ? authorities : system_file(), revocations };

	return (const struct weir_trust *)credential_use(build, &trust_kind, paths);
}

const struct trust_content *
trust_hold(const struct weir_trust *trust)
{
	return (const struct trust_content *)credential_hold(&trust->credential);
}

const struct trust_content *
trust_hold_again(const struct trust_content *trust)
{
	credential_hold_again((struct credential_content *)(uintptr_t)&trust->content);
	return trust;
}

void
trust_drop(const struct trust_content **trust)
{
	if (*trust != NULL)
		credential_drop((struct credential_content *)(uintptr_t)&(*trust)->content);
	*trust = NULL;
}

const void *
trust_peek(const struct weir_trust *trust)
{
	return credential_peek(&trust->credential);
}
