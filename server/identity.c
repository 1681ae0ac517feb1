/* SPDX-License-Identifier: Apache-2.0 */
/*
 * identity: a certificate chain with its private key, and a stapled OCSP response where there is one.
 *
 * Everything is judged when it is read: what parses here can be used in a handshake without a further error. Only
 * time can make it bad, and that is warned of.
 */
#include "identity.h"

#include <gnutls/ocsp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <weir/build.h>

#include "digest.h"
#include "generation.h"
#include "pem.h"

enum { CERTIFICATE, KEY, STAPLE };
enum { KIB = 1024, CHAIN_MOST = 16, KEY_ID = 64 };

/* --- the chain ------------------------------------------------------------------------------------------ */

static bool
import_chain(struct identity_content *identity, const gnutls_x509_crt_t *certificates, unsigned count,
	struct credential_notes *notes)
{
	int error = 0;

	if ((identity->chain = calloc(count, sizeof(*identity->chain))) == NULL)
		error = GNUTLS_E_MEMORY_ERROR;
	while (error == 0 && identity->chain_length < count) {
		error = gnutls_pcert_import_x509(&identity->chain[identity->chain_length],
			certificates[identity->chain_length], 0);
		identity->chain_length += error == 0;
	}
	if (error != 0)
		credential_note(notes, CERTIFICATE, false, "a certificate cannot be used: %s", gnutls_strerror(error));
	return error == 0;
}

/* Each certificate is to be issued by the next one (RFC 5246, 7.4.2): not every client sorts them. */
static bool
check_order(const gnutls_x509_crt_t *certificates, unsigned count, struct credential_notes *notes)
{
	for (unsigned i = 0; i + 1 < count; i++)
		if (gnutls_x509_crt_check_issuer(certificates[i], certificates[i + 1]) == 0) {
			credential_note(notes, CERTIFICATE, false,
				"the chain is not in order: certificate %u was not issued by certificate %u; write the "
				"server's or client's own certificate first, then who issued it, and so on", i + 1, i + 2);
			return false;
		}
	return true;
}

static bool
take_chain(struct identity_content *identity, const struct file *file, struct credential_notes *notes)
{
	gnutls_x509_crt_t *certificates;
	unsigned count;
	bool good;

	if (!pem_certificates(file, CERTIFICATE, &certificates, &count, notes))
		return false;
	good = count <= CHAIN_MOST;
	if (!good)
		credential_note(notes, CERTIFICATE, false, "the chain has %u certificates, more than %d", count, CHAIN_MOST);
	good = good && check_order(certificates, count, notes) && import_chain(identity, certificates, count, notes);
	identity->leaf = certificates[0];
	for (unsigned i = 1; i < count; i++)
		gnutls_x509_crt_deinit(certificates[i]);
	gnutls_free(certificates);
	identity->begins = gnutls_x509_crt_get_activation_time(identity->leaf);
	identity->expires = gnutls_x509_crt_get_expiration_time(identity->leaf);
	return good;
}

/* --- the key -------------------------------------------------------------------------------------------- */

static void
note_bad_key(const struct file *file, unsigned part, int error, struct credential_notes *notes)
{
	if (strstr(file->bytes, "-----BEGIN ") == NULL)
		credential_note(notes, part, false, "there is no private key in PEM form in it; from DER it is made by "
			"`openssl pkey -inform der`");
	else if (strstr(file->bytes, "ENCRYPTED") != NULL)
		credential_note(notes, part, false, "the private key is encrypted, and there is nobody to ask for its "
			"password; decrypt it by `openssl pkey`");
	else if (strstr(file->bytes, "PRIVATE KEY-----") == NULL)
		credential_note(notes, part, false, "there is no private key in it; name its file by the key option");
	else
		credential_note(notes, part, false, "the private key cannot be used: %s; is the file whole?",
			gnutls_strerror(error));
}

