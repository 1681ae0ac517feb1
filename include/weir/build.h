/* SPDX-License-Identifier: Apache-2.0 */
/*
 * weir/build.h: what a module may ask and say while a generation is built, and in an admin verb.
 * Everything here is for the main thread.
 */
#ifndef WEIR_BUILD_H
#define WEIR_BUILD_H

#include <weir/api.h>
#include <weir/option.h>

struct weir_route;
struct weir_upstream;
struct weir_server;
struct weir_reply;
struct weir_identity;	/* a certificate chain and its private key */
struct weir_trust;	/* authorities that certificates are checked against, and what they revoked */

/* Memory that lives as long as the generation, zeroed; weir_build_printf likewise, a text. Without memory the build
 * fails by itself and these return NULL. */
WEIR_API void *weir_build_alloc(struct weir_build *, size_t count, size_t size);
WEIR_API const char *weir_build_printf(struct weir_build *, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Report an error; the build goes on, so that all errors are seen, and then fails. The message is shown with file and line of
 * the line or section that is being checked (in `check` and `parse`), or of the route or upstream named last by
 * weir_build_at_…. */
WEIR_API void weir_build_error(struct weir_build *, const char *format, ...) __attribute__((format(printf, 2, 3)));
WEIR_API void weir_build_warning(struct weir_build *, const char *format, ...) __attribute__((format(printf, 2, 3)));
WEIR_API void weir_build_at_route(struct weir_build *, const struct weir_route *);
WEIR_API void weir_build_at_upstream(struct weir_build *, const struct weir_upstream *);

/* Compile a template with ${variables}; NULL after reporting what is wrong with it. */
WEIR_API const struct weir_template *weir_build_template(struct weir_build *, const char *text);

/* Parse an endpoint or a range as an option of that type would; false leaves the reason in *why (static). */
WEIR_API bool weir_parse_address(struct weir_build *, const char *text, int default_port, struct weir_address *,
	const char **why);
WEIR_API bool weir_parse_network(const char *text, struct weir_network *, const char **why);

/* An identity to show: a certificate chain in PEM (the own certificate first, then who issued it), its private key (NULL: in
 * the same file), and an OCSP response to staple (NULL: none). A trust: authorities in PEM (NULL: those of this machine), and
 * their lists of revoked certificates (NULL: none). Paths are absolute, as options of type WEIR_PATH give them. The files are
 * read later, not on this thread: what is wrong with them is reported with the line that names them, and fails the build.
 * They are looked at again when they change, so the handle stays good while its generation lives. Equal files, equal handles.
 * In `check` or `build`; NULL only without memory. */
WEIR_API const struct weir_identity *weir_build_identity(struct weir_build *, const char *certificate, const char *key,
	const char *staple);
WEIR_API const struct weir_trust *weir_build_trust(struct weir_build *, const char *authorities, const char *revocations);

/* Is this only a check (`weir -t`)? Then `build` must not create, change or bind anything outside the process. */
WEIR_API bool weir_build_is_check(const struct weir_build *);

/* For a loop of `build` over as many turns as there are routes, once a turn, or once in each few microseconds: lets the event
 * threads have the core when it is time to, so that requests do not wait while a large table is built. Main thread. */
WEIR_API void weir_build_step(struct weir_build *);

/* The number of event threads; threads are numbered from 0. */
WEIR_API unsigned weir_build_threads(const struct weir_build *);

/* The routes in the order of the files, and the asking module's settings for each. Index below the count. */
WEIR_API size_t weir_build_routes(const struct weir_build *);
WEIR_API const struct weir_route *weir_build_route(const struct weir_build *, size_t index);
WEIR_API const void *weir_build_route_settings(const struct weir_build *, const struct weir_route *);
WEIR_API const char *weir_route_name(const struct weir_route *);

/* The upstreams, and the asking module's settings for each. upstream_index is the index of this one (any thread). */
WEIR_API size_t weir_build_upstreams(const struct weir_build *);
WEIR_API const struct weir_upstream *weir_build_upstream(const struct weir_build *, size_t index);
WEIR_API const void *weir_build_upstream_settings(const struct weir_build *, const struct weir_upstream *);
WEIR_API size_t weir_upstream_index(const struct weir_upstream *);
WEIR_API const char *weir_upstream_name(const struct weir_upstream *);

/* The servers of an upstream in the order of its section (any thread; valid while the generation lives). */
WEIR_API size_t weir_upstream_servers(const struct weir_upstream *);
WEIR_API const struct weir_server *weir_upstream_server(const struct weir_upstream *, size_t index);
WEIR_API size_t weir_server_index(const struct weir_server *);
WEIR_API const char *weir_server_name(const struct weir_server *);	/* as written: "10.0.0.1:80" */
WEIR_API const struct weir_address *weir_server_address(const struct weir_server *);
WEIR_API unsigned weir_server_weight(const struct weir_server *);	/* 0..65535, default 1 */
WEIR_API bool weir_server_backup(const struct weir_server *);		/* only when no other is usable */

/* The asking module's settings in its own [module] section: for what has no route. */
WEIR_API const void *weir_build_settings(const struct weir_build *);

/* Build the reply to an admin verb: members of a JSON object, nested by open and close ("name" is NULL inside a list). */
WEIR_API void weir_reply_text(struct weir_reply *, const char *name, const char *value);
WEIR_API void weir_reply_number(struct weir_reply *, const char *name, double value);
WEIR_API void weir_reply_open(struct weir_reply *, const char *name);
WEIR_API void weir_reply_open_list(struct weir_reply *, const char *name);
WEIR_API void weir_reply_close(struct weir_reply *);
WEIR_API void weir_reply_error(struct weir_reply *, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
