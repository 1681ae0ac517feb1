/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_stream: sources, sinks and errands without a server. What a module hands over is kept for the test to look at and to call.
 */
#include "fake_exchange.h"

#include <string.h>

void
fake_drop_source(struct weir_exchange *x)
{
	weir_source *source = x->source;

	x->source = NULL;
	if (source != NULL && x->release != NULL)
		x->release(x->source_argument);
}

void
weir_respond_source(struct weir_exchange *x, int status, int64_t length, weir_source *source, void (*release)(void *argument),
	void *argument)
{
	fake_drop_source(x);
	weir_respond(x, status, NULL, NULL, length < 0 ? 0 : (size_t)length);
	x->source = source;
	x->release = release;
	x->source_argument = argument;
}

enum weir_verdict
fake_next_piece(struct weir_exchange *x, struct weir_chunk *chunk)
{
	*chunk = (struct weir_chunk){ "", 0, false };
	return x->source == NULL ? WEIR_FAIL : x->source(x, x->source_argument, chunk);
}

void
weir_respond_lines(struct weir_exchange *x, const char *lines, size_t length)
{
	const char *text = weir_copy(x, lines, length);

	for (char *line = (char *)text, *end; *line != '\0'; line = end + 2) {
		char *colon = strchr(line, ':');

		end = strstr(line, "\r\n");
		*colon = *end = '\0';
		weir_add_field(x, WEIR_RESPONSE, line, colon + 1 + strspn(colon + 1, " "));
	}
}

bool
weir_take_body(struct weir_exchange *x, const struct weir_sink *sink, int64_t limit)
{
	(void)limit;
	x->sink = *sink;
	x->body_taken = true;
	return true;
}

void
weir_keep_going(struct weir_exchange *x)
{
	x->keeps_going = true;
}

bool
weir_send_errand(struct weir_thread *thread, struct weir_exchange *model, const struct weir_errand *errand)
{
	(void)thread;
	if (model == NULL)
		return false;
	model->errand = *errand;
	model->sink = errand->sink;
	model->errands++;
	return true;
}

struct weir_thread *
weir_exchange_thread(struct weir_exchange *x)
{
	(void)x;
	return NULL;
}

void *
weir_errand_argument(struct weir_exchange *x)
{
	return x->is_errand ? x->sink.argument : NULL;
}

bool
weir_is_errand(struct weir_exchange *x)
{
	return x->is_errand;
}
