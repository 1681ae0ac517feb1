/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_greeting: the message of a ClientHello, as the handshake with clients reads it before GnuTLS does: what
 * is found is safe to be
 * used as a name, and does not depend on what was found before.
 */
#include "http1_fuzz.h"
#include "server/greeting.h"

static void
check_name(const char *name)
{
	must(memchr(name, '\0', sizeof(((struct greeting *)NULL)->name)) != NULL);
	must(name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-._")] == '\0');
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct greeting first, again;
	gnutls_datum_t message;
	int error;

	if (size > 64 * 1024)
		return 0;
	message = (gnutls_datum_t){ (unsigned char *)exact_copy(data, size), (unsigned)size };
	memset(&first, 0, sizeof(first));
	memset(&again, 0, sizeof(again));
	memset(again.name, 'x', sizeof(again.name) - 1);
	again.ecdsa = again.eddsa = again.has_ticket = true;
	error = greeting_read(&first, &message);
	must((greeting_read(&again, &message) < 0) == (error < 0));
	if (error >= 0) {
		check_name(first.name);
		must(strcmp(first.name, again.name) == 0 && first.ecdsa == again.ecdsa && first.eddsa == again.eddsa);
		must(first.has_ticket == again.has_ticket && memcmp(first.ticket, again.ticket, TICKET_NAME) == 0);
	}
	free(message.data);
	return 0;
}
