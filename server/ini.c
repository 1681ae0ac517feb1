/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ini: one INI text as headers and entries, each with its line, nothing cut and nothing guessed.
 *
 * inih pulls lines through next_line(); every line that it gets is either a section header, a synthetic key
 * right after it (inih is silent about headers, so this is how a section is seen), or an entry. What was
 * handed to inih must come back through take_line() before the next line is asked for; `owed` remembers it.
 * So an inih that is compiled to read lines otherwise makes an error, never a different configuration.
 *
 * Our part of the grammar: a line is at most INI_LINE_MOST bytes; `;` or `#` begin a comment line, `;` after
 * white space a comment at the end of a line; CRLF and a byte order mark are taken; control characters but
 * the tab are not.
 */
#include "ini.h"
#include "report.h"

#include <assert.h>
#include <ini.h>
#include <stdio.h>
#include <string.h>

#define BLANKS " \t"
#define KEY_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"

struct reader {
	const char *at, *end;		/* what is not read yet */
	const char *file;
	unsigned line;
	struct report *report;
	ini_take *take;
	void *context;
	bool stopped;
	enum { BEFORE, INSIDE, BROKEN } section;
	enum { NOTHING, SYNTHETIC, ENTRY } owed;	/* what inih has yet to give back */
	bool header_given;		/* the synthetic key comes next */
	char kind[INI_NAME_MOST + 1], name[INI_NAME_MOST + 1];
	char text[INI_LINE_MOST + 1];	/* the line, cut up in place by `key` and `value` */
	char *key, *value;
};

#define refuse(reader, ...) report_error((reader)->report, (reader)->file, (reader)->line, __VA_ARGS__)

/* Move the next line into reader->text. False when it is unusable (reported). */
static bool
copy_line(struct reader *reader)
{
	const char *start = reader->at, *end = memchr(start, '\n', (size_t)(reader->end - start));
	size_t length;

	reader->at = end != NULL ? end + 1 : reader->end;
	reader->line++;
	length = (size_t)((end != NULL ? end : reader->end) - start);
	if (reader->line == 1 && length >= 3 && memcmp(start, "\xef\xbb\xbf", 3) == 0) {
		start += 3;
		length -= 3;
	}
	if (length > 0 && start[length - 1] == '\r')
		length--;
	if (length > INI_LINE_MOST) {
		refuse(reader, "the line is %zu bytes long, the limit is %d", length, INI_LINE_MOST);
		return false;
	}
	for (size_t i = 0; i < length; i++) {
		if (((unsigned char)start[i] < ' ' && start[i] != '\t') || start[i] == 0x7f) {
			refuse(reader, "control character 0x%02x at column %zu",
				(unsigned char)start[i], i + 1);
			return false;
		}
	}
	memcpy(reader->text, start, length);
	reader->text[length] = '\0';
	return true;
}

static void
strip_end(char *text)
{
	size_t length = strlen(text);

	while (length > 0 && strchr(BLANKS, text[length - 1]) != NULL)
		length--;
	text[length] = '\0';
}

static void
strip_comment(char *text)
{
	char *at = text + strspn(text, BLANKS);

	if (*at == '#') {
		*text = '\0';
		return;
	}
	for (at = text; (at = strchr(at, ';')) != NULL; at++) {
		if (at == text || strchr(BLANKS, at[-1]) != NULL) {
			*at = '\0';
			break;
		}
	}
	strip_end(text);
}

/* The kind or the name of a section. */
static bool
copy_word(struct reader *reader, char *to, const char *word, const char *what)
{
	size_t length = strlen(word);

	if (length > INI_NAME_MOST) {
		refuse(reader, "the %s of the section is %zu bytes long, the limit is %d",
			what, length, INI_NAME_MOST);
		return false;
	}
	if (strpbrk(word, BLANKS "[") != NULL) {
		refuse(reader, "`%s`: the %s of a section is one word", word, what);
		return false;
	}
	memcpy(to, word, length + 1);
	return true;
}

/* "[kind name]" */
static bool
read_header(struct reader *reader)
{
	char *kind = reader->text + 1, *close = strchr(kind, ']'), *name;

	if (close == NULL) {
		refuse(reader, "the section header has no `]`");
		return false;
	}
	if (close[1] != '\0') {
		refuse(reader, "`%s` stands after the section header", close + 1 + strspn(close + 1, BLANKS));
		return false;
	}
	*close = '\0';
	kind += strspn(kind, BLANKS);
	strip_end(kind);
	if (*kind == '\0') {
		refuse(reader, "the section header is empty");
		return false;
	}
	name = kind + strcspn(kind, BLANKS);
	if (*name != '\0') {
		*name++ = '\0';
		name += strspn(name, BLANKS);
	}
	return copy_word(reader, reader->kind, kind, "kind") && copy_word(reader, reader->name, name, "name");
}

