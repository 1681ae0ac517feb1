/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_pem: files of authorities and revocations, and of a certificate with its key: a content comes of them,
 * or a fault that is told,
 * never both and never neither. A NUL in the input is where the next file begins.
 */
#include "http1_fuzz.h"
#include "server/identity.h"
#include "server/trust.h"

/* The parts as files, each with a NUL behind it as file_read leaves them. */
static void
cut(const uint8_t *data, size_t size, struct file files[CREDENTIAL_PARTS])
{
	for (unsigned part = 0; part < CREDENTIAL_PARTS; part++) {
		const uint8_t *end = size > 0 ? memchr(data, '\0', size) : NULL;
		size_t length = end != NULL ? (size_t)(end - data) : size;
		char *copy;

		if (length == 0 && part > 0)	/* it was not named */
			break;
		copy = malloc(length + 1);
		must(copy != NULL);
		memcpy(copy, data, length);
		copy[length] = '\0';
		files[part].bytes = copy;
		files[part].size = length;
		data += end != NULL ? length + 1 : length;
		size -= end != NULL ? length + 1 : length;
	}
}

static void
check(const struct credential_kind *kind, const struct file files[CREDENTIAL_PARTS])
{
	static const struct file_stamp stamps[CREDENTIAL_PARTS];
	struct credential_notes notes = { .count = 0 };
	struct credential_content *content = kind->parse(files, &notes);

	must((content == NULL) == (notes.errors > 0));
	must(notes.count <= CREDENTIAL_NOTES);
	if (content != NULL) {
		kind->judge(content, stamps, &notes);
		kind->free(content);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct file files[CREDENTIAL_PARTS];

	memset(files, 0, sizeof(files));
	cut(data, size, files);
	check(&trust_kind, files);
	check(&identity_kind, files);
	for (unsigned part = 0; part < CREDENTIAL_PARTS; part++)
		free(files[part].bytes);
	return 0;
}
