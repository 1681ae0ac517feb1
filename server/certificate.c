/* SPDX-License-Identifier: Apache-2.0 */
/*
 * certificate: from host names to the sections that serve them.
 */
#include "certificate.h"

#include <string.h>
#include <weir/build.h>

#include "config.h"
#include "generation.h"
#include "identity.h"
#include "name.h"
#include "report.h"

enum { NAME_MOST = 253 };

#define AT(member) offsetof(struct certificate_settings, member)

const struct weir_option certificate_options[] = {
	{ "host", WEIR_TEXT, AT(host), .repeat = true,
		.doc = "Names that this section serves, separated by spaces: example.com, or *.example.com for every name with "
		"one label more." },
	{ "certificate", WEIR_PATH, AT(certificate), .required = true, .repeat = true,
		.doc = "A file with the certificate chain in PEM, the own certificate first. A second one may have a key of "
		"another kind: ECDSA for whom understands it, RSA for the others." },
	{ "key", WEIR_PATH, AT(key), .repeat = true,
		.doc = "The private key in PEM, one line for each certificate in their order; without any, the key is in the "
		"certificate's own file." },
	{ "ocsp", WEIR_PATH, AT(ocsp), .repeat = true,
		.doc = "An OCSP response to staple (RFC 6066, 8), in DER or PEM, for the certificates in their order." },
	{ "default", WEIR_BOOL, AT(is_default), .initial = "no",
		.doc = "Serve clients whose name no section has; without any, the first section does." },
	{ .name = NULL }
};

/* --- finding ------------------------------------------------------------------------------------------------------------ */

static uint32_t
hash(const char *name, size_t length)
{
	uint32_t value = 2166136261u;

	for (size_t i = 0; i < length; i++)
		value = (value ^ (unsigned char)name[i]) * 16777619u;
	return value ^ value >> 15;
}

/* The name's place in the table: its own, or the free one where it would be. */
static struct certificate_name *
place_of(const struct certificates *all, const char *name, size_t length)
{
	size_t at = hash(name, length) & (all->room - 1);

	while (all->names[at].name != NULL
			&& (all->names[at].length != length || memcmp(all->names[at].name, name, length) != 0))
		at = (at + 1) & (all->room - 1);
	return &all->names[at];
}

const struct certificate *
certificate_find(const struct certificates *all, const char *host, bool strict)
{
	const struct certificate *found = NULL;
	const char *dot;

	if (host != NULL && all->room > 0) {
		found = place_of(all, host, strlen(host))->certificate;
		dot = strchr(host, '.');
		if (found == NULL && dot != NULL && dot > host)
			found = place_of(all, dot, strlen(dot))->certificate;
	}
	return found != NULL || strict ? found : all->fallback;
}

const struct certificate *
certificate_above(const struct certificates *all, const char *host)
{
	const struct certificate *found = NULL;
	const char *dot = all->room > 0 ? strchr(host, '.') : NULL;

	while (found == NULL && dot != NULL && (dot = strchr(dot + 1, '.')) != NULL)
		found = place_of(all, dot, strlen(dot))->certificate;
	return found;
}

/* --- building ------------------------------------------------------------------------------------------------------------ */

static void
complain(struct weir_build *build, const struct certificate *c, const char *what, const char *name)
{
	report_error(build->report, c->section->file, c->section->line, "[certificate %s]: %s `%s`", c->name, what, name);
}

static size_t
count_words(const char *text)
{
	size_t count = 0;

	for (text += strspn(text, " \t"); *text != '\0'; text += strspn(text, " \t")) {
		count++;
		text += strcspn(text, " \t");
	}
	return count;
}

/* A copy in lower case; of `*.example.com` the part from the dot on. NULL: it is no name. */
static const char *
normalise(struct weir_build *build, const char *word, size_t length)
{
	char *name;

	if (length > 2 && word[0] == '*' && word[1] == '.')
		word++, length--;
	if (length > NAME_MOST || (name = arena_copy(&build->generation->arena, word, length)) == NULL)
		return NULL;
	for (char *at = name; *at != '\0'; at++) {
		if (*at >= 'A' && *at <= 'Z')
			*at = (char)(*at + ('a' - 'A'));
		else if (!(*at >= 'a' && *at <= 'z') && !(*at >= '0' && *at <= '9') && strchr("-_.", *at) == NULL)
			return NULL;
	}
	return name;
}

