/* SPDX-License-Identifier: Apache-2.0 */
/*
 * show: the admin verbs.
 */
#ifndef BALANCE_SHOW_H
#define BALANCE_SHOW_H

#include <weir/module.h>

bool balance_show_servers(struct weir_reply *, void *table, int count, const char *const *arguments);
bool balance_drain(struct weir_reply *, void *table, int count, const char *const *arguments);
bool balance_undrain(struct weir_reply *, void *table, int count, const char *const *arguments);

#endif
