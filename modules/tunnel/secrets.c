/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secrets: credentials for proxies. No message shows one.
 */
#include "secrets.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LINE_MOST = 1024, FILE_MOST = 8 * 1024 };

const char *
secrets_judge(const char *text)
{
	const char *colon = strchr(text, ':');

	if (colon == NULL)
		return "write USER:PASSWORD";
	if (colon == text)
		return "the user is missing before the colon";
	if (strlen(text) > LINE_MOST)
		return "it is longer than 1024 bytes";
	for (; *text != '\0'; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return "it has a control character";
	return NULL;
}

/* RFC 4648, 4. */
static void
encode(char *to, const char *text, size_t length)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < length; i += 3) {
		unsigned word = (unsigned)(unsigned char)text[i] << 16;

		if (i + 1 < length)
			word |= (unsigned)(unsigned char)text[i + 1] << 8;
		if (i + 2 < length)
			word |= (unsigned char)text[i + 2];
		*to++ = digits[word >> 18];
		*to++ = digits[word >> 12 & 63];
		*to++ = i + 1 < length ? digits[word >> 6 & 63] : '=';
		*to++ = i + 2 < length ? digits[word & 63] : '=';
	}
	*to = '\0';
}

const char *
secrets_basic(struct weir_build *build, const char *text)
{
	static const char scheme[] = "Basic ";
	size_t length = strlen(text);
	char *value = weir_build_alloc(build, sizeof(scheme) + (length + 2) / 3 * 4, 1);

	if (value == NULL)
		return NULL;
	memcpy(value, scheme, sizeof(scheme));
	encode(value + sizeof(scheme) - 1, text, length);
	return value;
}

/* The whole of a small regular file, with a NUL behind it. */
static char *
read_whole(struct weir_build *build, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char *text = NULL;
	struct stat status;
	ssize_t got = -1;

	if (fd < 0 || fstat(fd, &status) != 0)
		weir_build_error(build, "tunnel: cannot read %s: %s", path, strerror(errno));
	else if (!S_ISREG(status.st_mode) || status.st_size > FILE_MOST)
		weir_build_error(build, "tunnel: %s is not a file of at most %d bytes", path, FILE_MOST);
	else if ((text = weir_build_alloc(build, FILE_MOST + 1, 1)) != NULL && (got = read(fd, text, FILE_MOST)) < 0)
		weir_build_error(build, "tunnel: cannot read %s: %s", path, strerror(errno));
	if (got >= 0 && (status.st_mode & (S_IRGRP | S_IROTH)) != 0)
		weir_build_warning(build, "tunnel: %s can be read by others than its owner; `chmod 600` it", path);
	if (got >= 0 && strlen(text) != (size_t)got) {
		weir_build_error(build, "tunnel: %s is no text", path);
		got = -1;
	}
	if (fd >= 0)
		close(fd);
	return got >= 0 ? text : NULL;
}

/* Cut off the line at *text, without its end; NULL behind the last. */
static char *
next_line(char **text)
{
	char *line = *text, *end = line + strcspn(line, "\n");

	if (*line == '\0')
		return NULL;
	*text = *end == '\0' ? end : end + 1;
	if (end > line && end[-1] == '\r')
		end--;
	*end = '\0';
	return line;
}

bool
secrets_read(struct weir_build *build, const char *path, size_t most, struct weir_list *list)
{
	char *text = read_whole(build, path), *line;
	const char **lines = weir_build_alloc(build, most, sizeof(*lines)), *why;

	*list = (struct weir_list){ lines, 0 };
	if (text == NULL || lines == NULL)
		return false;
	for (unsigned number = 1; (line = next_line(&text)) != NULL; number++) {
		if (*line == '\0')
			continue;
		why = list->count == most ? "there are too many lines" : strcmp(line, "-") == 0 ? NULL : secrets_judge(line);
		if (why != NULL) {
			weir_build_error(build, "tunnel: %s:%u: %s", path, number, why);
			return false;
		}
		lines[list->count++] = line;
	}
	if (list->count == 0)
		weir_build_error(build, "tunnel: %s is empty; write USER:PASSWORD into it", path);
	return list->count > 0;
}
