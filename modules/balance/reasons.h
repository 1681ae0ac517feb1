/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reasons: which failures of a server may be tried again on another.
 */
#ifndef BALANCE_REASONS_H
#define BALANCE_REASONS_H

#include <stdbool.h>
#include <stdint.h>

struct weir_build;

struct balance_reasons {
	bool error, timeout;
	uint8_t statuses[25];		/* bits, from 400 */
};

static inline bool
balance_reasons_have(const struct balance_reasons *reasons, int status)
{
	return status >= 400 && status < 600 &&
		(reasons->statuses[(status - 400) / 8] & 1u << (status - 400) % 8) != 0;
}

/* An option's parse function: "error timeout 502 503", or "off". */
const char *balance_reasons_parse(struct weir_build *, const char *text, void *reasons);

#endif
