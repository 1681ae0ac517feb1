/* SPDX-License-Identifier: Apache-2.0 */
/*
 * respond: answer without an origin: a fixed reply, a file, or a redirect.
 *
 * It answers in the phase cache, early: after the route, access rules and rate limits, before a cache
 * looks anything up. A route that sets none of status, body, body_file and redirect has no hook here. The
 * file is read when the configuration is checked and belongs to the generation: a change shows after a
 * reload.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <weir/module.h>

#define FILE_MOST (1 << 20)

struct redirect {
	const char *written;
	const struct weir_template *template;
};

struct settings {
	int64_t status;
	const struct weir_template *body;
	const char *body_file, *type;
	struct redirect redirect;

	/* What check makes of these. */
	int answer;			/* the status; 0: nothing to answer */
	const char *content;		/* of body_file */
	size_t content_length;
};

static const char *
parse_redirect(struct weir_build *build, const char *text, void *value)
{
	struct redirect *redirect = value;

	redirect->written = weir_build_printf(build, "%s", text);
	redirect->template = weir_build_template(build, text);
	return *text == '\0' ? "where to?" : NULL;
}

static const struct weir_option options[] = {
	{ "status", WEIR_INTEGER, offsetof(struct settings, status), .min = 200, .max = 599,
	  .doc = "The status. Without it 200, or 302 with a redirect." },
	{ "body", WEIR_TEMPLATE, offsetof(struct settings, body),
	  .doc = "The content; it may hold ${variables}." },
	{ "body_file", WEIR_PATH, offsetof(struct settings, body_file),
	  .doc = "A file of at most 1 MiB, the content as it is." },
	{ "type", WEIR_TEXT, offsetof(struct settings, type), .initial = "text/plain; charset=utf-8",
	  .doc = "The Content-Type of the content." },
	{ "redirect", WEIR_CUSTOM, offsetof(struct settings, redirect), .size = sizeof(struct redirect),
	  .parse = parse_redirect, .doc = "Where to send the client, such as https://${host}${target}." },
	{ .name = NULL }
};

/* Read all of an open file; NULL, or what is wrong with it. */
static const char *
read_all(struct weir_build *build, int file, struct settings *set)
{
	struct stat status;
	ssize_t got = 1;
	size_t size;
	char *to;

	if (fstat(file, &status) != 0 || !S_ISREG(status.st_mode))
		return "not a regular file";
	if (status.st_size > FILE_MOST)
		return "larger than 1 MiB";
	size = (size_t)status.st_size;
	if ((set->content = to = weir_build_alloc(build, size + 1, 1)) == NULL)
		return NULL;
	for (; got > 0 && set->content_length < size; set->content_length += got > 0 ? (size_t)got : 0)
		got = read(file, to + set->content_length, size - set->content_length);
	return got < 0 ? strerror(errno) : NULL;
}

static void
read_file(struct weir_build *build, struct settings *set)
{
	int file = open(set->body_file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);	/* should it be a FIFO */
	const char *why = file < 0 ? strerror(errno) : read_all(build, file, set);

	if (why != NULL)
		weir_build_error(build, "cannot read `%s`: %s", set->body_file, why);
	if (file >= 0)
		close(file);
}

static bool
may_redirect(int status)
{
	return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

static void
check(struct weir_build *build, void *s)
{
	struct settings *set = s;
	bool redirects = set->redirect.written != NULL;
	bool has_body = set->body != NULL || set->body_file != NULL;

	set->answer = set->status != 0 ? (int)set->status : redirects ? 302 : has_body ? 200 : 0;
	if (redirects && !may_redirect(set->answer))
		weir_build_error(build, "a redirect is 301, 302, 303, 307 or 308, not %d", set->answer);
	if (!redirects && may_redirect(set->answer))
		weir_build_error(build, "status %d needs `redirect`", set->answer);
	if (has_body && (set->answer == 204 || set->answer == 205 || set->answer == 304))
		weir_build_error(build, "status %d has no body", set->answer);
	if (set->body != NULL && set->body_file != NULL)
		weir_build_error(build, "`body` and `body_file` exclude each other");
	set->content = NULL;
	set->content_length = 0;
	if (set->body_file != NULL)
		read_file(build, set);
}

/*
 * The target as it may stand in Location: what no URI may hold is percent-encoded, bytes beyond ASCII as
 * well, so that a variable cannot end the field. A client's path that begins with "//" would name a host:
 * of such slashes one is kept.
 */
static const char *
encode(struct weir_exchange *x, const struct redirect *redirect)
{
	static const char hex[] = "0123456789ABCDEF";
	const char *text = weir_expand(x, redirect->template);
	char *encoded = text == NULL ? NULL : weir_alloc(x, 3 * strlen(text) + 1), *to = encoded;

	if (encoded == NULL)
		return NULL;
	if (strncmp(redirect->written, "//", 2) != 0)
		while (text[0] == '/' && text[1] == '/')
			text++;
	for (unsigned char c; (c = (unsigned char)*text) != '\0'; text++) {
		if (c > ' ' && c < 0x7f && strchr("\"<>\\^`{|}", c) == NULL) {
			*to++ = (char)c;
			continue;
		}
		*to++ = '%';
		*to++ = hex[c >> 4];
		*to++ = hex[c & 15];
	}
	*to = '\0';
	return encoded;
}

static enum weir_verdict
answer(struct weir_exchange *x, const void *c, void *s)
{
	const struct settings *set = c;
	const char *body = set->body != NULL ? weir_expand(x, set->body) : set->content;
	size_t length = body == NULL ? 0 : set->body != NULL ? strlen(body) : set->content_length;
	const char *location = set->redirect.written == NULL ? NULL : encode(x, &set->redirect);

	(void)s;
	weir_respond(x, set->answer, body == NULL ? NULL : set->type, body == NULL ? "" : body, length);
	if (location != NULL)
		weir_set_response_field(x, "Location", location);
	return WEIR_RESPOND;
}

static bool
needed(const void *c, enum weir_phase phase)
{
	(void)phase;
	return ((const struct settings *)c)->answer != 0;
}

WEIR_MODULE(respond) = {
	WEIR_ABI,
	.summary = "Answer with a fixed reply or a redirect.",
	.options = options,
	.settings_size = sizeof(struct settings),
	.order = WEIR_CLASS_EARLY,
	.check = check,
	.needed = needed,
	.hooks = { [WEIR_PHASE_CACHE] = answer },
};
