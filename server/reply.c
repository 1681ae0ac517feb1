/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reply: the answer to an admin request while it is made: the other side of weir_reply_… (weir/build.h).
 */
#include "reply.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double exact_most = 9007199254740992.0;	/* 2^53: whole numbers up to here are exact */

bool
reply_init(struct weir_reply *r)
{
	*r = (struct weir_reply){ .depth = 1 };
	return (r->open[0] = json_object()) != NULL;
}

void
reply_free(struct weir_reply *r)
{
	json_decref(r->open[0]);
	*r = (struct weir_reply){ 0 };
}

json_t *
reply_string(const char *text)
{
	static const char hex[] = "0123456789abcdef";
	json_t *string = json_string(text);
	char *plain, *to;

	if (string != NULL || (plain = malloc(strlen(text) * 4 + 1)) == NULL)
		return string;
	for (to = plain; *text != '\0'; text++)
		if ((unsigned char)*text < 0x80) {
			*to++ = *text;
		} else {
			*to++ = '\\';
			*to++ = 'x';
			*to++ = hex[(unsigned char)*text >> 4];
			*to++ = hex[*text & 15];
		}
	*to = '\0';
	string = json_string(plain);
	free(plain);
	return string;
}

/* Put a value, ours to give away, into what is open now. */
static bool
add(struct weir_reply *r, const char *name, json_t *value)
{
	json_t *in = r->open[r->depth - 1];

	if (r->error[0] != '\0') {
		json_decref(value);
		return false;
	}
	if (value == NULL) {
		weir_reply_error(r, "no memory for the answer");
		return false;
	}
	if (json_is_array(in) ? json_array_append_new(in, value) == 0
			      : name != NULL && json_object_set_new(in, name, value) == 0)
		return true;
	if (!json_is_array(in) && name == NULL)
		json_decref(value);
	weir_reply_error(r, name == NULL ? "a member of the answer has no name" : "no memory for the answer");
	return false;
}

void
weir_reply_text(struct weir_reply *r, const char *name, const char *value)
{
	add(r, name, value != NULL ? reply_string(value) : json_null());
}

void
weir_reply_number(struct weir_reply *r, const char *name, double value)
{
	if (fabs(value) <= exact_most && value == (double)(json_int_t)value)
		add(r, name, json_integer((json_int_t)value));
	else
		add(r, name, isfinite(value) ? json_real(value) : json_null());
}

static void
open_value(struct weir_reply *r, const char *name, json_t *value)
{
	if (r->depth == REPLY_DEPTH)
		weir_reply_error(r, "the answer is nested more than %d deep", REPLY_DEPTH);
	if (add(r, name, value))
		r->open[r->depth++] = value;
}

void
weir_reply_open(struct weir_reply *r, const char *name)
{
	open_value(r, name, json_object());
}

void
weir_reply_open_list(struct weir_reply *r, const char *name)
{
	open_value(r, name, json_array());
}

void
weir_reply_close(struct weir_reply *r)
{
	if (r->error[0] != '\0')
		return;			/* what failed to open is not to be closed */
	if (r->depth > 1)
		r->depth--;
	else
		weir_reply_error(r, "the answer is closed more often than opened");
}

/* The first one stays: later ones follow from it. */
void
weir_reply_error(struct weir_reply *r, const char *format, ...)
{
	va_list arguments;

	if (r->error[0] != '\0')
		return;
	va_start(arguments, format);
	vsnprintf(r->error, sizeof(r->error), format, arguments);
	va_end(arguments);
	if (r->error[0] == '\0')
		strcpy(r->error, "it failed");
}

char *
reply_text(const struct weir_reply *r)
{
	json_t *error = NULL;
	char *text;

	if (r->error[0] == '\0')
		return json_dumps(r->open[0], JSON_COMPACT);
	error = json_object();
	json_object_set_new(error, "error", reply_string(r->error));
	text = json_dumps(error, JSON_COMPACT);
	json_decref(error);
	return text;
}
