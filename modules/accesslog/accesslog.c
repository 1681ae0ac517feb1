/* SPDX-License-Identifier: Apache-2.0 */
/*
 * accesslog: one line for each request, whatever became of it.
 *
 * A line is written straight into its thread's buffer (line.h, format.h), which goes to the file when it is full
 * and about once a second (file.h): no lock, no allocation and no system call for a request. Files are opened
 * when a generation is built, and handed on to the next one.
 */
#include <weir/module.h>

#include "file.h"
#include "format.h"

#include <errno.h>
#include <sys/stat.h>

#define FILES_MOST 256

/* Where lines go. Settings are read-only when files are opened, so `build` puts the file into a box of its own. */
struct output {
	const char *name;		/* stderr, syslog, syslog:/path, off, or a path */
	struct accesslog_file **box;
};

struct settings {
	struct output output;
	struct accesslog_format format;
	int escape;			/* enum line_escape */
};

struct outputs {			/* of a generation */
	struct accesslog_file *files[FILES_MOST];
	size_t count;
};

enum { DROPPED, ERRORS };

static bool
is_off(const struct settings *set)
{
	return strcmp(set->output.name, "off") == 0;
}

/* --- building ---------------------------------------------------------------------------------------- */

static const char *
parse_output(struct weir_build *build, const char *text, void *value)
{
	static const char *const words[] = { "stderr", "syslog", "off" };
	struct output *output = value;
	bool known = *text == '/' || strncmp(text, "syslog:/", 8) == 0;

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		known |= strcmp(text, words[i]) == 0;
	if (!known)
		return "stderr, syslog, syslog:/PATH, off, or a path from / on is expected";
	output->name = weir_build_printf(build, "%s", text);
	output->box = weir_build_alloc(build, 1, sizeof(*output->box));
	return output->name != NULL && output->box != NULL ? NULL : "no memory";
}

static struct accesslog_file *
find(const struct outputs *outputs, const char *name, unsigned threads)
{
	for (size_t i = 0; outputs != NULL && i < outputs->count; i++)
		if (outputs->files[i]->threads == threads && accesslog_file_is(outputs->files[i], name))
			return outputs->files[i];
	return NULL;
}

/* Is there a folder for the file? All that a check can say without leaving a trace. */
static void
check_folder(struct weir_build *build, const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *folder;
	struct stat status;

	if (*path != '/')
		return;
	folder = weir_build_printf(build, "%.*s/", (int)(slash - path), path);
	if (folder != NULL && stat(folder, &status) != 0)
		weir_build_error(build, "cannot write to `%s`: %s: %s", path, folder, strerror(errno));
}

/* The file of this name: of this generation, of the one before, or opened. */
static struct accesslog_file *
obtain(struct weir_build *build, struct outputs *outputs, const struct outputs *previous, const char *name)
{
	unsigned threads = weir_build_threads(build);
	struct accesslog_file *file = find(outputs, name, threads);

	if (file != NULL)
		return file;
	if (outputs->count == FILES_MOST) {
		weir_build_error(build, "more than %d log files", FILES_MOST);
		return NULL;
	}
	file = find(previous, name, threads);
	if (file == NULL)
		file = accesslog_file_open(name, threads);
	if (file == NULL) {
		weir_build_error(build, "cannot open `%s`: %s", name, strerror(errno));
		return NULL;
	}
	file->holders++;
	return outputs->files[outputs->count++] = file;
}

static void
connect_output(struct weir_build *build, struct outputs *outputs, const struct outputs *previous,
	const struct settings *set)
{
	if (is_off(set) || *set->output.box != NULL)
		return;
	if (weir_build_is_check(build))
		check_folder(build, set->output.name);
	else
		*set->output.box = obtain(build, outputs, previous, set->output.name);
}

static void
build_outputs(struct weir_build *build, void *generation, void *previous)
{
	connect_output(build, generation, previous, weir_build_settings(build));
	for (size_t i = 0; i < weir_build_routes(build); i++) {
		const struct weir_route *route = weir_build_route(build, i);

		weir_build_at_route(build, route);
		connect_output(build, generation, previous, weir_build_route_settings(build, route));
	}
}

static void
drop(void *generation)
{
	struct outputs *outputs = generation;

	while (outputs->count > 0) {
		struct accesslog_file *file = outputs->files[--outputs->count];

		if (--file->holders == 0)
			accesslog_file_close(&file);
	}
}

