/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state: the overlay as a file in `state_dir`.
 *
 * A deletion is a section of its own kind, without entries. Anything that is not as we write it is damage: a guess
 * would route requests where nobody wanted them.
 */
#include "state.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arena.h"
#include "courtesy.h"
#include "ini.h"
#include "overlay.h"
#include "report.h"

enum { FORMAT = 1, HEAD_LINES = 6, HEAD_ROOM = 256, SUM_STEP = 1024, WRITE_MOST = 1 << 16 };

off_t state_bytes_most = (off_t)256 << 20;

static const char name[] = "routing.ini", end_header[] = "\n[end]\nsum = ";

static const char cure[] =
	"the file is damaged; restore it, or move it away to start with what the configuration files say";

const char *
state_path(struct arena *arena, const char *folder)
{
	return arena_printf(arena, "%s/%s", folder, name);
}

uint64_t
state_sum(const char *text, size_t length)
{
	uint64_t sum = 14695981039346656037u;

	for (size_t at = 0, end; at < length; at = end) {
		end = length - at > SUM_STEP ? at + SUM_STEP : length;
		for (size_t i = at; i < end; i++)
			sum = (sum ^ (unsigned char)text[i]) * 1099511628211u;
		courtesy_step();
	}
	return sum;
}

/* --- reading --------------------------------------------------------------------------------------------- */

struct reading {
	struct overlay *overlay;
	struct report *report;
	struct overlay_section *section;	/* not put in yet */
	enum { START, HEAD, SECTION, END } at;
	bool format, no_memory;
};

static void
refuse(struct reading *r, unsigned line, const char *what)
{
	report_error(r->report, r->overlay->file, line, "%s: %s", what, cure);
}

/* What could not be written again is not taken: a line of `k=v`, put there by hand, may be too long for our `k = v`. */
static void
put_section(struct reading *r)
{
	char why[256];
	const char *key;

	if (r->section == NULL)
		return;
	if (!overlay_section_fits(r->section, why, sizeof(why), &key)) {
		refuse(r, r->section->line, why);
		overlay_section_free(&r->section);
		return;
	}
	r->no_memory |= !overlay_put(r->overlay, r->section);
	r->section = NULL;
}

static void
begin_section(struct reading *r, const struct ini_line *line)
{
	static const char deleted[] = "deleted_";
	bool is_deleted = strncmp(line->kind, deleted, sizeof(deleted) - 1) == 0;
	const char *kind = line->kind + (is_deleted ? sizeof(deleted) - 1 : 0);

	if (strcmp(kind, "route") != 0 && strcmp(kind, "upstream") != 0) {
		refuse(r, line->line, "a kind of section that Weir does not write");
	} else if (*line->name == '\0' || overlay_find(r->overlay, kind, line->name) != NULL) {
		refuse(r, line->line, *line->name == '\0' ? "a section without a name" : "a section twice");
	} else if ((r->section = overlay_section_new(kind, line->name)) == NULL) {
		r->no_memory = true;
	} else {
		r->section->deleted = is_deleted;
		r->section->line = line->line;
	}
}

static void
take_header(struct reading *r, const struct ini_line *line)
{
	put_section(r);
	if (r->at == START && strcmp(line->kind, "state") == 0 && *line->name == '\0') {
		r->at = HEAD;
	} else if ((r->at == HEAD || r->at == SECTION) && strcmp(line->kind, "end") == 0) {
		r->at = END;
	} else if (r->at == HEAD || r->at == SECTION) {
		r->at = SECTION;
		begin_section(r, line);
	} else {
		refuse(r, line->line, "a section out of its order");
	}
}

static bool
read_number(const char *text, uint64_t *number)
{
	char *rest;

	errno = 0;
	*number = strtoull(text, &rest, 10);
	return errno == 0 && *text >= '0' && *text <= '9' && *rest == '\0';
}

static void
take_head(struct reading *r, const struct ini_line *line)
{
	uint64_t number;

	if (!read_number(line->value, &number))
		refuse(r, line->line, "not a number");
	else if (strcmp(line->key, "revision") == 0)
		r->overlay->revision = number;
	else if (strcmp(line->key, "format") == 0 && number == FORMAT)
		r->format = true;
	else if (strcmp(line->key, "format") == 0)
		report_error(r->report, r->overlay->file, line->line,
			"format %" PRIu64 " is of another Weir, this one reads %d", number, FORMAT);
	else
		refuse(r, line->line, "a key that Weir does not write");
}

