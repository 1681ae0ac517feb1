/* SPDX-License-Identifier: Apache-2.0 */
/*
 * place: from a request's host, and the name in TLS, to sections.
 *
 * The wildcard of a certificate covers one label (RFC 9525, 6.3), that of a route any number. So a host may be routed as one of
 * *.example.com and yet be served under the default section: who may be let in there has proven nothing to the section
 * that its operator meant. Such a host is never served on it.
 */
#include "place.h"

#include <string.h>
#include <weir/tls.h>

#include "certificate.h"
#include "client.h"
#include "exchange.h"
#include "generation.h"
#include "terminate.h"

enum { HOST_MOST = 256 };

/* The same host without the dot at its end, as routes see it, too. */
static const char *
bare(const char *host, char to[HOST_MOST])
{
	size_t length = strlen(host);

	if (length < 2 || length >= HOST_MOST || host[length - 1] != '.')
		return host;
	memcpy(to, host, length - 1);
	to[length - 1] = '\0';
	return to;
}

bool
place_serves(const struct termination *t, const struct certificates *all, const char *host, bool strict)
{
	char text[HOST_MOST];
	const struct certificate *named, *above;

	host = bare(host, text);
	named = certificate_find(all, host, true);
	above = named == NULL ? certificate_above(all, host) : NULL;
	if (above != NULL && above != all->fallback)
		return false;
	if (t->name != NULL && strcmp(t->name, host) == 0)
		return true;
	if (named == NULL && !strict)
		named = all->fallback;
	return named != NULL && strcmp(named->name, t->section) == 0;
}

static const struct certificate *
section_of(const struct weir_exchange *x, enum weir_place place)
{
	const struct certificates *all = &x->generation->certificates;
	const struct termination *t = x->client->termination;
	const struct certificate *named;
	char text[HOST_MOST];
	const char *host;

	if (x->listen == NULL || x->listen->settings.tls != LISTEN_TERMINATE)
		return NULL;
	if (place == WEIR_PLACE_NAME)
		return certificate_find(all, t != NULL ? t->name : NULL, x->listen->settings.strict_sni);
	if (x->request.method == METHOD_CONNECT)
		return NULL;
	host = bare(x->request.host, text);
	named = certificate_find(all, host, true);
	return named != NULL ? named : certificate_above(all, host);
}

const void *
weir_place_settings(struct weir_exchange *x, enum weir_place place)
{
	const struct certificate *section;

	if (place == WEIR_PLACE_LISTEN)
		return x->listen != NULL ? x->listen->module_settings[x->hook->slot] : NULL;
	section = section_of(x, place);
	return section != NULL ? section->module_settings[x->hook->slot] : NULL;
}
