/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secrets: credentials for proxies, as the operator writes them and as they are sent (Basic, RFC 7617).
 */
#ifndef TUNNEL_SECRETS_H
#define TUNNEL_SECRETS_H

#include <weir/module.h>

/* NULL, or what is wrong with "user:password". */
const char *secrets_judge(const char *text);

/* "Basic dXNlcjpwYXNzd29yZA==", in the build's memory; NULL without any. */
const char *secrets_basic(struct weir_build *, const char *text);

/* The lines of a file, at most so many, as a list of const char *. False after reporting what is wrong. */
bool secrets_read(struct weir_build *, const char *path, size_t most, struct weir_list *);

#endif