static bool
take(void *context, const struct ini_line *line)
{
	struct reading *r = context;

	if (line->key == NULL)
		take_header(r, line);
	else if (r->at == HEAD)
		take_head(r, line);
	else if (r->at == SECTION && r->section != NULL && r->section->deleted)
		refuse(r, line->line, "a key in a deletion");
	else if (r->at == SECTION && r->section != NULL)
		r->no_memory |= !overlay_section_add(&r->section, line->key, line->value);
	return r->report->errors == 0 && !r->no_memory;
}

/* The last line is the sum of all before it. */
static bool
sum_fits(const char *text, size_t length)
{
	const size_t tail = sizeof(end_header) - 1 + 16 + 1;
	char expected[sizeof(end_header) + 18];

	if (length < tail || memchr(text, '\0', length) != NULL)
		return false;
	snprintf(expected, sizeof(expected), "%s%016" PRIx64 "\n", end_header, state_sum(text, length - tail));
	return memcmp(text + length - tail, expected, tail) == 0;
}

bool
state_parse(struct overlay *o, const char *text, size_t length, struct report *report)
{
	struct reading reading = { .overlay = o, .report = report };
	unsigned errors = report->errors;

	if (!sum_fits(text, length)) {
		refuse(&reading, 0, "it is cut, or was changed by hand");
		return false;
	}
	ini_read(text, length, o->file, report, take, &reading);
	overlay_section_free(&reading.section);
	overlay_commit(o);
	if (reading.no_memory)
		report_error(report, o->file, 0, "no memory to read it");
	else if (report->errors == errors && (reading.at != END || !reading.format))
		refuse(&reading, 0, "it is not whole");
	return report->errors == errors;
}

/* All of an open file, to free(); NULL with errno. */
static char *
read_whole(int fd, size_t *length)
{
	struct stat status;
	ssize_t got = 0;
	char *text;

	*length = 0;
	if (fstat(fd, &status) != 0)
		return NULL;
	if (!S_ISREG(status.st_mode) || status.st_size > state_bytes_most) {
		errno = S_ISREG(status.st_mode) ? EFBIG : EINVAL;
		return NULL;
	}
	if ((text = malloc((size_t)status.st_size + 1)) == NULL)
		return NULL;
	while (*length < (size_t)status.st_size &&
		((got = read(fd, text + *length, (size_t)status.st_size - *length)) > 0 ||
		(got < 0 && errno == EINTR)))
		*length += got > 0 ? (size_t)got : 0;
	if (got < 0) {
		free(text);
		return NULL;
	}
	return text;
}

