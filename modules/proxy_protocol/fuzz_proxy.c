/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_proxy: the first bytes of a connection as a PROXY header: what was found in the whole is found in each longer
 * beginning, and in no shorter one.
 */
#include <stdlib.h>
#include <string.h>

#include "parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A copy of its own size, so that a sanitizer sees the first byte read past it. */
static enum proxy_result
parse(struct proxy_header *header, const uint8_t *data, size_t size)
{
	const char *why = NULL;
	char *copy = malloc(size);
	enum proxy_result result;

	if (copy == NULL && size > 0)
		abort();
	if (size > 0)
		memcpy(copy, data, size);
	result = proxy_protocol_parse(header, copy, size, &why);
	if (result == PROXY_BAD && why == NULL)
		abort();
	free(copy);
	return result;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct proxy_header whole, part;
	enum proxy_result result = parse(&whole, data, size);
	size_t step = size / 16 + 1;

	if (result == PROXY_WHOLE) {
		if (whole.length == 0 || whole.length > size || whole.length > PROXY_V2_MOST)
			abort();
		if (parse(&part, data, whole.length) != PROXY_WHOLE || memcmp(&part, &whole, sizeof(part)) != 0)
			abort();
		size = whole.length;
	}
	for (size_t length = 0; length < size; length += step) {
		enum proxy_result early = parse(&part, data, length);

		if (early != PROXY_MORE && (early != result || result == PROXY_WHOLE))
			abort();
	}
	return 0;
}
