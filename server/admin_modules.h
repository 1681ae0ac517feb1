/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admin_modules: calls on the admin socket (admin_calls.h) about modules. They answer at once.
 */
#ifndef WEIR_SERVER_ADMIN_MODULES_H
#define WEIR_SERVER_ADMIN_MODULES_H

struct admin_ask;

void admin_list_modules(struct admin_ask *);

/* {module} and {verb} in the path; {"arguments": ["…", …]} in the body. */
void admin_ask_module(struct admin_ask *);

#endif