static bool
has_key(const struct identity_content *identity, gnutls_pubkey_t key, unsigned at)
{
	unsigned char ours[KEY_ID], theirs[KEY_ID];
	size_t our_size = sizeof(ours), their_size = sizeof(theirs);

	return gnutls_pubkey_get_key_id(key, GNUTLS_KEYID_USE_SHA256, ours, &our_size) == 0 &&
		gnutls_pubkey_get_key_id(identity->chain[at].pubkey, GNUTLS_KEYID_USE_SHA256, theirs, &their_size) == 0 &&
		our_size == their_size && memcmp(ours, theirs, our_size) == 0;
}

static bool
check_key(const struct identity_content *identity, unsigned part, struct credential_notes *notes)
{
	gnutls_pubkey_t public;
	bool good;
	unsigned at = 0;

	if (gnutls_pubkey_init(&public) != 0)
		return false;
	good = gnutls_pubkey_import_privkey(public, identity->key, 0, 0) == 0;
	while (good && at < identity->chain_length && !has_key(identity, public, at))
		at++;
	gnutls_pubkey_deinit(public);
	if (good && at == 0)
		return true;
	if (good && at < identity->chain_length)
		credential_note(notes, part, false, "the private key is that of certificate %u of the chain; write that "
			"certificate first", at + 1);
	else
		credential_note(notes, part, false, "the private key is not that of the certificate; was only one of the two "
			"renewed?");
	return false;
}

static bool
take_key(struct identity_content *identity, const struct file files[CREDENTIAL_PARTS], struct credential_notes *notes)
{
	unsigned part = files[KEY].bytes != NULL ? KEY : CERTIFICATE;
	const gnutls_datum_t data = { (unsigned char *)files[part].bytes, (unsigned)files[part].size };
	int error = gnutls_privkey_init(&identity->key);

	if (error == 0)
		error = gnutls_privkey_import_x509_raw(identity->key, &data, GNUTLS_X509_FMT_PEM, NULL, 0);
	if (error != 0) {
		note_bad_key(&files[part], part, error, notes);
		return false;
	}
	identity->algorithm = (gnutls_pk_algorithm_t)gnutls_privkey_get_pk_algorithm(identity->key, NULL);
	return check_key(identity, part, notes);
}

/* --- the staple ----------------------------------------------------------------------------------------- */

static bool
check_staple(struct identity_content *identity, gnutls_ocsp_resp_t response, struct credential_notes *notes)
{
	time_t next = (time_t)-1;
	unsigned status = GNUTLS_OCSP_CERT_UNKNOWN;

	if (gnutls_ocsp_resp_get_status(response) != GNUTLS_OCSP_RESP_SUCCESSFUL ||
	    gnutls_ocsp_resp_check_crt(response, 0, identity->leaf) != 0 ||
	    gnutls_ocsp_resp_get_single(response, 0, NULL, NULL, NULL, NULL, &status, NULL, &next, NULL, NULL) != 0) {
		credential_note(notes, STAPLE, false, "the OCSP response says nothing about this certificate; ask its "
			"issuer's responder anew");
		return false;
	}
	if (status != GNUTLS_OCSP_CERT_GOOD)
		credential_note(notes, STAPLE, false, "the OCSP response says that the certificate is %s",
			status == GNUTLS_OCSP_CERT_REVOKED ? "revoked" : "unknown");
	identity->staple.exptime = next == (time_t)-1 ? 0 : next;
	return status == GNUTLS_OCSP_CERT_GOOD;
}

static bool
take_staple(struct identity_content *identity, const struct file *file, struct credential_notes *notes)
{
	const gnutls_datum_t data = { (unsigned char *)file->bytes, (unsigned)file->size };
	bool pem = strncmp(file->bytes, "-----BEGIN ", 11) == 0, good;
	gnutls_ocsp_resp_t response;
	int error;

	if (gnutls_ocsp_resp_init(&response) != 0)
		return false;
	error = gnutls_ocsp_resp_import2(response, &data, pem ? GNUTLS_X509_FMT_PEM : GNUTLS_X509_FMT_DER);
	if (error != 0)
		credential_note(notes, STAPLE, false, "there is no OCSP response in it: %s", gnutls_strerror(error));
	good = error == 0 && check_staple(identity, response, notes) &&
		gnutls_ocsp_resp_export2(response, &identity->staple.response, GNUTLS_X509_FMT_DER) == 0;
	gnutls_ocsp_resp_deinit(response);
	return good;
}

