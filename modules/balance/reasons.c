/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reasons: which failures of a server may be tried again on another.
 */
#include <weir/module.h>

#include "reasons.h"

#include <string.h>

static bool
is_word(const char *text, size_t length, const char *word)
{
	return strlen(word) == length && memcmp(text, word, length) == 0;
}

/* A status from 400 to 599; 0: it is none. */
static int
read_status(const char *text, size_t length)
{
	if (length != 3 || (*text != '4' && *text != '5') || strspn(text, "0123456789") < 3)
		return 0;
	return (text[0] - '0') * 100 + (text[1] - '0') * 10 + text[2] - '0';
}

const char *
balance_reasons_parse(struct weir_build *build, const char *text, void *value)
{
	struct balance_reasons *reasons = value;
	size_t length;
	int status;

	for (text += strspn(text, " \t"); *text != '\0'; text += length, text += strspn(text, " \t")) {
		length = strcspn(text, " \t");
		if (is_word(text, length, "error"))
			reasons->error = true;
		else if (is_word(text, length, "timeout"))
			reasons->timeout = true;
		else if ((status = read_status(text, length)) != 0)
			reasons->statuses[(status - 400) / 8] |= (uint8_t)(1u << (status - 400) % 8);
		else if (!is_word(text, length, "off"))
			return weir_build_printf(build, "`%.*s` is not error, timeout, off or a status from 400 to 599",
				(int)length, text);
	}
	return NULL;
}
