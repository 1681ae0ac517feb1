/* SPDX-License-Identifier: Apache-2.0 */
/*
 * address: endpoints and ranges as an operator writes them. The functions that modules call too stand in
 * weir/build.h (weir_parse_address, weir_parse_network) and weir/exchange.h (weir_address_text,
 * weir_network_contains).
 */
#ifndef WEIR_SERVER_ADDRESS_H
#define WEIR_SERVER_ADDRESS_H

#include <weir/option.h>

struct arena;

/* What weir_parse_address does, with the host's text taken from `arena`. default_port < 0: the text must
 * name one. */
bool address_parse(struct arena *, const char *text, int default_port, struct weir_address *,
	const char **why);

#endif
