/* SPDX-License-Identifier: Apache-2.0 */
/*
 * settings: the core's own sections as structs. The option tables beside them (settings.c) parse, check and
 * document them, exactly as a module's table does for the module.
 */
#ifndef WEIR_SERVER_SETTINGS_H
#define WEIR_SERVER_SETTINGS_H

#include <weir/option.h>
#include <weir/peer.h>

/* [weir]: the process. What needs a new process or new sockets is marked; the rest follows a reload. */
struct weir_settings {
	int64_t threads;		/* `auto`: the CPUs this process may use (start only) */
	bool pin_cpus;			/* start only */
	const char *user, *group;	/* start only */
	const char *admin;		/* the admin socket's path; "" none (start only) */
	struct weir_address admin_address;	/* length 0: none (start only) */
	const char *admin_token;	/* a file (start only) */
	const char *state_dir;
	struct weir_list module_path;	/* const char *: folders, before the built-in one */
	struct weir_list order;		/* const char *: "a b c": these modules in this order, in every phase */
	uint64_t memory;		/* bytes of buffers, all threads together; 0: no bound */
	int64_t connections;		/* of clients, all threads together */
	int64_t drain_timeout, upgrade_timeout;
	int64_t watch;			/* between two looks at certificates, keys and the like; 0: none */
	const char *error_log;		/* stderr, syslog or a file's path */
	int log_level;			/* error warning notice debug */
	struct weir_list resolver;	/* struct weir_address: DNS servers; none: /etc/resolv.conf */
	int64_t ticket_rotation;	/* age at which the keys for TLS tickets are replaced */
};

/* What TLS of clients is to a listener. */
enum listen_tls { LISTEN_PLAIN, LISTEN_PASSTHROUGH, LISTEN_TERMINATE };

/* [listen NAME] */
struct listen_settings {
	struct weir_list address;	/* struct weir_address, at least one */
	int64_t backlog;
	int64_t connections_per_client;	/* 0: no bound */
	uint64_t head_size;
	int64_t fields;
	int64_t target_length;
	int64_t head_timeout;		/* the whole head */
	int64_t keepalive_timeout;
	int64_t keepalive_requests;
	int64_t socket_mode;		/* of a Unix socket, octal */
	int tls;			/* enum listen_tls */
	struct gnutls_priority_st *priority;	/* lives as long as the process */
	int64_t handshake_timeout;
	bool strict_sni;		/* refuse names that no [certificate] has */
	bool same_host;			/* refuse requests for a host of another [certificate] */
	bool tickets;
};

/* [upstream NAME] */
struct upstream_settings {
	struct weir_list server;	/* struct server_line */
	const char *host;		/* the authority that the origin sees; NULL: the client's */
	struct weir_address bind;
	int64_t connect_timeout, first_byte_timeout, between_bytes_timeout;
	int64_t keepalive;		/* idle connections kept, by thread; 0: none */
	int64_t keepalive_timeout;
	int64_t keepalive_requests;	/* requests that one connection serves */
	uint64_t head_size;		/* of a response */
	int64_t fields;
	struct weir_peer_tls tls;	/* with `trust` by settings_finish_upstream */
	int verify;			/* enum weir_verify, by its word */
	const char *ca, *crl;
};

struct server_line {
	struct weir_address address;
	const char *name;		/* as written */
	int64_t weight;
	bool backup;
};

/* [route NAME] */
struct route_settings {
	const struct weir_upstream *upstream;	/* NULL: a module answers */
	uint64_t body_size;		/* of a request; 0: no bound */
	int64_t body_rate;		/* bytes a second that a client must send or take, on average; 0: no bound */
	int64_t body_grace;		/* before body_rate holds */
	int64_t total_timeout;		/* of one exchange; 0: none */
	bool upgrade;			/* may the connection become a tunnel (WebSocket)? */
	int64_t tunnel_timeout;		/* without a byte either way */
};

/* What no single option can tell, once they are read: the authorities that `ca` and `crl` name; what contradicts itself. */
void settings_finish_upstream(struct weir_build *, struct upstream_settings *);

extern const struct weir_option weir_options[], listen_options[], upstream_options[], route_options[];

#endif