/* "key = value" */
static bool
read_entry(struct reader *reader)
{
	char *equals = strchr(reader->text, '='), *colon = strchr(reader->text, ':');

	if (colon != NULL && (equals == NULL || colon < equals)) {
		*colon = '\0';
		strip_end(reader->text);
		refuse(reader, "`:` does not end a key, write `%s = …`", reader->text);
		return false;
	}
	if (equals == NULL) {
		refuse(reader, "`%s` has no value, write `%s = …`", reader->text, reader->text);
		return false;
	}
	*equals = '\0';
	reader->key = reader->text;
	reader->value = equals + 1 + strspn(equals + 1, BLANKS);
	strip_end(reader->key);
	if (*reader->key == '\0') {
		refuse(reader, "there is no key before `=`");
		return false;
	}
	if (reader->key[strspn(reader->key, KEY_CHARACTERS)] != '\0') {
		refuse(reader, "`%s` is not a key: keys are letters, digits, `_`, `-` and `.`", reader->key);
		return false;
	}
	return true;
}

/* Read the next line. True when it is a header or an entry to hand on. */
static bool
read_line(struct reader *reader, bool *is_header)
{
	if (!copy_line(reader))
		return false;
	strip_comment(reader->text);
	*is_header = reader->text[0] == '[';
	if (reader->text[0] == '\0')
		return false;
	if (strchr(BLANKS, reader->text[0]) != NULL) {
		refuse(reader, "the line is indented: a value stands on one line, and a key begins it");
		return false;
	}
	if (*is_header) {
		reader->section = read_header(reader) ? INSIDE : BROKEN;
		return reader->section == INSIDE;
	}
	if (!read_entry(reader))
		return false;
	if (reader->section == BEFORE)
		refuse(reader, "the key `%s` stands before the first section", reader->key);
	return reader->section == INSIDE;
}

/* inih's version of fgets. */
static char *
next_line(char *to, int size, void *stream)
{
	struct reader *reader = stream;
	bool is_header = false;
	int length;

	if (reader->owed != NOTHING)
		refuse(reader, "inih does not take this line");
	reader->owed = NOTHING;
	if (reader->header_given) {
		reader->header_given = false;
		reader->owed = SYNTHETIC;
		return size > 4 ? strcpy(to, "k=v") : NULL;
	}
	while (!reader->stopped && reader->at < reader->end) {
		if (!read_line(reader, &is_header))
			continue;
		if (is_header)
			length = snprintf(to, (size_t)size, "[%s %s]", reader->kind, reader->name);
		else
			length = snprintf(to, (size_t)size, "%s=%s", reader->key, reader->value);
		if (length >= size) {
			refuse(reader, "the line is too long for this inih, which takes %d bytes", size - 1);
			continue;
		}
		reader->header_given = is_header;
		reader->owed = is_header ? NOTHING : ENTRY;
		return to;
	}
	return NULL;
}

/* inih has parsed a line. */
static int
take_line(void *user, const char *section, const char *key, const char *value)
{
	struct reader *reader = user;
	struct ini_line line = { reader->kind, reader->name, NULL, NULL, reader->line };

	(void)section;	/* cut at 49 bytes, and not asked for */
	assert(reader->section == INSIDE);
	if (reader->owed == ENTRY) {
		line.key = reader->key;
		line.value = reader->value;
		if (strcmp(key, line.key) != 0 || strcmp(value, line.value) != 0)
			return 0;
	} else if (reader->owed == NOTHING) {
		return 0;
	}
	reader->owed = NOTHING;
	if (!reader->stopped && !reader->take(reader->context, &line))
		reader->stopped = true;
	return 1;
}

bool
ini_read(const char *text, size_t length, const char *file, struct report *report, ini_take *take,
	void *context)
{
	struct reader reader = {
		.at = text,
		.end = text + length,
		.file = file,
		.report = report,
		.take = take,
		.context = context,
	};
	unsigned errors = report->errors;
	int result = ini_parse_stream(next_line, &reader, take_line, &reader);

	if (reader.owed != NOTHING || (!reader.stopped && reader.at < reader.end) ||
	    (result != 0 && report->errors == errors))
		refuse(&reader, "inih does not take this line");
	return !reader.stopped;
}
