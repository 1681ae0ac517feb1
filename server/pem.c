/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pem: certificates and lists of revocations out of PEM files.
 *
 * GnuTLS takes what it can read of a file that was cut short; here the number of what begins has to be the number of
 * what was read.
 */
#include "pem.h"

#include <gnutls/gnutls.h>
#include <stdio.h>
#include <string.h>

/* What a file may hold. */
struct sort {
	const char *name, *several, *openssl;
	const char *begins[2];	/* the words after -----BEGIN */
};

static const struct sort certificate = { "certificate", "certificates", "x509",
	{ "CERTIFICATE-----", "X509 CERTIFICATE-----" } };
static const struct sort revocation = { "list of revocations", "lists of revocations", "crl",
	{ "X509 CRL-----", "CRL-----" } };

static unsigned
count_begins(const struct file *file, const struct sort *sort)
{
	static const char mark[] = "-----BEGIN ";
	const char *at = file->bytes;
	unsigned count = 0;

	while ((at = strstr(at, mark)) != NULL) {
		at += strlen(mark);
		for (unsigned i = 0; i < 2; i++)
			count += strncmp(at, sort->begins[i], strlen(sort->begins[i])) == 0;
	}
	return count;
}

static bool
check_begins(const struct file *file, const struct sort *sort, unsigned part, unsigned count,
	struct credential_notes *notes)
{
	if (count > 0)
		return true;
	if (file->size == 0)
		credential_note(notes, part, false, "there is no %s in it: it is empty", sort->name);
	else if (strstr(file->bytes, "-----BEGIN ") != NULL)
		credential_note(notes, part, false, "there is no %s in it, but something else", sort->name);
	else
		credential_note(notes, part, false, "there is no %s in PEM form in it; from DER it is made by "
			"`openssl %s -inform der`", sort->name, sort->openssl);
	return false;
}

static bool
check_count(const struct sort *sort, unsigned part, int error, unsigned begun, unsigned count,
	struct credential_notes *notes)
{
	if (error == 0 && begun == count)
		return true;
	if (error == 0)
		credential_note(notes, part, false, "of %u %s in it only %u can be read; is the file whole?", begun,
			sort->several, count);
	else
		credential_note(notes, part, false, "a %s in it cannot be read: %s; is the file whole?", sort->name,
			gnutls_strerror(error));
	return false;
}

bool
pem_certificates(const struct file *file, unsigned part, gnutls_x509_crt_t **list, unsigned *count,
	struct credential_notes *notes)
{
	const gnutls_datum_t data = { (unsigned char *)file->bytes, (unsigned)file->size };
	unsigned begun = count_begins(file, &certificate);
	int error;

	if (!check_begins(file, &certificate, part, begun, notes))
		return false;
	*list = NULL;
	*count = 0;
	error = gnutls_x509_crt_list_import2(list, count, &data, GNUTLS_X509_FMT_PEM, 0);
	if (check_count(&certificate, part, error, begun, *count, notes))
		return true;
	for (unsigned i = 0; error == 0 && i < *count; i++)
		gnutls_x509_crt_deinit((*list)[i]);
	if (error == 0)
		gnutls_free(*list);
	*list = NULL;
	*count = 0;
	return false;
}

bool
pem_revocations(const struct file *file, unsigned part, gnutls_x509_crl_t **list, unsigned *count,
	struct credential_notes *notes)
{
	const gnutls_datum_t data = { (unsigned char *)file->bytes, (unsigned)file->size };
	unsigned begun = count_begins(file, &revocation);
	int error;

	if (!check_begins(file, &revocation, part, begun, notes))
		return false;
	*list = NULL;
	*count = 0;
	error = gnutls_x509_crl_list_import2(list, count, &data, GNUTLS_X509_FMT_PEM, 0);
	if (check_count(&revocation, part, error, begun, *count, notes))
		return true;
	for (unsigned i = 0; error == 0 && i < *count; i++)
		gnutls_x509_crl_deinit((*list)[i]);
	if (error == 0)
		gnutls_free(*list);
	*list = NULL;
	*count = 0;
	return false;
}

const char *
pem_day(time_t time, char to[32])
{
	struct tm parts;

	if (gmtime_r(&time, &parts) == NULL || strftime(to, 32, "%Y-%m-%d %H:%M UTC", &parts) == 0)
		strcpy(to, "a day beyond the calendar");
	return to;
}