static void
reopen(void *generation)
{
	const struct outputs *outputs = generation;

	for (size_t i = 0; i < outputs->count; i++)
		if (!accesslog_file_reopen(outputs->files[i]))
			weir_log(WEIR_LOG_ERROR, "access log %s: cannot be opened anew, goes on as it was: %s",
				outputs->files[i]->path, strerror(errno));
}

/* --- writing ----------------------------------------------------------------------------------------- */

static void
flush(struct accesslog_file *file, unsigned thread)
{
	switch (accesslog_file_flush(file, thread)) {
	case 1:
		weir_log(WEIR_LOG_ERROR, "access log %s: %s; lines are dropped when the buffers are full",
			file->path, strerror(errno));
		break;
	case -1:
		weir_log(WEIR_LOG_NOTICE, "access log %s: writing works again", file->path);
	}
}

static void
tick(struct weir_thread *thread, void *generation, void *state)
{
	const struct outputs *outputs = generation;

	(void)state;
	for (size_t i = 0; i < outputs->count; i++)
		flush(outputs->files[i], weir_thread_index(thread));
}

/* What went wrong is counted where it is seen, and added to the metrics by the next request. */
static void
report(struct weir_exchange *x, struct accesslog_buffer *buffer)
{
	weir_count(x, DROPPED, (int64_t)buffer->dropped);
	weir_count(x, ERRORS, (int64_t)buffer->errors);
	buffer->dropped = buffer->errors = 0;
}

static const struct accesslog_clock *
clock_of(struct weir_exchange *x)
{
	struct accesslog_clock *clock = weir_thread_state(x);
	int64_t now = weir_time();

	if (clock->second != now)
		accesslog_clock_set(clock, now);
	return clock;
}

static enum weir_verdict
log_request(struct weir_exchange *x, const void *settings, void *state)
{
	const struct settings *set = settings;
	struct accesslog_file *file = *set->output.box;
	unsigned thread = weir_thread_number(x);
	struct accesslog_buffer *buffer = &file->buffers[thread];
	struct line line;

	(void)state;
	if (accesslog_file_is_due(file, thread))
		flush(file, thread);
	if (accesslog_file_begin(file, thread, &line)) {
		accesslog_format_write(x, &set->format, (enum line_escape)set->escape, clock_of(x), &line);
		accesslog_file_end(file, thread, &line);
	}
	if (buffer->dropped + buffer->errors > 0)
		report(x, buffer);
	return WEIR_NEXT;
}

static bool
needed(const void *settings, enum weir_phase phase)
{
	(void)phase;
	return !is_off(settings);
}

static const char *const escapes[] = { [LINE_TEXT] = "text", [LINE_JSON] = "json", NULL };

static const struct weir_option options[] = {
	{ "file", WEIR_CUSTOM, offsetof(struct settings, output), .initial = "stderr",
	  .size = sizeof(struct output), .parse = parse_output,
	  .doc = "Where lines go: a path, stderr, syslog, syslog:/PATH, or off." },
	{ "format", WEIR_CUSTOM, offsetof(struct settings, format), .initial = "combined",
	  .size = sizeof(struct accesslog_format), .parse = accesslog_format_parse,
	  .doc = "combined, json, or a text with ${variables}, the values of which are escaped." },
	{ "escape", WEIR_CHOICE, offsetof(struct settings, escape), .choices = escapes, .initial = "text",
	  .doc = "How values in a text of your own are escaped: text (\\xHH) or json (\\u00HH)." },
	{ .name = NULL }
};

static const struct weir_metric metrics[] = {
	[DROPPED] = { "dropped_total", .doc = "Lines that found no room in the buffer." },
	[ERRORS] = { "errors_total", .doc = "Attempts to write that failed; a reader that is slow is none." },
	{ .name = NULL }
};

WEIR_MODULE(accesslog) = {
	WEIR_ABI,
	.summary = "One line for each request, to a file, stderr or syslog.",
	.options = options,
	.metrics = metrics,
	.settings_size = sizeof(struct settings),
	.generation_size = sizeof(struct outputs),
	.thread_size = sizeof(struct accesslog_clock),
	.order = WEIR_CLASS_LAST,
	.needed = needed,
	.build = build_outputs,
	.drop = drop,
	.tick = tick,
	.reopen = reopen,
	.hooks = { [WEIR_PHASE_LOG] = log_request },
};
