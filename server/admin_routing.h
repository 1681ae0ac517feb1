/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admin_routing: the admin socket's calls about routes, upstreams and their servers.
 */
#ifndef WEIR_SERVER_ADMIN_ROUTING_H
#define WEIR_SERVER_ADMIN_ROUTING_H

struct admin_ask;

/* What may stand in the query of a call that changes something. */
#define ADMIN_CHANGE_QUERY { "revision", "dry_run", "durable", "close", NULL }

void admin_list_sections(struct admin_ask *);	/* /v1/routes, /v1/upstreams */
void admin_replace_sections(struct admin_ask *);
void admin_patch_sections(struct admin_ask *);
void admin_show_section(struct admin_ask *);	/* /v1/routes/{name}, /v1/upstreams/{name} */
void admin_put_section(struct admin_ask *);
void admin_patch_section(struct admin_ask *);
void admin_delete_section(struct admin_ask *);
void admin_list_servers(struct admin_ask *);	/* /v1/upstreams/{name}/servers */
void admin_add_server(struct admin_ask *);
void admin_patch_server(struct admin_ask *);	/* …/{server} */
void admin_delete_server(struct admin_ask *);
void admin_revert(struct admin_ask *);
void admin_export(struct admin_ask *);

#endif
