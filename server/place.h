/* SPDX-License-Identifier: Apache-2.0 */
/*
 * place: the [certificate] section that a request belongs to, beside the one that its connection was let in by.
 *
 * A connection keeps what its handshake proved; the host of a request, and a reload, may lead to a section that
 * demands more. Here is told which; modules that demand something look at it by weir_place_settings (weir/tls.h).
 */
#ifndef WEIR_SERVER_PLACE_H
#define WEIR_SERVER_PLACE_H

#include <stdbool.h>

struct certificates;
struct termination;

/* May the connection be asked for this host (lower case)? Not where the host has another section than the name in
 * TLS; and not where only the default section serves it, while the wildcard of another one stands above it. */
bool place_serves(const struct termination *, const struct certificates *, const char *host, bool strict);

#endif