bool
state_read(struct overlay *o, bool look, struct report *report)
{
	int fd = open(o->file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	size_t length;
	char *text;
	bool good;

	if (fd < 0 && errno == ENOENT)
		return true;
	if (fd < 0 && look && errno == EACCES) {
		report_warning(report, o->file, 0, "cannot be read: %s; what was changed in the running process "
			"is left out", strerror(errno));
		return true;
	}
	text = fd >= 0 ? read_whole(fd, &length) : NULL;
	if (text == NULL)
		report_error(report, o->file, 0, "cannot be read: %s", strerror(errno));
	good = text != NULL && state_parse(o, text, length, report);
	o->kept = true;
	if (fd >= 0)
		close(fd);
	free(text);
	return good;
}

/* --- writing --------------------------------------------------------------------------------------------- */

/* Bytes that write_section() writes at most. */
static size_t
section_room(const struct overlay_section *section)
{
	return section->size + section->count * strlen(" = \n") + strlen("\n[deleted_upstream ]\n");
}

static char *
put(char *to, const char *text)
{
	size_t length = strlen(text);

	return (char *)memcpy(to, text, length) + length;
}

/* By the piece: there may be 100,000 of them, and a format takes longer than all of its text. */
static char *
write_section(char *to, const struct overlay_section *section)
{
	const char *at = NULL, *key, *value;

	to = put(to, section->deleted ? "\n[deleted_" : "\n[");
	to = put(put(put(to, section->kind), " "), overlay_name(section));
	to = put(to, "]\n");
	while (overlay_next(section, &at, &key, &value))
		to = put(put(put(put(to, key), " = "), value), "\n");
	return to;
}

/* The whole text, to free(); NULL without memory. */
static char *
make_text(const struct overlay *o, size_t *length)
{
	size_t room = HEAD_ROOM + sizeof(end_header) + 18;
	char *text, *to;

	for (const struct overlay_section *s = o->first; s != NULL; s = s->next) {
		room += section_room(s);
		courtesy_step();
	}
	if ((text = malloc(room)) == NULL)
		return NULL;
	to = text + snprintf(text, HEAD_ROOM,
		"; What was changed in the running process, on top of the configuration files. Weir writes\n"
		"; this file: change it by weirctl, not by hand.\n[state]\nformat = %d\nrevision = %" PRIu64 "\n",
		FORMAT, o->revision);
	for (const struct overlay_section *s = o->first; s != NULL; s = s->next) {
		to = write_section(to, s);
		courtesy_step();
	}
	to += snprintf(to, room - (size_t)(to - text), "%s%016" PRIx64 "\n", end_header, state_sum(text, (size_t)(to - text)));
	*length = (size_t)(to - text);
	assert(*length < room);
	return text;
}

static bool
write_whole(int fd, const char *text, size_t length)
{
	ssize_t put;

	while (length > 0) {
		if ((put = write(fd, text, length < WRITE_MOST ? length : WRITE_MOST)) < 0 && errno != EINTR)
			return false;
		text += put > 0 ? put : 0;
		length -= put > 0 ? (size_t)put : 0;
		courtesy_look();
	}
	return fsync(fd) == 0;
}

static bool
write_file(const char *path, const char *text, size_t length)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640), error = 0;

	if (fd < 0)
		return false;
	if (!write_whole(fd, text, length))
		error = errno;
	if (close(fd) != 0 && error == 0)
		error = errno;
	if (error != 0)
		unlink(path);
	errno = error;
	return error == 0;
}

/* That the new name stays is the folder's to remember. */
static bool
sync_folder(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *folder = slash != NULL ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
	int fd = folder != NULL ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	bool good = fd >= 0 && fsync(fd) == 0;
	int error = errno;

	if (fd >= 0)
		close(fd);
	free(folder);
	errno = error;
	return good;
}

static void
number_lines(struct overlay *o)
{
	unsigned line = HEAD_LINES;

	for (struct overlay_section *s = o->first; s != NULL; s = s->next) {
		s->line = line + 1;
		line += 2 + s->count;
		courtesy_step();
	}
}

enum state_result
state_write(struct overlay *o)
{
	size_t length = 0, room = strlen(o->file) + sizeof(".new");
	char *text = make_text(o, &length), *beside = malloc(room);
	enum state_result result = STATE_KEPT;

	if (text == NULL || beside == NULL) {
		errno = ENOMEM;
	} else if ((off_t)length > state_bytes_most) {
		errno = EFBIG;
	} else {
		snprintf(beside, room, "%s.new", o->file);
		if (write_file(beside, text, length) && rename(beside, o->file) == 0)
			result = sync_folder(o->file) ? STATE_WRITTEN : STATE_UNSURE;
	}
	if (result != STATE_KEPT)
		number_lines(o);
	o->kept |= result != STATE_KEPT;
	free(text);
	free(beside);
	return result;
}

static void
show_section(const struct overlay_section *section, FILE *to)
{
	const char *at = NULL, *key, *value;

	if (section == NULL || section->fresh)
		return;
	if (section->deleted) {
		fprintf(to, "\n; deleted: [%s %s]\n", section->kind, overlay_name(section));
		return;
	}
	fprintf(to, "\n[%s %s]\n", section->kind, overlay_name(section));
	while (overlay_next(section, &at, &key, &value))
		fprintf(to, "%s = %s\n", key, value);
}

/* While a change is under way, what it replaces comes last. */
void
state_print(const struct overlay *o, FILE *to)
{
	for (const struct overlay_section *s = o->first; s != NULL; s = s->next)
		show_section(s, to);
	for (size_t i = 0; i < o->step_count; i++)
		show_section(o->steps[i].was, to);
}
