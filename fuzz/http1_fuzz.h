/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http1_fuzz: what the fuzz targets of HTTP/1.1 share.
 *
 * An input begins with two bytes of knobs (where the network cuts, which limits hold); the rest is what a
 * peer sent. A target does not only wait for a crash: it parses, writes what was understood, parses that, and
 * stops when the two do not mean the same.
 */
#ifndef WEIR_FUZZ_HTTP1_FUZZ_H
#define WEIR_FUZZ_HTTP1_FUZZ_H

#include "server/arena.h"
#include "server/http1.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KNOBS 2

/* What must hold; unlike assert it is there in every build. */
#define must(condition) ((condition) ? (void)0 : fail(#condition, __FILE__, __LINE__))

static inline void
fail(const char *condition, const char *file, int line)
{
	fprintf(stderr, "%s:%d: must hold: %s\n", file, line, condition);
	abort();
}

/* For what was written here, and may be a little longer than what came. */
static const struct http1_limits wide_limits = {
	.head_size = 1 << 24,
	.fields = 1000,
	.target_length = 1 << 22,
};

static inline struct http1_limits
pick_limits(uint8_t knob)
{
	static const struct http1_limits few = { .head_size = 128, .fields = 3, .target_length = 16 };

	return knob & 1 ? few : wide_limits;
}

static inline char *
exact_copy(const void *bytes, size_t length)
{
	char *copy = malloc(length > 0 ? length : 1);

	must(copy != NULL);
	memcpy(copy, bytes, length);
	return copy;
}

static inline bool
has_control(const char *text)
{
	for (; *text != '\0'; text++)
		if (((unsigned char)*text < 0x20 && *text != '\t') || *text == 0x7f)
			return true;
	return false;
}

/* Every string ends where it says, and could be sent on. */
static inline void
check_fields(const struct fields *fields)
{
	for (unsigned i = 0; i < fields->count; i++) {
		const struct field *field = &fields->list[i];

		must(strlen(field->name) == field->name_length);
		must(strlen(field->value) == field->value_length);
		must(text_is_token(field->name, field->name_length));
		must(text_is_field_value(field->value, field->value_length));
		must(field->id == field_identify(field->name, field->name_length));
	}
}

static inline void
check_same_fields(const struct fields *a, const struct fields *b)
{
	must(a->count == b->count);
	for (unsigned i = 0; i < a->count; i++) {
		must(strcmp(a->list[i].name, b->list[i].name) == 0);
		must(strcmp(a->list[i].value, b->list[i].value) == 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
