/* SPDX-License-Identifier: Apache-2.0 */
/*
 * certificate: the [certificate] sections of a generation, and which of them a name belongs to.
 *
 * A section is a place: the names that it serves, with one identity of each kind of key for them and what modules ask of clients
 * there. Names are found by hash: exact ones first, then `*.` for one label (RFC 9525, 6.3), then the default.
 */
#ifndef WEIR_SERVER_CERTIFICATE_H
#define WEIR_SERVER_CERTIFICATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <weir/option.h>

struct config_section;
struct report;
struct weir_build;
struct weir_identity;

/* [certificate NAME] */
struct certificate_settings {
	struct weir_list host;			/* const char *: words, each a name or *.name */
	struct weir_list certificate, key, ocsp;	/* const char *: paths; those with one index belong together */
	bool is_default;
};

extern const struct weir_option certificate_options[];

struct certificate {
	const char *name;
	const struct config_section *section;
	unsigned index;
	struct certificate_settings settings;
	const struct weir_identity **identities;	/* as many as settings.certificate */
	const void **module_settings;
};

struct certificate_name {
	const char *name;			/* lower case; of `*.example.com` it is ".example.com" */
	size_t length;
	const struct certificate *certificate;
};

/* All of a generation; in its arena. */
struct certificates {
	struct certificate *list;
	size_t count;
	const struct certificate *fallback;	/* NULL only when there are none */
	struct certificate_name *names;		/* a hash table, at most half full */
	size_t room;				/* a power of two; 0: no names */
};

/* The section of a host (lower case), or with `strict` unset the default. NULL: none. Any thread. */
const struct certificate *certificate_find(const struct certificates *, const char *host, bool strict);

/* The section with the nearest wildcard above a host (lower case) that is more than one label away from it: `*.b.test` for
 * x.y.b.test. Routes' wildcards reach that far, so the host may belong to it though its certificate does not
 * cover it. NULL: none. */
const struct certificate *certificate_above(const struct certificates *, const char *host);

/* Prepare names and identities of sections whose settings are filled in; what is wrong is reported. False without memory. */
bool certificates_prepare(struct weir_build *);

/* Warn where clients would only find RSA keys; once the files have been read. */
void certificates_judge(const struct certificates *, struct report *);

#endif
