/* SPDX-License-Identifier: Apache-2.0 */
/*
 * build: what a module may ask and say while a generation is built (weir/build.h).
 *
 * All of it works on the struct weir_build of the build under way; the accessors of upstreams and servers
 * read the finished generation and are for any thread.
 */
#include "config.h"
#include "courtesy.h"
#include "generation.h"
#include "report.h"

#include <assert.h>
#include <string.h>

void *
weir_build_alloc(struct weir_build *build, size_t count, size_t size)
{
	void *memory = arena_array(&build->generation->arena, count, size);

	if (memory == NULL)
		build->failed = true;
	return memory;
}

const char *
weir_build_printf(struct weir_build *build, const char *format, ...)
{
	va_list arguments;
	const char *text;

	va_start(arguments, format);
	text = arena_vprintf(&build->generation->arena, format, arguments);
	va_end(arguments);
	if (text == NULL)
		build->failed = true;
	return text;
}

void
weir_build_error(struct weir_build *build, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	report_add(build->report, false, build->file, build->line, format, arguments);
	va_end(arguments);
}

void
weir_build_warning(struct weir_build *build, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	report_add(build->report, true, build->file, build->line, format, arguments);
	va_end(arguments);
}

static void
point_at(struct weir_build *build, const struct config_section *section)
{
	build->file = section->file;
	build->line = section->line;
}

void
weir_build_at_route(struct weir_build *build, const struct weir_route *route)
{
	point_at(build, route->section);
}

void
weir_build_at_upstream(struct weir_build *build, const struct weir_upstream *upstream)
{
	point_at(build, upstream->section);
}

bool
weir_build_is_check(const struct weir_build *build)
{
	return build->check;
}

void
weir_build_step(struct weir_build *build)
{
	(void)build;
	courtesy_step();
}

unsigned
weir_build_threads(const struct weir_build *build)
{
	return build->generation->threads;
}

const void *
weir_build_settings(const struct weir_build *build)
{
	return build->generation->module_settings[build->slot];
}

/* --- routes --------------------------------------------------------------------------------------------- */

size_t
weir_build_routes(const struct weir_build *build)
{
	return build->generation->route_count;
}

const struct weir_route *
weir_build_route(const struct weir_build *build, size_t index)
{
	assert(index < build->generation->route_count);
	courtesy_step();
	return build->generation->routes[index];
}

const void *
weir_build_route_settings(const struct weir_build *build, const struct weir_route *route)
{
	return route->module_settings[build->slot];
}

const char *
weir_route_name(const struct weir_route *route)
{
	return route->name;
}

/* --- upstreams and their servers ------------------------------------------------------------------------ */

size_t
weir_build_upstreams(const struct weir_build *build)
{
	return build->generation->upstream_count;
}

const struct weir_upstream *
weir_build_upstream(const struct weir_build *build, size_t index)
{
	assert(index < build->generation->upstream_count);
	return build->generation->upstreams[index];
}

const void *
weir_build_upstream_settings(const struct weir_build *build, const struct weir_upstream *upstream)
{
	return upstream->module_settings[build->slot];
}

size_t
weir_upstream_index(const struct weir_upstream *upstream)
{
	return upstream->index;
}

const char *
weir_upstream_name(const struct weir_upstream *upstream)
{
	return upstream->name;
}

size_t
weir_upstream_servers(const struct weir_upstream *upstream)
{
	return upstream->server_count;
}

const struct weir_server *
weir_upstream_server(const struct weir_upstream *upstream, size_t index)
{
	assert(index < upstream->server_count);
	return &upstream->servers[index];
}

size_t
weir_server_index(const struct weir_server *server)
{
	return server->index;
}

const char *
weir_server_name(const struct weir_server *server)
{
	return server->name;
}

const struct weir_address *
weir_server_address(const struct weir_server *server)
{
	return &server->address;
}

unsigned
weir_server_weight(const struct weir_server *server)
{
	return server->weight;
}

bool
weir_server_backup(const struct weir_server *server)
{
	return server->backup;
}
