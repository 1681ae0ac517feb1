/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mtls: which certificate is shown to origins that ask for one.
 *
 * A [route] or [upstream] section says which certificate is shown to them. It becomes part of the peer, and so
 * of the key of the connection pool: a connection on which one was shown serves only requests that show it.
 */
#include <weir/module.h>

struct settings {
	const char *certificate, *key;		/* "": none, whatever the upstream has */
	const struct weir_identity *identity;
};

#define OF_ORIGINS (WEIR_IN_ROUTE | WEIR_IN_UPSTREAM)

static const struct weir_option options[] = {
	{ "certificate", WEIR_PATH, offsetof(struct settings, certificate), .in = OF_ORIGINS,
	  .doc = "File of the certificate (PEM, with its chain) that origins are shown when they ask for one. A route's goes "
		 "before its upstream's; empty for none." },
	{ "key", WEIR_PATH, offsetof(struct settings, key), .in = OF_ORIGINS,
	  .doc = "File of its private key (PEM); without this key it lies with the certificate." },
	{ .name = NULL }
};

static void
check(struct weir_build *build, void *s)
{
	struct settings *set = s;

	set->identity = NULL;
	if (set->certificate != NULL && *set->certificate != '\0')
		set->identity = weir_build_identity(build, set->certificate, set->key, NULL);
	else if (set->key != NULL)
		weir_build_error(build, "`mtls.key` needs `mtls.certificate` beside it");
}

static enum weir_verdict
identify(struct weir_exchange *x, const void *c, void *s)
{
	const struct settings *set = c, *upstream = weir_upstream_settings(x);

	(void)s;
	if (set->certificate == NULL && upstream != NULL)
		set = upstream;
	if (set->identity != NULL)
		weir_peer(x)->tls.identity = set->identity;
	return WEIR_NEXT;
}

WEIR_MODULE(mtls) = {
	WEIR_ABI,
	.summary = "Certificates to show to origins.",
	.options = options,
	.settings_size = sizeof(struct settings),
	.check = check,
	.hooks = {
		[WEIR_PHASE_PEER] = identify,
	},
};