/* --- the kind ------------------------------------------------------------------------------------------- */

static void
destroy(struct credential_content *content)
{
	struct identity_content *identity = (struct identity_content *)content;

	for (unsigned i = 0; i < identity->chain_length; i++)
		gnutls_pcert_deinit(&identity->chain[i]);
	free(identity->chain);
	if (identity->leaf != NULL)
		gnutls_x509_crt_deinit(identity->leaf);
	if (identity->key != NULL)
		gnutls_privkey_deinit(identity->key);
	gnutls_free(identity->staple.response.data);
	free(identity);
}

static bool
digest(struct identity_content *identity)
{
	struct digest digest;

	digest_begin(&digest, "identity");
	for (unsigned i = 0; i < identity->chain_length; i++)
		digest_add(&digest, &identity->chain[i].cert);
	digest_add(&digest, &identity->staple.response);
	return digest_end(&digest, identity->content.digest);
}

static struct credential_content *
parse(const struct file files[CREDENTIAL_PARTS], struct credential_notes *notes)
{
	struct identity_content *identity = calloc(1, sizeof(*identity));

	if (identity == NULL) {
		credential_note(notes, CERTIFICATE, false, "no memory for a certificate");
		return NULL;
	}
	identity->content.kind = &identity_kind;
	if (take_chain(identity, &files[CERTIFICATE], notes) && take_key(identity, files, notes) &&
	    (files[STAPLE].bytes == NULL || take_staple(identity, &files[STAPLE], notes)) &&
	    digest(identity))
		return &identity->content;
	if (notes->errors == 0)
		credential_note(notes, CERTIFICATE, false, "no memory for a certificate");
	destroy(&identity->content);
	return NULL;
}

static void
judge(const struct credential_content *content, const struct file_stamp stamps[CREDENTIAL_PARTS],
	struct credential_notes *notes)
{
	const struct identity_content *identity = (const struct identity_content *)content;
	time_t now = time(NULL);
	char day[32];

	if (identity->expires < now)
		credential_note(notes, CERTIFICATE, true, "the certificate expired on %s; renew it",
			pem_day(identity->expires, day));
	if (identity->begins > now)
		credential_note(notes, CERTIFICATE, true, "the certificate is not valid before %s; is the clock right?",
			pem_day(identity->begins, day));
	if (identity->staple.exptime != 0 && identity->staple.exptime < now)
		credential_note(notes, STAPLE, true, "the OCSP response ended on %s and is not sent; fetch a new one",
			pem_day(identity->staple.exptime, day));
	for (unsigned part = CERTIFICATE; part <= KEY; part++)
		if ((stamps[KEY].mode != 0) == (part == KEY) && (stamps[part].mode & S_IROTH) != 0)
			credential_note(notes, part, true, "everybody on this machine can read the private key (mode %04o): "
				"chmod o= it", (unsigned)stamps[part].mode & 07777);
}

const struct credential_kind identity_kind = {
	.name = "certificate",
	.parts = { "the certificate", "the key", "the OCSP response" },
	.most = { 1024 * KIB, 256 * KIB, 256 * KIB },
	.parse = parse,
	.judge = judge,
	.free = destroy,
};

/* --- handles -------------------------------------------------------------------------------------------- */

const struct weir_identity *
weir_build_identity(struct weir_build *build, const char *certificate, const char *key, const char *staple)
{
	const char *const paths[CREDENTIAL_PARTS] = { certificate, key, staple };

	return (const struct weir_identity *)credential_use(build, &identity_kind, paths);
}

const struct identity_content *
identity_hold(const struct weir_identity *identity)
{
	return (const struct identity_content *)credential_hold(&identity->credential);
}

const struct identity_content *
identity_hold_again(const struct identity_content *identity)
{
	credential_hold_again((struct credential_content *)(uintptr_t)&identity->content);
	return identity;
}

void
identity_drop(const struct identity_content **identity)
{
	if (*identity != NULL)
		credential_drop((struct credential_content *)(uintptr_t)&(*identity)->content);
	*identity = NULL;
}

const void *
identity_peek(const struct weir_identity *identity)
{
	return credential_peek(&identity->credential);
}
