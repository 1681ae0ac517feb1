/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_state: the state file, as it is and with a sum that fits, so that what is behind the sum is reached.
 */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/overlay.h"
#include "server/report.h"
#include "server/state.h"

#define must(condition) ((condition) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

/* What is taken is whole, and printed reads as the same sections. */
static void
check(const struct overlay *o)
{
	const char *key, *value, *at;
	char why[256];
	size_t count = 0;

	for (const struct overlay_section *s = o->first; s != NULL; s = s->next, count++) {
		unsigned entries = 0;

		must(overlay_find(o, s->kind, overlay_name(s)) == s);
		must(!s->fresh && s->line > 0);
		must(overlay_section_comes_back(s, why, sizeof(why), &key));
		for (at = NULL; overlay_next(s, &at, &key, &value); )
			entries++;
		must(entries == s->count);
	}
	must(count == o->count);
}

static void
parse(const char *text, size_t length)
{
	struct overlay *o = overlay_new("routing.ini");
	struct report report;
	bool good;

	must(o != NULL);
	report_init(&report);
	good = state_parse(o, text, length, &report);
	must(good == (report.errors == 0));
	if (good)
		check(o);
	overlay_free(&o);
	report_free(&report);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 64);
	size_t length;

	must(text != NULL);
	memcpy(text, data, size);
	parse(text, size);
	length = size + (size_t)sprintf(text + size, "\n[end]\nsum = %016" PRIx64 "\n", state_sum(text, size));
	parse(text, length);
	free(text);
	return 0;
}
