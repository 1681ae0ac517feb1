/* SPDX-License-Identifier: Apache-2.0 */
/*
 * show: the admin verb `servers`.
 */
#ifndef BALANCE_SHOW_H
#define BALANCE_SHOW_H

#include <weir/module.h>

bool balance_show_servers(struct weir_reply *, void *table, int count, const char *const *arguments);

#endif
