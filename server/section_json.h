/* SPDX-License-Identifier: Apache-2.0 */
/*
 * section_json: sections of the configuration as JSON, and back.
 *
 * A section is an object with a member for each key; a key that stands on several lines is a list. In the other
 * direction numbers and truth values are taken as well, as the texts that an operator would write. Main thread.
 */
#ifndef WEIR_SERVER_SECTION_JSON_H
#define WEIR_SERVER_SECTION_JSON_H

#include <jansson.h>
#include <stdbool.h>

struct config_section;
struct overlay_section;
struct report;

/* A new reference; NULL without memory. */
json_t *section_json(const struct config_section *);

/* The section that the object describes; NULL with every error in the report, each at "[kind name] key". */
struct overlay_section *section_from_json(const char *kind, const char *name, const json_t *object,
	struct report *);

/* What a section becomes by a patch (RFC 7396): null takes a key away, anything else replaces it. `object` is
 * changed. False without memory. */
bool section_patch(json_t *object, const json_t *patch);

#endif