static void
add_name(struct weir_build *build, const struct certificate *c, const char *word, size_t length)
{
	const char *name = normalise(build, word, length);
	struct certificate_name *place;
	char shown[NAME_MOST + 3];

	if (name == NULL) {
		memcpy(shown, word, length < sizeof(shown) ? length : sizeof(shown) - 1);
		shown[length < sizeof(shown) ? length : sizeof(shown) - 1] = '\0';
		complain(build, c, "write a host name, or *.NAME for every name with one label more, not", shown);
		return;
	}
	place = place_of(&build->generation->certificates, name, strlen(name));
	if (place->name != NULL && place->certificate != c)
		report_error(build->report, c->section->file, c->section->line,
			"[certificate %s] has the host %s%s, which [certificate %s] at %s:%u has already", c->name,
			*name == '.' ? "*" : "", name, place->certificate->name, place->certificate->section->file,
			place->certificate->section->line);
	else
		*place = (struct certificate_name){ name, strlen(name), c };
}

static bool
make_table(struct weir_build *build)
{
	struct certificates *all = &build->generation->certificates;
	size_t count = 0;

	for (size_t i = 0; i < all->count; i++)
		for (size_t j = 0; j < all->list[i].settings.host.count; j++)
			count += count_words(((const char *const *)all->list[i].settings.host.items)[j]);
	if (count == 0)
		return true;
	for (all->room = 8; all->room < 2 * count; all->room *= 2)
		;
	all->names = arena_array(&build->generation->arena, all->room, sizeof(*all->names));
	return all->names != NULL;
}

static void
add_names(struct weir_build *build, const struct certificate *c)
{
	const char *const *lines = c->settings.host.items;

	for (size_t i = 0; i < c->settings.host.count; i++)
		for (const char *at = lines[i] + strspn(lines[i], " \t"); *at != '\0'; at += strspn(at, " \t")) {
			size_t length = strcspn(at, " \t");

			add_name(build, c, at, length);
			at += length;
		}
}

static bool
take_identities(struct weir_build *build, struct certificate *c)
{
	const struct certificate_settings *s = &c->settings;
	const char *const *certificates = s->certificate.items, *const *keys = s->key.items, *const *staples = s->ocsp.items;

	if ((s->key.count > 0 && s->key.count != s->certificate.count) || s->ocsp.count > s->certificate.count) {
		report_error(build->report, c->section->file, c->section->line,
			"[certificate %s] has %zu lines `certificate`, %zu lines `key` and %zu lines `ocsp`: those in the "
			"same place belong together", c->name, s->certificate.count, s->key.count, s->ocsp.count);
		return true;
	}
	c->identities = arena_array(&build->generation->arena, s->certificate.count, sizeof(*c->identities));
	if (c->identities == NULL)
		return false;
	build->file = c->section->file;
	build->line = c->section->line;
	for (size_t i = 0; i < s->certificate.count; i++)
		if ((c->identities[i] = weir_build_identity(build, certificates[i], s->key.count > 0 ? keys[i] : NULL,
				i < s->ocsp.count ? staples[i] : NULL)) == NULL)
			return false;
	return true;
}

static void
choose_fallback(struct weir_build *build)
{
	struct certificates *all = &build->generation->certificates;

	for (size_t i = 0; i < all->count; i++) {
		const struct certificate *c = &all->list[i];

		if (c->settings.is_default && all->fallback != NULL)
			complain(build, c, "there is a default already:", all->fallback->name);
		else if (c->settings.is_default)
			all->fallback = c;
	}
	if (all->fallback == NULL && all->count > 0)
		all->fallback = &all->list[0];
}

bool
certificates_prepare(struct weir_build *build)
{
	struct certificates *all = &build->generation->certificates;

	choose_fallback(build);
	if (!make_table(build))
		return false;
	for (size_t i = 0; i < all->count; i++) {
		add_names(build, &all->list[i]);
		if (!take_identities(build, &all->list[i]))
			return false;
	}
	return true;
}

void
certificates_judge(const struct certificates *all, struct report *report)
{
	for (size_t i = 0; i < all->count; i++) {
		const struct certificate *c = &all->list[i];
		bool rsa = true;

		for (size_t j = 0; rsa && j < c->settings.certificate.count; j++) {
			const struct identity_content *identity = identity_hold(c->identities[j]);

			rsa = identity != NULL && (identity->algorithm == GNUTLS_PK_RSA
				|| identity->algorithm == GNUTLS_PK_RSA_PSS);
			identity_drop(&identity);
		}
		if (rsa)
			report_warning(report, c->section->file, c->section->line, "[certificate %s] has RSA keys only: "
				"their signatures cost several times what ECDSA ones do; add a certificate with an ECDSA key "
				"(P-256) beside it", c->name);
	}
}
